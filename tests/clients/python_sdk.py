"""The official Python SDK as a client: `python_sdk.py URL MODE FOLDER`."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

import mcp

URL, MODE, FOLDER = sys.argv[1:4]


def structured(result: Any) -> dict[str, Any]:
    """What a tool answered, as data; an older revision has it as text only."""
    assert not result.is_error, result.content[0].text
    data = result.structured_content or json.loads(result.content[0].text)
    assert isinstance(data, dict)
    return data


async def run_to_the_end(client: mcp.Client, **spec: Any) -> dict[str, Any]:
    """Submits a job and waits for its end."""
    job = structured(await client.call_tool("create_job", spec))
    while not job["terminal"]:
        wait = {"job_id": job["job_id"], "until_terminal": True, "timeout_seconds": 20}
        job = structured(await client.call_tool("wait_for_change", wait))
    return job


async def main() -> None:
    async with mcp.Client(URL, mode=MODE) as client:
        names = [tool.name for tool in (await client.list_tools()).tools]
        assert len(names) == 13, names
        simulated = await run_to_the_end(client, target="simulator", options={"simulator_script": "batch"})
        assert simulated["state"] == "FINISHED", simulated
        options = {"input": f"{FOLDER}/as_you_like_it.txt", "output": f"{FOLDER}/counts-{MODE}"}
        direct = await run_to_the_end(client, target="direct", code_path="wordcount.py", options=options)
        assert direct["state"] == "FINISHED", direct
        logs = structured(await client.call_tool("get_logs", {"job_id": direct["job_id"]}))
        assert logs["logs"], logs
        metrics = structured(await client.call_tool("get_metrics", {"job_id": direct["job_id"]}))
        assert metrics["metrics"]["wordcount.words"] > 20_000, metrics["metrics"]
        failed = await client.call_tool("get_job", {"job_id": "nonsense"})
        assert failed.is_error
        assert "job id" in failed.content[0].text


asyncio.run(main())
