"""What the flows of a connection ask for: requests whose answers are read as they arrive, questions, news."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import inspect
import json
import threading
import time
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, TypeVar

from ..host import ELAPSED, MOST_THREADS, NO_PARTS, answered, failed, note, to_http, with_headers
from ..http1 import named
from ..pieces import Answer, LineAnswer, WholeAnswer
from ..transport import Abort, Fault, HttpRequest, HttpResponse, Transport

if TYPE_CHECKING:
    from ..auth import Auth
    from ..drive import Reply
    from ..host import OnResponse

OK: tuple[str, list[bytes]] = ('{"reply":"ok"}', NO_PARTS)
ENDED: tuple[str, list[bytes]] = ('{"reply":"ended"}', NO_PARTS)

Answering: TypeAlias = Callable[[str, dict[str, Any]], Any]
"""Answers a question of the server, or an `authorize`; raises what ends the call. May be a coroutine function."""


@dataclass(frozen=True)
class Notification:
    """Something a server told."""

    method: str
    params: dict[str, Any]


OnNotification: TypeAlias = Callable[[Notification], object]


class _Headed(Protocol):
    """An answer, whole or not."""

    @property
    def status(self) -> int: ...

    @property
    def headers(self) -> list[tuple[str, str]]: ...


H = TypeVar("H", bound=_Headed)


def open_answer(transport: Transport, request: HttpRequest, abort: Abort | None) -> Answer:
    """The answer in pieces, or whole from a transport that knows no pieces."""
    opening = getattr(transport, "open", None)
    if opening is None:
        return WholeAnswer(transport.send(request, abort))
    answer: Answer = opening(request, abort)
    return answer


@dataclass
class Host:
    """The machine under a connection: shared by all its calls."""

    transport: Transport
    auth: Auth
    answer: Answering | None = None
    on_notification: OnNotification | None = None
    on_response: OnResponse | None = None
    verify_ssl: bool = True
    ca_file: str | None = None
    threads: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(MOST_THREADS, "beam-mcp-connection")
    )
    """For exchanges of an event loop."""
    _others: dict[str, Transport] = field(default_factory=dict[str, Transport])
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def of(self, effect: dict[str, Any]) -> Transport:
        """The way to the server of a request: the MCP server's own, or one its metadata named; raises `Fault`."""
        server = effect.get("server")
        if server is None:
            return self.transport
        with self._lock:
            if server not in self._others:
                self._others[server] = named(server, self.verify_ssl, self.ca_file)
            return self._others[server]

    def send(self, effect: dict[str, Any], parts: list[bytes], abort: Abort | None) -> Reply:
        """One exchange, whole."""
        try:
            request, transport = to_http(effect, parts, {}), self.of(effect)
            return answered(
                self._admitted(effect, request, lambda asked: transport.send(asked, abort))
            )
        except Fault as fault:
            return failed(fault)

    def open(self, effect: dict[str, Any], parts: list[bytes], abort: Abort | None) -> Answer:
        """The head of an answer; raises `Fault`."""
        request = to_http(effect, parts, {})
        transport = self.of(effect)
        return self._admitted(effect, request, lambda asked: open_answer(transport, asked, abort))

    def _admitted(
        self, effect: dict[str, Any], request: HttpRequest, once: Callable[[HttpRequest], H]
    ) -> H:
        """Sends with the server's credential where the request names it; once more with a fresh one after 401."""
        mine = self.auth.headers() if effect.get("credential") else []
        started = time.perf_counter()
        answer = once(with_headers(request, mine))
        if answer.status == 401 and effect.get("credential") and self.auth.renewable:
            if isinstance(answer, LineAnswer):
                answer.close()
            self.auth.refuse(mine)
            answer = once(with_headers(request, self.auth.headers()))
        shown = HttpResponse(answer.status, answer.headers, b"")
        note(request, shown, time.perf_counter() - started, self.on_response)
        return answer

    def call(self) -> contextlib.AbstractContextManager[Call]:
        """What performs the effects of one flow."""
        return one_call(self)

    def async_call(self) -> contextlib.AbstractContextManager[AsyncCall]:
        """The same for an event loop."""
        return one_async_call(self)

    def close(self) -> None:
        """Closes the kept connections."""
        self.threads.shutdown(wait=False, cancel_futures=True)
        self.transport.close()
        for other in self._others.values():
            other.close()


def head(stream: int, answer: Answer) -> Reply:
    """The reply of an answer that was opened."""
    opened = {
        "reply": "opened",
        "stream": stream,
        "status": answer.status,
        "headers": answer.headers,
    }
    return json.dumps(opened), NO_PARTS


def piece(body: bytes) -> Reply:
    """The reply of a read."""
    return ('{"reply":"piece","body":{"part":0}}', [body]) if body else ENDED


def no_answer(method: str) -> Reply:
    """The reply to a question that nobody answers."""
    return json.dumps({"reply": "unsupported", "reason": f"nobody answers `{method}`"}), NO_PARTS


@dataclass
class Call:
    """One flow's streams, performed in the calling thread."""

    host: Host
    streams: dict[int, Answer] = field(default_factory=dict[int, Answer])
    opened: int = 0

    def perform(self, effect: dict[str, Any], parts: list[bytes]) -> Reply:
        """Performs one effect and waits for it."""
        kind = effect["effect"]
        if kind == "ask":
            return self.ask(effect["method"], effect["params"])
        if kind == "tell":
            self.tell(effect)
            return OK
        return self.move(effect, parts, None)

    def move(self, effect: dict[str, Any], parts: list[bytes], abort: Abort | None) -> Reply:
        """Performs what needs no application."""
        kind = effect["effect"]
        if kind == "open":
            return self._open(effect, parts, abort)
        if kind == "read":
            return self._read(effect["stream"], effect["timeout_ms"] / 1000, abort)
        if kind == "shut":
            self._shut(effect["stream"])
            return OK
        if kind == "send":
            return self.host.send(effect, parts, abort)
        if kind == "sleep":
            time.sleep(effect["ms"] / 1000)
            return ELAPSED
        return no_answer(kind)

    def ask(self, method: str, params: dict[str, Any]) -> Reply:
        """Asks the application."""
        if self.host.answer is None:
            return no_answer(method)
        return answer(self.host.answer(method, params))

    def tell(self, effect: dict[str, Any]) -> None:
        """Tells the application."""
        if self.host.on_notification is not None:
            self.host.on_notification(notification(effect))

    def _open(self, effect: dict[str, Any], parts: list[bytes], abort: Abort | None) -> Reply:
        try:
            answer = self.host.open(effect, parts, abort)
        except Fault as fault:
            return failed(fault)
        self.opened += 1
        self.streams[self.opened] = answer
        return head(self.opened, answer)

    def _read(self, stream: int, timeout: float, abort: Abort | None) -> Reply:
        try:
            return piece(self.streams[stream].read(timeout, abort))
        except TimeoutError:
            return ELAPSED
        except Fault as fault:
            return failed(fault)

    def _shut(self, stream: int) -> None:
        if answer := self.streams.pop(stream, None):
            answer.close()

    def close(self) -> None:
        """Closes what the flow left open."""
        for stream in list(self.streams):
            self._shut(stream)


def answer(value: Any) -> Reply:
    """The reply of an application; `None` where it has none."""
    if value is None:
        return no_answer("this")
    return json.dumps({"reply": "answer", "value": value}), NO_PARTS


def notification(effect: dict[str, Any]) -> Notification:
    """What a `tell` tells."""
    return Notification(effect["method"], effect["params"] or {})


@contextlib.contextmanager
def one_call(host: Host) -> Generator[Call]:
    """A call, and the end of its streams."""
    call = Call(host)
    try:
        yield call
    finally:
        call.close()


@dataclass
class AsyncCall:
    """The same for an event loop: the blocking transport in threads."""

    call: Call

    async def perform(self, effect: dict[str, Any], parts: list[bytes]) -> Reply:
        """Performs one effect."""
        kind = effect["effect"]
        if kind == "sleep":
            await asyncio.sleep(effect["ms"] / 1000)
            return ELAPSED
        if kind == "ask":
            return await self._ask(effect["method"], effect["params"])
        if kind == "tell":
            self.call.tell(effect)
            return OK
        abort = Abort()
        work = functools.partial(self.call.move, effect, parts, abort)
        try:
            return await asyncio.get_running_loop().run_in_executor(self.call.host.threads, work)
        except asyncio.CancelledError:
            abort()
            raise

    async def _ask(self, method: str, params: dict[str, Any]) -> Reply:
        if self.call.host.answer is None:
            return no_answer(method)
        value = self.call.host.answer(method, params)
        return answer(await value if inspect.isawaitable(value) else value)


@contextlib.contextmanager
def one_async_call(host: Host) -> Generator[AsyncCall]:
    """The same for an event loop."""
    with one_call(host) as call:
        yield AsyncCall(call)
