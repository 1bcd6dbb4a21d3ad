"""`beam-mcp config`."""

from __future__ import annotations

import argparse
import os

from .. import errors, settings
from ..http1 import HttpTransport
from ..local import EMBEDDED, LOCAL
from . import profile
from . import show as shown


def set_server(options: argparse.Namespace) -> None:
    """Keeps a server's URL."""
    url: str = options.url
    if url != EMBEDDED and not url.startswith(LOCAL):
        try:
            HttpTransport(url)
        except ValueError as error:
            raise errors.invalid(str(error), "give a URL such as http://127.0.0.1:8888") from None
    print(f"kept in {profile.set_server(url)}")


def show(options: argparse.Namespace) -> None:
    """Shows the settings."""
    server = profile.server(options.server)
    rows = [{"setting": "server", "value": server.value, "origin": server.origin}]
    for name, default in (
        ("MCP_CLIENT_TIMEOUT", str(settings.DEFAULT_TIMEOUT_S)),
        ("MCP_MAX_RETRIES", str(settings.DEFAULT_RETRIES)),
    ):
        value = os.environ.get(name)
        rows.append(
            {
                "setting": name,
                "value": value or default,
                "origin": "environment" if value else "default",
            }
        )
    secrets = ("BEAM_MCP_TOKEN", "BEAM_MCP_API_KEY")
    rows += [
        {
            "setting": name,
            "value": "set" if os.environ.get(name) else "not set",
            "origin": "environment",
        }
        for name in secrets
    ]
    shown.rows(rows, ("setting", "value", "origin"), options.output, "setting")
