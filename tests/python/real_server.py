"""The server's own binary as a process of a test: started, asked, killed and started again.

BEAM_MCP_SERVER is the server.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

SERVER = os.environ.get("BEAM_MCP_SERVER", "beam-mcp-server")
DEADLINE = 120.0


def free_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        return int(bound.getsockname()[1])


def until(look: Any, what: str, within: float = DEADLINE) -> Any:
    """The first true thing that is seen."""
    end = time.monotonic() + within
    while time.monotonic() < end:
        if seen := look():
            return seen
        time.sleep(0.01)
    raise AssertionError(f"not within {within} s: {what}")


class RealServer:
    """One beam-mcp-server over a folder; the next one on the same folder finds what this one left."""

    def __init__(self, folder: Path, config: dict[str, Any], **env: str) -> None:
        self.folder = folder
        self.roots = folder / "roots"
        self.env = {**os.environ, **env}
        self.process: subprocess.Popen[bytes] | None = None
        self.port = 0
        self.roots.mkdir(parents=True, exist_ok=True)
        config = {"roots": [str(self.roots)], **config}
        (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")

    def start(self, *more: str) -> Any:
        """Starts it and waits until it answers; `more` are words of its command line."""
        ready = self.folder / "port"
        ready.unlink(missing_ok=True)
        argv = [SERVER, "serve", "--config", str(self.folder / "config.json"), "--port", "0"]
        argv += ["--store-path", str(self.folder / "data"), "--ready-file", str(ready)]
        with (self.folder / "server.log").open("ab") as log:
            argv += ["--log", "error", *more]
            self.process = subprocess.Popen(argv, env=self.env, stdout=log, stderr=log)
        until(
            lambda: ready.exists() or (self.process and self.process.poll()), "the server is ready"
        )
        assert self.process.poll() is None, self.log()
        self.port = int(ready.read_text())
        return self

    def kill(self) -> None:
        """Ends it without warning."""
        if self.process:
            self.process.kill()
            self.process.wait()

    def log(self) -> str:
        """What it wrote."""
        return (self.folder / "server.log").read_text(errors="replace")

    def call(self, method: str, path: str, body: object = None, **headers: str) -> tuple[int, Any]:
        """Status and JSON of one exchange over the REST API."""
        data = None if body is None else json.dumps(body).encode()
        url = f"http://127.0.0.1:{self.port}/api/v1{path}"
        headers = {"content-type": "application/json"} | {
            k.replace("_", "-"): v for k, v in headers.items()
        }
        request = urllib.request.Request(url, data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.load(error)
