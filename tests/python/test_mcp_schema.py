"""What the server says over MCP against schemas: every message against the official one of its revision while random
requests come in, and every tool's answer against the output schema that the tool list shows.
"""

from __future__ import annotations

import json
import os
import random
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from mcp_spec import MODERN, RESULTS, spec_of
from mcp_wire import Told, Wire, request
from real_server import RealServer, until

PREFIX = "io.modelcontextprotocol/"
META = {
    f"{PREFIX}protocolVersion": MODERN,
    f"{PREFIX}clientCapabilities": {"elicitation": {}, "extensions": {f"{PREFIX}tasks": {}}},
}
ROUNDS = 1000
"""Requests of each revision."""
METHODS = [method for method in RESULTS if method != "subscriptions/listen"]
"""Those with one answer; test_mcp_listen.py has the other."""


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


class Dice:
    """Random requests: right ones, and right ones with something wrong in them."""

    def __init__(self, seed: str, world: World, jobs: list[str]) -> None:
        self.random = random.Random(seed)
        self.world = world
        self.jobs = jobs

    def junk(self) -> Any:
        """Any value."""
        return self.random.choice(
            [
                None,
                True,
                -1,
                0,
                1.5,
                1 << 60,
                "",
                "x",
                "\u0000\u202e",
                "x" * 5000,
                [],
                [[]],
                {},
                {"a": {"b": []}},
            ]
        )

    def value(self, name: str, schema: Any) -> Any:
        """A value that a tool's argument may have, mostly."""
        if self.random.random() < 0.1:
            return self.junk()
        if name in ("timeout_seconds", "wait_seconds", "mcp_timeout_seconds"):
            return 0
        if name == "job_id":
            return self.random.choice([*self.jobs, "sim:nothing", "nonsense"])
        if name in ("target", "runner_type"):
            return self.random.choice(["sim", "direct", "nowhere"])
        if "enum" in schema:
            return self.random.choice(schema["enum"])
        plain: dict[str, Callable[[], Any]] = {
            "boolean": lambda: self.random.random() < 0.5,
            "integer": lambda: self.random.randint(0, 5),
            "number": self.random.random,
            "array": list,
            "object": dict,
        }
        return plain.get(
            schema.get("type", "string"), lambda: self.random.choice(["a", "job.py", "x:1/y"])
        )()

    def arguments(self, tool: str) -> dict[str, Any]:
        """Some arguments of a tool."""
        members = self.world.tools.get(tool, {}).get("inputSchema", {}).get("properties", {})
        always = ("job_id", "timeout_seconds", "wait_seconds")
        chosen = {n: s for n, s in members.items() if n in always or self.random.random() < 0.4}
        return {name: self.value(name, of) for name, of in chosen.items()}

    def uri(self) -> str:
        """A resource, mostly one that is there."""
        target, token = self.random.choice(self.jobs).split(":")
        places = ["", "", "", "/logs", "/metrics", "/savepoints", "/nothing"]
        here = f"beam://{target}/jobs/{token}{self.random.choice(places)}"
        return self.random.choice(
            [here, here, "beam://guide", "beam://runners", "beam://sim/runner", "x:", ""]
        )

    def params(self, method: str) -> dict[str, Any]:
        """Parameters of a method."""
        if method == "tools/call":
            tool = self.random.choice([*self.world.tools, "no_such"])
            return {"name": tool, "arguments": self.arguments(tool)}
        if method.startswith("resources/") and "list" not in method:
            return {"uri": self.uri()}
        if method == "prompts/get":
            prompt = self.random.choice([*self.world.prompts, {"name": "none"}])
            named = [argument["name"] for argument in prompt.get("arguments", [])]
            return {
                "name": prompt["name"],
                "arguments": {name: "sim" for name in named if self.random.random() < 0.9},
            }
        if method == "completion/complete":
            ref = {"type": "ref/resource", "uri": "beam://{target}/jobs/{id}"}
            return {
                "ref": ref,
                "argument": {"name": self.random.choice(["target", "id"]), "value": ""},
            }
        if method.startswith("tasks/"):
            return {"taskId": self.random.choice([*self.jobs, "x"]), "inputResponses": {}}
        return self.plain_params(method)

    def plain_params(self, method: str) -> dict[str, Any]:
        """Parameters of a method that names nothing of the server."""
        if method == "initialize":
            version = self.random.choice(["2024-11-05", "2025-11-25", "2099-01-01"])
            return {
                "protocolVersion": version,
                "capabilities": {},
                "clientInfo": {"name": "x", "version": "1"},
            }
        return {"cursor": ""} if self.random.random() < 0.1 else {}

    def method(self) -> str:
        """A method; most often a call."""
        return self.random.choice([*METHODS, "no/such", "", *["tools/call"] * len(METHODS)])

    def message(self) -> tuple[str, Any]:
        """A method and a request for it, sometimes with a member spoilt."""
        method = self.method()
        params = self.params(method)
        if params and self.random.random() < 0.1:
            params[self.random.choice(list(params))] = self.junk()
        body = request(method, params, self.random.choice([7, "id", 0, -5, "\u00e9"]))
        if self.random.random() < 0.05:
            body[self.random.choice(list(body))] = self.junk()
        return method, body


def messages(told: Told) -> list[Any]:
    """The messages of an answer, the response last."""
    if told.headers.get("content-type") == "text/event-stream":
        return [
            json.loads(line[6:]) for line in told.text.splitlines() if line.startswith("data: {")
        ]
    return [json.loads(told.text)] if told.text else []


def seed_of(version: str) -> str:
    return f"{version}/{os.environ.get('MCP_SEED', '1')}"


@pytest.mark.parametrize(
    "version", ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25", MODERN]
)
def test_every_message_fits_the_schema_of_its_revision(world: World, version: str) -> None:
    spec = spec_of(version)
    made = [{"simulator_script": script} for script in ("running", "batch", "failing")]
    jobs = [
        str(world.call("create_job", target="sim", options=options)["job_id"]) for options in made
    ]
    dice = Dice(seed_of(version), world, jobs)
    session = "" if version == MODERN else world.wire.open_session(version)
    answered: set[str] = set()
    for _ in range(ROUNDS):
        method, body = dice.message()
        told = send(world, version, session, body)
        *beside, answer = messages(told) or [None]
        for message in beside:
            spec.check_beside(message)
        if answer is None:
            assert told.status in (202, 405), (body, told)
            continue
        # A handshake settles on a version of its own, and opens a session beside this one.
        of = (
            spec_of(answer["result"]["protocolVersion"])
            if method == "initialize" and "result" in answer
            else spec
        )
        of.check_answer(method, answer)
        if "result" in answer:
            answered.add(method)
    wanted = {
        method for method in METHODS if spec.has(RESULTS[method]) and not absent(method, version)
    }
    assert answered == wanted, wanted ^ answered


def absent(method: str, version: str) -> bool:
    """True for a method of the other era."""
    old = method in ("initialize", "ping", "resources/subscribe", "resources/unsubscribe")
    new = method == "server/discover" or method.startswith("tasks/")
    return old if version == MODERN else new


def send(world: World, version: str, session: str, body: Any) -> Told:
    """Sends a request as a client of the revision would."""
    if version != MODERN:
        return world.wire.post(body, mcp_session_id=session, mcp_protocol_version=version)
    params = body["params"] if isinstance(body["params"], dict) else None
    heads = {"mcp_protocol_version": MODERN, "mcp_method": str(body["method"])}
    if params is not None:
        params["_meta"] = META
        name = params.get("name") or params.get("uri") or params.get("taskId")
        if isinstance(name, str) and name.isascii() and name.isprintable():
            heads["mcp_name"] = name
    clean = {
        name: value for name, value in heads.items() if value.isascii() and value.isprintable()
    }
    return world.wire.post(body, **clean)
