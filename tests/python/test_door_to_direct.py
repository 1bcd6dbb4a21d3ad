"""Beam's Job API as a door to a Direct target: an unmodified SDK program, and a server that runs its pipeline."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from real_server import RealServer, free_port

WATCHED = """
import sys, apache_beam as beam
from apache_beam.metrics import Metrics
from apache_beam.options.pipeline_options import PipelineOptions
class Count(beam.DoFn):
    def process(self, x):
        Metrics.counter("demo", "seen").inc()
        if x < 0:
            raise ValueError(f"bad {x}")
        yield x
p = beam.Pipeline(options=PipelineOptions(sys.argv[1:]))
numbers = p | beam.Create(NUMBERS) | "Seen" >> beam.ParDo(Count())
numbers | beam.Map(str) | beam.io.WriteToText(OUTPUT, shard_name_template="")
result = p.run()
print("state", result.wait_until_finish())
for row in result.metrics().query()["counters"]:
    print(row.key.step, row.key.metric.name, row.committed)
"""

Door = tuple[RealServer, str]


@pytest.fixture
def door(tmp_path: Path) -> Iterator[Door]:
    """A server whose Job API leads to a Direct target, and that endpoint."""
    port = free_port()
    config = {
        "targets": {"direct": {"runner": "direct", "python": sys.executable}},
        "job_api": {"port": port, "target": "direct"},
    }
    server = RealServer(tmp_path, config)
    server.start()
    yield server, f"127.0.0.1:{port}"
    server.kill()


def program(door: Door, numbers: list[int], *options: str) -> subprocess.CompletedProcess[str]:
    """An SDK program that is told the runner and the endpoint."""
    path = door[0].folder / "program.py"
    output = str(door[0].folder / "out.txt")
    path.write_text(WATCHED.replace("NUMBERS", repr(numbers)).replace("OUTPUT", repr(output)))
    told = ["--runner=PortableRunner", f"--job_endpoint={door[1]}", *options]
    command = [sys.executable, str(path), *told]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


def jobs(server: RealServer) -> list[Any]:
    """The jobs of the server."""
    _, answer = server.call("GET", "/jobs?limit=50")
    return list(answer["data"]["jobs"])


def test_an_unmodified_program_submits_and_watches(door: Door) -> None:
    done = program(door, [1, 2, 3], "--job_name=through-the-door")
    assert "state DONE" in done.stdout, done.stderr[-3000:]
    assert "Seen seen 3" in done.stdout, done.stdout
    assert sorted((door[0].folder / "out.txt").read_text().split()) == ["1", "2", "3"]
    [job] = jobs(door[0])
    assert (job["state"], job["name"]) == ("FINISHED", "through-the-door")


def test_a_failure_comes_back_in_its_own_words(door: Door) -> None:
    done = program(door, [1, -7])
    assert done.returncode != 0
    assert "bad -7" in done.stderr, done.stderr[-3000:]
    [job] = jobs(door[0])
    assert (job["state"], "bad -7" in job["diagnostics"]) == ("FAILED", True), job


def test_workers_elsewhere_are_refused_and_nothing_is_stored(door: Door) -> None:
    done = program(door, [1], "--environment_type=EXTERNAL", "--environment_config=127.0.0.1:9")
    assert done.returncode != 0
    assert "the target runs them in `embedded_python`" in done.stderr, done.stderr[-3000:]
    assert not jobs(door[0])
