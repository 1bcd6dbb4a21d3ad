"""What the server says over MCP against schemas: every message against the official one of its revision while random
requests come in, and every tool's answer against the output schema that the tool list shows.
"""

from __future__ import annotations

import json
import os
import secrets
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from jsonschema import Draft202012Validator

from mcp_dice import CONTEXT, META, PLAIN, Dice, Offer, heads_of
from mcp_door import Door, OverHttp, OverPipe
from mcp_player import Player, Tally, wanted
from mcp_wire import Pipe, Wire, request
from real_server import RealServer, until


class World:
    """A server with a simulator and the machine itself, and its tools."""

    def __init__(self, folder: Path) -> None:
        python = os.environ.get("BEAM_PYTHON", sys.executable)
        targets = {
            "sim": {"runner": "simulator", "speed": 20},
            "direct": {"runner": "direct", "python": python},
        }
        self.server = RealServer(folder, {"targets": targets}).start()
        (self.server.roots / "job.py").write_text("print('hello')\n", encoding="utf-8")
        self.server.call("POST", "/contexts", {"context_id": CONTEXT})
        self.wire = Wire(self.server.port)
        self.called: set[str] = set()
        self.tools = {tool["name"]: tool for tool in self.listed("tools/list", "tools")}
        templates = self.listed("resources/templates/list", "resourceTemplates")
        self.offer = Offer(
            self.tools,
            self.listed("prompts/list", "prompts"),
            [template["uriTemplate"] for template in templates],
            [resource["uri"] for resource in self.listed("resources/list", "resources")],
        )

    def ask(self, meta: dict[str, Any], method: str, **params: Any) -> Any:
        """The result of a modern request."""
        body = request(method, {**params, "_meta": meta})
        return self.wire.post(body, **heads_of(body)).json["result"]

    def listed(self, method: str, what: str) -> list[Any]:
        """The entries of a list that has one page, for a client that shows views."""
        result = self.ask(META, method)
        assert "nextCursor" not in result, result
        return list(result[what])

    def call(self, tool: str, **arguments: Any) -> Any:
        """What a tool answers to a client that cannot be asked; it must fit the tool's schema, to the last member."""
        result = self.ask(PLAIN, "tools/call", name=tool, arguments=arguments)
        assert not result.get("isError"), (tool, result["content"])
        answer, schema = result["structuredContent"], self.tools[tool]["outputSchema"]
        Draft202012Validator(schema).validate(answer)
        assert set(answer) <= set(schema["properties"]), (
            tool,
            set(answer) - set(schema["properties"]),
        )
        assert json.loads(result["content"][0]["text"]) == answer
        self.called.add(tool)
        return answer

    def runs(self, job: str) -> bool:
        """True once the job runs."""
        return bool(self.call("get_job", job_id=job, max_age_ms=0)["state"] == "RUNNING")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    world = World(tmp_path_factory.mktemp("schema"))
    yield world
    world.server.kill()


def test_every_tool_answers_as_its_schema_says(world: World) -> None:
    for tool in world.tools.values():
        Draft202012Validator.check_schema(tool["inputSchema"])
        Draft202012Validator.check_schema(tool["outputSchema"])
    streaming(world)
    for target, more in (
        ("sim", {"options": {"simulator_script": "batch"}}),
        ("direct", {"code_path": "job.py"}),
    ):
        world.call("create_job", target=target, dry_run=True, **more)
        job = world.call("create_job", target=target, idempotency_key=target, **more)
        again = world.call("create_job", target=target, idempotency_key=target, **more)
        assert again["job_id"] == job["job_id"]
        while not job["terminal"]:
            job = world.call(
                "wait_for_change", job_id=job["job_id"], until_terminal=True, timeout_seconds=20
            )
        assert job["state"] == "FINISHED", job
        assert world.call("get_logs", job_id=job["job_id"])["logs"]
        world.call("get_metrics", job_id=job["job_id"])
    world.call("list_jobs", limit=2)
    world.call("list_runners")
    world.call("list_runners", runner_type="sim")
    assert world.called == set(world.tools)


def streaming(world: World) -> None:
    """The writes of a job that runs until it is ended."""
    job = world.call("create_job", target="sim", options={"simulator_script": "running"})["job_id"]
    until(lambda: world.runs(job), "the job runs")
    assert world.call("get_graph", job_id=job)["stages"]
    world.call("scale_job", job_id=job, parallelism=3, dry_run=True)
    scaled = world.call("scale_job", job_id=job, parallelism=3, wait_seconds=20)
    world.call("get_operation", operation_id=scaled["operation"]["operation_id"])
    world.call("update_job", job_id=job, scaling={"parallelism": 2}, wait_seconds=20)
    saved = world.call("create_savepoint", job_id=job, wait_seconds=0)
    world.call("get_operation", operation_id=saved["operation"]["operation_id"])
    planned = world.call("cancel_job", job_id=job, mode="stop")
    ended = world.call(
        "cancel_job",
        job_id=job,
        mode="stop",
        plan_digest=planned["plan"]["digest"],
        wait_seconds=20,
    )
    assert ended["savepoint_path"], ended
    world.call("restore_job", job_id=job)


def test_pages_fit_a_budget_and_are_all_there_is(world: World) -> None:
    script = {"simulator_script": "batch"}
    made = {world.call("create_job", target="sim", options=script)["job_id"] for _ in range(12)}
    seen: list[str] = []
    call: Any = {"tool": "list_jobs", "arguments": {"target": "sim", "max_tokens": 600}}
    while call["tool"] == "list_jobs":
        page = world.call("list_jobs", **call["arguments"])
        seen += [job["job_id"] for job in page["jobs"]]
        told = json.dumps(page["jobs"], separators=(",", ":"))
        assert len(page["jobs"]) == 1 or len(told) <= 600 * 4, page
        call = page.get("next", [{"tool": "the end"}])[0]
    assert len(seen) == len(set(seen))
    assert made <= set(seen)


def test_the_call_that_follows_can_be_sent_as_it_is(world: World) -> None:
    script = {"simulator_script": "failing"}
    answer = world.call("create_job", target="sim", options=script, dry_run=True)
    tools: list[str] = []
    while "next" in answer and len(tools) < 20 and "get_logs" not in tools:
        call = answer["next"][0]
        tools.append(call["tool"])
        answer = world.call(call["tool"], **call["arguments"])
    assert tools[:2] == ["create_job", "wait_for_change"], tools
    assert tools[-1] == "get_logs", tools


VERSIONS = V05, V03, V06, V11, MODERN = (
    "2024-11-05",
    "2025-03-26",
    "2025-06-18",
    "2025-11-25",
    "2026-07-28",
)
SEED = os.environ.get("MCP_SEED") or secrets.token_hex(8)
"""What the dice show: other things in every run, the same again where MCP_SEED says so."""


def player(door: Door, offer: Offer) -> Player:
    """Somebody with dice before a server."""
    print(f"MCP_SEED={SEED}")
    over_http = isinstance(door, OverHttp)
    dice = Dice(f"{SEED}/{door.version}/{over_http}", offer)
    return Player(door, dice, Tally(wanted(door.version, offer, over_http=over_http)))


@pytest.mark.parametrize("version", VERSIONS)
def test_every_message_fits_the_schema_of_its_revision(world: World, version: str) -> None:
    player(OverHttp(world.wire, version), world.offer).play()


@pytest.mark.parametrize("version", VERSIONS)
def test_every_line_fits_the_schema_of_its_revision(
    world: World, version: str, tmp_path: Path
) -> None:
    pipe = Pipe(tmp_path)
    try:
        player(OverPipe(pipe, version), world.offer).play()
    finally:
        pipe.close()


def is_question(message: Any) -> bool:
    return bool(message.get("method") == "elicitation/create")


def is_result(kind: str, status: str = "") -> Callable[[Any], bool]:
    """Results of a type; with a status, those of `tasks/get` alone."""

    def fits(message: Any) -> bool:
        result = message.get("result", {})
        return bool(result.get("resultType") == kind and result.get("status", "") == status)

    return fits


def is_error(code: int) -> Callable[[Any], bool]:
    return lambda message: bool(message.get("error", {}).get("code") == code)


GONE = object()


class Doctored(NamedTuple):
    """A message of the server that is changed on its way: a member that is gone, or has another value."""

    version: str
    which: Callable[[Any], bool]
    member: str
    value: Any = GONE

    def spoil(self, message: Any) -> None:
        """Changes the member."""
        *way, last = self.member.split(".")
        for step in way:
            message = message[step]
        if self.value is GONE:
            del message[last]
        else:
            message[last] = self.value


WORKING, COMPLETED = is_result("complete", "working"), is_result("complete", "completed")
ASKED, BEGUN = is_result("input_required"), is_result("task", "working")
FORM = {"type": "object", "properties": {"confirm": {"type": "object"}}}
DOCTORED = {
    "a question without a form": Doctored(V11, is_question, "params.requestedSchema"),
    "a question with a form in a form": Doctored(V06, is_question, "params.requestedSchema", FORM),
    "a question of another mode": Doctored(V11, is_question, "params.mode", "url"),
    "a question without an id": Doctored(V11, is_question, "id"),
    "a question in a result, without words": Doctored(
        MODERN, ASKED, "result.inputRequests.confirm.params.message"
    ),
    "a question in a result, of no method": Doctored(
        MODERN, ASKED, "result.inputRequests.confirm.method", "elicitation/ask"
    ),
    "a state that is no text": Doctored(MODERN, ASKED, "result.requestState", {}),
    "a task without an id": Doctored(MODERN, BEGUN, "result.taskId"),
    "a task that lives for ever so long": Doctored(MODERN, BEGUN, "result.ttlMs", "long"),
    "a task that is somewhere else": Doctored(MODERN, WORKING, "result.status", "running"),
    "a task that has no time": Doctored(MODERN, WORKING, "result.lastUpdatedAt"),
    "a task that ended without a result": Doctored(MODERN, COMPLETED, "result.result"),
    "a task that ended with half a result": Doctored(MODERN, COMPLETED, "result.result.content"),
    "a task told as one that begins": Doctored(MODERN, COMPLETED, "result.resultType", "task"),
    "an error without words": Doctored(V11, is_error(-32602), "error.message"),
    "an error of the server": Doctored(V03, is_error(-32601), "error.code", -32603),
    "an error of another revision": Doctored(V06, is_error(-32602), "error.code", -32021),
    "no capability that is missing": Doctored(MODERN, is_error(-32021), "error.data"),
    "no revision that is served": Doctored(MODERN, is_error(-32022), "error.data.supported"),
    "an answer to another request": Doctored(V05, is_error(-32601), "id", "another"),
}


@pytest.mark.parametrize("name", DOCTORED)
def test_a_doctored_message_is_seen(world: World, name: str) -> None:
    row = DOCTORED[name]
    thrower = player(OverHttp(world.wire, row.version), world.offer)
    spoilt: list[Any] = []

    def doctor(message: Any) -> Any:
        if row.which(message):
            row.spoil(message)
            spoilt.append(message)
        return message

    thrower.doctor = doctor
    with pytest.raises(AssertionError):
        thrower.play()
    assert len(spoilt) == 1, "the first one is seen, or chance met none"
