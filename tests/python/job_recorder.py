"""A service of Beam's Job API that runs nothing and keeps what it was handed over."""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

grpc: Any = importlib.import_module("grpc")
BEAM: Any = importlib.import_module("apache_beam.portability.api")
API: Any = BEAM.beam_job_api_pb2
STUBS: Any = BEAM.beam_job_api_pb2_grpc


class JobRecorder(STUBS.JobServiceServicer):  # type: ignore[misc]
    """Every job of it is done at once."""

    def __init__(self) -> None:
        self.pipelines: list[Any] = []
        self.jobs: list[Any] = []

    def Prepare(self, request: Any, context: Any) -> Any:
        self.pipelines.append(request.pipeline)
        done, name = API.JobState.DONE, f"p{len(self.pipelines)}"
        job = API.JobInfo(job_id=name, job_name=request.job_name, state=done)
        self.jobs.append(job)
        job.pipeline_options.CopyFrom(request.pipeline_options)
        return API.PrepareJobResponse(preparation_id=name)

    def Run(self, request: Any, context: Any) -> Any:
        return API.RunJobResponse(job_id=request.preparation_id)

    def GetJobs(self, request: Any, context: Any) -> Any:
        return API.GetJobsResponse(job_info=self.jobs)

    def GetJobMetrics(self, request: Any, context: Any) -> Any:
        return API.GetJobMetricsResponse()

    def GetMessageStream(self, request: Any, context: Any) -> Iterator[Any]:
        yield API.JobMessagesResponse(state_response=API.JobStateEvent(state=API.JobState.DONE))

    def GetState(self, request: Any, context: Any) -> Any:
        return API.JobStateEvent(state=API.JobState.DONE)


@contextlib.contextmanager
def recording() -> Iterator[tuple[JobRecorder, str]]:
    """Such a service, and its address."""
    server, recorder = grpc.server(ThreadPoolExecutor(8)), JobRecorder()
    STUBS.add_JobServiceServicer_to_server(recorder, server)
    address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    try:
        yield recorder, address
    finally:
        server.stop(grace=0).wait()
