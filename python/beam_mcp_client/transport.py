"""What a client sends through: the protocol of a transport, and what goes in and out of one."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeAlias

Body: TypeAlias = bytes | list[bytes | Path]
"""Bytes, or pieces one after the other: bytes, and files to stream."""


@dataclass(frozen=True)
class HttpRequest:
    """One request as a transport gets it."""

    method: str
    path: str
    headers: list[tuple[str, str]]
    body: Body = b""
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
        self._end: Callable[[], None] | None = None
        self.aborted = False

    @contextlib.contextmanager
    def ends_with(self, end: Callable[[], None]) -> Generator[None]:
        """For the time of the `with`, an abort calls `end`; at once when it came before."""
        with self._lock:
            self._end = end
            if self.aborted:
                end()
        try:
            yield
        finally:
            with self._lock:
                self._end = None

    def __call__(self) -> None:
        with self._lock:
            self.aborted = True
            if self._end is not None:
                self._end()


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
