"""The two connections against servers that stream: rules 14 and 15 of the contract, on sockets."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from beam_mcp_client import errors
from beam_mcp_client.http1 import HttpTransport
from beam_mcp_client.mcp import AsyncMCPConnection, MCPConnection, Notification
from beam_mcp_client.pieces import LineAnswer
from beam_mcp_client.transport import Abort, HttpRequest, HttpResponse
from streaming_server import Exchange, streaming

TEXT = {"resultType": "complete", "content": [{"type": "text", "text": "ü"}]}


def progress(message: dict[str, Any]) -> dict[str, Any]:
    token = message["params"]["_meta"]["progressToken"]
    params = {"progressToken": token, "progress": 1}
    return {"jsonrpc": "2.0", "method": "notifications/progress", "params": params}


def test_what_is_told_arrives_before_the_answer_is_there() -> None:
    told = threading.Event()

    def script(exchange: Exchange, message: dict[str, Any]) -> None:
        exchange.stream()
        exchange.piece(b": hello\r\n\r\n")
        exchange.event(progress(message))
        assert told.wait(5)
        exchange.event({"jsonrpc": "2.0", "id": message["id"], "result": TEXT})
        exchange.end()

    with streaming(script) as server:
        with MCPConnection(server.url, on_notification=lambda _: told.set()) as connection:
            assert connection.call_tool("a", progress=True) == TEXT

        async def ask() -> dict[str, Any]:
            told.clear()
            connection = AsyncMCPConnection(server.url, on_notification=lambda _: told.set())
            async with connection:
                return await connection.call_tool("a", progress=True)

        assert asyncio.run(ask()) == TEXT


def test_a_connection_that_breaks_is_no_answer() -> None:
    def script(exchange: Exchange, message: dict[str, Any]) -> None:
        exchange.stream()
        exchange.piece(b"data: {")
        exchange.close_connection = True

    with streaming(script) as server, MCPConnection(server.url) as connection:
        with pytest.raises(errors.UnavailableError, match="ended before the answer"):
            connection.call_tool("a")
        assert sum(message["method"] == "tools/call" for _, message in server.seen) == 1


def test_silence_has_an_end_and_the_stream_is_shut() -> None:
    left = threading.Event()

    def script(exchange: Exchange, _: dict[str, Any]) -> None:
        exchange.stream()
        if exchange.left():
            left.set()

    with streaming(script) as server, MCPConnection(server.url, timeout=0.2) as connection:
        with pytest.raises(errors.DeadlineError):
            connection.call_tool("a")
        assert left.wait(5)


def test_a_cancelled_task_shuts_its_stream() -> None:
    begun, left = threading.Event(), threading.Event()

    def script(exchange: Exchange, _: dict[str, Any]) -> None:
        exchange.stream()
        begun.set()
        if exchange.left():
            left.set()

    async def scenario(url: str) -> None:
        async with AsyncMCPConnection(url) as connection:
            task = asyncio.create_task(connection.call_tool("a"))
            await asyncio.to_thread(begun.wait, 5)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    with streaming(script) as server:
        asyncio.run(asyncio.wait_for(scenario(server.url), 20))
        assert left.wait(5)


def news(exchange: Exchange, message: dict[str, Any]) -> None:
    tag = {"io.modelcontextprotocol/subscriptionId": message["id"]}
    exchange.stream()
    for name in ("subscriptions/acknowledged", "tools/list_changed"):
        exchange.event(
            {"jsonrpc": "2.0", "method": f"notifications/{name}", "params": {"_meta": tag}}
        )
    if message["params"]["notifications"].get("promptsListChanged"):
        exchange.event({"jsonrpc": "2.0", "id": message["id"], "result": {}})
        exchange.end()
    else:
        exchange.server.seen.append(({}, {"method": "left", "left": exchange.left()}))


def methods(told: list[Notification]) -> list[str]:
    return [one.method.removeprefix("notifications/") for one in told]


def test_news_come_until_the_server_ends_them_or_the_loop_is_left() -> None:
    both = ["subscriptions/acknowledged", "tools/list_changed"]
    with streaming(news) as server:
        with MCPConnection(server.url) as connection:
            assert methods(list(connection.listen(tools=True, prompts=True))) == both
            for count, _ in enumerate(connection.listen(tools=True)):
                if count:
                    break
        seen = server.seen

        async def scenario() -> list[Notification]:
            async with AsyncMCPConnection(server.url) as connection:
                return [one async for one in connection.listen(tools=True, prompts=True)]

        assert methods(asyncio.run(scenario())) == both
    assert ({}, {"method": "left", "left": True}) in seen


def asking(exchange: Exchange, message: dict[str, Any]) -> None:
    if "inputResponses" in message["params"]:
        exchange.result(message, {"content": [], "said": message["params"]["inputResponses"]})
    else:
        question = {"method": "elicitation/create", "params": {"message": "sure?"}}
        exchange.result(message, {"resultType": "input_required", "inputRequests": {"k": question}})


def test_questions_are_the_applications() -> None:
    yes = {"action": "accept", "content": {}}

    async def awaited(method: str, params: dict[str, Any]) -> Any:
        await asyncio.sleep(0)
        return yes

    async def ask(url: str) -> dict[str, Any]:
        async with AsyncMCPConnection(url, answer=awaited) as connection:
            return await connection.call_tool("a")

    with streaming(asking) as server:
        with MCPConnection(server.url, answer=lambda method, params: yes) as connection:
            assert connection.call_tool("a")["said"] == {"k": yes}
        assert asyncio.run(ask(server.url))["said"] == {"k": yes}
        declared: dict[str, Any] = {"elicitation": {}}
        with (
            MCPConnection(server.url, capabilities=declared) as connection,
            pytest.raises(errors.UnsupportedError, match="nobody answers"),
        ):
            connection.call_tool("a")


def test_what_an_answer_raises_ends_the_call_and_comes_through() -> None:
    def answer(method: str, params: dict[str, Any]) -> Any:
        raise ZeroDivisionError

    with (
        streaming(asking) as server,
        MCPConnection(server.url, answer=answer) as connection,
        pytest.raises(ZeroDivisionError),
    ):
        connection.call_tool("a")


def test_a_token_that_is_refused_is_asked_for_again() -> None:
    tokens = iter(["old", "new"])

    def script(exchange: Exchange, message: dict[str, Any]) -> None:
        if exchange.headers["authorization"] == "Bearer new":
            exchange.result(message, TEXT)
        else:
            exchange.plain(401, b"")

    with (
        streaming(script) as server,
        MCPConnection(server.url, token_provider=lambda: next(tokens)) as connection,
    ):
        assert connection.call_tool("a") == TEXT


def test_a_transport_without_pieces_will_do() -> None:
    class Whole:
        """Knows no `open`."""

        def __init__(self, url: str) -> None:
            self.http = HttpTransport(url.removesuffix("/mcp"))

        def send(self, request: HttpRequest, abort: Abort | None = None) -> HttpResponse:
            return self.http.send(request, abort)

        def close(self) -> None:
            self.http.close()

    def script(exchange: Exchange, message: dict[str, Any]) -> None:
        exchange.stream()
        exchange.event({"jsonrpc": "2.0", "id": message["id"], "result": TEXT})
        exchange.end()

    with (
        streaming(script) as server,
        MCPConnection(server.url, transport=Whole(server.url)) as connection,
    ):
        assert connection.call_tool("a") == TEXT


BODY = b"5;x=y\r\nhello\r\n1\r\n \r\n5\r\nworld\r\n0\r\nname: value\r\n\r\n"


class Nowhere:
    """A line that gives what it was given, in pieces."""

    def __init__(self, pieces: list[bytes]) -> None:
        self.pieces, self.deadline, self.closed = pieces, 0.0, False
        self.sock = self

    def receive_into(self, buffer: bytearray) -> int:
        if not self.pieces:
            return 0
        piece = self.pieces.pop(0)
        buffer[: len(piece)] = piece
        return len(piece)

    def close(self) -> None:
        self.closed = True


def read(headers: list[tuple[str, str]], pieces: list[bytes]) -> tuple[bytes, bool]:
    line = Nowhere(pieces)
    kept: list[Any] = []
    answer = LineAnswer(line, (200, headers, True), b"", kept.append)  # type: ignore[arg-type]
    body = b""
    while piece := answer.read(1.0):
        body += piece
    answer.close()
    return body, bool(kept)


def test_bodies_are_read_however_they_are_framed_and_cut() -> None:
    chunked = [("transfer-encoding", "chunked")]
    for size in range(1, len(BODY) + 1):
        cut = [BODY[at : at + size] for at in range(0, len(BODY), size)]
        assert read(chunked, cut) == (b"hello world", True)
    assert read([("content-length", "3")], [b"a", b"bc"]) == (b"abc", True)
    assert read([], [b"a", b"bc"]) == (b"abc", False)


@pytest.mark.parametrize(
    ("headers", "pieces"),
    [
        ([("transfer-encoding", "chunked")], [b"5\r\nhel"]),
        ([("transfer-encoding", "chunked")], [b"-5\r\nhello"]),
        ([("transfer-encoding", "chunked")], [b"x" * 5000]),
        ([("transfer-encoding", "gzip, chunked")], [b""]),
        ([("content-length", "3"), ("content-length", "4")], [b""]),
        ([("content-length", "3")], [b"ab"]),
    ],
)
def test_a_body_that_is_cut_short_or_odd_is_a_fault(
    headers: list[tuple[str, str]], pieces: list[bytes]
) -> None:
    from beam_mcp_client.transport import Fault

    with pytest.raises(Fault, match="reset"):
        read(headers, pieces)
