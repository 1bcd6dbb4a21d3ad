"""Secrets of targets: named in the configuration, read here."""

from __future__ import annotations

import json
import os
import subprocess
import time
from pathlib import Path
from typing import Any

from ..transport import Fault

Header = tuple[str, str]

# A token is asked for again this often, in seconds: its source does not say how long it lives.
TOKEN_S = 60.0
# Longest a program is waited for, in seconds.
PROGRAM_S = 10.0


class Credentials:
    """The headers of targets' credentials, read when they are first needed."""

    def __init__(self, targets: dict[str, dict[str, Any]]) -> None:
        self._references: dict[str, dict[str, Any]] = {
            name: target["credential"]
            for name, target in targets.items()
            if target.get("credential")
        }
        self._kept: dict[str, tuple[Header, float]] = {}

    def header(self, target: str) -> Header:
        """The header of a target's credential."""
        header, until = self._kept.get(target, (None, 0.0))
        return header if header and time.monotonic() < until else self._read(target)

    def renewed(self, target: str, refused: Header) -> Header | None:
        """The same, read again; `None` when it is still the refused one."""
        fresh = self._read(target)
        return None if fresh == refused else fresh

    def _read(self, target: str) -> Header:
        reference = self._references.get(target)
        if reference is None:
            raise Fault("credential", "the target has no credential")
        name = (reference.get("header") or "authorization").lower()
        token = reference.get("token")
        secret = _token(token) if token else _secret(reference["secret"])
        prefix = reference.get("prefix")
        header = (
            name,
            ("Bearer " if token else "") + secret if prefix is None else prefix + secret,
        )
        self._kept[target] = (header, time.monotonic() + TOKEN_S if token else float("inf"))
        return header


def _secret(reference: str) -> str:
    kind, _, place = reference.partition(":")
    try:
        secret = Path(place).read_text() if kind == "file" else os.environ[place]
    except (KeyError, OSError):
        raise Fault("credential", f"the secret `{kind}:` names cannot be read") from None
    if not secret.strip():
        raise Fault("credential", "the secret is empty")
    return secret.strip()


def _token(source: str | dict[str, Any]) -> str:
    """A token from a file or a program, as text or in OAuth's JSON."""
    kind, place = next(iter(source.items())) if isinstance(source, dict) else (source, None)
    if kind == "file":
        text = _secret(f"file:{place}")
    elif kind == "command" and place:
        text = _printed(place)
    else:
        raise Fault(
            "credential", f"`{kind}` needs a beam-mcp-server; here, name a `file` or a `command`"
        )
    if not text.startswith("{"):
        return text
    try:
        return str(json.loads(text)["access_token"])
    except (ValueError, KeyError):
        raise Fault("credential", "its source did not give a token") from None


def _printed(argv: list[str]) -> str:
    try:
        ran = subprocess.run(argv, capture_output=True, text=True, timeout=PROGRAM_S, check=True)
    except (OSError, subprocess.SubprocessError):
        raise Fault("credential", "the token's program failed") from None
    if not ran.stdout.strip():
        raise Fault("credential", "its source did not give a token")
    return ran.stdout.strip()
