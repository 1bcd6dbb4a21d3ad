"""Where a client's settings come from: arguments first, then the environment, then defaults."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit, urlunsplit

from . import errors
from .local import PIPE

DEFAULT_URL = "http://127.0.0.1:8888"
DEFAULT_TIMEOUT_S = 30.0
DEFAULT_RETRIES = 3


@dataclass(frozen=True)
class Settings:
    """How a client reaches its server and makes its calls."""

    url: str
    timeout: float
    """Limit on one exchange in seconds."""
    max_retries: int
    labels: tuple[str | None, str | None, str | None, str | None]
    target: str | None = None
    protocol: str = "rest"
    """`rest`, or `mcp` for calls of tools."""
    endpoint: str = "/mcp"
    """Path of the MCP endpoint on the server."""
    options_json: str = field(init=False)

    def __post_init__(self) -> None:
        options = {
            "timeout_ms": int(self.timeout * 1000),
            "max_retries": self.max_retries,
        }
        object.__setattr__(self, "options_json", json.dumps(options))


def from_environment(
    url: str | None,
    timeout: float | None,
    max_retries: int | None,
    labels: tuple[str | None, str | None, str | None, str | None],
    environ: Mapping[str, str] = os.environ,
    protocol: str | None = None,
) -> Settings:
    """Settings from arguments and `BEAM_MCP_URL`, `BEAM_MCP_TRANSPORT`, `BEAM_MCP_TIMEOUT` or `MCP_CLIENT_TIMEOUT`,
    `MCP_MAX_RETRIES`.
    """
    where = url or environ.get("BEAM_MCP_URL") or DEFAULT_URL
    how = protocol or environ.get("BEAM_MCP_TRANSPORT") or "rest"
    if where.startswith(PIPE):
        if protocol == "rest":
            raise errors.invalid("a program is spoken to over MCP", "leave `transport` out")
        how = "mcp"
    if how not in ("rest", "mcp"):
        raise errors.invalid(f"`{how}` is no way to travel", "use rest or mcp")
    server, endpoint = _endpoint(where) if how == "mcp" else (where, "/mcp")
    return Settings(
        server,
        _first(
            timeout, environ, ("BEAM_MCP_TIMEOUT", "MCP_CLIENT_TIMEOUT"), float, DEFAULT_TIMEOUT_S
        ),
        int(_first(max_retries, environ, ("MCP_MAX_RETRIES",), int, DEFAULT_RETRIES)),
        labels,
        protocol=how,
        endpoint=endpoint,
    )


def _endpoint(url: str) -> tuple[str, str]:
    """Server and path of the endpoint; a URL without a path means the usual one."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return url, "/mcp"  # its transport refuses it
    if parts.scheme not in ("http", "https") or not parts.path.strip("/"):
        return url, "/mcp"
    return urlunsplit((parts.scheme, parts.netloc, "", "", "")), parts.path


def _first(
    given: float | None,
    environ: Mapping[str, str],
    names: tuple[str, ...],
    read: Callable[[str], float],
    default: float,
) -> float:
    value, origin = given, "the argument"
    for name in names:
        if value is None and environ.get(name):
            origin = name
            try:
                value = read(environ[name])
            except ValueError:
                raise errors.invalid(f"{name}={environ[name]!r} is no number") from None
    value = default if value is None else value
    if not 0 <= value <= 1e6:
        raise errors.invalid(f"{origin}: {value} is out of range")
    return value
