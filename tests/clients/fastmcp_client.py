"""FastMCP's client: `fastmcp_client.py MODE KIND TARGET…`."""

from __future__ import annotations

import asyncio
from typing import Any

from fastmcp import Client
from fastmcp.client.transports import SSETransport, StdioTransport
from journey import KIND, TARGET, journey


def server() -> Any:
    """What the client connects to."""
    if KIND == "stdio":
        return StdioTransport(TARGET[0], TARGET[1:])
    return SSETransport(TARGET[0]) if KIND == "sse" else TARGET[0]


async def main() -> None:
    async with Client(server()) as client:

        async def call(tool: str, arguments: dict[str, Any]) -> dict[str, Any]:
            data = (await client.call_tool(tool, arguments)).structured_content
            assert isinstance(data, dict), data
            return data

        await journey([tool.name for tool in await client.list_tools()], call)


asyncio.run(main())
