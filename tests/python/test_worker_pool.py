"""The worker pool under Beam's own job service: the workers it starts run a pipeline, and end with it."""

from __future__ import annotations

import importlib
import importlib.util
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from beam_mcp_client import worker_environment, worker_pool
from beam_mcp_client.worker_places import WorkerPlaces
from wheels import wheel

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
TEXT = "to be or not to be"


def children(process: int) -> list[int]:
    threads = Path(f"/proc/{process}/task").glob("*/children")
    return [int(pid) for thread in threads for pid in thread.read_text().split()]


def until(holds: Callable[[], bool], why: str) -> None:
    end = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < end, why
        time.sleep(0.1)


class Pool:
    """A pool on a free port."""

    def __init__(self, log: Path, **env: str) -> None:
        command = [sys.executable, "-m", "beam_mcp_client", "worker-pool", "--port", "0"]
        self.log = log
        with log.open("wb") as stderr:
            self.process = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=stderr, env={**os.environ, **env}
            )
        assert self.process.stdout is not None
        self.announced = self.process.stdout.readline().decode()
        self.port = int(self.announced.rpartition(":")[2])

    def children(self) -> list[int]:
        """The workers that live."""
        return children(self.process.pid)

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


def run(pool: Pool, code: Path, *options: str) -> subprocess.CompletedProcess[str]:
    there = ["--runner=PortableRunner", "--job_endpoint=embed", "--environment_type=EXTERNAL"]
    there.append(f"--environment_config=127.0.0.1:{pool.port}")
    command = [sys.executable, str(code), *there, *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=110, check=False)


def run_wordcount(pool: Pool, folder: Path) -> subprocess.CompletedProcess[str]:
    (folder / "text").write_text(TEXT)
    options = [f"--input={folder / 'text'}", f"--output={folder / 'counts'}"]
    return run(pool, EXAMPLES / "wordcount.py", *options)


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


def test_its_workers_need_no_python_on_the_path(tmp_path: Path) -> None:
    pool = Pool(tmp_path / "pool.log", PATH=str(tmp_path))
    try:
        assert run_wordcount(pool, tmp_path).returncode == 0
    finally:
        assert pool.stop() == 0


BRINGS = """
import sys
import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions

SIGN = "!"

class Shout(beam.DoFn):
    def process(self, word):
        import beside_words, brought_words
        yield brought_words.shout(beside_words.twice(word)) + SIGN

if __name__ == "__main__":
    with beam.Pipeline(options=PipelineOptions(sys.argv[1:])) as p:
        p | beam.Create(["a", "b"]) | beam.ParDo(Shout()) | beam.io.WriteToText({output!r})
"""


def test_what_a_pipeline_brings_is_installed_for_its_workers_alone(
    pool: Pool, tmp_path: Path
) -> None:
    code = tmp_path / "brings.py"
    code.write_text(BRINGS.format(output=str(tmp_path / "shouted")))
    (tmp_path / "beside_words.py").write_text("def twice(text): return text * 2")
    package = wheel(tmp_path, "brought_words", "def shout(text): return text.upper()")
    staged = [f"--files_to_stage={tmp_path / 'beside_words.py'}", "--save_main_session"]
    done = run(pool, code, f"--extra_package={package}", *staged)
    assert done.returncode == 0, done.stderr[-2000:]
    lines = [line for file in tmp_path.glob("shouted*") for line in file.read_text().splitlines()]
    assert sorted(lines) == ["AA!", "BB!"]
    assert importlib.util.find_spec("brought_words") is None, (
        "nothing was installed into this Python"
    )
    without = run(pool, code, *staged)
    assert "No module named 'brought_words'" in without.stderr, "another pipeline has none of it"


def test_a_package_that_cannot_be_installed_is_said(pool: Pool, tmp_path: Path) -> None:
    broken = tmp_path / "broken-1.0-py3-none-any.whl"
    broken.write_bytes(b"no wheel")
    (tmp_path / "text").write_text(TEXT)
    options = [
        f"--input={tmp_path / 'text'}",
        f"--output={tmp_path / 'counts'}",
        f"--extra_package={broken}",
    ]
    done = run(pool, EXAMPLES / "wordcount.py", *options)
    assert done.returncode != 0
    assert "cannot be installed" in done.stderr, done.stderr[-2000:]


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
def test_a_worker_reads_no_secret_of_its_pool(tmp_path: Path) -> None:
    grpc: Any = importlib.import_module("grpc")
    api: Any = importlib.import_module("apache_beam.portability.api")
    pool = Pool(tmp_path / "pool.log", BEAM_MCP_TOKEN="s3cret", TZ="UTC")
    with grpc.insecure_channel(f"127.0.0.1:{pool.port}") as channel:
        stub = api.beam_fn_api_pb2_grpc.BeamFnExternalWorkerPoolStub(channel)
        request = api.beam_fn_api_pb2.StartWorkerRequest(worker_id="w")
        request.control_endpoint.url = request.logging_endpoint.url = "127.0.0.1:9"
        assert stub.StartWorker(request, timeout=30).error == ""
        [worker] = pool.children()
        environment = Path(f"/proc/{worker}/environ").read_text()
        assert "TZ=UTC" in environment
        assert "s3cret" not in environment
    assert pool.stop() == 0


def test_the_pool_itself_is_closed_to_its_workers() -> None:
    asked = "import ctypes; print(ctypes.CDLL(None).prctl(3))"
    script = f"from beam_mcp_client import worker_pool; worker_pool.WorkerPool(); {asked}"
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "0", "PR_GET_DUMPABLE: others of its user read no environment"


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


# Importing Beam collects what other tests left to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_worker_that_has_ended_uses_its_files_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    from pipeline_runner import worker_wanted

    monkeypatch.setattr(worker_environment, "keep_to_oneself", lambda: None)
    places = WorkerPlaces(most_idle=0)
    pool, before = worker_pool.WorkerPool(places), children(os.getpid())
    try:
        with worker_wanted("lookup.csv", b"1,2") as request:
            assert pool.StartWorker(request, None).error == ""
        [worker] = set(children(os.getpid())) - set(before)
        assert len(list(places.root.iterdir())) == 1, "it lives"
        os.kill(worker, signal.SIGKILL)
        until(lambda: not list(places.root.iterdir()), "no other worker need start for that")
        assert worker not in children(os.getpid()), "nothing is left of it"
    finally:
        pool.close()


# Importing Beam collects what other tests left to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_it_ends_while_it_installs(tmp_path: Path) -> None:
    from pipeline_runner import API, grpc, worker_wanted

    index = socket.create_server(("127.0.0.1", 0))
    index.settimeout(60)
    url = f"http://127.0.0.1:{index.getsockname()[1]}/simple"
    env = {"PIP_INDEX_URL": url, "PIP_CONFIG_FILE": os.devnull, "NO_PROXY": "127.0.0.1"}
    (tmp_path / "tmp").mkdir()
    pool = Pool(tmp_path / "pool.log", TMPDIR=str(tmp_path / "tmp"), **env)
    try:
        with (
            index,
            worker_wanted("requirements.txt", b"never-there") as request,
            grpc.insecure_channel(f"127.0.0.1:{pool.port}") as channel,
        ):
            stub = API.beam_fn_api_pb2_grpc.BeamFnExternalWorkerPoolStub(channel)
            asked = stub.StartWorker.future(request, timeout=120)
            with index.accept()[0]:
                [pip] = pool.children()
                pool.process.send_signal(signal.SIGTERM)
                assert pool.process.wait(15) == 0
                with pytest.raises(ProcessLookupError):
                    os.kill(pip, 0)
            assert asked.exception(timeout=30) is not None
        assert list((tmp_path / "tmp").glob("beam-mcp-pool-*")) == []
    finally:
        pool.process.kill()
        pool.stop()


def test_an_address_in_use_is_said(pool: Pool) -> None:
    command = [sys.executable, "-m", "beam_mcp_client", "worker-pool", "--port", str(pool.port)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 5
    assert f"nothing can listen on 127.0.0.1:{pool.port}" in done.stderr
