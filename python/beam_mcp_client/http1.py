"""The default transport: a pool of kept connections to one server.

It sends once, follows no redirect, uses no proxy of the environment and repeats nothing.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import socket
import ssl
import string
import time
from collections.abc import Generator
from dataclasses import dataclass, field
from urllib.parse import quote, urlsplit

from .pieces import LineAnswer
from .transport import Abort, Fault, HttpRequest, HttpResponse
from .wire import Head, Line, read, read_head, size, stream

CONNECT_S = 10.0
"""Longest time a connection may take to come about."""
MOST_IDLE = 8
"""Connections kept for later."""


@contextlib.contextmanager
def _faults() -> Generator[None]:
    """What an exchange runs into, in the core's words."""
    try:
        yield
    except TimeoutError as error:
        raise Fault("timeout") from error
    except (http.client.HTTPException, OSError) as error:
        raise Fault("reset", type(error).__name__) from error


@dataclass
class HttpTransport:
    """Sends to one server. Safe to use from many threads."""

    url: str
    verify_ssl: bool = True
    ca_file: str | None = None
    _idle: list[Line] = field(default_factory=list[Line], repr=False)

    def __post_init__(self) -> None:
        self._pid = os.getpid()
        tls, host, port, self._prefix = _cut(self.url)
        self._address = (host, port or (443 if tls else 80))
        name = f"[{host}]" if ":" in host else host
        self._host = f"host: {name}\r\n" if port is None else f"host: {name}:{port}\r\n"
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
        if reusable:
            self._rest(line)
        else:
            line.sock.close()
        return response

    def open(self, request: HttpRequest, abort: Abort | None = None) -> LineAnswer:
        """Sends once and reads the head of the answer; the body is read from what is returned."""
        line = self._take() or self._connect(request.timeout)
        line.deadline = time.monotonic() + request.timeout
        try:
            with (abort or Abort()).ends_with(line.shut):
                head, _, arrived = self._heard(line, request)
            return LineAnswer(line, head, arrived, self._rest)
        except BaseException:
            line.sock.close()
            raise

    def _rest(self, line: Line) -> None:
        """Keeps a connection for later."""
        if len(self._idle) < MOST_IDLE:
            line.since = time.monotonic()
            self._idle.append(line)
        else:
            line.sock.close()

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
        with _faults():
            self._write(line, request)
            return read(line, request)

    def _heard(self, line: Line, request: HttpRequest) -> tuple[Head, bytes, bytes]:
        with _faults():
            self._write(line, request)
            return read_head(line)

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
                line.send(self._head(request, sum(map(size, pieces))))
                with contextlib.suppress(ConnectionError):  # an early refusal is worth reading
                    for piece in pieces:
                        stream(line, piece)
        except FileNotFoundError as error:
            raise Fault("source", str(error)) from error

    def _head(self, request: HttpRequest, length: int) -> bytes:
        lines = [f"{name}: {value}\r\n" for name, value in request.headers]
        if length or request.method not in {"GET", "DELETE"}:
            lines.append(f"content-length: {length}\r\n")
        head = f"{request.method} {self._prefix}{request.path} HTTP/1.1\r\n{self._host}{''.join(lines)}\r\n"
        if head.count("\n") != len(lines) + 3 or head.count("\r") != len(lines) + 3:
            raise Fault("credential", "a header has a line break")
        try:
            return head.encode("latin-1")
        except UnicodeEncodeError:
            raise Fault("credential", "a header has a character that HTTP cannot carry") from None


def named(url: str, verify_ssl: bool = True, ca_file: str | None = None) -> HttpTransport:
    """The way to a server that another one named; raises `Fault` where that is no address."""
    try:
        return HttpTransport(url, verify_ssl, ca_file)
    except ValueError as error:
        raise Fault("unreachable", str(error)) from error


def _cut(url: str) -> tuple[bool, str, int | None, str]:
    """Whether a server's URL is that of TLS, its host as DNS knows it, its port, and the path before all others."""
    with contextlib.suppress(ValueError):  # each of the steps has one in words of its own
        parts = urlsplit(url)
        if parts.scheme in {"http", "https"} and _plain(parts.hostname) and not parts.username:
            host = str(parts.hostname).encode("idna").decode()
            prefix = quote(parts.path.rstrip("/"), safe=string.punctuation)
            return parts.scheme == "https", host, parts.port, prefix
    raise ValueError(f"{url!r} is no http:// or https:// URL of a server")


def _plain(host: str | None) -> bool:
    return bool(host) and str(host).isprintable()
