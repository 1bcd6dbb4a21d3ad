"""What the product promises about Spark, on a real standalone cluster. Judged by asking the cluster itself."""

from __future__ import annotations

import hashlib
import http.server
import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import capability_matrix
from conftest import JARS, Api, Server
from daemons import Daemon

URL = os.environ.get("SPARK_URL", "")
MASTER = os.environ.get("SPARK_MASTER_URL", "")
SHARED = Path(os.environ.get("SPARK_SHARED", "/nowhere"))
JAR = "sparkrate.jar"
SMALL = {"spark.executor.memory": "512m", "spark.driver.memory": "512m"}


def body(**options: Any) -> dict[str, Any]:
    """A job of two tasks."""
    return {
        "runner_type": "spark",
        "code_path": JAR,
        "job_name": "rate",
        "options": {"parallelism": 2, **options},
    }


def submit(api: Api, **options: Any) -> str:
    """Id of a job that Spark has acknowledged."""
    answer = api.call("POST", "/api/v1/jobs", body(**options))
    assert answer.status_code == 201, answer.text
    return str(answer.json()["job_id"])


def master() -> Any:
    """What the master shows."""
    return requests.get(f"{MASTER}/json/", timeout=10).json()


def drivers() -> list[Any]:
    """Every driver the master remembers."""
    shown = master()
    return [*shown["activedrivers"], *shown["completeddrivers"]]


def driver_state(native_id: str) -> Any:
    """A driver's state by the submission API."""
    answer = requests.get(f"{URL}/v1/submissions/status/{native_id}", timeout=10).json()
    return answer.get("driverState")


def until(api: Api, job: str, wanted: Callable[[Any], bool], seconds: float = 150) -> Any:
    """The job once it is as wanted."""
    end = time.monotonic() + seconds
    while True:
        view = api.get(f"/api/v1/jobs/{job}?max_age_ms=0")["data"]
        if wanted(view):
            return view
        assert time.monotonic() < end, view
        time.sleep(0.5)


def has_tasks(api: Api, job: str) -> bool:
    """Whether tasks of the job run, by its metrics."""
    data = api.get(f"/api/v1/jobs/{job}/metrics")["data"]
    return any(one["name"] == "numActiveTasks" and one["attempted"] > 0 for one in data["system"])


@pytest.fixture
def spark(server: Server) -> Iterator[Api]:
    """A started server's API; jobs left running are canceled at the end."""
    api = server.start()
    yield api
    for job in api.get("/api/v1/jobs?target=spark&limit=200")["data"]["jobs"]:
        if not job["terminal"]:
            api.call("POST", f"/api/v1/jobs/{job['job_id']}/cancel", {"mode": "cancel"})


def test_submit_watch_and_cancel(spark: Api) -> None:
    runner = spark.get("/api/v1/runners?runner_type=spark")["data"]["runners"][0]
    assert (runner["status"], runner["version"]) == ("AVAILABLE", os.environ["SPARK_VERSION"])
    assert runner["facts"]["workers_alive"] == 1
    job = submit(spark, rate=5)
    view = until(spark, job, lambda view: view["state"] == "RUNNING")
    assert driver_state(view["native_id"]) == "RUNNING"
    end = time.monotonic() + 120
    while not has_tasks(spark, job):
        assert time.monotonic() < end, spark.get(f"/api/v1/jobs/{job}/metrics")
        time.sleep(1)
    metrics = spark.get(f"/api/v1/jobs/{job}/metrics")["data"]
    assert metrics["metrics"]["worker_count"] == 1
    assert metrics["source"] == "the driver's page"

    capability_matrix.check(spark.ask, "spark", job)
    for path, more in [("savepoint", {}), ("scale", {"parallelism": 3}), ("cancel", {"mode": "drain"})]:
        refused = spark.call("POST", f"/api/v1/jobs/{job}/{path}", more)
        error = refused.json()["error"]
        assert (error["code"], error["details"]["reason"]) == ("unsupported", "unsupported_by_runner"), refused.text
        assert error["details"]["suggestion"]
    assert driver_state(view["native_id"]) == "RUNNING", "nothing was done instead"

    answer = spark.call("POST", f"/api/v1/jobs/{job}/cancel", {"mode": "cancel"})
    assert (answer.status_code, answer.json()["state"]) == (200, "CANCELED"), answer.text
    assert driver_state(view["native_id"]) == "KILLED"
    again = spark.call("POST", f"/api/v1/jobs/{job}/cancel", {"mode": "cancel"})
    assert again.status_code == 200, again.text
    shown = spark.get("/api/v1/jobs?target=spark")["data"]["jobs"]
    assert [one["job_id"] for one in shown if one["native_id"] == view["native_id"]] == [job]


def test_logs_of_driver_and_executors_page_by_page(spark: Api) -> None:
    job = submit(spark, rate=50, count=20)
    until(spark, job, lambda view: view["state"] == "FINISHED")
    pages, token, lines = 0, "start", []
    while token:
        page = spark.get(f"/api/v1/jobs/{job}/logs?max_results=40&page_token={token}")["data"]
        lines += page["logs"]
        token, pages = page.get("next_page_token"), pages + 1
    assert pages > 2
    sources = {line["source"] for line in lines}
    assert sources == {"driver-stderr", "driver-stdout", "0-stderr"}, sources
    messages = [line["message"] for line in lines]
    assert messages.count("ratejob counted 20") == 1
    assert not [text for text in messages if "spark.beam.jobId" in text], "launch commands are left out"
    times = [line["timestamp"] for line in lines if line.get("timestamp")]
    assert times == sorted(times)
    tail = spark.get(f"/api/v1/jobs/{job}/logs?max_results=1000")["data"]["logs"]
    assert len(tail) == len(lines), "the whole log is shorter than a tail"


def test_accumulators_from_the_history_server(spark: Api) -> None:
    job = submit(spark, rate=50, count=40)
    view = until(spark, job, lambda view: view["terminal"])
    assert (view["state"], driver_state(view["native_id"])) == ("FINISHED", "FINISHED")
    end = time.monotonic() + 60
    while not (data := spark.get(f"/api/v1/jobs/{job}/metrics")["data"])["metrics"]:
        assert time.monotonic() < end, data
        time.sleep(1)
    assert data["metrics"]["spark.accumulator.elements"] == 40
    assert data["source"] == "the history server"


def test_failures_have_their_reasons(spark: Api) -> None:
    thrown = submit(spark, rate=50, failAt=3)
    early = submit(spark, noContext="true")
    exited = submit(spark, rate=50, count=4, exit=3)
    view = until(spark, thrown, lambda view: view["terminal"])
    assert (view["state"], driver_state(view["native_id"])) == ("FAILED", "FAILED")
    assert "IllegalStateException: ratejob: told to fail at 3" in view["diagnostics"]
    apps = [app for app in master()["completedapps"] if app["name"].endswith(thrown.split(":")[1])]
    assert [app["state"] for app in apps] == ["FINISHED"], "the application's own word is no proof"
    view = until(spark, early, lambda view: view["terminal"])
    assert view["diagnostics"] == "java.lang.IllegalArgumentException: ratejob: told to fail before it begins"
    view = until(spark, exited, lambda view: view["terminal"])
    assert view["state"] == "FAILED"
    assert "exit code" in view["diagnostics"]


def test_what_waits_is_pending_and_says_for_what(spark: Api) -> None:
    queued = submit(spark, spark_configuration={"spark.driver.memory": "900g"})
    waiting = submit(spark, spark_configuration={"spark.executor.memory": "900g"})
    view = until(spark, queued, lambda view: view["diagnostics"])
    assert (view["state"], view["runner_state"]) == ("PENDING", "SUBMITTED")
    assert "waits for a worker" in view["diagnostics"]
    view = until(spark, waiting, lambda view: "waits for executors" in view["diagnostics"])
    assert (view["state"], view["runner_state"]) == ("PENDING", "RUNNING")
    for job in (queued, waiting):
        answer = spark.call("POST", f"/api/v1/jobs/{job}/cancel", {"mode": "cancel"})
        assert (answer.status_code, answer.json()["state"]) == (200, "CANCELED"), answer.text


def test_what_loads_code_is_the_operators_and_the_checked_jar_runs(spark: Api) -> None:
    before = len(drivers())
    for key in ("spark.jars", "spark.driver.extraJavaOptions", "spark.jars.packages", "spark.plugins"):
        denied = spark.call("POST", "/api/v1/jobs", body(spark_configuration={key: "x"}))
        assert denied.status_code == 403, denied.text
        assert denied.json()["error"]["details"]["reason"] == "operator_only_option"
    assert len(drivers()) == before
    placed = SHARED / f"{hashlib.sha256((JARS / JAR).read_bytes()).hexdigest()}.jar"
    placed.unlink(missing_ok=True)
    placed.write_bytes(b"not the jar")
    job = submit(spark, rate=50, count=4)
    assert placed.read_bytes() == (JARS / JAR).read_bytes()
    until(spark, job, lambda view: view["state"] == "FINISHED")


def test_the_same_key_makes_one_driver(spark: Api) -> None:
    before = len(drivers())
    answers: list[requests.Response] = []
    headers = {"Idempotency-Key": "once"}
    call = lambda: answers.append(spark.call("POST", "/api/v1/jobs", body(noContext="true"), **headers))  # noqa: E731
    threads = [threading.Thread(target=call) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ids = {answer.json()["job_id"] for answer in answers}
    assert len(ids) == 1, [answer.text for answer in answers]
    assert len(drivers()) == before + 1


def test_a_foreign_driver_is_discovered(spark: Api) -> None:
    jar = f"file:{SHARED}/foreign.jar"
    (SHARED / "foreign.jar").write_bytes((JARS / JAR).read_bytes())
    properties = {"spark.jars": jar, "spark.master": master()["url"], "spark.app.name": "foreign", **SMALL}
    request = {
        "action": "CreateSubmissionRequest",
        "appResource": jar,
        "mainClass": "org.beammcp.examples.SparkRateJob",
        "appArgs": ["--noContext=true"],
        "clientSparkVersion": os.environ["SPARK_VERSION"],
        "environmentVariables": {},
        "sparkProperties": properties,
    }
    created = requests.post(f"{URL}/v1/submissions/create", json=request, timeout=20).json()
    job = f"spark:@{created['submissionId']}"
    end = time.monotonic() + 120
    while job not in [one["job_id"] for one in spark.get("/api/v1/jobs?target=spark&limit=200")["data"]["jobs"]]:
        assert time.monotonic() < end, drivers()
        time.sleep(0.5)
    view = until(spark, job, lambda view: view["terminal"])
    assert (view["origin"], view["state"]) == ("discovered", "FAILED")


def test_a_restarted_master_forgets_its_drivers_and_their_jobs_are_lost(spark: Api) -> None:
    job = submit(spark, rate=5)
    native_id = until(spark, job, lambda view: view["state"] == "RUNNING")["native_id"]
    daemon = Daemon(os.environ["SPARK_RUN"], "master")
    daemon.kill()
    daemon.start()
    view = until(spark, job, lambda view: view["state"] == "LOST" or view["terminal"], 200)
    assert (view["state"], view["terminal"], view["needs_attention"]) == ("LOST", False, True)
    assert "restart" in view["diagnostics"]
    assert driver_state(native_id) is None
    answer = requests.get(f"{URL}/v1/submissions/status/{native_id}", timeout=10)
    assert (answer.status_code, answer.json()["success"]) == (200, False)
    end = time.monotonic() + 120
    while not [worker for worker in master()["workers"] if worker["state"] == "ALIVE"]:
        assert time.monotonic() < end, master()
        time.sleep(0.5)


class Proxy:
    """Passes calls on to Spark. Of a submission it loses the answer, or else takes a property out of what is sent."""

    def __init__(self, lost: Callable[[], None] | None = None, without: str = "") -> None:
        outer = self
        self.creates = 0
        self.taken: list[str] = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def handle_one(self) -> None:
                length = int(self.headers.get("content-length", 0))
                data = self.rfile.read(length)
                if without and self.path.endswith("/create"):
                    body = json.loads(data)
                    outer.taken.append(body["sparkProperties"].pop(without))
                    data = json.dumps(body).encode()
                headers = {"content-type": "application/json"}
                answer = requests.request(self.command, f"{URL}{self.path}", data=data, headers=headers, timeout=20)
                if lost and self.path.endswith("/create"):
                    outer.creates += 1
                    lost()
                    self.close_connection = True
                    return
                self.send_response(answer.status_code)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(answer.content)))
                self.end_headers()
                self.wfile.write(answer.content)

            do_GET = do_POST = handle_one

            def log_message(self, *_: Any) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    def close(self) -> None:
        """Ends it."""
        self.server.shutdown()
        self.server.server_close()


def point(server: Server, url: str) -> None:
    """Makes the server reach the submission API at another address when it starts."""
    config = json.loads(server.config.read_text())
    config["targets"]["spark"]["url"] = url
    server.config.write_text(json.dumps(config))


def test_without_the_flags_that_are_sent_a_driver_dies_of_closed_modules(server: Server) -> None:
    proxy = Proxy(without="spark.driver.extraJavaOptions")
    point(server, proxy.url)
    api = server.start()
    job = submit(api, rate=50, count=4)
    view = until(api, job, lambda view: view["terminal"])
    proxy.close()
    [flags] = proxy.taken
    assert "--add-opens=java.base/sun.nio.ch=ALL-UNNAMED" in flags
    assert (view["state"], driver_state(view["native_id"])) == ("FAILED", "FAILED"), view
    thrown, advice = view["diagnostics"].split("\n", 1)
    assert thrown.startswith("java.lang.IllegalAccessError: "), view
    assert "module java.base does not export sun.nio.ch" in thrown, view
    assert advice.startswith("Spark 3 needs module flags on Java 17"), view


def only_job(api: Api) -> str:
    """The one job of ours on Spark."""
    jobs = api.get("/api/v1/jobs?target=spark&limit=200")["data"]["jobs"]
    (job,) = [job["job_id"] for job in jobs if job["origin"] == "submitted"]
    return str(job)


def test_kill_9_while_spark_answers_leaves_exactly_one_driver(server: Server) -> None:
    proxy = Proxy(lost=server.kill)
    point(server, proxy.url)
    before = len(drivers())
    api = server.start()
    with pytest.raises(requests.RequestException):
        api.call("POST", "/api/v1/jobs", body(rate=5))
    proxy.close()
    assert len(drivers()) == before + 1
    point(server, URL)
    api = server.start()
    job = only_job(api)
    view = until(api, job, lambda view: view["state"] == "RUNNING")
    assert view["native_id"] == max(driver["id"] for driver in drivers())
    assert (proxy.creates, len(drivers())) == (1, before + 1)
    answer = api.call("POST", f"/api/v1/jobs/{job}/cancel", {"mode": "cancel"})
    assert (answer.status_code, answer.json()["state"]) == (200, "CANCELED"), answer.text


def test_a_lost_answer_is_looked_for_and_not_sent_again(server: Server) -> None:
    proxy = Proxy(lost=lambda: None)
    point(server, proxy.url)
    before = len(drivers())
    api = server.start()
    answer = api.call("POST", "/api/v1/jobs", body(rate=5))
    assert answer.status_code in (201, 202), answer.text
    job = answer.json()["job_id"]
    view = until(api, job, lambda view: view["state"] == "RUNNING")
    assert view["native_id"] == max(driver["id"] for driver in drivers())
    assert (proxy.creates, len(drivers())) == (1, before + 1)
    ended = api.call("POST", f"/api/v1/jobs/{job}/cancel", {"mode": "cancel"})
    assert (ended.status_code, ended.json()["state"]) == (200, "CANCELED"), ended.text
    proxy.close()
