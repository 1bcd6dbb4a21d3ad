"""How a client proves who it is. Secrets stay on this side: the core never sees them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping


class Auth:
    """The headers that identify a caller, from fixed values or from a provider of short-lived tokens."""

    def __init__(
        self,
        token: str | None = None,
        api_key: str | None = None,
        headers: Mapping[str, str] | None = None,
        provider: Callable[[], str] | None = None,
    ) -> None:
        self._fixed = {name.lower(): value for name, value in (headers or {}).items()}
        if api_key:
            self._fixed["x-api-key"] = api_key
        if token:
            self._fixed["authorization"] = f"Bearer {token}"
        self._provider = provider
        self._lock = threading.Lock()
        self._current: str | None = None

    @property
    def renewable(self) -> bool:
        """True when a refused token can be replaced."""
        return self._provider is not None

    def headers(self) -> list[tuple[str, str]]:
        """The headers to attach. May ask the provider; one thread at a time does."""
        if self._provider is None:
            return list(self._fixed.items())
        with self._lock:
            if self._current is None:
                self._current = self._provider()
            return [*self._fixed.items(), ("authorization", f"Bearer {self._current}")]

    def refuse(self, used: list[tuple[str, str]]) -> None:
        """Forgets the token of these headers, unless another thread has replaced it already."""
        with self._lock:
            if ("authorization", f"Bearer {self._current}") in used:
                self._current = None
