"""Records what a job service answers, as replies of the effect `rpc`.

    python record.py NAME HOST:PORT PREPARE.pb FAILING.pb

The .pb files are what capture.py keeps of a WordCount and of a pipeline that raises. The service's
worker pool must run. Writes recorded/NAME/*.json.
"""

from __future__ import annotations

import base64
import contextlib
import json
import sys
import threading
import time
from pathlib import Path
from typing import Any

import grpc
from apache_beam.portability.api import beam_job_api_pb2 as api

SERVICE = "/org.apache.beam.model.job_management.v1.JobService/"
MARKER = "beam:option:beam_mcp_job:v1"
TOKEN = "0123456789abcdef0123456789abcdef"


class Recorder:
    def __init__(self, name: str, endpoint: str) -> None:
        self.folder = Path(__file__).parent / "recorded" / name
        self.folder.mkdir(parents=True, exist_ok=True)
        self.channel = grpc.insecure_channel(endpoint)

    def keep(self, name: str, status: int, message: str, body: bytes) -> bytes:
        reply = {"reply": "rpc", "status": status, "message": message}
        reply["body"] = {"base64": base64.b64encode(body).decode()}
        (self.folder / f"{name}.json").write_text(json.dumps(reply, indent=1) + "\n")
        return body

    def call(self, name: str, method: str, request: Any) -> bytes:
        call = self.channel.unary_unary(SERVICE + method)
        try:
            return self.keep(name, 0, "", call(request.SerializeToString(), timeout=20))
        except grpc.RpcError as error:
            return self.keep(name, error.code().value[0], error.details(), b"")

    def stream(self, name: str, method: str, request: Any) -> None:
        """What comes within a second, in frames."""
        stream = self.channel.unary_stream(SERVICE + method)(request.SerializeToString())
        read: list[bytes] = []
        thread = threading.Thread(target=self.drain, args=(stream, read))
        thread.start()
        thread.join(1)
        stream.cancel()
        thread.join()
        self.keep(name, 0, "", b"".join(b"\0" + len(m).to_bytes(4, "big") + m for m in read))

    def drain(self, stream: Any, read: list[bytes]) -> None:
        with contextlib.suppress(grpc.RpcError):
            read.extend(iter(stream))

    def run(self, name: str, file: str, token: str) -> str:
        request = api.PrepareJobRequest.FromString(Path(file).read_bytes())
        request.job_name = name
        request.pipeline_options[MARKER] = token
        prepared = api.PrepareJobResponse.FromString(
            self.call(f"prepare-{name}", "Prepare", request)
        )
        self.call(f"jobs-prepared-{name}", "GetJobs", api.GetJobsRequest())
        run = api.RunJobRequest(preparation_id=prepared.preparation_id)
        return api.RunJobResponse.FromString(self.call(f"run-{name}", "Run", run)).job_id

    def wait(self, job: str) -> None:
        call = self.channel.unary_unary(SERVICE + "GetState")
        for _ in range(300):
            event = api.JobStateEvent.FromString(call(api.GetJobStateRequest(job_id=job).SerializeToString()))
            if event.state in (3, 4, 5):
                return
            time.sleep(0.2)


def main(name: str, endpoint: str, good: str, bad: str) -> None:
    record = Recorder(name, endpoint)
    for label, file, token in [("words", good, TOKEN), ("failing", bad, TOKEN[::-1])]:
        job = record.run(label, file, token)
        record.wait(job)
        record.call(f"state-{label}", "GetState", api.GetJobStateRequest(job_id=job))
        record.call(f"metrics-{label}", "GetJobMetrics", api.GetJobMetricsRequest(job_id=job))
        record.stream(f"messages-{label}", "GetMessageStream", api.JobMessagesRequest(job_id=job))
    record.call("jobs", "GetJobs", api.GetJobsRequest())
    for method in ("GetState", "Drain", "Cancel", "GetJobMetrics"):
        request = api.GetJobStateRequest(job_id="beam-mcp-probe")
        record.call(f"unknown-{method.lower()}", method, request)


if __name__ == "__main__":
    main(*sys.argv[1:])
