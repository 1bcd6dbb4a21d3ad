"""The services of a runner that a worker pool asks for the files of a pipeline."""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

grpc: Any = importlib.import_module("grpc")
API: Any = importlib.import_module("apache_beam.portability.api")
STAGING_TO = "beam:artifact:role:staging_to:v1"


class Runner:
    """It runs a pipeline that brings one file."""

    def __init__(self, name: str, content: bytes) -> None:
        runner_api = API.beam_runner_api_pb2
        role = runner_api.ArtifactStagingToRolePayload(staged_name=name).SerializeToString()
        self.files = [
            runner_api.ArtifactInformation(role_urn=STAGING_TO, role_payload=role),
        ]
        self.content = content

    def GetProvisionInfo(self, request: Any, context: Any) -> Any:
        api = API.beam_provision_api_pb2
        return api.GetProvisionInfoResponse(info=api.ProvisionInfo(dependencies=self.files))

    def ResolveArtifacts(self, request: Any, context: Any) -> Any:
        api = API.beam_artifact_api_pb2
        return api.ResolveArtifactsResponse(replacements=request.artifacts)

    def GetArtifact(self, request: Any, context: Any) -> Iterator[Any]:
        yield API.beam_artifact_api_pb2.GetArtifactResponse(data=self.content)


@contextlib.contextmanager
def worker_wanted(name: str, content: bytes) -> Iterator[Any]:
    """The request for a worker of a pipeline that brings such a file."""
    server, runner = grpc.server(ThreadPoolExecutor(4)), Runner(name, content)
    API.beam_provision_api_pb2_grpc.add_ProvisionServiceServicer_to_server(runner, server)
    API.beam_artifact_api_pb2_grpc.add_ArtifactRetrievalServiceServicer_to_server(runner, server)
    address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    request = API.beam_fn_api_pb2.StartWorkerRequest(worker_id="w")
    request.provision_endpoint.url = request.artifact_endpoint.url = address
    request.control_endpoint.url = request.logging_endpoint.url = "127.0.0.1:9"
    try:
        yield request
    finally:
        server.stop(grace=0).wait()
