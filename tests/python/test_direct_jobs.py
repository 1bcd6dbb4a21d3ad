"""Direct jobs for real: the server's own binary, a real interpreter, real Apache Beam, real signals.

BEAM_MCP_SERVER is the server, BEAM_PYTHON the interpreter with apache-beam (default: this one).
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import re
import signal
import sys
import textwrap
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import capability_matrix
from real_server import RealServer, until

ROOT = Path(__file__).resolve().parents[2]
PYTHON = os.environ.get("BEAM_PYTHON", sys.executable)
PLAY = ROOT / "examples" / "data" / "as_you_like_it.txt"


class Server(RealServer):
    """A server with one Direct target, `local`."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, {"targets": {"local": {"runner": "direct", "python": PYTHON}}})

    def submit(self, code: str | None = None, options: Any = None, **more: Any) -> str:
        status, answer = self.create(code, options, **more)
        assert status in (201, 202), answer
        return str(answer["job_id"])

    def create(
        self, code: str | None = None, options: Any = None, key: str = "", **more: Any
    ) -> tuple[int, Any]:
        if code is not None:
            (self.roots / "job.py").write_text(textwrap.dedent(code), encoding="utf-8")
            more["code_path"] = "job.py"
        body = {"job_name": "job", "target": "local", "pipeline_options": options or {}} | more
        headers = {"idempotency_key": key} if key else {}
        return self.call("POST", "/jobs", body, **headers)

    def job(self, job_id: str) -> Any:
        status, answer = self.call("GET", f"/jobs/{job_id}?max_age_ms=0")
        assert status == 200, answer
        return answer["data"]

    def ended(self, job_id: str) -> Any:
        return until(lambda: (job := self.job(job_id))["terminal"] and job, f"{job_id} ends")

    def said(self, job_id: str) -> str:
        status, answer = self.call("GET", f"/jobs/{job_id}/logs?page_token=0.0&max_results=1000")
        assert status == 200, answer
        return "\n".join(entry["message"] for entry in answer["data"]["logs"])


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    server = Server(tmp_path).start()
    yield server
    server.kill()


def group(pid: int) -> list[int]:
    """The processes that are left of a group."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        if int(fields[2]) == pid and fields[0] != "Z":
            found.append(int(path.parent.name))
    return found


def pid_of(server: Server, job_id: str) -> int:
    token = job_id.split(":")[1]
    record = json.loads((server.folder / "data" / "jobs" / token / "launch.json").read_text())
    return int(record["identity"]["pid"])


def test_a_word_count_ends_with_metrics_logs_and_output(server: Server) -> None:
    output = server.folder / "out" / "counts"
    code = (ROOT / "examples" / "wordcount.py").read_text(encoding="utf-8")
    job_id = server.submit(code, {"input": str(PLAY), "output": str(output)}, job_type="BATCH")
    job = server.ended(job_id)
    assert (job["state"], job["runner_state"]) == ("FINISHED", "DONE")
    _, metrics = server.call("GET", f"/jobs/{job_id}/metrics")
    assert metrics["data"]["metrics"]["wordcount.words"] == 23087
    assert metrics["data"]["source"].startswith("Apache Beam 2.")
    assert metrics["data"]["as_of"] < metrics["data"]["timestamp"], "they are of the job's end"
    assert "INFO:wordcount:ended in state DONE" in server.said(job_id)
    lines = (output.parent / "counts-00000-of-00001.txt").read_text().splitlines()
    assert "rosalind: 103" in lines or any(line.startswith("rosalind: ") for line in lines)


def test_an_installed_module_runs(server: Server) -> None:
    options = {"input": str(PLAY), "output": str(server.folder / "counts")}
    job_id = server.submit(options=options, module="apache_beam.examples.wordcount_minimal")
    assert server.ended(job_id)["state"] == "FINISHED", server.said(job_id)
    assert list(server.folder.glob("counts-*"))


YAML = """pipeline:
  type: chain
  transforms:
    - type: Create
      config:
        elements: [{a: 1}, {a: 2}]
    - type: MapToFields
      config:
        language: python
        fields: {b: a * 2}
    - type: %s
      config: {path: OUT}
"""


def test_beam_yaml_runs_inline_and_from_a_file(server: Server) -> None:
    for number, form in enumerate(["inline", "jobs.yaml"]):
        out = server.folder / f"doubled-{number}"
        text = (YAML % "WriteToJson").replace("OUT", str(out))
        (server.roots / "jobs.yaml").write_text(text)
        status, answer = server.create(code_path=None, yaml=text if form == "inline" else form)
        assert status in (201, 202), answer
        assert server.ended(answer["job_id"])["state"] == "FINISHED", server.said(answer["job_id"])
        rows = "".join(file.read_text() for file in server.folder.glob(f"{out.name}*"))
        assert sorted(re.findall(r'"b":(\d)', rows)) == ["2", "4"]


def test_broken_beam_yaml_is_told_with_its_line(server: Server) -> None:
    for text, line in [("pipeline: [", 1), ("pipeline:\n  transforms:\n    - name: x\n", 3)]:
        status, answer = server.create(code_path=None, yaml=text)
        details = answer["error"]["details"]
        assert (status, details["reason"], details["line"]) == (400, "bad_yaml", str(line)), answer
    # What only Beam knows is told by Beam, before anything runs.
    status, answer = server.create(code_path=None, yaml=YAML % "NoSuchThing")
    assert status in (201, 202), answer
    job = server.ended(answer["job_id"])
    assert job["state"] == "FAILED"
    assert (
        'Unknown type or missing provider for type NoSuchThing for "NoSuchThing" at line 11'
        in job["diagnostics"]
    )


def test_a_failure_is_told_in_its_own_words(server: Server) -> None:
    job_id = server.submit(
        """
        import sys, apache_beam as beam
        from apache_beam.options.pipeline_options import PipelineOptions
        def check(x):
            if x == 7: raise ValueError(f"bad {x}")
        with beam.Pipeline(options=PipelineOptions(sys.argv[1:])) as p:
            p | beam.Create(range(9)) | beam.Map(check)
        """
    )
    job = server.ended(job_id)
    assert job["state"] == "FAILED"
    assert "ValueError: bad 7 [while running 'Map(check)']" in job["diagnostics"]
    _, answer = server.call("GET", f"/jobs/{job_id}/logs?min_severity=ERROR&contains=bad%207")
    assert answer["data"]["logs"][-1]["severity"] == "ERROR"


SLOW = """
    import sys, time, apache_beam as beam
    from apache_beam.options.pipeline_options import PipelineOptions
    def wait(x):
        print("at work", flush=True)
        time.sleep(%s)
    with beam.Pipeline(options=PipelineOptions(sys.argv[1:])) as p:
        p | beam.Create(range(2)) | beam.Reshuffle() | beam.Map(wait)
    """


def test_a_cancel_leaves_no_process(server: Server) -> None:
    workers = {"direct_running_mode": "multi_processing", "direct_num_workers": 2}
    job_id = server.submit(SLOW % 600, workers)
    pid = until(lambda: pid_of(server, job_id), "the child's record")
    until(lambda: len(group(pid)) > 2, "Beam's own worker processes")
    status, answer = server.call("POST", f"/jobs/{job_id}/cancel", {})
    assert status in (200, 202), answer
    assert server.ended(job_id)["state"] == "CANCELED"
    assert until(lambda: not group(pid), "the group is gone")


ENDLESS = """
    import sys, apache_beam as beam
    from apache_beam.options.pipeline_options import PipelineOptions
    from apache_beam.transforms.periodicsequence import PeriodicImpulse
    with beam.Pipeline(options=PipelineOptions(sys.argv[1:])) as p:
        p | PeriodicImpulse(fire_interval=0.2) | beam.Map(lambda at: print("tick", flush=True))
    """


def test_an_unbounded_pipeline_runs_until_it_is_canceled(server: Server) -> None:
    job_id = server.submit(ENDLESS, job_type="STREAMING")
    until(lambda: server.said(job_id).count("tick") >= 5, "elements pass")
    before = server.said(job_id).count("tick")
    until(lambda: server.said(job_id).count("tick") > before + 5, "they go on passing")
    assert server.job(job_id)["state"] == "RUNNING"
    status, answer = server.call("POST", f"/jobs/{job_id}/cancel", {})
    assert status in (200, 202), answer
    assert server.ended(job_id)["state"] == "CANCELED"


def test_a_target_whose_python_cannot_run_beam_takes_no_job(tmp_path: Path) -> None:
    server = RealServer(
        tmp_path, {"targets": {"local": {"runner": "direct", "python": "/bin/false"}}}
    )
    server.start()
    try:
        (server.roots / "job.py").write_text("raise SystemExit(1)\n")
        body = {"job_name": "job", "target": "local", "code_path": "job.py"}
        for more in ({}, {"dry_run": True}):
            status, answer = server.call("POST", "/jobs", body | more)
            assert (status, answer["error"]["details"]["reason"]) == (409, "no_program"), answer
        assert server.call("GET", "/jobs")[1]["data"]["jobs"] == []
        [row] = server.call("GET", "/runners")[1]["data"]["runners"]
        assert set(row["capabilities"]) == {"batch", "streaming", "cancel", "logging"}, row
    finally:
        server.kill()


def test_a_job_outlives_its_server(server: Server) -> None:
    job_id = server.submit(SLOW % 2)
    until(
        lambda: server.job(job_id)["state"] == "RUNNING" and "at work" in server.said(job_id),
        "it runs",
    )
    server.kill()
    server.start()
    assert server.job(job_id)["state"] == "RUNNING"
    assert server.ended(job_id)["state"] == "FINISHED"
    assert server.said(job_id).count("at work") == 2


def test_a_job_that_ends_without_a_server_is_found_ended(server: Server) -> None:
    job_id = server.submit(SLOW % 1)
    until(lambda: "at work" in server.said(job_id), "it runs")
    pid = pid_of(server, job_id)
    server.kill()
    until(lambda: not group(pid), "it ends")
    server.start()
    assert server.ended(job_id)["state"] == "FINISHED"


def test_a_killed_child_is_failed_not_lost(server: Server) -> None:
    job_id = server.submit(SLOW % 600)
    until(lambda: "at work" in server.said(job_id), "it runs")
    os.killpg(pid_of(server, job_id), signal.SIGKILL)
    job = server.ended(job_id)
    assert (job["state"], job["runner_state"]) == ("FAILED", "SIGNALED 9")
    assert "signal 9" in job["diagnostics"]


@pytest.mark.parametrize("turn", range(8))
def test_a_server_killed_while_it_submits_runs_the_job_once(tmp_path: Path, turn: int) -> None:
    """Whatever instant the server dies at, the same request afterwards leaves one run (R9)."""
    server, ran = Server(tmp_path).start(), tmp_path / "ran"
    code = f"open({str(ran)!r}, 'a').write('x')"
    killer = threading.Timer(random.Random(turn).uniform(0, 0.06), server.kill)
    killer.start()
    with contextlib.suppress(OSError):
        server.create(code, key="one")
    killer.join()
    server.start()
    try:
        job_id = until(
            lambda: server.create(code, key="one")[1].get("job_id"), "the request is answered"
        )
        job = server.ended(job_id)
        assert (job["state"], ran.read_text()) == ("FINISHED", "x"), job
        _, jobs = server.call("GET", "/jobs")
        assert len(jobs["data"]["jobs"]) == 1
    finally:
        server.kill()


def test_what_cannot_run_is_refused_with_a_reason(server: Server) -> None:
    outside = server.folder / "outside.py"
    outside.write_text("")
    (server.roots / "link.py").symlink_to(outside)
    refused: list[tuple[dict[str, Any], str]] = [
        ({"code_path": "a.jar"}, "unsupported_code"),
        ({"code_path": str(outside)}, "outside_roots"),
        ({"code_path": "../outside.py"}, "outside_roots"),
        ({"code_path": "link.py"}, "symlink"),
        ({"code_path": "gone.py"}, "not_found"),
        ({"code_path": "artifact:sha256:00"}, "bad_artifact"),
        ({"module": "-m os"}, "bad_module"),
        ({"code_path": "job.py", "pipeline_options": {"runner": "FlinkRunner"}}, "wrong_runner"),
        ({"code_path": "job.py", "pipeline_options": {"a b": 1}}, "bad_option_name"),
    ]
    for change, reason in refused:
        status, answer = server.create(**change)
        assert status >= 400, answer
        assert answer["error"]["details"]["reason"] == reason
        assert str(server.folder) not in json.dumps(answer).replace(str(outside), "")


def test_the_target_is_held_to_its_capabilities(server: Server) -> None:
    job_id = server.submit("import time\ntime.sleep(60)\n")
    said = capability_matrix.check(server.call, "local", job_id)
    assert said == {"batch", "streaming", "python_submit", "yaml_submit", "cancel", "logging"}
    server.call("POST", f"/jobs/{job_id}/cancel", {"mode": "cancel"})
