"""One target in trouble: what the callers of another one notice, and how fast the first is served again.

The same calls go to both targets at a fixed rate all the time. Windows with trouble and without follow each other in
turn, so that both see the same machine; the ratio is that of their p99.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from chaos import Chaos, Fault
from flink import Flink
from http1 import Client
from load import open_loop, quantile
from server import Running, jar, serving

RATE = 30
JOBS = 5
BULKHEAD = 32
RECOVERED = 120
"""Seconds after the trouble by which what was submitted in it must run (L12)."""
LIMIT = 2.0
"""A ratio over this fails: the goal is 1.1, and a shared machine is not quiet."""


@dataclass
class Bench:
    """The server, its two targets, and jobs on each."""

    server: Running
    proxy: Chaos
    well: list[str]
    ill: list[str]


Trouble = Callable[[Chaos], Awaitable[None]]

TROUBLES: dict[str, Trouble] = {
    "dead": lambda proxy: proxy.become(Fault.DEAD),
    "silent": lambda proxy: proxy.become(Fault.SILENT),
    "slow 2 s": lambda proxy: proxy.become(Fault.SLOW),
    "flapping 1 s": lambda proxy: proxy.flap(1, 1),
    "429": lambda proxy: proxy.become(Fault.BUSY),
    "503": lambda proxy: proxy.become(Fault.UNAVAILABLE),
    "half drops": lambda proxy: proxy.become(Fault.DROP_BEFORE, Fault.DROP_AFTER, Fault.CUT, share=0.5),
}


async def submit(server: Running, target: str, path: Path, *, wait: bool = True) -> str:
    """A job on a target."""
    body = {"name": "isolation", "runner": target, "code_path": str(path)}
    headers = {} if wait else {"x_request_timeout": "1"}
    answer = await server.client.call("POST", "/api/v1/jobs", body, **headers)
    if answer.status not in (201, 202):
        raise AssertionError(f"{answer.status} {answer.body.decode()}")
    return str(json.loads(answer.body)["data"]["job_id"])


async def window(bench: Bench, seconds: float) -> list[float]:
    """Times of the calls about the target that is well, while as many go to the other."""

    def looks(jobs: list[str]) -> Callable[[Client], Awaitable[object]]:
        turn = iter(range(1 << 60))
        return lambda client: client.call("GET", f"/api/v1/jobs/{jobs[next(turn) % len(jobs)]}?max_age_ms=0", limit=40)

    well, ill = Client(bench.server.port), Client(bench.server.port)
    other = asyncio.create_task(open_loop(ill, looks(bench.ill), RATE, seconds))
    outcome = await open_loop(well, looks(bench.well), RATE, seconds)
    other.cancel()
    await asyncio.gather(other, return_exceptions=True)
    well.close()
    if outcome.failed or outcome.refused:
        raise AssertionError(f"the target that is well: {outcome.failed} failed, {len(outcome.refused)} refused")
    return outcome.taken


async def trouble(bench: Bench, name: str, rounds: int, seconds: float) -> dict[str, float]:
    """Ratio of the p99 with a trouble to that without."""
    pairs: list[tuple[float, float]] = []
    bench.proxy.peak = 0
    for _ in range(rounds):
        await bench.proxy.become()
        await asyncio.sleep(1)
        base = await window(bench, seconds)
        await TROUBLES[name](bench.proxy)
        await asyncio.sleep(1)
        hurt = await window(bench, seconds)
        pairs.append((quantile(base, 0.99), quantile(hurt, 0.99)))
    base_ms, hurt_ms = (statistics.median(values) for values in zip(*pairs, strict=True))
    return {"base": base_ms, "hurt": hurt_ms, "ratio": hurt_ms / base_ms, "peak": bench.proxy.peak}


async def recovery(bench: Bench, flink: Flink, path: Path, outage: float) -> float:
    """Seconds until jobs that were submitted to a dead target run once it is back; each exactly once."""
    await bench.proxy.become(Fault.DEAD)
    jobs = [await submit(bench.server, "ill", path, wait=False) for _ in range(3)]
    await asyncio.sleep(outage)
    bench.proxy.peak = 0
    await bench.proxy.become()
    began = asyncio.get_running_loop().time()
    async with asyncio.timeout(RECOVERED):
        for job in jobs:
            while (await bench.server.ok("GET", f"/api/v1/jobs/{job}"))["state"] != "RUNNING":
                await asyncio.sleep(0.5)
    took = asyncio.get_running_loop().time() - began
    runs = [flink.runs.get(job.split(":")[1], 0) for job in jobs]
    if runs != [1] * len(jobs):
        raise AssertionError(f"jobs of the outage ran {runs} times")
    if bench.proxy.peak > BULKHEAD:
        raise AssertionError(f"{bench.proxy.peak} calls at once after the outage")
    return took


async def run(rounds: int, seconds: float, outage: float) -> bool:
    """All troubles and the recovery; true when nothing is over its limit."""
    flink = Flink()
    await flink.start()
    well, ill = Chaos(flink.port), Chaos(flink.port)
    await well.start()
    await ill.start()
    urls = {"well": well.port, "ill": ill.port}
    targets = {name: {"runner": "flink", "url": f"http://127.0.0.1:{port}"} for name, port in urls.items()}
    async with serving({"targets": targets}) as server:
        path = jar(server.folder)
        jobs = {name: [await submit(server, name, path) for _ in range(JOBS)] for name in urls}
        bench = Bench(server, ill, jobs["well"], jobs["ill"])
        await window(bench, 2)
        print(f"{RATE} calls/s to each of two targets; {rounds} rounds of {seconds:.0f} s with and without the trouble")
        print(f"{'trouble':<14}{'p99 well':>10}{'p99 in it':>11}{'ratio':>7}{'peak calls':>12}")
        good = True
        for name in TROUBLES:
            seen = await trouble(bench, name, rounds, seconds)
            over = seen["ratio"] > LIMIT or seen["peak"] > BULKHEAD
            good &= not over
            print(
                f"{name:<14}{seen['base']:>7.1f} ms{seen['hurt']:>8.1f} ms{seen['ratio']:>7.2f}{seen['peak']:>12.0f}"
                f"{'  OVER' if over else ''}",
                flush=True,
            )
        took = await recovery(bench, flink, path, outage)
        print(f"3 jobs submitted in an outage of {outage:.0f} s: running {took:.1f} s after it, each once")
        print(f"breaker opened {await server.metric('beam_mcp_breaker_opened_total'):.0f} times, refused "
              f"{await server.metric('beam_mcp_breaker_refused_total'):.0f} calls; bulkhead refused "
              f"{await server.metric('beam_mcp_bulkhead_refused_total'):.0f}")
        await server.stop()
    return good


def main() -> int:
    """Runs it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=8)
    parser.add_argument("--outage", type=float, default=60)
    arguments = parser.parse_args()
    return 0 if asyncio.run(run(arguments.rounds, arguments.seconds, arguments.outage)) else 1


if __name__ == "__main__":
    sys.exit(main())
