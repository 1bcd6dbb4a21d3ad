"""The MCP Inspector's command line as a client: `inspector.py URL ERA FOLDER`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

URL, ERA, FOLDER = sys.argv[1:4]


def inspect(method: str, *arguments: str) -> dict[str, Any]:
    """One call of the Inspector."""
    command = [os.environ["NODE"], os.environ["MCP_INSPECTOR"], "--cli", URL, "--transport", "http"]
    command += ["--protocol-era", ERA, "--method", method, "--format", "json", *arguments]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)  # noqa: S603
    assert ran.returncode == 0, ran.stdout + ran.stderr
    answer = json.loads(ran.stdout)
    found = answer.get("result", answer)
    assert isinstance(found, dict)
    return found


def call(tool: str, **arguments: Any) -> dict[str, Any]:
    """One tool call; its answer as data."""
    pairs = [f"{name}={value if isinstance(value, str) else json.dumps(value)}" for name, value in arguments.items()]
    result = inspect("tools/call", "--tool-name", tool, *[part for pair in pairs for part in ("--tool-arg", pair)])
    assert not result.get("isError"), result
    data = result.get("structuredContent") or json.loads(result["content"][0]["text"])
    assert isinstance(data, dict)
    return data


def run_to_the_end(**spec: Any) -> dict[str, Any]:
    """Submits a job and waits for its end."""
    job = call("create_job", **spec)
    while not job["terminal"]:
        job = call("wait_for_change", job_id=job["job_id"], until_terminal=True, timeout_seconds=20)
    return job


assert len(inspect("tools/list")["tools"]) == 13
simulated = run_to_the_end(target="simulator", options={"simulator_script": "batch"})
assert simulated["state"] == "FINISHED", simulated
direct = run_to_the_end(
    target="direct",
    code_path="wordcount.py",
    options={"input": f"{FOLDER}/as_you_like_it.txt", "output": f"{FOLDER}/counts-{ERA}"},
)
assert direct["state"] == "FINISHED", direct
assert call("get_logs", job_id=direct["job_id"])["logs"]
