"""What a client sends through: the protocol of a transport, and what goes in and out of one."""

from __future__ import annotations

import contextlib
import socket
import threading
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class HttpRequest:
    """One request as a transport gets it."""

    method: str
    path: str
    headers: list[tuple[str, str]]
    body: bytes | str | None = None
    """Bytes, or the path of a file to stream."""
    timeout: float = 30.0
    """Limit on the whole exchange in seconds."""
    max_bytes: int = 32 << 20
    tail: bool = False
    """Keep the last `max_bytes` of a larger answer instead of failing."""


@dataclass(frozen=True)
class HttpResponse:
    """An answer, whatever its status; header names in lower case."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes


class Fault(Exception):  # noqa: N818 - the core's word
    """No answer came. `kind` is one of the core's fault kinds."""

    def __init__(self, kind: str, detail: str = "") -> None:
        super().__init__(f"{kind}: {detail}" if detail else kind)
        self.kind = kind
        self.detail = detail


class Abort:
    """Ends an exchange that runs in another thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._aborted = False

    def watch(self, sock: socket.socket | None) -> None:
        """Names the socket of the exchange; `None` when the exchange is over."""
        with self._lock:
            self._socket = sock
            if self._aborted and sock is not None:
                _shut(sock)

    def __call__(self) -> None:
        with self._lock:
            self._aborted = True
            if self._socket is not None:
                _shut(self._socket)


def _shut(sock: socket.socket) -> None:
    with contextlib.suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)


class Transport(Protocol):
    """What a client sends through. Bring your own for proxies, mutual TLS or tests."""

    def send(self, request: HttpRequest, abort: Abort | None = None) -> HttpResponse:
        """Sends once. Raises `Fault` when no answer came."""
        ...

    def close(self) -> None:
        """Closes what is open."""
        ...


class AsyncTransport(Protocol):
    """The same for an event loop."""

    async def send(self, request: HttpRequest) -> HttpResponse:
        """Sends once. Raises `Fault` when no answer came."""
        ...

    async def close(self) -> None:
        """Closes what is open."""
        ...
