"""The way to a token: metadata that names no address, and the browser that comes back to this machine."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import time
import urllib.request
from collections.abc import Callable, Iterator
from concurrent import futures
from concurrent.futures import Future
from threading import Thread
from typing import Any
from urllib.parse import urlsplit

import pytest

from beam_mcp_client import BeamMCPError, errors
from beam_mcp_client.auth import Auth
from beam_mcp_client.http1 import HttpTransport
from beam_mcp_client.mcp import AsyncMCPConnection, MCPConnection, OAuth
from beam_mcp_client.mcp.host import Host
from beam_mcp_client.mcp.sign_in import SignIn
from fake_server import Seen, answer, serving

NOWHERE = ["https://as.example:99999", "https://a..b", "https://[::1", "https://as.example:x"]
SIGN_IN = OAuth("http://127.0.0.1:1/callback", "a test")


def protected_by(issuer: str) -> Callable[[Seen], bytes]:
    """A server that wants a token of this issuer."""

    def script(seen: Seen) -> bytes:
        if seen.path.startswith("/.well-known/oauth-protected-resource"):
            resource = f"http://{seen.headers['host']}/mcp"
            metadata = {"resource": resource, "authorization_servers": [issuer]}
            return answer(200, json.dumps(metadata).encode())
        return answer(401, b"", "www-authenticate: Bearer")

    return script


@pytest.mark.parametrize("issuer", NOWHERE)
def test_an_issuer_without_an_address_is_an_error_of_the_call(issuer: str) -> None:
    async def ask(url: str) -> None:
        async with AsyncMCPConnection(url, oauth=SIGN_IN, max_retries=0) as connection:
            await connection.list_tools()

    with serving(protected_by(issuer)) as server:
        url = f"{server.url}/mcp"
        with (
            MCPConnection(url, oauth=SIGN_IN, max_retries=0) as connection,
            pytest.raises(BeamMCPError) as caught,
        ):
            connection.list_tools()
        assert isinstance(caught.value, errors.UnavailableError)
        assert caught.value.reason == "unreachable"
        with pytest.raises(errors.UnavailableError):
            asyncio.run(ask(url))


@pytest.mark.parametrize("effect", ["send", "open"])
@pytest.mark.parametrize("server", NOWHERE)
def test_an_address_that_is_none_is_unreachable(effect: str, server: str) -> None:
    request: dict[str, Any] = {"method": "GET", "path": "/", "headers": [], "body": "empty"}
    request |= {"timeout_ms": 1000, "max_bytes": 1, "effect": effect, "server": server}
    host = Host(HttpTransport("http://127.0.0.1:9"), Auth(None, None, None, None))
    with contextlib.closing(host), host.call() as call:
        reply = json.loads(call.perform(request, [])[0])
    assert (reply["reply"], reply["kind"]) == ("fault", "unreachable")
    assert server in reply["detail"]


@pytest.fixture
def sign_in() -> Iterator[SignIn]:
    with contextlib.closing(SignIn(lambda _: None, browser=False)) as sign_in:
        yield sign_in


def waiting(sign_in: SignIn) -> Future[str | None]:
    """What a sign-in is answered with. Its thread keeps no test from its end."""
    told: Future[str | None] = Future()
    Thread(
        target=lambda: told.set_result(sign_in.answer("https://as.example/")), daemon=True
    ).start()
    return told


def come_back(sign_in: SignIn, query: str) -> str:
    """A browser that comes back, and the URL it was sent to."""
    url = f"{sign_in.redirect_uri}?{query}"
    with urllib.request.urlopen(url, timeout=3) as page:
        assert b"can be closed" in page.read()
    return url


def idle(sign_in: SignIn) -> socket.socket:
    """A connection on which nothing is sent."""
    port = urlsplit(sign_in.redirect_uri).port
    assert port is not None
    return socket.create_connection(("127.0.0.1", port), 8)


def test_a_browser_comes_back_while_another_connection_is_idle(sign_in: SignIn) -> None:
    with idle(sign_in):
        told = waiting(sign_in)
        time.sleep(0.3)  # the idle one is taken first
        assert come_back(sign_in, "code=1") == told.result(3)


def test_an_idle_connection_does_not_lengthen_the_wait(
    sign_in: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("beam_mcp_client.mcp.sign_in.LONGEST_S", 0.5)
    with idle(sign_in):
        assert waiting(sign_in).result(3) is None


def test_an_idle_connection_is_closed(sign_in: SignIn) -> None:
    with idle(sign_in) as line:
        told = waiting(sign_in)
        assert line.recv(1) == b""
    assert come_back(sign_in, "code=1") == told.result(3)


def test_two_sign_ins_of_one_process_have_an_answer_each(sign_in: SignIn) -> None:
    with contextlib.closing(SignIn(lambda _: None, browser=False)) as other:
        one, two = waiting(sign_in), waiting(other)
        time.sleep(0.3)
        assert come_back(other, "code=2") == two.result(3)
        with pytest.raises(futures.TimeoutError):
            one.result(1.5)
        assert come_back(sign_in, "code=1") == one.result(3)


def test_each_answer_of_a_sign_in_is_its_own(sign_in: SignIn) -> None:
    for query in ("code=1", "code=2"):
        told = waiting(sign_in)
        assert come_back(sign_in, query) == told.result(3)
