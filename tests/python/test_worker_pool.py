"""The worker pool under Beam's own job service: the workers it starts run a pipeline, and end with it."""

from __future__ import annotations

import importlib
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
TEXT = "to be or not to be"


class Pool:
    """A pool on a free port."""

    def __init__(self, log: Path) -> None:
        command = [sys.executable, "-m", "beam_mcp_client", "worker-pool", "--port", "0"]
        self.log = log
        with log.open("wb") as stderr:
            self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=stderr)
        assert self.process.stdout is not None
        self.announced = self.process.stdout.readline().decode()
        self.port = int(self.announced.rpartition(":")[2])

    def children(self) -> list[int]:
        """The workers that live."""
        threads = Path(f"/proc/{self.process.pid}/task").glob("*/children")
        return [int(pid) for thread in threads for pid in thread.read_text().split()]

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(30)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return code


@pytest.fixture
def pool(tmp_path: Path) -> Iterator[Pool]:
    pool = Pool(tmp_path / "pool.log")
    yield pool
    if pool.process.poll() is None:
        pool.stop()


def run_wordcount(pool: Pool, folder: Path) -> subprocess.CompletedProcess[str]:
    (folder / "text").write_text(TEXT)
    options = [
        f"--input={folder / 'text'}",
        f"--output={folder / 'counts'}",
        "--runner=PortableRunner",
        "--job_endpoint=embed",
        "--environment_type=EXTERNAL",
        f"--environment_config=127.0.0.1:{pool.port}",
    ]
    command = [sys.executable, str(EXAMPLES / "wordcount.py"), *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=110, check=False)


def test_its_workers_run_a_pipeline_and_end_with_it(pool: Pool, tmp_path: Path) -> None:
    assert pool.announced.startswith("worker pool on 127.0.0.1:")
    done = run_wordcount(pool, tmp_path)
    assert done.returncode == 0, done.stderr[-2000:]
    counted = "".join(file.read_text() for file in tmp_path.glob("counts-*"))
    assert sorted(counted.split("\n")) == ["", "be: 2", "not: 1", "or: 1", "to: 2"]
    log = pool.log.read_text()
    assert re.search(r"^worker \S+ started$", log, re.M)
    assert f"--output={tmp_path / 'counts'}" in log, "the workers know the pipeline's options"
    assert pool.stop() == 0


# Importing Beam collects what other tests left to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_it_takes_its_workers_along(pool: Pool) -> None:
    grpc: Any = importlib.import_module("grpc")
    api: Any = importlib.import_module("apache_beam.portability.api")
    with grpc.insecure_channel(f"127.0.0.1:{pool.port}") as channel:
        stub = api.beam_fn_api_pb2_grpc.BeamFnExternalWorkerPoolStub(channel)
        request = api.beam_fn_api_pb2.StartWorkerRequest(worker_id="w")
        request.control_endpoint.url = request.logging_endpoint.url = "127.0.0.1:9"
        assert stub.StartWorker(request, timeout=30).error == ""
        [worker] = pool.children()
        request.provision_endpoint.url = "127.0.0.1:9"
        assert "UNAVAILABLE" in stub.StartWorker(request, timeout=30).error
        assert pool.children() == [worker], "no worker without its options"
    assert pool.stop() == 0
    with pytest.raises(ProcessLookupError):
        os.kill(worker, 0)


# Importing Beam collects what other tests left to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_runner_ends_no_worker_of_another_that_has_the_same_id(pool: Pool) -> None:
    grpc: Any = importlib.import_module("grpc")
    api: Any = importlib.import_module("apache_beam.portability.api")
    alive, gone = socket.create_server(("127.0.0.1", 0)), socket.create_server(("127.0.0.1", 0))
    with alive, grpc.insecure_channel(f"127.0.0.1:{pool.port}") as channel:
        stub = api.beam_fn_api_pb2_grpc.BeamFnExternalWorkerPoolStub(channel)
        for runner in (gone, alive):
            request = api.beam_fn_api_pb2.StartWorkerRequest(worker_id="1-1")
            request.control_endpoint.url = f"127.0.0.1:{runner.getsockname()[1]}"
            request.logging_endpoint.url = request.control_endpoint.url
            assert stub.StartWorker(request, timeout=30).error == ""
        first, second = sorted(pool.children())
        gone.close()
        stub.StopWorker(api.beam_fn_api_pb2.StopWorkerRequest(worker_id="1-1"), timeout=30)
        end = time.monotonic() + 30
        while first in pool.children():
            assert time.monotonic() < end
            time.sleep(0.2)
        stub.StopWorker(api.beam_fn_api_pb2.StopWorkerRequest(worker_id="1-1"), timeout=30)
        time.sleep(2)
        assert pool.children() == [second], "its runner is there"


def test_an_address_in_use_is_said(pool: Pool) -> None:
    command = [sys.executable, "-m", "beam_mcp_client", "worker-pool", "--port", str(pool.port)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 5
    assert f"nothing can listen on 127.0.0.1:{pool.port}" in done.stderr
