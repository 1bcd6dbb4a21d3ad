"""More than the server can do: 2, 5 and 10 times its peak, sent by oha at a fixed rate whether or not it keeps up.

The calls are pages of 200 jobs. Where there are two cores, the server has one and the generator another, so that what
is measured is the server. Beside oha a caller asks for a page and for health 20 times a second, and looks at the
refusals: each must say when to come again.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
from dataclasses import dataclass, field
from typing import Any

from http1 import Client
from load import Outcome, quantile
from server import Running, serving

STORED = 400
PAGE = "/api/v1/jobs?limit=200"
GOODPUT = 0.5
"""Share of the peak under which goodput fails: the goal is 0.9, and refusals take their part of the core."""
RECOVERED = 5.0
CORES = sorted(os.sched_getaffinity(0))


async def oha(port: int, *options: str) -> dict[str, Any]:
    """What oha found out, on the last core."""
    command = ["taskset", "-c", str(CORES[-1]), os.environ["OHA"], "--no-tui", "--output-format", "json",
               "--stats-success-breakdown", *options, f"http://127.0.0.1:{port}{PAGE}"]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    text, _ = await process.communicate()
    if process.returncode:
        raise AssertionError(f"oha ended with {process.returncode}")
    return json.loads(text)


@dataclass
class Beside:
    """What one polite caller saw."""

    pages: Outcome = field(default_factory=Outcome)
    health: list[float] = field(default_factory=list)

    async def watch(self, server: Running) -> None:
        """Asks until it is cancelled."""
        while True:
            await self.ask(server)
            await asyncio.sleep(0.05)

    async def ask(self, server: Running) -> None:
        """A page and health, each over a connection of its own: where there are too many, idle ones make room."""
        loop, client, page = asyncio.get_running_loop(), Client(server.port), Client(server.port)
        began = loop.time()
        answer = await client.call("GET", "/health/live", limit=10)
        self.health.append(loop.time() - began)
        if answer.status != 200:
            raise AssertionError(f"health: {answer.status}")
        began = loop.time()
        self.pages.add(await page.call("GET", PAGE, limit=30), loop.time() - began)
        client.close()
        page.close()


async def overload(server: Running, rate: float, seconds: float) -> tuple[dict[str, Any], Beside]:
    """oha at a rate, and what the caller beside it saw."""
    beside = Beside()
    watching = asyncio.create_task(beside.watch(server))
    found = await oha(server.port, "-z", f"{seconds}s", "-c", "400", "-q", f"{rate:.0f}", "--latency-correction")
    if watching.done():
        await watching
    watching.cancel()
    return found, beside


async def recovered(server: Running, usual_ms: float) -> float:
    """Seconds until a page takes at most twice what it took before."""
    loop, client = asyncio.get_running_loop(), Client(server.port)
    began = loop.time()
    while loop.time() - began < 3 * RECOVERED:
        at = loop.time()
        answer = await client.call("GET", PAGE, limit=30)
        if answer.status == 200 and (loop.time() - at) * 1000 <= max(2 * usual_ms, 20):
            break
    return loop.time() - began


HEAD = ("load", "sent/s", "goodput", "p50 taken", "p99 taken", "p50 refused", "p99 refused", "told", "failed",
        "health p99", "well after")
LINE = "{:<6}{:>8}{:>9}{:>11}{:>11}{:>13}{:>13}{:>6}{:>8}{:>12}{:>12}"


def ms(found: dict[str, Any], which: str, share: str) -> str:
    """One percentile of oha's."""
    value = found[f"latencyPercentiles{which}"][share]
    return "-" if value is None else f"{value * 1000:.1f} ms"


async def round_of(server: Running, factor: int, peak: float, usual: float, seconds: float) -> bool:
    """A line of the table; true when nothing in it is over its limit."""
    found, beside = await overload(server, peak * factor, seconds)
    after = await recovered(server, usual)
    codes = found["statusCodeDistribution"]
    share, refused = codes.get("200", 0) / seconds / peak, codes.get("503", 0)
    told = beside.pages.told / max(len(beside.pages.refused), 1)
    # Those under way when the time is up are cut off by oha itself.
    failed = sum(count for why, count in found["errorDistribution"].items() if why != "aborted due to deadline")
    failed += sum(count for code, count in codes.items() if code not in ("200", "503")) + beside.pages.failed
    over = share < GOODPUT or told < 1 or failed > 0 or after > RECOVERED or not refused
    cells = (f"{factor} x", f"{found['summary']['requestsPerSec']:.0f}", f"{share:.2f}",
             ms(found, "Successful", "p50"), ms(found, "Successful", "p99"), ms(found, "NotSuccessful", "p50"),
             ms(found, "NotSuccessful", "p99"), f"{told:.0%}", failed, f"{quantile(beside.health, 0.99):.1f} ms",
             f"{after:.2f} s")
    print(LINE.format(*cells) + ("  OVER" if over else ""), flush=True)
    return not over


async def run(seconds: float) -> bool:
    """The table; true when nothing is over its limit."""
    config = {"default_runner": "sim", "targets": {"sim": {"runner": "simulator", "script": "running"}}}
    os.sched_setaffinity(0, CORES[:1])
    async with serving(config) as server:
        for number in range(STORED):
            await server.ok("POST", "/api/v1/jobs", {"name": f"job {number}"})
        alone = (await oha(server.port, "-n", "100", "-c", "1"))["latencyPercentiles"]["p50"] * 1000
        peak = (await oha(server.port, "-z", f"{seconds}s", "-c", "8"))["summary"]["requestsPerSec"]
        print(f"peak {peak:.0f} pages/s of {STORED // 2} jobs on one core; one alone takes {alone:.1f} ms")
        print(LINE.format(*HEAD))
        good = [await round_of(server, factor, peak, alone, seconds) for factor in (2, 5, 10)]
        print(f"refused in all: {await server.metric('beam_mcp_requests_shed_total'):.0f}")
        await server.stop()
    return all(good)


def main() -> int:
    """Runs it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10)
    arguments = parser.parse_args()
    return 0 if asyncio.run(run(arguments.seconds)) else 1


if __name__ == "__main__":
    os.environ.setdefault("PYTHONUNBUFFERED", "1")
    sys.exit(main())
