"""MCP as bytes: requests, streams of events and lines, without a library that would mend them."""

from __future__ import annotations

import http.client
import json
import queue
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from real_server import SERVER

WAIT = 40.0
"""Seconds that a test waits for something that must come: longer than a call may wait, for which the dice may ask."""


class Told(NamedTuple):
    """What a server answered."""

    status: int
    headers: Mapping[str, str]
    text: str

    @property
    def json(self) -> Any:
        """The body as data; an answer that came as a stream is its last event."""
        if self.headers.get("content-type") == "text/event-stream":
            return json.loads(
                [line for line in self.text.splitlines() if line.startswith("data: {")][-1][6:]
            )
        return json.loads(self.text)

    @property
    def code(self) -> Any:
        """The JSON-RPC code of an error."""
        return self.json["error"]["code"] if self.text else None


class Event(NamedTuple):
    """One event of a stream."""

    name: str
    id: str | None
    data: str


def request(method: str, params: dict[str, Any] | None = None, number: Any = 1) -> dict[str, Any]:
    """A request."""
    return {"jsonrpc": "2.0", "id": number, "method": method, "params": params or {}}


class Wire:
    """A server's HTTP side."""

    def __init__(self, port: int, wait: float = WAIT) -> None:
        self.port, self.wait = port, wait

    def send(self, verb: str, path: str, body: Any = None, **headers: str) -> Told:
        """One request; names of headers have `_` for `-`."""
        return self.exchange(verb, path, body, headers)

    def exchange(
        self,
        verb: str,
        path: str,
        body: Any,
        headers: Mapping[str, str],
        hear: Callable[[Any], Any] | None = None,
    ) -> Told:
        """The same; each message of a stream is told as it comes, so that what it asks can be answered."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=self.wait)
        try:
            raw = body if isinstance(body, bytes | None) else json.dumps(body).encode()
            plain = {"accept": "application/json, text/event-stream"}
            if raw is not None:
                plain["content-type"] = "application/json"
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(verb, path, raw, {**plain, **named})
            answer = connection.getresponse()
            names = {name.lower(): value for name, value in answer.getheaders()}
            text = "".join(lines(answer, hear)) if hear else answer.read().decode()
            return Told(answer.status, names, text)
        finally:
            connection.close()

    def post(self, body: Any, path: str = "/mcp", **headers: str) -> Told:
        """Posts a message."""
        return self.send("POST", path, body, **headers)

    def open_session(self, version: str = "2025-11-25", **capabilities: Any) -> str:
        """Shakes hands; the session's id."""
        hello = {"protocolVersion": version, "capabilities": capabilities}
        told = self.post(
            request("initialize", {**hello, "clientInfo": {"name": "t", "version": "1"}})
        )
        assert told.json["result"]["protocolVersion"] == version, told
        return told.headers["mcp-session-id"]


def lines(answer: http.client.HTTPResponse, hear: Callable[[Any], Any]) -> Iterator[str]:
    """The lines of an answer, whose messages are told as they come."""
    for raw in answer:
        line = raw.decode()
        yield line
        if line.startswith("data: {"):
            hear(json.loads(line[6:]))


class Stream:
    """A stream of events, read beside the test."""

    def __init__(self, port: int, path: str = "/mcp", body: Any = None, **headers: str) -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        heads = {"accept": "text/event-stream", **named}
        if body is None:
            self.connection.request("GET", path, headers=heads)
        else:
            heads |= {"accept": "application/json, text/event-stream", **named}
            heads["content-type"] = "application/json"
            self.connection.request("POST", path, json.dumps(body), heads)
        self.socket = self.connection.sock
        self.answer = self.connection.getresponse()
        self.status = self.answer.status
        self.events: queue.Queue[Event | None] = queue.Queue()
        self.whole = ""
        """The body, where it is no stream."""
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self) -> None:
        """Takes events until the stream ends."""
        fields: dict[str, str] = {}
        if self.answer.getheader("content-type") != "text/event-stream":
            self.whole = self.answer.read().decode()
        try:
            for raw in self.answer:
                name, _, value = raw.decode().rstrip("\n").partition(": ")
                if name:
                    fields[name] = value
                    continue
                if "data" in fields:
                    event = Event(fields.get("event", "message"), fields.get("id"), fields["data"])
                    self.events.put(event)
                fields = {}
        except (OSError, ValueError, http.client.HTTPException):
            pass
        self.events.put(None)

    def next(self) -> Event:
        """The next event."""
        event = self.events.get(timeout=WAIT)
        assert event is not None, "the stream ended"
        return event

    def ends(self) -> bool:
        """Waits for the end of the stream."""
        ended = self.events.get(timeout=WAIT) is None
        self.close()
        return ended

    def close(self) -> None:
        """Leaves."""
        if self.socket and self.socket.fileno() >= 0:
            with suppress(OSError):
                self.socket.shutdown(socket.SHUT_RDWR)
        self.reader.join(WAIT)
        self.answer.close()
        self.connection.close()


class Pipe:
    """A server over standard input."""

    def __init__(self, folder: Path) -> None:
        (folder / "config.json").write_text(
            json.dumps({"targets": {"sim": {"runner": "simulator", "speed": 20}}}), encoding="utf-8"
        )
        argv = [SERVER, "stdio", "--config", str(folder / "config.json"), "--log", "error"]
        argv += ["--store-path", str(folder / "data")]
        self.process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def write(self, line: bytes | dict[str, Any]) -> None:
        """Sends a line."""
        assert self.process.stdin
        raw = line if isinstance(line, bytes) else json.dumps(line).encode()
        self.process.stdin.write(raw + b"\n")
        self.process.stdin.flush()

    def read(self) -> Any:
        """The next line as data."""
        assert self.process.stdout
        return json.loads(self.process.stdout.readline())

    def ask(self, line: bytes | dict[str, Any]) -> Any:
        """Sends a line and reads one."""
        self.write(line)
        return self.read()

    def close(self) -> int:
        """Ends standard input; the exit code."""
        assert self.process.stdin
        self.process.stdin.close()
        code = self.process.wait(WAIT)
        assert self.process.stdout
        self.process.stdout.close()
        return code
