"""httpx and the official MCP SDK against our server: `client_peers.py PORT JOB`; prints microseconds as JSON."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Callable
from typing import Any

import httpx
import mcp

PORT, JOB = sys.argv[1:3]
URL = f"http://127.0.0.1:{PORT}"


def microseconds(call: Callable[[], Any], calls: int = 1500) -> float:
    """Mean time of one call."""
    call()
    began = time.perf_counter()
    for _ in range(calls):
        call()
    return (time.perf_counter() - began) / calls * 1e6


async def sdk(calls: int = 400) -> float:
    """Mean time of one MCP call."""
    async with mcp.Client(f"{URL}/mcp", mode="2026-07-28") as client:
        await client.call_tool("get_job", {"job_id": JOB})
        began = time.perf_counter()
        for _ in range(calls):
            await client.call_tool("get_job", {"job_id": JOB})
        return (time.perf_counter() - began) / calls * 1e6


with httpx.Client(base_url=URL) as client:
    over_httpx = microseconds(lambda: client.get(f"/api/v1/jobs/{JOB}").json())
print(json.dumps({"httpx": over_httpx, "mcp SDK": asyncio.run(sdk())}))
