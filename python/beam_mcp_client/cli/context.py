"""`beam-mcp context`: the run profiles of the catalogue."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

from .. import errors
from ..inputs import ContextMembers
from . import show
from .connect import connected
from .pairs import pairs

COLUMNS = ("context_id", "name", "context_type", "status", "parameters", "mcp_updated_at")
FIELDS = (
    "context_id",
    "name",
    "description",
    "context_type",
    "status",
    "by_operator",
    "parameters",
    "resources",
    "metadata",
    "mcp_labels",
    "mcp_generation",
    "mcp_created_at",
    "mcp_updated_at",
    "deleted",
)


def listing(options: argparse.Namespace) -> None:
    """Lists contexts."""
    with connected(options) as client:
        found = client.list_contexts(context_type=options.type, timeout=options.timeout)
    show.rows(found, COLUMNS, options.output, "context_id")


def get(options: argparse.Namespace) -> None:
    """Shows one."""
    with connected(options) as client:
        found = client.get_context(options.context_id, timeout=options.timeout)
    show.record(found, FIELDS, options.output, "context_id")


def create(options: argparse.Namespace) -> None:
    """Makes one."""
    said, kind = _said(options), options.type or "custom"
    parameters = pairs("--parameter", options.parameter)
    with connected(options) as client:
        if options.dry_run:
            plan = client.plan_context(
                "create",
                options.context_id,
                context_type=kind,
                parameters=parameters,
                timeout=options.timeout,
                **said,
            )
            show.plan(plan, options.output)
            return
        made = client.create_context(
            context_id=options.context_id,
            context_type=kind,
            parameters=parameters,
            timeout=options.timeout,
            **said,
        )
    show.record(made, FIELDS, options.output, "context_id")


def update(options: argparse.Namespace) -> None:
    """Changes one: of its options those that are named, unless another changed it meanwhile."""
    with connected(options) as client:
        old = client.get_context(options.context_id, timeout=options.timeout)
        given: dict[str, Any] = {**_said(options)}
        if options.type:
            given["context_type"] = options.type
        if options.parameter or options.unset:
            given["parameters"] = _edited(old.parameters, options)
        if not given:
            raise errors.invalid("nothing to change", "name a member, for instance --parameter")
        given["mcp_generation"] = old.mcp_generation
        if options.dry_run:
            plan = client.plan_context("update", options.context_id, given, timeout=options.timeout)
            show.plan(plan, options.output)
            return
        new = client.update_context(options.context_id, given, timeout=options.timeout)
    show.record(new, FIELDS, options.output, "context_id")


def _edited(old: Mapping[str, Any], options: argparse.Namespace) -> dict[str, Any]:
    given = pairs("--parameter", options.parameter)
    replaced = {_plain(name) for name in [*options.unset, *given]}
    kept = {name: value for name, value in old.items() if _plain(name) not in replaced}
    return {**kept, **given}


def _plain(name: str) -> str:
    """`temp_location`, `temp-location` and `tempLocation` are one option."""
    return name.replace("_", "").replace("-", "").lower()


def delete(options: argparse.Namespace) -> None:
    """Deletes one."""
    with connected(options) as client:
        if options.dry_run:
            plan = client.plan_context("delete", options.context_id, timeout=options.timeout)
            show.plan(plan, options.output)
            return
        gone = client.delete_context(options.context_id, timeout=options.timeout)
    show.record(gone, FIELDS, options.output, "deleted")


def _said(options: argparse.Namespace) -> ContextMembers:
    said: ContextMembers = {}
    if options.name:
        said["name"] = options.name
    if options.description is not None:
        said["description"] = options.description
    if options.status:
        said["status"] = options.status
    if resources := pairs("--resource", options.resource):
        said["resources"] = resources
    return said
