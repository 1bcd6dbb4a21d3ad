"""What a rig watches while it troubles a server: healthy callers beside the trouble, and the server's own process."""

from __future__ import annotations

import http.client
import os
import threading
import time
from dataclasses import dataclass, field


def quantile(times: list[float], share: float) -> float:
    """In milliseconds."""
    ordered = sorted(times)
    return 1000 * ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0


@dataclass
class Healthy:
    """One caller that asks at a steady rate over one connection and opens another when that is closed."""

    port: int
    path: str
    rate: float = 100.0
    took: list[float] = field(default_factory=list)
    failed: int = 0
    reconnected: int = 0

    def __post_init__(self) -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)

    def ask(self) -> None:
        """One call. A kept connection may be closed at any time: a safe call is then sent once more."""
        for attempt in range(2):
            try:
                self.connection.request("GET", self.path)
                answer = self.connection.getresponse()
                answer.read()
            except (OSError, http.client.HTTPException):
                self.connection.close()
                self.reconnected += 1
                if attempt:
                    self.failed += 1
            else:
                self.failed += answer.status != 200
                return

    def run(self, seconds: float) -> Healthy:
        """Calls are timed from when each was due, so that a stall counts for all that waited behind it."""
        begun = time.monotonic()
        for number in range(int(seconds * self.rate)):
            due = begun + number / self.rate
            time.sleep(max(0.0, due - time.monotonic()))
            self.ask()
            self.took.append(time.monotonic() - due)
        return self


class Process:
    """Memory and processor time of a process, sampled until told to stop."""

    def __init__(self, pid: int) -> None:
        self.pid, self.most = pid, 0.0
        self.ended = threading.Event()
        self.begun, self.cpu = time.monotonic(), self.cpu_seconds()
        self.first = self.rss()
        self.thread = threading.Thread(target=self.sample)
        self.thread.start()

    def rss(self) -> float:
        """Resident memory in MB."""
        with open(f"/proc/{self.pid}/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6

    def cpu_seconds(self) -> float:
        """Processor time so far."""
        with open(f"/proc/{self.pid}/stat", encoding="ascii") as file:
            fields = file.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def sample(self) -> None:
        """Keeps the most memory seen."""
        while not self.ended.wait(0.1):
            self.most = max(self.most, self.rss())

    def end(self) -> float:
        """Cores used on average."""
        self.ended.set()
        self.thread.join()
        return (self.cpu_seconds() - self.cpu) / (time.monotonic() - self.begun)


def table(rows: list[dict[str, object]]) -> None:
    """Prints rows under their names."""
    texts = [list(rows[0])] + [[str(value) for value in row.values()] for row in rows]
    widths = [max(map(len, column)) for column in zip(*texts, strict=True)]
    for line in texts:
        print("  ".join(text.rjust(width) for text, width in zip(line, widths, strict=True)), flush=True)
