"""`notifications/cancelled` of the revisions with a handshake, over HTTP: the request ends, and nobody answers it."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

from mcp_wire import Stream, Told, Wire, request
from real_server import RealServer, until

CONFIG: dict[str, Any] = {"targets": {"sim": {"runner": "simulator", "speed": 20}}}
LONG = 15
"""Seconds that a request waits where nobody cancels it."""
SOON = 5


@pytest.fixture(scope="module", params=["sessions", "stateless"])
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RealServer]:
    config = {**CONFIG, "mcp": {"stateless": request.param == "stateless"}}
    server = RealServer(tmp_path_factory.mktemp(request.param), config).start()
    yield server
    server.kill()


@pytest.fixture(scope="module")
def wire(server: RealServer) -> Wire:
    return Wire(server.port)


@pytest.fixture(scope="module")
def job(server: RealServer) -> str:
    """A job that runs and does not change."""
    spec = {"target": "sim", "options": {"simulator_script": "running"}}
    job = str(server.call("POST", "/jobs", spec)[1]["job_id"])
    until(lambda: server.call("GET", f"/jobs/{job}")[1]["state"] == "RUNNING", "the job runs")
    return job


@pytest.fixture
def beside() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor() as pool:
        yield pool


def sessions(test: Any) -> Any:
    """Only where the server holds sessions."""
    return pytest.mark.parametrize("server", ["sessions"], indirect=True)(test)


def stateless(test: Any) -> Any:
    """Only where it holds none."""
    return pytest.mark.parametrize("server", ["stateless"], indirect=True)(test)


def waiting(job: str, number: Any, seconds: float = LONG) -> dict[str, Any]:
    arguments = {"job_id": job, "until_terminal": True, "timeout_seconds": seconds}
    return request("tools/call", {"name": "wait_for_change", "arguments": arguments}, number)


def cancelled(number: Any) -> dict[str, Any]:
    params = {"requestId": number, "reason": "a test"}
    return {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": params}


class Asked:
    """A request that is answered beside the test."""

    def __init__(self, pool: ThreadPoolExecutor, wire: Wire, body: Any, **headers: str) -> None:
        self.begun = time.monotonic()
        self.told: Future[Told] = pool.submit(wire.post, body, **headers)
        time.sleep(0.5)
        assert not self.told.done(), self.told.result()

    def end(self) -> tuple[Told, float]:
        """The answer, and how long it took."""
        return self.told.result(), time.monotonic() - self.begun


def is_silence(told: Told) -> bool:
    """A stream of no message, as a request may be answered."""
    kind = told.headers.get("content-type")
    return told.status == 200 and kind == "text/event-stream" and "data:" not in told.text


@sessions
@pytest.mark.parametrize("number", [7, "7", 0, "\u00e9"])
def test_a_request_that_is_cancelled_is_not_answered(
    wire: Wire, job: str, beside: ThreadPoolExecutor, number: Any
) -> None:
    session = wire.open_session()
    asked = Asked(beside, wire, waiting(job, number), mcp_session_id=session)
    other = f"{number}" if isinstance(number, int) else 7
    assert wire.post(cancelled(other), mcp_session_id=session).status == 202
    time.sleep(0.3)
    assert not asked.told.done(), "an id of another type is another request"
    told = wire.post(cancelled(number), mcp_session_id=session)
    assert (told.status, told.text) == (202, "")
    answer, seconds = asked.end()
    assert seconds < SOON
    assert is_silence(answer), answer
    # The id is free again, and what was cancelled stays in the past.
    again = wire.post(waiting(job, number, 0.2), mcp_session_id=session)
    assert again.json["id"] == number


@sessions
def test_nobody_cancels_what_is_not_theirs(
    wire: Wire, job: str, beside: ThreadPoolExecutor
) -> None:
    session, other = wire.open_session(), wire.open_session()
    asked = Asked(beside, wire, waiting(job, 1, 2), mcp_session_id=session)
    assert wire.post(cancelled(1), mcp_session_id=other).status == 202
    assert wire.post(cancelled(1)).status == 202
    assert wire.post(cancelled(2), mcp_session_id=session).status == 202
    for params in ({}, {"requestId": None}, {"requestId": [1]}, {"requestId": 1.5}):
        strange = {**cancelled(1), "params": params}
        assert wire.post(strange, mcp_session_id=session).status == 202
    assert wire.post(cancelled(1), mcp_session_id="nobody").status == 404
    answer, _ = asked.end()
    assert answer.json["id"] == 1, answer


@sessions
def test_a_question_that_is_open_ends_with_its_request(
    wire: Wire, job: str, beside: ThreadPoolExecutor
) -> None:
    session, end = wire.open_session(elicitation={}), {"job_id": job, "mode": "cancel"}
    body = request("tools/call", {"name": "cancel_job", "arguments": end}, 3)
    asked = Asked(beside, wire, body, mcp_session_id=session)
    assert wire.post(cancelled(3), mcp_session_id=session).status == 202
    answer, seconds = asked.end()
    assert seconds < SOON
    said = [json.loads(line[6:]) for line in answer.text.splitlines() if line.startswith("data: {")]
    assert [message.get("method") for message in said] == ["elicitation/create"], said


@sessions
def test_the_rest_of_a_batch_is_answered(wire: Wire, job: str, beside: ThreadPoolExecutor) -> None:
    session = wire.open_session("2025-03-26")
    batch = [request("ping", number=1), waiting(job, 2), request("tools/list", number=3)]
    asked = Asked(beside, wire, batch, mcp_session_id=session)
    assert wire.post([cancelled(2)], mcp_session_id=session).status == 202
    answer, seconds = asked.end()
    assert seconds < SOON
    assert [one["id"] for one in answer.json] == [1, 3]
    alone = Asked(beside, wire, [waiting(job, 4)], mcp_session_id=session)
    assert wire.post(cancelled(4), mcp_session_id=session).status == 202
    assert is_silence(alone.end()[0])


@sessions
def test_the_stream_of_2024_11_05_goes_on(wire: Wire, job: str) -> None:
    stream = Stream(wire.port, "/sse")
    path = stream.next().data
    for body in (waiting(job, 1), waiting(job, 2), request("ping", number=3)):
        assert wire.post(body, path).status == 202
    time.sleep(0.5)
    for number in (2, 1):
        assert wire.post(cancelled(number), path).status == 202
    answer = json.loads(stream.next().data)
    assert answer == {"jsonrpc": "2.0", "id": 3, "result": {}}
    stream.close()


@sessions
def test_what_was_begun_at_a_runner_goes_on_unheard(
    wire: Wire, server: RealServer, beside: ThreadPoolExecutor
) -> None:
    """Cancelling a request never takes back an intent that is durable."""
    session = wire.open_session()
    spec = {"target": "sim", "options": {"simulator_script": "running"}, "idempotency_key": "once"}
    job = server.call("POST", "/jobs", spec)[1]["job_id"]
    until(lambda: server.call("GET", f"/jobs/{job}")[1]["state"] == "RUNNING", "the job runs")
    arguments = {"job_id": job, "wait_seconds": LONG}
    body = request("tools/call", {"name": "create_savepoint", "arguments": arguments}, 5)
    asked = beside.submit(wire.post, body, mcp_session_id=session)
    operations = until(
        lambda: server.call("GET", f"/jobs/{job}/operations")[1]["data"]["operations"],
        "the operation is durable",
    )
    wire.post(cancelled(5), mcp_session_id=session)
    asked.result()
    name = operations[0]["operation_id"].rpartition("/")[2]
    ended = f"/jobs/{job}/operations/{name}"
    until(lambda: "SUCCEEDED" in json.dumps(server.call("GET", ended)[1]), "it succeeded")


@stateless
def test_without_sessions_nobody_is_cancelled(
    wire: Wire, job: str, beside: ThreadPoolExecutor
) -> None:
    asked = Asked(beside, wire, waiting(job, 1, 2), mcp_session_id="mine")
    assert wire.post(cancelled(1), mcp_session_id="mine").status == 202
    answer, _ = asked.end()
    assert answer.json["id"] == 1, answer
