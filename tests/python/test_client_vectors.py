"""The vectors of `client::call`, replayed through the extension module (see tests/vectors/client/README.md)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from beam_mcp_client import _core

FOLDER = Path(__file__).parent.parent / "vectors" / "client"
CASES = sorted(FOLDER.glob("*.json"))


def holds(whole: Any, part: Any) -> bool:
    if isinstance(part, dict):
        return all(name in whole and holds(whole[name], value) for name, value in part.items())
    return bool(whole == part)


def start(case: dict[str, Any]) -> _core.Flow:
    names = ("session_id", "trace_id", "transaction_id", "user_id")
    labels = [case.get("labels", {}).get(name) for name in names]
    return _core.start_client(
        case["verb"],
        json.dumps(case["input"]),
        json.dumps(case.get("options", {})),
        bytes(32),
        (labels[0], labels[1], labels[2], labels[3]),
        case.get("deadline_ms"),
    )


def test_there_are_vectors() -> None:
    assert len(CASES) > 15


@pytest.mark.parametrize("file", CASES, ids=lambda file: file.stem)
def test_vector(file: Path) -> None:
    case = json.loads(file.read_text())
    flow, now, reply = start(case), 0, None
    for step in case["steps"]:
        kind, text, parts = flow.step(now, 0, reply)
        assert (kind, parts) == ("effect", []), text
        effect = json.loads(text)
        if step["effect"] == "sleep":
            assert effect["effect"] == "sleep"
        else:
            assert effect == step["effect"]
        now += effect.get("ms", 0)
        reply = json.dumps(step["reply"])
    kind, text, parts = flow.step(now, 0, reply)
    if "data" in case:
        assert (kind, json.loads(text), parts) == ("done", case["data"], [])
    else:
        assert kind == "failed"
        assert holds(json.loads(text), case["error"]), text
