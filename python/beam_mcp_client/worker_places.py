"""Folders with what pipelines bring, each set up once: none that is in use goes, of the others the last used stay."""

from __future__ import annotations

import contextlib
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

MOST_IDLE = 16
"""Most folders that nobody uses."""
IDLE_S = 24 * 3600.0
"""Longest such a folder stays."""
LOOK_S = 3600.0
"""How often what has been idle too long is looked for."""


@dataclass
class Place:
    """A folder, and who uses it."""

    folder: Path
    setting_up: threading.Lock = field(default_factory=threading.Lock)
    users: int = 0
    left: float = 0.0
    """When its last user left."""


class WorkerPlaces:
    """The folders of a pool, by the hash of what is in them."""

    def __init__(
        self, most_idle: int = MOST_IDLE, idle_s: float = IDLE_S, look_s: float = LOOK_S
    ) -> None:
        self.root = Path(tempfile.mkdtemp(prefix="beam-mcp-pool-"))
        self._most_idle, self._idle_s = most_idle, idle_s
        self._places: dict[str, Place] = {}
        self._lock = threading.Lock()
        self._closed = threading.Event()
        threading.Thread(target=self._look, args=(look_s,), daemon=True).start()

    def close(self) -> None:
        """Takes all of them away."""
        self._closed.set()
        # Under the lock, so that nobody who leaves meanwhile finds the root half gone.
        with self._lock:
            shutil.rmtree(self.root, ignore_errors=True)

    def enter(self, digest: str, set_up: Callable[[Path], None]) -> Place:
        """The place, set up unless it is; whoever enters it leaves it too. Two others are set up side by side."""
        with self._lock:
            place = self._places.setdefault(digest, Place(self.root / digest))
            place.users += 1
        try:
            with place.setting_up:
                if not place.folder.exists():
                    set_up(place.folder)
        except BaseException:
            self.leave(place)
            raise
        return place

    def leave(self, place: Place) -> None:
        """One user less; what has been idle too long goes, and the longest idle of too many."""
        with self._lock:
            place.users -= 1
            place.left = time.monotonic()
        self._tidy()

    def _look(self, every_s: float) -> None:
        while not self._closed.wait(every_s):
            try:
                self._tidy()
            except OSError as error:  # noqa: PERF203 - once an hour
                # A full disk, say: the next look may do better.
                print(f"idle folders of the worker pool stay: {error}", file=sys.stderr)

    def _tidy(self) -> None:
        with self._lock:
            # Once all of it is gone, so is what would be moved.
            gone = list(self._taken_out()) if self.root.exists() else []
        for folder in gone:
            shutil.rmtree(folder, ignore_errors=True)

    def _taken_out(self) -> Iterator[Path]:
        """Moves folders out of the way of whoever needs such a one again."""
        idle = [item for item in self._places.items() if not item[1].users]
        idle.sort(key=lambda item: item[1].left, reverse=True)
        oldest = time.monotonic() - self._idle_s
        for rank, (digest, place) in enumerate(idle):
            if rank >= self._most_idle or place.left < oldest or not place.folder.exists():
                del self._places[digest]
                gone = Path(tempfile.mkdtemp(prefix="gone-", dir=self.root))
                with contextlib.suppress(FileNotFoundError):
                    place.folder.rename(gone / digest)
                yield gone
