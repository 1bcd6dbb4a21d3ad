"""From Python arguments to the JSON input of a verb. The server checks them; this only gives them their form."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias, TypedDict

from . import errors
from .results import Job

JobLike: TypeAlias = str | Job
"""A job, or its id."""
Params: TypeAlias = Mapping[str, Any] | object
"""A mapping, a dataclass, or an object with `model_dump`."""


class JobFields(TypedDict, total=False):
    """Members of a submission beside the usual ones."""

    context_id: str
    """A context of the catalogue: its options are over the target's and under the rest."""
    preset: str
    """A preset of the target: code, parameters and options the operator has given a name."""
    module: str
    """Dotted name of an installed Python module, instead of `code_path`."""
    yaml: str
    """Beam YAML: the pipeline itself, or a path or artifact, instead of `code_path`."""
    entry_class: str
    """Main class of the jar, where its manifest names none."""
    args: list[str]
    """Plain program arguments, before the options."""
    template_path: str
    template_parameters: Mapping[str, Any]
    parallelism: int
    savepoint_path: str
    """Savepoint to start from."""
    allow_non_restored_state: bool
    plan_digest: str
    """Digest of the plan that `plan_job` answered: anything else is refused."""


class RestoreFields(TypedDict, total=False):
    """What may differ in a restored job."""

    job_name: str
    pipeline_options: Mapping[str, Any]
    parallelism: int
    code_path: str
    allow_non_restored_state: bool
    idempotency_key: str
    plan_digest: str


class OperationFields(TypedDict, total=False):
    """What an operation that is planned is asked for with; which of them it takes is the operation's matter."""

    mode: str
    with_savepoint: bool
    savepoint_path: str
    parallelism: int
    min_workers: int
    scaling: Mapping[str, Any]
    update_options: Mapping[str, Any]
    job_name: str
    pipeline_options: Mapping[str, Any]
    code_path: str
    allow_non_restored_state: bool


class ContextMembers(TypedDict, total=False):
    """Members of a context of the catalogue; those that only the server sets may be sent back as they were read."""

    name: str
    description: str
    status: str
    """`active` or `inactive`."""
    resources: Mapping[str, Any]
    metadata: Mapping[str, Any]
    mcp_labels: Mapping[str, str]
    mcp_annotations: Mapping[str, str]
    mcp_generation: int
    """Generation of what is changed; another is refused."""
    mcp_resource_type: str
    mcp_state: str
    mcp_created_at: str
    mcp_updated_at: str
    by_operator: bool
    idempotency_key: str
    plan_digest: str


class ContextFields(ContextMembers, total=False):
    """The same of a new one, with its id."""

    context_id: str
    mcp_resource_id: str


OPERATIONS = {
    "cancel": "cancel_job",
    "restore": "restore_job",
    "savepoint": "create_savepoint",
    "scale": "scale_job",
    "update": "update_job",
}
"""Operations that are planned, with their calls."""

PLACED: dict[str, tuple[str, type]] = {
    "cancel": ("with_savepoint", bool),
    "restore": ("savepoint_path", str),
    "savepoint": ("savepoint_path", str),
    "scale": ("parallelism", int),
}
"""What the methods of these operations take after the job, without its name."""


def job_id(job: JobLike) -> str:
    """The id of a job."""
    return job.job_id if isinstance(job, Job) else str(job)


def members(params: Params | None) -> dict[str, Any]:
    """The members of what a caller gave as parameters."""
    if params is None:
        return {}
    if isinstance(params, Mapping):
        return dict(params)  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
    if dataclasses.is_dataclass(params) and not isinstance(params, type):
        return dataclasses.asdict(params)
    dump = getattr(params, "model_dump", None)
    if dump is None:
        raise errors.invalid(
            f"parameters must be a mapping, not {type(params).__name__}",
            "pass a dict, for instance",
        )
    return dict(dump(exclude_none=True))


def merged(params: Params | None, **fields: Any) -> dict[str, Any]:
    """`params` and keyword arguments in one object; two different values for one name are an error."""
    given = members(params)
    for name, value in fields.items():
        if value is None:
            continue
        if given.setdefault(name, value) != value:
            raise errors.invalid(f"`{name}` is given twice, with different values")
    return given


def submission(by_default: str | None, params: Params | None, **fields: Any) -> dict[str, Any]:
    """The input of `create_job`; the client's own target where the caller names no place to run."""
    given = merged(params, **fields)
    if by_default and not given.keys() & {"target", "runner", "runner_type"}:
        given["target"] = by_default
    return given


def listing(limit: int | None, page_token: str | None, **filters: Any) -> dict[str, Any]:
    """The input of a list: all pages, unless the caller names one."""
    whole = True if limit is None and page_token is None else None
    return merged(None, limit=limit, page_token=page_token, all=whole, **filters)


def cancellation(by_default: bool, job: JobLike, **fields: Any) -> dict[str, Any]:
    """The input of `cancel_job`: `mode` where it is named, else S1's `with_savepoint`."""
    given = merged(None, job_id=job_id(job), **fields)
    if not given.keys() & {"mode", "with_savepoint"}:
        given["with_savepoint"] = by_default or "savepoint_path" in given
    return given


def scaling(
    job: JobLike, parallelism: int | None, min_workers: int | None, **fields: Any
) -> tuple[str, dict[str, Any]]:
    """The call that scales, and its input: a lower bound is a change of both bounds."""
    id_ = job_id(job)
    if min_workers is None:
        return "scale_job", merged(None, job_id=id_, parallelism=parallelism, **fields)
    bounds = merged(None, parallelism=parallelism, min_workers=min_workers)
    return "update_job", merged(None, job_id=id_, scaling=bounds, **fields)


def placed(verb: str, params: Params | str | int | None) -> Params | None:
    """What is given to an operation without a name, under its name."""
    name, kind = PLACED.get(verb, ("", ()))
    # `True` is an `int` to Python, and no number of workers.
    fits = isinstance(params, kind) and isinstance(params, bool) == (kind is bool)
    return {name: params} if fits else params


def operation(
    by_default: bool,
    verb: str,
    job: JobLike,
    params: Params | str | int | None,
    fields: OperationFields,
) -> tuple[str, dict[str, Any]]:
    """The call of an operation, and the input that has it planned."""
    if verb not in OPERATIONS:
        raise errors.invalid(
            f"there is no operation {verb!r} to plan", f"one of {', '.join(OPERATIONS)}"
        )
    given = merged(placed(verb, params), **fields)
    if verb == "cancel":
        given = cancellation(by_default, job, **given)
    elif verb == "scale":
        bounds = (given.pop("parallelism", None), given.pop("min_workers", None))
        call, given = scaling(job, *bounds, **given)
        return call, {**given, "dry_run": True}
    return OPERATIONS[verb], {**given, "job_id": job_id(job), "dry_run": True}


def no_profile(fields: Mapping[str, Any]) -> None:
    """Refuses members of a run profile where labels are meant."""
    if fields:
        raise errors.invalid(
            f"labels have no {', '.join(sorted(fields))}",
            "give `context_type` to make a run profile of the catalogue",
        )


def no_labels(*labels: str | None) -> None:
    """Refuses labels where a run profile is meant."""
    if any(label is not None for label in labels):
        raise errors.invalid(
            "a run profile of the catalogue has no labels",
            "give labels of the call as `context=MCPContext(...)`",
        )


def profile(
    context_id: str,
    params: Params | None,
    context_type: str | None,
    parameters: Mapping[str, Any] | None,
    fields: Mapping[str, Any],
) -> dict[str, Any]:
    """The input of a change of a run profile."""
    return merged(
        params,
        context_id=context_id,
        context_type=context_type,
        parameters=parameters,
        **fields,
    )


def catalogue_call(verb: str) -> str:
    """The call of a change of the catalogue."""
    if verb not in ("create", "update", "delete"):
        raise errors.invalid(
            f"there is no change {verb!r} to plan", "one of create, update, delete"
        )
    return f"{verb}_context"


def upload(path: str | Path, file_name: str | None) -> tuple[dict[str, Any], dict[str, Path]]:
    """The input of `upload_artifact`, and the file behind the source it names."""
    file = Path(path)
    if not file.is_file():
        raise errors.invalid(f"there is no file {str(path)!r}", "name a file of this machine")
    return {"source": "upload", "file_name": file_name or file.name}, {"upload": file}


class Limit:
    """What is left of a caller's time."""

    def __init__(self, seconds: float | None) -> None:
        self._end = None if seconds is None else time.monotonic() + seconds

    def left(self) -> float | None:
        """Seconds left, at least 0; `None` without a limit."""
        return None if self._end is None else max(0.0, self._end - time.monotonic())

    def at_most(self, seconds: float) -> float:
        """Seconds left, at most these."""
        left = self.left()
        return seconds if left is None else min(seconds, left)
