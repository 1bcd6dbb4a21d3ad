"""What a server far away wrote is shown without what would steer the terminal."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from beam_mcp_client import MCPError
from beam_mcp_client.cli import main, mcp, show
from streaming_server import Exchange, StreamingServer, streaming

EVIL = "red\x1b[31m\x9b2J\x07\x7f\u202eover\r"
"""An escape sequence, the same in one character, a bell, a deletion, text from right to left, a line begun anew."""
FORM = {"properties": {EVIL: {"type": "string", "description": EVIL}, "b": {"title": [EVIL]}}}
ANSWERS: dict[str, dict[str, Any]] = {
    "tools/list": {"tools": [{"name": EVIL, "description": EVIL, "inputSchema": {}}]},
    "resources/list": {"resources": [{"uri": "x:y", "name": EVIL, "mimeType": EVIL}]},
    "resources/read": {"contents": [{"uri": "x:y", "text": EVIL}, {"uri": EVIL, "blob": "AA=="}]},
    "prompts/list": {"prompts": [{"name": EVIL, "description": EVIL}]},
    "prompts/get": {"messages": [{"role": "user", "content": {"type": "text", "text": EVIL}}]},
}


def script(exchange: Exchange, message: dict[str, Any]) -> None:
    """Answers with what nobody should print; the tool asks first."""
    method, params = message["method"], message["params"]
    if method in ANSWERS:
        exchange.result(message, {"resultType": "complete", **ANSWERS[method]})
    elif "inputResponses" in params:
        said = json.dumps(params["inputResponses"]["k"], ensure_ascii=False)
        content = [{"type": "text", "text": EVIL + said}, {"type": "odd", "more": [EVIL]}]
        exchange.result(message, {"resultType": "complete", "content": content})
    else:
        form = {"mode": "form", "message": EVIL, "requestedSchema": FORM}
        question = {"method": "elicitation/create", "params": form}
        exchange.result(message, {"resultType": "input_required", "inputRequests": {"k": question}})


class Terminal(io.StringIO):
    """A person before a terminal, with answers in hand."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[StreamingServer]:
    for name in ("BEAM_MCP_TOKEN", "BEAM_MCP_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(sys, "stdin", Terminal("y\nmine\n\n"))
    with streaming(script) as server:
        yield server


def shown(capsys: pytest.CaptureFixture[str]) -> str:
    """What was printed: nothing in it but text and lines."""
    captured = capsys.readouterr()
    text = captured.out + captured.err
    assert [each for each in text if not each.isprintable() and each != "\n"] == []
    return text


@pytest.mark.parametrize("output", ["table", "json", "jsonl"])
@pytest.mark.parametrize(
    "words", [["tools"], ["resources"], ["prompts"], ["read", "x:y"], ["prompt", "p"]]
)
def test_what_a_server_lists_is_text(
    server: StreamingServer, capsys: pytest.CaptureFixture[str], words: list[str], output: str
) -> None:
    command, *more = words
    assert main(["mcp", command, server.url, *more, "-o", output]) == 0
    assert "red" in shown(capsys)


def test_what_a_server_asks_and_answers_is_text(
    server: StreamingServer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["mcp", "call", server.url, "a"]) == 0
    text = shown(capsys)
    assert "the server asks: red[31m2Jover" in text
    assert "  red[31m2Jover (red[31m2Jover): " in text
    assert "  b (red[31m2Jover): " in text
    assert '"mine"' in text


def test_the_address_of_a_sign_in_is_text(capsys: pytest.CaptureFixture[str]) -> None:
    mcp._show(f"https://as.example/{EVIL}")  # pyright: ignore[reportPrivateUsage]
    assert "https://as.example/red" in shown(capsys)


def test_an_id_is_text(capsys: pytest.CaptureFixture[str]) -> None:
    show.rows([{"id": EVIL}, {"id": 7}, {}], ("id",), "id", "id")
    assert shown(capsys) == "red[31m2Jover\n7\n\n"


def test_an_error_is_text(capsys: pytest.CaptureFixture[str]) -> None:
    show.error(MCPError(EVIL, suggestion=EVIL, request_id=EVIL, context={EVIL: EVIL}))
    assert shown(capsys).count("red[31m2Jover") == 5


def test_lists_are_cleaned_to_the_bottom() -> None:
    assert show.printable([EVIL, [EVIL, 1], None]) == "red[31m2Jover red[31m2Jover 1 "
    for nested in ([{"a": [EVIL]}], {EVIL: {"b": EVIL}}, [[[EVIL]]]):
        assert show.printable(nested).isprintable()


def test_json_keeps_what_it_escapes() -> None:
    value = {EVIL: [EVIL, "\U000e0001 ü 例"]}
    for indent in (None, 2):
        text = show.as_json(value, indent)
        assert text.replace("\n", "").isprintable()
        assert json.loads(text) == value
    assert "ü 例" in show.as_json(value)
