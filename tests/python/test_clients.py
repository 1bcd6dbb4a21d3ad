"""Both clients against a scripted server: the seeds' calls as printed, errors, retries, labels, lists."""

from __future__ import annotations

import asyncio
import inspect
import json
import pickle
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import beam_mcp_client
from beam_mcp_client import (
    AuthError,
    BeamMCPClient,
    ConflictError,
    DeadlineError,
    Job,
    JobFailedError,
    JobRef,
    MCPClient,
    MCPContext,
    MCPError,
    NotFoundError,
    Savepoint,
    UnavailableError,
    ValidationError,
)
from fake_server import JOB_ID, FakeServer, Seen, answer, envelope, in_turn, job, refusal, serving

Call = Callable[[Any], Any]
PATH = "/api/v1/jobs/" + JOB_ID.replace(":", "%3A")


def blocking(server: FakeServer, call: Call, **settings: Any) -> Any:
    with MCPClient(server.url, **settings) as client:
        return call(client)


def awaited(server: FakeServer, call: Call, **settings: Any) -> Any:
    async def run() -> Any:
        async with BeamMCPClient(server.url, **settings) as client:
            return await call(client)

    return asyncio.run(run())


both = pytest.mark.parametrize("run", [blocking, awaited])


@both
def test_get_job(run: Any) -> None:
    with serving(lambda _: envelope(200, job())) as server:
        found = run(server, lambda client: client.get_job(JOB_ID), session_id="s", user_id="u")
    assert isinstance(found, Job)
    assert found.state == found["state"] == found.get("state") == "RUNNING"
    [seen] = server.seen
    assert (seen.method, seen.path) == ("GET", PATH)
    assert (seen.headers["mcp-session-id"], seen.headers["mcp-user-id"]) == ("s", "u")
    assert seen.headers["user-agent"].startswith("beam-mcp-client/")
    assert "idempotency-key" not in seen.headers


@both
def test_submit_returns_an_id_that_carries_the_job(run: Any) -> None:
    with serving(lambda _: envelope(201, job())) as server:
        ref = run(
            server,
            lambda client: client.submit_job(
                name="my-flink-job",
                runner="flink",
                job_type="STREAMING",
                code_path="/path/to/pipeline.py",
                options={"parallelism": 4},
            ),
        )
    assert ref == JOB_ID
    assert isinstance(ref, JobRef)
    assert (ref.state, ref["state"], ref.job.state, ref[:4]) == (
        "RUNNING",
        "RUNNING",
        "RUNNING",
        "sim:",
    )
    assert json.dumps({"job_id": ref}) == json.dumps({"job_id": JOB_ID})
    [seen] = server.seen
    assert seen.json == {
        "name": "my-flink-job",
        "runner": "flink",
        "job_type": "STREAMING",
        "code_path": "/path/to/pipeline.py",
        "options": {"parallelism": 4},
    }
    assert len(seen.headers["idempotency-key"]) == 32


@dataclass
class Parameters:
    job_name: str
    runner_type: str


class Model:
    def model_dump(self, exclude_none: bool) -> Mapping[str, Any]:
        assert exclude_none
        return {"job_name": "n", "runner_type": "direct"}


@both
@pytest.mark.parametrize(
    "params", [{"job_name": "n", "runner_type": "direct"}, Parameters("n", "direct"), Model()]
)
def test_create_takes_a_mapping_a_dataclass_or_a_model(run: Any, params: Any) -> None:
    with serving(lambda _: envelope(201, job())) as server:
        created = run(
            server, lambda client: client.create_job(params=params, context=MCPContext("c"))
        )
    assert created.job_id == created["job_id"] == JOB_ID
    assert server.seen[0].json == {"job_name": "n", "runner_type": "direct"}
    assert server.seen[0].headers["mcp-session-id"] == "c"


@both
def test_two_values_for_one_name_are_refused(run: Any) -> None:
    with serving(in_turn(None)) as server, pytest.raises(ValidationError, match="given twice"):
        run(server, lambda client: client.create_job({"name": "a"}, name="b"))
    assert not server.seen


@both
def test_an_error_object_becomes_an_exception(run: Any) -> None:
    with (
        serving(lambda _: refusal(404, "not_found")) as server,
        pytest.raises(NotFoundError) as caught,
    ):
        run(server, lambda client: client.get_job(JOB_ID))
    error = caught.value
    assert isinstance(error, MCPError)
    assert isinstance(error, LookupError)
    assert (error.code, error.status, error.request_id, error.retryable) == (
        "not_found",
        404,
        "r1",
        False,
    )
    assert str(error) == "it is not_found; do something else"
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), again.__dict__) == (NotFoundError, error.__dict__)


@both
def test_a_write_is_repeated_under_one_key(run: Any) -> None:
    busy = refusal(503, "unavailable", retryable=True, retry_after_ms=1)
    with serving(in_turn(None, busy, envelope(201, job()))) as server:
        run(server, lambda client: client.create_job(name="n"))
    keys = [seen.headers["idempotency-key"] for seen in server.seen]
    assert len(keys) == 3
    assert len(set(keys)) == 1


@both
def test_two_calls_have_two_keys(run: Any) -> None:
    with serving(lambda _: envelope(201, job())) as server:
        run(server, lambda client: client.create_job(name="n"))
        run(server, lambda client: client.create_job(name="n"))
        run(server, lambda client: client.create_job(name="n", idempotency_key="mine"))
    keys = [seen.headers["idempotency-key"] for seen in server.seen]
    assert len(set(keys)) == 3
    assert keys[2] == "mine"
    assert "idempotency_key" not in server.seen[2].json


@both
def test_nobody_listens(run: Any) -> None:
    with serving(in_turn(None)) as server:
        server.close()
        with pytest.raises(UnavailableError, match="beam-mcp serve") as caught:
            run(server, lambda client: client.get_job(JOB_ID), max_retries=1)
    assert isinstance(caught.value, ConnectionError)
    assert server.url in caught.value.context["detail"]


@both
def test_the_timeout_of_a_call_bounds_all_its_tries(run: Any) -> None:
    def never(_: Seen) -> bytes:
        import time

        time.sleep(5)
        return b""

    with serving(never) as server, pytest.raises(DeadlineError) as caught:
        run(server, lambda client: client.get_job(JOB_ID, timeout=0.3))
    assert isinstance(caught.value, TimeoutError)
    assert len(server.seen) == 1


def paged(seen: Seen) -> bytes:
    number = int(seen.path.partition("page_token=")[2] or 0)
    items = [job(job_id=f"sim:{'0' * 31}{number * 2 + n}") for n in range(2)]
    return envelope(
        200, {"jobs": items, "next_page_token": str(number + 1) if number < 2 else None}
    )


@both
def test_lists_are_whole_unless_a_page_is_asked_for(run: Any) -> None:
    with serving(paged) as server:
        whole = run(server, lambda client: client.list_jobs(target="sim"))
        page = run(server, lambda client: client.list_jobs(limit=2))
    assert [found.job_id[-1] for found in whole] == list("012345")
    assert (len(page), page.next_page_token, whole.next_page_token) == (2, "1", None)
    assert server.seen[0].path == "/api/v1/jobs?target=sim"


def test_pages_are_fetched_as_they_are_consumed() -> None:
    with serving(paged) as server, MCPClient(server.url) as client:
        jobs = client.iter_jobs(page_size=2)
        assert [next(jobs).job_id[-1] for _ in range(3)] == list("012")
        assert len(server.seen) == 2


def test_pages_are_fetched_as_they_are_consumed_async() -> None:
    async def run(server: FakeServer) -> list[str]:
        async with BeamMCPClient(server.url) as client:
            return [found.job_id[-1] async for found in client.iter_jobs(page_size=2)]

    with serving(paged) as server:
        assert asyncio.run(run(server)) == list("012345")


@both
def test_cancel_takes_a_savepoint_by_default_where_the_seed_says_so(run: Any) -> None:
    with serving(lambda _: envelope(200, {"job_id": JOB_ID, "state": "CANCELED"})) as server:
        run(server, lambda client: client.cancel_job(JOB_ID))
        run(server, lambda client: client.cancel_job(JOB_ID, True))
        run(server, lambda client: client.cancel_job(JOB_ID, mode="force"))
        run(server, lambda client: client.drain_job(JOB_ID, plan_digest="d"))
        run(server, lambda client: client.stop_job(JOB_ID, "/sp", plan_digest="s"))
    assert [seen.json for seen in server.seen] == [
        {"with_savepoint": run is blocking},
        {"with_savepoint": True},
        {"mode": "force"},
        {"mode": "drain", "plan_digest": "d"},
        {"mode": "stop", "savepoint_path": "/sp", "plan_digest": "s"},
    ]


@both
def test_a_savepoint_is_its_path_and_its_operation(run: Any) -> None:
    operation = {"operation_id": f"{JOB_ID}/savepoint-1", "state": "SUCCEEDED", "kind": "savepoint"}
    done = {
        "job_id": JOB_ID,
        "state": "RUNNING",
        "savepoint_path": "file:/sp/1",
        "operation": operation,
    }
    with serving(lambda _: envelope(200, done)) as server:
        taken = run(
            server, lambda client: client.create_savepoint(JOB_ID, {"savepoint_path": "/sp"})
        )
        run(server, lambda client: client.create_savepoint(JOB_ID, "/sp", wait=False))
    assert taken == "file:/sp/1"
    assert (taken["savepoint_path"], taken.state, taken.get("nothing", 3)) == (
        "file:/sp/1",
        "SUCCEEDED",
        3,
    )
    assert (taken.savepoint_id, taken.location, taken.pending) == (
        "savepoint-1",
        "file:/sp/1",
        False,
    )
    assert [seen.path for seen in server.seen] == [f"{PATH}/savepoint", f"{PATH}/savepoints"]
    assert [seen.json for seen in server.seen] == [{"savepoint_path": "/sp"}] * 2


@both
def test_logs_print_as_text(run: Any) -> None:
    lines = [
        {
            "timestamp": "2026-11-20T09:45:23Z",
            "severity": "WARN",
            "message": "slow",
            "job_id": JOB_ID,
        },
        {"severity": "DEFAULT", "message": "plain", "job_id": JOB_ID},
    ]
    with serving(
        lambda _: envelope(200, {"logs": lines, "next_page_token": "t", "notes": ["shared"]})
    ) as server:
        logs = run(server, lambda client: client.get_job_logs(JOB_ID, duration_seconds=300))
    assert f"{logs}" == "2026-11-20T09:45:23Z WARN slow\nDEFAULT plain"
    assert (logs[0].message, logs.next_page_token, logs.notes, len(logs)) == (
        "slow",
        "t",
        ["shared"],
        2,
    )
    assert server.seen[0].path == f"{PATH}/logs?duration_seconds=300"


@both
def test_operations_are_planned_by_the_call_that_does_them(run: Any) -> None:
    plan = {"digest": "d" * 64, "summary": "s", "calls": [], "changes": [], "unknown": []}
    with serving(lambda _: envelope(200, {"plan": plan})) as server:
        planned = run(server, lambda client: client.plan_operation("cancel", JOB_ID, mode="drain"))
        run(server, lambda client: client.cancel_job(JOB_ID, mode="drain", plan_digest="d" * 64))
        with pytest.raises(ValidationError, match="no operation"):
            run(server, lambda client: client.plan_operation("burn", JOB_ID))
    assert planned.digest == "d" * 64
    bodies = [seen.json for seen in server.seen]
    assert bodies == [
        {"mode": "drain", "dry_run": True},
        {"mode": "drain", "plan_digest": "d" * 64},
    ]


@both
@pytest.mark.parametrize(
    ("verb", "placed", "name", "wrong"),
    [
        ("cancel", True, "with_savepoint", "drain"),
        ("restore", Savepoint("s3://b/s"), "savepoint_path", 4),
        ("savepoint", "s3://b/s", "savepoint_path", 4),
        ("scale", 4, "parallelism", True),
    ],
)
def test_what_a_method_takes_without_a_name_is_planned_so(
    run: Any, verb: str, placed: Any, name: str, wrong: Any
) -> None:
    plan = {"digest": "d" * 64, "summary": "s", "calls": [], "changes": [], "unknown": []}
    with serving(lambda _: envelope(200, {"plan": plan})) as server:
        run(server, lambda client: client.plan_operation(verb, JOB_ID, placed))
        with pytest.raises(ValidationError, match="must be a mapping"):
            run(server, lambda client: client.plan_operation(verb, JOB_ID, wrong))
    assert [seen.json for seen in server.seen] == [{name: placed, "dry_run": True}]


@both
def test_a_log_is_asked_by_worker_step_and_end(run: Any) -> None:
    with serving(lambda _: envelope(200, {"logs": []})) as server:
        run(
            server,
            lambda client: client.get_logs(JOB_ID, until="60", worker="w-0", step="s1"),
        )
    assert server.seen[0].path == f"{PATH}/logs?until=60&worker=w-0&step=s1"


def changes(*states: str) -> Callable[[Seen], bytes]:
    left = list(states)

    def script(_: Seen) -> bytes:
        state = left.pop(0)
        view = job(state=state, terminal=state in {"FAILED", "FINISHED"}, diagnostics=f"is {state}")
        return envelope(200, {**view, "changed": True, "cursor": len(left)})

    return script


@both
def test_waiting_ends_with_the_job(run: Any) -> None:
    with serving(changes("PENDING", "RUNNING", "FINISHED")) as server:
        ended = run(server, lambda client: client.wait_for_job(JOB_ID))
    assert ended.state == "FINISHED"
    assert [seen.path for seen in server.seen] == [
        f"{PATH}/wait?timeout_s=20",
        f"{PATH}/wait?cursor=2&timeout_s=20",
        f"{PATH}/wait?cursor=1&timeout_s=20",
    ]


@both
def test_a_failed_job_raises_unless_it_is_only_looked_at(run: Any) -> None:
    with serving(changes("FAILED", "FAILED")) as server:
        with pytest.raises(JobFailedError, match="is FAILED"):
            run(server, lambda client: client.wait_for_job(JOB_ID))
        assert (
            run(server, lambda client: client.wait_for_job(JOB_ID, check=False)).state == "FAILED"
        )


@both
def test_upload_streams_a_file(run: Any, tmp_path: Path) -> None:
    code = tmp_path / "job.jar"
    code.write_bytes(bytes(range(256)) * 4096)
    name = "artifact:sha256:" + "0" * 64
    with serving(lambda _: envelope(201, {"artifact": name, "size": 1 << 20})) as server:
        artifact = run(server, lambda client: client.upload_artifact(str(code)))
        with pytest.raises(ValidationError, match="no file"):
            run(server, lambda client: client.upload_artifact(str(tmp_path / "none")))
    assert (artifact, artifact.size) == (name, 1 << 20)
    [seen] = server.seen
    assert seen.body == code.read_bytes()
    assert seen.headers["content-type"] == "application/octet-stream"
    assert seen.path == "/api/v1/artifacts?file_name=job.jar"


@both
def test_auth_headers(run: Any) -> None:
    with serving(lambda _: envelope(200, job())) as server:
        run(server, lambda client: client.get_job(JOB_ID), token="t", api_key="k")
        run(
            server,
            lambda client: client.get_job(JOB_ID),
            auth_headers={"X-API-Key": "s1"},
            verify_ssl=True,
        )
    assert server.seen[0].headers["authorization"] == "Bearer t"
    assert server.seen[0].headers["x-api-key"] == "k"
    assert server.seen[1].headers["x-api-key"] == "s1"


@both
def test_a_refused_token_is_renewed_once(run: Any) -> None:
    tokens = iter(["old", "new", "newer"])

    def script(seen: Seen) -> bytes:
        fresh = seen.headers["authorization"] == "Bearer new"
        return envelope(200, job()) if fresh else refusal(401, "unauthenticated")

    with serving(script) as server:
        run(server, lambda client: client.get_job(JOB_ID), token_provider=lambda: next(tokens))
        assert len(server.seen) == 2
        with pytest.raises(AuthError):
            run(server, lambda client: client.get_job(JOB_ID), token_provider=lambda: "bad")
        assert len(server.seen) == 4


@both
def test_the_environment(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(lambda _: envelope(200, job())) as server:
        monkeypatch.setenv("BEAM_MCP_URL", server.url)
        monkeypatch.setenv("BEAM_MCP_TOKEN", "env")
        monkeypatch.setenv("MCP_MAX_RETRIES", "0")
        server_of_env = type("S", (), {"url": None})
        run(server_of_env, lambda client: client.get_job(JOB_ID))
        monkeypatch.setenv("MCP_CLIENT_TIMEOUT", "soon")
        with pytest.raises(ValidationError, match="MCP_CLIENT_TIMEOUT"):
            run(server_of_env, lambda client: client.get_job(JOB_ID))
    assert server.seen[0].headers["authorization"] == "Bearer env"


def test_options_share_the_connections_and_name_a_target() -> None:
    with serving(lambda _: envelope(201, job())) as server, MCPClient(server.url) as client:
        client.get_job(JOB_ID)
        other = client.with_options(timeout=1, max_retries=0, target="sim")
        other.create_job(name="n")
        other.create_job(name="n", runner="flink")
        client.create_job(name="n")
    assert {seen.connection for seen in server.seen} == {1}
    assert [seen.json for seen in server.seen[1:]] == [
        {"name": "n", "target": "sim"},
        {"name": "n", "runner": "flink"},
        {"name": "n"},
    ]


def test_every_answer_is_shown_to_the_hook() -> None:
    exchanges: list[Any] = []
    with (
        serving(lambda _: answer(200, b"{}")) as server,
        MCPClient(server.url, on_response=exchanges.append) as client,
        pytest.raises(MCPError, match="beam-mcp server"),
    ):
        client.get_job(JOB_ID)
    [exchange] = exchanges
    assert (exchange.status, exchange.body, exchange.headers["content-type"]) == (
        200,
        b"{}",
        "application/json",
    )


def test_a_custom_transport_is_used() -> None:
    class Awaited:
        async def send(self, request: Any) -> Any:
            return beam_mcp_client.HttpResponse(
                200, [], json.dumps({"data": job(job_name=request.path)}).encode()
            )

        async def close(self) -> None:
            pass

    async def run() -> Job:
        async with BeamMCPClient(transport=Awaited()) as client:
            return await client.get_job(JOB_ID)

    assert asyncio.run(run()).job_name == PATH
    with pytest.raises(ValidationError, match="BeamMCPClient"):
        MCPClient(transport=Awaited())


@pytest.mark.parametrize("url", ["localhost:8888", "ftp://x", "http://", "http://user:pass@host"])
def test_bad_urls_are_refused(url: str) -> None:
    with pytest.raises(ValidationError):
        MCPClient(url)


def test_conflict_is_no_lookup_error() -> None:
    assert not issubclass(ConflictError, LookupError)


def test_the_seed_of_llm_integration() -> None:
    """S4's calls as printed."""

    def script(seen: Seen) -> bytes:
        if seen.path.endswith("/manifest"):
            return envelope(200, {"tools": [{"name": "create_job"}]})
        if seen.path.endswith("/metrics"):
            return envelope(
                200, {"job_id": JOB_ID, "metrics": {"worker_count": 2.0}, "user": [], "system": []}
            )
        return envelope(201, job())

    async def run(url: str) -> None:
        mcp_client = BeamMCPClient(
            base_url=url, session_id="example-session", user_id="example-user"
        )
        manifest = await mcp_client.get_manifest()
        assert manifest["tools"][0]["name"] == "create_job"
        context = await mcp_client.create_context(session_id="unique-session", user_id="user-123")
        created = await mcp_client.create_job(params={"job_name": "n"}, context=context)
        metrics = await mcp_client.get_metrics(job_id=created.job_id, context=context)
        assert metrics.metrics == {"worker_count": 2.0}
        await mcp_client.close()

    with serving(script) as server:
        asyncio.run(run(server.url))
    assert server.seen[1].headers["mcp-session-id"] == "unique-session"


def test_both_classes_have_the_same_methods() -> None:
    def methods(kind: type) -> dict[str, list[str]]:
        found = inspect.getmembers(kind, inspect.isfunction)
        names = {name: list(inspect.signature(method).parameters) for name, method in found}
        return {name: signature for name, signature in names.items() if not name.startswith("_")}

    assert methods(MCPClient) == methods(BeamMCPClient)


def test_an_awaitable_is_what_async_methods_return() -> None:
    client = BeamMCPClient("http://127.0.0.1:1")
    call: Awaitable[Job] = client.get_job(JOB_ID)
    assert inspect.iscoroutine(call)
    call.close()
