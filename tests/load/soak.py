"""An hour of everything a server is for: does its memory grow, do its descriptors, does it become slower (L14)?

Jobs are submitted, watched, read, canceled and listed over REST and MCP at a fixed rate, with some input that is wrong.
First jobs are stored until the caches, which are bounded, are full. After a warm-up the run is cut into windows; the
last are compared with the first.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import sys
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

from http1 import Client, Message
from load import quantile
from server import Running, serving

RATE = 40.0
STORED = 12_000
KEPT = 200
"""Jobs the callers remember: the older of them have ended."""
GROWTH, DRIFT, DESCRIPTORS = 1.02, 1.10, 8
MCP = {"mcp_protocol_version": "2026-07-28", "accept": "application/json, text/event-stream"}
META = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientInfo": {"name": "soak", "version": "1"},
    "io.modelcontextprotocol/clientCapabilities": {},
}


@dataclass
class Window:
    """What was seen in a part of the run."""

    taken: list[float] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    rss: float = 0.0
    descriptors: int = 0


class Callers:
    """Calls in the shares of a busy deployment."""

    def __init__(self, server: Running, chance: random.Random) -> None:
        self.server, self.chance, self.count = server, chance, 0
        self.client = Client(server.port)
        self.jobs: deque[str] = deque(maxlen=KEPT)

    def draw(self) -> tuple[Callable[[], Awaitable[Message]], set[int]]:
        """The next call, and the statuses that are right for it."""
        if not self.jobs:
            return self.submit, {201}
        calls: list[tuple[int, Callable[[], Awaitable[Message]], set[int]]] = [
            (10, self.submit, {201}), (40, self.get, {200}), (10, self.list, {200}), (10, self.metrics, {200}),
            (5, self.logs, {200}), (15, self.tool, {200}), (5, self.wait, {200}), (2, self.nonsense, {400}),
            (3, self.cancel, {200, 202, 409, 502}),
        ]
        _, call, right = self.chance.choices(calls, [weight for weight, _, _ in calls])[0]
        return call, right

    def job(self) -> str:
        """A job of those remembered."""
        return self.chance.choice(self.jobs)

    async def submit(self) -> Message:
        """A batch or a streaming job; of those that do not end by themselves the oldest is canceled."""
        self.count += 1
        body = {"name": f"soak {self.count}", "job_type": self.chance.choice(["BATCH", "STREAMING"])}
        answer = await self.client.call("POST", "/api/v1/jobs", body, idempotency_key=f"soak-{self.count}")
        if len(self.jobs) == KEPT:
            await self.client.call("POST", f"/api/v1/jobs/{self.jobs[0]}/cancel", {})
        if answer.status == 201:
            self.jobs.append(json.loads(answer.body)["data"]["job_id"])
        return answer

    async def fill(self) -> None:
        """Stores jobs that end at once."""

        async def some(count: int) -> None:
            client = Client(self.server.port)
            for _ in range(count):
                while (await client.call("POST", "/api/v1/jobs", {"job_type": "BATCH"})).status == 503:
                    await asyncio.sleep(0.2)
            client.close()

        await asyncio.gather(*(some(STORED // 16) for _ in range(16)))

    async def get(self) -> Message:
        """One job."""
        return await self.client.call("GET", f"/api/v1/jobs/{self.job()}")

    async def list(self) -> Message:
        """A page."""
        return await self.client.call("GET", "/api/v1/jobs?limit=20")

    async def metrics(self) -> Message:
        """Metrics of a job."""
        return await self.client.call("GET", f"/api/v1/jobs/{self.job()}/metrics")

    async def logs(self) -> Message:
        """Logs of a job."""
        return await self.client.call("GET", f"/api/v1/jobs/{self.job()}/logs?max_results=50")

    async def wait(self) -> Message:
        """A wait for the next change, given up after a second."""
        return await self.client.call("GET", f"/api/v1/jobs/{self.job()}/wait?timeout_seconds=1")

    async def cancel(self) -> Message:
        """A cancel; the job may have ended, or end meanwhile."""
        return await self.client.call("POST", f"/api/v1/jobs/{self.job()}/cancel", {})

    async def tool(self) -> Message:
        """The same read over MCP."""
        params = {"name": "get_job", "arguments": {"job_id": self.job()}, "_meta": META}
        body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
        return await self.client.call("POST", "/mcp", body, mcp_method="tools/call", mcp_name="get_job", **MCP)

    async def nonsense(self) -> Message:
        """A filter that does not exist."""
        return await self.client.call("GET", "/api/v1/jobs?state=NO_SUCH_STATE")


async def window(callers: Callers, seconds: float) -> Window:
    """Calls at the fixed rate for so long."""
    loop, seen, running = asyncio.get_running_loop(), Window(), set[asyncio.Task[None]]()
    began = loop.time()
    for number in range(int(RATE * seconds)):
        await asyncio.sleep(max(0.0, began + number / RATE - loop.time()))
        task = asyncio.create_task(one(callers, seen))
        running.add(task)
        task.add_done_callback(running.discard)
    await asyncio.gather(*running)
    pid = callers.server.process.pid
    seen.rss = int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6
    seen.descriptors = len(os.listdir(f"/proc/{pid}/fd"))
    return seen


async def one(callers: Callers, seen: Window) -> None:
    """One call; waits are not timed, for they take the time they are given."""
    call, right = callers.draw()
    began = asyncio.get_running_loop().time()
    try:
        answer = await call()
    except (OSError, TimeoutError) as error:
        seen.failed.append(f"{call.__name__}: {error!r}")
        return
    if answer.status not in right:
        seen.failed.append(f"{call.__name__}: {answer.status} {answer.body[:200]!r}")
    elif call.__name__ != "wait":
        seen.taken.append(asyncio.get_running_loop().time() - began)


async def run(minutes: float, seed: int) -> bool:
    """The table; true when the last window is as the first after the warm-up."""
    config = {"default_runner": "sim", "targets": {"sim": {"runner": "simulator", "speed": 60}}}
    each = minutes * 60 / 12
    async with serving(config) as server:
        callers = Callers(server, random.Random(seed))
        await callers.fill()
        print(f"{RATE:.0f} calls/s for {minutes:.0f} minutes; windows of {each:.0f} s, the first two warm up")
        print(f"{'window':<8}{'RSS MB':>9}{'fds':>6}{'p50 ms':>9}{'p99 ms':>9}{'jobs':>8}{'failed':>8}", flush=True)
        windows: list[Window] = []
        for number in range(12):
            seen = await window(callers, each)
            windows.append(seen)
            print(f"{number:<8}{seen.rss:>9.1f}{seen.descriptors:>6}{quantile(seen.taken, 0.5):>9.2f}"
                  f"{quantile(seen.taken, 0.99):>9.2f}{callers.count:>8}{len(seen.failed):>8}", flush=True)
            for failure in seen.failed[:3]:
                print(f"  {failure}", flush=True)
        await server.stop()
    return judged(windows[2:])


def p99(seen: Window) -> float:
    """Of the calls of a window, in milliseconds."""
    return quantile(seen.taken, 0.99)


def judged(windows: list[Window]) -> bool:
    """Compares the last three windows with the first three, so that one noisy window decides nothing."""
    def middle(part: list[Window], of: Callable[[Window], float]) -> float:
        return sorted(map(of, part))[1]

    first, last = windows[:3], windows[-3:]
    growth = middle(last, lambda seen: seen.rss) / middle(first, lambda seen: seen.rss)
    slower = middle(last, p99) / middle(first, p99)
    more = middle(last, lambda seen: seen.descriptors) - middle(first, lambda seen: seen.descriptors)
    failed = sum(len(seen.failed) for seen in windows)
    print(f"RSS x {growth:.3f} (goal {GROWTH}), p99 x {slower:.2f} (goal {DRIFT}), descriptors {more:+.0f}, "
          f"failed {failed}")
    return growth <= GROWTH and more <= DESCRIPTORS and not failed


def main() -> int:
    """Runs it. A p99 that drifts is told, not judged: it is the machine's as much as the server's."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    return 0 if asyncio.run(run(arguments.minutes, arguments.seed)) else 1


if __name__ == "__main__":
    sys.exit(main())
