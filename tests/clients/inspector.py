"""The MCP Inspector's command line as a client: `inspector.py ERA KIND TARGET…`."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
from typing import Any

from journey import KIND, MODE, TARGET, journey


def inspect(method: str, *arguments: str) -> dict[str, Any]:
    """One call of the Inspector: a process, a connection and a handshake of its own."""
    where = ["--", *TARGET] if KIND == "stdio" else TARGET
    how = [
        "--transport",
        KIND,
        "--protocol-era",
        MODE,
        "--method",
        method,
        "--format",
        "json",
        *arguments,
    ]
    inspector = [os.environ["NODE"], os.environ["MCP_INSPECTOR"], "--cli"]
    command = [*inspector, *how, *where] if KIND == "stdio" else [*inspector, *where, *how]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    answer = json.loads(ran.stdout)
    found = answer.get("result", answer)
    assert isinstance(found, dict)
    return found


async def call(tool: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """One tool call; its answer as data."""
    pairs = [
        f"{name}={value if isinstance(value, str) else json.dumps(value)}"
        for name, value in arguments.items()
    ]
    result = inspect(
        "tools/call",
        "--tool-name",
        tool,
        *[part for pair in pairs for part in ("--tool-arg", pair)],
    )
    assert not result.get("isError"), result
    data = result.get("structuredContent") or json.loads(result["content"][0]["text"])
    assert isinstance(data, dict)
    return data


asyncio.run(journey([tool["name"] for tool in inspect("tools/list", "--strict")["tools"]], call))
