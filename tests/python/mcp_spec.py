"""The official JSON Schemas of MCP's revisions and of its tasks extension, held against what a server sends."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema.protocols import Validator
from jsonschema.validators import validator_for

SCHEMAS = Path(__file__).resolve().parents[1] / "vectors" / "mcp-schema"
MODERN = "2026-07-28"
TASKS = "tasks"
"""Of the extension: its definitions belong to the newest revision alone."""
RESULTS = {
    "initialize": "InitializeResult",
    "ping": "EmptyResult",
    "server/discover": "DiscoverResult",
    "tools/list": "ListToolsResult",
    "tools/call": "CallToolResult",
    "resources/list": "ListResourcesResult",
    "resources/templates/list": "ListResourceTemplatesResult",
    "resources/read": "ReadResourceResult",
    "subscriptions/listen": "SubscriptionsListenResult",
    "resources/subscribe": "EmptyResult",
    "resources/unsubscribe": "EmptyResult",
    "prompts/list": "ListPromptsResult",
    "prompts/get": "GetPromptResult",
    "completion/complete": "CompleteResult",
    "tasks/get": "GetTaskResult",
    "tasks/update": "UpdateTaskResult",
    "tasks/cancel": "CancelTaskResult",
}
"""Method and the definition of its result; one that a revision lacks must be refused there."""

NEW = {
    -32020: "HeaderMismatchError",
    -32021: "MissingRequiredClientCapabilityError",
    -32022: "UnsupportedProtocolVersionError",
}
"""Codes of 2026-07-28 and the definitions of the messages that carry them."""
CODES = {
    **NEW,
    -32700: "ParseError",
    -32600: "InvalidRequestError",
    -32601: "MethodNotFoundError",
    -32602: "InvalidParamsError",
}
"""All codes that can be asked for from outside, and for those of JSON-RPC the definitions of the errors: -32603 would
be a defect of the server."""


@cache
def spec_of(version: str) -> Spec:
    """A revision's schema, read once."""
    return Spec(version)


class Spec:
    """The official schema of a revision."""

    def __init__(self, version: str) -> None:
        schema = json.loads((SCHEMAS / f"{version}.json").read_text(encoding="utf-8"))
        self.version = version
        self.key = "$defs" if "$defs" in schema else "definitions"
        self.schema = schema
        self.known: dict[str, Validator] = {}

    def has(self, name: str) -> bool:
        """True for a definition that the revision has."""
        return name in self.schema[self.key]

    def check(self, name: str, value: Any) -> None:
        """Holds a value against a definition."""
        if name not in self.known:
            whole = {**self.schema, "$ref": f"#/{self.key}/{name}"}
            self.known[name] = validator_for(self.schema)(whole)
        errors = [error.message for error in self.known[name].iter_errors(value)]
        assert not errors, (self.version, name, errors[:3], value)

    def check_error(self, message: Any) -> None:
        """Holds an error against the form of its code."""
        code = message["error"]["code"]
        assert code in CODES or (code == -32002 and self.version != MODERN), message
        assert code not in NEW or self.version == MODERN, message
        if "id" not in message:
            # Its request had none that could be read; older revisions have no form for that.
            assert code in (-32700, -32600), message
        if "id" in message or self.version == MODERN:
            self.check("JSONRPCMessage", message)
            self.check(
                "JSONRPCErrorResponse" if self.has("JSONRPCErrorResponse") else "JSONRPCError",
                message,
            )
        if self.has(CODES.get(code, "")):
            self.check(CODES[code], message if code in NEW else message["error"])

    def check_answer(self, method: str, message: Any) -> None:
        """Holds an answer against the result of its method."""
        if "error" in message:
            self.check_error(message)
            return
        self.check("JSONRPCMessage", message)
        result = message["result"]
        kind = result.get("resultType", "complete")
        if kind == "task":
            assert method == "tools/call", (method, message)
            self.check_task("CreateTaskResult", result)
        elif kind == "input_required":
            assert method in ("tools/call", "resources/read", "prompts/get"), (method, message)
            self.check("InputRequiredResult", result)
        else:
            assert kind == "complete", message
            self.check_result(method, result)

    def check_result(self, method: str, result: Any) -> None:
        """Holds a result that is all there is to say."""
        name = RESULTS.get(method, "absent")
        if method.startswith("tasks/"):
            self.check_task(name, result)
            return
        assert self.has(name), (self.version, method, result)
        self.check(name, result)

    def check_task(self, name: str, told: Any) -> None:
        """Holds what is told of a task against the extension, and what it ended with against the revision: tasks come
        of calls alone.
        """
        assert self.version == MODERN, (self.version, told)
        spec_of(TASKS).check(name, told)
        task = told.get("params", told)
        if name != "CreateTaskResult" and task.get("status") == "completed":
            self.check("CallToolResult", task["result"])

    def check_beside(self, message: Any) -> None:
        """Holds a notification or a question of the server against what the revision knows."""
        self.check("JSONRPCMessage", message)
        if message["method"] == "notifications/tasks":
            self.check_task("TaskStatusNotification", message)
            return
        assert "id" not in message or self.has("ServerRequest"), (self.version, message)
        self.check("ServerRequest" if "id" in message else "ServerNotification", message)
