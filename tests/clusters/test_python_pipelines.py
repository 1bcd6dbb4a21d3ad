"""An unmodified Python pipeline on a real cluster: the captured pipeline in Beam's job-server jar, workers from a pool.

Needs JOB_SERVER_JAR; run.sh asks for this file only where Beam has a runner for the cluster.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from conftest import Api, Server

JAR = os.environ["JOB_SERVER_JAR"]
EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
TEXT = EXAMPLES / "data" / "as_you_like_it.txt"


@pytest.fixture
def pool() -> Iterator[str]:
    """Address of a worker pool."""
    command = [sys.executable, "-m", "beam_mcp_client", "worker-pool", "--port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert process.stdout
    announced = process.stdout.readline().decode()
    yield announced.removeprefix("worker pool on ").strip()
    process.terminate()
    process.wait(30)
    process.stdout.close()


@pytest.fixture
def beam(server: Server, pool: str) -> Api:
    """A server whose Flink target runs Python pipelines."""
    config = json.loads(server.config.read_text())
    options = {"environment_type": "EXTERNAL", "environment_config": pool}
    config["targets"]["flink"] |= {
        "python": sys.executable,
        "job_server_jar": JAR,
        "options": options,
    }
    config["roots"] = [str(EXAMPLES), str(server.folder)]
    server.config.write_text(json.dumps(config))
    return server.start()


def counts(folder: Path) -> Counter[str]:
    """What the pipeline wrote."""
    lines = [line for file in folder.glob("words-*") for line in file.read_text().splitlines()]
    return Counter({word: int(count) for word, count in (line.rsplit(": ", 1) for line in lines)})


def ours(api: Api) -> list[Any]:
    """The jobs that were submitted here; the cluster shows others too."""
    return [job for job in api.get("/api/v1/jobs")["data"]["jobs"] if job["origin"] == "submitted"]


def wordcount(api: Api, output: Path, **spec: Any) -> str:
    """Submits examples/wordcount.py."""
    options = {"input": str(TEXT), "output": str(output / "words"), "parallelism": 1}
    answer = api.call(
        "POST",
        "/api/v1/jobs",
        {
            "runner_type": "flink",
            "job_type": "BATCH",
            "code_path": str(EXAMPLES / "wordcount.py"),
            "job_name": "wordcount",
            "pipeline_options": options,
            **spec,
        },
    )
    assert answer.status_code in (200, 201, 202), answer.text
    return str(answer.json()["job_id"])


def test_wordcount_counts_the_same_words(beam: Api, tmp_path: Path) -> None:
    [target] = [
        row for row in beam.get("/api/v1/runners")["data"]["runners"] if row["name"] == "flink"
    ]
    assert "python_submit" in target["capabilities"]
    job = wordcount(beam, tmp_path / "out")
    view = beam.wait(job, "FINISHED", "FAILED", "PARKED", seconds=200)
    assert view["state"] == "FINISHED", view["diagnostics"]
    assert view["native_id"] == job.split(":")[1]
    words = re.findall(r"[A-Za-z']+", TEXT.read_text())
    assert counts(tmp_path / "out") == Counter(word.lower() for word in words)
    metrics = beam.get(f"/api/v1/jobs/{job}/metrics")["data"]
    user = {metric["name"]: metric for metric in metrics["user"]}
    assert user["words"]["attempted"] == len(words), "Beam's own counter, read through Flink"
    assert user["word_length"]["attempted"]["count"] == len(words)


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
    job = wordcount(again, tmp_path / "out", idempotency_key="once")
    assert job == jobs[0]["job_id"]
    view = again.wait(job, "FINISHED", "FAILED", "PARKED", seconds=200)
    assert view["state"] == "FINISHED", view["diagnostics"]
    assert sum(counts(tmp_path / "out").values()) == 23_087
    assert len(flink("/jobs/overview")["jobs"]) == before + 1


def ask_and_lose(api: Api, output: Path) -> None:
    """A submission whose answer never comes."""
    with contextlib.suppress(requests.ConnectionError):
        wordcount(api, output, idempotency_key="once")


def test_a_program_without_a_pipeline_fails_with_its_own_words(beam: Api, tmp_path: Path) -> None:
    script = tmp_path / "broken.py"
    script.write_text("print('about to fail')\nraise ValueError('no such table: orders')\n")
    body = {"runner_type": "flink", "code_path": str(script), "job_name": "broken"}
    answer = beam.call("POST", "/api/v1/jobs", body)
    assert answer.status_code == 400, answer.text
    error = answer.json()["error"]
    assert error["details"]["reason"] == "no_pipeline"
    assert "no such table: orders" in error["message"]
    [job] = ours(beam)
    assert job["state"] == "FAILED"
    end = time.monotonic() + 10
    while not (lines := beam.get(f"/api/v1/jobs/{job['job_id']}/logs")["data"]["logs"]):
        assert time.monotonic() < end
    assert any("about to fail" in line["message"] for line in lines)
