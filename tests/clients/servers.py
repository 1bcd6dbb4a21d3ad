"""This project's client against servers of others: `servers.py CLIENT_PYTHON`, after the matrix of clients."""

from __future__ import annotations

import itertools
import os
import shlex
import socket
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).parent
SERVERS = {"mcp 2.x": "MCP_PYTHON", "mcp 1.x, handshake": "LANGCHAIN_MCP_PYTHON"}
LIMIT = 60


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def listens(port: int) -> bool:
    """True once somebody listens."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def ask(url: str) -> str:
    """Calls a server; why that failed, or nothing."""
    command = [sys.argv[1], str(HERE / "our_client.py"), url]
    done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT, check=False)
    return "" if done.returncode == 0 else done.stdout + done.stderr


def play(python: str, transport: str) -> str:
    """Starts a server, or has it started, and calls it; why that failed, or nothing."""
    command = [os.environ[python], str(HERE / "sdk_server.py"), transport]
    if transport == "stdio":
        return ask(f"stdio:{shlex.join(command)}")
    port, path = free_port(), "sse" if transport == "sse" else "mcp"
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with subprocess.Popen([*command, str(port)], **quiet) as server:
        try:
            end = time.monotonic() + LIMIT
            while not listens(port):
                if server.poll() is not None or time.monotonic() > end:
                    return "the server did not start"
                time.sleep(0.05)
            return ask(f"http://127.0.0.1:{port}/{path}")
        finally:
            server.terminate()


CELLS = list(itertools.product(SERVERS.items(), ("streamable-http", "stdio", "sse")))
failed = 0
for (name, python), transport in CELLS:
    fault = play(python, transport)
    failed += bool(fault)
    shown = "FAILED" if fault else "ok"
    print(f"our client, server of {name}, {transport}: {shown}\n{fault[-3000:]}".rstrip())
print(f"{len(CELLS) - failed} passed, {failed} failed")
sys.exit(failed != 0)
