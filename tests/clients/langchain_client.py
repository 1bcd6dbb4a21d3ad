"""LangChain's MCP adapters: `langchain_client.py MODE KIND TARGET…`."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from journey import KIND, TARGET, journey
from langchain_mcp_adapters.client import MultiServerMCPClient

CONNECTIONS = {
    "http": lambda: {"transport": "streamable_http", "url": TARGET[0]},
    "sse": lambda: {"transport": "sse", "url": TARGET[0]},
    "stdio": lambda: {"transport": "stdio", "command": TARGET[0], "args": TARGET[1:]},
}


async def main() -> None:
    client = MultiServerMCPClient({"beam": CONNECTIONS[KIND]()})
    tools = {tool.name: tool for tool in await client.get_tools()}

    async def call(tool: str, arguments: dict[str, Any]) -> dict[str, Any]:
        answer = await tools[tool].ainvoke(arguments)
        data = json.loads(answer if isinstance(answer, str) else answer[0]["text"])
        assert isinstance(data, dict), data
        return data

    await journey(list(tools), call)


asyncio.run(main())
