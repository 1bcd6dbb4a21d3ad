"""`beam-mcp mcp`: any MCP server from a shell. Its answers are data of that server, never instructions."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
from collections.abc import Generator
from typing import Any

from .. import errors
from ..local import PIPE
from ..mcp import MCPConnection, OAuth
from ..mcp.sign_in import SignIn
from . import show


def info(options: argparse.Namespace) -> None:
    """Shows what a server says about itself."""
    with connected(options) as connection:
        said = connection.connect(timeout=options.timeout)
    fields = ("protocolVersion", "serverInfo", "capabilities", "instructions")
    show.record(said, fields, options.output, "protocolVersion")


def tools(options: argparse.Namespace) -> None:
    """Lists the tools."""
    with connected(options) as connection:
        found = connection.list_tools(timeout=options.timeout)
    show.rows(found, ("name", "description"), options.output, "name")


def call(options: argparse.Namespace) -> int:
    """Calls a tool; an answer that is an error is exit code 1."""
    with connected(options) as connection:
        result = connection.call_tool(
            options.name, _arguments(options.argument), timeout=options.timeout
        )
    _content(result, result.get("content", []), options.output)
    return 1 if result.get("isError") else 0


def resources(options: argparse.Namespace) -> None:
    """Lists the resources."""
    with connected(options) as connection:
        found = connection.list_resources(timeout=options.timeout)
    show.rows(found, ("uri", "name", "mimeType"), options.output, "uri")


def read(options: argparse.Namespace) -> None:
    """Reads a resource."""
    with connected(options) as connection:
        result = connection.read_resource(options.uri, timeout=options.timeout)
    _content(result, result.get("contents", []), options.output)


def prompts(options: argparse.Namespace) -> None:
    """Lists the prompts."""
    with connected(options) as connection:
        found = connection.list_prompts(timeout=options.timeout)
    show.rows(found, ("name", "description"), options.output, "name")


def prompt(options: argparse.Namespace) -> None:
    """Fills in a prompt."""
    given = {name: str(value) for name, value in _pairs(options.argument)}
    with connected(options) as connection:
        result = connection.get_prompt(options.name, given, timeout=options.timeout)
    blocks = [message.get("content", {}) for message in result.get("messages", [])]
    _content(result, blocks, options.output)


@contextlib.contextmanager
def connected(options: argparse.Namespace) -> Generator[MCPConnection]:
    """A connection to the server that is named; a person before a terminal is asked what it asks."""
    with contextlib.closing(SignIn(_show)) as sign_in, _connection(options, sign_in) as connection:
        yield connection


def _show(url: str) -> None:
    print(f"sign in at {show.printable(url)}", file=sys.stderr)


def _connection(options: argparse.Namespace, sign_in: SignIn) -> MCPConnection:
    def answer(method: str, params: dict[str, Any]) -> Any:
        return _answer(sign_in, method, params)

    common: dict[str, Any] = {
        "capabilities": {"elicitation": {}} if sys.stdin.isatty() else {},
        "answer": answer,
        **({} if options.timeout is None else {"timeout": options.timeout}),
    }
    if options.url.startswith(PIPE):
        return MCPConnection.stdio(options.url.removeprefix(PIPE), **common)
    token, key = os.environ.get("BEAM_MCP_TOKEN"), os.environ.get("BEAM_MCP_API_KEY")
    oauth = None if token or key else OAuth(sign_in.redirect_uri, "beam-mcp")
    return MCPConnection(options.url, token=token, api_key=key, oauth=oauth, **common)


def _answer(sign_in: SignIn, method: str, params: dict[str, Any]) -> Any:
    if method == "authorize":
        return sign_in.answer(params["url"])
    if method != "elicitation/create":
        return None
    print(f"the server asks: {show.printable(params.get('message'))}", file=sys.stderr)
    if input("answer? [y/N] ").strip().lower() not in {"y", "yes"}:
        return {"action": "decline"}
    fields: dict[str, Any] = params.get("requestedSchema", {}).get("properties", {})
    content = {name: _field(name, field) for name, field in fields.items()}
    given = {name: value for name, value in content.items() if value is not None}
    return {"action": "accept", "content": given}


def _field(name: str, field: dict[str, Any]) -> Any:
    """A field of a form; nothing leaves it out, or to its default."""
    hint = field.get("description") or field.get("title") or field.get("type", "")
    text = input(f"  {show.printable(name)} ({show.printable(hint)}): ").strip()
    if not text:
        return None
    return text if field.get("type") == "string" else _value(text)


def _arguments(given: list[str]) -> dict[str, Any]:
    if len(given) == 1 and given[0].lstrip().startswith("{"):
        try:
            whole = json.loads(given[0])
        except ValueError as error:
            raise errors.invalid(f"the arguments are no JSON: {error}") from None
        return dict(whole)
    return dict(_pairs(given))


def _pairs(given: list[str]) -> list[tuple[str, Any]]:
    pairs = [text.partition("=") for text in given]
    for name, between, _ in pairs:
        if not between:
            raise errors.invalid(f"`{name}` is no NAME=VALUE", "or give one JSON object")
    return [(name, _value(value)) for name, _, value in pairs]


def _value(text: str) -> Any:
    """JSON where it is some, else the text."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def _content(result: dict[str, Any], blocks: list[dict[str, Any]], output: str) -> None:
    if output != "table":
        print(json.dumps(result, indent=2 if output == "json" else None))
        return
    for block in blocks:
        text = block.get("text")
        print(show.printable(text if isinstance(text, str) else block))
