"""`NAME=VALUE` on a command line."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from .. import errors


def pairs(flag: str, texts: Sequence[str]) -> dict[str, Any]:
    """The values by name; a name has one."""
    found: dict[str, Any] = {}
    for name, value in (_pair(flag, text) for text in texts):
        if found.setdefault(name, value) != value:
            raise errors.invalid(f"{flag} {name} is given twice, with different values")
    return found


def _pair(flag: str, text: str) -> tuple[str, Any]:
    """`name=value`; a value that is a JSON number, flag, list or object is one, any other is text."""
    name, sign, value = text.partition("=")
    if not sign or not name:
        raise errors.invalid(f"{flag} {text!r} is not NAME=VALUE")
    try:
        parsed = json.loads(value)
    except ValueError:
        return name, value
    return name, value if parsed is None or isinstance(parsed, str) else parsed
