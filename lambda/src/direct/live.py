"""The metrics of pipelines that go on, for runners that tell them before the end, as Prism does.

Beam's own runner returns when the pipeline has ended: nothing of this is loaded for it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

SECONDS = 2.0
PATIENCE_SECONDS = 5.0


class Live:
    """Writes what is read, every two seconds from the first pipeline that goes on until the end."""

    def __init__(self, read: Callable[[], Any], write: Callable[[Any], None]) -> None:
        self._read, self._write = read, write
        self._over = threading.Event()
        self._begun = threading.Lock()
        self._thread: threading.Thread | None = None

    def begin(self) -> None:
        """Also when several threads of the program start pipelines, there is one that watches."""
        with self._begun:
            if self._thread is None:
                self._thread = threading.Thread(target=self._watch, name="beam-mcp", daemon=True)
                self._thread.start()

    def _watch(self) -> None:
        while not self._over.wait(SECONDS):
            found = self._read()
            if found is not None:
                self._write(found)

    def end(self) -> None:
        """What is read then is not waited for longer than a runner that answers needs."""
        self._over.set()
        with self._begun:
            if self._thread is not None:
                self._thread.join(PATIENCE_SECONDS)
