"""What the product promises about Flink, on a real cluster. Judged by asking the cluster itself."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable
from typing import Any

import pytest
import requests

import capability_matrix
from conftest import Api, Server

Ask = Callable[[str], Any]


def token(job: str) -> str:
    """The id the cluster knows a job by."""
    return job.split(":", 1)[1]


def test_submit_get_list_cancel(api: Api, flink: Ask) -> None:
    job = api.submit(pipeline_options={"parallelism": 2, "rate": 5})
    view = api.wait(job, "RUNNING")
    assert view["native_id"] == token(job)
    assert view["parallelism"] == 2
    assert flink(f"/jobs/{token(job)}")["state"] == "RUNNING"
    assert job in [item["job_id"] for item in api.get("/api/v1/jobs?target=flink")["data"]["jobs"]]
    ended = api.call("POST", f"/api/v1/jobs/{job}/cancel", {"mode": "cancel"})
    assert ended.status_code == 200, ended.text
    assert ended.json()["state"] == "CANCELED"
    assert flink(f"/jobs/{token(job)}")["state"] == "CANCELED"
    again = api.call("POST", f"/api/v1/jobs/{job}/cancel", {"mode": "cancel"})
    assert again.status_code == 200, again.text


def listed_savepoint(api: Api, job: str) -> Any:
    """Flink lists it some seconds late (`web.refresh-interval`)."""
    end = time.monotonic() + 20
    while time.monotonic() < end:
        for one in api.get(f"/api/v1/jobs/{job}/checkpoints")["data"]["checkpoints"]:
            if one["kind"] == "savepoint":
                return one
        time.sleep(0.3)
    raise AssertionError("Flink does not list the savepoint")


def test_savepoint_stop_and_restore(api: Api, flink: Ask) -> None:
    job = api.submit(pipeline_options={"rate": 5})
    api.wait(job, "RUNNING")
    saved = api.call("POST", f"/api/v1/jobs/{job}/savepoint", {})
    assert saved.status_code == 200, saved.text
    assert saved.json()["savepoint_path"].startswith("file:")
    taken = listed_savepoint(api, job)
    assert (taken["status"], taken["path"]) == ("COMPLETED", saved.json()["savepoint_path"])
    stopped = api.call("POST", f"/api/v1/jobs/{job}/cancel", {"mode": "stop"})
    assert stopped.status_code == 200, stopped.text
    view = api.get(f"/api/v1/jobs/{job}")["data"]
    assert (view["state"], view["ended_by"]) == ("CANCELED", "stop")
    assert flink(f"/jobs/{token(job)}")["state"] == "FINISHED"
    restored = api.call("POST", f"/api/v1/jobs/{job}/restore", {})
    assert restored.status_code == 201, restored.text
    new = restored.json()["job_id"]
    assert new != job
    api.wait(new, "RUNNING")
    latest = flink(f"/jobs/{token(new)}/checkpoints")["latest"]["restored"]
    assert latest["is_savepoint"]
    assert latest["external_path"] == view["savepoint_path"]
    origin = api.get(f"/api/v1/jobs/{new}/checkpoints")["data"]["restored_from"]
    assert (origin["is_savepoint"], origin["path"]) == (True, view["savepoint_path"])


def test_drain_ends_drained(api: Api) -> None:
    job = api.submit(pipeline_options={"rate": 5})
    api.wait(job, "RUNNING")
    answer = api.call("POST", f"/api/v1/jobs/{job}/cancel", {"mode": "drain"})
    assert answer.status_code == 200, answer.text
    view = api.get(f"/api/v1/jobs/{job}")["data"]
    assert (view["state"], view["ended_by"]) == ("DRAINED", "drain")
    assert view["savepoint_path"].startswith("file:")


def test_savepoints_answer_at_once_with_an_operation(api: Api) -> None:
    job = api.submit(pipeline_options={"rate": 5})
    api.wait(job, "RUNNING")
    answer = api.call("POST", f"/api/v1/jobs/{job}/savepoints", {})
    assert answer.status_code in (200, 202), answer.text
    operation = answer.json()["data"]["operation"]["operation_id"].rsplit("/", 1)[1]
    end = time.monotonic() + 30
    while (view := api.get(f"/api/v1/jobs/{job}/operations/{operation}")["data"])["state"] != "SUCCEEDED":
        assert time.monotonic() < end, view
        time.sleep(0.3)
    assert api.get(f"/api/v1/jobs/{job}/savepoints")["data"]["savepoints"][0]["location"] == view["savepoint_path"]


def test_a_savepoint_that_cannot_be_written_fails_and_the_job_goes_on(api: Api, flink: Ask) -> None:
    job = api.submit(pipeline_options={"rate": 5})
    api.wait(job, "RUNNING")
    answer = api.call("POST", f"/api/v1/jobs/{job}/savepoint", {"savepoint_path": "file:///proc/nowhere"})
    assert answer.status_code == 403, answer.text
    assert answer.json()["error"]["details"]["reason"] == "savepoint_path_not_allowed"
    assert flink(f"/jobs/{token(job)}")["state"] == "RUNNING"


def test_the_target_is_held_to_its_capabilities(api: Api) -> None:
    job = api.submit(pipeline_options={"rate": 5})
    api.wait(job, "RUNNING")
    said = capability_matrix.check(api.ask, "flink", job)
    assert {"cancel", "drain", "stop", "savepoints", "restore", "rescale", "jar_submit"} <= said


def test_scale(api: Api, flink: Ask) -> None:
    job = api.submit(pipeline_options={"parallelism": 2, "rate": 5})
    api.wait(job, "RUNNING")
    answer = api.call("POST", f"/api/v1/jobs/{job}/scale", {"parallelism": 4})
    assert answer.status_code == 200, answer.text
    assert {vertex["parallelism"] for vertex in flink(f"/jobs/{token(job)}")["vertices"]} == {4}


def test_the_same_key_makes_one_job(api: Api, flink: Ask) -> None:
    body = {"runner_type": "flink", "code_path": "ratejob.jar", "job_type": "STREAMING", "options": {"rate": 5}}
    headers = {"Idempotency-Key": "once"}
    answers: list[requests.Response] = []
    threads = [
        threading.Thread(target=lambda: answers.append(api.call("POST", "/api/v1/jobs", body, **headers)))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ids = {answer.json()["job_id"] for answer in answers}
    assert len(ids) == 1, [answer.text for answer in answers]
    running = [job for job in flink("/jobs/overview")["jobs"] if job["state"] not in ("CANCELED", "FINISHED", "FAILED")]
    assert len(running) == 1
    other = api.call("POST", "/api/v1/jobs", {**body, "job_name": "other"}, **headers)
    assert other.status_code == 422, other.text


def test_a_client_that_hangs_up_leaves_exactly_one_job(api: Api, flink: Ask) -> None:
    before = len(flink("/jobs/overview")["jobs"])
    body = {"runner_type": "flink", "code_path": "ratejob.jar", "job_type": "STREAMING", "options": {"rate": 5}}
    with pytest.raises(requests.Timeout):
        requests.post(f"{api.url}/api/v1/jobs", json=body, timeout=(2, 0.05))
    end = time.monotonic() + 30
    while True:
        jobs = api.get("/api/v1/jobs?target=flink&limit=1")["data"]["jobs"]
        if jobs and jobs[0]["state"] == "RUNNING":
            break
        assert time.monotonic() < end, jobs
        time.sleep(0.3)
    assert len(flink("/jobs/overview")["jobs"]) == before + 1


def test_kill_9_and_back(server: Server, flink: Ask) -> None:
    api = server.start()
    job = api.submit(pipeline_options={"rate": 5})
    api.wait(job, "RUNNING")
    server.kill()
    api = server.start()
    assert api.wait(job, "RUNNING")["native_id"] == token(job)
    answer = api.call("POST", f"/api/v1/jobs/{job}/cancel", {"mode": "cancel"})
    assert answer.status_code == 200, answer.text
    assert flink(f"/jobs/{token(job)}")["state"] == "CANCELED"


def test_a_foreign_job_is_discovered(api: Api, flink: Ask, server: Server) -> None:
    job = api.submit(pipeline_options={"rate": 5})
    api.wait(job, "RUNNING")
    config = server.folder / "config.json"
    other = Server(server.folder / "other")
    other.folder.mkdir()
    other.config.write_text(config.read_text().replace(str(server.folder / "store"), str(other.folder / "store")))
    stranger = other.start()
    try:
        foreign = f"flink:@{token(job)}"
        end = time.monotonic() + 30
        while foreign not in [item["job_id"] for item in stranger.get("/api/v1/jobs?limit=200")["data"]["jobs"]]:
            assert time.monotonic() < end
            time.sleep(0.3)
        assert stranger.get(f"/api/v1/jobs/{foreign}")["data"]["origin"] == "discovered"
    finally:
        other.kill()


def test_a_failing_job_says_why(api: Api) -> None:
    job = api.submit(pipeline_options={"rate": 50, "fail-at": 20})
    view = api.wait(job, "FAILED", seconds=90)
    assert "told to fail at 20" in view["diagnostics"]
    logs = api.get(f"/api/v1/jobs/{job}/logs?max_results=200&contains=told%20to%20fail")["data"]["logs"]
    assert any("told to fail at 20" in line["message"] for line in logs)
    timed = f"/api/v1/jobs/{job}/logs?max_results=1&min_severity=INFO"
    ends = [api.get(timed + at)["data"]["logs"] for at in ("&page_token=start", "")]
    (first,), (newest,) = ends
    assert first["timestamp"] < newest["timestamp"], ends


def test_who_follows_a_log_is_told_what_the_program_prints(api: Api) -> None:
    word = uuid.uuid4().hex  # jobs before this one may have printed there too
    job = api.submit(pipeline_options={"parallelism": 1, "rate": 10, "say": word})
    api.wait(job, "RUNNING")
    said: list[str] = []
    pages, at, end = 0, "start", time.monotonic() + 60
    while len(said) < 30:
        assert time.monotonic() < end, said
        page = api.get(f"/api/v1/jobs/{job}/logs?max_results=500&page_token={at}")["data"]
        news = [line for line in page["logs"] if line["message"].startswith(word)]
        assert {line["source"] for line in news} <= {"taskmanager.out"}, news
        assert not [note for note in page["notes"] if "another file" in note], page["notes"]
        said += [line["message"] for line in news]
        pages, at = pages + bool(news), page["next_page_token"]
        time.sleep(0.5)
    assert said == [f"{word} {number}" for number in range(len(said))], "each once and in its order"
    assert pages > 2, "told while it is printed"


def test_metrics_come_from_the_cluster(api: Api) -> None:
    job = api.submit(pipeline_options={"rate": 50})
    api.wait(job, "RUNNING")
    end = time.monotonic() + 40
    while not (metrics := api.get(f"/api/v1/jobs/{job}/metrics")["data"])["metrics"].get("elements_processed"):
        assert time.monotonic() < end, metrics
        time.sleep(0.5)
    assert metrics["system"]
    assert metrics["source"] == "Flink's JobManager"


@pytest.mark.parametrize(
    ("body", "status", "reason"),
    [
        ({"code_path": "missing.jar"}, 404, "not_found"),
        ({"code_path": "../../../etc/hostname"}, 403, "outside_roots"),
        ({"pipeline_options": {"rate": "0"}}, 400, "main_failed"),
        ({"pipeline_options": {"filesToStage": "/x"}}, 403, "operator_only_option"),
        ({"pipeline_options": {"x=y --rate": 1}}, 400, "bad_option_name"),
        ({"savepoint_path": "file:///elsewhere/sp"}, 403, "savepoint_path_not_allowed"),
        ({"entry_class": "no.such.Main"}, 400, "no_main_class"),
    ],
)
def test_what_is_refused(api: Api, body: dict[str, Any], status: int, reason: str) -> None:
    full = {"runner_type": "flink", "job_type": "STREAMING", "code_path": "ratejob.jar", **body}
    answer = api.call("POST", "/api/v1/jobs", full)
    error = answer.json()["error"]
    assert (answer.status_code, error["details"]["reason"]) == (status, reason), answer.text
    assert error["details"]["suggestion"]
