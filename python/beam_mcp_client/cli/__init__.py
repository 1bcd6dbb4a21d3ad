"""The command `beam-mcp`. Holds no logic of jobs: each command is a call of the client and a way to show its answer."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from .. import errors
from . import arguments, serve, show

INTERRUPTED = 130


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a command line and returns its exit code: 0 done, 1 fault, 2 usage, 3 not found, 4 not allowed, 5 refused,
    6 unsupported, 7 job failed, 124 out of time."""
    given = list(sys.argv[1:] if argv is None else argv)
    try:
        if given[:1] == ["serve"]:
            serve.serve(given[1:])
        options = arguments.parse(given)
        code = int(options.run(options) or 0)
        sys.stdout.flush()
    except errors.MCPError as error:
        show.error(error)
        return error.exit_code
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # The reader has seen enough; what is left in the buffer has nowhere to go.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return code
