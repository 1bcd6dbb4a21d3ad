"""Bodies of requests to runners."""

from __future__ import annotations

import json
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from ..transport import Fault
from .staging import Refused

if TYPE_CHECKING:
    from ..transport import Body
    from .staging import Staging


def body_of(
    body: str | dict[str, Any], parts: list[bytes], staging: Staging
) -> tuple[str | None, Body]:
    """The media type (where the core leaves it to the host) and the body."""
    if isinstance(body, str):  # "empty"
        return None, b""
    [(kind, value)] = body.items()
    if kind == "json":
        return "application/json", json.dumps(value).encode()
    if kind == "form":
        return "application/x-www-form-urlencoded", urlencode(
            [tuple(pair) for pair in value]
        ).encode()
    if kind == "raw":
        part: int = value["part"]
        return None, parts[part]
    try:
        if kind == "source":
            return None, [staging.path(value)]
        return _multipart(value, staging)
    except Refused as refused:
        raise Fault("source", refused.reason) from refused


def _multipart(parts: list[dict[str, str]], staging: Staging) -> tuple[str, Body]:
    boundary = secrets.token_hex(16)
    segments: list[bytes | Path] = []
    for part in parts:
        segments += [_part_head(boundary, part), staging.path(part["source"]), b"\r\n"]
    segments.append(f"--{boundary}--\r\n".encode())
    return f"multipart/form-data; boundary={boundary}", segments


def _part_head(boundary: str, part: dict[str, str]) -> bytes:
    name, file_name = (part[key].translate(_QUOTED) for key in ("name", "file_name"))
    return (
        f"--{boundary}\r\n"
        f'content-disposition: form-data; name="{name}"; filename="{file_name}"\r\n'
        f"content-type: {part['content_type']}\r\n\r\n"
    ).encode()


_QUOTED = {ord('"'): "%22", ord("\r"): "%0D", ord("\n"): "%0A"}
