"""What the product promises about Beam's Job API, on the real services. Judged by asking them past the product.

Each lie that a service was seen to tell is a case of its own.
"""

from __future__ import annotations

import contextlib
import re
import socket
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from apache_beam.portability.api import beam_job_api_pb2 as api

import capability_matrix
from conftest import EXAMPLES, Server, Service, config, pause, token
from real_server import free_port, until

BOTH = pytest.mark.parametrize("name", ["prism", "python"])
TEXT = EXAMPLES / "data" / "as_you_like_it.txt"

SLOW = """
import sys, time, apache_beam as beam
from apache_beam.metrics import Metrics
from apache_beam.options.pipeline_options import PipelineOptions
def wait(x):
    Metrics.counter("t", "seen").inc()
    with open({mark!r}, "a") as file: file.write("x")
    time.sleep({each})
with beam.Pipeline(options=PipelineOptions(sys.argv[1:])) as p:
    p | beam.Create(range({count})) | beam.Reshuffle() | beam.Map(wait)
"""

FAILING = """
import sys, apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions
def check(x):
    if x == 7: raise ValueError(f"bad {x}")
with beam.Pipeline(options=PipelineOptions(sys.argv[1:])) as p:
    p | beam.Create(range(9)) | beam.Map(check)
"""

YAML = """pipeline:
  type: chain
  transforms:
    - type: Create
      config:
        elements: [{a: 1}, {a: 2}, {a: 3}]
    - type: MapToFields
      config:
        language: python
        fields: {b: a * 2}
    - type: WriteToJson
      config: {path: OUT}
"""


def counted(text: Path) -> Counter[str]:
    """Words of the text, counted without Beam."""
    return Counter(word.lower() for word in re.findall(r"[A-Za-z']+", text.read_text()))


def written(prefix: Path) -> Counter[str]:
    """Counts in the files of WordCount."""
    files = prefix.parent.glob(f"{prefix.name}-*")
    lines = [line for file in files for line in file.read_text().splitlines()]
    return Counter({word: int(count) for word, _, count in (line.partition(": ") for line in lines)})


@BOTH
def test_an_unmodified_wordcount_counts_right(server: Server, services: dict[str, Service], name: str) -> None:
    (server.roots / "wordcount.py").write_text((EXAMPLES / "wordcount.py").read_text())
    out = server.folder / "counts"
    options = {"input": str(TEXT), "output": str(out)}
    job_id = server.submit(name, Path("wordcount.py"), pipeline_options=options)
    job = server.ended(job_id)
    assert (job["state"], job["runner_state"]) == ("FINISHED", "DONE"), job
    assert written(out) == counted(TEXT)
    [there] = services[name].jobs(token(job_id))
    assert job["native_id"] == f"{there.job_id}.{token(job_id)}"

    _, answer = server.call("GET", f"/jobs/{job_id}/metrics")
    assert answer["data"]["source"] == "the job service"
    user = {metric["name"]: metric for metric in answer["data"]["user"]}
    assert user["words"]["committed"] == sum(counted(TEXT).values())
    assert (user["words"]["namespace"], user["words"]["step"]) == ("wordcount", "Extract")
    assert user["word_length"]["committed"]["count"] == user["words"]["committed"]

    _, answer = server.call("GET", f"/jobs/{job_id}/logs?max_results=50")
    assert any("omplete" in line["message"] for line in answer["data"]["logs"]), answer
    assert "next_page_token" not in answer["data"] or answer["data"]["next_page_token"] is None


@BOTH
def test_beam_yaml_runs_there(server: Server, name: str) -> None:
    out = server.folder / "doubled"
    job_id = server.submit(name, "", code_path=None, yaml=YAML.replace("OUT", str(out)))
    assert server.ended(job_id)["state"] == "FINISHED"
    rows = "".join(file.read_text() for file in server.folder.glob("doubled*"))
    assert sorted(re.findall(r'"b":(\d)', rows)) == ["2", "4", "6"]


@BOTH
def test_a_failure_is_told_in_its_own_words(server: Server, name: str) -> None:
    job = server.ended(server.submit(name, FAILING))
    assert job["state"] == "FAILED"
    assert "ValueError: bad 7 [while running 'Map(check)']" in job["diagnostics"]


def test_prism_cancels(server: Server, services: dict[str, Service]) -> None:
    mark = server.folder / "mark"
    job_id = server.submit("prism", SLOW.format(mark=str(mark), each=0.2, count=500))
    until(mark.exists, "it works")
    status, answer = server.call("POST", f"/jobs/{job_id}/cancel", {"mode": "cancel"})
    assert (status, answer["state"]) == (200, "CANCELED"), answer
    assert server.job(job_id)["ended_by"] == "cancel"
    assert services["prism"].jobs(token(job_id))[0].state == api.JobState.CANCELLED
    done = mark.read_text()
    pause(1.5)
    assert len(mark.read_text()) <= len(done) + 1, "it goes on"


def test_python_lies_about_a_cancel_so_it_is_refused(server: Server, services: dict[str, Service]) -> None:
    """Surprise 15: the service says CANCELLED, works on, and says DONE."""
    mark, service = server.folder / "mark", services["python"]
    job_id = server.submit("python", SLOW.format(mark=str(mark), each=0.2, count=30))
    until(mark.exists, "it works")
    status, answer = server.call("POST", f"/jobs/{job_id}/cancel", {"mode": "cancel"})
    assert (status, answer["error"]["code"]) == (422, "unsupported"), answer
    assert "goes on" in answer["error"]["message"] or "go on" in answer["error"]["message"]

    # Somebody else cancels past us: the service's word is shown, and not believed.
    [there] = service.jobs(token(job_id))
    said = service.stub().Cancel(api.CancelJobRequest(job_id=there.job_id), timeout=10)
    assert said.state == api.JobState.CANCELLED
    job = server.job(job_id)
    assert (job["state"], job["runner_state"]) == ("RUNNING", "CANCELLED")
    assert "goes on" in job["diagnostics"]
    job = server.ended(job_id)
    assert (job["state"], len(mark.read_text())) == ("FINISHED", 30)


@BOTH
def test_what_the_service_cannot_do_is_refused_with_an_alternative(server: Server, name: str) -> None:
    mark = server.folder / "mark"
    job_id = server.submit(name, SLOW.format(mark=str(mark), each=0.1, count=20))
    for path, body in [
        ("cancel", {"mode": "drain"}),
        ("cancel", {"mode": "stop"}),
        ("savepoint", {}),
        ("scale", {"parallelism": 2}),
    ]:
        status, answer = server.call("POST", f"/jobs/{job_id}/{path}", body)
        assert (status, answer["error"]["details"]["reason"]) == (422, "unsupported_by_runner"), answer
        assert answer["error"]["details"]["suggestion"]
    assert server.ended(job_id)["state"] == "FINISHED"


@BOTH
def test_a_service_is_held_to_its_capabilities(server: Server, name: str) -> None:
    job_id = server.submit(name, SLOW.format(mark=str(server.folder / "mark"), each=0.1, count=30))
    capability_matrix.check(server.call, name, job_id)
    assert server.ended(job_id)["state"] == "FINISHED"


def test_each_service_is_told_apart(server: Server) -> None:
    _, answer = server.call("GET", "/runners")
    runners = {runner["name"]: runner for runner in answer["data"]["runners"]}
    can = {name: set(runner["capabilities"]) for name, runner in runners.items()}
    assert {name: runners[name]["facts"]["service"] for name in ("prism", "python")} == {
        "prism": "prism",
        "python": "python",
    }
    assert {"cancel", "metrics", "streaming", "python_submit", "yaml_submit"} <= can["prism"]
    assert not {"cancel", "metrics", "streaming", "drain"} & can["python"]
    assert any("CANCELLED" in warning for warning in runners["python"]["warnings"])


def test_a_program_that_chooses_its_own_runner_runs_nothing(server: Server) -> None:
    mark = server.folder / "mark"
    code = SLOW.format(mark=str(mark), each=0, count=3).replace("options=PipelineOptions(sys.argv[1:])", "")
    (server.roots / "own.py").write_text(code)
    status, answer = server.call("POST", "/jobs", {"target": "prism", "code_path": "own.py"})
    assert (status, answer["error"]["details"]["reason"]) == (400, "no_pipeline"), answer
    assert "PipelineOptions" in answer["error"]["message"]
    assert not mark.exists()
    job_id = answer["error"]["details"]["job_id"]
    assert server.job(job_id)["state"] == "FAILED"
    _, answer = server.call("GET", f"/jobs/{job_id}/logs?max_results=50")
    assert any("OtherRunnerError" in line["message"] for line in answer["data"]["logs"]), "its own output is its log"


@BOTH
def test_a_server_killed_while_the_code_builds_runs_the_job_once(
    server: Server, services: dict[str, Service], name: str
) -> None:
    mark, begun = server.folder / "mark", server.folder / "begun"
    slow_to_build = f"import time\nopen({str(begun)!r}, 'a').write('x')\ntime.sleep(3)\n"
    code = slow_to_build + SLOW.format(mark=str(mark), each=0, count=5)
    submitting = threading.Thread(target=lambda: quietly(server, name, code))
    submitting.start()
    until(begun.exists, "the code runs")
    server.kill()
    submitting.join()
    server.start()
    _, answer = server.call("GET", "/jobs?limit=50")
    [job] = [job for job in answer["data"]["jobs"] if job["origin"] == "submitted"]
    assert server.ended(job["job_id"])["state"] == "FINISHED"
    assert (begun.read_text(), mark.read_text()) == ("x", "xxxxx")
    assert len(services[name].jobs(token(job["job_id"]))) == 1


def quietly(server: Server, name: str, code: str) -> None:
    with contextlib.suppress(OSError, ValueError):
        server.submit(name, code)


class Cutter:
    """Between server and service: once a preparation was answered, calls still arrive and answers do not."""

    def __init__(self, port: int) -> None:
        self.target, self.prepared, self.cut = port, threading.Event(), threading.Event()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self.listener.getsockname()[1])
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self) -> None:
        while True:
            near, _ = self.listener.accept()
            far = socket.create_connection(("127.0.0.1", self.target))
            for one, other, answers in ((near, far, False), (far, near, True)):
                threading.Thread(target=self.pump, args=(one, other, answers), daemon=True).start()

    def pump(self, source: socket.socket, sink: socket.socket, answers: bool) -> None:
        try:
            while data := source.recv(65536):
                if answers and self.prepared.is_set() and not self.cut.is_set():
                    continue
                sink.sendall(data)
                # Only the answer to Prepare names where artifacts are staged.
                if answers and not self.cut.is_set() and f"localhost:{self.target}".encode() in data:
                    self.prepared.set()
                    threading.Timer(3, self.end, (source, sink)).start()
        except OSError:
            pass
        for end in (source, sink):
            end.close()

    def end(self, *sockets: socket.socket) -> None:
        self.cut.set()
        for end in sockets:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


@BOTH
def test_a_run_whose_answer_is_lost_is_found_and_not_repeated(
    tmp_path: Path, services: dict[str, Service], pool: str, name: str
) -> None:
    """Surprise 16: run twice runs twice. So it is looked for by the marker."""
    cutter, mark = Cutter(services[name].port), tmp_path / "mark"
    server = Server(tmp_path, config({"cut": cutter.port}, pool)).start()
    try:
        job_id = server.submit("cut", SLOW.format(mark=str(mark), each=0, count=5))
        assert cutter.cut.is_set(), "nothing was lost"
        job = server.ended(job_id)
        assert (job["state"], mark.read_text()) == ("FINISHED", "xxxxx"), job
        assert len(services[name].jobs(token(job_id))) == 1
    finally:
        server.kill()


def test_after_a_restart_of_prism_the_same_id_is_another_job(tmp_path: Path, pool: str) -> None:
    service = Service("prism", tmp_path).start()
    mark, other = tmp_path / "mark", tmp_path / "other"
    server = Server(tmp_path, config({"prism": service.port}, pool)).start()
    try:
        first = server.submit("prism", SLOW.format(mark=str(mark), each=0.5, count=200))
        until(mark.exists, "it works")
        service.stop()
        service.start()
        # It outlasts the minute after which the first is LOST.
        second = server.submit("prism", SLOW.format(mark=str(other), each=0.5, count=1000))
        until(other.exists, "the other one works")
        assert server.job(second)["native_id"].startswith("job-001.")
        until(lambda: server.job(first)["state"] == "LOST", "the first one is lost", 240)
        server.call("POST", f"/jobs/{first}/cancel", {"mode": "cancel"})
        assert service.jobs(token(second))[0].state == api.JobState.RUNNING, "the wrong job was canceled"
        status, answer = server.call("POST", f"/jobs/{second}/cancel", {"mode": "cancel"})
        assert (status, answer["state"]) == (200, "CANCELED"), answer
    finally:
        server.kill()
        service.stop()


@BOTH
def test_a_job_of_others_is_discovered(server: Server, services: dict[str, Service], name: str) -> None:
    job_id = server.submit(name, FAILING)
    server.ended(job_id)
    [there] = services[name].jobs(token(job_id))
    service = services[name].stub()
    pipeline = service.GetPipeline(api.GetJobPipelineRequest(job_id=there.job_id), timeout=10).pipeline
    prepared = service.Prepare(api.PrepareJobRequest(pipeline=pipeline, job_name="theirs"), timeout=10)
    run = service.Run(api.RunJobRequest(preparation_id=prepared.preparation_id), timeout=10)
    foreign = f"{name}:@{run.job_id}"

    def listed() -> bool:
        _, answer = server.call("GET", "/jobs?limit=200")
        return foreign in [job["job_id"] for job in answer["data"]["jobs"]]

    until(listed, "it is listed")
    job = server.ended(foreign)
    assert (job["state"], job["origin"], job["name"]) == ("FAILED", "discovered", "theirs")


def test_direct_runs_on_the_operators_prism(server: Server) -> None:
    out = server.folder / "counts"
    (server.roots / "wordcount.py").write_text((EXAMPLES / "wordcount.py").read_text())
    options = {"input": str(TEXT), "output": str(out), "runner": "PrismRunner"}
    job = server.ended(server.submit("direct", Path("wordcount.py"), pipeline_options=options))
    assert job["state"] == "FINISHED", job
    assert written(out) == counted(TEXT)
    _, answer = server.call("GET", f"/jobs/{job['job_id']}/metrics")
    words = [metric for metric in answer["data"]["user"] if metric["name"] == "words"]
    assert words[0]["committed"] == sum(counted(TEXT).values())


def test_prism_on_direct_tells_metrics_while_the_job_runs(server: Server) -> None:
    (server.roots / "slow.py").write_text(SLOW.format(mark=str(server.folder / "mark"), each=0.5, count=60))
    job_id = server.submit("direct", Path("slow.py"), pipeline_options={"runner": "PrismRunner"})

    def seen(side: str) -> int:
        _, answer = server.call("GET", f"/jobs/{job_id}/metrics")
        found = [metric[side] for metric in answer["data"]["user"] if metric["name"] == "seen"]
        return found[0] or 0 if found else 0

    until(lambda: seen("attempted") > 0, "a counter is told")
    early = seen("attempted")
    _, answer = server.call("GET", f"/jobs/{job_id}")
    assert (answer["data"]["state"], answer["data"]["runner_state"]) == ("RUNNING", "RUNNING")
    assert server.ended(job_id)["state"] == "FINISHED"
    assert 0 < early < seen("committed") == 60


@pytest.mark.parametrize(
    ("change", "status", "reason"),
    [
        ({"code_path": "a.jar"}, 422, "unsupported_code"),
        ({"code_path": "gone.py"}, 404, "not_found"),
        ({"code_path": "job.py", "pipeline_options": {"runner": "FlinkRunner"}}, 400, "wrong_runner"),
        ({"yaml": "pipeline:\n  transforms:\n    - name: x\n"}, 400, "bad_yaml"),
        ({"yaml": "pipeline: ["}, 400, "bad_yaml"),
        ({"code_path": "job.py", "savepoint_path": "file:/s"}, 422, "unsupported_by_runner"),
        ({"target": "loose", "code_path": "job.py"}, 409, "no_environment"),
        ({"target": "nobody", "code_path": "job.py"}, 503, "connection_refused"),
    ],
)
def test_what_cannot_run_is_refused_with_a_reason(
    tmp_path: Path, services: dict[str, Service], pool: str, change: dict[str, Any], status: int, reason: str
) -> None:
    wanted = config({"prism": services["prism"].port, "nobody": free_port()}, pool)
    wanted["targets"]["loose"] = {"runner": "portable", "url": "http://127.0.0.1:9"}
    server = Server(tmp_path, wanted).start()
    (server.roots / "job.py").write_text(FAILING)
    try:
        code, answer = server.call("POST", "/jobs", {"target": "prism", **change})
        if reason == "connection_refused":
            assert (code, answer["data"]["state"]) == (202, "SUBMITTING"), answer
            assert "answer" in answer["data"]["diagnostics"]
        else:
            assert (code, answer["error"]["details"]["reason"]) == (status, reason), answer
            assert answer["error"]["details"]["suggestion"]
    finally:
        server.kill()
