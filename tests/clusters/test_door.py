"""Beam's Job API as a door to a real cluster: unmodified SDK programs submit there and watch their job.

Needs JOB_SERVER_JAR; run.sh asks for this file only where Beam has a runner for the cluster.
"""

from __future__ import annotations

import os
from pathlib import Path

import pipelines
import pytest
from conftest import Server
from test_streaming_python import Lines

TARGET = "flink" if os.environ.get("FLINK_URL") else "spark"


def test_an_unmodified_program_submits_and_watches(server: Server, pool: str, tmp_path: Path) -> None:
    api, endpoint = pipelines.start_with_door(server, TARGET, pool)
    pipelines.check_door(api, endpoint, tmp_path / "out")


def test_a_failure_comes_back_in_its_own_words(server: Server, pool: str, tmp_path: Path) -> None:
    _, endpoint = pipelines.start_with_door(server, TARGET, pool)
    pipelines.check_door_failure(endpoint, tmp_path)


def test_what_the_door_does_not_take_is_refused(server: Server, pool: str, tmp_path: Path) -> None:
    _, endpoint = pipelines.start_with_door(server, TARGET, pool)
    pipelines.check_door_refusals(endpoint, tmp_path)


@pytest.mark.skipif(TARGET == "spark", reason="Spark takes no savepoints")
def test_a_streaming_program_is_stopped_with_a_savepoint_and_goes_on(server: Server, pool: str, tmp_path: Path) -> None:
    api, endpoint = pipelines.start_with_door(server, "flink", pool)
    (tmp_path / "out").mkdir()
    lines = Lines(tmp_path / "out")
    options = [f"--output={tmp_path / 'out' / 'part'}", "--streaming", "--rate=10"]
    with pipelines.running(pipelines.EXAMPLES / "counting_stream.py", endpoint, *options) as program:
        lines.wait(30)
        [job] = [row["job_id"] for row in pipelines.ours(api)]
        stopped = api.call("POST", f"/api/v1/jobs/{job}/cancel", {"mode": "stop"})
        assert stopped.status_code in (200, 202), stopped.text
        assert api.wait(job, "CANCELED", "FAILED", seconds=120)["ended_by"] == "stop"
        assert program.wait(60) != 0, "Beam's client calls every end but DONE a failure"
    lines.check_each_once()
    answer = api.call("POST", f"/api/v1/jobs/{job}/restore", {"parallelism": 2})
    assert answer.status_code in (200, 201, 202), answer.text
    restored = answer.json()["job_id"]
    lines.wait(30)
    api.call("POST", f"/api/v1/jobs/{restored}/cancel", {"mode": "stop"})
    api.wait(restored, "CANCELED", "FAILED", seconds=120)
    lines.check()
    lines.check_each_once()
