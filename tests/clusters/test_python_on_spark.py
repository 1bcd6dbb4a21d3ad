"""An unmodified Python pipeline on a real Spark: the captured pipeline in Beam's job-server jar, workers from a pool.

Needs JOB_SERVER_JAR; run.sh asks for this file only where Beam has a runner for the cluster.
"""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import pipelines
import pytest
import requests
from conftest import Api, Server
from pipelines import WORDS, finished, wordcount


@pytest.fixture
def beam(server: Server, pool: str) -> Api:
    """A server whose Spark target runs Python pipelines."""
    return pipelines.start_with_python(server, "spark", pool)


def driver_state(native_id: str) -> str:
    """A driver's state by the submission API, past the product."""
    url = f"{os.environ['SPARK_URL']}/v1/submissions/status/{native_id}"
    return str(requests.get(url, timeout=10).json()["driverState"])


def test_wordcount_counts_the_same_words(beam: Api, tmp_path: Path) -> None:
    pipelines.check_capabilities(beam, "spark")
    job = wordcount(beam, "spark", tmp_path / "out")
    view = finished(beam, job)
    assert driver_state(view["native_id"]) == "FINISHED"
    assert pipelines.counts(tmp_path / "out") == Counter(WORDS)
    pipelines.check_user_metrics(beam, job, seconds=60)
    graph = beam.get(f"/api/v1/jobs/{job}/graph")["data"]
    assert any(stage.get("records_out") for stage in graph["stages"]), graph
    assert {stage.get("state") for stage in graph["stages"]} <= {"COMPLETE", "SKIPPED"}


def test_a_program_without_a_pipeline_fails_with_its_own_words(beam: Api, tmp_path: Path) -> None:
    pipelines.check_broken(beam, "spark", tmp_path)


def test_a_step_that_fails_fails_the_job_with_its_words(beam: Api, tmp_path: Path) -> None:
    script = tmp_path / "fails.py"
    script.write_text(pipelines.FAILING)
    job = pipelines.submit(beam, "spark", code_path=str(script), job_name="fails")
    view = beam.wait(job, "FINISHED", "FAILED", "PARKED", seconds=400)
    assert view["state"] == "FAILED"
    assert driver_state(view["native_id"]) == "FAILED"
    assert "no such order: 7" in view["diagnostics"], view["diagnostics"]


def test_beam_yaml(beam: Api, tmp_path: Path) -> None:
    pipelines.check_yaml(beam, "spark", tmp_path)


def test_the_example_in_beam_yaml_counts_the_same_words(beam: Api, tmp_path: Path) -> None:
    pipelines.check_yaml_example(beam, "spark", tmp_path)


def test_workers_get_the_files_that_a_program_brings(beam: Api, tmp_path: Path) -> None:
    pipelines.check_brought_files(beam, "spark", tmp_path)


def test_files_that_cannot_be_brought_are_refused(beam: Api, tmp_path: Path) -> None:
    pipelines.check_bad_files(beam, "spark", tmp_path)
