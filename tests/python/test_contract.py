"""The contract between the core and a host, as cases (see tests/vectors/flow/README.md)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from beam_mcp_client import _core
from test_client_vectors import holds

FOLDER = Path(__file__).parent.parent / "vectors" / "flow"
CASES = [
    pytest.param(case, file["effects"], id=f"{path.stem}/{case['name']}")
    for path in sorted(FOLDER.glob("*.json"))
    for file in [json.loads(path.read_text())]
    for case in file["cases"]
]


def test_there_are_cases() -> None:
    assert len(CASES) > 80


def start(case: dict[str, Any]) -> _core.Flow:
    options = json.dumps(case.get("options", {}))
    return _core.start_client(
        case["verb"],
        json.dumps(case["input"]),
        options,
        bytes(32),
        deadline_ms=case.get("deadline_ms"),
    )


@pytest.mark.parametrize(("case", "effects"), CASES)
def test_case(case: dict[str, Any], effects: dict[str, Any]) -> None:
    flow = start(case)
    for step in case["steps"]:
        reply = None if step["reply"] is None else json.dumps(step["reply"])
        kind, text, parts = flow.step(step["mono_ms"], step["wall_ms"], reply)
        answer = json.loads(text)
        assert parts == []
        if kind == "effect":
            wanted = step["effect"]
            assert answer == (effects[wanted] if isinstance(wanted, str) else wanted)
        elif kind == "done":
            assert answer == step["data"]
        else:
            wanted = {name: value for name, value in step["error"].items() if name != "js_name"}
            assert holds(answer, wanted), text
        assert not flow.must_finish


def test_a_reply_that_cannot_be_read_is_misuse_and_no_crash() -> None:
    for reply, parts in [("{", []), ('{"reply":"response","status":200,"body":{"part":3}}', [b""])]:
        flow = _core.start_client("get_manifest", "{}", "{}", bytes(32))
        flow.step(0, 0)
        kind, text, _ = flow.step(0, 0, reply, parts)
        assert (kind, json.loads(text)["class"]) == ("failed", "MisuseError")


def test_bytes_travel_beside_the_json() -> None:
    flow = _core.start_client("get_openapi", "null", "{}", bytes(32))
    flow.step(0, 0)
    reply = '{"reply":"response","status":200,"body":{"part":0}}'
    assert flow.step(0, 0, reply, ['{"a":"ü"}'.encode()]) == ("done", '{"a":"ü"}', [])


def test_thirty_two_random_bytes_are_needed() -> None:
    with pytest.raises(ValueError, match="32"):
        _core.start_client("get_manifest", "{}", "{}", b"")
    with pytest.raises(ValueError, match="EOF"):
        _core.start_client("get_manifest", "{", "{}", bytes(32))
