"""What a real Flink was seen to do against expectation (tests/README.md), each judged past the product first: the
surprise is still there, and the product does not fall for it.
"""

from __future__ import annotations

import http.server
import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from conftest import FLINK_URL, Api, Server
from daemons import Daemon
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


class Proxy:
    """Passes calls on to Flink. Before Flink hears of a scale, the job has ended."""

    def __init__(self) -> None:
        outer = self
        self.answers: list[requests.Response] = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def handle_one(self) -> None:
                data = self.rfile.read(int(self.headers.get("content-length", 0)))
                if self.command == "PUT":
                    cancel(self.path.split("/")[2])
                headers = {"content-type": "application/json"}
                answer = requests.request(self.command, f"{FLINK_URL}{self.path}", data=data, headers=headers, timeout=20)
                if self.command == "PUT":
                    outer.answers.append(answer)
                self.send_response(answer.status_code)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(answer.content)))
                self.end_headers()
                self.wfile.write(answer.content)

            do_GET = do_POST = do_PUT = do_PATCH = handle_one

            def log_message(self, *_: Any) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"


def cancel(job: str) -> None:
    """Ends a job past the product."""
    requests.patch(f"{FLINK_URL}/jobs/{job}?mode=cancel", timeout=10)
    end = time.monotonic() + 20
    while requests.get(f"{FLINK_URL}/jobs/{job}", timeout=10).json()["state"] != "CANCELED":
        assert time.monotonic() < end
        time.sleep(0.1)


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    """A way to Flink on which a job ends before it is scaled."""
    proxy = Proxy()
    yield proxy
    proxy.server.shutdown()
    proxy.server.server_close()


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


def test_4_a_job_that_flink_does_not_know_is_a_500(server: Server, proxy: Proxy) -> None:
    raw = requests.get(f"{FLINK_URL}/jobs/{'0' * 31}1/status", timeout=10)
    assert (raw.status_code, "FlinkJobNotFoundException" in raw.text) == (500, True), "the surprise is gone"
    # Where a job ends between the look at it and its scale, such a 500 is what the product is answered.
    api = server.start()
    job = api.submit(pipeline_options={"rate": 5, "parallelism": 1})
    api.wait(job, "RUNNING")
    server.kill()
    config = json.loads(server.config.read_text())
    config["targets"]["flink"]["url"] = proxy.url
    server.config.write_text(json.dumps(config))
    api = server.start()
    answer = api.call("POST", f"/api/v1/jobs/{job}/scale", {"parallelism": 2}, **{"X-Request-Timeout": "20"})
    [refused] = proxy.answers
    assert (refused.status_code, "FlinkJobNotFoundException" in refused.text) == (500, True), refused.text
    assert answer.status_code >= 400, answer.text
    [scale] = api.get(f"/api/v1/jobs/{job}/operations")["data"]["operations"]
    assert (scale["state"], scale["attempts"]) == ("FAILED", 1), scale
    assert scale["diagnostics"].endswith(f"Could not find Flink job ({token(job)})"), scale
    api.wait(job, "CANCELED", seconds=10)


def test_6_a_savepoint_whose_id_is_forgotten_is_told_by_what_is_left(server: Server, flink: Ask) -> None:
    settings = {entry["key"]: entry["value"] for entry in flink("/jobmanager/config")}
    assert settings["rest.async.store-duration"] == "10s", "start the cluster with FLINK_ASYNC_STORE=10s"
    api = server.start()
    saved, lost = [api.submit(pipeline_options={"rate": 20, "parallelism": 1}) for _ in range(2)]
    for job in (saved, lost):
        api.wait(job, "RUNNING")
    # Another's savepoint, and an earlier one: it proves nothing.
    begun = requests.post(f"{FLINK_URL}/jobs/{token(lost)}/savepoints", json={}, timeout=10).json()
    settled(token(lost), begun["request-id"])
    worker = Daemon(os.environ["FLINK_RUN"], "taskmanager")
    worker.freeze()
    try:
        asked = [asked_for(api, job) for job in (saved, lost)]
        server.kill()
        requests.patch(f"{FLINK_URL}/jobs/{token(lost)}?mode=cancel", timeout=10)
    finally:
        worker.resume()
    for job, one in zip((saved, lost), asked, strict=True):
        wait_until_forgotten(token(job), one["trigger_id"])
    kept = flink(f"/jobs/{token(saved)}/checkpoints")["latest"]["savepoint"]["external_path"]

    api = server.start()
    view = operation(api, saved, asked[0], "SUCCEEDED", 20)
    assert view["savepoint_path"] == kept, view
    assert "forgotten" in view["diagnostics"], view
    assert api.get(f"/api/v1/jobs/{saved}")["data"]["savepoint_path"] == kept
    view = operation(api, lost, asked[1], "UNKNOWN", 60)
    assert "no savepoint of it is among the job's checkpoints" in view["diagnostics"], view
    assert "savepoint_path" not in view, view
    cancel(token(saved))


def asked_for(api: Api, job: str) -> Any:
    """The operation of a savepoint that nobody waits for."""
    answer = api.call("POST", f"/api/v1/jobs/{job}/savepoints", {})
    assert answer.status_code == 202, answer.text
    return answer.json()["data"]["operation"]


def wait_until_forgotten(job: str, trigger: str) -> None:
    """Until Flink has ended a savepoint and knows its id no more."""
    end = time.monotonic() + 60
    while requests.get(f"{FLINK_URL}/jobs/{job}/savepoints/{trigger}", timeout=10).status_code != 404:
        assert time.monotonic() < end, "the surprise is gone"
        time.sleep(0.3)


def operation(api: Api, job: str, asked: Any, state: str, seconds: float) -> Any:
    """An operation once it is in a state."""
    path = f"/api/v1/jobs/{job}/operations/{asked['operation_id'].rsplit('/', 1)[1]}"
    end = time.monotonic() + seconds
    while (view := api.get(path)["data"])["state"] != state:
        assert not view["terminal"], view
        assert time.monotonic() < end, view
        time.sleep(0.3)
    return view


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
