"""What one server takes with a token on each call: `tools/call get_job` over MCP (L1) and durable submits over REST (L2).

oha finds the peak first, with callers that wait for their answers; then it sends at a fixed rate, whether or not the
server keeps up, and counts from when a call was due. Server and generator share the machine.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import os
import sys
from typing import Any

from server import Running, serving

TOKEN = "rates-0123456789abcdef"
CALLERS = "32"
META = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientInfo": {"name": "rates", "version": "1"},
    "io.modelcontextprotocol/clientCapabilities": {},
}
MCP = {
    "accept": "application/json, text/event-stream",
    "mcp-protocol-version": "2026-07-28",
    "mcp-method": "tools/call",
    "mcp-name": "get_job",
}


class Load:
    """One kind of call, as oha sends it."""

    def __init__(self, server: Running, path: str, body: Any, headers: dict[str, str]) -> None:
        sent = {"authorization": f"Bearer {TOKEN}", "content-type": "application/json", **headers}
        options = [word for name, value in sent.items() for word in ("-H", f"{name}: {value}")]
        self.url, self.options = f"http://127.0.0.1:{server.port}{path}", ["-m", "POST", "-d", json.dumps(body), *options]

    async def run(self, seconds: float, *options: str) -> dict[str, Any]:
        """What oha found out; every answer must be a success."""
        how = ["--no-tui", "--output-format", "json", "-z", f"{seconds}s", "-c", CALLERS, *options]
        command = [os.environ["OHA"], *how, *self.options, self.url]
        process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
        text, _ = await process.communicate()
        if process.returncode:
            raise AssertionError(f"oha ended with {process.returncode}")
        found = json.loads(text)
        refused = {code: count for code, count in found["statusCodeDistribution"].items() if code[0] != "2"}
        # Those under way when the time is up are cut off by oha itself.
        broken = {why: count for why, count in found["errorDistribution"].items() if why != "aborted due to deadline"}
        if refused or broken:
            raise AssertionError(f"not all were answered well: {refused} {broken}")
        return dict(found)


LINE = "{:<24}{:>10}{:>12}{:>12}{:>12}   {}"


def row(name: str, found: dict[str, Any], target: str, *, met: bool) -> bool:
    """A line of the table; true where its target is met."""
    times = found["latencyPercentiles"]
    cells = [f"{times[share] * 1000:.1f} ms" for share in ("p50", "p99", "p99.9")]
    line = LINE.format(name, f"{found['summary']['requestsPerSec']:.0f}", *cells, target)
    print(line + ("" if met else "  MISSED"), flush=True)
    return met


async def peak(load: Load, name: str, seconds: float, least: float) -> tuple[float, bool]:
    """Calls a second of callers that wait for their answers, and whether that is enough."""
    found = await load.run(seconds)
    rate = float(found["summary"]["requestsPerSec"])
    return rate, row(f"{name}, peak", found, f">= {least:,.0f}/s", met=rate >= least)


async def fixed(load: Load, name: str, seconds: float, rate: float, most_ms: float) -> bool:
    """A rate that is kept to, and whether nearly all answers come in time."""
    found = await load.run(seconds, "-q", f"{rate:.0f}", "--latency-correction")
    sent, late = found["summary"]["requestsPerSec"], found["latencyPercentiles"]["p99"] * 1000
    return row(f"{name}, {rate:.0f}/s", found, f"p99 <= {most_ms:.0f} ms", met=late <= most_ms and sent >= 0.95 * rate)


async def run(seconds: float) -> bool:
    """The table; true when every target is met."""
    token = {"name": "rates", "sha256": hashlib.sha256(TOKEN.encode()).hexdigest(), "role": "operator"}
    simulator = {"runner": "simulator", "script": "running"}
    config = {"default_runner": "sim", "targets": {"sim": simulator}, "auth": {"tokens": [token]}}
    print(LINE.format("", "calls/s", "p50", "p99", "p99.9", "target"))
    async with serving(config) as server:
        made = await server.ok("POST", "/api/v1/jobs", {"name": "watched"}, authorization=f"Bearer {TOKEN}")
        params = {"name": "get_job", "arguments": {"job_id": made["job_id"]}, "_meta": META}
        call = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
        # oha looks at statuses only, and a tool fails with 200.
        answer = await server.client.call("POST", "/mcp", call, authorization=f"Bearer {TOKEN}", **MCP)
        if json.loads(answer.body)["result"]["structuredContent"]["job_id"] != made["job_id"]:
            raise AssertionError(answer.body.decode())
        load = Load(server, "/mcp", call, MCP)
        most, good = await peak(load, "tools/call get_job", seconds, 8_000)
        good &= await fixed(load, "tools/call get_job", seconds, 0.7 * most, 10)
        await server.stop()
    for way in ("peak", "fixed"):
        async with serving(config) as server:  # its jobs go on: each way begins with none
            submit = Load(server, "/api/v1/jobs", {"name": "submitted"}, {})
            if way == "peak":
                good &= (await peak(submit, "submit", seconds, 1_000))[1]
            else:
                good &= await fixed(submit, "submit", seconds, 1_000, 50)
            await server.stop()
    return good


def main() -> int:
    """Runs it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10)
    return 0 if asyncio.run(run(parser.parse_args().seconds)) else 1


if __name__ == "__main__":
    sys.exit(main())
