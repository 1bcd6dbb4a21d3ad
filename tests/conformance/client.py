"""The Python client that the official MCP suite runs: `client.py URL`.

Only the script is made for the suite; scenario, revision and context are in the environment. An error of the connection
is exit code 1, which some scenarios ask for.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import urllib.error
import urllib.request
from typing import Any

from beam_mcp_client import errors
from beam_mcp_client.mcp import AsyncMCPConnection, MCPConnection, OAuth
from beam_mcp_client.mcp.options import Era

SCENARIO = os.environ.get("MCP_CONFORMANCE_SCENARIO", "")
VERSION: Any = os.environ.get("MCP_CONFORMANCE_PROTOCOL_VERSION") or "2026-07-28"
CONTEXT: dict[str, Any] = json.loads(os.environ.get("MCP_CONFORMANCE_CONTEXT") or "{}")


class _Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        """The page lets everybody in at once: where it sends the browser is the answer."""


def redirected(url: str) -> str | None:
    try:
        urllib.request.build_opener(_Stay).open(url)
    except urllib.error.HTTPError as answer:
        location: str | None = answer.headers["location"]
        return location
    return None


def oauth() -> OAuth:
    grant: Any = "authorization_code"
    if SCENARIO == "auth/client-credentials-basic":
        grant = "client_credentials"
    elif SCENARIO == "auth/wif-jwt-bearer":
        grant = {"jwt_bearer": {"assertion": CONTEXT["valid_jwt"]}}
    return OAuth(
        redirect_uri="http://localhost:8765/callback",
        client_metadata_url="https://conformance-test.local/client-metadata.json",
        client_id=CONTEXT.get("client_id"),
        client_secret=CONTEXT.get("client_secret"),
        issuer=CONTEXT.get("issuer"),
        grant=grant,
    )


def accepted(params: dict[str, Any]) -> dict[str, Any]:
    fields = params.get("requestedSchema", {}).get("properties", {})
    return {"action": "accept", "content": {"confirmed": True} if "confirmed" in fields else {}}


def arguments(tool: dict[str, Any]) -> dict[str, Any]:
    """With what a tool can be called: nothing, or what its schema requires."""
    if tool["name"] == "add_numbers":
        return {"a": 5, "b": 3}
    return dict.fromkeys(tool["inputSchema"].get("required", []), "x")


def script(connection: MCPConnection) -> None:
    """Does what a scenario wants."""
    connection.connect()
    tools = connection.list_tools()
    if SCENARIO == "http-custom-headers":
        for call in CONTEXT["toolCalls"]:
            connection.call_tool(call["name"], call["arguments"])
    elif SCENARIO == "json-schema-2020-12-preservation":
        [tool] = [tool for tool in tools if tool["name"] == "json_schema_2020_12_tool"]
        connection.call_tool("json_schema_echo", {"schema": tool["inputSchema"]})
    else:
        for tool in tools:
            connection.call_tool(tool["name"], arguments(tool))
    if SCENARIO == "http-standard-headers":
        for resource in connection.list_resources():
            connection.read_resource(resource["uri"])
        for prompt in connection.list_prompts():
            connection.get_prompt(prompt["name"])


async def awaited_script(connection: AsyncMCPConnection) -> None:
    """The same on an event loop, for the scenarios that take no more."""
    await connection.connect()
    for tool in await connection.list_tools():
        await connection.call_tool(tool["name"], arguments(tool))


ASKS_BESIDE = "elicitation-sep1034-client-defaults"
"""Its server asks on the stream of its session's news, not on that of the call."""
ON_A_LOOP = {
    ASKS_BESIDE,
    "sep-2322-client-request-state",
    "sse-retry",
    "auth/scope-step-up",
    "tools_call",
}
"""Scenarios that the asynchronous connection is shown to."""


def options(connection: list[Any]) -> dict[str, Any]:
    era: Era = "auto" if VERSION == "2026-07-28" else VERSION

    def answer(method: str, params: dict[str, Any]) -> Any:
        if method == "authorize":
            return redirected(params["url"])
        if "confirmed" in params.get("requestedSchema", {}).get("properties", {}):
            # Another call while this one waits must not carry anything of it.
            connection[0].call_tool("test_mrtr_unrelated", {})
        return accepted(params)

    return {"era": era, "oauth": oauth(), "answer": answer}


async def awaited_answer(connection: list[Any], method: str, params: dict[str, Any]) -> Any:
    if method == "authorize":
        return await asyncio.to_thread(redirected, params["url"])
    if "confirmed" in params.get("requestedSchema", {}).get("properties", {}):
        await connection[0].call_tool("test_mrtr_unrelated", {})
    return accepted(params)


async def on_a_loop(url: str) -> None:
    made: list[Any] = []

    async def answer(method: str, params: dict[str, Any]) -> Any:
        return await awaited_answer(made, method, params)

    async with AsyncMCPConnection(url, **{**options(made), "answer": answer}) as connection:
        made.append(connection)
        begun, listening = asyncio.Event(), None
        if SCENARIO == ASKS_BESIDE:
            await connection.connect()
            listening = asyncio.create_task(listen(connection, begun))
            await begun.wait()
        await awaited_script(connection)
        if listening is not None:
            listening.cancel()


async def listen(connection: AsyncMCPConnection, begun: asyncio.Event) -> None:
    async for _ in connection.listen():
        begun.set()


def main(url: str) -> int:
    try:
        if SCENARIO in ON_A_LOOP:
            asyncio.run(on_a_loop(url))
            return 0
        made: list[Any] = []
        with MCPConnection(url, **options(made)) as connection:
            made.append(connection)
            script(connection)
    except errors.MCPError as error:
        print(f"{error.code}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
