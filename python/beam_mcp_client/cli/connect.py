"""The client of a command."""

from __future__ import annotations

import argparse

from ..client import MCPClient
from . import profile


def connected(options: argparse.Namespace) -> MCPClient:
    """A client of the server that the options, the environment or the user's file name."""
    how = getattr(options, "transport", None)
    return MCPClient(profile.server(options.server).value, transport=how)
