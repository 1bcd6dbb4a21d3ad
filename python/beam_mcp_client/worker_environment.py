"""What code that a pipeline brings sees of a worker pool's environment: nothing that may be a secret of the pool's."""

from __future__ import annotations

import os

ALLOWED = frozenset({"HOME", "LANG", "PATH", "TMPDIR", "TZ", "VIRTUAL_ENV"})
FAMILIES = ("LC_", "BEAM_")
FOR_PIP = ("PIP_", "SSL_CERT_")
CERTIFICATES = "REQUESTS_CA_BUNDLE"


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
    return name in ALLOWED or name.startswith(FAMILIES)


def _leads_to_index(name: str) -> bool:
    is_proxy = name.lower().endswith("_proxy")
    return is_proxy or name == CERTIFICATES or name.startswith(FOR_PIP)
