"""What becomes of jobs when a real Flink without high availability loses a process, freezes or is far away.

States become stale first and LOST only by the rule (docs/promises.md); a job that is lost goes on from the last
checkpoint that was seen; the callers of another target are answered as before. loss.sh runs this.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests
from conftest import FLINK_URL, Server
from daemons import Daemon
from neighbour import Fault, Neighbour, slow

Json = dict[str, Any]
PORT = int(FLINK_URL.rsplit(":", 1)[1]) if FLINK_URL else 0


class Cluster:
    """The server, the target in trouble with a job that runs, and a neighbour with one."""

    def __init__(self, server: Server, neighbour: Neighbour, url: str | None = None) -> None:
        config = json.loads(server.config.read_text())
        config["targets"]["flink"]["url"] = url or FLINK_URL
        config["targets"]["flink"].pop("savepoint_dir")
        config["targets"]["well"] = neighbour.target()
        config["roots"].append(str(server.folder))
        server.config.write_text(json.dumps(config))
        self.neighbour, self.api = neighbour, server.start()
        code = {"code_path": neighbour.jar(server.folder)}
        self.beside = self.api.submit(**code, runner_type="well")
        self.job = self.submit()
        self.run(self.job)
        self.base = neighbour.base(self.api.url, self.beside, self.job)

    def submit(self) -> str:
        """A job that counts in checkpointed state."""
        return self.api.submit(pipeline_options={"rate": 5, "parallelism": 2})

    def run(self, job: str, seconds: float = 120) -> Json:
        """The job once it runs and is known to."""
        return self.until(job, lambda view: view["state"] == "RUNNING" and not view.get("stale_since"), seconds)

    def view(self, job: str) -> Json:
        """The job as the server has it, without asking the cluster for it."""
        return dict(self.api.get(f"/api/v1/jobs/{job}?max_age_ms=600000")["data"])

    def until(self, job: str, wanted: Callable[[Json], bool], seconds: float = 60) -> Json:
        """The job once it is as wanted, watched only."""
        end = time.monotonic() + seconds
        while not wanted(view := self.view(job)):
            assert time.monotonic() < end, view
            time.sleep(0.2)
        return view

    def stale(self) -> Json:
        """The job once nobody has answered for it; its last state stays."""
        view = self.until(self.job, lambda view: bool(view.get("stale_since")))
        assert view["state"] == "RUNNING", view
        return view

    def never(self, state: str, seconds: float, *jobs: str) -> None:
        """Watches for so long that no job gets into a state."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for job in jobs:
                view = self.view(job)
                assert view["state"] != state, view
            time.sleep(0.5)


@pytest.fixture(scope="module")
def neighbour() -> Neighbour:
    """A target that is well."""
    return Neighbour()


@pytest.fixture
def cluster(server: Server, neighbour: Neighbour) -> Iterator[Cluster]:
    """A server before the trouble; what runs at the end is canceled past it."""
    yield Cluster(server, neighbour)
    cancel_all()


def cancel_all() -> None:
    """Ends what the cluster runs."""
    for job in requests.get(f"{FLINK_URL}/jobs", timeout=20).json()["jobs"]:
        if job["status"] not in ("CANCELED", "FINISHED", "FAILED"):
            requests.patch(f"{FLINK_URL}/jobs/{job['id']}?mode=cancel", timeout=20)


def daemon(name: str) -> Daemon:
    """`jobmanager` or `taskmanager`."""
    return Daemon(os.environ["FLINK_RUN"], name)


def wait_for_slots() -> None:
    """The cluster can run jobs again."""
    end = time.monotonic() + 120
    while time.monotonic() < end:
        try:
            if requests.get(f"{FLINK_URL}/overview", timeout=2).json()["slots-available"] >= 4:
                return
        except (requests.RequestException, KeyError, ValueError):
            pass
        time.sleep(0.5)
    raise AssertionError("the cluster does not come back")


def test_a_jobmanager_that_starts_again_loses_jobs_and_they_go_on_from_their_checkpoint(
    cluster: Cluster, flink: Callable[[str], Any]
) -> None:
    job, api = cluster.job, cluster.api
    cluster.until(job, lambda view: bool(view.get("checkpoint_path")), 90)
    manager = daemon("jobmanager")
    manager.kill()
    cluster.stale()
    cluster.neighbour.hurt("Flink: JobManager dead", cluster.base)
    body = {"runner_type": "flink", "code_path": "ratejob.jar", "options": {"rate": 5}}
    answer = api.call("POST", "/api/v1/jobs", body)
    assert answer.status_code == 202, answer.text
    waiting = answer.json()["job_id"]
    assert cluster.view(job)["state"] == "RUNNING", "silence proves nothing"

    manager.start()
    wait_for_slots()
    back = time.monotonic()
    cluster.until(job, lambda view: not view.get("stale_since"))
    cluster.never("LOST", 45 - (time.monotonic() - back), job)
    lost = cluster.until(job, lambda view: view["state"] == "LOST", 150)
    assert (lost["terminal"], lost["needs_attention"]) == (False, True)
    assert lost["checkpoint_path"].startswith("file:")
    assert lost["checkpoint_path"] in lost["diagnostics"]
    cluster.run(waiting)
    there = [line["jid"] for line in flink("/jobs/overview")["jobs"]]
    assert there == [waiting.split(":")[1]], "submitted in the outage, it runs once"

    restored = api.call("POST", f"/api/v1/jobs/{job}/restore", {})
    assert restored.status_code == 201, restored.text
    new = restored.json()["job_id"]
    cluster.run(new)
    latest = flink(f"/jobs/{new.split(':')[1]}/checkpoints")["latest"]["restored"]
    assert latest["external_path"] == lost["checkpoint_path"]


def test_a_taskmanager_that_dies_is_recovered_from(cluster: Cluster, flink: Callable[[str], Any]) -> None:
    job, worker = cluster.job, daemon("taskmanager")
    worker.kill()
    cluster.until(job, lambda view: view["state"] in ("RECOVERING", "PENDING"))
    worker.start()
    view = cluster.run(job)
    assert not view.get("stale_since")
    cluster.neighbour.hurt("Flink: TaskManager started again", cluster.base)
    assert flink(f"/jobs/{job.split(':')[1]}/checkpoints")["counts"]["restored"] >= 1
    assert cluster.view(job)["state"] == "RUNNING"


def test_a_frozen_jobmanager_is_stale_and_no_more(cluster: Cluster) -> None:
    job, manager = cluster.job, daemon("jobmanager")
    manager.freeze()
    try:
        cluster.stale()
        cluster.neighbour.hurt("Flink: JobManager frozen", cluster.base)
        began = time.monotonic()
        answer = cluster.api.call("POST", f"/api/v1/jobs/{job}/savepoints", {}, **{"X-Request-Timeout": "5"})
        assert time.monotonic() - began < 20, "a caller with a limit is answered within it"
        assert answer.status_code in (202, 502, 503, 504), answer.text
        cluster.never("LOST", 10, job)
    finally:
        manager.resume()
    cluster.run(job)


def test_a_frozen_taskmanager_is_recovered_from(cluster: Cluster) -> None:
    job, worker = cluster.job, daemon("taskmanager")
    worker.freeze()
    try:
        cluster.until(job, lambda view: view["state"] in ("RECOVERING", "PENDING"))
        cluster.neighbour.hurt("Flink: TaskManager frozen", cluster.base)
    finally:
        worker.resume()
    cluster.run(job)
    cluster.never("LOST", 5, job)


def test_a_slow_network_delays_and_changes_nothing(server: Server, neighbour: Neighbour) -> None:
    with slow(neighbour.loop, PORT) as (url, proxy):
        cluster = Cluster(server, neighbour, url)
        job = cluster.job
        neighbour.loop.run(proxy.become(Fault.SLOW))
        neighbour.hurt("Flink: answers 2 s late", cluster.base)
        view = cluster.api.get(f"/api/v1/jobs/{job}?max_age_ms=0")["data"]
        assert view["state"] == "RUNNING", view
        assert not view.get("stale_since"), view
        neighbour.loop.run(proxy.become(Fault.SILENT))
        cluster.stale()
        neighbour.hurt("Flink: no answers", cluster.base)
        cluster.never("LOST", 10, job)
        neighbour.loop.run(proxy.become())
        cluster.run(job)
        ended = cluster.api.call("POST", f"/api/v1/jobs/{job}/cancel", {"mode": "cancel"})
        assert (ended.status_code, ended.json()["state"]) == (200, "CANCELED"), ended.text
    cancel_all()
