"""Which server a command talks to: the option, the environment, the user's file, the default."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, NamedTuple, cast

from .. import errors
from ..settings import DEFAULT_URL


class Setting(NamedTuple):
    """A value and where it comes from."""

    value: str
    origin: str


def file() -> Path:
    """The user's settings."""
    base = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(base) / "beam-mcp" / "client.json"


def server(option: str | None) -> Setting:
    """The server's URL."""
    if option:
        return Setting(option, "--server")
    if os.environ.get("BEAM_MCP_URL"):
        return Setting(os.environ["BEAM_MCP_URL"], "BEAM_MCP_URL")
    kept = _read().get("server")
    return Setting(kept, str(file())) if kept else Setting(DEFAULT_URL, "default")


def set_server(url: str) -> Path:
    """Keeps a URL for later commands."""
    path = file()
    settings = {**_read(), "server": url}
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_suffix(".tmp")
    beside.write_text(json.dumps(settings, indent=1) + "\n")
    beside.replace(path)
    return path


def _read() -> dict[str, Any]:
    path = file()
    try:
        settings: object = json.loads(path.read_text())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise errors.invalid(f"{path} cannot be read: {error}", "correct or delete it") from None
    if not isinstance(settings, dict):
        raise errors.invalid(f"{path} is not a JSON object", "correct or delete it")
    return cast("dict[str, Any]", settings)
