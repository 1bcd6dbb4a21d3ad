"""From the start of a Lambda function to its first answer, beside a bare one: a Runtime API of our own, in turns."""

from __future__ import annotations

import hashlib
import io
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

ROUNDS = 15
EVENT = Path(__file__).resolve().parents[1] / "vectors" / "lambda" / "http-api-v2.get-runners.json"
MB = 1 << 20
TOKEN = {"name": "bench", "sha256": hashlib.sha256(b"test-token").hexdigest(), "role": "viewer"}
CONFIG = {"auth": {"tokens": [TOKEN]}}


class Runtime(ThreadingHTTPServer):
    """Hands out one event and takes its answer (AWS, Lambda Runtime API 2018-06-01)."""

    daemon_threads = True

    def __init__(self, event: dict[str, Any]) -> None:
        super().__init__(("127.0.0.1", 0), Invocation)
        self.event, self.asked, self.answered = json.dumps(event).encode(), False, threading.Event()
        self.answer: dict[str, Any] = {}

    def handle_error(self, *_: object) -> None:
        """A function that was measured is killed, and its connections with it."""


class Invocation(BaseHTTPRequestHandler):
    """The two calls of a function that works."""

    protocol_version = "HTTP/1.1"
    server: Runtime

    def do_GET(self) -> None:
        """The next event; of a second one the function waits for ever."""
        if self.server.asked:
            threading.Event().wait(30)
            return
        self.server.asked = True
        self.send_response(200)
        self.send_header("lambda-runtime-aws-request-id", "bench")
        self.send_header("lambda-runtime-deadline-ms", str(int(time.time() * 1000) + 30_000))
        self.send_header("lambda-runtime-invoked-function-arn", "arn:aws:lambda:eu-central-1:0:function:bench")
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(self.server.event)))
        self.end_headers()
        self.wfile.write(self.server.event)

    def do_POST(self) -> None:
        """Its answer."""
        body = self.rfile.read(int(self.headers.get("content-length") or 0)) or self.chunks()
        if self.path.endswith("/response"):
            self.server.answer = json.loads(body)
            self.server.answered.set()
        self.send_response(202)
        self.send_header("content-length", "0")
        self.end_headers()

    def chunks(self) -> bytes:
        """A chunked body."""
        body = b""
        while size := int(self.rfile.readline() or b"0", 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        return body

    def log_message(self, *_: object) -> None:
        """Says nothing."""


def start(binary: str, event: dict[str, Any], config: Path) -> float:
    """Milliseconds from the start of the process to its first answer, which must be a success."""
    runtime = Runtime(event)
    threading.Thread(target=runtime.serve_forever, daemon=True).start()
    env = {
        "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{runtime.server_port}", "AWS_LAMBDA_FUNCTION_NAME": "bench",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512", "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_LOG_GROUP_NAME": "bench", "AWS_LAMBDA_LOG_STREAM_NAME": "bench", "PATH": os.environ["PATH"],
        "BEAM_MCP_CONFIG": str(config),
    }
    begun = time.perf_counter()
    process = subprocess.Popen([binary], env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        if not runtime.answered.wait(20):
            process.kill()
            told = process.stderr.read() if process.stderr else b""
            raise AssertionError(f"{binary} did not answer: {told.decode()}")
        took = time.perf_counter() - begun
        if runtime.answer.get("statusCode") != 200:
            raise AssertionError(f"{binary}: {runtime.answer}")
        return took * 1000
    finally:
        process.kill()
        process.communicate()
        runtime.shutdown()


def zipped(binary: str) -> float:
    """Megabytes of the zip that is deployed."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as file:
        file.write(binary, "bootstrap")
    return len(archive.getvalue()) / MB


def main() -> None:
    """Prints the table."""
    event = {**json.loads(EVENT.read_text()), "rawQueryString": "", "queryStringParameters": {}}
    ours, bare = sys.argv[1:]
    times: dict[str, list[float]] = {ours: [], bare: []}
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(CONFIG, file)
        file.flush()
        for _ in range(ROUNDS):
            for binary, taken in times.items():
                taken.append(start(binary, event, Path(file.name)))
    mine, floor = (statistics.median(taken) for taken in times.values())
    print(f"\n{'Lambda, start to first answer':32}{'ms':>8}{'ours / it':>12}   bar")
    print(f"{'ours':32}{mine:8.1f}{1:12.2f}")
    print(f"{'bare lambda_http':32}{floor:8.1f}{mine / floor:12.2f}   <= 1.3")
    print(f"{'zip':32}{zipped(ours):5.1f} MB{'':12}   <= 8 MB")


if __name__ == "__main__":
    main()
