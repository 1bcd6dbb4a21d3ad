"""Random requests of MCP: right ones, and right ones with something wrong in them."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any, NamedTuple

from mcp_spec import MODERN, RESULTS
from mcp_wire import request

PREFIX = "io.modelcontextprotocol/"
TASKS, APPS = f"{PREFIX}tasks", f"{PREFIX}ui"
CAPABILITIES = f"{PREFIX}clientCapabilities"
VERSION = f"{PREFIX}protocolVersion"
"""Where a request of today names its revision."""
VIEW = {"mimeTypes": ["text/html;profile=mcp-app"]}
META = {
    VERSION: MODERN,
    CAPABILITIES: {"elicitation": {}, "extensions": {TASKS: {}, APPS: VIEW}},
}
PLAIN = META | {CAPABILITIES: {}}
"""Of a client that can only be answered."""
METHODS = [method for method in RESULTS if method != "subscriptions/listen"]
"""Those with one answer; test_mcp_listen.py has the other."""
CONTEXT = "profile"
"""A run profile that is there."""
OFTEN = {"tools/call": 14, "resources/read": 6, "completion/complete": 3}
"""Methods of which one request is not like the other."""


class Offer(NamedTuple):
    """What a server lists."""

    tools: dict[str, Any]
    prompts: list[Any]
    templates: list[str]
    resources: list[str]


class Dice:
    """Rolls requests of a server that offers this, about its jobs and tasks."""

    def __init__(self, seed: str, offer: Offer) -> None:
        self.seed, self.random = seed, random.Random(seed)
        self.offer = offer
        self.jobs: list[str] = []
        self.tasks: list[str] = []

    def begin(self, throw: int) -> None:
        """Each throw has dice of its own: one that was answered otherwise changes none after it."""
        self.random.seed(f"{self.seed}/{throw}")

    def one(self, *of: Any) -> Any:
        """One of these."""
        return self.random.choice(of)

    def rarely(self, one_in: int = 10) -> bool:
        """True once in so many times."""
        return self.random.random() * one_in < 1

    def throw(self) -> str:
        """What kind of thing is thrown."""
        return str(self.one(*["request"] * 24, "handshake", "unparsable", *["confirmed"] * 3))

    def junk(self) -> Any:
        """Any value."""
        plain = [None, True, -1, 0, 1.5, 1 << 60, "", "x", "\u0000\u202e", "x" * 5000]
        return self.one(*plain, [], [[]], {}, {"a": {"b": []}})

    def value(self, name: str, schema: Any) -> Any:
        """A value that a tool's argument may have, mostly."""
        if self.rarely():
            return self.junk()
        if name in ("timeout_seconds", "wait_seconds", "mcp_timeout_seconds"):
            return 0
        if name == "job_id":
            return self.one(*self.jobs, "sim:nothing", "nonsense")
        if name in ("target", "runner_type"):
            return self.one("sim", "direct", "nowhere")
        if "enum" in schema:
            return self.one(*schema["enum"])
        plain: dict[str, Callable[[], Any]] = {
            "boolean": lambda: self.random.random() < 0.5,
            "integer": lambda: self.random.randint(0, 5),
            "number": self.random.random,
            "array": list,
            "object": dict,
        }
        return plain.get(schema.get("type", "string"), lambda: self.one("a", "job.py", "x:1/y"))()

    def arguments(self, tool: str) -> dict[str, Any]:
        """Some arguments of a tool."""
        members = self.offer.tools.get(tool, {}).get("inputSchema", {}).get("properties", {})
        always = ("job_id", "timeout_seconds", "wait_seconds")
        chosen = {n: s for n, s in members.items() if n in always or self.random.random() < 0.4}
        return {name: self.value(name, of) for name, of in chosen.items()}

    def ending(self, job: str) -> tuple[str, dict[str, Any]]:
        """A call that ends or replaces a job, and waits for it or not."""
        new = {"target": "sim", "options": {"simulator_script": "batch", "update": True}}
        tool, arguments = self.one(
            ("cancel_job", {"job_id": job, "mode": self.one("cancel", "stop", "drain")}),
            ("create_savepoint", {"job_id": job, "drain": True}),
            ("create_job", new),
        )
        return tool, arguments | self.one(*[{"wait_seconds": 0}] * 4, {"wait_seconds": 5}, {})

    def uri(self) -> str:
        """A resource, mostly one that is there."""
        target, token = self.one(*self.jobs).split(":")
        there = {"{target}": target, "{id}": token, "{context_id}": CONTEXT}
        here = self.one(*self.offer.templates)
        for variable, value in there.items():
            here = here.replace(variable, value)
        return str(self.one(*[here] * 6, *self.offer.resources, f"{here}/nothing", "x:", ""))

    def completion(self) -> dict[str, Any]:
        """An argument of a prompt or a variable of a template, half typed."""
        prompt, template = self.one(*self.offer.prompts), self.one(*self.offer.templates)
        named = [argument["name"] for argument in prompt.get("arguments", [])]
        ref, names = self.one(
            ({"type": "ref/prompt", "name": prompt["name"]}, named),
            ({"type": "ref/resource", "uri": template}, ["target", "id", "context_id"]),
        )
        typed = self.one("", "", "s", "sim", self.one(*self.jobs)[:6], "x", self.junk())
        context = {"arguments": {"target": self.one("sim", "nowhere", self.junk())}}
        params = {"ref": ref, "argument": {"name": self.one(*names, "none"), "value": typed}}
        more: dict[str, Any] = self.one({}, {"context": context}, {"context": self.junk()})
        return params | more

    def prompt(self) -> dict[str, Any]:
        """A prompt, and most of what it needs."""
        prompt = self.one(*self.offer.prompts, {"name": "none"})
        named = [argument["name"] for argument in prompt.get("arguments", [])]
        given = {name: "sim" for name in named if not self.rarely()}
        return {"name": prompt["name"], "arguments": given}

    def params(self, method: str) -> dict[str, Any]:
        """Parameters of a method."""
        if method == "tools/call":
            tool = self.one(*self.offer.tools, "no_such")
            again = {"requestState": self.junk(), "inputResponses": self.junk()}
            called = {"name": tool, "arguments": self.arguments(tool)}
            return called | (again if self.rarely(20) else {})
        if method.startswith("tasks/"):
            return {"taskId": self.one(*self.jobs, *self.tasks[-9:], "x"), "inputResponses": {}}
        made: dict[str, Callable[[], dict[str, Any]]] = {
            "prompts/get": self.prompt,
            "completion/complete": self.completion,
            "initialize": lambda: hello(
                self.one("2024-11-05", "2025-11-25", "2099-01-01"), self.capabilities()
            ),
        }
        if method.startswith("resources/") and "list" not in method:
            return {"uri": self.uri()}
        return made.get(method, lambda: {"cursor": ""} if self.rarely() else {})()

    def message(self) -> tuple[str, Any]:
        """A method and a request for it, sometimes with a member spoilt."""
        often = [method for method, times in OFTEN.items() for _ in range(times)]
        method = str(self.one(*METHODS, "no/such", "", *often))
        params = self.params(method)
        if params and self.rarely():
            params[self.one(*params)] = self.junk()
        body = request(method, params, self.number())
        if self.rarely(20):
            body[self.one(*body)] = self.junk()
        return method, body

    def number(self) -> Any:
        """The id of a request."""
        return self.one("id", 0, -5, "\u00e9", *[self.random.randint(1, 1 << 40)] * 4)

    def unparsable(self) -> bytes:
        """A request that ends too early, or is no text."""
        whole = json.dumps(self.message()[1]).encode()
        cut = whole[: self.random.randrange(1, len(whole))]
        return bytes(self.one(cut, whole[:-1] + b"\xff}", whole + b"}", b"GET / HTTP/1.1"))

    def capabilities(self, *, asks: bool = False) -> dict[str, Any]:
        """What a client can do; one that asks its person, or one that may."""
        form: dict[str, Any] = {"form": {}}
        url: dict[str, Any] = {"url": {}}
        asked = self.one({}, form, form | url) if asks else self.one({}, form, url, self.junk())
        extensions = {
            name: settings
            for name, settings in ((TASKS, {}), (APPS, VIEW))
            if self.random.random() < 0.5
        }
        all_of = {
            "elicitation": asked,
            "extensions": extensions,
            "sampling": {},
            "roots": {"listChanged": True},
            "experimental": {"x": {}},
        }
        there = {name: able for name, able in all_of.items() if self.random.random() < 0.7}
        return there | ({"elicitation": asked} if asks else {})

    def meta(self) -> dict[str, Any]:
        """What a request of today says of itself, sometimes with something wrong or missing in it."""
        more = {"progressToken": self.one(1, "p"), f"{PREFIX}logLevel": "debug"}
        able = META if self.rarely(2) else META | {CAPABILITIES: self.capabilities()}
        meta: dict[str, Any] = {**able, **(more if self.rarely(4) else {})}
        if self.rarely():
            meta[self.one(*meta)] = self.one(self.junk(), "2025-11-25")
        if self.rarely(20):
            del meta[self.one(*meta)]
        return meta

    def heads(self, body: Any) -> dict[str, str]:
        """The headers of a request of today, sometimes with something wrong or missing in them."""
        heads: dict[str, Any] = heads_of(body)
        if heads and self.rarely():
            heads[self.one(*heads)] = self.one("x", "=?base64?!?=", "")
        if heads and self.rarely(20):
            del heads[self.one(*heads)]
        return {key: v for key, v in heads.items() if v.isascii() and v.isprintable()}


def hello(version: str, capabilities: Any) -> dict[str, Any]:
    """Parameters of a handshake."""
    client = {"name": "dice", "version": "1"}
    return {"protocolVersion": version, "capabilities": capabilities, "clientInfo": client}


def heads_of(body: Any) -> dict[str, str]:
    """The headers that repeat what a request of today says, as far as it says anything."""
    params = body["params"] if isinstance(body["params"], dict) else {}
    name = params.get("name") or params.get("uri") or params.get("taskId")
    version = params.get("_meta", {}).get(VERSION)
    heads = {"mcp_protocol_version": version, "mcp_method": body["method"], "mcp_name": name}
    return {key: value for key, value in heads.items() if isinstance(value, str)}
