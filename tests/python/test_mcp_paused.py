"""Calls beside a subscription that nobody reads, over one pipe: they are answered, whatever the server asks."""

from __future__ import annotations

import asyncio
import random
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest

from beam_mcp_client.mcp import AsyncMCPConnection, MCPConnection
from real_server import SERVER

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

ROUNDS = 20
CALLS = 10
LIMIT = 10.0
"""Seconds of a call, which takes milliseconds: one that hangs ends with an error."""


def scripted(way: str, tmp_path: Path) -> list[str]:
    return [
        sys.executable,
        str(Path(__file__).parent / "scripted_pipe.py"),
        way,
        str(tmp_path / "told"),
    ]


def declines(method: str, params: dict[str, Any]) -> Any:
    assert method == "elicitation/create"
    return {"action": "decline"}


def options(way: str) -> dict[str, Any]:
    return {"answer": declines, "era": "2025-11-25" if way == "asks" else "auto"}


def fine(result: dict[str, Any]) -> bool:
    return bool(result["content"][0]["text"] == "fine")


@pytest.mark.parametrize("way", ["announces", "asks"])
@pytest.mark.parametrize("first", ["listen", "call"])
def test_calls_beside_a_paused_subscription(way: str, first: str, tmp_path: Path) -> None:
    dice = random.Random(7)
    with MCPConnection.stdio(scripted(way, tmp_path), **options(way)) as connection:
        if first == "call":
            assert fine(connection.call_tool("a", timeout=LIMIT))
        for _ in range(ROUNDS):
            news = connection.listen(tools=True, timeout=LIMIT)
            # Not begun yet, then told of its begin, then of some changes.
            for _ in range(dice.randrange(3)):
                assert fine(connection.call_tool("a", timeout=LIMIT))
            next(news)
            for _ in range(dice.randrange(1, CALLS)):
                assert fine(connection.call_tool("a", timeout=LIMIT))
                if dice.random() < 0.3:
                    next(news)
            # Left as it stands.
            del news


@pytest.mark.parametrize("way", ["announces", "asks"])
def test_calls_of_many_threads_beside_a_paused_subscription(way: str, tmp_path: Path) -> None:
    failed: list[BaseException] = []

    def call(connection: MCPConnection) -> None:
        try:
            for _ in range(CALLS):
                assert fine(connection.call_tool("a", timeout=LIMIT))
        except BaseException as error:  # noqa: BLE001 - whatever it is
            failed.append(error)

    with MCPConnection.stdio(scripted(way, tmp_path), **options(way)) as connection:
        news = connection.listen(tools=True)
        # The first calls of all find the server together, and the subscription with them.
        threads = [threading.Thread(target=call, args=(connection,)) for _ in range(4)]
        for thread in threads:
            thread.start()
        next(news)
        for thread in threads:
            thread.join(2 * LIMIT)
        assert not failed
        assert not any(thread.is_alive() for thread in threads)


@pytest.mark.parametrize("way", ["announces", "asks"])
def test_awaited_calls_beside_a_paused_subscription(way: str, tmp_path: Path) -> None:
    async def rounds() -> None:
        dice = random.Random(8)
        async with AsyncMCPConnection.stdio(scripted(way, tmp_path), **options(way)) as connection:
            for _ in range(ROUNDS):
                news = connection.listen(tools=True, timeout=LIMIT)
                begun = asyncio.ensure_future(anext(news))
                if dice.random() < 0.5:
                    await begun
                calls = [
                    connection.call_tool("a", timeout=LIMIT) for _ in range(dice.randrange(1, 6))
                ]
                assert all(map(fine, await asyncio.gather(*calls)))
                await begun
                await cast("AsyncGenerator[Any, None]", news).aclose()

    asyncio.run(rounds())


def test_the_real_server_asks_beside_a_paused_subscription(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"targets": {"sim": {"runner": "simulator"}}}')
    command = [str(SERVER), "stdio", "--config", str(tmp_path / "config.json")]
    spec = {"target": "sim", "code_path": "a.jar", "job_type": "STREAMING"}
    for era in ("modern", "2025-11-25"):
        with MCPConnection.stdio(command, era=era, answer=declines) as connection:
            news = connection.listen(tools=True)
            next(news)
            job = connection.call_tool("create_job", spec)["structuredContent"]["job_id"]
            cancel = {"job_id": job, "mode": "cancel"}
            assert connection.call_tool("cancel_job", cancel, timeout=LIMIT)["content"]
