"""A program of Beam's Python SDK that is told the runner and the endpoint of a door, and nothing else."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path


def command(path: Path, endpoint: str, *options: str, python: str = sys.executable) -> list[str]:
    """What starts it."""
    told = ["--runner=PortableRunner", f"--job_endpoint={endpoint}"]
    return [python, str(path), *told, *options]


def ended(
    path: Path, endpoint: str, *options: str, python: str = sys.executable, within: float = 90
) -> subprocess.CompletedProcess[str]:
    """The program, run to its end. One that stands is asked where, and fails the test with that."""
    words = command(path, endpoint, *options, python=python)
    tells = {**os.environ, "PYTHONFAULTHANDLER": "1"}
    with subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=tells
    ) as process:
        try:
            out, err = process.communicate(timeout=within)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"stands after {within:g} s:\n{where(process)}") from None
        except BaseException:
            process.kill()
            raise
    return subprocess.CompletedProcess(words, process.returncode, out, err)


def where(process: subprocess.Popen[str]) -> str:
    """What a program wrote, and where it stands; it is gone then."""
    process.send_signal(signal.SIGABRT)
    try:
        return "\n".join(process.communicate(timeout=10))
    except subprocess.TimeoutExpired:
        process.kill()
        return "it does not say where"
