"""A real server in front of the real Flink or Spark cluster that run.sh has started."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import requests

# Behind this folder: modules of both have the same names.
sys.path.append(str(Path(__file__).resolve().parents[1] / "python"))

SERVER = Path(sys.executable).with_name("beam-mcp-server")
FLINK_URL = os.environ.get("FLINK_URL")
JARS = Path(os.environ["JARS"])


class Api:
    """The REST API as a person with `requests` uses it."""

    def __init__(self, url: str) -> None:
        self.url = url

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> requests.Response:
        """One exchange."""
        return requests.request(method, f"{self.url}{path}", json=body, headers=headers, timeout=620)

    def ask(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """Status and JSON of an exchange, by the path behind the version."""
        answer = self.call(method, f"/api/v1{path}", body)
        return answer.status_code, answer.json()

    def get(self, path: str) -> Any:
        """The answer's JSON of a read that succeeds."""
        answer = self.call("GET", path)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def submit(self, **spec: Any) -> str:
        """Id of a job the cluster has acknowledged."""
        body = {"runner_type": "flink", "job_type": "STREAMING", "code_path": "ratejob.jar", "job_name": "rate"}
        answer = self.call("POST", "/api/v1/jobs", {**body, **spec})
        assert answer.status_code == 201, answer.text
        return str(answer.json()["job_id"])

    def wait(self, job: str, *states: str, seconds: float = 60) -> Any:
        """The job once it is in one of the states."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            view = self.get(f"/api/v1/jobs/{job}?max_age_ms=0")["data"]
            if view["state"] in states:
                return view
            time.sleep(0.3)
        raise AssertionError(f"{job} is {view['state']} ({view['diagnostics']}), not {states}")


class Server:
    """A beam-mcp-server process that can be killed and started again on the same store."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config = folder / "config.json"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> Api:
        """Starts it and waits until it listens."""
        ready = self.folder / "ready"
        ready.unlink(missing_ok=True)
        arguments = ["serve", "--config", str(self.config), "--port", "0", "--ready-file", str(ready)]
        with (self.folder / "server.log").open("ab") as log:
            self.process = subprocess.Popen([str(SERVER), *arguments], stderr=log, stdout=log)
        end = time.monotonic() + 20
        while not ready.exists() or not ready.read_text().strip():
            assert self.process.poll() is None, (self.folder / "server.log").read_text()
            assert time.monotonic() < end, "the server does not get ready"
            time.sleep(0.05)
        return Api(f"http://127.0.0.1:{port_of(ready.read_text())}")

    def kill(self) -> None:
        """Ends it without warning."""
        assert self.process
        self.process.kill()
        self.process.wait()


def port_of(ready: str) -> int:
    """The port in a ready file."""
    text = ready.strip()
    return int(json.loads(text)["port"]) if text.startswith("{") else int(text.rsplit(":", 1)[-1].rstrip("/"))


def spark_target(env: Mapping[str, str]) -> dict[str, Any]:
    """The Spark cluster that run.sh has started."""
    properties = {
        "spark.eventLog.enabled": "true",
        "spark.eventLog.dir": env["SPARK_EVENTS"],
        "spark.driver.memory": "512m",
        "spark.executor.memory": "512m",
    }
    return {
        "runner": "spark",
        "url": env["SPARK_URL"],
        "master_url": env["SPARK_MASTER_URL"],
        "history_url": env["SPARK_HISTORY_URL"],
        "jar_folder": env["SPARK_SHARED"],
        "options": {"spark_configuration": properties},
    }


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """A server with the cluster as target `flink` or `spark`, not started."""
    flink = {"runner": "flink", "url": FLINK_URL, "savepoint_dir": os.environ.get("FLINK_SAVEPOINTS")}
    config = {
        "targets": {
            **({"flink": flink} if FLINK_URL else {"spark": spark_target(os.environ)}),
            "dead": {"runner": "flink", "url": "http://127.0.0.1:9"},
            "direct": {"runner": "direct", "python": sys.executable},
        },
        "roots": [str(JARS)],
        "store": {"path": str(tmp_path / "store")},
    }
    (tmp_path / "config.json").write_text(json.dumps(config))
    server = Server(tmp_path)
    yield server
    if server.process and server.process.poll() is None:
        server.process.terminate()
        server.process.wait(timeout=20)


@pytest.fixture
def api(server: Server) -> Iterator[Api]:
    """A started server's API; jobs left running are canceled at the end."""
    api = server.start()
    yield api
    for job in api.get("/api/v1/jobs?limit=200")["data"]["jobs"]:
        if not job["terminal"] and job["target"] == "flink":
            api.call("POST", f"/api/v1/jobs/{job['job_id']}/cancel", {"mode": "cancel"})


@pytest.fixture
def pool() -> Iterator[str]:
    """Address of a pool of Python workers."""
    command = [sys.executable, "-m", "beam_mcp_client", "worker-pool", "--port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert process.stdout
    announced = process.stdout.readline().decode()
    yield announced.removeprefix("worker pool on ").strip()
    process.terminate()
    process.wait(30)
    process.stdout.close()


@pytest.fixture
def flink_savepoints() -> str:
    """Where the cluster keeps savepoints."""
    return os.environ["FLINK_SAVEPOINTS"]


@pytest.fixture
def flink() -> Callable[[str], Any]:
    """Asks the cluster itself, past the product."""

    def ask(path: str) -> Any:
        return requests.get(f"{FLINK_URL}{path}", timeout=10).json()

    return ask


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """What the callers of a well target noticed, where that was measured."""
    rows = getattr(sys.modules.get("neighbour"), "ROWS", [])
    for row in rows:
        line = "{trouble}: p50 {p50_before_ms} -> {p50_in_it_ms} ms (x {p50_ratio}), "
        line += "p99 {p99_before_ms} -> {p99_in_it_ms} ms (x {p99_ratio}), {calls} calls"
        terminalreporter.write_line(line.format(**row))
