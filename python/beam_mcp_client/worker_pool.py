"""`beam-mcp worker-pool`: the Python workers of Beam pipelines on Flink and Spark.

Beam's `EXTERNAL` environment asks a pool for a worker at the start of each stage. One pool runs beside each Flink
TaskManager or Spark worker, in a Python that has `apache_beam` in the version of the pipeline. What the pipeline brings
(`requirements_file`, `extra_packages`, the main session) is installed for its own workers, before the first starts.

Unlike Beam's own `worker_pool_main` it listens where it is told to (on this machine alone, by default), starts workers
with the interpreter it runs in, sends their logs to the runner, gives them the pipeline's options, and takes them along
when it ends. The protocol has no authentication: whoever reaches the port runs code here.

Each job, and on Spark each executor, counts its workers from one, so several workers of a pool have the same id. A
worker ends by itself when its runner closes the connection; one that is told to stop is ended only once that is gone.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from . import errors, worker_environment, worker_files
from .worker_pip import Pip
from .worker_places import Place, WorkerPlaces

WORKER = "apache_beam.runners.worker.sdk_worker_main"
GRACE_S = 10.0
"""Longest a worker may take to end when it is asked to, and its runner to close its connection after it said so."""
LOOK_S = 0.2
PROVISION_S = 20.0
"""Longest the runner may take to tell a worker's options."""
LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


@dataclass
class Worker:
    """A process, and whom it works for."""

    name: str
    runner: str
    """Address of its control service."""
    process: subprocess.Popen[bytes]
    place: Place | None
    """Where its files are."""

    def is_alive(self) -> bool:
        return self.process.poll() is None

    def is_left(self) -> bool:
        """Whether its runner takes no connections any more."""
        host, _, port = self.runner.rpartition(":")
        try:
            socket.create_connection((host.strip("[]"), int(port)), LOOK_S).close()
        except (OSError, ValueError):
            return True
        return False


class WorkerPool:
    """The workers of a pool. Its methods are those of Beam's `BeamFnExternalWorkerPool` service."""

    def __init__(self, places: WorkerPlaces | None = None) -> None:
        worker_environment.keep_to_oneself()
        self._api = _api("beam_fn_api_pb2")
        self._workers: list[Worker] = []
        self._places = places or WorkerPlaces()
        self._pip = Pip()
        self._lock = threading.Lock()
        self._closed = False

    def StartWorker(self, request: Any, context: Any) -> Any:  # noqa: N802 - the service's name
        """Starts a worker; what prevents that is the answer, and the runner fails the stage with it."""
        try:
            self._start(request)
        except Exception as error:  # noqa: BLE001 - whatever it is, the runner must hear it
            print(f"worker {request.worker_id} did not start: {error}", file=sys.stderr)
            return self._api.StartWorkerResponse(error=f"{type(error).__name__}: {error}")
        return self._api.StartWorkerResponse()

    def _start(self, request: Any) -> None:
        info = _provision(request)
        place = self._entered(request, info)
        environment = _environment(request, _options(info))
        if place:
            environment.update(worker_files.environment(place))
        try:
            self._launch(request, environment, place)
        except BaseException:
            if place:
                self._places.leave(place)
            raise
        print(f"worker {request.worker_id} started", file=sys.stderr)

    def _launch(self, request: Any, environment: dict[str, str], place: Place | None) -> None:
        with self._lock:
            if self._closed:
                raise RuntimeError("the worker pool is ending")
            process = subprocess.Popen(
                [sys.executable, "-m", WORKER],
                stdin=subprocess.DEVNULL,
                env=environment,
                start_new_session=True,
            )
            worker = Worker(request.worker_id, request.control_endpoint.url, process, place)
            self._workers = [*self._workers, worker]
        threading.Thread(target=self._outlive, args=(worker,), daemon=True).start()

    def _outlive(self, worker: Worker) -> None:
        """Waits for the end of a worker: its files are idle from then on."""
        worker.process.wait()
        with self._lock:
            self._workers = [other for other in self._workers if other is not worker]
        if worker.place:
            self._places.leave(worker.place)

    def _entered(self, request: Any, info: Any) -> Place | None:
        """Where the files are that the worker's pipeline brings, if it brings any."""
        if info is None or not info.dependencies:
            return None
        api, stubs = _api("beam_artifact_api_pb2"), _api("beam_artifact_api_pb2_grpc")
        url = request.artifact_endpoint.url or info.artifact_endpoint.url
        unbounded = [("grpc.max_receive_message_length", -1)]
        with _beam("grpc").insecure_channel(url, options=unbounded) as channel:
            stub = stubs.ArtifactRetrievalServiceStub(channel)
            return worker_files.entered(
                self._places, self._pip, stub, api, info.dependencies, request.worker_id
            )

    def StopWorker(self, request: Any, context: Any) -> Any:  # noqa: N802 - the service's name
        """Sees to it that a worker of this id ends, once its runner is gone; none of another runner's."""
        threading.Thread(target=self._see_off, args=(request.worker_id,), daemon=True).start()
        return self._api.StopWorkerResponse()

    def _see_off(self, name: str) -> None:
        with self._lock:
            named = [worker for worker in self._workers if worker.name == name]
        until = time.monotonic() + GRACE_S
        while all(map(Worker.is_alive, named)) and time.monotonic() < until:
            left = [worker for worker in named if worker.is_left()]
            if left:
                # It may be about to end by itself.
                time.sleep(LOOK_S)
                _end([worker for worker in left if worker.is_alive()])
                print(f"worker {name} stopped", file=sys.stderr)
                return
            time.sleep(LOOK_S)

    def close(self) -> None:
        """Ends all workers and starts no more."""
        with self._lock:
            self._closed, workers = True, self._workers
        self._pip.close()
        _end(workers)
        self._places.close()


def _end(workers: list[Worker]) -> None:
    for how in (signal.SIGTERM, signal.SIGKILL):
        for worker in filter(Worker.is_alive, workers):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(worker.process.pid, how)
        for worker in workers:
            with contextlib.suppress(subprocess.TimeoutExpired):
                worker.process.wait(GRACE_S)


def _environment(request: Any, options: str) -> dict[str, str]:
    return {
        **worker_environment.of_worker(),
        "WORKER_ID": request.worker_id,
        "CONTROL_API_SERVICE_DESCRIPTOR": str(request.control_endpoint),
        "LOGGING_API_SERVICE_DESCRIPTOR": str(request.logging_endpoint),
        "PIPELINE_OPTIONS": options,
    }


def _provision(request: Any) -> Any:
    """What the runner's provision service tells of the pipeline; `None` where there is no such service."""
    if not request.provision_endpoint.url:
        return None
    grpc = _beam("grpc")
    api = _api("beam_provision_api_pb2")
    stubs = _api("beam_provision_api_pb2_grpc")
    with grpc.insecure_channel(request.provision_endpoint.url) as channel:
        answer = stubs.ProvisionServiceStub(channel).GetProvisionInfo(
            api.GetProvisionInfoRequest(),
            timeout=PROVISION_S,
            metadata=(("worker_id", request.worker_id),),
        )
    return answer.info


def _options(info: Any) -> str:
    """The options of the pipeline as JSON."""
    if info is None:
        return "{}"
    text: str = _beam("google.protobuf.json_format").MessageToJson(info.pipeline_options)
    return text


def run(options: argparse.Namespace) -> int:
    """`beam-mcp worker-pool`."""
    return serve(options.host, options.port)


def serve(host: str, port: int) -> int:
    """Runs a pool until SIGINT or SIGTERM; prints `worker pool on <host>:<port>` once it takes requests."""
    # Two pools that share a port would each get some of the requests, and know none of the other's workers.
    alone = (("grpc.so_reuseport", 0),)
    server = _beam("grpc").server(ThreadPoolExecutor(max_workers=32), options=alone)
    pool = WorkerPool()
    stubs = _api("beam_fn_api_pb2_grpc")
    stubs.add_BeamFnExternalWorkerPoolServicer_to_server(pool, server)
    bound = _bind(server, host, port)
    ended = threading.Event()

    def end(number: int, frame: object) -> None:
        ended.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, end)
    server.start()
    if host not in LOOPBACK:
        print(f"warning: whoever reaches port {bound} of {host} runs code here", file=sys.stderr)
    print(f"worker pool on {host}:{bound}", flush=True)
    ended.wait()
    server.stop(grace=0)
    pool.close()
    return 0


def _bind(server: Any, host: str, port: int) -> int:
    try:
        bound = int(
            server.add_insecure_port(f"[{host}]:{port}" if ":" in host else f"{host}:{port}")
        )
    except RuntimeError as error:
        raise _not_bound(host, port) from error
    if bound == 0:
        raise _not_bound(host, port)
    return bound


def _not_bound(host: str, port: int) -> errors.MCPError:
    return errors.FailedPreconditionError(
        f"nothing can listen on {host}:{port}",
        code="failed_precondition",
        reason="address_in_use",
        suggestion="name another --port, or 0 for a free one",
        exit_code=errors.BY_CODE["failed_precondition"][1],
    )


def _api(name: str) -> Any:
    """One of Beam's generated modules; they have no stable path of their own."""
    return getattr(_beam("apache_beam.portability.api"), name)


def _beam(name: str) -> Any:
    """A module that comes with `apache_beam`, which is no dependency of this package."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise errors.FailedPreconditionError(
            f"this Python has no apache_beam: {error}",
            code="failed_precondition",
            reason="no_beam",
            suggestion="install apache-beam in the version of the pipelines beside beam-mcp-client",
            exit_code=errors.BY_CODE["failed_precondition"][1],
        ) from error
