"""What MCP 2026-07-28 says about errors, row by row over sockets; and standard input in both eras."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from mcp_wire import Pipe, Told, Wire, request
from real_server import RealServer

PREFIX = "io.modelcontextprotocol/"
VERSION = "2026-07-28"
META: dict[str, Any] = {f"{PREFIX}protocolVersion": VERSION, f"{PREFIX}clientCapabilities": {}}
TASKS = f"{PREFIX}tasks"


def modern(method: str, meta: dict[str, Any] = META, **params: Any) -> dict[str, Any]:
    """A request of this revision."""
    return request(method, {**params, "_meta": meta}, "id-1")


LIST = modern("tools/list")
CALL = modern("tools/call", name="list_runners")
HEADS = {"mcp_protocol_version": VERSION, "mcp_method": "tools/list"}
CALL_HEADS = {
    "mcp_protocol_version": VERSION,
    "mcp_method": "tools/call",
    "mcp_name": "list_runners",
}


class Row(NamedTuple):
    """A request and what it must be answered with."""

    body: Any
    headers: dict[str, str]
    status: int
    code: int | None
    data: Any = None


def without(headers: dict[str, str], *names: str, **more: str) -> dict[str, str]:
    return {**{name: value for name, value in headers.items() if name not in names}, **more}


def named(method: str, name: str = "", **more: Any) -> dict[str, str]:
    return {
        "mcp_protocol_version": VERSION,
        "mcp_method": method,
        **({"mcp_name": name} if name else {}),
        **more,
    }


def handler(
    method: str, called: str = "", /, **params: Any
) -> tuple[dict[str, Any], dict[str, str]]:
    return modern(method, **params), named(method, called)


NEWER = {**META, f"{PREFIX}protocolVersion": "2027-01-01"}
OLDER = {**META, f"{PREFIX}protocolVersion": "2025-11-25"}
ABLE = {**META, f"{PREFIX}clientCapabilities": {"extensions": {TASKS: {}}}}
REQUIRED: dict[str, Any] = {"requiredCapabilities": {"extensions": {TASKS: {}}}}
ROWS: dict[str, Row] = {
    "no JSON": Row(b"{", HEADS, 400, -32700),
    "an array": Row([LIST], HEADS, 400, -32600),
    "a response": Row({"jsonrpc": "2.0", "id": 1, "result": {}}, HEADS, 400, -32600),
    "no version of JSON-RPC": Row({"id": 1, "method": "tools/list"}, HEADS, 400, -32600),
    "an id of null": Row({**LIST, "id": None}, HEADS, 400, -32600),
    "an id of an object": Row({**LIST, "id": {}}, HEADS, 400, -32600),
    "no _meta": Row(request("tools/list"), HEADS, 400, -32602),
    "no version in _meta": Row(
        modern("tools/list", {f"{PREFIX}clientCapabilities": {}}),
        HEADS,
        400,
        -32602,
        {"keys": [f"{PREFIX}protocolVersion"]},
    ),
    "no capabilities in _meta": Row(
        modern("tools/list", {f"{PREFIX}protocolVersion": VERSION}),
        HEADS,
        400,
        -32602,
        {"keys": [f"{PREFIX}clientCapabilities"]},
    ),
    "capabilities of another kind": Row(
        modern("tools/list", {**META, f"{PREFIX}clientCapabilities": []}), HEADS, 400, -32602
    ),
    "an unknown log level": Row(
        modern("tools/list", {**META, f"{PREFIX}logLevel": "loud"}), HEADS, 400, -32602
    ),
    "_meta is looked at before headers": Row(
        modern("tools/list", {f"{PREFIX}protocolVersion": VERSION}),
        without(HEADS, "mcp_method"),
        400,
        -32602,
    ),
    "no version header": Row(LIST, without(HEADS, "mcp_protocol_version"), 400, -32020),
    "another version header": Row(
        LIST, without(HEADS, mcp_protocol_version="2025-11-25"), 400, -32020
    ),
    "headers are looked at before the version": Row(
        modern("tools/list", NEWER), HEADS, 400, -32020
    ),
    "no method header": Row(LIST, without(HEADS, "mcp_method"), 400, -32020),
    "another method header": Row(LIST, without(HEADS, mcp_method="tools/call"), 400, -32020),
    "a method header of another case": Row(
        LIST, without(HEADS, mcp_method="Tools/List"), 400, -32020
    ),
    "no name header": Row(CALL, without(CALL_HEADS, "mcp_name"), 400, -32020),
    "another name header": Row(CALL, without(CALL_HEADS, mcp_name="get_job"), 400, -32020),
    "a name header with bad base64": Row(
        CALL, without(CALL_HEADS, mcp_name="=?base64?!?="), 400, -32020
    ),
    "a version of the future": Row(
        modern("tools/list", NEWER),
        without(HEADS, mcp_protocol_version="2027-01-01"),
        400,
        -32022,
        {"supported": [VERSION], "requested": "2027-01-01"},
    ),
    "an older version in _meta": Row(
        modern("tools/list", OLDER), without(HEADS, mcp_protocol_version="2025-11-25"), 400, -32022
    ),
    "no such method": Row(*handler("no/such"), 404, -32601),
    "the handshake": Row(*handler("initialize"), 404, -32601),
    "ping": Row(*handler("ping"), 404, -32601),
    "a level of older revisions": Row(*handler("logging/setLevel", level="info"), 404, -32601),
    "a subscription of older revisions": Row(
        *handler("resources/subscribe", uri="beam://guide"), 404, -32601
    ),
    "tasks of 2025-11-25": Row(*handler("tasks/list"), 404, -32601),
    "a task without its extension": Row(
        *handler("tasks/get", "x", taskId="x"), 400, -32021, REQUIRED
    ),
    "listening to tasks without it": Row(
        *handler("subscriptions/listen", notifications={"taskIds": ["x"]}), 400, -32021, REQUIRED
    ),
    "no such tool": Row(*handler("tools/call", "no_such", name="no_such"), 200, -32602),
    "no such prompt": Row(*handler("prompts/get", "no_such", name="no_such"), 200, -32602),
    "a prompt without what it needs": Row(
        *handler("prompts/get", "diagnose_job", name="diagnose_job"), 200, -32602
    ),
    "values for no such prompt": Row(
        *handler(
            "completion/complete",
            ref={"type": "ref/prompt", "name": "no_such"},
            argument={"name": "job_id", "value": ""},
        ),
        200,
        -32602,
    ),
    "values for no such template": Row(
        *handler(
            "completion/complete",
            ref={"type": "ref/resource", "uri": "beam://{no}/such"},
            argument={"name": "no", "value": ""},
        ),
        200,
        -32602,
    ),
    "values for no such argument": Row(
        *handler(
            "completion/complete",
            ref={"type": "ref/prompt", "name": "diagnose_job"},
            argument={"name": "target", "value": ""},
        ),
        200,
        -32602,
    ),
    "no such task": Row(
        modern("tasks/get", ABLE, taskId="sim:nothing"),
        named("tasks/get", "sim:nothing"),
        200,
        -32602,
    ),
    "no such resource": Row(
        *handler("resources/read", "beam://nothing", uri="beam://nothing"),
        200,
        -32602,
        {"uri": "beam://nothing"},
    ),
    "a foreign cursor": Row(*handler("tools/list", cursor="x"), 200, -32602),
    "arguments of another kind": Row(
        *handler("tools/call", "get_job", name="get_job", arguments=[]), 200, -32602
    ),
    "a state from elsewhere": Row(
        *handler("tools/call", "get_job", name="get_job", arguments={}, requestState="x"),
        200,
        -32602,
    ),
    "a filter of another kind": Row(
        *handler("subscriptions/listen", notifications=[]), 200, -32602
    ),
    "another media type": Row(LIST, {**HEADS, "content_type": "text/plain"}, 415, -32600),
    "no media type we send": Row(LIST, {**HEADS, "accept": "text/html"}, 406, -32600),
    "too large": Row(b" " * (2 << 20), HEADS, 413, -32600),
    "a page of another origin": Row(LIST, {**HEADS, "origin": "https://evil.example"}, 403, None),
    "another host": Row(LIST, {**HEADS, "host": "evil.example"}, 403, None),
}


@pytest.fixture(scope="module")
def wire(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wire]:
    server = RealServer(
        tmp_path_factory.mktemp("table"), {"targets": {"sim": {"runner": "simulator"}}}
    ).start()
    yield Wire(server.port)
    server.kill()


@pytest.mark.parametrize("name", ROWS)
def test_a_row_of_the_table(wire: Wire, name: str) -> None:
    row = ROWS[name]
    told = wire.post(row.body, **row.headers)
    assert told.status == row.status, told
    assert "mcp-session-id" not in told.headers
    if row.code is None:
        return
    assert told.headers["content-type"] == "application/json"
    error = told.json["error"]
    assert error["code"] == row.code, told
    assert row.data is None or error["data"] == row.data, told
    answerable = isinstance(row.body, dict) and isinstance(row.body.get("id"), str | int)
    if answerable and "method" in row.body and row.status not in (413, 415, 406):
        assert told.json.get("id") == row.body["id"], told
    assert told.json.get("id", "absent") is not None


def test_what_is_in_order_is_answered(wire: Wire) -> None:
    for heads in (
        HEADS,
        {**HEADS, "mcp_session_id": "x", "last_event_id": "7"},
        {"MCP_PROTOCOL_VERSION": f" {VERSION} ", "Mcp_Method": "tools/list"},
    ):
        told = wire.post(LIST, **heads)
        assert (told.status, told.json["result"]["resultType"]) == (200, "complete"), told
    encoded = wire.post(CALL, **without(CALL_HEADS, mcp_name="=?base64?bGlzdF9ydW5uZXJz?="))
    assert encoded.json["result"]["resultType"] == "complete"
    notified = wire.post(
        {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}}, **HEADS
    )
    assert notified == Told(202, notified.headers, "")


def test_a_wrong_argument_is_for_the_model(wire: Wire) -> None:
    body = modern("tools/call", name="get_job", arguments={"job_id": 7})
    told = wire.post(body, **named("tools/call", "get_job"))
    result = told.json["result"]
    assert (told.status, result["isError"]) == (200, True)
    assert "job_id" in result["content"][0]["text"]


def test_other_verbs_are_refused_with_those_that_are_not(wire: Wire) -> None:
    for verb in ("PUT", "PATCH"):
        told = wire.send(verb, "/mcp", b"{}")
        assert (told.status, told.headers["allow"]) == (405, "GET, POST, DELETE, OPTIONS")


@pytest.fixture
def pipe(tmp_path: Path) -> Iterator[Pipe]:
    pipe = Pipe(tmp_path)
    yield pipe
    assert pipe.close() == 0


HELLO = request(
    "initialize",
    {
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": {"name": "t", "version": "1"},
    },
)
GARBAGE: dict[str, tuple[bytes, int]] = {
    "no JSON": (b"{", -32700),
    "bytes that are no text": (b"\xff\xfe\x00\x01", -32700),
    "a text that is not UTF-8": (b'{"jsonrpc":"2.0","id":1,"method":"\xff"}', -32700),
    "HTTP": (b"GET / HTTP/1.1", -32700),
    "a number": (b"7", -32600),
    "an empty batch": (b"[]", -32600),
    "no method": (b'{"jsonrpc":"2.0","id":1}', -32600),
    "an id of null": (b'{"jsonrpc":"2.0","id":null,"method":"ping"}', -32600),
    "deeper than we look": (b"[" * 1000, -32600),
    "a line of 2 MiB": (b'{"jsonrpc":"2.0","id":1,"method":"' + b"x" * (2 << 20) + b'"}', -32600),
    "a line of 2 MiB without an end": (b"x" * (2 << 20), -32600),
}


@pytest.mark.parametrize("era", ["legacy", "modern"])
@pytest.mark.parametrize("name", GARBAGE)
def test_a_pipe_lives_through_garbage(pipe: Pipe, era: str, name: str) -> None:
    if era == "legacy":
        assert pipe.ask(HELLO)["result"]["protocolVersion"] == "2025-11-25"
    line, code = GARBAGE[name]
    answer = pipe.ask(line)
    assert answer["error"]["code"] == code, answer
    assert answer.get("id", "absent") is not None, answer
    good = pipe.ask(request("ping")) if era == "legacy" else pipe.ask(modern("server/discover"))
    assert "result" in good, good


def test_a_pipe_says_nothing_to_what_needs_no_answer(pipe: Pipe) -> None:
    for line in (
        b"",
        b"   ",
        b"\r",
        b'{"jsonrpc":"2.0","method":"notifications/initialized"}',
        b'{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":99}}',
        b'{"jsonrpc":"2.0","id":5,"result":{}}',
        b'{"jsonrpc":"2.0","id":"x","error":{"code":1,"message":"m"}}',
    ):
        pipe.write(line)
    assert pipe.ask(modern("tools/list"))["id"] == "id-1"


def test_a_pipe_serves_both_eras_at_once(pipe: Pipe) -> None:
    assert pipe.ask(HELLO)["result"]["protocolVersion"] == "2025-11-25"
    assert pipe.ask(modern("tools/list"))["result"]["resultType"] == "complete"
    assert "resultType" not in pipe.ask(request("tools/list"))["result"]
    assert pipe.ask(modern("initialize"))["error"]["code"] == -32601
    batch = pipe.ask(json.dumps([request("ping", number=1), request("ping", number=2)]).encode())
    assert [answer["id"] for answer in batch] == [1, 2]
