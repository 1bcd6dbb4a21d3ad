"""Metrics of a pipeline that its runner lets go on, while it goes on."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from direct_job import DEADLINE, Ended, Job, until

# As Beam's results of job services: `run` returns at once, and the first metrics that are told are kept for ever.
GOES_ON = """
import os, threading, time
import apache_beam as beam
from apache_beam.metrics.execution import MetricKey, MetricResult
from apache_beam.metrics.metric import MetricResults
from apache_beam.metrics.metricbase import MetricName
from apache_beam.runners.runner import PipelineResult, PipelineRunner, PipelineState

class Told(MetricResults):
    def __init__(self, seen):
        self.seen = seen
    def query(self, filter=None):
        key = MetricKey("Seen", MetricName("t", "seen"))
        return {"counters": [MetricResult(key, None, self.seen)], "distributions": [], "gauges": []}

class Result(PipelineResult):
    def __init__(self):
        super().__init__(PipelineState.RUNNING)
        self._metrics, self.asked = None, [0]
    def metrics(self):
        if self._metrics is None:
            self.asked[0] += 1
            self._metrics = Told(self.asked[0])
        return self._metrics
    @property
    def state(self):
        assert threading.current_thread() is threading.main_thread() or self is not result
        return self._state
    def wait_until_finish(self, duration=None):
        while not os.path.exists("go"):
            time.sleep(0.02)
        self._state = PipelineState.DONE
        return self._state

class GoesOn(PipelineRunner):
    def run_pipeline(self, pipeline, options):
        return Result()

result = beam.Pipeline(runner=GoesOn()).run()
first = result.metrics()
"""


@pytest.fixture
def job(tmp_path: Path) -> Iterator[Job]:
    job = Job(tmp_path)
    yield job
    job.kill()


def told(job: Job) -> Any:
    """What the state file says of the counter; None as long as it says nothing."""
    path = job.folder / "state.json"
    state = json.loads(path.read_text()) if path.exists() else {}
    counters = state.get("metrics", {}).get("counters", [])
    return counters[0]["attempted"] if counters else None


def test_what_a_runner_tells_is_told_while_the_pipeline_goes_on(job: Job) -> None:
    script = job.write(
        "code/main.py", GOES_ON, "result.wait_until_finish()", "print(first is result.metrics())"
    )
    process = job.start("script", script)
    job.release()
    until(lambda: told(job) is not None)
    seen = told(job)
    until(lambda: told(job) > seen)
    state = json.loads((job.folder / "state.json").read_text())
    assert (state["pid"], state["pipeline_states"]) == (process.pid, ["RUNNING"])
    assert state["started_at_ms"] < state["metrics_at_ms"]
    assert not (job.folder / "result.json").exists()
    job.write("go", "")
    ended = Ended(process.wait(DEADLINE), job.folder)
    assert (ended.code, ended.result["state"], ended.stdout) == (0, "FINISHED", "True\n"), (
        ended.stderr
    )
    assert ended.result["metrics"]["counters"][0]["attempted"] > seen


def test_how_a_pipeline_ended_is_told_while_the_program_goes_on(job: Job) -> None:
    waits = "result.wait_until_finish()\nwhile not os.path.exists('end'): time.sleep(0.02)"
    process = job.start("script", job.write("code/main.py", GOES_ON, waits))
    job.release()
    until(lambda: told(job) is not None)
    job.write("go", "")
    until(
        lambda: json.loads((job.folder / "state.json").read_text())["pipeline_states"] == ["DONE"]
    )
    assert process.poll() is None
    job.write("end", "")
    assert process.wait(DEADLINE) == 0


def test_a_forked_child_does_not_tell(job: Job) -> None:
    ended = job.script(
        """
        import os, time
        child = os.fork()
        if child:
            os.waitpid(child, 0)
        """,
        GOES_ON,
        "if not child: time.sleep(5); os._exit(0)",
        "open('go', 'w'); result.wait_until_finish()",
    )
    state = json.loads((job.folder / "state.json").read_text())
    assert (ended.code, "metrics" in state) == (0, False), ended.stderr


def test_a_pipeline_that_ends_before_its_run_returns_is_told_at_the_end(job: Job) -> None:
    ended = job.script(
        "import apache_beam as beam",
        "with beam.Pipeline() as p: p | beam.Create([1])",
        "import threading; print([t.name for t in threading.enumerate() if t.name == 'beam-mcp'])",
    )
    assert (ended.code, ended.stdout) == (0, "[]\n"), ended.stderr
    assert "metrics" not in json.loads((job.folder / "state.json").read_text())
