"""The vectors of the core's MCP client, replayed through the extension module (made by tests/rust/mcp_client)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from beam_mcp_client import _core
from test_client_vectors import holds

FOLDER = Path(__file__).parent.parent / "vectors" / "mcp_client"
CASES = sorted(FOLDER.glob("*.json"))


def test_there_are_vectors() -> None:
    assert len(CASES) > 30


def passed(effect: dict[str, Any], reply: dict[str, Any]) -> int:
    """The time an effect took."""
    if reply["reply"] == "elapsed":
        return int(effect.get("ms", effect.get("timeout_ms", 1)))
    return int(effect.get("ms", 1))


@pytest.mark.parametrize("file", CASES, ids=lambda file: file.stem)
def test_vector(file: Path) -> None:
    case = json.loads(file.read_text())
    connection = _core.Connection(json.dumps(case["options"]))
    for call in case["calls"]:
        given = json.dumps(call["input"])
        if call["is_tool"]:
            flow = _core.start_client(call["verb"], given, "{}", bytes(32), connection=connection)
        else:
            flow = connection.start(call["verb"], given, bytes(32))
        now = call.get("mono_ms", 0)
        kind, text, _ = flow.step(now, 0)
        for step in call["steps"]:
            assert kind == "effect", text
            assert json.loads(text) == step["effect"]
            now += passed(step["effect"], step["reply"])
            kind, text, _ = flow.step(now, 0, json.dumps(step["reply"]))
        if "data" in call:
            assert (kind, json.loads(text)) == ("done", call["data"])
        else:
            assert kind == "failed", text
            assert holds(json.loads(text), call["error"])


def test_options_that_are_none_are_refused() -> None:
    for options, why in (
        ("{", "EOF"),
        ("{}", "url"),
        ('{"url": "ftp://a"}', "bad_url"),
        ('{"url": "http://a", "era": "newest"}', "newest"),
    ):
        with pytest.raises(ValueError, match=why):
            _core.Connection(options)
