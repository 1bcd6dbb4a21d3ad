"""The default transport: HTTP/1.1 over a pool of kept connections to one server, under one deadline per exchange.

It sends once, follows no redirect, uses no proxy of the environment and repeats nothing. An answer with a length is
read here; any other (chunked, ended by the connection) is left to `http.client`.
"""

from __future__ import annotations

import contextlib
import http.client
import io
import os
import select
import socket
import ssl
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, BinaryIO, cast
from urllib.parse import urlsplit

from .transport import Abort, Fault, HttpRequest, HttpResponse

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

CONNECT_S = 10.0
"""Longest time a connection may take to come about."""
IDLE_S = 50.0
"""A connection that rested longer is not used again: servers close idle ones."""
FRESH_S = 1.0
"""A connection that rested shorter is not looked at before it is used again."""
MOST_IDLE = 8
"""Connections kept for later."""
MOST_HEAD = 1 << 16
"""Longest head of an answer, in bytes."""
CHUNK = 1 << 14


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


@dataclass
class HttpTransport:
    """Sends to one server. Safe to use from many threads."""

    url: str
    verify_ssl: bool = True
    ca_file: str | None = None
    _idle: list[Line] = field(default_factory=list[Line], repr=False)

    def __post_init__(self) -> None:
        self._pid = os.getpid()
        parts = urlsplit(self.url)
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.username:
            raise ValueError(f"{self.url!r} is no http:// or https:// URL of a server")
        tls = parts.scheme == "https"
        self._address = (parts.hostname, parts.port or (443 if tls else 80))
        self._prefix = parts.path.rstrip("/")
        self._host = f"host: {parts.netloc}\r\n"
        self._tls = self._context() if tls else None

    def _context(self) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=self.ca_file)
        if not self.verify_ssl:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context

    def send(self, request: HttpRequest, abort: Abort | None = None) -> HttpResponse:
        """Sends once."""
        deadline = time.monotonic() + request.timeout
        line = self._take() or self._connect(request.timeout)
        line.deadline = deadline
        try:
            if abort is None:
                response, reusable = self._exchange(line, request)
            else:
                with abort.ends_with(line.shut):
                    response, reusable = self._exchange(line, request)
        except BaseException:
            line.sock.close()
            raise
        if reusable and len(self._idle) < MOST_IDLE:
            line.since = time.monotonic()
            self._idle.append(line)
        else:
            line.sock.close()
        return response

    def close(self) -> None:
        """Closes the kept connections."""
        while self._idle:
            self._idle.pop().sock.close()

    def __del__(self) -> None:
        self.close()

    def _take(self) -> Line | None:
        if self._pid != os.getpid():  # a fork: the connections are the parent's
            self._pid, self._idle = os.getpid(), []
        while True:
            try:
                line = self._idle.pop()
            except IndexError:
                return None
            if line.usable():
                return line
            line.sock.close()

    def _connect(self, timeout: float) -> Line:
        try:
            sock = socket.create_connection(self._address, min(CONNECT_S, timeout))
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._tls is not None:
                sock = self._tls.wrap_socket(sock, server_hostname=self._address[0])
        except ssl.SSLError as error:
            raise Fault("tls", str(error.reason or error)) from error
        except ConnectionRefusedError as error:
            raise Fault("refused", self.url) from error
        except OSError as error:
            raise Fault("unreachable", f"{self.url}: {error}") from error
        return Line(sock)

    def _exchange(self, line: Line, request: HttpRequest) -> tuple[HttpResponse, bool]:
        try:
            self._write(line, request)
            return _read(line, request)
        except TimeoutError as error:
            raise Fault("timeout") from error
        except (http.client.HTTPException, OSError) as error:
            raise Fault("reset", type(error).__name__) from error

    def _write(self, line: Line, request: HttpRequest) -> None:
        body = request.body
        if isinstance(body, bytes):
            line.send(self._head(request, len(body)) + body)
            return
        try:
            with contextlib.ExitStack() as files:
                pieces = [
                    piece if isinstance(piece, bytes) else files.enter_context(piece.open("rb"))
                    for piece in body
                ]
                line.send(self._head(request, sum(map(_size, pieces))))
                with contextlib.suppress(ConnectionError):  # an early refusal is worth reading
                    for piece in pieces:
                        _stream(line, piece)
        except FileNotFoundError as error:
            raise Fault("source", str(error)) from error

    def _head(self, request: HttpRequest, length: int) -> bytes:
        lines = [f"{name}: {value}\r\n" for name, value in request.headers]
        if length or request.method not in {"GET", "DELETE"}:
            lines.append(f"content-length: {length}\r\n")
        head = f"{request.method} {self._prefix}{request.path} HTTP/1.1\r\n{self._host}{''.join(lines)}\r\n"
        if head.count("\n") != len(lines) + 3 or head.count("\r") != len(lines) + 3:
            raise Fault("credential", "a header has a line break")
        return head.encode("latin-1")


def _size(piece: bytes | BinaryIO) -> int:
    if isinstance(piece, bytes):
        return len(piece)
    size = piece.seek(0, io.SEEK_END)
    piece.seek(0)
    return size


def _stream(line: Line, piece: bytes | BinaryIO) -> None:
    if isinstance(piece, bytes):
        line.send(piece)
        return
    while chunk := piece.read(CHUNK):
        line.send(chunk)


def _read(line: Line, request: HttpRequest) -> tuple[HttpResponse, bool]:
    read = line.receive()
    while True:
        while (end := read.find(b"\r\n\r\n")) < 0:
            if len(read) > MOST_HEAD:
                raise Fault("reset", "the head of the answer is too long")
            read += line.receive()
        status, headers, keeps = _parse(read[:end])
        if status >= 200:
            break
        read = read[end + 4 :] or line.receive()
    length = _length(headers)
    if length is None:
        return _left_to_stdlib(line, request, read)
    if length > request.max_bytes and not request.tail:
        raise Fault("too_large")
    body = _whole(line, read[end + 4 :], length)
    return HttpResponse(status, headers, body[-request.max_bytes :]), keeps and len(body) == length


def _parse(head: bytes) -> tuple[int, list[tuple[str, str]], bool]:
    first, *lines = head.decode("latin-1").split("\r\n")
    if not first.startswith("HTTP/1.") or not first[9:12].isdigit():
        raise Fault("reset", "the answer is not HTTP/1.1")
    headers: list[tuple[str, str]] = []
    keeps = first.startswith("HTTP/1.1")
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or name != name.strip():
            raise Fault("reset", "a header of the answer is malformed")
        name, value = name.lower(), value.strip()
        headers.append((name, value))
        if name == "connection" and value.lower() == "close":
            keeps = False
    return int(first[9:12]), headers, keeps


def _length(headers: list[tuple[str, str]]) -> int | None:
    """The length of the body where the head says one, and nothing else says otherwise."""
    lengths = {value for name, value in headers if name == "content-length"}
    if len(lengths) != 1 or any(name == "transfer-encoding" for name, _ in headers):
        return None
    [length] = lengths
    return int(length) if length.isascii() and length.isdigit() else None


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
