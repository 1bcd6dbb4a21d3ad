"""An unmodified Python pipeline on a real Flink: the captured pipeline in Beam's job-server jar, workers from a pool.

Needs JOB_SERVER_JAR; run.sh asks for this file only where Beam has a runner for the cluster.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pipelines
import pytest
import requests
from conftest import Api, Server
from pipelines import WORDS, finished, ours, wordcount


@pytest.fixture
def beam(server: Server, pool: str) -> Api:
    """A server whose Flink target runs Python pipelines."""
    return pipelines.start_with_python(server, "flink", pool)


def test_wordcount_counts_the_same_words(beam: Api, tmp_path: Path) -> None:
    pipelines.check_capabilities(beam, "flink")
    job = wordcount(beam, "flink", tmp_path / "out")
    view = finished(beam, job)
    assert view["native_id"] == job.split(":")[1]
    assert pipelines.counts(tmp_path / "out") == Counter(WORDS)
    pipelines.check_user_metrics(beam, job)
    graph = beam.get(f"/api/v1/jobs/{job}/graph")["data"]
    assert [stage for stage in graph["stages"] if stage.get("inputs")], "Flink says what feeds what"
    assert any("Extract" in stage["name"] for stage in graph["stages"]), graph


def test_a_server_killed_while_the_code_builds_leaves_one_job_that_ends(
    beam: Api, server: Server, tmp_path: Path, flink: Callable[[str], Any]
) -> None:
    before = len(flink("/jobs/overview")["jobs"])
    hung_up = threading.Thread(target=ask_and_lose, args=(beam, tmp_path / "out"))
    hung_up.start()
    while not (jobs := ours(beam)):
        time.sleep(0.02)
    assert jobs[0]["state"] == "SUBMITTING"
    server.kill()
    hung_up.join()
    again = server.start()
    job = wordcount(again, "flink", tmp_path / "out", idempotency_key="once")
    assert job == jobs[0]["job_id"]
    finished(again, job)
    assert sum(pipelines.counts(tmp_path / "out").values()) == 23_087
    assert len(flink("/jobs/overview")["jobs"]) == before + 1


def ask_and_lose(api: Api, output: Path) -> None:
    """A submission whose answer never comes."""
    with contextlib.suppress(requests.ConnectionError):
        wordcount(api, "flink", output, idempotency_key="once")


def test_a_program_without_a_pipeline_fails_with_its_own_words(beam: Api, tmp_path: Path) -> None:
    pipelines.check_broken(beam, "flink", tmp_path)


def test_beam_yaml(beam: Api, tmp_path: Path) -> None:
    pipelines.check_yaml(beam, "flink", tmp_path)


def test_the_example_in_beam_yaml_counts_the_same_words(beam: Api, tmp_path: Path) -> None:
    pipelines.check_yaml_example(beam, "flink", tmp_path)


def test_a_module_runs_there(beam: Api, tmp_path: Path) -> None:
    pipelines.check_module(beam, "flink", tmp_path)


def test_workers_get_the_files_that_a_program_brings(beam: Api, tmp_path: Path) -> None:
    pipelines.check_brought_files(beam, "flink", tmp_path)


def test_a_package_that_cannot_be_installed_is_said(beam: Api, tmp_path: Path) -> None:
    pipelines.check_broken_package(beam, "flink", tmp_path)


def test_files_that_cannot_be_brought_are_refused(beam: Api, tmp_path: Path) -> None:
    pipelines.check_bad_files(beam, "flink", tmp_path)
