"""The metrics of pipelines that go on, for runners that tell them before the end, as Prism does."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable

SECONDS = 2.0
PATIENCE_SECONDS = 5.0


class Live:
    """Tells every two seconds, from a pipeline that goes on until none does.

    `tell` says whether one still does; the last time tells how they ended.
    """

    def __init__(self, tell: Callable[[], bool]) -> None:
        self._tell = tell
        self._pid = os.getpid()
        self._over = threading.Event()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._asked = False

    def begin(self) -> None:
        """A pipeline goes on. A child that the program forked must not speak for it."""
        if os.getpid() != self._pid:
            return
        with self._lock:
            self._asked = True
            if self._thread is None:
                self._thread = self._start()

    def _start(self) -> threading.Thread | None:
        thread = threading.Thread(target=self._watch, name="beam-mcp", daemon=True)
        try:
            thread.start()
        except RuntimeError as error:  # too many threads: no reason to fail the program
            print(f"beam-mcp: metrics come when the job ends: {error}", file=sys.stderr)
            return None
        return thread

    def _watch(self) -> None:
        while not self._over.wait(SECONDS):
            with self._lock:
                self._asked = False
            if self._told():
                continue
            with self._lock:
                if not self._asked:
                    self._thread = None
                    return

    def _told(self) -> bool:
        try:
            return self._tell()
        except Exception as error:  # noqa: BLE001 - a full disk now is none in two seconds
            print(f"beam-mcp: metrics could not be told: {error}", file=sys.stderr)
            return True

    def end(self) -> None:
        """What is read then is not waited for longer than a runner that answers needs."""
        self._over.set()
        with self._lock:
            thread = self._thread
        if thread is not None:
            thread.join(PATIENCE_SECONDS)
