"""A proxy that does to a target what networks and clusters do: one fault at a time, or several by chance.

Each fault is what the client sees. `drop_after` and `cut` are the dangerous ones: the target has acted, and nobody is
told. Everything is bounded: the proxy holds a call for at most a minute.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from enum import Enum

from http1 import Client, Cut, Message, Server, answer

LONGEST = 60.0


class Fault(Enum):
    """What becomes of a call."""

    PASS = "pass"
    """It is passed on and answered."""
    DEAD = "dead"
    """Nobody listens."""
    SILENT = "silent"
    """It is read and never answered; nothing reaches the target."""
    SLOW = "slow"
    """It is answered late."""
    BUSY = "busy"
    """429 with Retry-After; nothing reaches the target."""
    UNAVAILABLE = "unavailable"
    """503 without Retry-After; nothing reaches the target."""
    DROP_BEFORE = "drop_before"
    """The connection ends before anything reaches the target."""
    DROP_AFTER = "drop_after"
    """The target acts; the connection ends without an answer."""
    CUT = "cut"
    """The target acts; the answer ends in the middle."""
    REPEAT = "repeat"
    """The call reaches the target twice; the second answer is passed on."""


class Chaos(Server):
    """A proxy in front of one target."""

    def __init__(self, target: int, *, seed: int = 0, slow: float = 2.0, retry_after: int = 2) -> None:
        super().__init__(self._meet)
        self._target = Client(target)
        self._random = random.Random(seed)  # noqa: S311
        self._plan: list[tuple[float, Fault]] = [(1.0, Fault.PASS)]
        self._slow, self._retry_after = slow, retry_after
        self._flapping: asyncio.Task[None] | None = None
        self._listening = False
        self.seen: Counter[Fault] = Counter()
        self.in_flight = 0
        self.peak = 0
        self.calls: list[float] = []

    async def start(self) -> None:
        """Listens."""
        if not self._listening:
            await super().start()
            self._listening = True

    async def stop(self) -> None:
        """Refuses connections."""
        if self._listening:
            self._listening = False
            await super().stop()

    async def become(self, *faults: Fault, share: float = 1.0) -> None:
        """From now on these faults, evenly, for a share of the calls; the others pass."""
        await self._still()
        if Fault.DEAD in faults:
            await self.stop()
            return
        each = share / max(len(faults), 1)
        self._plan = [(each, fault) for fault in faults] + [(1.0, Fault.PASS)]
        await self.start()

    async def flap(self, up: float, down: float) -> None:
        """From now on well and dead in turn."""
        await self.become()
        self._flapping = asyncio.create_task(self._flap(up, down))

    async def close(self) -> None:
        """Ends it."""
        await self._still()
        await self.stop()
        self._target.close()

    async def _still(self) -> None:
        if self._flapping:
            self._flapping.cancel()
            self._flapping = None

    async def _flap(self, up: float, down: float) -> None:
        while True:
            await self.stop()
            await asyncio.sleep(down)
            await self.start()
            await asyncio.sleep(up)

    def _draw(self) -> Fault:
        at = self._random.random()
        for share, fault in self._plan:
            if at < share:
                return fault
            at -= share
        return Fault.PASS

    async def _meet(self, request: Message) -> bytes:
        fault = self._draw()
        self.seen[fault] += 1
        self.calls.append(asyncio.get_running_loop().time())
        self.in_flight += 1
        self.peak = max(self.peak, self.in_flight)
        try:
            async with asyncio.timeout(LONGEST):
                return await self._do(fault, request)
        except TimeoutError:
            raise ConnectionResetError from None
        finally:
            self.in_flight -= 1

    async def _do(self, fault: Fault, request: Message) -> bytes:
        match fault:
            case Fault.SILENT:
                await asyncio.sleep(LONGEST)
            case Fault.SLOW:
                await asyncio.sleep(self._slow)
                return await self._pass(request)
            case Fault.BUSY:
                return answer(429, {"errors": ["Too many requests."]}, retry_after=str(self._retry_after))
            case Fault.UNAVAILABLE:
                return answer(503, {"errors": ["Service temporarily unavailable."]})
            case Fault.DROP_AFTER:
                await self._pass(request)
            case Fault.CUT:
                whole = await self._pass(request)
                raise Cut(whole[: len(whole) - max(1, len(whole) // 3)])
            case Fault.REPEAT:
                await self._pass(request)
                return await self._pass(request)
            case Fault.PASS:
                return await self._pass(request)
        raise ConnectionResetError

    async def _pass(self, request: Message) -> bytes:
        return (await self._target.forward(request.raw)).raw
