"""A server on loopback that answers from a script, in the envelope of the real one.

A script is a function from the request to what goes on the wire: a tuple for an envelope, or raw bytes.
"""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

JOB_ID = "sim:" + "0123456789abcdef" * 2


def job(**more: Any) -> dict[str, Any]:
    """A job as the server shows it."""
    return {
        "job_id": JOB_ID,
        "job_name": "words",
        "name": "words",
        "state": "RUNNING",
        "terminal": False,
        "needs_attention": False,
        "runner_state": "RUNNING",
        "native_id": None,
        "diagnostics": "",
        "target": "sim",
        "runner_type": "simulator",
        "job_type": "STREAMING",
        "creation_time": "2026-11-20T09:45:23.659Z",
        "start_time": "2026-11-20T09:45:24.659Z",
        "duration": 12.5,
        "parallelism": 4,
        "savepoint_path": None,
        "version": 3,
        **more,
    }


def envelope(status: int, data: Any = None, error: dict[str, Any] | None = None) -> bytes:
    """A whole answer."""
    body = {
        "success": error is None,
        "message": "",
        "data": data if data is not None else {},
        "error": error,
        "context": {},
        "metadata": {"request_id": "r1"},
    }
    return answer(status, json.dumps(body).encode())


def refusal(status: int, code: str, **more: Any) -> bytes:
    """An answer with an error object."""
    details = {"reason": code, "suggestion": "do something else"}
    error = {
        "code": code,
        "message": f"it is {code}",
        "details": details,
        "request_id": "r1",
        "retryable": False,
    }
    return envelope(status, error={**error, **more})


def answer(status: int, body: bytes, *headers: str) -> bytes:
    """A whole answer with any body."""
    head = [
        f"HTTP/1.1 {status} X",
        "content-type: application/json",
        f"content-length: {len(body)}",
        *headers,
    ]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


@dataclass
class Seen:
    """A request as it arrived."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    connection: int

    @property
    def json(self) -> Any:
        return json.loads(self.body)


Script = Callable[[Seen], "bytes | None"]


@dataclass
class FakeServer:
    """Answers each request with what the script returns; `None` closes the connection without an answer."""

    script: Script
    seen: list[Seen] = field(default_factory=list)
    connections: int = 0

    def __post_init__(self) -> None:
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                peer, _ = self.socket.accept()
                self.connections += 1
                self.open.append(peer)
                threading.Thread(
                    target=self._serve, args=(peer, self.connections), daemon=True
                ).start()

    def _serve(self, peer: socket.socket, number: int) -> None:
        with contextlib.suppress(OSError), peer, peer.makefile("rb") as reader:
            while (request := self._read(reader, number)) is not None:
                self.seen.append(request)
                reply = self.script(request)
                if reply is None:
                    return
                peer.sendall(reply)
                if b"\r\nconnection: close\r\n" in reply:
                    return

    def _read(self, reader: Any, number: int) -> Seen | None:
        first = reader.readline().decode().split()
        if not first:
            return None
        headers: dict[str, str] = {}
        while line := reader.readline().decode().strip():
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        body = reader.read(int(headers.get("content-length", 0)))
        return Seen(first[0], first[1], headers, body, number)

    def close(self) -> None:
        self.socket.close()
        for peer in self.open:
            peer.close()


@contextlib.contextmanager
def serving(script: Script) -> Iterator[FakeServer]:
    """A server for the time of a `with`."""
    server = FakeServer(script)
    try:
        yield server
    finally:
        server.close()


def in_turn(*replies: bytes | None) -> Script:
    """Each request gets the next of these; the last one goes on."""
    left = list(replies)
    return lambda _: left.pop(0) if len(left) > 1 else left[0]
