"""What both clients share: settings, labels, the start of a call. Performs nothing."""

from __future__ import annotations

import copy
import json
import os
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from . import settings
from ._core import start_client
from ._typing import Self
from .auth import Auth
from .context import MCPContext
from .local import PIPE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ._core import Connection, Flow
    from .host import OnResponse
    from .transport import AsyncTransport, Transport


FAREWELL_MS = 5_000
"""Longest a session is taken leave of."""


class ClientBase:
    """Settings of a client, and the flow of a call."""

    with_savepoint: bool
    """Whether `cancel_job` takes a savepoint when the caller does not say: S1 does, S0 does not."""

    def __init__(
        self,
        url: str | None = None,
        *,
        base_url: str | None = None,
        token: str | None = None,
        api_key: str | None = None,
        token_provider: Callable[[], str] | None = None,
        auth_headers: Mapping[str, str] | None = None,
        verify_ssl: bool = True,
        ca_file: str | None = None,
        session_id: str | None = None,
        user_id: str | None = None,
        trace_id: str | None = None,
        transaction_id: str | None = None,
        timeout: float | None = None,
        max_retries: int | None = None,
        transport: Transport | AsyncTransport | Literal["rest", "mcp"] | None = None,
        on_response: OnResponse | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> None:
        """Connects when the first call is made.

        Args:
            url: Base URL of the server; `local:` starts a server of its own, `embedded:` runs the engine in this
                process, `stdio:COMMAND` speaks to an MCP server that is a program. Default: `BEAM_MCP_URL`, else port
                8888 of this machine.
            base_url: The same as `url`.
            token: Bearer token; default `BEAM_MCP_TOKEN`.
            api_key: API key; default `BEAM_MCP_API_KEY`.
            token_provider: Called for a short-lived token, and again when the server refuses it.
            auth_headers: Headers of your own.
            verify_ssl: False accepts any certificate: for tests.
            ca_file: Certificates to trust, PEM.
            session_id: Label of every call; correlation only.
            user_id: Label.
            trace_id: Label.
            transaction_id: Label.
            timeout: Limit on one exchange in seconds; default `MCP_CLIENT_TIMEOUT`, else 30.
            max_retries: Tries after the first; default `MCP_MAX_RETRIES`, else 3.
            transport: `mcp` calls the tools of any MCP server (the URL may name its endpoint; default path `/mcp`)
                where `rest` calls the routes of a beam-mcp server; default `BEAM_MCP_TRANSPORT`, else `rest`. Or an
                object that sends instead of the default one.
            on_response: Called with every answer.
            config: Configuration of the engine or server that `embedded:` and `local:` start.
        """
        labels = (session_id, trace_id, transaction_id, user_id)
        protocol = transport if isinstance(transport, str) else None
        self._settings = settings.from_environment(
            url or base_url, timeout, max_retries, labels, protocol=protocol
        )
        own = auth_headers or token or api_key or token_provider
        self._auth = Auth(
            token or (None if own else os.environ.get("BEAM_MCP_TOKEN")),
            api_key or (None if own else os.environ.get("BEAM_MCP_API_KEY")),
            auth_headers,
            token_provider,
        )
        self._mcp = self._connection() if self._settings.protocol == "mcp" else None
        own_transport = None if isinstance(transport, str) else transport
        self._connect(own_transport or self._transport(verify_ssl, ca_file, config), on_response)

    def _connection(self) -> Connection:
        """The server as the core's MCP client knows it; it is asked for its era once."""
        from .mcp.options import made

        url, endpoint = self._settings.url, self._settings.endpoint
        if url.startswith(PIPE):
            return made({"url": PIPE})
        # What answers in this process has no address, and needs none.
        origin = url if url.startswith(("http://", "https://")) else "http://localhost"
        return made({"url": origin.rstrip("/") + endpoint})

    def _transport(
        self, verify_ssl: bool, ca_file: str | None, config: Mapping[str, Any] | None
    ) -> Transport:
        from . import local

        return local.transport(self._settings.url, verify_ssl, ca_file, config)

    def _connect(
        self, transport: Transport | AsyncTransport, on_response: OnResponse | None
    ) -> None:
        raise NotImplementedError

    def _start(
        self,
        verb: str,
        given: dict[str, Any],
        context: MCPContext | None,
        timeout: float | None,
    ) -> Flow:
        deadline = None
        if timeout is not None:
            deadline = time.monotonic_ns() // 1_000_000 + int(timeout * 1000)
        own = self._settings.labels
        labels = own if context is None else _over(context, own)
        return start_client(
            verb,
            json.dumps(given),
            self._settings.options_json,
            os.urandom(32),
            labels,
            deadline,
            self._mcp,
        )

    def _farewell(self, connection: Connection) -> Flow:
        """Ends the session, where the server has one."""
        deadline = time.monotonic_ns() // 1_000_000 + FAREWELL_MS
        return connection.start("close", "{}", os.urandom(32), deadline)

    def with_options(
        self,
        *,
        timeout: float | None = None,
        max_retries: int | None = None,
        target: str | None = None,
    ) -> Self:
        """The same client with other limits or a default target for new jobs; shares the connections."""
        old = self._settings
        other = copy.copy(self)
        other._settings = replace(
            old,
            timeout=old.timeout if timeout is None else timeout,
            max_retries=old.max_retries if max_retries is None else max_retries,
            target=target or old.target,
        )
        return other


def _over(
    context: MCPContext, own: tuple[str | None, str | None, str | None, str | None]
) -> tuple[str | None, str | None, str | None, str | None]:
    session, trace, transaction, user = context.labels
    return session or own[0], trace or own[1], transaction or own[2], user or own[3]
