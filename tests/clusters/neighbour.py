"""What the callers of a target that is well notice of another one's trouble.

The well one is a Flink of recorded answers, so that its own pace is no part of what is measured. The same calls go to
both targets at a fixed rate, first without the trouble and then in it; the ratio is that of the times of the well
one's callers. It is printed and recorded, never asserted: a shared machine is not quiet. What is asserted is that every
call is answered.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
import threading
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any, TypeVar

sys.path.append(str(Path(__file__).resolve().parents[1] / "load"))

from chaos import Chaos, Fault
from flink import Flink
from http1 import Client
from load import open_loop, quantile
from server import jar

T = TypeVar("T")
RATE = 30.0
ILL_RATE = 10.0
SECONDS = float(os.environ.get("WINDOW_SECONDS", "10"))
ROWS: list[dict[str, Any]] = []


class Loop:
    """An event loop in a thread of its own."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        threading.Thread(target=self.loop.run_forever, daemon=True).start()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """The result of something asynchronous."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(180)


class Neighbour:
    """The well target, and what its callers are measured by."""

    def __init__(self) -> None:
        self.loop = Loop()
        self.flink = Flink()
        self.loop.run(self.flink.start())
        self.port = 0
        self.job = self.ill = ""

    def target(self) -> dict[str, Any]:
        """Its entry in a configuration."""
        return {"runner": "flink", "url": f"http://127.0.0.1:{self.flink.port}"}

    def jar(self, folder: Path) -> str:
        """Code for it."""
        return str(jar(folder))

    def base(self, url: str, job: str, ill: str) -> list[float]:
        """Times before the trouble."""
        self.port, self.job, self.ill = int(url.rsplit(":", 1)[1]), job, ill
        self.loop.run(self._window(2))
        return self.loop.run(self._window(SECONDS))

    def hurt(self, trouble: str, base: list[float]) -> None:
        """Times in it, recorded beside those before."""
        times = self.loop.run(self._window(SECONDS))
        row: dict[str, Any] = {"trouble": trouble, "calls": len(times)}
        for name, share in (("p50", 0.5), ("p99", 0.99)):
            before, within = quantile(base, share), quantile(times, share)
            row |= {f"{name}_before_ms": round(before, 2), f"{name}_in_it_ms": round(within, 2)}
            row[f"{name}_ratio"] = round(within / before, 2)
        ROWS.append(row)
        if record := os.environ.get("RECORD"):
            with Path(record).open("a") as file:
                file.write(json.dumps(row) + "\n")

    async def _window(self, seconds: float) -> list[float]:
        well, ill = Client(self.port), Client(self.port)
        look = lambda client, job: client.call("GET", f"/api/v1/jobs/{job}?max_age_ms=0", limit=60)  # noqa: E731
        beside = asyncio.create_task(open_loop(ill, lambda client: look(client, self.ill), ILL_RATE, seconds))
        outcome = await open_loop(well, lambda client: look(client, self.job), RATE, seconds)
        beside.cancel()
        await asyncio.gather(beside, return_exceptions=True)
        well.close()
        ill.close()
        assert not outcome.failed, f"{outcome.failed} calls to the target that is well were not answered"
        assert not outcome.refused, f"{len(outcome.refused)} calls to the target that is well were refused"
        return outcome.taken


@contextlib.contextmanager
def slow(loop: Loop, port: int) -> Iterator[tuple[str, Chaos]]:
    """A proxy in front of a target, which passes everything on at first."""
    proxy = Chaos(port)
    loop.run(proxy.start())
    try:
        yield f"http://127.0.0.1:{proxy.port}", proxy
    finally:
        loop.run(proxy.close())


__all__ = ["ROWS", "Chaos", "Fault", "Loop", "Neighbour", "slow"]
