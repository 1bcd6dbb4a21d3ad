"""A child of the Direct runner, started as the server starts it.

The interpreter with apache-beam comes from BEAM_PYTHON (default: this one).
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[2]
WRAPPER = ROOT / "lambda" / "src" / "direct" / "wrapper.py"
WORDCOUNT = ROOT / "examples" / "wordcount.py"
PLAY = ROOT / "examples" / "data" / "as_you_like_it.txt"
PYTHON = os.environ.get("BEAM_PYTHON", sys.executable)
RUNNER = "--runner=FnApiRunner"
WORKERS = (RUNNER, "--direct_running_mode=multi_processing", "--direct_num_workers=2")
DEADLINE = 120.0

COUNT_TO = """
import apache_beam as beam
from apache_beam.metrics import Metrics
from apache_beam.options.pipeline_options import PipelineOptions

class Seen(beam.DoFn):
    def process(self, element):
        Metrics.counter("t", "seen").inc()
        Metrics.distribution("t", "size").update(element)
        yield element

def count_to(n, **options):
    p = beam.Pipeline(options=PipelineOptions(**options))
    p | beam.Create(range(n)) | "Seen" >> beam.ParDo(Seen())
    return p
"""


class Ended(NamedTuple):
    code: int
    folder: Path

    @property
    def result(self) -> Any:
        return json.loads((self.folder / "result.json").read_text(encoding="utf-8"))

    @property
    def stdout(self) -> str:
        return (self.folder / "stdout.log").read_text(encoding="utf-8")

    @property
    def stderr(self) -> str:
        return (self.folder / "stderr.log").read_text(encoding="utf-8")


class Job:
    """Stands in for the server: own session, cleared environment, logs in files, stdin a pipe."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.process: subprocess.Popen[bytes] | None = None

    def write(self, name: str, *parts: str) -> str:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(textwrap.dedent(part) for part in parts), encoding="utf-8")
        return str(path)

    def start(
        self, *argv: str, env: dict[str, str] | None = None, flags: tuple[str, ...] = ("-I",)
    ) -> subprocess.Popen[bytes]:
        self.kill()
        out, err = self.folder / "stdout.log", self.folder / "stderr.log"
        with out.open("wb") as stdout, err.open("wb") as stderr:
            self.process = subprocess.Popen(
                [PYTHON, *flags, str(WRAPPER), str(self.folder), *argv],
                cwd=self.folder,
                env={**self.environment(), **(env or {})},
                stdin=subprocess.PIPE,
                stdout=stdout,
                stderr=stderr,
                start_new_session=True,
            )
        return self.process

    def environment(self) -> dict[str, str]:
        return {
            "PATH": f"{Path(PYTHON).parent}:/usr/bin:/bin",
            "LANG": "C.UTF-8",
            "HOME": str(self.folder),
            "TMPDIR": str(self.folder),
        }

    def release(self) -> None:
        assert self.process is not None
        assert self.process.stdin is not None
        self.process.stdin.write(b"R")
        self.process.stdin.flush()

    def run(self, *argv: str, env: dict[str, str] | None = None) -> Ended:
        process = self.start(*argv, env=env)
        self.release()
        return Ended(process.wait(DEADLINE), self.folder)

    def script(self, *parts: str, args: tuple[str, ...] = (RUNNER,)) -> Ended:
        return self.run("script", self.write("code/main.py", *parts), *args)

    def kill(self) -> None:
        if self.process is None:
            return
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        if self.process.stdin is not None:
            self.process.stdin.close()


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.02)


def counters(result: Any) -> dict[tuple[int, str], Any]:
    return {(c["pipeline"], c["name"]): c["committed"] for c in result["metrics"]["counters"]}
