"""What a client's flow asks for: send to the server, sleep."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import json
import logging
import platform
import time
from collections.abc import Callable, Generator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar, cast
from urllib.parse import urlencode

from . import errors
from ._core import __version__
from .transport import Abort, AsyncTransport, Body, Fault, HttpRequest, HttpResponse, Transport

if TYPE_CHECKING:
    from typing_extensions import TypeIs

    from .auth import Auth
    from .drive import AsyncPerform, Perform, Reply
    from .mcp.host import Host

T = TypeVar("T")
MOST_THREADS = 64
"""Exchanges at once of an asynchronous client over the blocking transport."""

LOG = logging.getLogger("beam_mcp_client")
USER_AGENT = f"beam-mcp-client/{__version__} python/{platform.python_version()}"
NO_PARTS: list[bytes] = []
ELAPSED: tuple[str, list[bytes]] = ('{"reply":"elapsed"}', NO_PARTS)


@dataclass(frozen=True)
class Exchange:
    """One exchange with the server, as `on_response` sees it."""

    method: str
    path: str
    status: int
    headers: Mapping[str, str]
    body: bytes
    elapsed: float
    """Seconds."""


OnResponse: TypeAlias = Callable[[Exchange], None]


def to_http(effect: dict[str, Any], parts: list[bytes], sources: Mapping[str, Path]) -> HttpRequest:
    """The request of a `send` effect; `sources` are the files the core may name."""
    headers = [(name, value) for name, value in effect["headers"]]
    headers.append(("user-agent", USER_AGENT))
    kind, body = _body(effect["body"], parts, sources)
    if kind:
        headers.append(("content-type", kind))
    return HttpRequest(
        effect["method"],
        effect["path"],
        headers,
        body,
        effect["timeout_ms"] / 1000,
        effect["max_bytes"],
        effect.get("tail", False),
    )


def _body(
    body: str | dict[str, Any], parts: list[bytes], sources: Mapping[str, Path]
) -> tuple[str | None, Body]:
    if isinstance(body, str):  # "empty"
        return None, b""
    if "json" in body:
        return "application/json", json.dumps(body["json"]).encode()
    if "form" in body:
        pairs = [(name, value) for name, value in body["form"]]
        return "application/x-www-form-urlencoded", urlencode(pairs).encode()
    if "raw" in body:
        part: int = body["raw"]["part"]
        return None, parts[part]
    try:
        name: str = body["source"]
        return None, [sources[name]]
    except KeyError:
        raise Fault("source", "no such source") from None


def answered(response: HttpResponse) -> Reply:
    """The reply of an answer."""
    head = {
        "reply": "response",
        "status": response.status,
        "headers": response.headers,
        "body": {"part": 0},
    }
    return json.dumps(head), [response.body]


def failed(fault: Fault) -> Reply:
    """The reply of a fault."""
    return json.dumps({"reply": "fault", "kind": fault.kind, "detail": fault.detail}), NO_PARTS


def unsupported(effect: str) -> Reply:
    """The reply to an effect this host has no way to do."""
    return json.dumps(
        {"reply": "unsupported", "reason": f"a client cannot do `{effect}`"}
    ), NO_PARTS


class ServerHost:
    """Performs the effects of calls of one server, in the calling thread."""

    def __init__(
        self,
        transport: Transport | AsyncTransport,
        auth: Auth,
        on_response: OnResponse | None = None,
        in_pieces: bool = False,
    ) -> None:
        if is_async(transport):
            raise errors.invalid("MCPClient cannot await a transport", "use BeamMCPClient for it")
        self.transport = transport
        self.auth = auth
        self.on_response = on_response
        self._pieces = _in_pieces(transport, auth, on_response) if in_pieces else None

    @contextlib.contextmanager
    def performing(self, sources: Mapping[str, Path]) -> Generator[Perform]:
        """What performs the effects of one flow."""
        if self._pieces is None:
            yield lambda effect, parts: self.perform(effect, parts, sources)
        else:
            with self._pieces.call() as call:
                yield call.perform

    def perform(
        self,
        effect: dict[str, Any],
        parts: list[bytes],
        sources: Mapping[str, Path],
        abort: Abort | None = None,
    ) -> Reply:
        """Performs one effect and waits for it."""
        if effect["effect"] == "send":
            try:
                return answered(self._send(to_http(effect, parts, sources), abort))
            except Fault as fault:
                return failed(fault)
        if effect["effect"] == "sleep":
            time.sleep(effect["ms"] / 1000)
            return ELAPSED
        return unsupported(effect["effect"])

    def _send(self, request: HttpRequest, abort: Abort | None) -> HttpResponse:
        started, mine = time.perf_counter(), self.auth.headers()
        response = self.transport.send(with_headers(request, mine), abort)
        if response.status == 401 and self.auth.renewable:
            self.auth.refuse(mine)
            response = self.transport.send(with_headers(request, self.auth.headers()), abort)
        note(request, response, time.perf_counter() - started, self.on_response)
        return response

    def close(self) -> None:
        """Closes the connections."""
        self.transport.close()


class AsyncServerHost:
    """The same for an event loop: over a transport of the user's, or the blocking one in threads."""

    def __init__(
        self,
        transport: Transport | AsyncTransport,
        auth: Auth,
        on_response: OnResponse | None = None,
        in_pieces: bool = False,
    ) -> None:
        self.transport = transport
        self.auth = auth
        self.on_response = on_response
        if in_pieces and is_async(transport):
            raise errors.invalid("over MCP no transport is awaited", "give one with a plain `send`")
        self._pieces = _in_pieces(transport, auth, on_response) if in_pieces else None
        self._threads = ThreadPoolExecutor(MOST_THREADS, "beam-mcp-client")

    @contextlib.contextmanager
    def performing(self, sources: Mapping[str, Path]) -> Generator[AsyncPerform]:
        """What performs the effects of one flow."""
        if self._pieces is None:
            yield lambda effect, parts: self.perform(effect, parts, sources)
        else:
            with self._pieces.async_call() as call:
                yield call.perform

    async def perform(
        self, effect: dict[str, Any], parts: list[bytes], sources: Mapping[str, Path]
    ) -> Reply:
        """Performs one effect."""
        if effect["effect"] == "sleep":
            await asyncio.sleep(effect["ms"] / 1000)
            return ELAPSED
        if effect["effect"] != "send":
            return unsupported(effect["effect"])
        try:
            return answered(await self._send(to_http(effect, parts, sources)))
        except Fault as fault:
            return failed(fault)

    async def _send(self, request: HttpRequest) -> HttpResponse:
        started, mine = time.perf_counter(), await self._headers()
        response = await self._once(with_headers(request, mine))
        if response.status == 401 and self.auth.renewable:
            self.auth.refuse(mine)
            response = await self._once(with_headers(request, await self._headers()))
        note(request, response, time.perf_counter() - started, self.on_response)
        return response

    async def _headers(self) -> list[tuple[str, str]]:
        if not self.auth.renewable:
            return self.auth.headers()
        return await self._in_thread(self.auth.headers)

    async def _once(self, request: HttpRequest) -> HttpResponse:
        transport = self.transport
        if is_async(transport):
            return await transport.send(request)
        abort = Abort()
        try:
            return await self._in_thread(lambda: transport.send(request, abort))
        except asyncio.CancelledError:
            abort()
            raise

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    async def close(self) -> None:
        """Closes the connections."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        if is_async(self.transport):
            await self.transport.close()
        else:
            self.transport.close()


def _in_pieces(
    transport: Transport | AsyncTransport, auth: Auth, on_response: OnResponse | None
) -> Host:
    """The machine under calls of tools, whose answers may be streams."""
    from .mcp.host import Host

    return Host(cast("Transport", transport), auth, on_response=on_response)


def is_async(transport: Transport | AsyncTransport) -> TypeIs[AsyncTransport]:
    """True when the transport's `send` is awaited."""
    return inspect.iscoroutinefunction(transport.send)


def with_headers(request: HttpRequest, headers: list[tuple[str, str]]) -> HttpRequest:
    """The request with headers before its own."""
    return replace(request, headers=headers + request.headers) if headers else request


def note(
    request: HttpRequest, response: HttpResponse, elapsed: float, tell: OnResponse | None
) -> None:
    """Logs an exchange and tells the user's hook."""
    LOG.debug("%s %s: %d in %.0f ms", request.method, request.path, response.status, elapsed * 1000)
    if tell is not None:
        headers = dict(response.headers)
        tell(
            Exchange(request.method, request.path, response.status, headers, response.body, elapsed)
        )
