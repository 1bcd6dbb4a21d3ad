"""Beam's Job API as a door: unmodified SDK programs submit through the server and watch their job there."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import grpc
import pytest
from apache_beam.portability.api import beam_job_api_pb2 as api
from apache_beam.portability.api import beam_job_api_pb2_grpc as stubs

import sdk_program
from conftest import EXAMPLES, Server, Service, pause, token
from real_server import until
from test_contract import FAILING, SLOW, TEXT, counted, written

Door = tuple[Server, str]

WATCHED = """
import sys, apache_beam as beam
from apache_beam.metrics import Metrics
from apache_beam.options.pipeline_options import PipelineOptions
class Count(beam.DoFn):
    def process(self, x):
        Metrics.counter("demo", "seen").inc()
        Metrics.distribution("demo", "sizes").update(x)
        yield x
p = beam.Pipeline(options=PipelineOptions(sys.argv[1:]))
p | beam.Create([1, 2, 300]) | "Seen" >> beam.ParDo(Count())
result = p.run()
print("state", result.wait_until_finish())
for kind, rows in result.metrics().query().items():
    for row in rows:
        print(kind, row.key.step, row.key.metric.name, row.committed)
"""

CANCELED = SLOW.replace(
    "with beam.Pipeline(options=PipelineOptions(sys.argv[1:])) as p:\n    p | ",
    "p = beam.Pipeline(options=PipelineOptions(sys.argv[1:]))\np | ",
)


def program(door: Door, code: str | Path, *options: str) -> subprocess.CompletedProcess[str]:
    """An SDK program that is told the runner and the endpoint, and nothing else."""
    path = code if isinstance(code, Path) else door[0].folder / "program.py"
    if isinstance(code, str):
        path.write_text(code, encoding="utf-8")
    return sdk_program.ended(path, door[1], *options)


def jobs(server: Server) -> list[Any]:
    """The jobs submitted through the server."""
    _, answer = server.call("GET", "/jobs?limit=50")
    return [job for job in answer["data"]["jobs"] if job["origin"] == "submitted"]


def test_an_unmodified_program_submits_and_watches(door: Door, services: dict[str, Service]) -> None:
    server, out = door[0], door[0].folder / "counts"
    options = [f"--input={TEXT}", f"--output={out}", "--job_name=through-the-door"]
    done = program(door, EXAMPLES / "wordcount.py", *options)
    assert done.returncode == 0, done.stderr
    assert "ended in state DONE" in done.stderr
    assert written(out) == counted(TEXT)
    [job] = jobs(server)
    assert (job["state"], job["name"], job["target"]) == ("FINISHED", "through-the-door", "prism")
    assert len(services["prism"].jobs(token(job["job_id"]))) == 1


def test_metrics_come_back_through_the_door(door: Door) -> None:
    done = program(door, WATCHED)
    assert "state DONE" in done.stdout, done.stderr
    assert "counters Seen seen 3" in done.stdout, done.stdout
    assert "sum=303, count=3, min=1, max=300" in done.stdout, done.stdout


def test_a_failure_comes_back_in_its_own_words(door: Door) -> None:
    done = program(door, FAILING)
    assert done.returncode != 0
    assert "bad 7 [while running 'Map(check)']" in done.stderr, done.stderr[-2000:]


def test_a_cancel_through_the_door_ends_the_job(door: Door) -> None:
    server, mark = door[0], door[0].folder / "mark"
    code = CANCELED.format(mark=str(mark), each=0.2, count=500)
    code += f"""
import os
result = p.run()
while not os.path.exists({str(mark)!r}): time.sleep(0.1)
result.cancel()
print("state", result.wait_until_finish())
"""
    done = program(door, code)
    # Beam's own client raises for every end but DONE.
    assert "failed in state CANCELLED" in done.stderr, done.stderr[-2000:]
    [job] = jobs(server)
    assert (job["state"], job["ended_by"]) == ("CANCELED", "cancel")
    seen = mark.read_text()
    pause(1)
    assert len(mark.read_text()) <= len(seen) + 1


def test_run_twice_runs_once_here(door: Door, services: dict[str, Service]) -> None:
    """Surprise 16, turned around: at our door the second `Run` answers with the first job."""
    server, prism = door[0], services["prism"]
    job_id = server.submit("prism", FAILING)
    server.ended(job_id)
    [there] = prism.jobs(token(job_id))
    pipeline = prism.stub().GetPipeline(api.GetJobPipelineRequest(job_id=there.job_id)).pipeline
    with grpc.insecure_channel(door[1]) as channel:
        stub = stubs.JobServiceStub(channel)
        prepared = stub.Prepare(api.PrepareJobRequest(pipeline=pipeline, job_name="twice"))
        run = api.RunJobRequest(preparation_id=prepared.preparation_id)
        first, second = stub.Run(run).job_id, stub.Run(run).job_id
        assert first == second
        until(lambda: server.job(first)["state"] == "FAILED", "it has run")
        assert len(prism.jobs(token(first))) == 1
        shown = {job.job_id: job.state for job in stub.GetJobs(api.GetJobsRequest()).job_info}
        assert shown[first] == api.JobState.FAILED


def test_what_the_door_cannot_do_is_refused(door: Door) -> None:
    with grpc.insecure_channel(door[1]) as channel:
        stub = stubs.JobServiceStub(channel)
        cases = [
            (stub.Run, api.RunJobRequest(preparation_id="x"), grpc.StatusCode.NOT_FOUND),
            (stub.GetState, api.GetJobStateRequest(job_id="x"), grpc.StatusCode.INVALID_ARGUMENT),
            (stub.GetPipeline, api.GetJobPipelineRequest(job_id="x"), grpc.StatusCode.UNIMPLEMENTED),
        ]
        for call, request, code in cases:
            with pytest.raises(grpc.RpcError) as refused:
                call(request, timeout=10)
            assert refused.value.code() == code, refused.value  # type: ignore[attr-defined]
            assert refused.value.details()  # type: ignore[attr-defined]
