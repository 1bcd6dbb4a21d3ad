"""`beam-mcp job`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from .. import errors
from ..client import MCPClient
from ..inputs import RestoreFields
from ..results import Changed, Job, LogList
from . import show
from .connect import connected
from .pairs import pairs
from .progress import Progress

JOB_FAILED = 7
REFUSED = 5
OPERATION_FIELDS = (
    "operation_id",
    "kind",
    "state",
    "parallelism",
    "actual",
    "savepoint_path",
    "requested_at",
    "diagnostics",
)
CHANGED_FIELDS = (
    "job_id",
    "state",
    "savepoint_path",
    "pending",
    "operation_id",
    "parallelism",
    "notes",
)
STAGE_COLUMNS = ("id", "name", "state", "parallelism", "records_in", "records_out", "inputs")
CHECKPOINT_COLUMNS = (
    "id",
    "kind",
    "status",
    "started_at",
    "duration_ms",
    "state_bytes",
    "path",
    "failure",
)
METRIC_COLUMNS = ("namespace", "name", "step", "kind", "value", "unit")


def submit(options: argparse.Namespace) -> int:
    """Submits a job."""
    with connected(options) as client:
        given = _submission(client, options)
        if options.dry_run:
            show.plan(client.plan_job(given, timeout=options.timeout), options.output)
            return 0
        job = client.create_job(given, timeout=options.timeout)
        return _submitted(client, job, options)


def restore(options: argparse.Namespace) -> int:
    """Submits a job again from a savepoint."""
    changed: RestoreFields = {}
    if pipeline_options := _options(options, ("parallelism",)):
        changed["pipeline_options"] = pipeline_options
    if options.code:
        changed["code_path"] = options.code
    if options.name:
        changed["job_name"] = options.name
    if options.idempotency_key:
        changed["idempotency_key"] = options.idempotency_key
    if options.allow_non_restored_state:
        changed["allow_non_restored_state"] = True
    with connected(options) as client:
        if options.dry_run:
            fields = {**changed, "savepoint_path": options.savepoint}
            return _planned(client, "restore", options, fields)
        job = client.restore_job(
            options.job_id, options.savepoint, timeout=options.timeout, **changed
        )
        return _submitted(client, job, options)


def _planned(
    client: MCPClient, verb: str, options: argparse.Namespace, fields: Mapping[str, Any]
) -> int:
    """What an operation would do."""
    given = {name: value for name, value in fields.items() if value is not None}
    found = client.plan_operation(verb, options.job_id, given, timeout=options.timeout)
    show.plan(found, options.output)
    return 0


def _submitted(client: MCPClient, job: Job, options: argparse.Namespace) -> int:
    if options.wait:
        return _wait(client, job.job_id, options)
    show.record(job, show.JOB_FIELDS, options.output, "job_id")
    return 0


def _options(options: argparse.Namespace, flags: Sequence[str]) -> dict[str, Any]:
    """Pipeline options, given as such or by flags of their own."""
    pipeline_options = pairs("--option", options.option)
    for name in flags:
        value = getattr(options, name)
        if value is not None and pipeline_options.setdefault(name, value) != value:
            raise errors.invalid(
                f"{name} is given as a flag and as an option, with different values"
            )
    return pipeline_options


def _submission(client: MCPClient, options: argparse.Namespace) -> dict[str, Any]:
    pipeline_options = _options(options, ("parallelism", "checkpoint_interval", "state_backend"))
    code = options.code
    if options.upload:
        if code:
            raise errors.invalid("--code and --upload both name the code", "give one of them")
        code = str(client.upload_artifact(options.upload, timeout=options.timeout))
    given = {
        "job_name": options.name,
        "runner_type": options.runner,
        "target": options.target,
        "job_type": options.type,
        "code_path": code,
        "context_id": options.context,
        "preset": options.preset,
        "module": options.module,
        "yaml": sys.stdin.read() if options.yaml == "-" else options.yaml,
        "template_path": options.template,
        "template_parameters": pairs("--parameter", options.parameter) or None,
        "entry_class": options.entry_class,
        "args": options.arg or None,
        "pipeline_options": pipeline_options or None,
        "savepoint_path": options.savepoint,
        "idempotency_key": options.idempotency_key,
    }
    return {name: value for name, value in given.items() if value is not None}


def status(options: argparse.Namespace) -> int:
    """Shows a job."""
    with connected(options) as client:
        if not options.watch:
            job = client.get_job(options.job_id, timeout=options.timeout)
            show.record(job, show.JOB_FIELDS, options.output, "job_id")
            return 0
        state = ""
        for job in client.watch_job(options.job_id, timeout=options.timeout):
            if options.output != "table":
                show.record(
                    job,
                    show.JOB_FIELDS,
                    "jsonl" if options.output == "json" else options.output,
                    "job_id",
                )
            elif job.state != state:
                at, why = job.observed_at or job.creation_time, show.printable(job.diagnostics)
                print(f"{at}  {job.state:<14} {why}".rstrip())
            state = job.state
        return JOB_FAILED if state == "FAILED" else 0


def wait(options: argparse.Namespace) -> int:
    """Waits until a job has ended."""
    with connected(options) as client:
        return _wait(client, options.job_id, options)


def _wait(client: MCPClient, job_id: str, options: argparse.Namespace) -> int:
    job = watch(client, job_id, options.timeout)
    show.record(job, show.JOB_FIELDS, options.output, "job_id")
    return JOB_FAILED if job.state == "FAILED" else 0


def watch(client: MCPClient, job_id: str, timeout: float | None) -> Job:
    """The job as it ended; shows its way there on standard error."""
    with Progress("waiting") as progress:
        for job in client.watch_job(job_id, timeout=timeout):
            progress.say(f"{job.state} {job.diagnostics}".strip())
            if job.terminal:
                return job
    raise AssertionError("a watch ended before its job")


def listing(options: argparse.Namespace) -> None:
    """Lists jobs."""
    with connected(options) as client:
        jobs = client.list_jobs(
            target=options.target,
            state=options.state.upper() if options.state else None,
            job_type=options.type.upper() if options.type else None,
            name_contains=options.name,
            limit=options.limit,
            timeout=options.timeout,
        )
    show.rows(jobs, show.JOB_COLUMNS, options.output, "job_id")
    if jobs.next_page_token and options.output == "table":
        print("more jobs follow; narrow the list or raise --limit", file=sys.stderr)


def scale(options: argparse.Namespace) -> int:
    """Changes the parallelism of a job."""
    bounds = {"parallelism": options.parallelism, "min_workers": options.min_workers}
    with connected(options) as client:
        if options.dry_run:
            return _planned(client, "scale", options, bounds)
        with Progress(f"scaling to {options.parallelism}"):
            changed = client.scale_job(options.job_id, **bounds, timeout=options.timeout)
    _changed(changed, options.output)
    return 0


def savepoint(options: argparse.Namespace) -> int:
    """Takes a savepoint."""
    with connected(options) as client:
        if options.dry_run:
            return _planned(client, "savepoint", options, {"savepoint_path": options.path})
        with Progress("taking a savepoint"):
            taken = client.create_savepoint(
                options.job_id,
                savepoint_path=options.path,
                wait=not options.no_wait,
                timeout=options.timeout,
            )
    show.record(
        taken.to_dict(),
        ("savepoint_path", *OPERATION_FIELDS),
        options.output,
        "savepoint_path" if taken else "operation_id",
    )
    return 0


def cancel(options: argparse.Namespace) -> int:
    """Ends a job."""
    how = {
        "with_savepoint": options.with_savepoint,
        "mode": options.mode,
        "savepoint_path": options.path,
    }
    with connected(options) as client:
        if options.dry_run:
            return _planned(client, "cancel", options, how)
        if not options.yes and sys.stdin.isatty() and not _confirmed(client, options):
            print("nothing was done", file=sys.stderr)
            return REFUSED
        with Progress("ending the job"):
            changed = client.cancel_job(options.job_id, **how, timeout=options.timeout)
    _changed(changed, options.output)
    return 0


def _confirmed(client: MCPClient, options: argparse.Namespace) -> bool:
    job = client.get_job(options.job_id, timeout=options.timeout)
    print(f"{show.printable(job.name)} on {job.target} is {job.state}", file=sys.stderr)
    print(f"{options.mode or 'end'} it? [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in {"y", "yes"}


def _changed(changed: Changed, output: str) -> None:
    if output == "json":
        show.record(changed, (), output, "job_id")
        return
    operation = changed.operation
    data = changed.to_dict()
    if operation is not None:
        data["operation_id"] = operation.operation_id
        data["parallelism"] = operation.parallelism
    show.record(data, CHANGED_FIELDS, output, "job_id")


def operation(options: argparse.Namespace) -> None:
    """Shows an operation."""
    with connected(options) as client:
        found = client.get_operation(options.operation_id, timeout=options.timeout)
    show.record(found, OPERATION_FIELDS, options.output, "operation_id")


def metrics(options: argparse.Namespace) -> None:
    """Shows metrics."""
    with connected(options) as client:
        found = client.get_metrics(options.job_id, timeout=options.timeout)
    if options.output != "table":
        show.record(found, (), options.output, "job_id")
        return
    unified = [
        {"name": name, "value": found.metrics.get(name), "unit": unit}
        for name, unit in (found.units or {}).items()
    ]
    told = [{**metric, "value": show.measured(metric)} for metric in [*found.user, *found.system]]
    show.rows([*unified, *told], METRIC_COLUMNS, "table", "name")
    read = [f"from {found.source}, as of {found.as_of}"] if found.source else []
    show.notes([*read, *(found.notes or [])])


def graph(options: argparse.Namespace) -> None:
    """Shows the stages."""
    with connected(options) as client:
        found = client.get_graph(options.job_id, svg=options.svg, timeout=options.timeout)
    if options.svg:
        print(found.svg)
        return
    if options.output != "table":
        show.record(found, (), options.output, "job_id")
        return
    show.rows(found.stages, STAGE_COLUMNS, "table", "name")
    show.notes(found.notes)


def checkpoints(options: argparse.Namespace) -> None:
    """Shows checkpoints."""
    with connected(options) as client:
        found = client.get_checkpoints(options.job_id, timeout=options.timeout)
    if options.output != "table":
        show.record(found, (), options.output, "job_id")
        return
    show.rows(found.checkpoints, CHECKPOINT_COLUMNS, "table", "id")
    show.notes(found.notes)


def logs(options: argparse.Namespace) -> None:
    """Shows lines of a log."""
    if options.follow and options.until:
        raise errors.invalid("--follow goes on until the job has ended, and --until ends before")
    with connected(options) as client:
        page = _page(client, options, options.page_token)
        _lines(page, options.output)
        while options.follow and page.next_page_token:
            job = client.get_job(options.job_id)
            more = _page(client, options, page.next_page_token)
            _lines(more, options.output)
            if more.next_page_token is None or (job.terminal and not more):
                return
            page = more
            if not more and not job.terminal:
                client.wait_for_change(options.job_id, job.version, 2)
    show.notes(page.notes)
    if page.next_page_token:  # also when there is nothing new yet: it promises no more lines
        print(f"go on from here: --page-token {page.next_page_token}", file=sys.stderr)


def _page(client: MCPClient, options: argparse.Namespace, token: str | None) -> LogList:
    return client.get_logs(
        options.job_id,
        max_results=options.lines,
        page_token=token,
        duration_seconds=options.since,
        min_severity=options.severity,
        contains=options.contains,
        until=options.until,
        worker=options.worker,
        step=options.step,
        timeout=options.timeout,
    )


def _lines(page: LogList, output: str) -> None:
    for entry in page:
        print(show.printable(str(entry)) if output == "table" else show.as_json(entry.to_dict()))
    sys.stdout.flush()
