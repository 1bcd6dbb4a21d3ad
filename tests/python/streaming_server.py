"""An MCP server on loopback that streams: what it answers is written piece by piece, and it notices who leaves."""

from __future__ import annotations

import contextlib
import http.server
import json
import threading
from collections.abc import Callable, Iterator
from typing import Any

Script = Callable[["Exchange", dict[str, Any]], None]


class Exchange(http.server.BaseHTTPRequestHandler):
    """One request; the script of its server answers it."""

    protocol_version = "HTTP/1.1"
    server: StreamingServer

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.seen.append((dict(self.headers.items()), json.loads(body)))
        self.server.script(self, json.loads(body))

    def do_GET(self) -> None:
        self.plain(405, b"")

    def do_DELETE(self) -> None:
        self.plain(405, b"")

    def plain(self, status: int, body: bytes, *headers: tuple[str, str]) -> None:
        """A whole answer."""
        self.send_response(status)
        for name, value in (*headers, ("content-length", str(len(body)))):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def result(self, message: dict[str, Any], result: dict[str, Any]) -> None:
        """A JSON answer."""
        answer = {"jsonrpc": "2.0", "id": message["id"], "result": result}
        self.plain(200, json.dumps(answer).encode(), ("content-type", "application/json"))

    def stream(self) -> None:
        """Begins a stream of events."""
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()

    def piece(self, data: bytes) -> None:
        """Writes one chunk."""
        self.wfile.write(b"%x;ext=1\r\n%s\r\n" % (len(data), data))
        self.wfile.flush()

    def event(self, message: dict[str, Any]) -> None:
        """Writes one event."""
        self.piece(b"data: " + json.dumps(message).encode() + b"\n\n")

    def end(self) -> None:
        """Ends the stream."""
        self.wfile.write(b"0\r\nx-trailer: 1\r\n\r\n")

    def left(self) -> bool:
        """Waits until the other side has closed the connection."""
        self.connection.settimeout(5)
        try:
            return len(self.connection.recv(1)) == 0
        except OSError:
            return True

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
        """Nothing."""


class StreamingServer(http.server.ThreadingHTTPServer):
    """Answers by a script; `server/discover` by itself."""

    daemon_threads = True

    def __init__(self, script: Script) -> None:
        super().__init__(("127.0.0.1", 0), Exchange)
        self.seen: list[tuple[dict[str, str], dict[str, Any]]] = []
        self.url = f"http://127.0.0.1:{self.server_port}/mcp"
        self._script = script

    def script(self, exchange: Exchange, message: dict[str, Any]) -> None:
        """Answers a message."""
        if message["method"] == "server/discover":
            said = {"supportedVersions": ["2026-07-28"], "capabilities": {}}
            exchange.result(message, said)
        else:
            self._script(exchange, message)


@contextlib.contextmanager
def streaming(script: Script) -> Iterator[StreamingServer]:
    """A server for the time of the `with`."""
    server = StreamingServer(script)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
