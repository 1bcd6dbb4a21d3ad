"""What an engine in this process asks for: records, runners over HTTP, time, files."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from .. import drive, errors, host
from .._core import Engine
from ..drive import Reply
from ..http1 import HttpTransport, named
from ..transport import Abort, Fault, HttpRequest, HttpResponse
from .credentials import Credentials
from .multipart import body_of
from .staging import Refused, Staging
from .store import MemoryStore
from .topics import Topics

SIDE_BY_SIDE = 8
MOST_SERVERS = 64
"""Servers besides the targets' endpoints whose connections are kept."""
TICK_S = 30.0
"""Longest time one round of the reconciler may take."""
AGAIN_S = 15.0
LOG = logging.getLogger("beam_mcp_client.embedded")
OK: Reply = ('{"reply":"ok"}', [])


def _outcomes(outcomes: list[HttpResponse | Fault]) -> Reply:
    told: list[dict[str, Any]] = []
    bodies: list[bytes] = []
    for outcome in outcomes:
        if isinstance(outcome, Fault):
            told.append({"outcome": "fault", "kind": outcome.kind, "detail": outcome.detail})
            continue
        head = {"status": outcome.status, "headers": outcome.headers}
        told.append({"outcome": "response", **head, "body": {"part": len(bodies)}})
        bodies.append(outcome.body)
    return json.dumps({"reply": "responses", "outcomes": told}), bodies


def _endpoint(name: str, url: str) -> HttpTransport:
    try:
        return HttpTransport(url)
    except ValueError as error:
        raise errors.invalid(f"target `{name}`: {error}", "correct its `url`") from None


class Interrupted(BaseException):
    """The caller of a waiting call is gone."""


class EmbeddedHost:
    """Performs the effects of an engine's flows, in the calling thread."""

    def __init__(self, engine: Engine, roots: list[str]) -> None:
        self._engine = engine
        self._store = MemoryStore()
        self._topics = Topics()
        self.staging = Staging(roots)
        targets: dict[str, dict[str, Any]] = json.loads(engine.targets())
        self._transports = {
            name: _endpoint(name, target["url"])
            for name, target in targets.items()
            if target.get("url")
        }
        self._others: dict[str, HttpTransport] = {}
        self._ways = threading.Lock()
        self._credentials = Credentials(targets)
        self._ticking = threading.Lock()
        self._next_tick = 0.0

    def close(self) -> None:
        """Closes connections and removes kept files."""
        for transport in (*self._transports.values(), *self._others.values()):
            transport.close()
        self.staging.close()

    def perform(
        self,
        effect: dict[str, Any],
        parts: list[bytes],
        abort: Abort | None = None,
        ticks: bool = True,
    ) -> Reply:
        """Performs one effect."""
        act: Callable[..., Reply] | None = getattr(self, f"_do_{effect['effect']}", None)
        if act is None:
            return host.unsupported(effect["effect"])
        if effect["effect"] in {"sleep", "wait"}:
            return act(effect, abort, ticks)
        return act(effect, parts)

    def _do_store(self, effect: dict[str, Any], _: list[bytes]) -> Reply:
        reply = self._store.perform(effect)
        if reply["store"] == "committed":
            keys = [write["key"] for write in effect["writes"]]
            self._topics.publish([f"{key['kind']}/{key['id']}" for key in keys])
        return json.dumps({"reply": "store", **reply}), []

    def _do_publish(self, effect: dict[str, Any], _: list[bytes]) -> Reply:
        self._topics.publish([effect["topic"]], effect["payload"])
        return OK

    def _do_send(self, effect: dict[str, Any], parts: list[bytes]) -> Reply:
        try:
            return host.answered(self._send(effect, parts))
        except Fault as fault:
            return host.failed(fault)

    def _do_send_all(self, effect: dict[str, Any], parts: list[bytes]) -> Reply:
        def one(request: dict[str, Any]) -> HttpResponse | Fault:
            try:
                return self._send(request, parts)
            except Fault as fault:
                return fault

        with ThreadPoolExecutor(SIDE_BY_SIDE) as threads:
            return _outcomes(list(threads.map(one, effect["requests"])))

    def _do_stage(self, effect: dict[str, Any], parts: list[bytes]) -> Reply:
        try:
            return json.dumps({"reply": "staged", **self.staging.stage(effect, parts)}), []
        except Refused as refused:
            return json.dumps(
                {"reply": "refused", "reason": refused.reason, "detail": refused.detail}
            ), []

    def _do_sleep(self, effect: dict[str, Any], abort: Abort | None, ticks: bool) -> Reply:
        self._rest([], effect["ms"] / 1000, abort, ticks)
        return host.ELAPSED

    def _do_wait(self, effect: dict[str, Any], abort: Abort | None, ticks: bool) -> Reply:
        topics = self._topics.from_now(effect["topics"])
        woken = self._rest(topics, effect["timeout_ms"] / 1000, abort, ticks)
        return (json.dumps({"reply": "woken", "topics": woken}), []) if woken else host.ELAPSED

    def _rest(
        self, topics: list[list[Any]], seconds: float, abort: Abort | None, ticks: bool
    ) -> list[tuple[str, int, str]]:
        """Waits for a topic or for time to pass; the reconciler works meanwhile."""
        end = time.monotonic() + seconds
        while True:
            if abort is not None and abort.aborted:
                raise Interrupted
            woken, left = self._topics.moved(topics), end - time.monotonic()
            if woken or left <= 0:
                return woken
            if ticks:
                self._tick()
                left = min(end, max(self._next_tick, time.monotonic() + 0.01)) - time.monotonic()
            with contextlib.nullcontext() if abort is None else abort.ends_with(self._topics.wake):
                self._topics.wait(
                    topics, max(0.0, left), lambda: abort is not None and abort.aborted
                )

    def _tick(self) -> None:
        """One round of the reconciler, where one is due and no other thread is at it."""
        if time.monotonic() < self._next_tick or not self._ticking.acquire(blocking=False):
            return
        try:
            deadline = drive.now_ms()[0] + int(TICK_S * 1000)
            flow = self._engine.tick(os.urandom(32), deadline)
            delay, _ = drive.drive(
                flow, lambda effect, parts: self.perform(effect, parts, ticks=False)
            )
            self._next_tick = time.monotonic() + delay / 1000
        except errors.MCPError as error:
            LOG.warning("the reconciler failed, it goes on in %.0f s: %s", AGAIN_S, error)
            self._next_tick = time.monotonic() + AGAIN_S
        finally:
            self._ticking.release()

    def _transport(self, target: str, server: str | None) -> HttpTransport:
        """The way to a target's endpoint, or to another server of it that the engine has checked."""
        transport = self._transports.get(target)
        if transport is None:
            raise Fault("unknown_target")
        if server is None:
            return transport
        with self._ways:
            if len(self._others) >= MOST_SERVERS and server not in self._others:
                self._others.pop(next(iter(self._others))).close()
            return self._others.setdefault(server, named(server))

    def _send(self, effect: dict[str, Any], parts: list[bytes]) -> HttpResponse:
        transport = self._transport(effect["target"], effect.get("server"))
        request = self._request(effect, parts)
        name = effect.get("credential")
        if name is None:
            return transport.send(request)
        mine = self._credentials.header(name)
        response = transport.send(host.with_headers(request, [mine]))
        fresh = self._credentials.renewed(name, mine) if response.status == 401 else None
        return transport.send(host.with_headers(request, [fresh])) if fresh else response

    def _request(self, effect: dict[str, Any], parts: list[bytes]) -> HttpRequest:
        kind, body = body_of(effect["body"], parts, self.staging)
        headers = [(name, value) for name, value in effect.get("headers", [])]
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
