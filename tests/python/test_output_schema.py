"""The client's verdict on results, beside that of the `jsonschema` package, for schemas and values drawn from seeds."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from beam_mcp_client import _core

NAMES = ("a", "b", "c/d", "")
KINDS = ("null", "boolean", "integer", "number", "string", "array", "object")


def reply(message: object) -> list[str]:
    """The replies to `open` and to two reads."""
    headers = [["content-type", "application/json"]]
    return [
        json.dumps({"reply": "opened", "stream": 1, "status": 200, "headers": headers}),
        json.dumps({"reply": "piece", "body": {"text": json.dumps(message)}}),
        json.dumps({"reply": "ended"}),
    ]


def ask(connection: _core.Connection, verb: str, given: object, *results: object) -> Any:
    """Runs a call whose requests are answered with these results."""
    flow = connection.start(verb, json.dumps(given), bytes(32))
    kind, text, _ = flow.step(0, 0)
    for result in results:
        number = json.loads(text)["body"]["json"]["id"]
        for one in reply({"jsonrpc": "2.0", "id": number, "result": result}):
            kind, text, _ = flow.step(0, 0, one)
    return kind, json.loads(text)


def fits(schema: object, value: object) -> bool:
    """What the client says."""
    connection = _core.Connection('{"url": "http://localhost:9/mcp"}')
    known = {"supportedVersions": ["2026-07-28"], "capabilities": {}}
    tool = {"name": "a", "inputSchema": {"type": "object"}, "outputSchema": schema}
    kind, listed = ask(connection, "list_tools", {}, known, {"tools": [tool]})
    assert (kind, listed["unchecked"]) == ("done", []), listed
    kind, told = ask(
        connection, "call_tool", {"name": "a"}, {"content": [], "structuredContent": value}
    )
    assert kind == "done" or told["details"]["reason"] == "output_schema", told
    return bool(kind == "done")


class Draws:
    """Schemas and values of a seed."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def value(self, depth: int = 3) -> Any:
        draw = self.random
        number, text = [0.5, 1.0, 2.5, -1, 0, 3], ["", "a", "üü", "abc"]
        if depth == 0 or draw.random() < 0.5:
            return draw.choice([None, True, False, draw.choice(number), draw.choice(text)])
        several = [self.value(depth - 1) for _ in range(draw.randint(0, 3))]
        return several if draw.random() < 0.5 else {draw.choice(NAMES): one for one in several}

    def schema(self, depth: int = 3) -> Any:
        draw = self.random
        if draw.random() < 0.08:
            return draw.random() < 0.7

        def below() -> Any:
            return self.schema(depth - 1)

        words: dict[str, Callable[[], Any]] = {
            "type": lambda: draw.choice([draw.choice(KINDS), draw.sample(KINDS, 2)]),
            "enum": lambda: [self.value(1) for _ in range(3)],
            "const": lambda: self.value(1),
            "minimum": lambda: draw.randint(-2, 2),
            "exclusiveMaximum": lambda: draw.randint(0, 4),
            "multipleOf": lambda: draw.choice([1, 2, 0.5]),
            "minLength": lambda: draw.randint(0, 2),
            "maxLength": lambda: draw.randint(0, 3),
            "minItems": lambda: draw.randint(0, 2),
            "maxItems": lambda: draw.randint(0, 3),
            "uniqueItems": lambda: True,
            "minProperties": lambda: draw.randint(0, 2),
            "maxProperties": lambda: draw.randint(0, 2),
            "required": lambda: draw.sample(NAMES, 1),
            "dependentRequired": lambda: {draw.choice(NAMES): [draw.choice(NAMES)]},
        }
        if depth:
            words |= {
                "properties": lambda: {draw.choice(NAMES): below() for _ in range(2)},
                "propertyNames": lambda: {"maxLength": draw.randint(0, 2)},
                "dependentSchemas": lambda: {draw.choice(NAMES): below()},
                "anyOf": lambda: [below(), below()],
                "oneOf": lambda: [below(), below()],
                **dict.fromkeys(("prefixItems", "allOf"), lambda: [below()]),
                **dict.fromkeys(("additionalProperties", "items", "contains"), below),
                **dict.fromkeys(("not", "if", "then", "else"), below),
            }
        chosen = draw.sample(sorted(words), draw.randint(1, 4))
        return {word: words[word]() for word in chosen}


@pytest.mark.parametrize("seed", range(10))
def test_both_say_the_same(seed: int) -> None:
    draws, wrong = Draws(seed), 0
    for _ in range(100):
        schema, value = draws.schema(), draws.value()
        want = Draft202012Validator(schema).is_valid(value)
        assert fits(schema, value) == want, json.dumps([schema, value])
        wrong += not want
    assert wrong
