"""The two ways to a server over which dice are thrown: as a client of a revision talks over HTTP, and over a pipe."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from mcp_dice import VERSION, hello
from mcp_spec import MODERN
from mcp_wire import Pipe, Told, Wire, request

Hear = Callable[[Any], bool]
"""Is told what comes before an answer; True: the request was given up, and no answer will come."""


class Door(Protocol):
    """A way to a server."""

    version: str
    keeps_order: bool
    """What is told first is heard first."""

    def takes(self, method: str, body: Any) -> bool:
        """False for a request that would be of another revision here."""
        ...

    def meta(self, rolled: Any) -> Any:
        """What a request of today says of itself here."""
        ...

    def greet(self, capabilities: Any, hear: Hear) -> Any:
        """Shakes hands; the answer."""
        ...

    def ask(self, body: Any, heads: Mapping[str, str], hear: Hear) -> Any:
        """Sends a request; its answer, after all that is told beside it. None: there is none."""
        ...

    def tell(self, message: Any) -> None:
        """Sends what has no answer."""
        ...


class OverHttp:
    """Requests of today stand alone; older ones belong to a session."""

    keeps_order = True

    def __init__(self, wire: Wire, version: str) -> None:
        self.wire, self.version = wire, version
        self.session: dict[str, str] = {}

    def takes(self, _method: str, _body: Any) -> bool:
        """All: a header names the revision."""
        return True

    def meta(self, rolled: Any) -> Any:
        """What the dice say."""
        return rolled

    def greet(self, capabilities: Any, _: Hear) -> Any:
        """Opens a session."""
        told = self.wire.post(request("initialize", hello(self.version, capabilities)))
        named = told.headers["mcp-session-id"]
        self.session = {"mcp_session_id": named, "mcp_protocol_version": self.version}
        return told.json

    def ask(self, body: Any, heads: Mapping[str, str], hear: Hear) -> Any:
        """Posts a request."""
        gone: list[bool] = []
        headers = heads or self.session
        told = self.wire.exchange(
            "POST", "/mcp", body, headers, lambda message: gone.append(hear(message))
        )
        answer = last(told)
        assert (answer is None) == (any(gone) or told.status == 202), (body, told)
        return answer

    def tell(self, message: Any) -> None:
        """Posts an answer or a notification: it is taken, whether somebody waits for it or not."""
        told = self.wire.post(message, **self.session)
        assert (told.status, told.text) == (202, ""), (message, told)


def last(told: Told) -> Any:
    """The response in an answer, which is its last message; None where there is none."""
    if not told.text:
        return None
    if told.headers.get("content-type") != "text/event-stream":
        return json.loads(told.text)
    *_, event = [None, *(line for line in told.text.splitlines() if line.startswith("data: {"))]
    message = json.loads(event[6:]) if event else None
    return None if message is None or "method" in message else message


class OverPipe:
    """Lines, which the server takes up side by side; a handshake holds until the next."""

    keeps_order = False

    def __init__(self, pipe: Pipe, version: str) -> None:
        self.pipe, self.version = pipe, version

    def takes(self, method: str, body: Any) -> bool:
        """Without headers, a handshake settles on what it says, and parameters alone name today's revision."""
        return method != "initialize" and (
            self.version != MODERN or isinstance(body["params"], dict)
        )

    def meta(self, rolled: Any) -> Any:
        """What the dice say, and always a revision."""
        return {VERSION: MODERN, **rolled}

    def greet(self, capabilities: Any, hear: Hear) -> Any:
        """Shakes hands anew."""
        return self.ask(request("initialize", hello(self.version, capabilities)), {}, hear)

    def ask(self, body: Any, _: Mapping[str, str], hear: Hear) -> Any:
        """Writes a line, and reads until its answer comes."""
        self.pipe.write(body)
        answer = self.pipe.read()
        while "method" in answer:
            if hear(answer):
                return None
            answer = self.pipe.read()
        return answer

    def tell(self, message: Any) -> None:
        """Writes a line; nothing comes back."""
        self.pipe.write(message)
