"""What a run of kill -9 goes through beside the kills: a network that loses and repeats, a wall clock that jumps."""

from __future__ import annotations

import asyncio
import os
import random
import threading
import time
from collections.abc import Coroutine
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from chaos import Chaos, Fault

FAULTS = (Fault.DROP_BEFORE, Fault.DROP_AFTER, Fault.CUT, Fault.REPEAT, Fault.SLOW)
JUMP = 600
"""Seconds the wall clock jumps at most, either way."""
PRELOADED = "/usr/lib/{}-linux-gnu/faketime/libfaketimeMT.so.1"


class Network:
    """A proxy before the cluster: a share of the calls, submissions among them, is lost, cut, repeated or late."""

    def __init__(self, url: str, share: float, seed: int) -> None:
        self.loop = asyncio.new_event_loop()
        threading.Thread(target=self.loop.run_forever, daemon=True).start()
        self.proxy = Chaos(urlsplit(url).port or 80, seed=seed, slow=1.0)
        self.run(self.proxy.become(*FAULTS, share=share))
        self.url = f"http://127.0.0.1:{self.proxy.port}"

    def run(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self.loop).result(60)

    def calm(self) -> None:
        """From now on every call passes."""
        self.run(self.proxy.become())

    def told(self) -> str:
        """How often each fault was drawn; fails where no call acted without anybody being told, the worst of them."""
        seen = {fault.value: self.proxy.seen[fault] for fault in FAULTS}
        unheard = self.proxy.seen[Fault.DROP_AFTER] + self.proxy.seen[Fault.CUT]
        assert unheard or sum(seen.values()) < 15, f"nothing was done unheard, which this run is for: {seen}"
        return f"calls passed {self.proxy.seen[Fault.PASS]}, {seen}"


class WallClock:
    """libfaketime under the server: what it reads as the wall's time jumps; its monotonic clock goes on as it was."""

    def __init__(self, folder: Path, seed: int) -> None:
        library = Path(PRELOADED.format(os.uname().machine))
        assert library.exists(), f"libfaketime is needed (apt-get install libfaketime): {library}"
        self.offset = folder / "faketime"
        self.random, self.jumps, self.widest = random.Random(seed), 0, 0
        self.env = {
            "LD_PRELOAD": str(library),
            "FAKETIME_TIMESTAMP_FILE": str(self.offset),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }
        self.stand(0)

    def stand(self, seconds: int) -> None:
        """The server's wall clock is this far from ours from now on."""
        beside = self.offset.with_suffix(".new")
        beside.write_text(f"{seconds:+d}s")
        beside.rename(self.offset)

    def jump(self) -> None:
        """Somewhere else, up to ten minutes from ours."""
        to = self.random.randint(-JUMP, JUMP)
        self.jumps, self.widest = self.jumps + 1, max(self.widest, abs(to))
        self.stand(to)

    def check(self, timestamp: str) -> None:
        """Fails where the server does not live by this clock."""
        away = abs(datetime.fromisoformat(timestamp.replace("Z", "+00:00")).timestamp() - time.time())
        assert away > JUMP / 2, f"the server's clock is {away:.0f} s from ours, it was to be {JUMP}"
