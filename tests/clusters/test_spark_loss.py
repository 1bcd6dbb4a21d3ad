"""What becomes of jobs when a real standalone Spark loses a process, freezes or is far away; as test_flink_loss.py.

Spark restores nothing: a job that is lost is submitted again by somebody who knows that it may be.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from typing import Any

import pytest
from conftest import Server
from daemons import Daemon
from neighbour import Fault, Neighbour, slow
from test_spark import MASTER, URL, driver_state, master, submit, until

Json = dict[str, Any]


@pytest.fixture(scope="module")
def neighbour() -> Neighbour:
    """A target that is well."""
    return Neighbour()


def daemon(name: str) -> Daemon:
    """`master` or `worker`."""
    return Daemon(os.environ["SPARK_RUN"], name)


def wait_for_worker() -> None:
    """The cluster can run jobs again."""
    end = time.monotonic() + 150
    while not [worker for worker in master()["workers"] if worker["state"] == "ALIVE"]:
        assert time.monotonic() < end, master()
        time.sleep(0.5)


class Cluster:
    """The server, a job that runs, and a neighbour with one."""

    def __init__(self, server: Server, neighbour: Neighbour, urls: tuple[str, str] = (URL, MASTER)) -> None:
        config = json.loads(server.config.read_text())
        config["targets"]["spark"] |= {"url": urls[0], "master_url": urls[1]}
        config["targets"]["well"] = neighbour.target()
        config["roots"].append(str(server.folder))
        server.config.write_text(json.dumps(config))
        self.neighbour, self.api = neighbour, server.start()
        beside = self.api.submit(code_path=neighbour.jar(server.folder), runner_type="well")
        self.job = submit(self.api, rate=5)
        self.native_id = until(self.api, self.job, lambda view: view["state"] == "RUNNING")["native_id"]
        self.base = neighbour.base(self.api.url, beside, self.job)

    def view(self) -> Json:
        """The job as the server has it, without asking the cluster for it."""
        return dict(self.api.get(f"/api/v1/jobs/{self.job}?max_age_ms=600000")["data"])

    def until(self, wanted: Callable[[Json], bool], seconds: float = 60) -> Json:
        """The job once it is as wanted, watched only."""
        end = time.monotonic() + seconds
        while not wanted(view := self.view()):
            assert time.monotonic() < end, view
            time.sleep(0.2)
        return view

    def stale(self) -> None:
        """Nobody answers for the job; its last state stays."""
        view = self.until(lambda view: bool(view.get("stale_since")))
        assert view["state"] == "RUNNING", view

    def cancel(self) -> None:
        """Ends the job."""
        answer = self.api.call("POST", f"/api/v1/jobs/{self.job}/cancel", {"mode": "cancel"})
        assert (answer.status_code, answer.json()["state"]) == (200, "CANCELED"), answer.text


@pytest.fixture
def cluster(server: Server, neighbour: Neighbour) -> Cluster:
    """A server before the trouble."""
    return Cluster(server, neighbour)


def test_a_master_that_starts_again_loses_jobs(cluster: Cluster) -> None:
    boss = daemon("master")
    boss.kill()
    cluster.stale()
    cluster.neighbour.hurt("Spark: master dead", cluster.base)
    assert cluster.view()["state"] == "RUNNING", "silence proves nothing"
    boss.start()
    cluster.until(lambda view: not view.get("stale_since"), 90)
    end = time.monotonic() + 40
    while time.monotonic() < end:
        assert cluster.view()["state"] != "LOST"
        time.sleep(0.5)
    lost = cluster.until(lambda view: view["state"] == "LOST" or view["terminal"], 150)
    assert (lost["state"], lost["needs_attention"]) == ("LOST", True), lost
    assert driver_state(cluster.native_id) is None
    answer = cluster.api.call("POST", f"/api/v1/jobs/{cluster.job}/restore", {})
    assert answer.status_code in (409, 412, 422), answer.text
    assert answer.json()["error"]["details"]["suggestion"]
    wait_for_worker()


def test_a_worker_that_dies_takes_its_driver_along(cluster: Cluster) -> None:
    worker = daemon("worker")
    worker.kill()
    worker.start()
    view = cluster.until(lambda view: view["terminal"] or view["state"] in ("RECOVERING", "LOST"), 150)
    cluster.neighbour.hurt("Spark: worker started again", cluster.base)
    assert view["state"] in ("FAILED", "RECOVERING"), view
    assert view["diagnostics"], view
    wait_for_worker()


def test_a_frozen_master_is_stale_and_no_more(cluster: Cluster) -> None:
    boss = daemon("master")
    boss.freeze()
    try:
        cluster.stale()
        cluster.neighbour.hurt("Spark: master frozen", cluster.base)
    finally:
        boss.resume()
    cluster.until(lambda view: view["state"] == "RUNNING" and not view.get("stale_since"), 90)
    cluster.cancel()
    wait_for_worker()


def test_a_slow_network_delays_and_changes_nothing(server: Server, neighbour: Neighbour) -> None:
    ports = [int(url.rsplit(":", 1)[1]) for url in (URL, MASTER)]
    with slow(neighbour.loop, ports[0]) as (rest, first), slow(neighbour.loop, ports[1]) as (pages, second):
        cluster = Cluster(server, neighbour, (rest, pages))

        def become(*faults: Fault) -> None:
            for proxy in (first, second):
                neighbour.loop.run(proxy.become(*faults))

        become(Fault.SLOW)
        neighbour.hurt("Spark: answers 2 s late", cluster.base)
        view = until(cluster.api, cluster.job, lambda view: view["state"] == "RUNNING")
        assert not view.get("stale_since"), view
        become(Fault.SILENT)
        cluster.stale()
        neighbour.hurt("Spark: no answers", cluster.base)
        become()
        cluster.until(lambda view: view["state"] == "RUNNING" and not view.get("stale_since"), 90)
        cluster.cancel()


