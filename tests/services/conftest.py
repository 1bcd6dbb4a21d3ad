"""Real job services, a real worker pool, and a real server in front of them. run.sh names the programs.

PRISM is Beam's Prism; BEAM_MCP_SERVER the server; JAVA_JOB_SERVER the class path of Beam's Java job server for Flink,
GO_PROGRAM and JAVA_PROGRAM programs of the other SDKs (run.sh builds them).
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from apache_beam.portability.api import beam_job_api_pb2 as api
from apache_beam.portability.api import beam_job_api_pb2_grpc as stubs

from real_server import RealServer, free_port, until

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
OPENED = ("lang", "net", "io", "nio", "lang.reflect", "text", "time", "util", "util.concurrent")
JAVA = ["java", "-Xmx512m", *[f"--add-opens=java.base/java.{name}=ALL-UNNAMED" for name in OPENED]]
MARKER = "beam:option:beam_mcp_job:v1"


def listens(port: int) -> bool:
    """Whether somebody accepts connections."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


class Service:
    """A job service as a process, asked past the product."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name, self.folder, self.port = name, folder, free_port()
        self.process: subprocess.Popen[bytes] | None = None

    def command(self) -> list[str]:
        """What starts it."""
        if self.name == "prism":
            return [os.environ["PRISM"], f"--job_port={self.port}", "--serve_http=false"]
        if self.name == "java":
            main = "org.apache.beam.runners.flink.FlinkJobServerDriver"
            ports = [f"--job-port={self.port}", "--artifact-port=0", "--expansion-port=0"]
            more = ["--flink-master=[local]", f"--artifacts-dir={self.folder / 'artifacts'}"]
            return [*JAVA, "-cp", os.environ["JAVA_JOB_SERVER"], main, *ports, *more]
        module = "apache_beam.runners.portability.local_job_service_main"
        return [sys.executable, "-m", module, "--port", str(self.port)]

    def start(self) -> Service:
        """Starts it and waits until it listens."""
        with (self.folder / f"{self.name}.log").open("ab") as log:
            self.process = subprocess.Popen(self.command(), stdout=log, stderr=log)
        until(lambda: listens(self.port), f"{self.name} listens")
        return self

    def stop(self) -> None:
        """Ends it without warning, as a crash would."""
        if self.process:
            self.process.kill()
            self.process.wait()

    def stub(self) -> Any:
        """Its API."""
        return stubs.JobServiceStub(grpc.insecure_channel(f"127.0.0.1:{self.port}"))

    def jobs(self, token: str) -> list[Any]:
        """Its jobs that carry a token of ours and were run."""
        every = self.stub().GetJobs(api.GetJobsRequest(), timeout=10).job_info
        ours = [job for job in every if job.pipeline_options.fields[MARKER].string_value == token]
        return [job for job in ours if job.state != api.JobState.STOPPED]


class Server(RealServer):
    """The server in front of a service."""

    def submit(self, service: str, code: str | Path, **more: Any) -> str:
        """Id of a job the service has taken."""
        if isinstance(code, str):
            (self.roots / "job.py").write_text(code, encoding="utf-8")
            code = Path("job.py")
        body = {"target": service, "code_path": str(code), **more}
        status, answer = self.call("POST", "/jobs", body)
        assert status in (201, 202), answer
        return str(answer["job_id"])

    def job(self, job_id: str) -> Any:
        """The job as the service shows it now."""
        _, answer = self.call("GET", f"/jobs/{job_id}?max_age_ms=0")
        return answer["data"]

    def ended(self, job_id: str) -> Any:
        """The job once it has ended."""
        return until(lambda: (job := self.job(job_id))["terminal"] and job, f"{job_id} ends")


def token(job_id: str) -> str:
    """What the service knows a job by."""
    return job_id.partition(":")[2]


@pytest.fixture(scope="session")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a worker pool."""
    log = tmp_path_factory.mktemp("pool") / "pool.log"
    command = [sys.executable, "-m", "beam_mcp_client", "worker-pool", "--port", "0"]
    with log.open("wb") as stderr:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=stderr)
    assert process.stdout is not None
    port = int(process.stdout.readline().decode().rpartition(":")[2])
    yield f"127.0.0.1:{port}"
    process.send_signal(signal.SIGTERM)
    process.wait(30)
    process.stdout.close()


@pytest.fixture(scope="session")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Service]]:
    """Both services, for the whole run."""
    folder = tmp_path_factory.mktemp("services")
    started = {name: Service(name, folder).start() for name in ("prism", "python")}
    yield started
    for service in started.values():
        service.stop()


def config(urls: dict[str, int], pool: str) -> dict[str, Any]:
    """Targets by the ports of their services."""
    environment = {"environment_type": "EXTERNAL", "environment_config": pool}
    return {
        "targets": {
            name: {
                "runner": "portable",
                "url": f"http://127.0.0.1:{port}",
                "python": sys.executable,
                "options": environment,
            }
            for name, port in urls.items()
        }
        | {"direct": {"runner": "direct", "python": sys.executable, "prism": os.environ["PRISM"]}}
    }


@pytest.fixture
def server(tmp_path: Path, services: dict[str, Service], pool: str) -> Iterator[Server]:
    """A server in front of both services, started."""
    ports = {name: service.port for name, service in services.items()}
    server = Server(tmp_path, config(ports, pool)).start()
    yield server
    server.kill()


@pytest.fixture(scope="session")
def java_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Beam's Java job server, with a Flink inside."""
    service = Service("java", tmp_path_factory.mktemp("java")).start()
    yield service
    service.stop()


@pytest.fixture
def java_server(tmp_path: Path, java_service: Service, pool: str) -> Iterator[Server]:
    """A server in front of it."""
    server = Server(tmp_path, config({"java": java_service.port}, pool)).start()
    yield server
    server.kill()


@pytest.fixture
def loopback_door(
    request: pytest.FixtureRequest, tmp_path: Path, services: dict[str, Service]
) -> Iterator[tuple[Server, str]]:
    """A server whose Job API is for programs that bring their own workers, and that endpoint."""
    port = free_port()
    service = services["prism"] if request.param == "prism" else request.getfixturevalue("java_service")
    target = {"runner": "portable", "url": f"http://127.0.0.1:{service.port}"}
    target |= {"python": sys.executable, "options": {"environment_type": "LOOPBACK"}}
    wanted = {"targets": {request.param: target}, "job_api": {"port": port, "target": request.param}}
    server = Server(tmp_path, wanted).start()
    yield server, f"127.0.0.1:{port}"
    server.kill()


@pytest.fixture
def door(tmp_path: Path, services: dict[str, Service], pool: str) -> Iterator[tuple[Server, str]]:
    """A server whose own Job API leads to Prism, and that endpoint."""
    port = free_port()
    wanted = config({"prism": services["prism"].port}, pool)
    server = Server(tmp_path, wanted | {"job_api": {"port": port, "target": "prism"}}).start()
    yield server, f"127.0.0.1:{port}"
    server.kill()


def pause(seconds: float) -> None:
    """Lets something happen that must not."""
    time.sleep(seconds)
