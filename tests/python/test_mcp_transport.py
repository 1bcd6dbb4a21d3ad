"""The Python client over MCP instead of REST: the same calls, the same answers, against a real server in each form."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

import beam_mcp_client as beam
from beam_mcp_client import BeamMCPClient, MCPClient
from beam_mcp_client.cli import main
from real_server import RealServer, until

CONFIG: dict[str, Any] = {"targets": {"sim": {"runner": "simulator", "speed": 20}}}


@pytest.fixture(scope="module", params=["sessions", "stateless"])
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RealServer]:
    config = {**CONFIG, "mcp": {"stateless": request.param == "stateless"}}
    server = RealServer(tmp_path_factory.mktemp(request.param), config).start()
    yield server
    server.kill()


@pytest.fixture
def client(server: RealServer) -> Iterator[MCPClient]:
    with MCPClient(f"http://127.0.0.1:{server.port}", transport="mcp") as client:
        yield client


def rest(server: RealServer) -> MCPClient:
    return MCPClient(f"http://127.0.0.1:{server.port}")


def test_a_job_from_its_submission_to_its_logs(client: MCPClient) -> None:
    assert [str(runner.name) for runner in client.list_runners()] == ["sim"]
    job = client.submit_job(runner="sim", name="words", options={"simulator_script": "batch"})
    ended = client.wait_for_job(job.job_id)
    assert (ended.state, ended.name, ended.target) == ("FINISHED", "words", "sim")
    assert client.get_logs(job.job_id).logs
    assert client.get_metrics(job.job_id).metrics
    assert job.job_id in [listed.job_id for listed in client.list_jobs()]


def test_what_ends_a_job_is_done_and_not_only_planned(
    client: MCPClient, server: RealServer
) -> None:
    job = client.submit_job(runner="sim", name="stream", options={"simulator_script": "running"})
    until(lambda: client.get_job(job.job_id).state == "RUNNING", "the job runs")
    client.cancel_job(job.job_id, with_savepoint=False)
    with rest(server) as other:
        assert other.get_job(job.job_id).state == "CANCELED"


def test_a_savepoint_is_begun_without_waiting_for_it(client: MCPClient) -> None:
    job = client.submit_job(runner="sim", name="stream", options={"simulator_script": "running"})
    until(lambda: client.get_job(job.job_id).state == "RUNNING", "the job runs")
    begun = client.create_savepoint(job.job_id, wait=False)
    until(
        lambda: client.get_operation(begun.operation_id).state == "SUCCEEDED",
        "the savepoint is there",
    )
    assert client.create_savepoint(job.job_id)


def test_errors_are_those_of_rest(client: MCPClient, server: RealServer) -> None:
    wrong = {"no such job": "sim:" + "0" * 32, "no id": "nonsense"}
    for job_id in wrong.values():
        told = []
        for caller in (client, rest(server)):
            with pytest.raises(beam.BeamMCPError) as raised:
                caller.get_job(job_id)
            told.append(raised.value)
        ours, theirs = told
        assert type(ours) is type(theirs)
        assert (ours.code, ours.reason, ours.suggestion) == (
            theirs.code,
            theirs.reason,
            theirs.suggestion,
        )


def test_a_plan_stays_one(client: MCPClient) -> None:
    before = len(client.list_jobs())
    assert client.plan_job(runner="sim", options={"simulator_script": "batch"})
    assert len(client.list_jobs()) == before


def test_a_repeated_key_is_one_job(client: MCPClient) -> None:
    spec: Any = {
        "runner": "sim",
        "name": "once",
        "idempotency_key": "key-1",
        "options": {"simulator_script": "batch"},
    }
    assert client.submit_job(**spec).job_id == client.submit_job(**spec).job_id


def test_what_is_no_tool_is_refused_with_the_way_out(client: MCPClient) -> None:
    with pytest.raises(beam.BeamMCPError):
        client.get_manifest()


def test_an_endpoint_of_any_path(server: RealServer) -> None:
    url = f"http://127.0.0.1:{server.port}/mcp/readonly"
    with MCPClient(url, transport="mcp") as client:
        assert client.list_runners()
        with pytest.raises(beam.BeamMCPError):
            client.submit_job(runner="sim", options={"simulator_script": "batch"})


def test_where_nothing_speaks_mcp(server: RealServer) -> None:
    url = f"http://127.0.0.1:{server.port}/api/v1"
    with MCPClient(url, transport="mcp") as client, pytest.raises(beam.BeamMCPError) as raised:
        client.list_runners()
    assert raised.value.suggestion
    with pytest.raises(beam.BeamMCPError, match="use rest or mcp"):
        MCPClient(transport="smoke")  # type: ignore[arg-type]


def test_the_same_from_an_event_loop_and_a_shell(
    server: RealServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    url = f"http://127.0.0.1:{server.port}"

    async def ask() -> list[str]:
        async with BeamMCPClient(url, transport="mcp") as client:
            return [str(runner.name) for runner in await client.list_runners()]

    assert asyncio.run(ask()) == ["sim"]
    assert main(["runner", "list", "--server", url, "--transport", "mcp"]) == 0
    monkeypatch.setenv("BEAM_MCP_TRANSPORT", "mcp")
    assert main(["runner", "list", "--server", url]) == 0
    assert capsys.readouterr().out.count("sim") >= 2
