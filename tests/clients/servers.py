"""This project's client against servers of others: `servers.py CLIENT_PYTHON`, after the matrix of clients."""

from __future__ import annotations

import os
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


def play(python: str) -> str:
    """Starts a server and calls it; why that failed, or nothing."""
    port = free_port()
    command = [os.environ[python], str(HERE / "sdk_server.py"), str(port)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        try:
            end = time.monotonic() + LIMIT
            while not listens(port):
                if server.poll() is not None or time.monotonic() > end:
                    return "the server did not start"
                time.sleep(0.05)
            ask = [sys.argv[1], str(HERE / "our_client.py"), f"http://127.0.0.1:{port}/mcp"]
            done = subprocess.run(ask, capture_output=True, text=True, timeout=LIMIT, check=False)
            return "" if done.returncode == 0 else done.stdout + done.stderr
        finally:
            server.terminate()


failed = 0
for name, python in SERVERS.items():
    fault = play(python)
    failed += bool(fault)
    print(f"our client, server of {name}: {'FAILED' if fault else 'ok'}\n{fault[-3000:]}".rstrip())
print(f"{len(SERVERS) - failed} passed, {failed} failed")
sys.exit(failed != 0)
