"""What the server says over MCP against schemas: every message against the official one of its revision while random
requests come in, and every tool's answer against the output schema that the tool list shows.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from mcp_dice import META, METHODS, PREFIX, Dice
from mcp_spec import MODERN, RESULTS, spec_of
from mcp_wire import Pipe, Told, Wire, request
from real_server import RealServer, until

NAMES = f"{PREFIX}protocolVersion"
"""Where a request of today names its revision."""
ROUNDS, LONGEST = 1000, 5
"""Requests of each revision, over HTTP and over a pipe."""


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
        self.wire = Wire(self.server.port)
        tools = self.ask("tools/list").json["result"]["tools"]
        self.called: set[str] = set()
        self.tools = {tool["name"]: tool for tool in tools}
        self.prompts = self.ask("prompts/list").json["result"]["prompts"]

    def ask(self, method: str, meta: dict[str, Any] = META, /, **params: Any) -> Told:
        """A modern request that is in order."""
        heads = {"mcp_protocol_version": MODERN, "mcp_method": method}
        name = params.get("name") or params.get("uri") or params.get("taskId")
        if name and method.split("/", maxsplit=1)[0] in ("tools", "prompts", "resources", "tasks"):
            heads["mcp_name"] = str(name)
        return self.wire.post(request(method, {**params, "_meta": meta}), **heads)

    def call(self, tool: str, **arguments: Any) -> Any:
        """What a tool answers to a client that cannot be asked; it must fit the tool's schema, to the last member."""
        plain = {**META, f"{PREFIX}clientCapabilities": {}}
        told = self.ask("tools/call", plain, name=tool, arguments=arguments)
        result = told.json["result"]
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
        assert len(page["jobs"]) == 1 or len(json.dumps(page["jobs"])) <= 600 * 4, page
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


def messages(told: Told) -> list[Any]:
    """The messages of an answer, the response last."""
    if told.headers.get("content-type") == "text/event-stream":
        return [
            json.loads(line[6:]) for line in told.text.splitlines() if line.startswith("data: {")
        ]
    return [json.loads(told.text)] if told.text else []


def dice_of(kind: str, world: World, jobs: list[str]) -> Dice:
    seed = f"{kind}/{os.environ.get('MCP_SEED', '1')}"
    return Dice(seed, world.tools, world.prompts, jobs)


class Tally:
    """Holds messages against their revision, and keeps which methods had a result."""

    def __init__(self, version: str) -> None:
        self.version, self.spec = version, spec_of(version)
        self.answered: set[str] = set()
        self.codes: set[int] = set()

    def take(self, method: str, answer: Any) -> None:
        """The answer to a request for a method."""
        # A handshake settles on a version of its own, and opens a session beside this one.
        greeted = method == "initialize" and "result" in answer
        spec = spec_of(answer["result"]["protocolVersion"]) if greeted else self.spec
        spec.check_answer(method, answer)
        if "result" in answer:
            self.answered.add(method)
        else:
            self.codes.add(answer["error"]["code"])

    def rounds(self) -> Iterator[int]:
        """Throws of the dice: so many, and more where chance left out a method."""
        for number in range(LONGEST * ROUNDS):
            if number >= ROUNDS and self.answered == self.wanted():
                return
            yield number

    def wanted(self) -> set[str]:
        """The methods of the revision."""
        return {
            method
            for method in METHODS
            if self.spec.has(RESULTS[method]) and not absent(method, self.version)
        }

    def check(self, codes: set[int]) -> None:
        """All methods of the revision had a result, and all ways to be wrong were tried."""
        assert self.answered == self.wanted(), self.wanted() ^ self.answered
        assert codes <= self.codes, codes - self.codes


VERSIONS = ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25", MODERN]
SCRIPTS = ("running", "batch", "failing")


@pytest.mark.parametrize("version", VERSIONS)
def test_every_message_fits_the_schema_of_its_revision(world: World, version: str) -> None:
    made = [{"simulator_script": script} for script in SCRIPTS]
    jobs = [
        str(world.call("create_job", target="sim", options=options)["job_id"]) for options in made
    ]
    dice, tally = dice_of(version, world, jobs), Tally(version)
    session = "" if version == MODERN else world.wire.open_session(version)
    for _ in tally.rounds():
        method, body = dice.message()
        told = send(world, dice, version, session, body)
        *beside, answer = messages(told) or [None]
        for message in beside:
            tally.spec.check_beside(message)
        if answer is None:
            assert told.status == 202, (body, told)
            continue
        tally.take(method, answer)
    new = {-32020, -32022} if version == MODERN else set[int]()
    tally.check({-32600, -32601, -32602, *new})


@pytest.mark.parametrize("version", VERSIONS)
def test_every_line_fits_the_schema_of_its_revision(
    world: World, version: str, tmp_path: Path
) -> None:
    pipe = Pipe(tmp_path)
    try:
        dice, tally = dice_of(f"lines/{version}", world, jobs_of(pipe)), Tally(version)
        greet(pipe, version)
        tally.answered |= {"initialize"} if version != MODERN else set()
        for _ in tally.rounds():
            method, body = dice.message()
            if method == "initialize" or not isinstance(body["params"], dict):
                continue  # the one settles on another revision, the other names none
            if version == MODERN:
                body["params"]["_meta"] = {NAMES: MODERN, **dice.meta()}
            pipe.write(body)
            answer = pipe.read()
            while "method" in answer:
                tally.spec.check_beside(answer)
                answer = pipe.read()
            tally.take(method, answer)
        tally.check({-32600, -32601, -32602} | ({-32022} if version == MODERN else set()))
    finally:
        pipe.close()


def jobs_of(pipe: Pipe) -> list[str]:
    """Jobs of a server behind a pipe."""
    jobs = []
    for script in SCRIPTS:
        spec = {"target": "sim", "options": {"simulator_script": script}}
        told = pipe.ask(request("tools/call", {"name": "create_job", "arguments": spec}))
        jobs.append(str(json.loads(told["result"]["content"][0]["text"])["job_id"]))
    return jobs


def greet(pipe: Pipe, version: str) -> None:
    """Shakes hands, where the revision does."""
    if version != MODERN:
        told = pipe.ask(
            request(
                "initialize",
                {
                    "protocolVersion": version,
                    "capabilities": {},
                    "clientInfo": {"name": "t", "version": "1"},
                },
            )
        )
        assert told["result"]["protocolVersion"] == version


def absent(method: str, version: str) -> bool:
    """True for a method of the other era."""
    old = method in ("initialize", "ping", "resources/subscribe", "resources/unsubscribe")
    new = method == "server/discover" or method.startswith("tasks/")
    return old if version == MODERN else new


def send(world: World, dice: Dice, version: str, session: str, body: Any) -> Told:
    """Sends a request as a client of the revision would."""
    if version != MODERN:
        return world.wire.post(body, mcp_session_id=session, mcp_protocol_version=version)
    named = False
    if isinstance(body["params"], dict):
        body["params"]["_meta"] = dice.meta()
        named = NAMES in body["params"]["_meta"]
    # What names no revision in either place is of an older one.
    heads = dice.heads(body) | ({} if named else {"mcp_protocol_version": MODERN})
    return world.wire.post(body, **heads)
