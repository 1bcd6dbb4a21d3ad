"""How a connection behaves, as the core reads it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from .. import errors
from .._core import Connection

Era = Literal["auto", "modern", "2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05"]


@dataclass(frozen=True)
class OAuth:
    """How a token is had where the server wants one.

    With the default grant a person consents in a browser: `answer` gets `authorize` with `url` and `redirect_uri`, and
    gives back the URL the browser was sent to.
    """

    redirect_uri: str = ""
    """Where the browser is sent back to: on this machine, or https."""
    client_name: str = ""
    client_metadata_url: str | None = None
    """URL of the client's own metadata document: its id where the server takes such ids."""
    client_id: str | None = None
    """Id of a client that was registered by hand."""
    client_secret: str | None = field(default=None, repr=False)
    issuer: str | None = None
    """The authorization server it was registered at."""
    scopes: tuple[str, ...] = ()
    grant: Literal["authorization_code", "client_credentials"] | dict[str, Any] = field(
        default="authorization_code", repr=False
    )
    """`client_credentials`, or `{"jwt_bearer": {"assertion": …}}`, need no person."""


def connection(
    url: str,
    *,
    era: Era,
    timeout: float,
    max_retries: int,
    client_info: Mapping[str, Any] | None,
    capabilities: Mapping[str, Any],
    oauth: OAuth | None,
) -> Connection:
    """The core's connection."""
    options = {
        "url": url,
        "era": era if era in ("auto", "modern") else {"legacy": era},
        "timeout_ms": int(timeout * 1000),
        "max_retries": max_retries,
        "client_info": client_info,
        "capabilities": capabilities,
        "oauth": None if oauth is None else asdict(oauth),
    }
    return made(options)


def made(options: Mapping[str, Any]) -> Connection:
    """The core's connection; raises the core's error for what it does not take."""
    try:
        return Connection(json.dumps(options))
    except ValueError as error:
        try:
            told = json.loads(str(error))
        except ValueError:
            raise errors.invalid(str(error)) from None
        raise errors.from_object(told) from None
