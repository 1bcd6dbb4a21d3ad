"""The runs of pip of a worker pool, which end with the pool: an index that is silent holds nobody up."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading

from . import worker_environment

QUIETLY = ("--quiet", "--no-input", "--disable-pip-version-check")
INSTALL_S = 600.0


class Pip:
    """Runs `pip install`, several at a time, until it is closed."""

    def __init__(self) -> None:
        self._running: list[subprocess.Popen[str]] = []
        self._lock = threading.Lock()
        self._closed = False

    def install(self, found: str, packages: str, *words: str) -> str:
        """The output of `pip install`; what lies in `found` comes before what an index offers."""
        command = [sys.executable, "-m", "pip", "install", *QUIETLY, "--find-links", found, *words]
        with self._begun(command, {**worker_environment.of_pip(), "PYTHONPATH": packages}) as run:
            try:
                output, said = run.communicate(timeout=INSTALL_S)
            except BaseException:
                _kill(run)
                raise
            finally:
                with self._lock:
                    self._running.remove(run)
        if run.returncode != 0:
            raise _failed(said)
        return output

    def _begun(self, command: list[str], environment: dict[str, str]) -> subprocess.Popen[str]:
        with self._lock:
            if self._closed:
                raise RuntimeError("the worker pool is ending")
            run = subprocess.Popen(  # noqa: S603 - pip, and files that were fetched
                command,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                start_new_session=True,
            )
            self._running.append(run)
        return run

    def close(self) -> None:
        """Ends what runs, with the builds it began, and starts no more."""
        with self._lock:
            self._closed = True
            for run in self._running:
                _kill(run)


def _kill(run: subprocess.Popen[str]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(run.pid, signal.SIGKILL)


def _failed(said: str) -> RuntimeError:
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    with contextlib.suppress(ValueError):
        print(said, file=sys.stderr)
    reason = next((line for line in reversed(lines) if "ERROR" in line), lines[-1] if lines else "")
    return RuntimeError(f"the packages of the pipeline cannot be installed: {reason}")
