"""Secrets of targets: named in the configuration, read here."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from ..transport import Fault

Header = tuple[str, str]


class Credentials:
    """The headers of targets' credentials, read when they are first needed."""

    def __init__(self, targets: dict[str, dict[str, Any]]) -> None:
        self._references: dict[str, dict[str, Any]] = {
            name: target["credential"]
            for name, target in targets.items()
            if target.get("credential")
        }
        self._kept: dict[str, Header] = {}

    def header(self, target: str) -> Header:
        """The header of a target's credential."""
        return self._kept.get(target) or self._read(target)

    def renewed(self, target: str, refused: Header) -> Header | None:
        """The same, read again; `None` when it is still the refused one."""
        fresh = self._read(target)
        return None if fresh == refused else fresh

    def _read(self, target: str) -> Header:
        reference = self._references.get(target)
        if reference is None:
            raise Fault("credential", "the target has no credential")
        name = (reference.get("header") or "authorization").lower()
        header = (name, (reference.get("prefix") or "") + _secret(reference["secret"]))
        self._kept[target] = header
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
