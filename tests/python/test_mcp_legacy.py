"""Revisions of MCP with a handshake, over sockets: sessions, streams that are taken up again, batches, 2024-11-05."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mcp_spec import spec_of
from mcp_wire import Stream, Told, Wire, request
from real_server import RealServer, until

VERSION = "2025-11-25"


@pytest.fixture(scope="module")
def wire(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wire]:
    config = {"targets": {"sim": {"runner": "simulator", "speed": 20}}}
    server = RealServer(tmp_path_factory.mktemp("legacy"), config).start()
    yield Wire(server.port)
    server.kill()


def call(wire: Wire, session: str, tool: str, **arguments: Any) -> Told:
    body = request("tools/call", {"name": tool, "arguments": arguments})
    return wire.post(body, mcp_session_id=session, mcp_protocol_version=VERSION)


def data(told: Told) -> Any:
    assert not told.json["result"].get("isError"), told
    return told.json["result"]["structuredContent"]


def a_job(wire: Wire, session: str) -> str:
    """A job that runs until it is ended; a plan for it stays what it is."""
    options = {"simulator_script": "running"}
    job = data(call(wire, session, "create_job", target="sim", options=options))
    return str(until(lambda: runs(wire, session, job["job_id"]), "the job runs"))


def runs(wire: Wire, session: str, job: str) -> str | None:
    seen = data(call(wire, session, "get_job", job_id=job, max_age_ms=0))
    return job if seen["state"] == "RUNNING" else None


def uri(job: str) -> str:
    target, token = job.split(":")
    return f"beam://{target}/jobs/{token}"


def subscribe(wire: Wire, session: str, job: str) -> None:
    told = wire.post(request("resources/subscribe", {"uri": uri(job)}), mcp_session_id=session)
    assert told.json["result"] == {}, told


def end(wire: Wire, session: str, job: str) -> None:
    """Ends the job, which moves it for the last time."""
    cancel = {"job_id": job, "mode": "cancel", "wait_seconds": 20}
    planned = data(call(wire, session, "cancel_job", **cancel))
    ended = data(call(wire, session, "cancel_job", **cancel, plan_digest=planned["plan"]["digest"]))
    assert ended["state"] == "CANCELED", ended


def test_a_stream_is_taken_up_where_it_was(wire: Wire) -> None:
    session = wire.open_session()
    job = a_job(wire, session)
    subscribe(wire, session, job)
    stream = Stream(wire.port, mcp_session_id=session)
    priming = stream.next()
    assert (priming.data, stream.status) == ("", 200)
    assert priming.id
    stream.close()
    end(wire, session, job)
    again = Stream(wire.port, mcp_session_id=session, last_event_id=priming.id)
    first, told = again.next(), again.next()
    assert first.data == ""
    spec_of(VERSION).check_beside(json.loads(told.data))
    assert json.loads(told.data)["params"] == {"uri": uri(job)}, told
    assert told.id not in (None, first.id)
    again.close()


def test_who_saw_an_event_is_not_told_again(wire: Wire) -> None:
    session = wire.open_session()
    job = a_job(wire, session)
    subscribe(wire, session, job)
    stream = Stream(wire.port, mcp_session_id=session)
    stream.next()
    end(wire, session, job)
    told = stream.next()
    time.sleep(1.0)  # the job's end may be told in more than one change
    while not stream.events.empty():
        told = stream.next()
    stream.close()
    again = Stream(wire.port, mcp_session_id=session, last_event_id=str(told.id))
    again.next()
    other = a_job(wire, session)
    subscribe(wire, session, other)
    end(wire, session, other)
    assert json.loads(again.next().data)["params"] == {"uri": uri(other)}
    again.close()


@pytest.mark.parametrize("event", ["never", "-1", "0", "9" * 400, "x" * 4000, "%00"])
def test_an_unknown_event_tells_everything_again(wire: Wire, event: str) -> None:
    session = wire.open_session()
    job = a_job(wire, session)
    subscribe(wire, session, job)
    stream = Stream(wire.port, mcp_session_id=session, last_event_id=event)
    stream.next()
    assert json.loads(stream.next().data)["params"] == {"uri": uri(job)}
    stream.close()


def test_older_revisions_get_no_empty_event(wire: Wire) -> None:
    session = wire.open_session("2025-06-18")
    job = a_job(wire, session)
    subscribe(wire, session, job)
    stream = Stream(wire.port, mcp_session_id=session)
    end(wire, session, job)
    assert json.loads(stream.next().data)["params"] == {"uri": uri(job)}
    stream.close()


def test_news_is_told_on_one_stream(wire: Wire) -> None:
    session = wire.open_session()
    first = Stream(wire.port, mcp_session_id=session)
    first.next()
    second = Stream(wire.port, mcp_session_id=session)
    second.next()
    assert first.ends()
    second.close()


def test_a_session_ends_with_its_streams(wire: Wire) -> None:
    session = wire.open_session()
    stream = Stream(wire.port, mcp_session_id=session)
    stream.next()
    assert wire.send("DELETE", "/mcp", mcp_session_id=session).status == 204
    assert stream.ends()
    assert wire.post(request("ping"), mcp_session_id=session).status == 404
    assert wire.send("DELETE", "/mcp", mcp_session_id=session).status == 404
    assert wire.send("DELETE", "/mcp").status == 405
    assert wire.send("GET", "/mcp").status == 405
    assert wire.send("GET", "/mcp", mcp_session_id="nobody").status == 404


def test_batches_belong_to_2025_03_26(wire: Wire) -> None:
    session = wire.open_session("2025-03-26")
    batch = [
        request("ping", number=7),
        {"jsonrpc": "2.0", "method": "notifications/initialized"},
        request("tools/call", {"name": "list_runners"}, "two"),
        request("no/such", number=3),
    ]
    told = wire.post(batch, mcp_session_id=session)
    answers = {answer["id"]: answer for answer in told.json}
    assert set(answers) == {7, "two", 3}
    assert answers[7]["result"] == {}
    assert answers[3]["error"]["code"] == -32601
    assert wire.post(batch[1:2], mcp_session_id=session).status == 202
    wrongs: list[Any] = [[], [1], [request("initialize")], [[]], [request("ping")] * 51, [{}]]
    for wrong in wrongs:
        refused = wire.post(wrong, mcp_session_id=session)
        assert (refused.status, refused.code) == (400, -32600), (wrong, refused)
    newer = wire.post(batch, mcp_protocol_version=VERSION)
    assert (newer.status, newer.code) == (400, -32600)


class Pair:
    """A client of 2024-11-05."""

    def __init__(self, wire: Wire) -> None:
        self.wire = wire
        self.stream = Stream(wire.port, "/sse")
        endpoint = self.stream.next()
        assert endpoint.name == "endpoint", endpoint
        self.path = endpoint.data

    def post(self, body: Any, **headers: str) -> Told:
        return self.wire.post(body, self.path, accept="*/*", **headers)

    def ask(self, method: str, params: dict[str, Any] | None = None, number: Any = 1) -> Any:
        assert self.post(request(method, params, number)).status == 202
        answer = json.loads(self.stream.next().data)
        assert answer["id"] == number, answer
        return answer

    def greet(self, version: str = "2024-11-05", **capabilities: Any) -> None:
        hello = {"protocolVersion": version, "capabilities": capabilities}
        answer = self.ask("initialize", {**hello, "clientInfo": {"name": "t", "version": "1"}})
        assert answer["result"]["protocolVersion"] == version
        told = self.post({"jsonrpc": "2.0", "method": "notifications/initialized"})
        assert told == Told(202, told.headers, "")


@pytest.fixture
def pair(wire: Wire) -> Iterator[Pair]:
    pair = Pair(wire)
    yield pair
    pair.stream.close()


def test_the_two_endpoints_of_2024_11_05(pair: Pair) -> None:
    pair.greet()
    assert pair.ask("ping", number="p")["result"] == {}
    tools = pair.ask("tools/list")["result"]["tools"]
    assert "create_job" in [tool["name"] for tool in tools]
    assert not any("outputSchema" in tool or "annotations" in tool for tool in tools)
    spec = {"target": "sim", "options": {"simulator_script": "batch"}}
    job = content(pair.ask("tools/call", {"name": "create_job", "arguments": spec}))
    wait = {"job_id": job["job_id"], "until_terminal": True, "timeout_seconds": 20}
    while not job["terminal"]:
        job = content(pair.ask("tools/call", {"name": "wait_for_change", "arguments": wait}))
    assert job["state"] == "FINISHED"
    assert pair.ask("no/such")["error"]["code"] == -32601


def content(answer: Any) -> Any:
    return json.loads(answer["result"]["content"][0]["text"])


def test_a_question_is_answered_beside_the_stream(pair: Pair, wire: Wire) -> None:
    pair.greet(VERSION, elicitation={})
    job = a_job(wire, wire.open_session())
    end = {"job_id": job, "mode": "cancel", "wait_seconds": 20}
    assert (
        pair.post(request("tools/call", {"name": "cancel_job", "arguments": end}, 9)).status == 202
    )
    question = json.loads(pair.stream.next().data)
    spec_of(VERSION).check_beside(question)
    assert question["method"] == "elicitation/create"
    yes = {"action": "accept", "content": {"confirm": True}}
    assert pair.post({"jsonrpc": "2.0", "id": question["id"], "result": yes}).status == 202
    answer = json.loads(pair.stream.next().data)
    assert answer["id"] == 9
    assert content(answer)["state"] == "CANCELED"


@pytest.mark.parametrize("version", ["2024-11-05", "2025-03-26"])
def test_revisions_without_questions_get_the_plan(wire: Wire, version: str) -> None:
    """Whatever their clients declare: they would not know what they are asked."""
    job = a_job(wire, wire.open_session())
    session = wire.open_session(version, elicitation={})
    planned = content(call(wire, session, "cancel_job", job_id=job, mode="cancel").json)
    assert "plan_digest" in planned["notes"][-1], planned
    end(wire, wire.open_session(), job)


def test_whose_answers_are_none_is_asked_ten_times(pair: Pair, wire: Wire) -> None:
    pair.greet(VERSION, elicitation={})
    job = a_job(wire, wire.open_session())
    cancel = {"name": "cancel_job", "arguments": {"job_id": job, "mode": "cancel"}}
    assert pair.post(request("tools/call", cancel, 9)).status == 202
    for _ in range(10):
        question = json.loads(pair.stream.next().data)
        assert question["method"] == "elicitation/create"
        assert pair.post({"jsonrpc": "2.0", "id": question["id"], "result": []}).status == 202
    failed = json.loads(pair.stream.next().data)["result"]
    assert failed["isError"]
    assert "reason: no_answer" in failed["content"][0]["text"]
    assert runs(wire, wire.open_session(), job)


def test_a_modern_request_is_refused_on_the_stream(pair: Pair) -> None:
    meta = {"io.modelcontextprotocol/protocolVersion": "2026-07-28"}
    assert pair.ask("server/discover", {"_meta": meta})["error"]["code"] == -32600
    pair.greet()


def test_news_comes_on_the_same_stream(pair: Pair, wire: Wire) -> None:
    pair.greet()
    session = wire.open_session()
    job = a_job(wire, session)
    assert pair.ask("resources/subscribe", {"uri": uri(job)})["result"] == {}
    end(wire, session, job)
    assert json.loads(pair.stream.next().data)["params"] == {"uri": uri(job)}


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"{", 400, -32700),
        (b"[]", 400, -32600),
        (b"7", 400, -32600),
        (b'{"jsonrpc":"2.0","id":null,"method":"ping"}', 400, -32600),
        (b'{"jsonrpc":"2.0","id":1}', 400, -32600),
        (b"[" * 1000, 400, -32600),
        (b" " * (2 << 20), 413, -32600),
    ],
)
def test_what_is_no_message_is_refused_on_the_post(
    pair: Pair, body: bytes, status: int, code: int
) -> None:
    told = pair.post(body)
    assert (told.status, told.code) == (status, code)
    assert pair.ask("ping")["result"] == {}


def test_whose_stream_is_gone_is_told_so(wire: Wire) -> None:
    pair = Pair(wire)
    pair.greet()
    pair.stream.close()
    end = threading.Event()
    for _ in range(100):
        if pair.post(request("ping")).status == 404:
            end.set()
            break
        end.wait(0.1)
    assert end.is_set()
    for path in (
        "/messages",
        "/messages?sessionId=",
        "/messages?sessionId=nobody&sessionId=x",
        "/messages?x=%zz",
    ):
        assert wire.post(request("ping"), path).status in (400, 404), path
    streamable = wire.open_session()
    assert wire.post(request("ping"), f"/messages?sessionId={streamable}").status == 404


def test_the_endpoints_take_no_other_verb_and_no_foreign_page(wire: Wire) -> None:
    for verb, path in (
        ("POST", "/sse"),
        ("DELETE", "/sse"),
        ("GET", "/messages"),
        ("PUT", "/messages"),
    ):
        told = wire.send(verb, path, b"{}" if verb in ("POST", "PUT") else None)
        assert told.status == 405, (verb, path)
        assert told.headers["allow"] == ("GET" if path == "/sse" else "POST")
    assert wire.send("GET", "/sse", origin="https://evil.example").status == 403
    assert wire.send("GET", "/sse", host="evil.example").status == 403
    assert wire.send("GET", "/sse", accept="application/json").status == 405


def test_requests_that_wait_are_bounded(pair: Pair) -> None:
    pair.greet()
    options = {"simulator_script": "running"}
    made = pair.ask(
        "tools/call", {"name": "create_job", "arguments": {"target": "sim", "options": options}}
    )
    arguments = {"job_id": content(made)["job_id"], "until_terminal": True, "timeout_seconds": 5}
    wait = request("tools/call", {"name": "wait_for_change", "arguments": arguments})
    statuses = [pair.post({**wait, "id": number}).status for number in range(40)]
    assert statuses[0] == 202
    assert 429 in statuses


def test_a_stateless_server_has_no_sessions(tmp_path: Path) -> None:
    config = {"targets": {"sim": {"runner": "simulator"}}, "mcp": {"stateless": True}}
    server = RealServer(tmp_path, config).start()
    try:
        wire = Wire(server.port)
        hello = {
            "protocolVersion": VERSION,
            "capabilities": {},
            "clientInfo": {"name": "t", "version": "1"},
        }
        assert "mcp-session-id" not in wire.post(request("initialize", hello)).headers
        assert wire.send("GET", "/sse").status == 404
        assert wire.post(request("ping"), "/messages?sessionId=a").status == 404
        assert wire.send("GET", "/mcp", mcp_session_id="a").status == 405
    finally:
        server.kill()
