"""The emulated Dataflow on loopback, with the token endpoint and metadata server beside it."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from emulated.document import Invalid, of_path
from emulated.faults import Faults
from emulated.identity import Identity
from emulated.regions import Regions
from emulated.service import Refusal, Service

WORDS = {
    400: "INVALID_ARGUMENT",
    403: "PERMISSION_DENIED",
    429: "RESOURCE_EXHAUSTED",
    503: "UNAVAILABLE",
}
REASONS = {403: "forbidden", 404: "notFound", 409: "alreadyExists", 429: "rateLimitExceeded"}


def failure(status: int, word: str, message: str) -> dict[str, Any]:
    """`google.rpc.Status` as Google's JSON has it."""
    part = {"message": message, "domain": "global", "reason": REASONS.get(status, "badRequest")}
    return {"error": {"code": status, "message": message, "status": word, "errors": [part]}}


class Emulator:
    """One emulated service; use it as a context."""

    def __init__(self, **place: str) -> None:
        self.service = Service(**place)
        self.regions = Regions(self.service)
        self.identity = Identity()
        self.faults = Faults()
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self._server = ThreadingHTTPServer(
            ("127.0.0.1", 0), type("Bound", (Handler,), {"emulator": self})
        )
        self._server.daemon_threads = True
        self.port: int = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Emulator:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def called(self, method: str) -> list[dict[str, Any]]:
        """Bodies of the calls of a method (the end of the document's id) that came in, in order."""
        return [body for name, body in list(self.calls) if name.endswith(method)]


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    emulator: Emulator
    protocol_version = "HTTP/1.1"
    server_version = "emulated-dataflow"
    sys_version = ""

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the base class's
        """Says nothing."""

    def _answer(self, status: int, body: Any, **headers: str) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("content-type", "application/json; charset=UTF-8")
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _handle(self) -> None:
        parts = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        if parts.path == "/token":
            given = self.emulator.identity.exchange(body, f"{self.emulator.url}/token")
            self._answer(200, given) if given else self._answer(400, {"error": "invalid_grant"})
        elif parts.path.startswith("/computeMetadata/"):
            self._metadata(parts.path)
        elif not self.emulator.identity.admits(self.headers.get("authorization", "")):
            self._answer(
                401,
                failure(401, "UNAUTHENTICATED", "Request had invalid authentication credentials."),
            )
        else:
            self._dataflow(parts.path, parse_qs(parts.query, keep_blank_values=True), body)

    def _metadata(self, path: str) -> None:
        flavor = {"Metadata_Flavor": "Google"}
        if self.headers.get("metadata-flavor") != "Google":
            self._answer(403, {}, **flavor)
        elif path.endswith("/token"):
            self._answer(200, self.emulator.identity.issue("metadata"), **flavor)
        else:
            # What Google's own client asks first.
            self._answer(
                200, {"email": "default@emulated", "scopes": [], "aliases": ["default"]}, **flavor
            )

    def _dataflow(self, path: str, query: dict[str, list[str]], body: bytes) -> None:
        try:
            call = of_path(path).call(self.command, path, query, body)
        except Invalid as error:
            self._answer(400, failure(400, "INVALID_ARGUMENT", str(error)))
            return
        if call is None:
            self._answer(404, failure(404, "NOT_FOUND", "Not found."))
            return
        self.emulator.calls.append((call.method.id, call.body))
        fault = self.emulator.faults.take(call.method.id)
        if fault and fault.status:
            wait = {} if fault.retry_after is None else {"Retry_After": str(fault.retry_after)}
            word = WORDS.get(fault.status, "UNKNOWN")
            self._answer(fault.status, failure(fault.status, word, "Emulated fault."), **wait)
            return
        if fault and fault.lost == "request":
            self.close_connection = True
            return
        try:
            answer = self.emulator.regions.handle(call)
        except Refusal as refusal:
            self._answer(refusal.status, failure(refusal.status, refusal.word, refusal.message))
            return
        # An emulator that answers what the document does not describe proves nothing.
        of_path(path).check(str(call.method.response), answer)
        if fault and fault.lost == "answer":
            self.close_connection = True
            return
        self._answer(200, answer)

    do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = _handle
