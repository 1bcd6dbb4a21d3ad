"""`beam-mcp job adopt`, `abandon` and `resubmit`: an operator's word on a job nobody can explain."""

from __future__ import annotations

import argparse
import sys

from ..client import MCPClient
from ..results import Changed, Plan
from . import show
from .connect import connected

REFUSED = 5
FIELDS = ("job_id", "state", "native_id", "diagnostics")


def adopt(options: argparse.Namespace) -> int:
    """Binds a job to one the runner shows."""
    return _resolve("adopt", options)


def abandon(options: argparse.Namespace) -> int:
    """Declares a job not running."""
    return _resolve("abandon", options)


def resubmit(options: argparse.Namespace) -> int:
    """Submits a parked job again."""
    return _resolve("resubmit", options)


def _resolve(verb: str, options: argparse.Namespace) -> int:
    with connected(options) as client:
        plan = _plan(client, verb, options)
        if options.dry_run:
            show.plan(plan, options.output)
            return 0
        if not options.yes and sys.stdin.isatty() and not _confirmed(plan):
            print("nothing was done", file=sys.stderr)
            return REFUSED
        changed = _apply(client, verb, options, plan.digest)
    job = changed.job
    show.record(changed if job is None else job, FIELDS, options.output, "job_id")
    return 0


def _plan(client: MCPClient, verb: str, options: argparse.Namespace) -> Plan:
    return client.plan_resolution(
        verb,
        options.job_id,
        native_id=options.native_id if verb == "adopt" else None,
        reason=options.reason,
        timeout=options.timeout,
    )


def _confirmed(plan: Plan) -> bool:
    print(show.printable(plan.summary), file=sys.stderr)
    for text in [*plan.changes, *(f"not known: {text}" for text in plan.unknown)]:
        print(f"  {show.printable(text)}", file=sys.stderr)
    print("do it? [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in {"y", "yes"}


def _apply(client: MCPClient, verb: str, options: argparse.Namespace, digest: str) -> Changed:
    key, timeout = options.idempotency_key, options.timeout
    if verb == "adopt":
        return client.adopt_job(
            options.job_id, options.native_id, reason=options.reason, plan_digest=digest,
            idempotency_key=key, timeout=timeout,
        )  # fmt: skip
    call = client.abandon_job if verb == "abandon" else client.resubmit_job
    return call(
        options.job_id, options.reason, plan_digest=digest, idempotency_key=key, timeout=timeout
    )
