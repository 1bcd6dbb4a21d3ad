"""Correlation labels of calls: echoed and logged by the server, never identity."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class MCPContext:
    """Labels that travel with a call as `MCP-Session-ID`, `MCP-Trace-ID`, `MCP-Transaction-ID`, `MCP-User-ID`.

    Without a session id a random one is made. `parameters` stays on this side.
    """

    session_id: str | None = None
    trace_id: str | None = None
    transaction_id: str | None = None
    user_id: str | None = None
    parameters: dict[str, Any] = field(default_factory=dict[str, Any])

    def __post_init__(self) -> None:
        if self.session_id is None:
            object.__setattr__(self, "session_id", str(uuid.uuid4()))

    @property
    def labels(self) -> tuple[str | None, str | None, str | None, str | None]:
        """Session, trace, transaction and user id."""
        return self.session_id, self.trace_id, self.transaction_id, self.user_id
