"""Faults the emulator is told to make."""

from __future__ import annotations

import threading
from dataclasses import dataclass


@dataclass
class Fault:
    """One fault of one method, so many times.

    `status` is answered in the method's place. Without one, the connection ends without an answer: before the work is
    done (`lost="request"`) or after (`lost="answer"`).
    """

    method: str
    status: int = 0
    retry_after: int | None = None
    lost: str = ""
    times: int = 1


class Faults:
    """Faults in waiting."""

    def __init__(self) -> None:
        self._waiting: list[Fault] = []
        self._lock = threading.Lock()

    def add(self, fault: Fault) -> None:
        """Makes a fault the next time its method is called."""
        with self._lock:
            self._waiting.append(fault)

    def take(self, method: str) -> Fault | None:
        """The fault of this call, if there is one. `method` is the end of the document's id."""
        with self._lock:
            for fault in self._waiting:
                if method.endswith(fault.method) and fault.times > 0:
                    fault.times -= 1
                    return fault
        return None
