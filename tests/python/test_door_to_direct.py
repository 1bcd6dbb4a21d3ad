"""Beam's Job API as a door to a Direct target: an unmodified SDK program, and a server that runs its pipeline."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc  # type: ignore[import-untyped]
import pytest
from apache_beam.portability.api import beam_artifact_api_pb2 as artifacts
from apache_beam.portability.api import beam_artifact_api_pb2_grpc as staging
from apache_beam.portability.api import beam_job_api_pb2 as api
from apache_beam.portability.api import beam_job_api_pb2_grpc as stubs

import sdk_program
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

LINES = 10_000
TALKS = f"""
import logging, sys, apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions
logging.getLogger().setLevel(logging.INFO)
def talk(count):
    for number in range(count):
        print("line", number, "x" * (number % 977))
with beam.Pipeline(options=PipelineOptions(sys.argv[1:])) as p:
    p | beam.Create([{LINES}]) | beam.Map(talk)
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
    return sdk_program.ended(path, door[1], *options)


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


def test_every_line_comes_back_however_many_a_job_ends_with(door: Door) -> None:
    path = door[0].folder / "talks.py"
    path.write_text(TALKS)
    done = sdk_program.ended(path, door[1])
    heard = [
        int(number) for number in re.findall(r"\bline (\d+)(?: x+)?$", done.stderr, re.MULTILINE)
    ]
    assert heard == list(range(LINES)), done.stderr[-3000:]


def test_the_states_of_a_job_end_before_its_messages(door: Door) -> None:
    """A Python program leaves with its last message; gRPC may stand if its states still end then."""
    program(door, [1])
    [job] = jobs(door[0])
    with grpc.insecure_channel(door[1]) as channel:
        asked = api.JobMessagesRequest(job_id=job["job_id"])
        began = time.monotonic()
        stub = stubs.JobServiceStub(channel)  # type: ignore[no-untyped-call]
        list(stub.GetMessageStream(asked, timeout=30))
    # Longer than the states, told every half second, take to end.
    assert time.monotonic() - began > 0.9


def test_the_stream_of_files_ends_behind_its_first_word(door: Door) -> None:
    """Java's SDK speaks first, and fails where the stream has ended by then."""

    def late() -> Iterator[artifacts.ArtifactResponseWrapper]:
        time.sleep(0.5)
        yield artifacts.ArtifactResponseWrapper(staging_token="any")

    with grpc.insecure_channel(door[1]) as channel:
        stub = staging.ArtifactStagingServiceStub(channel)  # type: ignore[no-untyped-call]
        began = time.monotonic()
        assert not list(stub.ReverseArtifactRetrievalService(late(), timeout=30))
    assert time.monotonic() - began >= 0.5


def test_workers_elsewhere_are_refused_and_nothing_is_stored(door: Door) -> None:
    done = program(door, [1], "--environment_type=EXTERNAL", "--environment_config=127.0.0.1:9")
    assert done.returncode != 0
    assert "the target runs them in `embedded_python`" in done.stderr, done.stderr[-3000:]
    assert not jobs(door[0])
