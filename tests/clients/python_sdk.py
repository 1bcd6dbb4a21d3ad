"""The official Python SDK as a client: `python_sdk.py MODE KIND TARGET…`, MODE one of auto, legacy or a revision."""

from __future__ import annotations

import asyncio
import json
import os
from typing import Any

import mcp
import mcp_types as types
from journey import KIND, MODE, TARGET, journey
from mcp.client.sse import sse_client

asked: list[str] = []


async def agree(_: Any, question: types.ElicitRequestParams) -> types.ElicitResult:
    """The person who says yes."""
    asked.append(question.message)
    return types.ElicitResult(action="accept", content={"confirm": True})


def server() -> Any:
    """What the client connects to."""
    if KIND == "stdio":
        return mcp.StdioServerParameters(command=TARGET[0], args=TARGET[1:])
    return sse_client(TARGET[0]) if KIND == "sse" else TARGET[0]


async def main() -> None:
    async with mcp.Client(server(), mode=MODE, elicitation_callback=agree) as client:

        async def call(tool: str, arguments: dict[str, Any]) -> dict[str, Any]:
            result = await client.call_tool(tool, arguments)
            assert not result.is_error, result.content[0].text
            data = result.structured_content or json.loads(result.content[0].text)
            assert isinstance(data, dict)
            return data

        await journey([tool.name for tool in (await client.list_tools()).tools], call)
        await cancel(call)
        failed = await client.call_tool("get_job", {"job_id": "nonsense"})
        assert failed.is_error
        assert "job id" in failed.content[0].text


async def cancel(call: Any) -> None:
    """Ends a job: the person is asked, or the plan comes back where nobody can be."""
    job = await call(
        "create_job", {"target": "simulator", "options": {"simulator_script": "running"}}
    )
    while job["state"] != "RUNNING":
        job = await call("wait_for_change", {"job_id": job["job_id"], "timeout_seconds": 20})
    end = {"job_id": job["job_id"], "mode": "cancel", "wait_seconds": 20}
    ended = await call("cancel_job", end)
    if MODE == "legacy" and os.environ["TRANSPORT"] == "stateless":
        assert not asked, asked
        assert (await call("get_job", {"job_id": job["job_id"]}))["state"] == "RUNNING"
        ended = await call("cancel_job", {**end, "plan_digest": ended["plan"]["digest"]})
    else:
        assert len(asked) == 1, asked
    assert ended["state"] == "CANCELED", ended


asyncio.run(main())
