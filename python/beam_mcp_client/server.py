"""`local:`: a `beam-mcp-server` on a free port of this machine that ends with its client.

Its jobs do not end with it: the next server on the same folder finds them again.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import weakref
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from . import errors
from .http1 import HttpTransport
from .transport import Abort, Fault, HttpRequest, HttpResponse

BINARY = "beam-mcp-server"
READY_S = 30.0
"""Longest a server may take to be ready."""
STOP_S = 15.0
"""Longest a server may take to stop when it is asked to."""
INSTALL = f"pip install {BINARY}"


def find_binary() -> str:
    """The server's program: `BEAM_MCP_SERVER`, beside this Python, or on the `PATH`."""
    named = os.environ.get("BEAM_MCP_SERVER")
    beside = Path(sys.executable).with_name(BINARY)
    found = named or (str(beside) if beside.is_file() else shutil.which(BINARY))
    if found is None or (named and not Path(named).is_file()):
        raise errors.FailedPreconditionError(
            f"the program {named or BINARY} is not installed",
            code="failed_precondition",
            reason="no_server",
            suggestion=f"install it with `{INSTALL}`, or name a running server's URL",
            exit_code=errors.BY_CODE["failed_precondition"][1],
        )
    return found


def environment() -> dict[str, str]:
    """The environment of a server: its Python jobs run with this interpreter where it has Beam."""
    variables = dict(os.environ)
    if "BEAM_MCP_PYTHON" not in variables and importlib.util.find_spec("apache_beam"):
        variables["BEAM_MCP_PYTHON"] = sys.executable
    return variables


class LocalServer:
    """A server process. It stops when its standard input ends, which this process's end brings about too."""

    def __init__(self, config: Mapping[str, Any] | None, folder: str | None) -> None:
        command = [
            find_binary(),
            "serve",
            "--port",
            "0",
            "--exit-with-parent",
            "--store-cache",
            "0",
        ]
        self._scratch = Path(tempfile.mkdtemp(prefix="beam-mcp-local-"))
        command += ["--ready-file", str(self._scratch / "port")]
        if config is not None:
            file = self._scratch / "config.json"
            file.write_text(json.dumps(dict(config)))
            command += ["--config", str(file)]
        if folder is not None:
            command += ["--store-path", folder]
        with (self._scratch / "log").open("wb") as log:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=log,
                env=environment(),
            )
        self.stop = weakref.finalize(self, _stop, self._process, self._scratch)
        self.port = self._wait()

    def _wait(self) -> int:
        ready, end = self._scratch / "port", time.monotonic() + READY_S
        while time.monotonic() < end:
            if ready.exists():
                return int(ready.read_text())
            if self._process.poll() is not None:
                break
            time.sleep(0.005)
        raise errors.UnavailableError(
            f"the server did not start: {self.last_words() or 'it said nothing'}",
            code="unavailable",
            reason="server_not_started",
            suggestion="correct the configuration it names",
        )

    @property
    def ended(self) -> bool:
        """True when the process is gone."""
        return self._process.poll() is not None

    def last_words(self) -> str:
        """The end of what the server wrote to standard error."""
        return (self._scratch / "log").read_text(errors="replace").strip()[-2000:]


def _stop(process: subprocess.Popen[bytes], scratch: Path) -> None:
    if process.stdin is not None:
        process.stdin.close()
    try:
        process.wait(STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    shutil.rmtree(scratch, ignore_errors=True)


class LocalTransport:
    """HTTP to a server of its own, started by the first request."""

    def __init__(self, config: Mapping[str, Any] | None = None, folder: str | None = None) -> None:
        self._config = config
        self._folder = folder
        self._lock = threading.Lock()
        self._server: LocalServer | None = None
        self._http: HttpTransport | None = None

    def send(self, request: HttpRequest, abort: Abort | None = None) -> HttpResponse:
        """Sends once."""
        with self._lock:
            if self._http is None:
                self._server = LocalServer(self._config, self._folder)
                self._http = HttpTransport(f"http://127.0.0.1:{self._server.port}")
            http, server = self._http, self._server
        try:
            return http.send(request, abort)
        except Fault as fault:
            if server is not None and server.ended:
                raise Fault(fault.kind, f"the local server ended: {server.last_words()}") from fault
            raise

    def close(self) -> None:
        """Stops the server and waits for its end."""
        with self._lock:
            http, server, self._http, self._server = self._http, self._server, None, None
        if http is not None:
            http.close()
        if server is not None:
            server.stop()
