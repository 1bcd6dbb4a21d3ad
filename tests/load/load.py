"""Calls at a fixed rate, whether or not the last ones have been answered, and what became of them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from http1 import Client, Message


@dataclass
class Outcome:
    """Answers of one run; times in seconds from when each call was due."""

    taken: list[float] = field(default_factory=list)
    refused: list[float] = field(default_factory=list)
    told: int = 0
    """Refusals that say when to come again."""
    failed: int = 0
    """Calls without an answer, or with one that is neither a success nor a refusal."""
    late: int = 0
    """Calls the generator itself sent more than 50 ms late."""

    def add(self, answer: Message, took: float) -> None:
        """Counts an answer."""
        if answer.status < 400:
            self.taken.append(took)
        elif answer.status in (429, 503):
            self.refused.append(took)
            self.told += "retry-after" in answer.headers
        else:
            self.failed += 1


def quantile(times: list[float], share: float) -> float:
    """In milliseconds; 0 where there is nothing."""
    ordered = sorted(times)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] * 1000 if ordered else 0.0


Call = Callable[[Client], Awaitable[Message]]


async def open_loop(client: Client, call: Call, rate: float, seconds: float) -> Outcome:
    """Sends `rate` calls a second, evenly."""
    loop = asyncio.get_running_loop()
    outcome, running, began = Outcome(), set[asyncio.Task[None]](), loop.time()
    for number in range(int(rate * seconds)):
        due = began + number / rate
        if (left := due - loop.time()) > 0:
            await asyncio.sleep(left)
        outcome.late += loop.time() - due > 0.05
        task = asyncio.create_task(one(client, call, due, outcome))
        running.add(task)
        task.add_done_callback(running.discard)
    await asyncio.gather(*running)
    return outcome


async def one(client: Client, call: Call, due: float, outcome: Outcome) -> None:
    """One call and its outcome."""
    try:
        answer = await call(client)
    except (OSError, TimeoutError):
        outcome.failed += 1
    else:
        outcome.add(answer, asyncio.get_running_loop().time() - due)
