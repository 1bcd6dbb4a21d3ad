"""More than the server can do: 2, 5 and 10 times its peak, sent at a fixed rate whether or not it keeps up.

The calls are pages of 200 jobs, so that a generator of the same machine can send ten times what the server can answer.
Health is asked all the while.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict

from http1 import Client, Message
from load import Outcome, closed_loop, open_loop, quantile
from server import Running, serving

STORED = 400
PAGE = "/api/v1/jobs?limit=200"
GOODPUT = 0.5
"""Share of the peak under which goodput fails: the goal is 0.9, and the generator takes its part of the machine."""
RECOVERED = 5.0


async def page(client: Client) -> Message:
    """One page of jobs."""
    return await client.call("GET", PAGE, limit=30)


def generate(port: int, rate: float, seconds: float) -> dict[str, object]:
    """One generator, in a process of its own."""

    async def run() -> Outcome:
        client = Client(port)
        return await open_loop(client, page, rate, seconds)

    return asdict(asyncio.run(run()))


async def overload(server: Running, pool: ProcessPoolExecutor, rate: float, seconds: float) -> tuple[Outcome, list[float]]:
    """Generators at a rate together, and the times of health meanwhile."""
    loop, count = asyncio.get_running_loop(), 2
    calls = [loop.run_in_executor(pool, generate, server.port, rate / count, seconds) for _ in range(count)]
    until, health = loop.time() + seconds, list[float]()
    while loop.time() < until:
        began = loop.time()
        # A connection of its own: where there are too many, idle ones make room.
        client = Client(server.port)
        answer = await client.call("GET", "/health/live", limit=10)
        client.close()
        if answer.status != 200:
            raise AssertionError(f"health: {answer.status}")
        health.append(loop.time() - began)
        await asyncio.sleep(0.05)
    total = Outcome()
    for part in await asyncio.gather(*calls):
        one = Outcome(**part)  # type: ignore[arg-type]
        total.taken += one.taken
        total.refused += one.refused
        total.told, total.failed, total.late = total.told + one.told, total.failed + one.failed, total.late + one.late
    return total, health


async def recovered(server: Running, usual_ms: float) -> float:
    """Seconds until a page takes at most twice what it took before."""
    loop, client = asyncio.get_running_loop(), Client(server.port)
    began = loop.time()
    while loop.time() - began < 3 * RECOVERED:
        at = loop.time()
        if (await page(client)).status == 200 and (loop.time() - at) * 1000 <= max(2 * usual_ms, 20):
            break
    return loop.time() - began


async def run(seconds: float) -> bool:
    """The table; true when nothing is over its limit."""
    config = {"default_runner": "sim", "targets": {"sim": {"runner": "simulator", "script": "running"}}}
    async with serving(config) as server:
        for number in range(STORED):
            await server.ok("POST", "/api/v1/jobs", {"name": f"job {number}"})
        client = Client(server.port)
        alone = Outcome()
        for _ in range(30):
            began = asyncio.get_running_loop().time()
            alone.add(await page(client), asyncio.get_running_loop().time() - began)
        peak = await closed_loop(server.port, page, 8, seconds)
        usual = quantile(alone.taken, 0.5)
        print(f"peak {peak:.0f} pages/s of {json.dumps(STORED // 2)} jobs; one alone takes {usual:.1f} ms")
        print(f"{'load':<6}{'sent/s':>8}{'goodput':>9}{'p99 taken':>11}{'p50 refused':>13}{'p99 refused':>13}"
              f"{'told':>7}{'failed':>8}{'late':>7}{'health p99':>12}{'well after':>12}")
        good = True
        with ProcessPoolExecutor(2) as pool:
            for factor in (2, 5, 10):
                seen, health = await overload(server, pool, peak * factor, seconds)
                after = await recovered(server, usual)
                share = len(seen.taken) / seconds / peak
                told = seen.told / max(len(seen.refused), 1)
                over = share < GOODPUT or told < 1 or after > RECOVERED or not seen.refused
                good &= not over
                print(
                    f"{factor:>3} x {peak * factor:>8.0f}{share:>9.2f}{quantile(seen.taken, 0.99):>8.1f} ms"
                    f"{quantile(seen.refused, 0.5):>10.1f} ms{quantile(seen.refused, 0.99):>10.1f} ms{told:>7.0%}"
                    f"{seen.failed:>8}{seen.late:>7}{quantile(health, 0.99):>9.1f} ms{after:>10.2f} s"
                    f"{'  OVER' if over else ''}",
                    flush=True,
                )
        print(f"refused in all: {await server.metric('beam_mcp_requests_shed_total'):.0f}")
        await server.stop()
    return good


def main() -> int:
    """Runs it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10)
    arguments = parser.parse_args()
    return 0 if asyncio.run(run(arguments.seconds)) else 1


if __name__ == "__main__":
    os.environ.setdefault("PYTHONUNBUFFERED", "1")
    sys.exit(main())
