"""This project's client against a server of the official SDK: `our_client.py URL`."""

from __future__ import annotations

import sys

from beam_mcp_client import FailedPreconditionError, MCPClient

with MCPClient(sys.argv[1], transport="mcp") as client:
    assert [runner["name"] for runner in client.list_runners()] == ["elsewhere"]
    assert client.get_job("elsewhere:1").state == "RUNNING"
    reason = told = ""
    try:
        client.get_job("elsewhere:2")
    except FailedPreconditionError as error:
        reason, told = error.reason, str(error)
# Version 2 of the SDK keeps what a tool raised to itself.
assert reason == "tool_failed", reason
assert "get_job" in told, told
