"""The two loops that drive a flow of the core: step, perform the effect, step with its reply.

The contract of a host (core/src/flow.rs):

1. A flow is first stepped without a reply, then with the reply to the effect it returned last.
2. One effect is outstanding at a time.
3. The monotonic clock never goes backwards inside a flow; the wall clock may jump.
4. `cancelled` may answer any effect; afterwards at most one clean-up request follows, no sleep, no retry.
5. A flow that `must_finish` has committed an intent: it is driven to its end although its caller is gone.
6. Dropping a flow is a hard stop without clean-up.
14. What a flow opened and left open when it ended or was dropped is closed.
15. `ask` is answered by the application; what it raises cancels the flow. `tell` is told before the next effect.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from typing import TYPE_CHECKING, Any, NoReturn, TypeAlias

from . import errors

if TYPE_CHECKING:
    from ._core import Flow

Reply: TypeAlias = tuple[str, list[bytes]]
"""A reply as JSON, and the byte parts it names."""
Perform: TypeAlias = Callable[[dict[str, Any], list[bytes]], Reply]
"""Performs one effect."""
AsyncPerform: TypeAlias = Callable[[dict[str, Any], list[bytes]], Awaitable[Reply]]
"""Performs one effect, awaited."""
Ended: TypeAlias = tuple[Any, list[bytes]]
"""What a flow ended with, and the byte parts it names."""

CANCELLED: Reply = ('{"reply":"cancelled"}', [])
OK: Reply = ('{"reply":"ok"}', [])


def now_ms() -> tuple[int, int]:
    """The monotonic and the wall clock in milliseconds."""
    return time.monotonic_ns() // 1_000_000, time.time_ns() // 1_000_000


def drive(flow: Flow, perform: Perform) -> Ended:
    """Drives a flow to its end.

    An exception of `perform`, Ctrl-C above all, cancels the flow and is raised when the flow has ended.
    """
    step, interrupted = flow.step(*now_ms()), None
    while step[0] == "effect":
        try:
            reply = perform(json.loads(step[1]), step[2])
        except BaseException as error:
            if interrupted is not None:
                raise
            reply, interrupted = CANCELLED, error
        step = flow.step(*now_ms(), *reply)
    if interrupted is not None:
        raise interrupted
    return _end(step)


def drive_telling(flow: Flow, perform: Perform) -> Generator[dict[str, Any]]:
    """Drives a flow to its end and gives what it tells. Leaving the loop cancels the flow."""
    step, interrupted = flow.step(*now_ms()), None
    while step[0] == "effect":
        effect, reply = json.loads(step[1]), OK
        try:
            if effect["effect"] == "tell" and interrupted is None:
                yield effect
            else:
                reply = perform(effect, step[2])
        except BaseException as error:
            if interrupted is not None:
                raise
            reply, interrupted = CANCELLED, error
        step = flow.step(*now_ms(), *reply)
    if interrupted is not None:
        raise interrupted
    _end(step)


async def adrive_telling(flow: Flow, perform: AsyncPerform) -> AsyncGenerator[dict[str, Any]]:
    """The same on the running loop."""
    step, interrupted = flow.step(*now_ms()), None
    while step[0] == "effect":
        effect, reply = json.loads(step[1]), OK
        try:
            if effect["effect"] == "tell" and interrupted is None:
                yield effect
            else:
                reply = await perform(effect, step[2])
        except BaseException as error:
            if interrupted is not None:
                raise
            reply, interrupted = CANCELLED, error
        step = flow.step(*now_ms(), *reply)
    if interrupted is not None:
        raise interrupted
    _end(step)


async def adrive(flow: Flow, perform: AsyncPerform) -> Ended:
    """Drives a flow to its end on the running loop.

    A cancelled caller cancels the flow, which may send one clean-up request, and is told when that is over. A flow
    that must finish goes on in a task of its own.
    """
    step, cancelled = flow.step(*now_ms()), None
    while step[0] == "effect":
        effect = asyncio.ensure_future(perform(json.loads(step[1]), step[2]))
        try:
            reply = await asyncio.shield(effect)
        except asyncio.CancelledError as error:
            if cancelled is not None:
                effect.cancel()
                raise
            if flow.must_finish:
                _keep(asyncio.ensure_future(_finish(flow, effect, perform)))
                raise
            effect.cancel()
            reply, cancelled = CANCELLED, error
        step = flow.step(*now_ms(), *reply)
    if cancelled is not None:
        raise cancelled
    return _end(step)


async def _finish(flow: Flow, effect: Awaitable[Reply], perform: AsyncPerform) -> None:
    step = flow.step(*now_ms(), *await effect)
    while step[0] == "effect":
        step = flow.step(*now_ms(), *await perform(json.loads(step[1]), step[2]))


_unattended: set[asyncio.Future[None]] = set()


def _keep(task: asyncio.Future[None]) -> None:
    _unattended.add(task)
    task.add_done_callback(_unattended.discard)


def _end(step: tuple[str, str, list[bytes]]) -> Ended:
    if step[0] == "failed":
        _raise(step[1])
    return json.loads(step[1]), step[2]


def _raise(text: str) -> NoReturn:
    raise errors.from_object(json.loads(text))
