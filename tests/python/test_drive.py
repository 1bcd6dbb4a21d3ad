"""The two loops against flows of the real engine: results, cancellation, intents that are driven to their end."""

from __future__ import annotations

import asyncio
import json
import os
import threading
from typing import Any

import pytest

from beam_mcp_client import _core, drive, errors
from beam_mcp_client.embedded.host import EmbeddedHost
from beam_mcp_client.embedded.transport import HOST, SIMULATOR

Effect = dict[str, Any]


def an_engine() -> tuple[_core.Engine, EmbeddedHost]:
    engine = _core.Engine(json.dumps(SIMULATOR), json.dumps(HOST))
    return engine, EmbeddedHost(engine, [])


def run(engine: _core.Engine, verb: str, **given: Any) -> _core.Flow:
    return engine.run(verb, json.dumps(given), os.urandom(32), drive.now_ms()[0] + 20_000)


def create(engine: _core.Engine) -> _core.Flow:
    return run(engine, "create_job", name="n", runner="simulator", job_type="STREAMING")


def asking() -> _core.Flow:
    return _core.start_client("get_manifest", "{}", "{}", bytes(32))


def test_a_flow_is_driven_to_its_end() -> None:
    engine, host = an_engine()
    job, parts = drive.drive(create(engine), host.perform)
    assert parts == []
    again, _ = drive.drive(run(engine, "get_job", job_id=job["job_id"]), host.perform)
    assert again["name"] == "n"


def test_the_same_on_a_loop() -> None:
    engine, host = an_engine()

    async def perform(effect: Effect, parts: list[bytes]) -> drive.Reply:
        await asyncio.sleep(0)
        return host.perform(effect, parts)

    job, _ = asyncio.run(drive.adrive(create(engine), perform))
    assert job["name"] == "n"


def test_a_failure_is_raised() -> None:
    engine, host = an_engine()
    with pytest.raises(errors.ValidationError, match="job id"):
        drive.drive(run(engine, "get_job", job_id="x"), host.perform)


def test_ctrl_c_cancels_the_flow_and_comes_through() -> None:
    replies: list[Any] = []

    class Spy:
        """Sees what the flow is told."""

        def __init__(self) -> None:
            self.flow = asking()
            self.must_finish = False

        def step(self, *turn: Any) -> Any:
            replies.append(turn[2:])
            return self.flow.step(*turn)

    def perform(_: Effect, __: list[bytes]) -> drive.Reply:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        drive.drive(Spy(), perform)  # type: ignore[arg-type]
    assert replies == [(), drive.CANCELLED]


def test_a_defect_of_the_host_is_not_swallowed() -> None:
    def perform(_: Effect, __: list[bytes]) -> drive.Reply:
        raise ZeroDivisionError

    async def aperform(effect: Effect, parts: list[bytes]) -> drive.Reply:
        return perform(effect, parts)

    with pytest.raises(ZeroDivisionError):
        drive.drive(asking(), perform)
    with pytest.raises(ZeroDivisionError):
        asyncio.run(drive.adrive(asking(), aperform))


def test_a_cancelled_task_cancels_its_flow() -> None:
    ended: list[str] = []

    async def perform(_: Effect, __: list[bytes]) -> drive.Reply:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            ended.append("performed no more")
            raise
        raise AssertionError

    async def scenario() -> None:
        task = asyncio.create_task(drive.adrive(asking(), perform))
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.sleep(0)
        assert ended == ["performed no more"]

    asyncio.run(asyncio.wait_for(scenario(), 5))


def test_an_intent_is_driven_to_its_end_without_its_caller() -> None:
    engine, host = an_engine()

    async def scenario() -> list[dict[str, Any]]:
        reached, gate = asyncio.Event(), asyncio.Event()

        async def perform(effect: Effect, parts: list[bytes]) -> drive.Reply:
            if flow.must_finish:
                reached.set()
                await gate.wait()
            return host.perform(effect, parts)

        flow = create(engine)
        task = asyncio.create_task(drive.adrive(flow, perform))
        await asyncio.wait_for(reached.wait(), 5)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        before = drive.drive(run(engine, "list_jobs"), host.perform)[0]["jobs"]
        gate.set()
        while flow_of_nobody := asyncio.all_tasks() - {asyncio.current_task()}:
            await asyncio.wait(flow_of_nobody)
        after = drive.drive(run(engine, "list_jobs"), host.perform)[0]["jobs"]
        return [*before, *after]

    before, after = asyncio.run(scenario())
    assert (before["state"], before.get("native_id")) == (
        "SUBMITTING",
        None,
    )
    assert after["job_id"] == before["job_id"]
    assert after["native_id"]


def test_a_second_cancel_is_a_hard_stop() -> None:
    async def perform(_: Effect, __: list[bytes]) -> drive.Reply:
        await asyncio.sleep(60)
        raise AssertionError

    async def scenario() -> None:
        task = asyncio.create_task(drive.adrive(asking(), perform))
        await asyncio.sleep(0.01)
        task.cancel()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(asyncio.wait_for(scenario(), 5))


def test_flows_are_not_pickled_and_not_copied() -> None:
    import copy
    import pickle

    for act in (pickle.dumps, copy.copy):
        with pytest.raises(TypeError):
            act(asking())


def test_threads_may_share_an_engine() -> None:
    engine, host = an_engine()
    names: set[str] = set()

    def work(number: int) -> None:
        flow = run(
            engine, "create_job", name=f"j{number}", runner="simulator", job_type="STREAMING"
        )
        names.add(drive.drive(flow, host.perform)[0]["name"])

    threads = [threading.Thread(target=work, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert names == {f"j{number}" for number in range(16)}
