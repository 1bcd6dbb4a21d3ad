"""The processes of a cluster that start-runners.sh has started: killed, frozen, and started again as they were."""

from __future__ import annotations

import os
import signal
from pathlib import Path


class Daemon:
    """One of them, by the name of its pid file."""

    def __init__(self, folder: str | Path, name: str) -> None:
        self.recorded = Path(folder) / f"{name}.pid"
        self.name = name
        self._command: list[bytes] = []
        self._environment: dict[bytes, bytes] = {}

    @property
    def pid(self) -> int:
        """Its id now."""
        return int(self.recorded.read_text())

    def kill(self) -> None:
        """Ends it without warning; what is needed to start it again is kept."""
        pid = self.pid
        self._command = Path(f"/proc/{pid}/cmdline").read_bytes().rstrip(b"\0").split(b"\0")
        variables = Path(f"/proc/{pid}/environ").read_bytes().rstrip(b"\0").split(b"\0")
        self._environment = dict(variable.split(b"=", 1) for variable in variables)
        os.kill(pid, signal.SIGKILL)

    def start(self) -> None:
        """Starts it again after a kill."""
        out = (os.POSIX_SPAWN_OPEN, 1, str(self.recorded.with_suffix(".out")), os.O_WRONLY | os.O_APPEND, 0o600)
        same, none = (os.POSIX_SPAWN_DUP2, 1, 2), (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0)
        command, environment = self._command, self._environment
        pid = os.posix_spawn(command[0], command, environment, setsid=True, file_actions=[out, same, none])
        self.recorded.write_text(f"{pid}\n")

    def freeze(self) -> None:
        """It keeps its connections and does nothing."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """It goes on."""
        os.kill(self.pid, signal.SIGCONT)
