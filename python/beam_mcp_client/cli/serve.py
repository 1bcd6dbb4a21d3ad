"""`beam-mcp serve`: hands over to the server's own program."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from .. import server


def serve(arguments: Sequence[str]) -> NoReturn:
    """Runs `beam-mcp-server serve` with these arguments in the place of this process."""
    binary = server.find_binary()
    sys.stdout.flush()
    sys.stderr.flush()
    os.execve(binary, [server.BINARY, "serve", *arguments], server.environment())  # noqa: S606
