"""LlamaIndex's MCP tools: `llama_index_client.py MODE KIND TARGET…`."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from journey import TARGET, journey
from llama_index.tools.mcp import BasicMCPClient, McpToolSpec


async def main() -> None:
    spec = McpToolSpec(client=BasicMCPClient(TARGET[0], args=TARGET[1:]))
    tools = {str(tool.metadata.name): tool for tool in await spec.to_tool_list_async()}

    async def call(tool: str, arguments: dict[str, Any]) -> dict[str, Any]:
        raw = (await tools[tool].acall(**arguments)).raw_output
        data = json.loads(raw.content[0].text)
        assert isinstance(data, dict), data
        return data

    await journey(list(tools), call)


asyncio.run(main())
