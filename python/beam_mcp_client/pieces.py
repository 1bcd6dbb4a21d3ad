"""Answers that are read as they arrive: streams of events, and whatever else may be long."""

from __future__ import annotations

import http.client
import time
from collections.abc import Callable
from typing import Protocol

from .transport import Abort, Fault, HttpResponse
from .wire import CHUNK, Head, Line, body_length

MOST_LINE = 1 << 12
"""Longest line of a chunk's head, in bytes."""


class Answer(Protocol):
    """The head of an answer, and the way to its body."""

    status: int
    headers: list[tuple[str, str]]

    def read(self, timeout: float, abort: Abort | None = None) -> bytes:
        """What arrived; nothing at the end. Raises `TimeoutError` when nothing came, and may be called again."""
        ...

    def close(self) -> None:
        """Leaves the rest alone."""
        ...


class WholeAnswer:
    """An answer that was read already, for transports that know no other."""

    def __init__(self, response: HttpResponse) -> None:
        self.status, self.headers = response.status, response.headers
        self._body = response.body

    def read(self, timeout: float, abort: Abort | None = None) -> bytes:
        """All of it, once."""
        body, self._body = self._body, b""
        return body

    def close(self) -> None:
        """Nothing is open."""


class LineAnswer:
    """An answer on a connection of its own until it is read or closed."""

    def __init__(
        self, line: Line, head: Head, arrived: bytes, give_back: Callable[[Line], None]
    ) -> None:
        self.status, self.headers, self._keeps = head
        self._line: Line | None = line
        self._give_back = give_back
        self._body = _framing(self.status, self.headers)
        self._ready = self._body.feed(arrived)

    def read(self, timeout: float, abort: Abort | None = None) -> bytes:
        """What arrived; nothing at the end."""
        line = self._line
        if line is not None and not self._ready:
            line.deadline = time.monotonic() + timeout
            try:
                if abort is None:
                    self._receive(line)
                else:
                    with abort.ends_with(line.shut):
                        self._receive(line)
            except TimeoutError:
                raise
            except (http.client.HTTPException, OSError) as error:
                self.close()
                raise Fault("reset", type(error).__name__) from error
        ready, self._ready = self._ready, b""
        return ready

    def _receive(self, line: Line) -> None:
        while not self._ready and not self._body.ended:
            count = line.receive_into(buffer := bytearray(CHUNK))
            if count:
                self._ready = self._body.feed(bytes(buffer[:count]))
            else:
                self._body.end()

    def close(self) -> None:
        """Leaves the rest alone: what is read to its end goes back, anything else is closed."""
        line, self._line = self._line, None
        if line is None:
            return
        if self._body.reusable and self._keeps and not self._ready:
            self._give_back(line)
        else:
            line.sock.close()


class _Sized:
    """A body whose length is known."""

    def __init__(self, length: int) -> None:
        self._left = length

    @property
    def ended(self) -> bool:
        return self._left == 0

    @property
    def reusable(self) -> bool:
        return self.ended

    def feed(self, data: bytes) -> bytes:
        """The bytes of the body among those that arrived."""
        data = data[: self._left]
        self._left -= len(data)
        return data

    def end(self) -> None:
        """The connection ended."""
        if self._left:
            raise ConnectionResetError


class _Open:
    """A body that ends with its connection."""

    def __init__(self) -> None:
        self.ended = False
        self.reusable = False

    def feed(self, data: bytes) -> bytes:
        """All of it."""
        return data

    def end(self) -> None:
        """The end of the body."""
        self.ended = True


class _Chunked:
    """A body in chunks (RFC 9112, section 7.1), however they are cut."""

    def __init__(self) -> None:
        self.ended = False
        self._rest = b""
        self._left = 0
        self._trailer = False

    @property
    def reusable(self) -> bool:
        return self.ended and not self._rest

    def feed(self, data: bytes) -> bytes:
        """The bytes of the body among those that arrived."""
        body = b""
        self._rest += data
        while not self.ended and (piece := self._next()) is not None:
            body += piece
        return body

    def _next(self) -> bytes | None:
        if self._left:
            piece, self._rest = self._rest[: self._left], self._rest[self._left :]
            self._left -= len(piece)
            return piece or None
        line, found, rest = self._rest.partition(b"\n")
        if not found:
            if len(line) > MOST_LINE:
                raise http.client.HTTPException("a chunk's head is too long")
            return None
        self._rest = rest
        self._line(line.rstrip(b"\r"))
        return b""

    def _line(self, line: bytes) -> None:
        if self._trailer:
            self.ended = not line
        elif line:  # an empty one ends the chunk before
            size = line.split(b";")[0].strip()
            if not size or any(byte not in b"0123456789abcdefABCDEF" for byte in size):
                raise http.client.HTTPException("a chunk has no size")
            self._left = int(size, 16)
            self._trailer = self._left == 0

    def end(self) -> None:
        """The connection ended before the body."""
        raise ConnectionResetError


def _framing(status: int, headers: list[tuple[str, str]]) -> _Sized | _Open | _Chunked:
    if status in {204, 304}:
        return _Sized(0)
    codings = [value.lower() for name, value in headers if name == "transfer-encoding"]
    if codings:
        if codings != ["chunked"]:
            raise Fault("reset", "the answer's framing is not known")
        return _Chunked()
    length = body_length(headers)
    if length is None and any(name == "content-length" for name, _ in headers):
        raise Fault("reset", "the answer has two lengths")
    return _Open() if length is None else _Sized(length)
