"""The asynchronous client. Made from `client.py` by `python/generate.py`: do not edit."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from . import inputs
from ._typing import Self, Unpack
from .base import ClientBase
from .context import MCPContext
from .drive import adrive
from .errors import JobFailedError
from .host import AsyncServerHost
from .inputs import (
    ContextFields,
    ContextMembers,
    JobFields,
    JobLike,
    OperationFields,
    Params,
    RestoreFields,
)
from .refs import Artifact, JobRef, Savepoint
from .results import (
    Change,
    Changed,
    Checkpoints,
    ExecutionContext,
    Graph,
    Job,
    LogList,
    Metrics,
    Operation,
    Page,
    Plan,
    Result,
    Runner,
)

if TYPE_CHECKING:
    from .host import OnResponse
    from .transport import AsyncTransport, Transport

NO_SOURCES: Mapping[str, Path] = {}
WATCH_S = 20
"""Seconds one wait for a change may hold a connection."""


class BeamMCPClient(ClientBase):
    """Calls a beam-mcp server from an event loop.

    Every method takes `context` (labels of this call) and `timeout` (limit on the whole call in seconds).
    """

    with_savepoint = False

    def _connect(
        self, transport: Transport | AsyncTransport, on_response: OnResponse | None
    ) -> None:
        self._host = AsyncServerHost(transport, self._auth, on_response, self._mcp is not None)

    async def _run(
        self,
        verb: str,
        given: dict[str, Any],
        context: MCPContext | None,
        timeout: float | None,
        sources: Mapping[str, Path] = NO_SOURCES,
    ) -> Any:
        flow = self._start(verb, given, context, timeout)
        with self._host.performing(sources) as perform:
            return (await adrive(flow, perform))[0]

    async def close(self) -> None:
        """Closes the connections, and the server of `local:`."""
        if self._mcp is not None:
            with self._host.performing(NO_SOURCES) as perform:
                await adrive(self._farewell(self._mcp), perform)
        await self._host.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    # ---- the server

    async def get_manifest(
        self, *, context: MCPContext | None = None, timeout: float | None = None
    ) -> Result:
        """Name, version, tools and resources of the server."""
        return Result(await self._run("get_manifest", {}, context, timeout))

    async def get_health(
        self, *, context: MCPContext | None = None, timeout: float | None = None
    ) -> Result:
        """How the server and its targets are, in words."""
        return Result(await self._run("get_health", {}, context, timeout))

    async def get_openapi(
        self, *, context: MCPContext | None = None, timeout: float | None = None
    ) -> Result:
        """The OpenAPI document."""
        return Result(await self._run("get_openapi", {}, context, timeout))

    async def list_runners(
        self, *, context: MCPContext | None = None, timeout: float | None = None
    ) -> list[Runner]:
        """The targets and what each can do, as probed now."""
        data = await self._run("list_runners", {"all": True}, context, timeout)
        return [Runner(item) for item in data["runners"]]

    async def get_runner(
        self,
        runner_type: str,
        *,
        context: MCPContext | None = None,
        timeout: float | None = None,
    ) -> Runner:
        """One target, by its name or the name of its runner."""
        return Runner(await self._run("get_runner", {"runner_type": runner_type}, context, timeout))

    async def list_targets(
        self, *, context: MCPContext | None = None, timeout: float | None = None
    ) -> list[Result]:
        """The places jobs can run at, as configured."""
        data = await self._run("list_targets", {"all": True}, context, timeout)
        return [Result(item) for item in data["targets"]]

    # ---- submission

    async def create_job(
        self,
        params: Params | None = None,
        *,
        context: MCPContext | None = None,
        timeout: float | None = None,
        name: str | None = None,
        runner: str | None = None,
        target: str | None = None,
        job_type: str | None = None,
        code_path: str | None = None,
        options: Mapping[str, Any] | None = None,
        idempotency_key: str | None = None,
        **fields: Unpack[JobFields],
    ) -> Job:
        """Submits a job: from `params` (`job_name`, `runner_type`, `code_path`, `pipeline_options`, ...), or keywords.

        The answer comes when the runner took the job, or after 20 s while it is still being sent. `code_path` is a
        path on the server, or what `upload_artifact` returned.
        """
        given = inputs.submission(
            self._settings.target,
            params,
            name=name,
            runner=runner,
            target=target,
            job_type=job_type,
            code_path=code_path,
            options=options,
            idempotency_key=idempotency_key,
            **fields,
        )
        return Job(await self._run("create_job", given, context, timeout))

    async def submit_job(
        self,
        name: str | None = None,
        runner: str | None = None,
        job_type: str | None = None,
        code_path: str | None = None,
        options: Mapping[str, Any] | None = None,
        *,
        context: MCPContext | None = None,
        timeout: float | None = None,
        target: str | None = None,
        idempotency_key: str | None = None,
        **fields: Unpack[JobFields],
    ) -> JobRef:
        """Submits a job and returns its id, a string that carries the job's members (`create_job`'s other name)."""
        job = await self.create_job(
            context=context,
            timeout=timeout,
            name=name,
            runner=runner,
            target=target,
            job_type=job_type,
            code_path=code_path,
            options=options,
            idempotency_key=idempotency_key,
            **fields,
        )
        return JobRef.of(job)

    async def plan_job(
        self,
        params: Params | None = None,
        *,
        context: MCPContext | None = None,
        timeout: float | None = None,
        name: str | None = None,
        runner: str | None = None,
        target: str | None = None,
        job_type: str | None = None,
        code_path: str | None = None,
        options: Mapping[str, Any] | None = None,
        **fields: Unpack[JobFields],
    ) -> Plan:
        """What `create_job` with the same arguments would do; sends nothing to the runner."""
        given = inputs.submission(
            self._settings.target,
            params,
            dry_run=True,
            name=name,
            runner=runner,
            target=target,
            job_type=job_type,
            code_path=code_path,
            options=options,
            **fields,
        )
        return Plan.of(await self._run("create_job", given, context, timeout))

    async def restore_job(
        self,
        job_id: JobLike,
        savepoint_path: str | None = None,
        *,
        context: MCPContext | None = None,
        timeout: float | None = None,
        **fields: Unpack[RestoreFields],
    ) -> Job:
        """Submits a new job like this one that starts from a savepoint."""
        given = inputs.merged(fields, job_id=inputs.job_id(job_id), savepoint_path=savepoint_path)
        return Job(await self._run("restore_job", given, context, timeout))

    async def upload_artifact(
        self,
        path: str | Path,
        *,
        file_name: str | None = None,
        context: MCPContext | None = None,
        timeout: float | None = None,
    ) -> Artifact:
        """Uploads a jar or Python file of this machine; the result is accepted as `code_path`."""
        given, sources = inputs.upload(path, file_name)
        return Artifact.of(await self._run("upload_artifact", given, context, timeout, sources))

    # ---- reading

    async def list_jobs(
        self,
        *,
        target: str | None = None,
        state: str | None = None,
        job_type: str | None = None,
        name_contains: str | None = None,
        limit: int | None = None,
        page_token: str | None = None,
        context: MCPContext | None = None,
        timeout: float | None = None,
    ) -> Page[Job]:
        """Jobs, newest first: all of them (at most 10,000), or one page when `limit` or `page_token` is given.

        `target` is the name of a target or runner.
        """
        given = inputs.listing(
            limit,
            page_token,
            target=target,
            state=state,
            job_type=job_type,
            name_contains=name_contains,
        )
        data = await self._run("list_jobs", given, context, timeout)
        return Page([Job(item) for item in data["jobs"]], data.get("next_page_token"))

    async def iter_jobs(
        self,
        *,
        target: str | None = None,
        state: str | None = None,
        job_type: str | None = None,
        name_contains: str | None = None,
        page_size: int = 100,
        context: MCPContext | None = None,
        timeout: float | None = None,
    ) -> AsyncIterator[Job]:
        """Jobs, newest first, page by page as they are consumed. `timeout` is for each page."""
        token: str | None = None
        while True:
            page = await self.list_jobs(
                target=target,
                state=state,
                job_type=job_type,
                name_contains=name_contains,
                limit=page_size,
                page_token=token,
                context=context,
                timeout=timeout,
            )
            for job in page:
                yield job
            token = page.next_page_token
            if token is None:
                return

    async def get_job(
        self,
        job_id: JobLike,
        *,
        context: MCPContext | None = None,
        timeout: float | None = None,
    ) -> Job:
        """A job as it is now."""
        return Job(await self._run("get_job", {"job_id": inputs.job_id(job_id)}, context, timeout))

    async def get_job_status(
        self,
        job_id: JobLike,
        *,
        context: MCPContext | None = None,
        timeout: float | None = None,
    ) -> Job:
        """State, start time, duration and diagnostics of a job."""
        return Job(
            await self._run("get_job_status", {"job_id": inputs.job_id(job_id)}, context, timeout)
        )

    async def get_job_configuration(
        self,
        job_id: JobLike,
        *,
        context: MCPContext | None = None,
        timeout: float | None = None,
    ) -> Result:
        """What the job was submitted with, and where each option came from."""
        given = {"job_id": inputs.job_id(job_id)}
        return Result(await self._run("get_job_configuration", given, context, timeout))

    async def get_metrics(
        self,
        job_id: JobLike,
        *,
        context: MCPContext | None = None,
        timeout: float | None = None,
    ) -> Metrics:
        """What the runner and the pipeline report in numbers."""
        return Metrics(
            await self._run("get_metrics", {"job_id": inputs.job_id(job_id)}, context, timeout)
        )

    async def get_job_metrics(
        self,
        job_id: JobLike,
        *,
        context: MCPContext | None = None,
        timeout: float | None = None,
    ) -> Metrics:
        """`get_metrics`'s other name."""
        return await self.get_metrics(job_id, context=context, timeout=timeout)

    async def get_graph(
        self,
        job_id: JobLike,
        *,
        svg: bool = False,
        context: MCPContext | None = None,
        timeout: float | None = None,
    ) -> Graph:
        """The stages of a job and what feeds each; with `svg` as a picture too."""
        given = {"job_id": inputs.job_id(job_id), **({"svg": True} if svg else {})}
        return Graph(await self._run("get_graph", given, context, timeout))

    async def get_checkpoints(
        self,
        job_id: JobLike,
        *,
        context: MCPContext | None = None,
        timeout: float | None = None,
    ) -> Checkpoints:
        """Checkpoints and savepoints of a job as its runner lists them, the newest first."""
        given = {"job_id": inputs.job_id(job_id)}
        return Checkpoints(await self._run("get_checkpoints", given, context, timeout))

    async def get_logs(
        self,
        job_id: JobLike,
        *,
        max_results: int | None = None,
        page_token: str | None = None,
        duration_seconds: int | None = None,
        min_severity: str | None = None,
        contains: str | None = None,
        until: str | None = None,
        worker: str | None = None,
        step: str | None = None,
        context: MCPContext | None = None,
        timeout: float | None = None,
    ) -> LogList:
        """Lines of the job's log: a page from `page_token`, the last `duration_seconds`, or the latest.

        The token `start` is the log's beginning. `until` is a time in RFC 3339, or a number of seconds ago; `worker`
        and `step` are the `worker_id` and `step_name` of lines, whole.
        """
        given = inputs.merged(
            None,
            job_id=inputs.job_id(job_id),
            max_results=max_results,
            page_token=page_token,
            duration_seconds=duration_seconds,
            min_severity=min_severity,
            contains=contains,
            until=until,
            worker=worker,
            step=step,
        )
        return LogList(await self._run("get_logs", given, context, timeout))

    async def get_job_logs(
        self,
        job_id: JobLike,
        *,
        max_results: int | None = None,
        page_token: str | None = None,
        duration_seconds: int | None = None,
        min_severity: str | None = None,
        contains: str | None = None,
        until: str | None = None,
        worker: str | None = None,
        step: str | None = None,
        context: MCPContext | None = None,
        timeout: float | None = None,
    ) -> LogList:
        """`get_logs`'s other name."""
        return await self.get_logs(
            job_id,
            max_results=max_results,
            page_token=page_token,
            duration_seconds=duration_seconds,
            min_severity=min_severity,
            contains=contains,
            until=until,
            worker=worker,
            step=step,
            context=context,
            timeout=timeout,
        )

    # ---- waiting

    async def wait_for_change(
        self,
        job_id: JobLike,
        cursor: int | None = None,
        timeout_s: float | None = None,
        *,
        until_terminal: bool | None = None,
        context: MCPContext | None = None,
        timeout: float | None = None,
    ) -> Change:
        """Waits until the job differs from what `cursor` saw (or has ended), `timeout_s` seconds, at most 25."""
        given = inputs.merged(
            None,
            job_id=inputs.job_id(job_id),
            cursor=cursor,
            timeout_s=timeout_s,
            until_terminal=until_terminal,
        )
        return Change(await self._run("wait_for_change", given, context, timeout))

    async def watch_job(
        self, job_id: JobLike, *, context: MCPContext | None = None, timeout: float | None = None
    ) -> AsyncIterator[Job]:
        """The job now and after every change, until it has ended. `timeout` is for all of it."""
        limit = inputs.Limit(timeout)
        cursor: int | None = None
        while True:
            change = await self.wait_for_change(
                job_id, cursor, limit.at_most(WATCH_S), context=context, timeout=limit.left()
            )
            if change.changed:
                yield change
            if change.terminal:
                return
            cursor = change.cursor

    async def wait_for_job(
        self,
        job_id: JobLike,
        *,
        check: bool = True,
        context: MCPContext | None = None,
        timeout: float | None = None,
    ) -> Job:
        """Waits until the job has ended. With `check`, a job that failed raises `JobFailedError`."""
        async for job in self.watch_job(job_id, context=context, timeout=timeout):
            if job.terminal:
                break
        else:
            raise AssertionError("a watch ended before its job")
        if check and job.state == "FAILED":
            raise JobFailedError(
                job.diagnostics or f"job {job.job_id} failed",
                code="job_failed",
                context={"job_id": job.job_id},
                exit_code=7,
            )
        return job

    # ---- operations

    async def scale_job(
        self,
        job_id: JobLike,
        parallelism: int,
        *,
        min_workers: int | None = None,
        plan_digest: str | None = None,
        context: MCPContext | None = None,
        timeout: float | None = None,
        idempotency_key: str | None = None,
    ) -> Changed:
        """Changes the parallelism of a running job and waits until the runner shows it.

        On Dataflow `parallelism` is the largest number of workers, and `min_workers` the smallest.
        """
        verb, given = inputs.scaling(
            job_id,
            parallelism,
            min_workers,
            plan_digest=plan_digest,
            idempotency_key=idempotency_key,
        )
        return Changed(await self._run(verb, given, context, timeout))

    async def update_job(
        self,
        job_id: JobLike,
        params: Params | None = None,
        *,
        scaling: Mapping[str, Any] | None = None,
        plan_digest: str | None = None,
        context: MCPContext | None = None,
        timeout: float | None = None,
        idempotency_key: str | None = None,
    ) -> Changed:
        """Changes a job: `{"scaling": {"parallelism": 8}}`."""
        given = inputs.merged(
            params,
            job_id=inputs.job_id(job_id),
            scaling=scaling,
            plan_digest=plan_digest,
            idempotency_key=idempotency_key,
        )
        return Changed(await self._run("update_job", given, context, timeout))

    async def cancel_job(
        self,
        job_id: JobLike,
        with_savepoint: bool | None = None,
        *,
        mode: str | None = None,
        savepoint_path: str | None = None,
        plan_digest: str | None = None,
        context: MCPContext | None = None,
        timeout: float | None = None,
        idempotency_key: str | None = None,
    ) -> Changed:
        """Ends a job: with a savepoint to resume from (`with_savepoint`), or by `mode` `cancel`, `drain`, `stop` or
        `force`."""
        given = inputs.cancellation(
            self.with_savepoint,
            job_id,
            with_savepoint=with_savepoint,
            mode=mode,
            savepoint_path=savepoint_path,
            plan_digest=plan_digest,
            idempotency_key=idempotency_key,
        )
        return Changed(await self._run("cancel_job", given, context, timeout))

    async def drain_job(
        self,
        job_id: JobLike,
        *,
        plan_digest: str | None = None,
        context: MCPContext | None = None,
        timeout: float | None = None,
        idempotency_key: str | None = None,
    ) -> Changed:
        """Stops a streaming job's input, flushes what is in flight, and ends it."""
        return await self.cancel_job(
            job_id,
            mode="drain",
            plan_digest=plan_digest,
            context=context,
            timeout=timeout,
            idempotency_key=idempotency_key,
        )

    async def stop_job(
        self,
        job_id: JobLike,
        savepoint_path: str | None = None,
        *,
        plan_digest: str | None = None,
        context: MCPContext | None = None,
        timeout: float | None = None,
        idempotency_key: str | None = None,
    ) -> Changed:
        """Ends a job with a savepoint to resume from."""
        return await self.cancel_job(
            job_id,
            mode="stop",
            savepoint_path=savepoint_path,
            plan_digest=plan_digest,
            context=context,
            timeout=timeout,
            idempotency_key=idempotency_key,
        )

    async def plan_operation(
        self,
        verb: str,
        job_id: JobLike,
        params: Params | str | int | None = None,
        *,
        context: MCPContext | None = None,
        timeout: float | None = None,
        **fields: Unpack[OperationFields],
    ) -> Plan:
        """What `cancel`, `scale`, `savepoint`, `restore` or `update` of a job would do; changes nothing.

        Takes what the method of that name takes: `plan_operation("scale", job_id, 4)`,
        `plan_operation("cancel", job_id, mode="drain")`. Give the plan's `digest` to that method as `plan_digest` to
        have exactly this done.
        """
        call, given = inputs.operation(self.with_savepoint, verb, job_id, params, fields)
        return Plan.of(await self._run(call, given, context, timeout))

    async def adopt_job(
        self,
        job_id: JobLike,
        native_id: str,
        *,
        reason: str | None = None,
        plan_digest: str | None = None,
        context: MCPContext | None = None,
        timeout: float | None = None,
        idempotency_key: str | None = None,
    ) -> Changed:
        """Binds a job that is PARKED, SUBMIT_UNKNOWN or LOST to a job the runner shows under its own id."""
        given = inputs.merged(
            None,
            job_id=inputs.job_id(job_id),
            native_id=native_id,
            reason=reason,
            plan_digest=plan_digest,
            idempotency_key=idempotency_key,
        )
        return Changed(await self._run("adopt_job", given, context, timeout))

    async def abandon_job(
        self,
        job_id: JobLike,
        reason: str,
        *,
        plan_digest: str | None = None,
        context: MCPContext | None = None,
        timeout: float | None = None,
        idempotency_key: str | None = None,
    ) -> Changed:
        """Declares that a job that is PARKED, SUBMIT_UNKNOWN or LOST does not run; what shows up later is canceled."""
        given = inputs.merged(
            None,
            job_id=inputs.job_id(job_id),
            reason=reason,
            plan_digest=plan_digest,
            idempotency_key=idempotency_key,
        )
        return Changed(await self._run("abandon_job", given, context, timeout))

    async def resubmit_job(
        self,
        job_id: JobLike,
        reason: str,
        *,
        plan_digest: str | None = None,
        context: MCPContext | None = None,
        timeout: float | None = None,
        idempotency_key: str | None = None,
    ) -> Changed:
        """Submits a PARKED job again under a new token; an earlier submission that shows up is canceled."""
        given = inputs.merged(
            None,
            job_id=inputs.job_id(job_id),
            reason=reason,
            plan_digest=plan_digest,
            idempotency_key=idempotency_key,
        )
        return Changed(await self._run("resubmit_job", given, context, timeout))

    async def plan_resolution(
        self,
        verb: str,
        job_id: JobLike,
        *,
        native_id: str | None = None,
        reason: str | None = None,
        context: MCPContext | None = None,
        timeout: float | None = None,
    ) -> Plan:
        """What `adopt`, `abandon` or `resubmit` of a job would do, and what cannot be known; changes nothing."""
        given = inputs.merged(
            None, job_id=inputs.job_id(job_id), native_id=native_id, reason=reason, dry_run=True
        )
        return Plan.of(await self._run(f"{verb}_job", given, context, timeout))

    async def create_savepoint(
        self,
        job_id: JobLike,
        params: Params | None = None,
        *,
        savepoint_path: str | None = None,
        wait: bool = True,
        plan_digest: str | None = None,
        context: MCPContext | None = None,
        timeout: float | None = None,
        idempotency_key: str | None = None,
    ) -> Savepoint:
        """Takes a savepoint while the job runs on; the result is its path and carries the operation.

        `params` is a mapping or a path. Without `wait` the path is empty and `get_operation` tells how it goes.
        """
        given = inputs.merged(
            {"savepoint_path": params} if isinstance(params, str) else params,
            job_id=inputs.job_id(job_id),
            savepoint_path=savepoint_path,
            plan_digest=plan_digest,
            idempotency_key=idempotency_key,
        )
        verb = "create_savepoint" if wait else "start_savepoint"
        return Savepoint.of(await self._run(verb, given, context, timeout))

    async def list_savepoints(
        self,
        job_id: JobLike,
        *,
        context: MCPContext | None = None,
        timeout: float | None = None,
    ) -> list[Operation]:
        """The savepoints asked for through beam-mcp."""
        data = await self._run(
            "list_savepoints", {"job_id": inputs.job_id(job_id)}, context, timeout
        )
        return [Operation(item) for item in data["savepoints"]]

    async def list_operations(
        self,
        job_id: JobLike,
        *,
        context: MCPContext | None = None,
        timeout: float | None = None,
    ) -> list[Operation]:
        """Everything that was done to the job through beam-mcp."""
        data = await self._run(
            "list_operations", {"job_id": inputs.job_id(job_id)}, context, timeout
        )
        return [Operation(item) for item in data["operations"]]

    async def get_operation(
        self,
        operation_id: str,
        *,
        context: MCPContext | None = None,
        timeout: float | None = None,
    ) -> Operation:
        """One operation by its id, `<job id>/<kind>-<hex>`."""
        given = {"operation_id": operation_id}
        return Operation(await self._run("get_operation", given, context, timeout))

    # ---- labels, and the contexts of the catalogue

    @overload
    async def create_context(
        self,
        session_id: str | None = None,
        user_id: str | None = None,
        trace_id: str | None = None,
        transaction_id: str | None = None,
        parameters: Mapping[str, Any] | None = None,
    ) -> MCPContext: ...

    @overload
    async def create_context(
        self,
        *,
        context_type: str,
        parameters: Mapping[str, Any] | None = None,
        context: MCPContext | None = None,
        timeout: float | None = None,
        **fields: Unpack[ContextFields],
    ) -> ExecutionContext: ...

    async def create_context(
        self,
        session_id: str | None = None,
        user_id: str | None = None,
        trace_id: str | None = None,
        transaction_id: str | None = None,
        parameters: Mapping[str, Any] | None = None,
        *,
        context_type: str | None = None,
        context: MCPContext | None = None,
        timeout: float | None = None,
        **fields: Unpack[ContextFields],
    ) -> MCPContext | ExecutionContext:
        """Labels for calls, which makes nothing on the server; with `context_type` a run profile of the catalogue."""
        if context_type is None:
            inputs.no_profile(fields)
            return MCPContext(session_id, trace_id, transaction_id, user_id, dict(parameters or {}))
        inputs.no_labels(session_id, user_id, trace_id, transaction_id)
        given = inputs.merged(None, context_type=context_type, parameters=parameters, **fields)
        return ExecutionContext(await self._run("create_context", given, context, timeout))

    async def list_contexts(
        self,
        *,
        context_type: str | None = None,
        context: MCPContext | None = None,
        timeout: float | None = None,
    ) -> list[ExecutionContext]:
        """The run profiles of the catalogue, in order of id."""
        given = inputs.merged(None, context_type=context_type, all=True)
        data = await self._run("list_contexts", given, context, timeout)
        return [ExecutionContext(item) for item in data["contexts"]]

    async def get_context(
        self,
        context_id: str,
        *,
        context: MCPContext | None = None,
        timeout: float | None = None,
    ) -> ExecutionContext:
        """One run profile."""
        given = {"context_id": context_id}
        return ExecutionContext(await self._run("get_context", given, context, timeout))

    async def update_context(
        self,
        context_id: str,
        params: Params | None = None,
        *,
        context_type: str | None = None,
        parameters: Mapping[str, Any] | None = None,
        context: MCPContext | None = None,
        timeout: float | None = None,
        **fields: Unpack[ContextMembers],
    ) -> ExecutionContext:
        """Puts the members that are given in the place of the old ones; a map that is given is the whole map."""
        given = inputs.profile(context_id, params, context_type, parameters, fields)
        return ExecutionContext(await self._run("update_context", given, context, timeout))

    async def delete_context(
        self,
        context_id: str,
        *,
        mcp_generation: int | None = None,
        plan_digest: str | None = None,
        idempotency_key: str | None = None,
        context: MCPContext | None = None,
        timeout: float | None = None,
    ) -> ExecutionContext:
        """Takes a run profile out of the catalogue; the result is what it was. Jobs keep their options."""
        given = inputs.merged(
            None,
            context_id=context_id,
            mcp_generation=mcp_generation,
            plan_digest=plan_digest,
            idempotency_key=idempotency_key,
        )
        return ExecutionContext(await self._run("delete_context", given, context, timeout))

    async def plan_context(
        self,
        verb: str,
        context_id: str,
        params: Params | None = None,
        *,
        context_type: str | None = None,
        parameters: Mapping[str, Any] | None = None,
        context: MCPContext | None = None,
        timeout: float | None = None,
        **fields: Unpack[ContextMembers],
    ) -> Plan:
        """What `create`, `update` or `delete` of a run profile would do; changes nothing."""
        given = inputs.profile(context_id, params, context_type, parameters, fields)
        call = inputs.catalogue_call(verb)
        return Plan.of(await self._run(call, {**given, "dry_run": True}, context, timeout))


AsyncClient = BeamMCPClient
