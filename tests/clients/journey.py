"""What every client is put through: a simulator job from its submission to its logs."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from typing import Any

Call = Callable[[str, dict[str, Any]], Awaitable[dict[str, Any]]]

MODE, KIND, *TARGET = sys.argv[1:]
"""Mode of the client, `http`, `sse` or `stdio`, and the URL or the command with its arguments."""


async def journey(tools: list[str], call: Call) -> None:
    """Lists, submits, waits and reads; `call` answers with what a tool told as data."""
    assert len(tools) == len(set(tools)), tools
    assert {"list_runners", "create_job", "wait_for_change", "get_logs", "cancel_job"} <= set(
        tools
    ), tools
    runners = await call("list_runners", {})
    assert "simulator" in [runner["name"] for runner in runners["runners"]], runners
    job = await call(
        "create_job", {"target": "simulator", "options": {"simulator_script": "batch"}}
    )
    while not job["terminal"]:
        wait = {"job_id": job["job_id"], "until_terminal": True, "timeout_seconds": 20}
        job = await call("wait_for_change", wait)
    assert job["state"] == "FINISHED", job
    logs = await call("get_logs", {"job_id": job["job_id"]})
    assert logs["logs"], logs
