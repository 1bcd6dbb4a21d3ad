"""How long commands show that they are alive: one moving line on a terminal, plain lines elsewhere."""

from __future__ import annotations

import itertools
import sys
import threading
import time
from types import TracebackType

from .._typing import Self
from .show import printable

FRAMES = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
FRAME_S = 0.1


class Progress:
    """A line on standard error that says what is going on and for how long."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._started = time.monotonic()
        self._moves = sys.stderr.isatty()
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._draw, daemon=True)

    def __enter__(self) -> Self:
        if self._moves:
            self._thread.start()
        else:
            self._line()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._end.set()
        if self._moves:
            self._thread.join()
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()

    def say(self, text: str) -> None:
        """Says something else from now on."""
        if text == self._text:
            return
        self._text = printable(text).replace("\n", " ")
        if not self._moves:
            self._line()

    def _line(self) -> None:
        print(f"{self._elapsed()} {self._text}", file=sys.stderr, flush=True)

    def _elapsed(self) -> str:
        minutes, seconds = divmod(int(time.monotonic() - self._started), 60)
        return f"{minutes:02}:{seconds:02}"

    def _draw(self) -> None:
        for frame in itertools.cycle(FRAMES):
            sys.stderr.write(f"\r\x1b[K{frame} {self._elapsed()} {self._text}")
            sys.stderr.flush()
            if self._end.wait(FRAME_S):
                return
