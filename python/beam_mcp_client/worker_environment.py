"""What code that a pipeline brings sees of a worker pool's environment: nothing that may be a secret of the pool's."""

from __future__ import annotations

import ctypes
import os
import sys

ALLOWED = frozenset({"HOME", "LANG", "PATH", "TMPDIR", "TZ", "VIRTUAL_ENV"})
FAMILY = "LC_"
FOR_PIP = ("PIP_", "SSL_CERT_")
CERTIFICATES = "REQUESTS_CA_BUNDLE"


PR_SET_DUMPABLE = 4


def keep_to_oneself() -> None:
    """Closes this process's environment and memory to others of its user, so to the workers it starts."""
    if sys.platform == "linux" and ctypes.CDLL(None, use_errno=True).prctl(PR_SET_DUMPABLE, 0):
        raise OSError(ctypes.get_errno(), "the process cannot be closed to its workers")


def of_worker() -> dict[str, str]:
    """For a worker."""
    return {name: value for name, value in os.environ.items() if _is_allowed(name)}


def of_pip() -> dict[str, str]:
    """For pip, which runs the build of a source package: how it reaches its index, besides."""
    return {
        name: value
        for name, value in os.environ.items()
        if _is_allowed(name) or _leads_to_index(name)
    }


def _is_allowed(name: str) -> bool:
    return name in ALLOWED or name.startswith(FAMILY)


def _leads_to_index(name: str) -> bool:
    is_proxy = name.lower().endswith("_proxy")
    return is_proxy or name == CERTIFICATES or name.startswith(FOR_PIP)
