"""Both clients against a real `beam-mcp-server` (BEAM_MCP_SERVER, or the one beside this Python): no fake between."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from beam_mcp_client import (
    AuthError,
    BeamMCPClient,
    FailedPreconditionError,
    MCPClient,
    MCPContext,
    NotFoundError,
    UnavailableError,
    ValidationError,
)
from beam_mcp_client.server import LocalServer, LocalTransport

FAST = {
    "targets": {"flink": {"runner": "simulator", "speed": 20, "description": "a scripted cluster"}}
}


def config(folder: Path, **more: Any) -> dict[str, Any]:
    return {**FAST, "store": {"path": str(folder / "store")}, "roots": [str(folder)], **more}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a running server."""
    local = LocalServer(config(tmp_path_factory.mktemp("server")), None)
    yield f"http://127.0.0.1:{local.port}"
    local.stop()


def test_s1_as_printed(server: str) -> None:
    client = MCPClient(server)
    job_id = client.submit_job(
        name="my-flink-job",
        runner="flink",
        job_type="STREAMING",
        code_path="/path/to/pipeline.py",
        options={
            "parallelism": 4,
            "checkpoint_interval": 60000,
            "state_backend": "rocksdb",
            "input_source": "kafka://input-topic",
            "output_sink": "kafka://output-topic",
        },
    )
    for view in client.watch_job(job_id, timeout=30):
        if view.state == "RUNNING":
            break
    status = client.get_job_status(job_id)
    assert status["state"] == "RUNNING"
    assert status["start_time"]
    assert isinstance(status["duration"], float)
    assert status.get("diagnostics", "").lower() == ""
    scaled = client.scale_job(job_id, 8)
    assert (scaled["state"], scaled.job and scaled.job.parallelism) == ("RUNNING", 8)
    savepoint_path = client.create_savepoint(job_id)
    assert isinstance(savepoint_path, str)
    assert savepoint_path
    ended = client.cancel_job(job_id)
    assert (ended.state, ended.savepoint_path is not None) == ("CANCELED", True)
    assert client.get_job(job_id).ended_by == "stop"
    client.close()


def test_s0_as_printed(server: str) -> None:
    async def scenario() -> None:
        client = BeamMCPClient(
            base_url=server, session_id="example-session", user_id="example-user"
        )
        manifest = await client.get_manifest()
        assert "create_job" in [tool["name"] for tool in manifest["tools"]]
        runners = await client.list_runners()
        assert [runner.status for runner in runners] == ["AVAILABLE"]
        job = await client.create_job(
            {"job_name": "example-job", "pipeline_path": "examples/wordcount.py", "runner": "flink",
             "job_type": "STREAMING", "temp_location": "gs://my-bucket/temp"}
        )  # fmt: skip
        job_details = await client.get_job(job["job_id"])
        assert job_details.name == "example-job"
        async for view in client.watch_job(job, timeout=30):
            if view.state == "RUNNING":
                break
        savepoint = await client.create_savepoint(
            job["job_id"], {"savepoint_path": "simulator:/savepoints"}
        )
        assert savepoint["state"] == "SUCCEEDED"
        metrics = await client.get_metrics(job["job_id"])
        assert metrics.job_id == job.job_id
        assert [found.job_id for found in await client.list_jobs(name_contains="example-job")] == [
            job.job_id
        ]
        updated = await client.update_job(job.job_id, {"scaling": {"parallelism": 2}})
        assert updated.job is not None
        assert updated.job.parallelism == 2
        ended = await client.cancel_job(job.job_id)
        assert (ended.state, ended.savepoint_path) == ("CANCELED", None)
        await client.close()

    asyncio.run(scenario())


def test_what_a_server_refuses(server: str) -> None:
    with MCPClient(server) as client:
        with pytest.raises(NotFoundError) as caught:
            client.get_job("flink:" + "0" * 32)
        assert caught.value.status == 404
        assert caught.value.request_id
        with pytest.raises(ValidationError):
            client.create_job({"job_name": "x", "runner": "flink", "colour": "red"})
        with pytest.raises(NotFoundError):
            client.create_job(name="x", runner="samza")


def test_labels_come_back(server: str) -> None:
    seen: list[Any] = []
    with MCPClient(server, trace_id="t1", on_response=seen.append) as client:
        client.get_manifest(context=MCPContext("s1", user_id="u1"))
    headers = seen[0].headers
    assert [headers[f"mcp-{name}-id"] for name in ("session", "trace", "user")] == [
        "s1",
        "t1",
        "u1",
    ]
    assert headers["x-request-id"]


def test_pages_of_a_long_list(server: str) -> None:
    with MCPClient(server) as client:
        made = [client.create_job(name=f"page-{n}", target="flink").job_id for n in range(7)]
        whole = client.list_jobs(name_contains="page-")
        by_page = list(client.iter_jobs(name_contains="page-", page_size=3))
        first = client.list_jobs(name_contains="page-", limit=3)
    assert [job.job_id for job in whole] == [job.job_id for job in by_page] == made[::-1]
    assert len(first) == 3
    assert first.next_page_token


def test_a_wait_ends_with_a_change_made_by_another(server: str) -> None:
    with MCPClient(server) as client, ThreadPoolExecutor() as threads:
        job = client.create_job(name="w", target="flink", job_type="STREAMING")
        for view in client.watch_job(job, timeout=30):
            if view.state == "RUNNING":
                break
        waiting = threads.submit(client.wait_for_job, job, check=False, timeout=30)
        time.sleep(0.1)
        client.cancel_job(job, mode="cancel")
        assert waiting.result(30).state == "CANCELED"


def test_many_calls_at_once_on_one_loop(server: str) -> None:
    async def scenario() -> list[str]:
        async with BeamMCPClient(server) as client:
            made = await asyncio.gather(
                *(client.create_job(name=f"many-{n}", target="flink") for n in range(40))
            )
            found = await asyncio.gather(*(client.get_job(job) for job in made))
            return [job.name for job in found]

    assert asyncio.run(scenario()) == [f"many-{n}" for n in range(40)]


def test_an_upload_is_code(server: str, tmp_path: Path) -> None:
    code = tmp_path / "uploaded.py"
    code.write_text("print()")
    with MCPClient(server) as client:
        artifact = client.upload_artifact(code)
        job = client.create_job(name="u", target="flink", code_path=artifact)
        assert client.get_job_configuration(job)["spec"]["code_path"] == artifact


# ---- a server of one's own


def test_a_local_server_ends_with_its_client_and_its_jobs_do_not(tmp_path: Path) -> None:
    with MCPClient("local:", config=config(tmp_path)) as client:
        job = client.create_job(name="kept", target="flink", job_type="STREAMING")
        transport = client._host.transport
        assert isinstance(transport, LocalTransport)
        assert transport._server is not None
        process = transport._server._process
    assert process.poll() == 0
    with MCPClient("local:", config=config(tmp_path)) as client:
        assert client.get_job(job).name == "kept"


def test_a_folder_may_be_named(tmp_path: Path) -> None:
    folder = tmp_path / "here"
    with MCPClient(f"local:{folder}", config=FAST) as client:
        client.create_job(name="x", target="flink")
    assert any(folder.iterdir())


def test_a_local_server_on_a_loop(tmp_path: Path) -> None:
    async def scenario() -> str:
        async with BeamMCPClient("local:", config=config(tmp_path)) as client:
            job = await client.create_job(name="a", target="flink", job_type="BATCH")
            return (await client.wait_for_job(job, timeout=30)).state

    assert asyncio.run(scenario()) == "FINISHED"


def test_a_program_that_forgets_its_client_leaves_no_server(tmp_path: Path) -> None:
    code = (
        "import json, sys, beam_mcp_client as b\n"
        f"client = b.MCPClient('local:', config={config(tmp_path)!r})\n"
        "client.get_manifest()\n"
        "print(client._host.transport._server._process.pid)\n"
        "sys.stdout.flush()\n"
        "import os; os._exit(0)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    process, end = Path(f"/proc/{done.stdout.strip()}"), time.monotonic() + 20
    while process.exists() and "Z" not in process.joinpath("stat").read_text().split()[2]:
        assert time.monotonic() < end
        time.sleep(0.05)


def test_a_configuration_a_server_refuses_is_told(tmp_path: Path) -> None:
    refused = {"targets": {"x": {"runner": "flnik"}}}
    with (
        MCPClient("local:", config=refused) as client,
        pytest.raises(UnavailableError, match="flnik"),
    ):
        client.get_manifest()


def test_a_server_that_dies_is_told(tmp_path: Path) -> None:
    with MCPClient("local:", config=config(tmp_path), max_retries=0) as client:
        client.get_manifest()
        transport = client._host.transport
        assert isinstance(transport, LocalTransport)
        assert transport._server is not None
        transport._server._process.kill()
        transport._server._process.wait()
        with pytest.raises(UnavailableError) as caught:
            client.get_manifest()
        assert "the local server ended" in caught.value.context["detail"]


def test_without_the_server_the_pip_command_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("BEAM_MCP_SERVER", str(tmp_path / "none"))
    with MCPClient("local:") as client, pytest.raises(FailedPreconditionError, match="pip install"):
        client.get_manifest()


def test_tokens_are_needed_where_the_server_says_so(tmp_path: Path) -> None:
    import hashlib

    token = "a-token-of-the-tests-0123456789abcdef"
    entry = {"name": "t", "sha256": hashlib.sha256(token.encode()).hexdigest(), "role": "operator"}
    local = LocalServer(config(tmp_path, auth={"tokens": [entry]}), None)
    url = f"http://127.0.0.1:{local.port}"
    with MCPClient(url) as stranger, pytest.raises(AuthError):
        stranger.list_jobs()
    for proof in ({"token": token}, {"api_key": token}, {"auth_headers": {"X-API-Key": token}}):
        with MCPClient(url, **proof) as client:
            assert client.list_jobs() == []
    os.environ["BEAM_MCP_TOKEN"] = token
    try:
        with MCPClient(url) as client:
            assert client.list_jobs() == []
    finally:
        del os.environ["BEAM_MCP_TOKEN"]
    local.stop()
