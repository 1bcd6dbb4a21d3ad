"""`beam-mcp runner`."""

from __future__ import annotations

import argparse

from . import show
from .connect import connected


def listing(options: argparse.Namespace) -> None:
    """Lists the targets."""
    with connected(options) as client:
        runners = client.list_runners(timeout=options.timeout)
    columns = ("name", "runner_type", "status", "version", "capabilities")
    show.rows([runner.to_dict() for runner in runners], columns, options.output, "name")
