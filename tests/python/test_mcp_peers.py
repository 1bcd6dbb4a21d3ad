"""Where the official SDKs differ from the specification or from each other when they serve older clients without
sessions, and where fixes of theirs show what is easily got wrong.
"""

from __future__ import annotations

import hashlib
import http.client
import json
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

from mcp_wire import Wire, request
from real_server import RealServer

MODERN = "2026-07-28"
PREFIX = "io.modelcontextprotocol/"
META: dict[str, Any] = {f"{PREFIX}protocolVersion": MODERN, f"{PREFIX}clientCapabilities": {}}
TOKENS = {"operator": "operator-token", "viewer": "viewer-token"}
SIM = {"targets": {"sim": {"runner": "simulator"}}}


@pytest.fixture(scope="module", params=["sessions", "stateless"])
def wire(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Wire]:
    config = {**SIM, "mcp": {"stateless": request.param == "stateless"}}
    server = RealServer(tmp_path_factory.mktemp(request.param), config).start()
    yield Wire(server.port)
    server.kill()


def call(number: Any = 1, **params: Any) -> dict[str, Any]:
    return request("tools/call", params, number)


HELLO = request(
    "initialize",
    {
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": {"name": "t", "version": "1"},
    },
)


class Row(NamedTuple):
    """A request of an older client, and what it must be answered with."""

    body: Any
    status: int
    code: int | None = None
    headers: dict[str, str] = {}  # noqa: RUF012 - never changed


# The table of stateless service by the official SDKs; where they differ, the specification decides.
ROWS: dict[str, Row] = {
    "a handshake": Row(HELLO, 200),
    "a request without any header": Row(request("tools/list"), 200),
    "the end of a handshake": Row({"jsonrpc": "2.0", "method": "notifications/initialized"}, 202),
    "a batch": Row([request("ping", number=1), request("tools/list", number=2)], 200),
    "no JSON": Row(b"{", 400, -32700),
    "a call without a name": Row(call(arguments={}), 200, -32602),
    "an unknown tool": Row(call(name="no_such"), 200, -32602),
    "anything is accepted": Row(request("ping"), 200, None, {"accept": "*/*"}),
    "JSON alone is accepted": Row(request("ping"), 200, None, {"accept": "application/json"}),
    "a response with a modern header": Row(
        {"jsonrpc": "2.0", "id": 1, "result": {}}, 400, -32600, {"mcp_protocol_version": MODERN}
    ),
    "a response nobody waits for": Row({"jsonrpc": "2.0", "id": 1, "result": {}}, 400, -32600),
    "an id written as a float": Row(request("ping", number=1.0), 200),
    "an id that is a fraction": Row(request("ping", number=1.5), 400, -32600),
    "arguments that are null": Row(call(name="list_runners", arguments=None), 200),
    "a cursor that is null": Row(request("tools/list", {"cursor": None}), 200),
    "a result and an error": Row(
        {"jsonrpc": "2.0", "id": 1, "result": {}, "error": {"code": 1, "message": "m"}}, 400, -32600
    ),
    "a method and a result": Row({**request("ping"), "result": {}}, 400, -32600),
}


@pytest.mark.parametrize("name", ROWS)
def test_an_older_client_without_a_session_is_served(wire: Wire, name: str) -> None:
    row = ROWS[name]
    told = wire.post(row.body, **row.headers)
    assert told.status == row.status, told
    if row.status == 202:
        assert told.text == ""
    elif row.code is not None:
        assert told.json["error"]["code"] == row.code, told
    elif isinstance(row.body, list):
        assert [answer["id"] for answer in told.json] == [one["id"] for one in row.body]
    else:
        assert "result" in told.json, told
        assert told.json["id"] == row.body["id"]


def test_an_unknown_level_of_a_modern_request_is_refused(wire: Wire) -> None:
    meta = {**META, f"{PREFIX}logLevel": "loud"}
    heads = {"mcp_protocol_version": MODERN, "mcp_method": "tools/list"}
    told = wire.post(request("tools/list", {"_meta": meta}), **heads)
    assert (told.status, told.code) == (400, -32602)


def test_what_is_discovered_is_the_modern_revision_alone(wire: Wire) -> None:
    """A client that reads older ones here might send them request by request, which is not how they work."""
    heads = {"mcp_protocol_version": MODERN, "mcp_method": "server/discover"}
    told = wire.post(request("server/discover", {"_meta": META}), **heads)
    assert told.json["result"]["supportedVersions"] == [MODERN]
    for asked in ("2026-07-28", "2099-01-01", "1.0", ""):
        hello = {**HELLO, "params": {**HELLO["params"], "protocolVersion": asked}}
        assert wire.post(hello).json["result"]["protocolVersion"] == "2025-11-25"


def test_names_of_tools_are_those_that_every_checker_takes(wire: Wire) -> None:
    tools = wire.post(request("tools/list")).json["result"]["tools"]
    for tool in tools:
        assert 1 <= len(tool["name"]) <= 64
        assert all(part.isascii() and part.isalpha() for part in tool["name"].split("_")), tool


def test_nothing_is_declared_that_is_deprecated(wire: Wire) -> None:
    declared = wire.post(HELLO).json["result"]["capabilities"]
    assert not {"logging", "sampling", "roots", "tasks"} & set(declared), declared
    assert wire.post(request("logging/setLevel", {"level": "info"})).code == -32601


@pytest.mark.parametrize(
    "name", ["mcp-protocol-version", "mcp-method", "mcp-name", "Mcp-Name", "mcp-param-x"]
)
def test_a_header_that_routes_is_sent_once(wire: Wire, name: str) -> None:
    """A proxy might believe the first of two, and this server the second."""
    heads = {"MCP-Protocol-Version": MODERN, "Mcp-Method": "tools/call", "Mcp-Name": "list_runners"}
    body = json.dumps(call(name="list_runners", _meta=META)).encode()
    connection = http.client.HTTPConnection("127.0.0.1", wire.port, timeout=20)
    connection.putrequest("POST", "/mcp")
    both = {"Content-Type": "application/json", "Accept": "*/*", "Content-Length": str(len(body))}
    for key, value in {**heads, **both}.items():
        connection.putheader(key, value)
    double = next((value for key, value in heads.items() if key.lower() == name.lower()), "x")
    connection.putheader(name, double)
    if name == "mcp-param-x":
        connection.putheader(name, double)
    connection.endheaders(body)
    answer = connection.getresponse()
    assert (answer.status, json.load(answer)["error"]["code"]) == (400, -32020)
    connection.close()


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wire]:
    tokens = [
        {"name": role, "role": role, "sha256": hashlib.sha256(token.encode()).hexdigest()}
        for role, token in TOKENS.items()
    ]
    origins = ["https://app.example:443", "http://plain.example", "https://other.example:8443"]
    config = {**SIM, "auth": {"tokens": tokens, "allowed_origins": origins}}
    server = RealServer(tmp_path_factory.mktemp("guarded"), config).start()
    yield Wire(server.port)
    server.kill()


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        ("https://app.example", True),
        ("https://app.example:443", True),
        ("HTTPS://APP.EXAMPLE", True),
        ("http://plain.example:80", True),
        ("https://other.example:8443", True),
        ("https://other.example", False),
        ("http://app.example", False),
        ("http://app.example:443", False),
        ("https://plain.example", False),
        ("null", False),
        ("https://app.example.evil.example", False),
    ],
)
def test_an_origin_has_its_port_also_where_it_is_left_out(
    guarded: Wire, origin: str, allowed: bool
) -> None:
    bearer = f"Bearer {TOKENS['viewer']}"
    told = guarded.post(request("ping"), origin=origin, authorization=bearer)
    assert told.status == (200 if allowed else 403), told
    assert told.headers.get("access-control-allow-origin") == (origin if allowed else None)


class Challenge(NamedTuple):
    """How a caller shows who they are, and what they are told."""

    headers: dict[str, str]
    path: str
    status: int
    challenge: str | None


CHALLENGES: dict[str, Challenge] = {
    "no token": Challenge({}, "/mcp", 401, 'Bearer scope="beam:read"'),
    "an unknown token": Challenge(
        {"authorization": "Bearer nobody"},
        "/mcp",
        401,
        'Bearer error="invalid_token", scope="beam:read"',
    ),
    "another scheme": Challenge(
        {"authorization": "Basic bm9ib2R5"}, "/mcp", 401, 'Bearer scope="beam:read"'
    ),
    "a token in the query": Challenge({}, "/mcp?access_token=viewer-token", 400, None),
    "a known token": Challenge({"authorization": "Bearer viewer-token"}, "/mcp", 200, None),
    "a scheme of another case": Challenge(
        {"authorization": "bearer viewer-token"}, "/mcp", 200, None
    ),
    "a known key": Challenge({"x_api_key": "viewer-token"}, "/mcp", 200, None),
}


@pytest.mark.parametrize("name", CHALLENGES)
@pytest.mark.parametrize("era", ["modern", "legacy"])
def test_a_challenge_says_what_is_missing(guarded: Wire, name: str, era: str) -> None:
    row = CHALLENGES[name]
    heads = {"mcp_protocol_version": MODERN, "mcp_method": "tools/list"} if era == "modern" else {}
    body = request("tools/list", {"_meta": META} if era == "modern" else {})
    told = guarded.post(body, row.path, **row.headers, **heads)
    assert told.status == row.status, told
    assert told.headers.get("www-authenticate") == row.challenge
    assert "viewer-token" not in told.text


def test_what_a_role_does_not_cover_is_for_the_model_to_read(guarded: Wire) -> None:
    """A token of a role cannot be widened by asking, so there is no step up to challenge a client to."""
    arguments = {"target": "sim", "options": {"simulator_script": "batch"}}
    heads = {
        "mcp_protocol_version": MODERN,
        "mcp_method": "tools/call",
        "mcp_name": "create_job",
        "authorization": f"Bearer {TOKENS['viewer']}",
    }
    told = guarded.post(call(name="create_job", arguments=arguments, _meta=META), **heads)
    result = told.json["result"]
    assert (told.status, result["isError"]) == (200, True)
    assert "permission_denied" in result["content"][0]["text"]
    status, answer = rest(guarded, arguments)
    assert (status, answer["error"]["code"]) == (403, "permission_denied")


def rest(guarded: Wire, body: Any) -> tuple[int, Any]:
    told = guarded.send("POST", "/api/v1/jobs", body, authorization=f"Bearer {TOKENS['viewer']}")
    assert told.headers["www-authenticate"].startswith('Bearer error="insufficient_scope", scope="')
    return told.status, json.loads(told.text)
