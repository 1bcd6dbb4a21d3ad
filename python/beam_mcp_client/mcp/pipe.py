"""A server behind a pipe: a program whose lines are messages. The core says whose line is whose."""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import shlex
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from queue import SimpleQueue
from typing import IO, TYPE_CHECKING, Any, cast

from .._core import route
from ..pieces import WholeAnswer
from ..transport import Abort, Body, Fault, HttpRequest, HttpResponse
from .lines import LINES, LineStream

if TYPE_CHECKING:
    from ..pieces import Answer

MOST_LINE = 32 << 20
"""Longest line of a server, in bytes."""
MOST_KEPT = 64
"""Lines for nobody in particular that are kept until somebody asks something, and questions that nobody reads."""
PATIENCE = 2.0
"""Seconds a server gets to end after its input has, and again after it was told to."""
SECRETS = ("BEAM_MCP_TOKEN", "BEAM_MCP_API_KEY")
SUBSCRIBE = "subscriptions/listen"
ANYONE = 0
QUESTION = -1
SESSION = "mcp-session-id"
"""A handshake holds for one run of the program: each run is a session, as servers behind HTTP have them."""
ACCEPTED = HttpResponse(202, [], b"")
NO_SESSION = HttpResponse(404, [], b"")
"""The session is over: whoever gets this greets the program anew and asks again; nothing was written."""


class Pipe:
    """Starts a program when the first call is made, and again when it has ended before the next one."""

    def __init__(
        self,
        command: str | Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        cwd: str | os.PathLike[str] | None = None,
    ) -> None:
        """`env` is added to this process's environment; the program's errors go where this process's go.

        `BEAM_MCP_TOKEN` and `BEAM_MCP_API_KEY` are secrets of another server: only `env` can give them.
        """
        self._argv = shlex.split(command) if isinstance(command, str) else list(command)
        ours = {name: value for name, value in os.environ.items() if name not in SECRETS}
        self._env = {**ours, **(env or {})}
        self._cwd = cwd
        self._lock = threading.Lock()
        self._child: _Child | None = None
        self._runs = 0

    def send(self, request: HttpRequest, abort: Abort | None = None) -> HttpResponse:
        """Writes what is not answered; what has no body ends a session, which ends with the program.

        A program that is not there is not started for it: it would know nothing of what is ended here.
        """
        if request.body and (child := self._running(request, start=False)):
            child.write(request.body)
        return ACCEPTED

    def open(self, request: HttpRequest, abort: Abort | None = None) -> Answer:
        """Writes a request, and gives what comes for it; without a body, what comes for nobody else."""
        child = self._running(request)
        number = _request(request.body) if request.body else ANYONE
        if child is None:
            return _ended(number)
        answer = WholeAnswer(ACCEPTED) if number is None else child.listen(number)
        if isinstance(answer, LineStream):
            answer.subscribes = bool(request.body) and _method(request.body) == SUBSCRIBE
        if request.body:
            child.write(request.body)
        return answer

    def close(self) -> None:
        """Ends the program."""
        with self._lock:
            child, self._child = self._child, None
        if child is not None:
            child.end()

    def _running(self, request: HttpRequest, *, start: bool = True) -> _Child | None:
        """The program; `None` where that of the request's session has ended, or none is there and none is started."""
        session = dict(request.headers).get(SESSION)
        with self._lock:
            child = self._child
            if child is None or child.ended:
                if session is not None or not start:
                    return None
                self._runs += 1
                child = self._child = _Child(self._start(), str(self._runs))
            return child if session in (None, child.session) else None

    def _start(self) -> subprocess.Popen[bytes]:
        try:
            return subprocess.Popen(  # noqa: S603 - what the caller named
                self._argv,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env=self._env,
                cwd=self._cwd,
                # A wrapper such as `sh -c` or `npx` hands no signal on: its whole group gets it.
                start_new_session=True,
            )
        except (OSError, ValueError, IndexError) as error:
            raise Fault("refused", f"{' '.join(self._argv[:1])}: {error}") from error


def _ended(number: int | None) -> Answer:
    """What is answered for a program that has ended: nobody waits for what is no request."""
    if number == ANYONE:
        stream = LineStream()
        stream.put(None)
        return stream
    return WholeAnswer(ACCEPTED if number is None else NO_SESSION)


def _request(body: Body) -> int | None:
    """The id of what is written, where it is a request."""
    message: dict[str, Any] = json.loads(_bytes(body))
    return message.get("id") if "method" in message else None


def _method(body: Body) -> str | None:
    message: dict[str, Any] = json.loads(_bytes(body))
    return message.get("method")


def _bytes(body: Body) -> bytes:
    # A message is never a file.
    return cast("bytes", body)


class _Child:
    """One run of the program."""

    def __init__(self, process: subprocess.Popen[bytes], session: str) -> None:
        self._process, self.session = process, session
        self._stdin, self._stdout = (
            cast("IO[bytes]", process.stdin),
            cast("IO[bytes]", process.stdout),
        )
        self._lock = threading.Lock()
        self._streams: dict[int, LineStream] = {}
        self._listeners: list[LineStream] = []
        self._kept: deque[bytes] = deque(maxlen=MOST_KEPT)
        self._questions: deque[bytes] = deque(maxlen=MOST_KEPT)
        self._unwritten: SimpleQueue[bytes | None] = SimpleQueue()
        self.ended = False
        self._reader, self._writer = (
            threading.Thread(target=work, daemon=True, name="beam-mcp-pipe")
            for work in (self._read, self._write)
        )
        self._reader.start()
        self._writer.start()
        # The keys of a terminal do not reach a session of its own.
        atexit.register(self.end)

    def write(self, body: Body) -> None:
        """Writes a line, as soon as the program takes it."""
        self._unwritten.put(_bytes(body) + b"\n")

    def _write(self) -> None:
        # A program that takes nothing any more is noticed by the end of its output.
        with contextlib.suppress(OSError, ValueError):
            while line := self._unwritten.get():
                self._stdin.write(line)
                self._stdin.flush()
        with contextlib.suppress(OSError, ValueError):
            self._stdin.close()

    def listen(self, number: int) -> LineStream:
        """What comes for a request, or for nobody else."""
        stream = LineStream(lambda: self._forget(number, stream), lambda: self._question(stream))
        stream.headers = [*LINES, (SESSION, self.session)]
        with self._lock:
            if number == ANYONE:
                self._listeners.append(stream)
            else:
                self._streams[number] = stream
            while self._kept:
                stream.put(self._kept.popleft())
            if self.ended:
                stream.put(None)
        return stream

    def _forget(self, number: int, stream: LineStream) -> None:
        with self._lock:
            self._streams.pop(number, None)
            if stream in self._listeners:
                self._listeners.remove(stream)

    def _question(self, reader: LineStream) -> bytes | None:
        """What the program asks, for whoever reads now; a subscription answers nothing, if anybody else is there."""
        with self._lock:
            others = [*self._streams.values(), *self._listeners]
            if reader.subscribes and not all(other.subscribes for other in others):
                return None
            return self._questions.popleft() if self._questions else None

    def _read(self) -> None:
        line = b""
        with contextlib.suppress(OSError, ValueError):
            while (line := self._stdout.readline(MOST_LINE)).endswith(b"\n"):
                self._deliver(line)
        with self._lock:
            self.ended = True
            for stream in (*self._streams.values(), *self._listeners):
                stream.put(None)
        self._unwritten.put(None)
        # One that never ends a line is of no use any more; one that closed its output may have state to write down.
        try:
            self._process.wait(PATIENCE if len(line) < MOST_LINE else 0)
        except subprocess.TimeoutExpired:
            self._stop(kindly=False)
            self._process.wait()
        self._stdout.close()
        atexit.unregister(self.end)

    def _deliver(self, line: bytes) -> None:
        number = route(line.decode(errors="replace"))
        with self._lock:
            if number == ANYONE:
                # A subscription takes nothing without its own id, if anybody else is there.
                others = sorted(self._streams.values(), key=lambda stream: stream.subscribes)
                anyone = next(iter((*self._listeners, *others)), None)
                anyone.put(line) if anyone is not None else self._kept.append(line)
            elif number == QUESTION:
                # Not to one of them: its application may make it stand still, and the program wait for it.
                self._questions.append(line)
                for stream in (*self._streams.values(), *self._listeners):
                    stream.nudge()
            elif number in self._streams:
                self._streams[number].put(line)

    def end(self) -> None:
        """Ends the program, and what it started, first kindly."""
        self._unwritten.put(None)
        for kindly in (True, False):
            self._reader.join(PATIENCE)
            if not self._reader.is_alive():
                break
            self._stop(kindly)
        for thread in (self._reader, self._writer):
            thread.join(PATIENCE)

    def _stop(self, kindly: bool) -> None:
        if sys.platform == "win32":
            self._process.terminate()
        else:
            # The group is gone, or somebody else's by now.
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGTERM if kindly else signal.SIGKILL)
