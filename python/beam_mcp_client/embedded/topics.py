"""Topics of this process: hints that something moved. What is true is re-read from the store."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

MOST_TOPICS = 4096


class Topics:
    """One sequence number counts over all topics. A forgotten topic wakes its waiters once for nothing."""

    def __init__(self) -> None:
        self._moved = threading.Condition()
        self._seq = 0
        self._floor = 0
        self._topics: dict[str, tuple[int, str]] = {}

    def publish(self, names: list[str], payload: str = "") -> None:
        """Moves topics."""
        with self._moved:
            for name in names:
                self._seq += 1
                self._topics.pop(name, None)
                self._topics[name] = (self._seq, payload)
            while len(self._topics) > MOST_TOPICS:
                oldest = next(iter(self._topics))
                self._floor = self._topics.pop(oldest)[0]
            self._moved.notify_all()

    def wake(self) -> None:
        """Lets every waiter look again."""
        with self._moved:
            self._moved.notify_all()

    def from_now(self, topics: list[list[Any]]) -> list[list[Any]]:
        """The same, where 0 was seen: from the next move on (rule 11 of the contract)."""
        with self._moved:
            return [[name, seen or self._seq] for name, seen in topics]

    def moved(self, topics: list[list[Any]]) -> list[tuple[str, int, str]]:
        """The topics that moved past what was seen of them."""
        with self._moved:
            return self._look(topics)

    def wait(self, topics: list[list[Any]], seconds: float, given_up: Callable[[], bool]) -> None:
        """Waits for one of them to move, or for `wake`, unless the caller has given up."""
        with self._moved:
            if not self._look(topics) and not given_up():
                self._moved.wait(seconds)

    def _look(self, topics: list[list[Any]]) -> list[tuple[str, int, str]]:
        found: list[tuple[str, int, str]] = []
        for name, seen in topics:
            seq, payload = self._topics.get(name, (self._floor, ""))
            if seq > seen:
                found.append((name, seq, payload))
        return found
