"""Random requests of MCP: right ones, and right ones with something wrong in them."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from mcp_spec import MODERN, RESULTS
from mcp_wire import request

PREFIX = "io.modelcontextprotocol/"
META = {
    f"{PREFIX}protocolVersion": MODERN,
    f"{PREFIX}clientCapabilities": {"elicitation": {}, "extensions": {f"{PREFIX}tasks": {}}},
}
METHODS = [method for method in RESULTS if method != "subscriptions/listen"]
"""Those with one answer; test_mcp_listen.py has the other."""


class Dice:
    """Rolls requests of a server with these tools, prompts and jobs."""

    def __init__(
        self, seed: str, tools: dict[str, Any], prompts: list[Any], jobs: list[str]
    ) -> None:
        self.random = random.Random(seed)
        self.tools, self.prompts, self.jobs = tools, prompts, jobs

    def rarely(self, one_in: int = 10) -> bool:
        """True once in so many times."""
        return self.random.random() * one_in < 1

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
        if self.rarely():
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
        members = self.tools.get(tool, {}).get("inputSchema", {}).get("properties", {})
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
            tool = self.random.choice([*self.tools, "no_such"])
            return {"name": tool, "arguments": self.arguments(tool)}
        if method.startswith("resources/") and "list" not in method:
            return {"uri": self.uri()}
        if method == "prompts/get":
            prompt = self.random.choice([*self.prompts, {"name": "none"}])
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
        return {"cursor": ""} if self.rarely() else {}

    def method(self) -> str:
        """A method; most often a call."""
        return self.random.choice([*METHODS, "no/such", "", *["tools/call"] * len(METHODS)])

    def message(self) -> tuple[str, Any]:
        """A method and a request for it, sometimes with a member spoilt."""
        method = self.method()
        params = self.params(method)
        if params and self.rarely():
            params[self.random.choice(list(params))] = self.junk()
        body = request(method, params, self.random.choice([7, "id", 0, -5, "\u00e9"]))
        if self.rarely(20):
            body[self.random.choice(list(body))] = self.junk()
        return method, body

    def meta(self) -> dict[str, Any]:
        """What a request of today says of itself, sometimes with something wrong or missing in it."""
        more = {"progressToken": self.random.choice([1, "p"]), f"{PREFIX}logLevel": "debug"}
        meta: dict[str, Any] = {**META, **(more if self.rarely(4) else {})}
        if self.rarely():
            meta[self.random.choice(list(meta))] = self.random.choice([self.junk(), "2025-11-25"])
        if self.rarely(20):
            del meta[self.random.choice(list(meta))]
        return meta

    def heads(self, body: Any) -> dict[str, str]:
        """The headers of a request of today, sometimes with something wrong or missing in them."""
        params = body["params"] if isinstance(body["params"], dict) else {}
        name = params.get("name") or params.get("uri") or params.get("taskId")
        named = params.get("_meta", {}).get(f"{PREFIX}protocolVersion")
        heads = {"mcp_protocol_version": named, "mcp_method": body["method"], "mcp_name": name}
        if self.rarely():
            heads[self.random.choice(list(heads))] = self.random.choice(["x", "=?base64?!?=", ""])
        if self.rarely(20):
            del heads[self.random.choice(list(heads))]
        texts = {key: value for key, value in heads.items() if isinstance(value, str)}
        return {key: v for key, v in texts.items() if v.isascii() and v.isprintable()}
