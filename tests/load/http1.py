"""HTTP/1.1 in a few lines of asyncio: messages as bytes, a server of one handler, a client with kept connections."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

MOST = 64 << 20
IDLE = 20.0
"""Seconds a connection is kept; servers end those that are idle for longer."""


@dataclass
class Message:
    """A request or an answer: first line, headers in lower case, body, and all of it as it came."""

    line: str
    headers: dict[str, str]
    body: bytes
    raw: bytes = field(repr=False)

    @property
    def method(self) -> str:
        """Of a request."""
        return self.line.split(" ", 1)[0]

    @property
    def path(self) -> str:
        """Of a request, with its query."""
        return self.line.split(" ", 2)[1]

    @property
    def status(self) -> int:
        """Of an answer."""
        return int(self.line.split(" ", 2)[1])


async def read(reader: asyncio.StreamReader) -> Message | None:
    """The next message; None where the peer has ended."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
    line, *lines = head.decode("latin-1").rstrip("\r\n").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    length, body, framed = int(headers.get("content-length", 0)), b"", b""
    if headers.get("transfer-encoding", "").lower() == "chunked":
        body, framed = await chunks(reader)
    elif length:
        if length > MOST:
            raise ValueError(f"a body of {length} bytes")
        body = framed = await reader.readexactly(length)
    return Message(line, headers, body, head + framed)


async def chunks(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    """A chunked body, and the same with its frames."""
    body, framed = b"", b""
    while True:
        size = await reader.readuntil(b"\r\n")
        data = await reader.readexactly(int(size.split(b";")[0], 16) + 2)
        framed += size + data
        if data == b"\r\n":
            return body, framed
        body += data[:-2]


def answer(status: int, body: Any = None, **headers: str) -> bytes:
    """An answer with a JSON body."""
    data = b"" if body is None else json.dumps(body).encode()
    lines = [f"HTTP/1.1 {status} X", "content-type: application/json", f"content-length: {len(data)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + data


class Cut(ConnectionError):
    """Raised by a handler: what is still written before the connection ends."""

    def __init__(self, part: bytes) -> None:
        super().__init__("cut")
        self.part = part


Handler = Callable[[Message], Awaitable[bytes]]


class Server:
    """Answers each request of each connection with what the handler makes of it."""

    def __init__(self, handler: Handler) -> None:
        self.handler = handler
        self.port = 0
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Listens, on the port it had before where it had one."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port, backlog=1024)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Refuses connections and ends those there are."""
        if self._server:
            self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.sleep(0)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            while request := await read(reader):
                writer.write(await self._handled(request, reader))
                await writer.drain()
        except Cut as cut:
            writer.write(cut.part)
        except (asyncio.CancelledError, ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            self._tasks.discard(task)
            writer.close()


    async def _handled(self, request: Message, reader: asyncio.StreamReader) -> bytes:
        """The answer, unless the peer gives up first: then nobody works on it any more."""
        work = asyncio.ensure_future(self.handler(request))
        gone = asyncio.ensure_future(reader.read(1))
        try:
            await asyncio.wait({work, gone}, return_when=asyncio.FIRST_COMPLETED)
            if not work.done():
                raise ConnectionResetError("the peer gave up")
            return work.result()
        finally:
            work.cancel()
            gone.cancel()
            await asyncio.wait({work, gone})


class Client:
    """Calls one server over connections that are kept."""

    def __init__(self, port: int) -> None:
        self.port = port
        self._idle: list[tuple[float, asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def call(self, method: str, path: str, body: Any = None, limit: float = 60, **headers: str) -> Message:
        """One exchange; a connection error where none came about."""
        async with asyncio.timeout(limit):
            return await self.forward(self._request(method, path, body, headers))

    async def forward(self, request: bytes) -> Message:
        """The answer to a request as it is."""
        reader, writer = await self._connection()
        done = False
        try:
            writer.write(request)
            response = await read(reader)
            if response is None:
                raise ConnectionResetError("ended without an answer")
            done = response.headers.get("connection", "") != "close"
            return response
        finally:
            if done:
                self._idle.append((asyncio.get_running_loop().time(), reader, writer))
            else:
                writer.close()

    async def _connection(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        while self._idle:
            since, reader, writer = self._idle.pop()
            if asyncio.get_running_loop().time() - since < IDLE and not reader.at_eof():
                return reader, writer
            writer.close()
        return await asyncio.open_connection("127.0.0.1", self.port, limit=MOST)

    def _request(self, method: str, path: str, body: Any, headers: dict[str, str]) -> bytes:
        data = b"" if body is None else json.dumps(body).encode()
        lines = [f"{method} {path} HTTP/1.1", f"host: 127.0.0.1:{self.port}", f"content-length: {len(data)}"]
        lines += ["content-type: application/json"] if data else []
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        return "\r\n".join(lines).encode() + b"\r\n\r\n" + data

    def close(self) -> None:
        """Ends the kept connections."""
        for _, _, writer in self._idle:
            writer.close()
        self._idle.clear()
