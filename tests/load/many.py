"""10,000 jobs on one cluster and 99 other targets: what watching them costs, and how fast they are listed.

The clusters are this process's (`flink.py`); the jobs were submitted by others, so that the server has to find them.
Once it has, a cluster must be asked as often as its neighbours, whatever it runs: one call a round, not one a job.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
from collections.abc import Awaitable, Callable
from urllib.parse import quote

from flink import Flink
from http1 import Client, Message
from load import quantile
from server import Running, serving
from watched import Process, table

FEW = 5
"""Jobs of each neighbour."""
MOST_MB = 256.0
WAITERS = 100
"""Callers who wait for news of a job of the large cluster, all the time it is watched."""
ROUND = 0.2
"""Seconds between two looks of this rig."""


class Cluster(Flink):
    """Jobs of somebody else, and how often each kind of question is asked."""

    def __init__(self, jobs: int) -> None:
        super().__init__()
        self.states = {f"{number:032x}": "RUNNING" for number in range(1, jobs + 1)}
        self._line_of = {"RUNNING": self._line(self.first, "RUNNING"), "CANCELED": self._line(self.first, "CANCELED")}
        self.asked: dict[str, int] = {}

    @property
    def first(self) -> str:
        """Id of one of the jobs."""
        return next(iter(self.states))

    def _line(self, job: str, state: str) -> dict[str, object]:
        kept = getattr(self, "_line_of", {}).get(state)
        return {**kept, "jid": job} if kept else super()._line(job, state)

    async def _answer(self, request: Message) -> bytes:
        kind = "list" if request.path == "/jobs/overview" else "job" if request.path.startswith("/jobs/") else "else"
        self.asked[kind] = self.asked.get(kind, 0) + 1
        return await super()._answer(request)


async def listed(server: Running, filters: str) -> int:
    """Jobs a filter shows, page by page."""
    count, cursor = 0, ""
    while True:
        page = await server.ok("GET", f"/api/v1/jobs?limit=200&{filters}{cursor}")
        count += len(page["jobs"])
        if not page.get("next_page_token"):
            return count
        cursor = f"&page_token={quote(page['next_page_token'])}"


async def found(server: Running, jobs: int, limit: float) -> float:
    """Seconds until every job of the large cluster is known."""
    begun, known = asyncio.get_running_loop().time(), 0
    async with asyncio.timeout(limit):
        while known < jobs:
            await asyncio.sleep(2)
            known = await listed(server, "target=big")
            if sys.stdout.isatty():
                print(f"\r{known:,} of {jobs:,} jobs found ", end="", flush=True)
    return asyncio.get_running_loop().time() - begun


async def times(client: Client, path: str, calls: int = 200) -> list[float]:
    """Seconds of each of so many calls, one after the other."""
    taken = []
    for _ in range(calls):
        begun = asyncio.get_running_loop().time()
        answer = await client.call("GET", path)
        taken.append(asyncio.get_running_loop().time() - begun)
        if answer.status != 200:
            raise AssertionError(f"{path}: {answer.status} {answer.body.decode()}")
    return taken


async def until(what: Callable[[], Awaitable[bool]], limit: float = 60) -> float:
    """Seconds until something is so."""
    begun = asyncio.get_running_loop().time()
    async with asyncio.timeout(limit):
        while not await what():
            await asyncio.sleep(ROUND)
    return asyncio.get_running_loop().time() - begun


async def wait_on(server: Running, job: str, ends: float) -> None:
    """Somebody who waits for news of one job, call after call."""
    client, path = Client(server.port), f"/api/v1/jobs/{quote('big:@' + job)}/wait?timeout_s=20"
    cursor = ""
    while asyncio.get_running_loop().time() < ends:
        answer = await client.call("GET", path + cursor)
        if answer.status == 503:
            await asyncio.sleep(int(answer.headers["retry-after"]))
            continue
        if answer.status != 200:
            raise AssertionError(f"{path}: {answer.status} {answer.body.decode()}")
        cursor = f"&cursor={json.loads(answer.body)['data']['cursor']}"
    client.close()


async def watched(server: Running, clusters: list[Cluster], seconds: float) -> tuple[int, float]:
    """Calls the large cluster got in so many seconds, in which callers wait for jobs of it, and the median of its
    neighbours; none may be about one job."""
    ends, jobs = asyncio.get_running_loop().time() + seconds, list(clusters[0].states)
    waiting = [asyncio.create_task(wait_on(server, job, ends)) for job in jobs[:: max(1, len(jobs) // WAITERS)]]
    await asyncio.sleep(3)
    for cluster in clusters:
        cluster.asked.clear()
    await asyncio.gather(*waiting)
    about_one = sum(cluster.asked.get("job", 0) for cluster in clusters)
    if about_one:
        raise AssertionError(f"{about_one} calls were about one job")
    lists = [cluster.asked.get("list", 0) for cluster in clusters]
    return lists[0], statistics.median(lists[1:])


READS = {
    "newest 50": "/api/v1/jobs?limit=50",
    "newest 50 of the large one": "/api/v1/jobs?limit=50&target=big",
    "newest 50 of a small one": "/api/v1/jobs?limit=50&target=small-1",
    "newest 50 RUNNING": "/api/v1/jobs?limit=50&state=RUNNING",
}


async def reads(server: Running, job: str) -> None:
    """A table of how long reads take."""
    rows: list[dict[str, object]] = []
    for name, path in {**READS, "one job": f"/api/v1/jobs/{quote('big:@' + job)}"}.items():
        taken = await times(server.client, path)
        rows.append({"read": name, "p50 ms": f"{quantile(taken, 0.5):.1f}", "p99 ms": f"{quantile(taken, 0.99):.1f}"})
    table(rows)


async def change(server: Running, big: Cluster) -> float:
    """Seconds until the end of one job is listed."""
    big.states[list(big.states)[len(big.states) // 2]] = "CANCELED"

    async def seen() -> bool:
        return await listed(server, "target=big&state=CANCELED") == 1

    return await until(seen)


async def rounds(server: Running, clusters: list[Cluster], seconds: float) -> bool:
    """Finds, watches, lists; true when the large cluster is asked as often as the others."""
    jobs = len(clusters[0].states)
    took = await found(server, jobs, 900)
    print(f"{jobs:,} jobs of one cluster found in {took:.0f} s, beside {len(clusters) - 1} clusters with {FEW} each")
    big, small = await watched(server, clusters, seconds)
    print(f"calls in {seconds:.0f} s, in which {WAITERS} wait for a job each: {big} to the large cluster, {small:.0f} to each other, 0 about one job")
    await reads(server, clusters[0].first)
    print(f"a job that ended among {jobs:,} was listed so after {await change(server, clusters[0]):.1f} s")
    return big <= small * 1.25 + 1


async def run(jobs: int, targets: int, seconds: float) -> bool:
    """True when nothing is over its limit."""
    clusters = [Cluster(jobs), *(Cluster(FEW) for _ in range(targets - 1))]
    for cluster in clusters:
        await cluster.start()
    names = ["big", *(f"small-{number}" for number in range(1, targets))]
    urls = {name: f"http://127.0.0.1:{cluster.port}" for name, cluster in zip(names, clusters, strict=True)}
    async with serving({"targets": {name: {"runner": "flink", "url": url} for name, url in urls.items()}}) as server:
        process = Process(server.process.pid)
        try:
            good = await rounds(server, clusters, seconds)
        finally:
            cores = process.end()
        print(f"server: at most {process.most:.0f} MB, {cores:.2f} cores on average")
        await server.stop()
    return good and process.most < MOST_MB


def main() -> int:
    """Runs it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=10_000)
    parser.add_argument("--targets", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=60)
    arguments = parser.parse_args()
    return 0 if asyncio.run(run(arguments.jobs, arguments.targets, arguments.seconds)) else 1


if __name__ == "__main__":
    sys.exit(main())
