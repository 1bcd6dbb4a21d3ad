"""A client of any MCP server, of 2026-07-28 and of the revisions with a handshake.

    from beam_mcp_client.mcp import MCPConnection

    with MCPConnection("http://127.0.0.1:8888/mcp") as connection:
        for tool in connection.list_tools():
            print(tool["name"])
        print(connection.call_tool("list_jobs", {"limit": 5})["structuredContent"])

A server that is a program is connected to with `MCPConnection.stdio("program --with arguments")`.
`MCPConnection` waits for its answers, `AsyncMCPConnection` is awaited; they have the same methods.
"""

from .aio import AsyncMCPConnection
from .connection import MCPConnection
from .host import Notification
from .options import OAuth
from .pipe import Pipe

__all__ = ["AsyncMCPConnection", "MCPConnection", "Notification", "OAuth", "Pipe"]
