"""Where a client's transport comes from: a server far away, one of its own, or the engine in this process."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from . import errors
from .http1 import HttpTransport

if TYPE_CHECKING:
    from .transport import Transport

LOCAL = "local:"
EMBEDDED = "embedded:"
PIPE = "stdio:"
"""Before the command of a server that is a program; alone it is the core's name for what is behind a pipe."""


def transport(
    url: str, verify_ssl: bool, ca_file: str | None, config: Mapping[str, Any] | None
) -> Transport:
    """The transport for a client's URL: `http(s)://…`, `local:` (or `local:FOLDER`), `embedded:` or `stdio:COMMAND`."""
    if url == EMBEDDED:
        from .embedded import EmbeddedTransport

        return EmbeddedTransport(config)
    if url.startswith(LOCAL):
        from .server import LocalTransport

        return LocalTransport(config, url.removeprefix(LOCAL) or None)
    if url.startswith(PIPE):
        from .mcp.pipe import Pipe

        return Pipe(url.removeprefix(PIPE))
    if config is not None:
        raise errors.invalid("`config` is for `local:` and `embedded:`", f"configure {url} itself")
    try:
        return HttpTransport(url, verify_ssl, ca_file)
    except ValueError as error:
        raise errors.invalid(str(error), "give a URL such as http://127.0.0.1:8888") from None
