"""Third-party MCP clients by transports, each cell with a server of its own; prints a table.

`matrix.py SERVER` reads where the clients are from the environment that `.ci/tools.sh` prints.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

SERVER = sys.argv[1]
HERE = Path(__file__).parent
LIMIT = 150
"""Seconds of one cell."""


@dataclass(frozen=True)
class Client:
    """A client in one of its modes."""

    name: str
    program: str
    """Environment variable of its interpreter."""
    script: str
    """What it runs, where it is not the client itself."""
    mode: str
    handshake: bool
    """Opens with `initialize`."""
    sse: bool
    """Speaks the transport of 2024-11-05."""


CLIENTS = [
    Client("mcp 2.x auto", "MCP_PYTHON", "python_sdk.py", "auto", handshake=False, sse=True),
    Client("mcp 2.x legacy", "MCP_PYTHON", "python_sdk.py", "legacy", handshake=True, sse=True),
    Client(
        "mcp 2.x 2026-07-28",
        "MCP_PYTHON",
        "python_sdk.py",
        "2026-07-28",
        handshake=False,
        sse=False,
    ),
    Client("fastmcp", "FASTMCP_PYTHON", "fastmcp_client.py", "auto", handshake=False, sse=True),
    Client(
        "langchain-mcp-adapters",
        "LANGCHAIN_MCP_PYTHON",
        "langchain_client.py",
        "legacy",
        handshake=True,
        sse=True,
    ),
    Client(
        "llama-index-tools-mcp",
        "LLAMA_INDEX_MCP_PYTHON",
        "llama_index_client.py",
        "legacy",
        handshake=True,
        sse=True,
    ),
    Client("TypeScript v2 auto", "NODE", "typescript.mjs", "auto", handshake=False, sse=True),
    Client("TypeScript v2 legacy", "NODE", "typescript.mjs", "legacy", handshake=True, sse=True),
    Client(
        "TypeScript v2 2026-07-28",
        "NODE",
        "typescript.mjs",
        "2026-07-28",
        handshake=False,
        sse=False,
    ),
    Client("TypeScript SDK 1.x", "NODE", "typescript.mjs", "1.x", handshake=True, sse=True),
    Client("rmcp auto", "RMCP_CLIENT", "", "auto", handshake=False, sse=False),
    Client("rmcp modern", "RMCP_CLIENT", "", "modern", handshake=False, sse=False),
    Client("rmcp legacy", "RMCP_CLIENT", "", "legacy", handshake=True, sse=False),
    Client(
        "Inspector CLI modern", "MCP_PYTHON", "inspector.py", "modern", handshake=False, sse=False
    ),
    Client(
        "Inspector CLI legacy", "MCP_PYTHON", "inspector.py", "legacy", handshake=True, sse=True
    ),
]
TRANSPORTS = ["stateless", "sessions", "stdio", "HTTP+SSE"]


@dataclass(frozen=True)
class Result:
    """What became of one cell."""

    client: Client
    transport: str
    fault: str
    seconds: float
    sessions: int
    """Sessions that the client named in its requests."""

    @property
    def shown(self) -> str:
        """The cell as it is printed."""
        if self.fault:
            return "FAILED"
        held = f", {self.sessions} sessions" if self.sessions else ""
        return f"ok {self.seconds:.1f} s{held}"


def config(folder: Path, transport: str) -> Path:
    """A server with a fast simulator; with or without sessions."""
    path = folder / "config.json"
    targets = {"simulator": {"runner": "simulator", "speed": 20}}
    mcp = {"stateless": transport == "stateless"}
    path.write_text(
        json.dumps({"targets": targets, "mcp": mcp, "store": {"path": str(folder / "store")}})
    )
    return path


@contextmanager
def serving(folder: Path, configured: Path) -> Iterator[str]:
    """A server over HTTP; its origin."""
    ready, log = folder / "ready", folder / "log"
    command = [
        SERVER,
        "serve",
        "--config",
        str(configured),
        "--port",
        "0",
        "--ready-file",
        str(ready),
    ]
    with log.open("wb") as lines, subprocess.Popen(command, stderr=lines) as server:
        try:
            for _ in range(200):
                if ready.exists() and ready.read_text():
                    break
                assert server.poll() is None, log.read_text()
                time.sleep(0.05)
            yield f"http://127.0.0.1:{ready.read_text().strip()}"
        finally:
            server.terminate()


def run(client: Client, kind: str, target: list[str], transport: str) -> str:
    """Runs the client; why it failed, or nothing."""
    script = [str(HERE / client.script)] if client.script else []
    command = [os.environ[client.program], *script, client.mode, kind, *target]
    environment = {**os.environ, "TRANSPORT": transport}
    try:
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=LIMIT, check=False
        )
    except subprocess.TimeoutExpired as late:
        return f"no end within {LIMIT} s\n{late.stdout}\n{late.stderr}"
    return "" if done.returncode == 0 else done.stdout + done.stderr


def requests(log: Path) -> list[dict[str, object]]:
    """The requests that a server logged."""
    lines = [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]
    return [line for line in lines if line.get("event") == "request" or "path" in line]


def over_http(client: Client, folder: Path, transport: str) -> tuple[str, int]:
    """One cell over HTTP. Who shakes hands gets a session where there are any, and nobody else."""
    kind, path = ("sse", "/sse") if transport == "HTTP+SSE" else ("http", "/mcp")
    with serving(folder, config(folder, transport)) as origin:
        fault = run(client, kind, [f"{origin}{path}"], transport)
    named = {line["session_id"] for line in requests(folder / "log") if line.get("session_id")}
    if not fault and bool(named) != (client.handshake and transport == "sessions"):
        fault = f"requests named {len(named)} sessions"
    return fault, len(named)


def cell(client: Client, transport: str) -> Result:
    """Puts one client through the journey over one transport."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if transport == "stdio":
            command = [SERVER, "stdio", "--config", str(config(folder, transport))]
            fault, sessions = run(client, "stdio", command, transport), 0
        else:
            fault, sessions = over_http(client, folder, transport)
    return Result(client, transport, fault, time.monotonic() - began, sessions)


def main() -> int:
    """Plays the matrix; the number of cells that failed."""
    only = os.environ.get("ONLY", "")
    every = [
        (client, transport)
        for client in CLIENTS
        for transport in TRANSPORTS
        if client.sse or transport != "HTTP+SSE"
    ]
    cells = [
        (client, transport) for client, transport in every if only in f"{client.name} {transport}"
    ]
    with ThreadPoolExecutor(max_workers=2) as pool:
        results = list(pool.map(lambda of: cell(*of), cells))
    found = {(result.client, result.transport): result for result in results}
    print(f"{'':26}" + "".join(f"{transport:22}" for transport in TRANSPORTS))
    for client in dict.fromkeys(client for client, _ in cells):
        row = [found.get((client, transport)) for transport in TRANSPORTS]
        print(
            f"{client.name:26}" + "".join(f"{result.shown if result else '':22}" for result in row)
        )
    failed = [result for result in results if result.fault]
    for result in failed:
        print(f"\n---- {result.client.name}, {result.transport}\n{result.fault[-4000:]}")
    print(f"{len(results) - len(failed)} passed, {len(failed)} failed")
    return len(failed)


if __name__ == "__main__":
    sys.exit(main() != 0)
