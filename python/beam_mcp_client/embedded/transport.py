"""A client's way into an engine of the same process, in the place of HTTP."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from .. import drive, errors
from .._core import Engine
from ..transport import Abort, Fault, HttpRequest, HttpResponse
from .host import EmbeddedHost, Interrupted
from .staging import Refused, iter_chunks

HOST: dict[str, Any] = {
    "kind": "embedded",
    "loopback_only": True,
    "authorities": [],
    "durable": False,
    "longest_wait_ms": 600_000,
    "streams": False,
}
SIMULATOR = {"targets": {"simulator": {"runner": "simulator"}}}
"""What `embedded:` runs without a configuration."""


class EmbeddedTransport:
    """Hands requests to an engine and performs what it asks for. Safe to use from many threads."""

    def __init__(self, config: Mapping[str, Any] | None = None) -> None:
        document = dict(config if config is not None else SIMULATOR)
        try:
            self._engine = Engine(json.dumps(document), json.dumps(HOST))
        except ValueError as error:
            raise errors.from_object(json.loads(str(error))) from None
        self._host = EmbeddedHost(self._engine, document.get("roots") or [os.getcwd()])

    def send(self, request: HttpRequest, abort: Abort | None = None) -> HttpResponse:
        """Answers one request."""
        path, _, query = request.path.partition("?")
        inbound: dict[str, Any] = {
            "method": request.method,
            "path": path,
            "query": query,
            "headers": [("host", "embedded"), *request.headers],
        }
        body = self._take_body(request, path, inbound)
        deadline = drive.now_ms()[0] + int(request.timeout * 1000)
        flow = self._engine.handle(json.dumps(inbound), body, os.urandom(32), deadline)
        try:
            head, parts = drive.drive(
                flow, lambda effect, given: self._host.perform(effect, given, abort)
            )
        except Interrupted:
            raise Fault("reset", "aborted") from None
        return HttpResponse(
            head["status"], [(name, value) for name, value in head["headers"]], parts[0]
        )

    def _take_body(self, request: HttpRequest, path: str, inbound: dict[str, Any]) -> bytes:
        rule, limit = self._engine.body_rule(request.method, path)
        body = request.body
        if rule == "stage":
            inbound["staged"] = self._receive(body, limit)
            return b""
        return body if isinstance(body, bytes) else b"".join(map(_bytes, body))

    def _receive(self, body: bytes | list[bytes | Path], limit: int) -> dict[str, Any]:
        chunks = [body] if isinstance(body, bytes) else body
        name = next((chunk.name for chunk in chunks if isinstance(chunk, Path)), "")
        try:
            source = self._host.staging.keep(
                (piece for chunk in chunks for piece in _pieces(chunk)), limit, name
            )
            return self._host.staging.describe(source, name)
        except (Refused, OSError) as error:
            raise Fault("source", str(error)) from error

    def close(self) -> None:
        """Ends the engine and removes kept files."""
        self._host.close()


def _bytes(chunk: bytes | Path) -> bytes:
    return chunk if isinstance(chunk, bytes) else chunk.read_bytes()


def _pieces(chunk: bytes | Path) -> Iterator[bytes]:
    if isinstance(chunk, bytes):
        yield chunk
        return
    with chunk.open("rb") as file:
        yield from iter_chunks(file)
