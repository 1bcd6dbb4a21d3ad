"""Runs a Beam program until it submits its pipeline, and keeps that instead of running it.

The program is pointed at a Job API that lives in this process, on a socket only this user reaches.
Its first `Run` ends the process: `<folder>/prepare.pb` then holds the request of `Prepare`,
`<folder>/pipeline.json` its pipeline, and `<folder>/result.json` says CAPTURED. Files that Beam
stages for the workers are in `<folder>/artifacts`, and the pipeline names them as entries of the jar
it will lie in. Nothing that follows `run()` in the program runs.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import shutil
import sys
import tempfile
import threading
from collections.abc import Callable
from concurrent import futures
from typing import Any

CAPTURED = "prepare.pb"
PIPELINE = "pipeline.json"
RUNNER = "PortableRunner"
ARTIFACTS = "artifacts"
# Where `PortablePipelineJarUtils` of Beam looks for them.
JAR_FOLDER = "classpath://BEAM-PIPELINE/pipeline/artifacts/"
MOST_BYTES = 256 << 20
MOST_FILES = 1_000
STAGING_S = 300.0
# Listed by every program; it only tells a reader what was installed where the program ran.
OWN_DEPENDENCY = "submission_environment_dependencies.txt"

Row = dict[str, Any]
Report = Callable[[Row], None]


class OtherRunnerError(RuntimeError):
    """The pipeline would run elsewhere than on the target."""


class Kept:
    """What is staged, as files of a folder; with what came before, it has its bounds."""

    def __init__(self, folder: str) -> None:
        self.folder, self.left, self.files = os.path.join(folder, ARTIFACTS), MOST_BYTES, 0

    def writer(self, name: str, *_: Any) -> tuple[Any, str]:
        """A file to write to, and the name workers will know it by."""
        self.files += 1
        if self.files > MOST_FILES:
            raise ValueError(f"the pipeline brings more than {MOST_FILES} files")
        os.makedirs(self.folder, mode=0o700, exist_ok=True)
        kept = hashlib.sha256(name.encode()).hexdigest()
        return Bounded(open(os.path.join(self.folder, kept), "wb"), self), JAR_FOLDER + kept


class Bounded:
    """A file that takes no more than is left."""

    def __init__(self, file: Any, kept: Kept) -> None:
        self.file, self.kept = file, kept

    def __enter__(self) -> Bounded:
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()

    def write(self, data: bytes) -> int:
        self.kept.left -= len(data)
        if self.kept.left < 0:
            raise ValueError(
                f"the pipeline brings more than {MOST_BYTES} bytes of files for its workers"
            )
        return int(self.file.write(data))


def staging_service(folder: str) -> Any:
    """Beam's own service that takes files, writing where they are looked for."""
    from apache_beam.runners.portability import artifact_service

    return artifact_service.ArtifactStagingService(Kept(folder).writer)


def staged(pipeline: Any, dependencies: Row) -> None:
    """Lets environments name their files as they were staged."""
    for name, artifacts in dependencies.items():
        environment = pipeline.components.environments[name]
        del environment.dependencies[:]
        environment.dependencies.extend(artifacts)


def job_service(folder: str, address: str, staging: Any, finish: Callable[[], None]) -> Any:
    """A servicer that keeps one pipeline and then ends the program."""
    # Beam is imported late: the program may not have it.
    from apache_beam.portability.api import beam_job_api_pb2, beam_job_api_pb2_grpc

    prepared: Row = {}

    class Servicer(beam_job_api_pb2_grpc.JobServiceServicer):  # type: ignore[misc]
        def DescribePipelineOptions(self, request: Any, context: Any) -> Any:  # noqa: N802
            return beam_job_api_pb2.DescribePipelineOptionsResponse()

        def Prepare(self, request: Any, context: Any) -> Any:  # noqa: N802
            drop_own_dependency(request.pipeline)
            token = str(len(prepared))
            prepared[token] = request
            answer = beam_job_api_pb2.PrepareJobResponse(preparation_id=token)
            needs = {
                name: list(environment.dependencies)
                for name, environment in request.pipeline.components.environments.items()
                if environment.dependencies
            }
            if needs:  # without an endpoint nothing is staged
                staging.register_job(token, needs)
                answer.staging_session_token = token
                answer.artifact_staging_endpoint.url = address
            return answer

        def GetStateStream(self, request: Any, context: Any) -> Any:  # noqa: N802
            yield beam_job_api_pb2.JobStateEvent(state=beam_job_api_pb2.JobState.STOPPED)

        def GetMessageStream(self, request: Any, context: Any) -> Any:  # noqa: N802
            return iter(())

        def Run(self, request: Any, context: Any) -> Any:  # noqa: N802
            kept = prepared[request.preparation_id]
            environments = kept.pipeline.components.environments.values()
            if any(environment.dependencies for environment in environments):
                staged(kept.pipeline, staging.resolved_deps(request.preparation_id, STAGING_S))
            keep(folder, kept)
            finish()

    return Servicer()


def keep(folder: str, prepare: Any) -> None:
    """Writes a request of `Prepare`, and its pipeline, into the job's folder."""
    write_bytes(folder, PIPELINE, as_json(prepare.pipeline))
    write_bytes(folder, CAPTURED, prepare.SerializeToString())


def drop_own_dependency(pipeline: Any) -> None:
    """Leaves only what workers need."""
    for environment in pipeline.components.environments.values():
        kept = [item for item in environment.dependencies if not is_own(item)]
        del environment.dependencies[:]
        environment.dependencies.extend(kept)


def as_json(pipeline: Any) -> bytes:
    """The form in which a job-server jar holds its pipeline."""
    from google.protobuf import json_format

    text: str = json_format.MessageToJson(pipeline, indent=None)
    return text.encode()


def is_own(artifact: Any) -> bool:
    return OWN_DEPENDENCY.encode() in artifact.role_payload


def write_bytes(folder: str, name: str, data: bytes) -> None:
    """Whole or not at all, also when the machine stops."""
    path = os.path.join(folder, name)
    with open(path + ".tmp", "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    os.replace(path + ".tmp", path)


def refuse_other_runners(pipeline: Any) -> None:
    """Makes `pipeline.run` refuse to run anywhere but here; a program may choose its runner itself."""
    original: Callable[..., Any] = pipeline.run

    @functools.wraps(original)
    def run(self: Any, *args: Any, **kwargs: Any) -> Any:
        runner = type(self.runner).__name__
        if runner != RUNNER:
            raise OtherRunnerError(
                f"the pipeline was given {runner} and not the runner on the command line; "
                "build its options with PipelineOptions() or PipelineOptions(sys.argv[1:])"
            )
        return original(self, *args, **kwargs)

    pipeline.run = run


class Capture:
    """The Job API of this process."""

    def __init__(self, folder: str, report: Report) -> None:
        self.folder, self.report = folder, report
        # Paths of sockets are short, and the job's folder may not be.
        self.place = tempfile.mkdtemp(prefix="beam-mcp-api-", dir="/tmp")
        self.address = f"unix:{self.place}/job"
        self.pid = os.getpid()
        self.once = threading.Lock()

    def start(self) -> list[str]:
        """Serves; the options that lead a program here."""
        import apache_beam
        import grpc
        from apache_beam.portability.api import beam_artifact_api_pb2_grpc, beam_job_api_pb2_grpc

        refuse_other_runners(apache_beam.Pipeline)
        unbounded = [("grpc.max_receive_message_length", -1)]
        self.server = grpc.server(futures.ThreadPoolExecutor(4), options=unbounded)
        staging = staging_service(self.folder)
        servicer = job_service(self.folder, self.address, staging, self.finish)
        beam_job_api_pb2_grpc.add_JobServiceServicer_to_server(servicer, self.server)
        beam_artifact_api_pb2_grpc.add_ArtifactStagingServiceServicer_to_server(
            staging, self.server
        )
        self.server.add_insecure_port(self.address)
        self.server.start()
        return [f"--runner={RUNNER}", f"--job_endpoint={self.address}", "--job_server_timeout=60"]

    def keep(self, prepare: Any) -> None:
        """Keeps a pipeline that an SDK has built elsewhere, and ends the process."""
        keep(self.folder, prepare)
        self.finish()

    def finish(self) -> None:
        """Reports and ends the process, whatever else the program has under way."""
        with self.once:
            self.report({"state": "CAPTURED"})
            self.close()
            for stream in (sys.stdout, sys.stderr):
                with contextlib.suppress(Exception):
                    stream.flush()
            os._exit(0)

    def close(self) -> None:
        """Takes the socket away; a child that the program forked leaves it."""
        if os.getpid() == self.pid:
            shutil.rmtree(self.place, ignore_errors=True)
