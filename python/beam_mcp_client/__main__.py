"""`python -m beam_mcp_client`."""

import sys

from .cli import main

sys.exit(main())
