"""Python workers that the cluster itself starts: PROCESS, with Beam's own boot program (BEAM_BOOT).

Needs JOB_SERVER_JAR; run.sh asks for this file only where Beam has a runner for the cluster.
"""

from __future__ import annotations

import os
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pipelines
from conftest import Server
from pipelines import EXAMPLES, WORDS, finished, wordcount
from real_server import until

TARGET = "flink" if os.environ.get("FLINK_URL") else "spark"


def process(command: Path, **env: str) -> dict[str, Any]:
    """The options of a target whose workers are what this command starts."""
    return {"environment_type": "PROCESS", "environment_config": {"command": str(command), "env": env}}


def test_wordcount_counts_the_same_words(server: Server, tmp_path: Path) -> None:
    (tmp_path / "places").mkdir()
    env = {"BEAM_PYTHON": sys.executable, "BEAM_BOOT": os.environ["BEAM_BOOT"], "TMPDIR": str(tmp_path / "places")}
    workers = process(EXAMPLES / "process-worker.sh", **env)
    api = pipelines.start_with_workers(server, TARGET, workers)
    job = wordcount(api, TARGET, tmp_path / "out")
    finished(api, job)
    assert pipelines.counts(tmp_path / "out") == Counter(WORDS)
    pipelines.check_user_metrics(api, job, seconds=60)
    until(lambda: not any((tmp_path / "places").iterdir()), "the folders of the workers are gone")


def test_a_command_that_ends_is_the_reason_of_the_job(server: Server, tmp_path: Path) -> None:
    command = tmp_path / "no-worker.sh"
    command.write_text("#!/bin/sh\nexit 3\n")
    command.chmod(0o755)
    api = pipelines.start_with_workers(server, TARGET, process(command))
    job = wordcount(api, TARGET, tmp_path / "out")
    view = api.wait(job, "FAILED", "FINISHED", "PARKED", seconds=200)
    assert view["state"] == "FAILED", view
    assert "exit code 3" in view["diagnostics"], view["diagnostics"]
