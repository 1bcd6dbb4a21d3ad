"""A server that is told to stop with 1,000 calls in flight: gone within 10 s, nothing accepted is lost or doubled.

A third of the calls submit jobs to a slow Flink, a third wait for changes, a third read. Those that were accepted, and
those whose caller never learnt it, must each have run exactly once after a second server has taken over the store.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
from collections import Counter
from pathlib import Path

from chaos import Chaos, Fault
from flink import Flink
from http1 import Client, Message
from server import jar, serving

LIMIT = 10.0
SETTLED = 60


async def submits(port: int, path: Path, number: int) -> Message | None:
    """One submission; None where no answer came."""
    client = Client(port)
    body = {"name": f"s{number}", "runner": "flink", "code_path": str(path), "idempotency_key": f"key-{number}"}
    try:
        return await client.call("POST", "/api/v1/jobs", body, limit=60)
    except (OSError, TimeoutError):
        return None
    finally:
        client.close()


async def asks(port: int, path: str) -> Message | None:
    """One read or wait."""
    client = Client(port)
    try:
        return await client.call("GET", path, limit=60)
    except (OSError, TimeoutError):
        return None
    finally:
        client.close()


def told(answers: list[Message | None]) -> dict[str, int]:
    """How many ended how."""
    counts: dict[str, int] = {}
    for answer in answers:
        key = str(answer.status) if answer else "no answer"
        counts[key] = counts.get(key, 0) + 1
    return dict(sorted(counts.items()))


async def round_of(calls: int) -> bool:
    """One stop under load."""
    flink = Flink()
    await flink.start()
    proxy = Chaos(flink.port, slow=1.0)
    await proxy.start()
    config = {"targets": {"flink": {"runner": "flink", "url": f"http://127.0.0.1:{proxy.port}"}},
              "server": {"max_connections": 4 * calls}}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        async with serving(config, folder) as server:
            path = jar(folder)
            seed = json.loads((await submits(server.port, path, 0)).body)["data"]["job_id"]  # type: ignore[union-attr]
            await proxy.become(Fault.SLOW)
            third = calls // 3
            work = [submits(server.port, path, number + 1) for number in range(third)]
            work += [asks(server.port, f"/api/v1/jobs/{seed}/wait?timeout_seconds=25&until_terminal=true")
                     for _ in range(third)]
            work += [asks(server.port, f"/api/v1/jobs/{seed}?max_age_ms=0") for _ in range(calls - 2 * third)]
            running = asyncio.gather(*work)
            await asyncio.sleep(1.5)
            took = await server.stop()
            answers = await running
        await proxy.become()
        accepted = [answer for answer in answers[:third] if answer and answer.status in (201, 202)]
        ids = {json.loads(answer.body)["data"]["job_id"] for answer in accepted}
        async with serving(config, folder) as server:
            lost, doubled, open_ = await settled(Client(server.port), flink, ids)
            await server.stop()
    await proxy.close()
    await flink.stop()
    over = took > LIMIT or lost or doubled
    print(f"{calls} in flight: stopped in {took:.1f} s; submits {told(answers[:third])}, waits "
          f"{told(answers[third:2 * third])}, reads {told(answers[2 * third:])}; accepted {len(ids)}, "
          f"lost {lost}, doubled {doubled}, not settled {open_}{'  OVER' if over else ''}", flush=True)
    return not over


async def settled(client: Client, flink: Flink, ids: set[str]) -> tuple[int, int, int]:
    """Jobs lost and doubled once nothing is open any more, or not for long, and how many still are.

    A submission whose answer was cut off is looked for, up to 15 minutes where the cluster cannot say that it has not
    restarted, as this one cannot: it is held, not lost.
    """
    loop = asyncio.get_running_loop()
    until = loop.time() + SETTLED
    while True:
        jobs = await everything(client)
        open_ = [job for job in jobs if job["state"] in ("SUBMITTING", "SUBMIT_UNKNOWN", "PENDING")]
        if not open_ or loop.time() > until:
            break
        await asyncio.sleep(1)
    stored = {job["job_id"]: job["state"] for job in jobs}
    lost = sum(job not in stored for job in ids)
    lost += len(flink.states.keys() - {job.split(":")[1] for job in stored})
    names = Counter(job["name"] for job in jobs)
    return lost, sum(count - 1 for count in names.values()), len(open_)


async def everything(client: Client) -> list[dict[str, str]]:
    """All stored jobs."""
    jobs: list[dict[str, str]] = []
    token = ""
    while True:
        query = f"&page_token={token}" if token else ""
        data = json.loads((await client.call("GET", f"/api/v1/jobs?limit=200{query}")).body)["data"]
        jobs += data["jobs"]
        token = data.get("next_page_token") or ""
        if not token:
            return jobs


async def run(rounds: int, calls: int) -> bool:
    """All rounds; true when nothing was over its limit."""
    return all([await round_of(calls) for _ in range(rounds)])


def main() -> int:
    """Runs it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--calls", type=int, default=1000)
    arguments = parser.parse_args()
    return 0 if asyncio.run(run(arguments.rounds, arguments.calls)) else 1


if __name__ == "__main__":
    sys.exit(main())
