"""Where a client's settings come from: arguments first, then the environment, then defaults."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from . import errors

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
    options_json: str = field(init=False)

    def __post_init__(self) -> None:
        options = {"timeout_ms": int(self.timeout * 1000), "max_retries": self.max_retries}
        object.__setattr__(self, "options_json", json.dumps(options))


def from_environment(
    url: str | None,
    timeout: float | None,
    max_retries: int | None,
    labels: tuple[str | None, str | None, str | None, str | None],
    environ: Mapping[str, str] = os.environ,
) -> Settings:
    """Settings from arguments and `BEAM_MCP_URL`, `BEAM_MCP_TIMEOUT` or `MCP_CLIENT_TIMEOUT`, `MCP_MAX_RETRIES`."""
    return Settings(
        url or environ.get("BEAM_MCP_URL") or DEFAULT_URL,
        _first(
            timeout, environ, ("BEAM_MCP_TIMEOUT", "MCP_CLIENT_TIMEOUT"), float, DEFAULT_TIMEOUT_S
        ),
        int(_first(max_retries, environ, ("MCP_MAX_RETRIES",), int, DEFAULT_RETRIES)),
        labels,
    )


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
