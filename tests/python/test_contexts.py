"""Contexts of the catalogue at the real server: REST as S2 prints it, the Python clients, the command line, two
tenants, and a restart."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from beam_mcp_client import (
    BeamMCPClient,
    ConflictError,
    ExecutionContext,
    MCPClient,
    MCPContext,
    NotFoundError,
    ValidationError,
)
from real_server import RealServer

COMMAND = "import sys; from beam_mcp_client.cli import main; sys.exit(main())"
S2: dict[str, Any] = {
    "mcp_resource_id": "dataflow-default",
    "mcp_resource_type": "context",
    "mcp_created_at": "2023-08-15T10:30:00Z",
    "mcp_updated_at": "2023-08-15T10:30:00Z",
    "mcp_state": "ACTIVE",
    "mcp_generation": 1,
    "mcp_labels": {},
    "mcp_annotations": {},
    "name": "Dataflow Production",
    "description": "Production execution context for Dataflow jobs",
    "context_type": "dataflow",
    "status": "active",
    "parameters": {
        "region": "us-central1",
        "project": "my-beam-project",
        "temp_location": "gs://my-bucket/temp",
    },
    "resources": {"cpu": "2", "memory": "4GB"},
    "metadata": {"environment": "production"},
}
"""S2's object as it is printed there."""
TARGETS = {
    "sim": {"runner": "simulator", "options": {"region": "target"}},
    "cloud": {"runner": "dataflow", "project": "my-beam-project", "region": "us-central1"},
}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RealServer]:
    made = RealServer(tmp_path, {"targets": TARGETS}).start()
    yield made
    made.kill()


@pytest.fixture
def client(server: RealServer) -> Iterator[MCPClient]:
    with MCPClient(f"http://127.0.0.1:{server.port}") as made:
        yield made


def test_the_object_of_s2_over_rest(server: RealServer) -> None:
    status, made = server.call("POST", "/contexts/", S2)
    assert (status, made["success"]) == (201, True), made
    own = {"mcp_created_at", "mcp_updated_at"}
    assert {k: v for k, v in made["data"].items() if k in S2 and k not in own} == {
        k: v for k, v in S2.items() if k not in own
    }
    assert server.call("POST", "/contexts", S2)[0] == 409
    status, listed = server.call("GET", "/contexts/?context_type=dataflow")
    assert (status, listed["data"]["contexts"]) == (200, [made["data"]])
    changed = {"parameters": {**S2["parameters"], "max_num_workers": 4}}
    assert server.call("PUT", "/contexts/dataflow-default", changed, if_match='"7"')[0] == 412
    status, answer = server.call("PUT", "/contexts/dataflow-default", changed, if_match="*")
    assert (status, answer["data"]["mcp_generation"]) == (200, 2), answer
    stale = {**changed, "mcp_generation": 1}
    assert server.call("PUT", "/contexts/dataflow-default", stale)[0] == 409
    status, gone = server.call("DELETE", "/contexts/dataflow-default?mcp_generation=2")
    assert (status, gone["data"]["deleted"]) == (200, "dataflow-default"), gone
    status, none = server.call("GET", "/contexts/dataflow-default")
    assert (status, none["success"], none["data"]["mcp_resource_id"]) == (404, False, "error")


def test_a_context_outlives_its_server_and_a_plan_says_what_it_set(
    server: RealServer, client: MCPClient
) -> None:
    client.create_context(
        context_id="slow", context_type="simulator", parameters={"simulator_records_per_s": 7}
    )
    server.kill()
    server.start()
    with MCPClient(f"http://127.0.0.1:{server.port}") as again:
        plan = again.plan_job(target="sim", context_id="slow", options={"region": "call"})
        found = {option["name"]: (option["value"], option["from"]) for option in plan.options}
        assert found["simulator_records_per_s"] == (7, "context")
        assert found["region"] == ("call", "caller")
        job = again.create_job(target="sim", context_id="slow", plan_digest=plan_of(again))
        spec = again.get_job_configuration(job)["spec"]
        assert (spec["context_id"], spec["context_options"]) == (
            "slow",
            {"simulator_records_per_s": 7},
        )


def plan_of(client: MCPClient) -> str:
    return client.plan_job(target="sim", context_id="slow").digest


def test_a_context_of_another_runner_is_refused(server: RealServer) -> None:
    server.call("POST", "/contexts", S2)
    ask = {"context_id": "dataflow-default", "target": "sim"}
    status, refused = server.call("POST", "/jobs", ask)
    assert (status, refused["error"]["details"]["reason"]) == (400, "context_of_another_runner")


def test_python_makes_labels_or_a_run_profile(client: MCPClient) -> None:
    labels = client.create_context(session_id="s", user_id="u")
    assert isinstance(labels, MCPContext)
    made = client.create_context(
        context_id="a", context_type="custom", parameters={"x": 1}, context=labels
    )
    assert isinstance(made, ExecutionContext)
    assert (made.context_id, made.mcp_generation, made.by_operator) == ("a", 1, False)
    plan = client.plan_context("update", "a", parameters={"x": 2})
    assert plan.changes[0] == "parameters.x: 1 becomes 2"
    changed = client.update_context("a", parameters={"x": 2}, plan_digest=plan.digest)
    with pytest.raises(ConflictError, match="not as it was read"):
        client.update_context("a", made, mcp_generation=1)
    assert client.get_context("a") == changed
    assert [one.context_id for one in client.list_contexts()] == ["a"]
    assert client.delete_context("a", mcp_generation=2).deleted == "a"
    with pytest.raises(NotFoundError, match="no context"):
        client.get_context("a")
    with pytest.raises(ValidationError, match="has no labels"):
        client.create_context("s", context_type="custom")  # type: ignore[call-overload] # pyright: ignore[reportCallIssue]
    with pytest.raises(ValidationError, match="labels have no name"):
        client.create_context(name="b")  # type: ignore[call-overload] # pyright: ignore[reportCallIssue]


def test_asynchronous_clients_do_the_same(server: RealServer) -> None:
    async def run() -> None:
        async with BeamMCPClient(f"http://127.0.0.1:{server.port}") as client:
            labels = await client.create_context(session_id="unique-session", user_id="user-123")
            assert isinstance(labels, MCPContext)
            made = await client.create_context(name="Any Place", context_type="custom")
            assert made.context_id == "any-place"
            assert await client.list_contexts() == [made]

    asyncio.run(run())


def cli(server: RealServer, *words: str) -> tuple[int, str, str]:
    env = {**os.environ, "BEAM_MCP_URL": f"http://127.0.0.1:{server.port}"}
    ran = subprocess.run(
        [sys.executable, "-c", COMMAND, "context", *words],
        capture_output=True,
        text=True,
        env=env,
        timeout=60,
        check=False,
    )
    return ran.returncode, ran.stdout, ran.stderr


def test_the_command_line(server: RealServer) -> None:
    profile = ("--type", "simulator", "--parameter", "region=there", "--parameter", "zone=z")
    code, out, _ = cli(server, "create", "night", *profile, "--name", "Night", "--dry-run")
    assert (code, "region=there, from context" in out) == (0, True), out
    assert cli(server, "create", "night", *profile, "--name", "Night")[0] == 0
    assert cli(server, "update", "night")[0] == 2
    code, out, _ = cli(server, "update", "night", "--parameter", "Region=here", "--unset", "zone")
    assert code == 0
    code, out, _ = cli(server, "get", "night", "-o", "json")
    shown = json.loads(out)
    assert (shown["parameters"], shown["name"]) == ({"Region": "here"}, "Night")
    code, out, _ = cli(server, "list")
    assert out.splitlines()[1].startswith("night"), out
    code, _, told = cli(server, "get", "nigt")
    assert (code, "did you mean `night`?" in told) == (3, True), told
    assert cli(server, "delete", "night", "--dry-run")[0] == 0
    assert cli(server, "delete", "night")[0] == 0
    assert cli(server, "list", "-o", "id") == (0, "", "")


def test_no_tenant_sees_or_uses_the_contexts_of_another(tmp_path: Path) -> None:
    def token(name: str, role: str) -> dict[str, str]:
        digest = sha256(f"token-of-{name}".encode()).hexdigest()
        return {"name": name, "tenant": name, "role": role, "sha256": digest}

    tokens = [token("one", "operator"), token("two", "admin")]
    server = RealServer(tmp_path, {"targets": TARGETS, "auth": {"tokens": tokens}}).start()
    try:
        as_one, as_two = (f"Bearer token-of-{name}" for name in ("one", "two"))
        mine = {"context_id": "mine", "parameters": {"region": "secret-of-one"}}
        assert server.call("POST", "/contexts", mine, authorization=as_one)[0] == 201
        assert server.call("GET", "/contexts")[0] == 401
        for method, path, body in (
            ("GET", "/contexts/mine", None),
            ("PUT", "/contexts/mine", {"name": "x"}),
            ("DELETE", "/contexts/mine", None),
            ("POST", "/jobs", {"target": "sim", "context_id": "mine"}),
        ):
            status, answer = server.call(method, path, body, authorization=as_two)
            assert answer["error"]["details"]["reason"] == "unknown_context", answer
            assert status in (400, 404)
            assert "secret-of-one" not in json.dumps(answer)
        assert server.call("GET", "/contexts", authorization=as_two)[1]["data"]["contexts"] == []
        assert server.call("POST", "/contexts", mine, authorization=as_two)[0] == 201
    finally:
        server.kill()
