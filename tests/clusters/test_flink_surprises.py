"""What a real Flink was seen to do against expectation (tests/README.md), each judged past the product first: the
surprise is still there, and the product does not fall for it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from conftest import FLINK_URL, Api
from pipelines import ours

Ask = Callable[[str], Any]


def token(job: str) -> str:
    """The id the cluster knows a job by."""
    return job.split(":")[1]


def settled(job: str, trigger: str) -> Any:
    """Flink's answer about a savepoint once it calls it completed."""
    end = time.monotonic() + 60
    while True:
        answer = requests.get(f"{FLINK_URL}/jobs/{job}/savepoints/{trigger}", timeout=10).json()
        if answer["status"]["id"] == "COMPLETED":
            return answer["operation"]
        assert time.monotonic() < end, answer
        time.sleep(0.3)


@pytest.fixture
def blocked(flink_savepoints: str) -> str:
    """A place beneath the savepoints where nothing can be written: a file is in the way."""
    folder = Path(urlsplit(flink_savepoints).path)
    (folder / "blocked").write_text("in the way")
    return f"{flink_savepoints}/blocked"


def test_1_a_completed_savepoint_may_have_failed(api: Api, blocked: str) -> None:
    job = api.submit(pipeline_options={"rate": 5})
    api.wait(job, "RUNNING")
    body = {"target-directory": blocked, "cancel-job": False}
    trigger = requests.post(f"{FLINK_URL}/jobs/{token(job)}/savepoints", json=body, timeout=10).json()["request-id"]
    assert "failure-cause" in settled(token(job), trigger), "the surprise is gone"
    answer = api.call("POST", f"/api/v1/jobs/{job}/savepoint", {"savepoint_path": blocked})
    assert answer.status_code >= 400, answer.text
    assert not api.get(f"/api/v1/jobs/{job}")["data"].get("savepoint_path")


def test_2_a_restore_from_nothing_is_taken_and_fails(api: Api, flink_savepoints: str) -> None:
    body = {"runner_type": "flink", "job_type": "STREAMING", "code_path": "ratejob.jar", "options": {"rate": 5}}
    answer = api.call("POST", "/api/v1/jobs", {**body, "savepoint_path": f"{flink_savepoints}/savepoint-none"})
    job = answer.json().get("job_id") or ours(api)[0]["job_id"]
    view = api.wait(job, "FAILED", seconds=60)
    assert "savepoint" in view["diagnostics"].lower(), view
    assert "none" in view["diagnostics"], view


def test_3_a_field_flink_does_not_know_is_ignored(api: Api) -> None:
    jars = requests.get(f"{FLINK_URL}/jars", timeout=10).json()["files"]
    if not jars:
        api.submit(pipeline_options={"rate": 5})
        jars = requests.get(f"{FLINK_URL}/jars", timeout=10).json()["files"]
    misspelt = {"programArgList": ["--rate", "0"]}
    ran = requests.post(f"{FLINK_URL}/jars/{jars[0]['id']}/run", json=misspelt, timeout=60)
    assert ran.status_code == 200, "the surprise is gone"
    requests.patch(f"{FLINK_URL}/jobs/{ran.json()['jobid']}?mode=cancel", timeout=10)
    # What the product sends arrives: a rate of 0 is refused by the program.
    body = {"runner_type": "flink", "code_path": "ratejob.jar", "options": {"rate": 0}}
    refused = api.call("POST", "/api/v1/jobs", body)
    assert refused.json()["error"]["details"]["reason"] == "main_failed", refused.text


def test_7_a_scale_beyond_the_slots_is_never_called_done(api: Api, flink: Ask) -> None:
    job = api.submit(pipeline_options={"rate": 5, "parallelism": 1})
    api.wait(job, "RUNNING")
    more = flink("/overview")["slots-total"] + 8
    answer = api.call("POST", f"/api/v1/jobs/{job}/scale", {"parallelism": more}, **{"X-Request-Timeout": "10"})
    shown = {vertex["parallelism"] for vertex in flink(f"/jobs/{token(job)}")["vertices"]}
    assert more not in shown, shown
    if answer.status_code < 400:
        operation = answer.json()["data"]["operation"]
        assert operation["state"] != "SUCCEEDED", operation
    assert api.get(f"/api/v1/jobs/{job}?max_age_ms=0")["data"]["parallelism"] != more


def test_8_a_stop_that_fails_leaves_the_job_running(api: Api, flink: Ask, blocked: str) -> None:
    job = api.submit(pipeline_options={"rate": 5})
    api.wait(job, "RUNNING")
    answer = api.call("POST", f"/api/v1/jobs/{job}/cancel", {"mode": "drain", "savepoint_path": blocked})
    assert answer.status_code >= 400, answer.text
    assert flink(f"/jobs/{token(job)}")["state"] == "RUNNING"
    assert api.get(f"/api/v1/jobs/{job}?max_age_ms=0")["data"]["state"] == "RUNNING"
    ended = api.call("POST", f"/api/v1/jobs/{job}/cancel", {"mode": "cancel"})
    assert (ended.status_code, ended.json()["state"]) == (200, "CANCELED"), ended.text


def test_21_a_cancel_of_what_has_ended(api: Api, flink: Ask) -> None:
    job = api.submit(pipeline_options={"rate": 50, "count": 5})
    api.wait(job, "FINISHED")
    raw = requests.patch(f"{FLINK_URL}/jobs/{token(job)}?mode=cancel", timeout=10)
    assert raw.status_code == 409, "the surprise is gone"
    answer = api.call("POST", f"/api/v1/jobs/{job}/cancel", {"mode": "cancel"})
    assert answer.status_code in (200, 409), answer.text
    assert api.get(f"/api/v1/jobs/{job}")["data"]["state"] == "FINISHED"


