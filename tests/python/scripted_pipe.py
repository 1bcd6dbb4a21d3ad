"""An MCP server behind a pipe that misbehaves as it is told: `scripted_pipe.py WAY`."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

WAY, *MORE = sys.argv[1:]
SECRETS = ("BEAM_MCP_TOKEN", "BEAM_MCP_API_KEY")
HELLO = {"capabilities": {"tools": {}}, "serverInfo": {"name": "scripted", "version": "1"}}


def say(message: dict[str, Any]) -> None:
    print(json.dumps({"jsonrpc": "2.0", **message}), flush=True)


LATER: list[dict[str, Any]] = []
"""What came while an answer was waited for."""


def hear() -> dict[str, Any]:
    return LATER.pop(0) if LATER else heard()


def heard() -> dict[str, Any]:
    line = sys.stdin.readline()
    if not line and WAY == "stays":
        time.sleep(60)
    if not line:
        sys.exit(0)
    return dict(json.loads(line))


def text(said: str) -> dict[str, Any]:
    return {"content": [{"type": "text", "text": said}]}


def modern(message: dict[str, Any]) -> None:
    """2026-07-28, with lines between the messages that are none."""
    print("starting up…", flush=True)
    print("[]\n\n{", flush=True)
    if message["method"] == "server/discover":
        say({"id": message["id"], "result": {"supportedVersions": ["2026-07-28"], **HELLO}})
    elif message["method"] == "notifications/cancelled":
        Path(MORE[0]).write_text(json.dumps(message["params"]))
    elif message["method"] == "subscriptions/listen":
        tag = {"_meta": {"io.modelcontextprotocol/subscriptionId": message["id"]}}
        say({"method": "notifications/subscriptions/acknowledged", "params": tag})
        say({"method": "notifications/tools/list_changed", "params": tag})
    elif message["params"].get("name") != "never":
        say({"id": 999, "result": text("of nobody")})
        say({"id": float(message["id"]), "result": text("fine")})


def old(message: dict[str, Any]) -> None:
    """2024-11-05: silent before the handshake, then pings, and tells a change of its own accord."""
    if message.get("method") == "initialize":
        say({"id": message["id"], "result": {"protocolVersion": "2024-11-05", **HELLO}})
    elif message.get("method") == "tools/call":
        say({"id": "theirs", "method": "ping"})
        assert hear() == {"jsonrpc": "2.0", "id": "theirs", "result": {}}
        say({"method": "notifications/tools/list_changed"})
        say({"id": message["id"], "result": text("pinged")})


def dies(message: dict[str, Any]) -> None:
    """Ends at the first call of a tool, and answers that of its next run."""
    modern(message) if message["method"] == "server/discover" else None
    if message["method"] == "tools/call":
        if not Path(MORE[0]).exists():
            Path(MORE[0]).touch()
            sys.exit(3)
        say({"id": message["id"], "result": text("again")})


def retires(message: dict[str, Any]) -> None:
    """2025-11-25: ends after one answered call, and takes none before its handshake."""
    if message["method"] == "initialize":
        with Path(MORE[0]).open("a") as runs:
            runs.write("greeted ")
        say({"id": message["id"], "result": {"protocolVersion": "2025-11-25", **HELLO}})
        assert hear()["method"] == "notifications/initialized"
        call = hear()
        say({"id": call["id"], "result": text("fine")})
        sys.exit(0)
    if "id" in message:
        say({"id": message["id"], "error": {"code": -32600, "message": "no handshake"}})


def flushes(message: dict[str, Any]) -> None:
    """Closes its output at the first call of a tool, and writes down its state after that."""
    modern(message) if message["method"] == "server/discover" else None
    if message["method"] == "tools/call":
        os.close(sys.stdout.fileno())
        time.sleep(0.3)
        Path(MORE[0]).write_text("state")
        os._exit(0)


def tells_secrets(message: dict[str, Any]) -> None:
    """Answers with what its environment says of this product."""
    modern(message) if message["method"] == "server/discover" else None
    if message["method"] == "tools/call":
        names = [name for name in ("PATH", *SECRETS) if name in os.environ]
        say({"id": message["id"], "result": text(" ".join(names))})


def chats(message: dict[str, Any]) -> None:
    """2026-07-28: news for nobody in particular beside a subscription."""
    if message["method"] == "tools/call":
        say({"method": "notifications/message", "params": {"level": "info", "data": "chat"}})
    modern(message)


def ask(number: str, method: str) -> None:
    """Asks the client, and does nothing else until it has answered."""
    say({"id": number, "method": method, "params": {"message": "?", "requestedSchema": {}}})
    while "method" in (message := heard()) or message["id"] != number:
        LATER.append(message)


def asks(message: dict[str, Any]) -> None:
    """2025-11-25: tells news and asks in each call, and pings when it has answered."""
    if message["method"] == "initialize":
        say({"id": message["id"], "result": {"protocolVersion": "2025-11-25", **HELLO}})
    elif message["method"] == "tools/call":
        say({"method": "notifications/tools/list_changed"})
        ask(f"ask {message['id']}", "elicitation/create")
        say({"id": message["id"], "result": text("fine")})
        ask(f"ping {message['id']}", "ping")


def announces(message: dict[str, Any]) -> None:
    """2026-07-28: tells its subscriptions, and nobody in particular, of each call."""
    modern(message)
    if message["method"] == "subscriptions/listen":
        OPEN.append(message["id"])
    for number in OPEN if message["method"] == "tools/call" else ():
        tag = {"_meta": {"io.modelcontextprotocol/subscriptionId": number}}
        say({"method": "notifications/tools/list_changed", "params": tag})
        say({"method": "notifications/message", "params": {"level": "info", "data": "chat"}})


OPEN: list[int] = []


def stays(message: dict[str, Any]) -> None:
    """Goes on when its input has ended."""
    modern(message)


def endless(message: dict[str, Any]) -> None:
    """Answers with a line that has no end."""
    if message["method"] == "server/discover":
        return modern(message)
    while True:
        sys.stdout.write("x" * 65536)
    return None


WAYS = {
    way.__name__: way
    for way in (
        modern,
        old,
        dies,
        retires,
        flushes,
        tells_secrets,
        chats,
        asks,
        announces,
        stays,
        endless,
    )
}
while True:
    WAYS[WAY](hear())
