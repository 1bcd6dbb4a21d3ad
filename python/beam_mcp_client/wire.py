"""HTTP/1.1 on a socket: one deadline for all of an exchange, answers with a length read here.

Any other answer (chunked, ended by the connection) is left to `http.client`.
"""

from __future__ import annotations

import contextlib
import http.client
import io
import select
import socket
import time
from typing import TYPE_CHECKING, BinaryIO, TypeAlias, cast

from .transport import Fault, HttpRequest, HttpResponse

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

IDLE_S = 50.0
"""A connection that rested longer is not used again: servers close idle ones."""
FRESH_S = 1.0
"""A connection that rested shorter is not looked at before it is used again."""
MOST_HEAD = 1 << 16
"""Longest head of an answer, in bytes."""
CHUNK = 1 << 14
MOST_DIGITS = 18
"""Longest number that is read as a length."""


class Line:
    """A connected socket whose sends and reads share one deadline."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.deadline = 0.0
        self.since = 0.0

    def _arm(self) -> None:
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self.sock.settimeout(left)

    def send(self, data: bytes) -> None:
        """Sends all of it."""
        self._arm()
        self.sock.sendall(data)

    def receive(self) -> bytes:
        """What arrived; at least one byte."""
        self._arm()
        data = self.sock.recv(CHUNK)
        if not data:
            raise ConnectionResetError
        return data

    def receive_into(self, buffer: WriteableBuffer) -> int:
        """The same, into a buffer; 0 at the end."""
        self._arm()
        return self.sock.recv_into(buffer)

    def shut(self) -> None:
        """Ends what another thread sends or reads."""
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_RDWR)

    def usable(self) -> bool:
        """False for a resting connection that is old, or has something to read: its end, or an unasked answer."""
        rested = time.monotonic() - self.since
        if rested < FRESH_S:
            return True
        if rested > IDLE_S:
            return False
        if not hasattr(select, "poll"):
            return not select.select([self.sock], [], [], 0)[0]
        poll = select.poll()
        poll.register(self.sock, select.POLLIN)
        return not poll.poll(0)


class _Replay(io.RawIOBase):
    """What was read already, then the rest of the line: the socket that `http.client` reads an answer from."""

    def __init__(self, line: Line, read: bytes) -> None:
        self._line = line
        self._read = read

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        if not self._read:
            return self._line.receive_into(buffer)
        view = memoryview(buffer).cast("B")
        count = min(len(view), len(self._read))
        view[:count], self._read = self._read[:count], self._read[count:]
        return count

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(self)


def size(piece: bytes | BinaryIO) -> int:
    """Bytes of a piece of a body; a file is left at its start."""
    if isinstance(piece, bytes):
        return len(piece)
    size = piece.seek(0, io.SEEK_END)
    piece.seek(0)
    return size


def stream(line: Line, piece: bytes | BinaryIO) -> None:
    """Sends a piece of a body."""
    if isinstance(piece, bytes):
        line.send(piece)
        return
    while chunk := piece.read(CHUNK):
        line.send(chunk)


def read(line: Line, request: HttpRequest) -> tuple[HttpResponse, bool]:
    """Reads the answer; true when the line can be used again."""
    (status, headers, keeps), head, arrived = read_head(line)
    length = 0 if status in {204, 304} else body_length(headers)
    if length is None:
        return _left_to_stdlib(line, request, head + arrived)
    if length > request.max_bytes and not request.tail:
        raise Fault("too_large")
    body = _whole(line, arrived, length)
    return HttpResponse(status, headers, body[-request.max_bytes :]), keeps and len(body) == length


Head: TypeAlias = tuple[int, list[tuple[str, str]], bool]
"""Status, headers, and whether the connection stays open."""


def read_head(line: Line) -> tuple[Head, bytes, bytes]:
    """The head of the answer, its bytes, and what has arrived of the body."""
    arrived = line.receive()
    while True:
        while (end := arrived.find(b"\r\n\r\n")) < 0:
            if len(arrived) > MOST_HEAD:
                raise Fault("reset", "the head of the answer is too long")
            arrived += line.receive()
        head = _parse(arrived[:end])
        if head[0] >= 200:
            return head, arrived[: end + 4], arrived[end + 4 :]
        arrived = arrived[end + 4 :] or line.receive()


def _parse(head: bytes) -> tuple[int, list[tuple[str, str]], bool]:
    first, *lines = head.decode("latin-1").split("\r\n")
    if not first.startswith("HTTP/1.") or not _is_number(first[9:12]):
        raise Fault("reset", "the answer is not HTTP/1.1")
    headers: list[tuple[str, str]] = []
    keeps = first.startswith("HTTP/1.1")
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or name != name.strip():
            raise Fault("reset", "a header of the answer is malformed")
        name, value = name.lower(), value.strip()
        headers.append((name, value))
        if name == "connection" and "close" in value.lower():
            keeps = False
    return int(first[9:12]), headers, keeps


def body_length(headers: list[tuple[str, str]]) -> int | None:
    """The length of the body where the head says one, and nothing else says otherwise."""
    lengths = {value for name, value in headers if name == "content-length"}
    if len(lengths) != 1 or any(name == "transfer-encoding" for name, _ in headers):
        return None
    [length] = lengths
    if not _is_number(length):
        return None
    if len(length) > MOST_DIGITS:
        raise Fault("too_large")
    return int(length)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit()


def _whole(line: Line, body: bytes, length: int) -> bytes:
    if len(body) >= length:
        return body
    whole = bytearray(length)
    whole[: len(body)] = body
    at, view = len(body), memoryview(whole)
    while at < length:
        count = line.receive_into(view[at:])
        if not count:
            raise ConnectionResetError
        at += count
    return bytes(whole)


def _left_to_stdlib(line: Line, request: HttpRequest, read: bytes) -> tuple[HttpResponse, bool]:
    sock = cast("socket.socket", _Replay(line, read))
    with contextlib.closing(http.client.HTTPResponse(sock, method=request.method)) as response:
        response.begin()
        body = response.read(request.max_bytes + 1)
        if len(body) > request.max_bytes and not request.tail:
            raise Fault("too_large")
        while more := response.read(CHUNK):
            body = (body + more)[-request.max_bytes :]
        headers = [(name.lower(), value) for name, value in response.headers.items()]
        answer = HttpResponse(response.status, headers, body[-request.max_bytes :])
        return answer, not response.will_close
