"""What both connections share. Performs nothing."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from .. import errors
from .._typing import Self
from ..auth import Auth
from ..http1 import HttpTransport
from ..local import PIPE
from . import options
from .host import Answering, Host, OnNotification
from .pipe import Pipe

if TYPE_CHECKING:
    from .._core import Flow
    from ..host import OnResponse
    from ..transport import Transport


class ConnectionBase:
    """A server, and what the core found out about it."""

    def __init__(
        self,
        url: str,
        *,
        token: str | None = None,
        api_key: str | None = None,
        token_provider: Callable[[], str] | None = None,
        auth_headers: Mapping[str, str] | None = None,
        oauth: options.OAuth | None = None,
        verify_ssl: bool = True,
        ca_file: str | None = None,
        timeout: float = 30.0,
        max_retries: int = 3,
        era: options.Era = "auto",
        client_info: Mapping[str, Any] | None = None,
        capabilities: Mapping[str, Any] | None = None,
        answer: Answering | None = None,
        on_notification: OnNotification | None = None,
        on_response: OnResponse | None = None,
        transport: Transport | None = None,
    ) -> None:
        """Connects when the first call is made.

        Args:
            url: URL of the endpoint; `stdio:` with a `Pipe` as its transport.
            token: Bearer token.
            api_key: API key.
            token_provider: Called for a short-lived token, and again when the server refuses it.
            auth_headers: Headers of your own.
            oauth: How a token is had where the server wants one and none of the above is given.
            verify_ssl: False accepts any certificate: for tests.
            ca_file: Certificates to trust, PEM.
            timeout: Limit on one request in seconds; its progress begins the time anew.
            max_retries: Tries after the first, of requests that may be repeated.
            era: `auto` finds out which revision the server speaks; a revision is taken at its word.
            client_info: What the client says it is: `name`, `version`, …
            capabilities: What the application answers to; default: `elicitation` where there is an `answer`.
            answer: Answers what the server asks: called with `elicitation/create`, `sampling/createMessage`,
                `roots/list` or `authorize`, and the question; an asynchronous connection may be given a coroutine
                function. What it raises ends the call.
            on_notification: Called with what the server tells beside its answers.
            on_response: Called with every answer; the body is left out.
            transport: Sends instead of the default one, to the MCP server only.
        """
        declared: dict[str, Any] = {} if answer is None else {"elicitation": {}}
        self._core = options.connection(
            url,
            era=era,
            timeout=timeout,
            max_retries=max_retries,
            client_info=client_info,
            capabilities=declared if capabilities is None else capabilities,
            oauth=oauth,
        )
        self._host = Host(
            transport or _transport(url, verify_ssl, ca_file),
            Auth(token, api_key, auth_headers, token_provider),
            answer,
            on_notification,
            on_response,
            verify_ssl,
            ca_file,
        )

    @classmethod
    def stdio(cls, command: str | Sequence[str], **options: Any) -> Self:
        """A connection to a server that is a program, started with the first call and ended by `close`.

        Args:
            command: The program with its arguments, as a list or in a shell's words (no shell is used).
            options: `env` and `cwd` of the program, and those of a connection.
        """
        pipe = Pipe(command, env=options.pop("env", None), cwd=options.pop("cwd", None))
        return cls(PIPE, transport=pipe, **options)

    def _start(self, verb: str, given: dict[str, Any], timeout: float | None) -> Flow:
        deadline = None
        if timeout is not None:
            deadline = time.monotonic_ns() // 1_000_000 + int(timeout * 1000)
        return self._core.start(verb, json.dumps(given), os.urandom(32), deadline)


def _transport(url: str, verify_ssl: bool, ca_file: str | None) -> HttpTransport:
    try:
        parts = urlsplit(url)
        return HttpTransport(f"{parts.scheme}://{parts.netloc}", verify_ssl, ca_file)
    except ValueError as error:
        raise errors.invalid(str(error), "give a URL such as http://127.0.0.1:8888/mcp") from None


def call(
    name: str,
    arguments: Mapping[str, Any] | None,
    progress: bool,
    repeatable: bool,
    wait: bool,
) -> dict[str, Any]:
    """The input of a call of a tool."""
    return {
        "name": name,
        "arguments": arguments or {},
        "progress": progress,
        "repeatable": repeatable,
        "wait": wait,
    }


def news(
    tools: bool, prompts: bool, resources: bool, uris: tuple[str, ...], tasks: tuple[str, ...]
) -> dict[str, Any]:
    """The kinds of news a subscription asks for."""
    wanted: dict[str, Any] = {
        "toolsListChanged": tools,
        "promptsListChanged": prompts,
        "resourcesListChanged": resources,
        "resourceSubscriptions": list(uris),
        "taskIds": list(tasks),
    }
    return {name: value for name, value in wanted.items() if value}
