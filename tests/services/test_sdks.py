"""Programs of Beam's other SDKs at our door, and Beam's Java job server as a target, all of them real."""

from __future__ import annotations

import os
import re
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import apache_beam as beam
import capability_matrix
import grpc
import pytest
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.portability.api import beam_job_api_pb2 as api
from google.protobuf.struct_pb2 import Struct

from conftest import EXAMPLES, Server, Service, token
from real_server import until
from test_contract import FAILING, SLOW, TEXT, counted, written
from test_door import WATCHED, jobs

Door = tuple[Server, str]
DOORS = pytest.mark.parametrize("loopback_door", ["prism", "java"], indirect=True)


def run(*command: str) -> subprocess.CompletedProcess[str]:
    """A program and how it ended."""
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=240)


def told(door: Door, out: Path) -> list[str]:
    """What a program is told: what to count, and nothing of the target but the door."""
    return [f"--input={TEXT}", f"--output={out}"]


def counts_of(files: list[Path]) -> Counter[str]:
    """What a program wrote."""
    lines = [line for file in files for line in file.read_text().splitlines()]
    return Counter({word: int(count) for word, _, count in (line.partition(": ") for line in lines)})


def check_job(server: Server) -> Any:
    """The one job that came through the door, ended well and with its metrics."""
    [job] = jobs(server)
    view = server.ended(job["job_id"])
    assert view["state"] == "FINISHED", view
    _, answer = server.call("GET", f"/jobs/{job['job_id']}/metrics")
    user = {metric["name"]: metric for metric in answer["data"]["user"]}
    total = sum(counted(TEXT).values())
    assert total in (user["words"].get("committed"), user["words"].get("attempted")), user
    return view


@DOORS
def test_a_go_program_counts_right(loopback_door: Door) -> None:
    server, endpoint = loopback_door
    out = server.folder / "counts-go"
    where = ["--runner=universal", f"--endpoint={endpoint}", "--environment_type=LOOPBACK"]
    done = run(os.environ["GO_PROGRAM"], *told(loopback_door, out), *where)
    assert done.returncode == 0, done.stderr[-3000:]
    assert counts_of([out]) == counted(TEXT)
    check_job(server)


@pytest.mark.parametrize("loopback_door", ["prism"], indirect=True)
def test_a_java_program_counts_right(loopback_door: Door) -> None:
    server, endpoint = loopback_door
    out = server.folder / "counts-java"
    where = ["--runner=PortableRunner", f"--jobEndpoint={endpoint}", "--defaultEnvironmentType=LOOPBACK"]
    main = ["java", "-cp", os.environ["JAVA_PROGRAM"], "org.beammcp.tests.WordCount"]
    done = run(*main, *told(loopback_door, out), *where)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "ended in state DONE" in done.stdout, done.stdout
    assert counts_of(list(out.parent.glob(f"{out.name}*"))) == counted(TEXT)
    check_job(server)


@pytest.mark.parametrize("loopback_door", ["prism"], indirect=True)
def test_a_program_without_workers_of_its_own_is_told_so(loopback_door: Door) -> None:
    server, endpoint = loopback_door
    where = ["--runner=universal", f"--endpoint={endpoint}", "--worker_binary=/bin/true"]
    done = run(os.environ["GO_PROGRAM"], *told(loopback_door, server.folder / "counts"), *where)
    assert done.returncode != 0
    assert "--environment_type=LOOPBACK" in done.stderr, done.stderr[-3000:]
    (server.roots / "job.py").write_text(WATCHED)
    status, answer = server.call("POST", "/jobs", {"target": "prism", "code_path": "job.py"})
    assert (status >= 400, answer["error"]["details"]["reason"]) == (True, "only_at_the_door"), answer


def test_the_java_job_server_runs_python(java_server: Server, java_service: Service) -> None:
    (java_server.roots / "wordcount.py").write_text((EXAMPLES / "wordcount.py").read_text())
    out = java_server.folder / "counts"
    options = {"input": str(TEXT), "output": str(out), "parallelism": 1}
    job_id = java_server.submit("java", Path("wordcount.py"), pipeline_options=options)
    job = java_server.ended(job_id)
    assert (job["state"], job["runner_state"]) == ("FINISHED", "DONE"), job
    assert written(out) == counted(TEXT)
    assert len(java_service.jobs(token(job_id))) == 1
    _, answer = java_server.call("GET", f"/jobs/{job_id}/metrics")
    user = {metric["name"]: metric for metric in answer["data"]["user"]}
    assert user["words"]["attempted"] == sum(counted(TEXT).values())


def test_the_java_job_server_runs_what_was_prepared_once(java_service: Service) -> None:
    """Not as the other services (surprise 16): it forgets a preparation with its first `Run`."""
    options = ["--environment_type=EXTERNAL", "--environment_config=127.0.0.1:9"]
    pipeline = beam.Pipeline(options=PipelineOptions(["--runner=PortableRunner", "--job_endpoint=none", *options]))
    _ = pipeline | beam.Impulse()
    stub = java_service.stub()
    wanted = api.PrepareJobRequest(pipeline=pipeline.to_runner_api(), job_name="twice", pipeline_options=Struct())
    run = api.RunJobRequest(preparation_id=stub.Prepare(wanted, timeout=60).preparation_id)
    before = {job.job_id for job in stub.GetJobs(api.GetJobsRequest(), timeout=10).job_info}
    first = stub.Run(run, timeout=60).job_id
    unknown = api.CancelJobRequest(job_id="none")
    for call, request in [(stub.Run, run), (stub.Run, api.RunJobRequest(preparation_id="none")), (stub.Cancel, unknown)]:
        with pytest.raises(grpc.RpcError) as refused:
            call(request, timeout=10)
        assert refused.value.code() == grpc.StatusCode.NOT_FOUND, refused.value
    with pytest.raises(grpc.RpcError) as undrained:
        stub.Drain(api.DrainJobRequest(job_id=first), timeout=10)
    assert undrained.value.code() == grpc.StatusCode.UNIMPLEMENTED
    after = {job.job_id for job in stub.GetJobs(api.GetJobsRequest(), timeout=10).job_info}
    assert after - before == {first}
    stub.Cancel(api.CancelJobRequest(job_id=first), timeout=30)


def test_the_java_job_server_says_why_a_job_failed(java_server: Server) -> None:
    job = java_server.ended(java_server.submit("java", FAILING))
    assert job["state"] == "FAILED"
    assert "bad 7" in job["diagnostics"], job


def test_the_java_job_server_cancels(java_server: Server, java_service: Service) -> None:
    mark = java_server.folder / "mark"
    job_id = java_server.submit("java", SLOW.format(mark=str(mark), each=0.2, count=500))
    until(mark.exists, "it works")
    status, answer = java_server.call("POST", f"/jobs/{job_id}/cancel", {"mode": "cancel"})
    assert (status, answer["state"]) == (200, "CANCELED"), answer


def test_the_java_job_server_is_held_to_its_capabilities(java_server: Server) -> None:
    _, answer = java_server.call("GET", "/runners")
    [row] = [one for one in answer["data"]["runners"] if one["name"] == "java"]
    assert row["facts"]["service"] == "java", row
    job_id = java_server.submit("java", SLOW.format(mark=str(java_server.folder / "mark"), each=0.1, count=30))
    said = capability_matrix.check(java_server.call, "java", job_id)
    assert "drain" not in said
    assert re.match(r"FINISHED|RUNNING", java_server.ended(job_id)["state"])
