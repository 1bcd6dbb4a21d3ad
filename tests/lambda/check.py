"""Runs the Lambda binary under cargo-lambda's emulator and checks what its front doors get back."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

VECTORS = Path(__file__).parent.parent / "vectors" / "lambda"
BOOTSTRAP = os.environ["BOOTSTRAP"]
CARGO_LAMBDA = os.environ["CARGO_LAMBDA"]
TOKEN = "test-token"  # noqa: S105 - the one in the vectors
CONFIG = {
    "default_runner": "sim",
    "targets": {"sim": {"runner": "simulator", "script": "running"}},
    "auth": {
        "tokens": [{"name": "test", "sha256": hashlib.sha256(TOKEN.encode()).hexdigest(), "role": "operator"}]
    },
}


def free_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def environment(folder: Path, config: dict[str, Any], port: int = 1) -> dict[str, str]:
    """What the platform would set, and the configuration packed with the function."""
    (folder / "beam-mcp.json").write_text(json.dumps(config))
    return {
        "PATH": os.environ["PATH"],
        "LAMBDA_TASK_ROOT": str(folder),
        "AWS_LAMBDA_RUNTIME_API": f"http://127.0.0.1:{port}/.rt",
        "AWS_LAMBDA_FUNCTION_NAME": "_",
        "AWS_LAMBDA_FUNCTION_VERSION": "1",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256",
    }


@contextlib.contextmanager
def running(*command: str, **options: Any) -> Iterator[None]:
    """A process that is ended afterwards."""
    process = subprocess.Popen(command, **options)  # noqa: S603 - our own binaries
    try:
        yield
    finally:
        process.terminate()
        process.wait(timeout=20)


def wait_for(port: int) -> None:
    """Returns once something listens."""
    for _ in range(100):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise TimeoutError(f"nothing listens on {port}")


class Function:
    """The function as its front doors reach it."""

    def __init__(self, port: int, patience: float = 40) -> None:
        self.patience = patience
        self.url = f"http://127.0.0.1:{port}/2015-03-31/functions/_/invocations"
        self.door = f"http://127.0.0.1:{port}/lambda-url/_"

    def invoke(self, event: dict[str, Any]) -> Any:
        """The answer to an event; an error of the function raises."""
        request = urllib.request.Request(self.url, json.dumps(event).encode())  # noqa: S310 - loopback
        with urllib.request.urlopen(request, timeout=self.patience) as answer:  # noqa: S310 - loopback
            return json.load(answer)

    def http(self, event: dict[str, Any]) -> tuple[int, Any]:
        """Status and body of an answer to a front door."""
        answer = self.invoke(event)
        assert answer["isBase64Encoded"] is False, answer
        headers = answer.get("headers") or answer.get("multiValueHeaders")
        assert "x-request-id" in headers, answer
        return answer["statusCode"], json.loads(answer["body"])


def vector(name: str) -> dict[str, Any]:
    """A recorded event."""
    event: dict[str, Any] = json.loads((VECTORS / f"{name}.json").read_text())
    return event


def post(name: str, path: str, body: Any) -> dict[str, Any]:
    """The recorded POST of a front door with another path and body."""
    event = vector(f"{name}.post-jobs")
    event["body"] = json.dumps(body)
    if "rawPath" in event:
        event["rawPath"] = event["requestContext"]["http"]["path"] = path
    else:
        event["path"] = path
    return event


def get(name: str, path: str) -> dict[str, Any]:
    """The recorded GET of a front door with another path."""
    event = vector(f"{name}.get-runners")
    event["rawPath" if "rawPath" in event else "path"] = path
    for query in ("rawQueryString", "queryStringParameters", "multiValueQueryStringParameters"):
        event.pop(query, None)
    return event


def without_token(event: dict[str, Any]) -> dict[str, Any]:
    """The same event of a caller without a token."""
    for headers in (event.get("headers"), event.get("multiValueHeaders")):
        for name in [name for name in headers or {} if name.lower() == "authorization"]:
            del headers[name]
    return event


def check_doors(function: Function) -> None:
    """Every front door reads, submits and refuses alike."""
    for door in ("http-api-v2", "function-url", "rest-api-v1"):
        status, body = function.http(vector(f"{door}.get-runners"))
        # The recorded query names `tag` twice: it arrived whole, and no route takes it so.
        assert (status, body["error"]["details"]["reason"]) == (400, "contradicting_values"), body
        status, body = function.http(get(door, "/api/v1/runners"))
        assert (status, [runner["name"] for runner in body["data"]["runners"]]) == (200, ["sim"]), body
        status, _ = function.http(without_token(get(door, "/api/v1/runners")))
        assert status == 401, status
        plain, encoded = (function.http(vector(f"{door}.{name}")) for name in ("post-jobs", "post-jobs.base64"))
        assert plain[0] == encoded[0] and 400 <= plain[0] < 500, (plain, encoded)
        assert plain[1]["error"]["details"] == encoded[1]["error"]["details"], (plain, encoded)
        event = post(door, "/api/v1/jobs", {"runner_type": "sim", "job_name": f"job-{door}"})
        key = next(name for name in event["headers"] if name.lower() == "idempotency-key")
        for headers in (event["headers"], event.get("multiValueHeaders") or {}):
            headers.pop(key, None)
        status, body = function.http(event)
        assert status in (201, 202), body
        status, body = function.http(get(door, f"/api/v1/jobs/{body['data']['job_id']}"))
        assert (status, body["data"]["job_name"]) == (200, f"job-{door}"), body
        print(f"  {door}: read, submitted, refused without a token")


def check_mcp(function: Function) -> None:
    """MCP through the emulator's own function URL."""
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}
    headers = {
        "content-type": "application/json",
        "accept": "application/json, text/event-stream",
        "authorization": f"Bearer {TOKEN}",
        "mcp-protocol-version": "2025-11-25",
    }
    request = urllib.request.Request(f"{function.door}/mcp", json.dumps(message).encode(), headers)  # noqa: S310
    with urllib.request.urlopen(request, timeout=40) as answer:  # noqa: S310 - loopback
        tools = json.load(answer)["result"]["tools"]
    assert "create_job" in [tool["name"] for tool in tools], tools
    print(f"  function URL of the emulator: {len(tools)} tools over MCP")


def check_schedules(function: Function) -> None:
    """Schedules run the reconciler; what is no event of ours is an error of the function."""
    scheduled = {"version": "0", "detail-type": "Scheduled Event", "source": "aws.events", "resources": [], "detail": {}}
    for event in ({"beam_mcp": "tick"}, scheduled):
        assert function.invoke(event)["rounds"] >= 1
    try:
        answer = function.invoke({"Records": []})
    except urllib.error.HTTPError as error:
        answer = json.load(error)
    assert "neither an HTTP request" in json.dumps(answer), answer
    print("  schedules: rounds ran, a foreign event was refused")


def check_refusals(folder: Path) -> None:
    """What must not be open to the world, or cannot work, does not start."""
    auth = CONFIG["auth"]
    for config, word in (
        ({"targets": CONFIG["targets"]}, "auth.tokens"),
        ({"auth": {**auth, "enabled": False}}, "auth.enabled"),
        ({"auth": auth, "targets": {"d": {"runner": "direct"}}}, "Direct"),
        ({"auth": auth, "store": {"kind": "sqlite"}}, "store.kind"),
    ):
        ended = subprocess.run(  # noqa: S603 - our own binary
            [BOOTSTRAP], env=environment(folder, config), capture_output=True, text=True, timeout=30, check=False
        )
        assert ended.returncode == 78 and word in ended.stderr, (ended.returncode, ended.stderr)
    print("  starts without tokens, with Direct or with SQLite were refused")


def main() -> None:
    """Runs all checks."""
    with tempfile.TemporaryDirectory() as name:
        folder, port = Path(name), free_port()
        check_refusals(folder)
        watch = [CARGO_LAMBDA, "lambda", "watch", "--only-lambda-apis", "-A", "127.0.0.1", "-P", str(port), "-q"]
        log = (folder / "log").open("w+")
        with running(*watch, stdout=log, stderr=log):
            wait_for(port)
            with running(BOOTSTRAP, env=environment(folder, CONFIG, port), stdout=log, stderr=log):
                function = Function(port)
                try:
                    check_doors(function)
                    check_mcp(function)
                    check_schedules(function)
                except BaseException:
                    log.seek(0)
                    sys.stderr.write(log.read())
                    raise
    print("lambda: ok")


if __name__ == "__main__":
    main()
