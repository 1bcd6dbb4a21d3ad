"""Two tenants at one server over MCP: nothing of one's jobs is shown, told or completed to the other."""

from __future__ import annotations

import time
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from mcp_wire import Stream, Wire, request
from real_server import RealServer, until

VERSION = "2026-07-28"
PREFIX = "io.modelcontextprotocol/"
META = {
    f"{PREFIX}protocolVersion": VERSION,
    f"{PREFIX}clientCapabilities": {"extensions": {f"{PREFIX}tasks": {}}},
}
NAMED = {
    "tools/call": "name",
    "resources/read": "uri",
    "prompts/get": "name",
    "tasks/get": "taskId",
}


class Tenant:
    """One tenant's way to the server."""

    def __init__(self, server: RealServer, name: str) -> None:
        self.server, self.token = server, f"token-of-{name}"

    def heads(self, method: str, params: dict[str, Any]) -> dict[str, str]:
        name = {"mcp_name": params[NAMED[method]]} if method in NAMED else {}
        version = {"mcp_protocol_version": VERSION, "mcp_method": method}
        return {**version, **name, "authorization": f"Bearer {self.token}"}

    def ask(self, method: str, **params: Any) -> Any:
        """The whole answer."""
        heads = self.heads(method, params)
        told = Wire(self.server.port).post(request(method, {**params, "_meta": META}), **heads)
        assert told.status == 200, told
        return told.json

    def call(self, name: str, **arguments: Any) -> Any:
        return self.ask("tools/call", name=name, arguments=arguments)["result"]

    def listen(self, **wanted: Any) -> Stream:
        params = {"notifications": wanted, "_meta": META}
        body = request("subscriptions/listen", params, 7)
        heads = self.heads("subscriptions/listen", params)
        return Stream(self.server.port, "/mcp", body, **heads)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealServer]:
    folder: Path = tmp_path_factory.mktemp("tenants")

    def token(name: str) -> dict[str, str]:
        digest = sha256(f"token-of-{name}".encode()).hexdigest()
        return {"name": name, "tenant": name, "role": "operator", "sha256": digest}

    config = {
        "targets": {"sim": {"runner": "simulator"}},
        "auth": {"tokens": [token("one"), token("two")]},
    }
    made = RealServer(folder, config)
    made.start()
    yield made
    made.kill()


@pytest.fixture(scope="module")
def one(server: RealServer) -> Tenant:
    return Tenant(server, "one")


@pytest.fixture(scope="module")
def two(server: RealServer) -> Tenant:
    return Tenant(server, "two")


@pytest.fixture(scope="module")
def job(one: Tenant) -> str:
    """A job of the first tenant, which runs."""
    spec = {"target": "sim", "name": "canary-one", "options": {"simulator_script": "running"}}
    answer = one.ask("tools/call", name="create_job", arguments=spec)["result"]
    made = str(answer["taskId"] if "taskId" in answer else answer["structuredContent"]["job_id"])
    made = made.split("/", maxsplit=1)[0]
    until(lambda: runs(one, made), "the job runs")
    return made


def runs(tenant: Tenant, job: str) -> bool:
    return bool(tenant.call("get_job", job_id=job)["structuredContent"]["state"] == "RUNNING")


def uri(job: str) -> str:
    target, token = job.split(":")
    return f"beam://{target}/jobs/{token}"


def completed(tenant: Tenant, of: dict[str, str], argument: str, value: str) -> list[str]:
    params = {"ref": of, "argument": {"name": argument, "value": value}}
    return list(tenant.ask("completion/complete", **params)["result"]["completion"]["values"])


@pytest.mark.parametrize("below", ["", "/logs", "/metrics", "/plan", "/savepoints", "/checkpoints"])
def test_a_resource_of_the_other_is_none(one: Tenant, two: Tenant, job: str, below: str) -> None:
    theirs = two.ask("resources/read", uri=uri(job) + below)
    nothing = two.ask("resources/read", uri=f"beam://sim/jobs/{'0' * 32}{below}")
    assert theirs["error"]["code"] == nothing["error"]["code"] == -32602
    assert "canary" not in str(theirs)
    if below == "":
        assert "canary-one" in str(one.ask("resources/read", uri=uri(job)))


def test_lists_are_of_ones_own(one: Tenant, two: Tenant, job: str) -> None:
    token = job.split(":")[1]
    assert token in str(one.call("list_jobs"))
    for shown in (two.call("list_jobs"), two.ask("resources/list")):
        assert token not in str(shown)
        assert "canary" not in str(shown)


@pytest.mark.parametrize(
    ("tool", "more"),
    [
        ("get_job", {}),
        ("get_metrics", {}),
        ("get_logs", {}),
        ("wait_for_change", {}),
        ("cancel_job", {"mode": "cancel"}),
        ("scale_job", {"parallelism": 2}),
    ],
)
def test_a_tool_knows_no_job_of_the_other(
    two: Tenant, job: str, tool: str, more: dict[str, Any]
) -> None:
    answer = two.call(tool, job_id=job, **more)
    assert answer["isError"], answer
    assert "unknown_job" in answer["content"][0]["text"]
    assert "canary" not in str(answer)


def test_completions_are_of_ones_own(one: Tenant, two: Tenant, job: str) -> None:
    token = job.split(":")[1]
    template = {"type": "ref/resource", "uri": "beam://{target}/jobs/{id}"}
    prompt = {"type": "ref/prompt", "name": "diagnose_job"}
    assert completed(one, template, "id", token[:4]) == [token]
    assert completed(one, prompt, "job_id", job[:8]) == [job]
    assert completed(two, template, "id", token[:4]) == []
    assert completed(two, prompt, "job_id", job[:8]) == []


def test_a_task_of_the_other_is_none(one: Tenant, two: Tenant, job: str) -> None:
    begun = one.call("wait_for_change", job_id=job, until_terminal=True)
    assert one.ask("tasks/get", taskId=begun["taskId"])["result"]["status"] == "working"
    theirs = two.ask("tasks/get", taskId=begun["taskId"])
    assert theirs["error"]["code"] == -32602, theirs


def test_a_subscription_hears_of_ones_own(one: Tenant, two: Tenant, job: str) -> None:
    task = f"{job}/end"
    wanted = {"resourceSubscriptions": [uri(job)], "taskIds": [task]}
    mine, theirs = one.listen(**wanted), two.listen(**wanted)
    try:
        assert uri(job) in mine.next().data
        acknowledged = theirs.next().data
        assert uri(job) not in acknowledged
        assert task not in acknowledged
        one.call("scale_job", job_id=job, parallelism=3)
        assert uri(job) in mine.next().data
        time.sleep(1.0)
        assert theirs.events.empty()
    finally:
        mine.close()
        theirs.close()
