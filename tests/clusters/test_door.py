"""Beam's Job API as a door to a real cluster: unmodified SDK programs submit there and watch their job.

Needs JOB_SERVER_JAR; run.sh asks for this file only where Beam has a runner for the cluster.
"""

from __future__ import annotations

import os
from pathlib import Path

import pipelines
from conftest import Server

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
