"""A server of the official SDK with two of Beam's tools: `sdk_server.py TRANSPORT [PORT]`, on version 1 or 2 of the
SDK; the transport is `streamable-http`, `sse` or `stdio`.
"""

from __future__ import annotations

import sys
from typing import Any

TRANSPORT = sys.argv[1]
PORT = int(sys.argv[2]) if TRANSPORT != "stdio" else 0
RUNNERS = {"runners": [{"name": "elsewhere", "runner": "simulator", "available": True}]}
JOB = {"job_id": "elsewhere:1", "name": "words", "state": "RUNNING", "terminal": False}


def list_runners() -> dict[str, Any]:
    """The targets."""
    return RUNNERS


def get_job(job_id: str) -> dict[str, Any]:
    """A job."""
    if job_id != JOB["job_id"]:
        raise ValueError("nobody knows this job")
    return JOB


try:
    from mcp.server.mcpserver import MCPServer
except ImportError:
    from mcp.server.fastmcp import FastMCP

    server = FastMCP("elsewhere", host="127.0.0.1", port=PORT)
    run: dict[str, Any] = {}
else:
    server = MCPServer("elsewhere")
    run = {"host": "127.0.0.1", "port": PORT} if PORT else {}

for tool in (list_runners, get_job):
    server.tool()(tool)
server.run(transport=TRANSPORT, **run)
