"""The lines of one request to a server behind a pipe."""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue

from ..transport import Abort, Fault

MOST_UNREAD = 64 << 20
"""Bytes that wait for the reader of one stream; one line may be longer."""
LINES = [("content-type", "application/x-ndjson")]


class LineStream:
    """What comes for one request, and what the server asks while it is read."""

    def __init__(
        self,
        leave: Callable[[], None] = lambda: None,
        question: Callable[[], bytes | None] = lambda: None,
    ) -> None:
        self.status, self.headers, self.subscribes = 200, LINES, False
        self._lines: SimpleQueue[bytes | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._unread = 0
        self._full = False
        self._leave, self._question = leave, question

    def put(self, line: bytes | None) -> None:
        """The next line; `None` at the end of the program.

        Nobody waits for a slow reader: all calls share the pipe, also the one that the reader may be about to make.
        """
        with self._lock:
            if line and self._full:
                return
            if line:
                self._unread += len(line)
                self._full = self._unread > max(MOST_UNREAD, len(line))
            self._lines.put(None if self._full else line)

    def nudge(self) -> None:
        """Makes a reader that waits look for a question."""
        if self._lines.empty():
            self.put(b"")

    def read(self, timeout: float, abort: Abort | None = None) -> bytes:
        """A line; nothing at the end."""
        if question := self._question():
            return question
        try:
            if abort is None:
                line = self._lines.get(timeout=timeout)
            else:
                with abort.ends_with(lambda: self.put(b"")):
                    line = self._lines.get(timeout=timeout)
        except Empty:
            raise TimeoutError from None
        if line == b"":
            return self._nudged(abort)
        if line is None:
            self.put(None)
            if self._full:
                raise Fault("too_large", "the server's lines come faster than they are read")
        with self._lock:
            self._unread -= len(line or b"")
        return line or b""

    def _nudged(self, abort: Abort | None) -> bytes:
        question = None if abort is not None and abort.aborted else self._question()
        if question is None:
            raise TimeoutError
        return question

    def close(self) -> None:
        """Leaves the rest alone."""
        self._leave()
