"""`MCPConnection` and `beam-mcp mcp` against the real server, of both eras and with sessions."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from beam_mcp_client.cli import main
from beam_mcp_client.mcp import AsyncMCPConnection, MCPConnection
from beam_mcp_client.mcp.options import Era
from real_server import RealServer

CONFIG: dict[str, Any] = {"targets": {"sim": {"runner": "simulator", "speed": 20}}}
TASKS: dict[str, Any] = {"extensions": {"io.modelcontextprotocol/tasks": {}}}


@pytest.fixture(scope="module", params=["sessions", "stateless"])
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RealServer]:
    config = {**CONFIG, "mcp": {"stateless": request.param == "stateless"}}
    server = RealServer(tmp_path_factory.mktemp(request.param), config).start()
    yield server
    server.kill()


def url(server: RealServer) -> str:
    return f"http://127.0.0.1:{server.port}/mcp"


@pytest.mark.parametrize("era", ["auto", "modern", "2025-11-25", "2025-06-18", "2025-03-26"])
def test_every_era_is_spoken(server: RealServer, era: Era) -> None:
    with MCPConnection(url(server), era=era) as connection:
        said = connection.connect()
        assert said["serverInfo"]["name"]
        assert said["protocolVersion"] == ("2026-07-28" if era in ("auto", "modern") else era)
        assert "list_runners" in [tool["name"] for tool in connection.list_tools()]
        result = connection.call_tool("list_runners")
        assert not result.get("isError")
        assert connection.list_prompts()
        template = connection.list_resource_templates()[0]["uriTemplate"]
        assert template.startswith("beam://")


def test_the_pair_of_endpoints_is_found(tmp_path: Path) -> None:
    asked: list[str] = []

    def answer(method: str, params: dict[str, Any]) -> Any:
        asked.append(method)
        return {"action": "decline"}

    server = RealServer(tmp_path, CONFIG).start()
    with MCPConnection(f"http://127.0.0.1:{server.port}/sse", answer=answer) as connection:
        assert connection.connect()["protocolVersion"] == "2024-11-05"
        assert "list_runners" in [tool["name"] for tool in connection.list_tools()]
        spec = {"target": "sim", "options": {"simulator_script": "running"}}
        job = json.loads(connection.call_tool("create_job", spec)["content"][-1]["text"])["job_id"]
        for count, one in enumerate(connection.listen(resource_uris=(uri(job),))):
            if count:
                assert one.method == "notifications/resources/updated"
                break
            connection.call_tool("scale_job", {"job_id": job, "parallelism": 3})
        ended = connection.call_tool("cancel_job", {"job_id": job, "mode": "cancel"})
        assert "plan" in json.loads(ended["content"][-1]["text"]), "the revision has no question"
    server.kill()
    assert asked == []


def test_a_wait_for_the_end_is_followed_as_a_task(server: RealServer) -> None:
    spec = {"target": "sim", "options": {"simulator_script": "running"}}
    job = server.call("POST", "/jobs", spec)[1]["job_id"]
    wait = {"job_id": job, "until_terminal": True}
    heard: list[object] = []

    def ends_the_job_later(response: object) -> None:
        heard.append(response)
        if len(heard) == 3:  # the call and a look at its task are behind it
            server.call("POST", f"/jobs/{job}/cancel", {"mode": "cancel"})

    with MCPConnection(url(server), capabilities=TASKS) as connection:
        begun = connection.call_tool("wait_for_change", wait, wait=False)
        assert begun["resultType"] == "task", begun
        assert (begun["taskId"], begun["status"]) == (f"{job}/end", "working")
        assert connection.get_task(begun["taskId"])["status"] == "working"
        with MCPConnection(
            url(server), capabilities=TASKS, on_response=ends_the_job_later
        ) as follower:
            ended = follower.call_tool("wait_for_change", wait)["structuredContent"]
        assert (ended["state"], ended["changed"]) == ("CANCELED", True)
        task = connection.get_task(begun["taskId"])
    assert (task["status"], task["statusMessage"]) == ("completed", "the job is CANCELED")
    assert task["result"]["structuredContent"] == ended
    assert len(heard) > 3, heard


def test_a_job_that_fails_completes_the_wait_for_it(server: RealServer) -> None:
    options = {"simulator_script": "failing", "simulator_duration_s": 60}
    with MCPConnection(url(server), capabilities=TASKS) as connection:
        made = connection.call_tool("create_job", {"target": "sim", "options": options})
        job = made["structuredContent"]["job_id"]
        ended = connection.call_tool("wait_for_change", {"job_id": job, "until_terminal": True})
        assert not ended.get("isError"), ended
        assert ended["structuredContent"]["state"] == "FAILED"
        task = connection.get_task(f"{job}/end")
    assert (task["status"], task["statusMessage"]) == ("completed", "the job is FAILED")
    assert task["result"]["structuredContent"] == ended["structuredContent"]


@pytest.mark.parametrize(
    ("below", "named"),
    [("", "diagnostics"), ("/logs", "logs[].message"), ("/metrics", "user[].name")],
)
def test_a_resource_names_what_others_wrote(server: RealServer, below: str, named: str) -> None:
    with MCPConnection(url(server)) as connection:
        spec = {"target": "sim", "options": {"simulator_script": "failing"}}
        job = connection.call_tool("create_job", spec)["structuredContent"]["job_id"]
        connection.call_tool("wait_for_change", {"job_id": job, "until_terminal": True})
        [read] = connection.read_resource(uri(job) + below)["contents"]
        assert named in json.loads(read["text"])["untrusted"]
        [target] = connection.read_resource("beam://sim/runner")["contents"]
        assert json.loads(target["text"])["untrusted"] == ["facts"]


def uri(job: str) -> str:
    target, token = job.split(":")
    return f"beam://{target}/jobs/{token}"


def test_the_same_on_a_loop(server: RealServer) -> None:
    async def ask() -> list[str]:
        async with AsyncMCPConnection(url(server)) as connection:
            return [tool["name"] for tool in await connection.list_tools()]

    assert "list_runners" in asyncio.run(ask())


def test_the_command_speaks_to_any_server(
    server: RealServer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["mcp", "info", url(server), "-o", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["protocolVersion"] == "2026-07-28"
    assert main(["mcp", "tools", url(server)]) == 0
    assert "list_runners" in capsys.readouterr().out
    assert main(["mcp", "call", url(server), "list_runners"]) == 0
    assert "sim" in capsys.readouterr().out
    assert main(["mcp", "call", url(server), "get_job", "job_id=nonsense"]) == 1
    assert main(["mcp", "call", url(server), "get_job", '{"job_id": "nonsense"}']) == 1
    assert main(["mcp", "prompts", url(server)]) == 0
    assert main(["mcp", "call", url(server), "no_such_tool"]) == 2
    assert main(["mcp", "tools", "ftp://nowhere"]) == 2
