"""What a call raises. The classes are the column `python` of the core's error table."""

from __future__ import annotations

from typing import Any

from ._core import error_table


class MCPError(Exception):
    """Base of everything this package raises about a call.

    `str(error)` says what was wrong and what to do next; the attributes say it to programs.
    """

    code: str
    """Stable word, the same in every language: `not_found`, `unavailable`, ..."""
    reason: str
    """Machine word, finer than the code."""
    message: str
    """What was wrong and what was expected."""
    suggestion: str
    """What to do next."""
    request_id: str | None
    """Names the request in the server's log."""
    status: int | None
    """HTTP status, where there was an answer."""
    retryable: bool
    """Whether the same call may succeed later."""
    context: dict[str, str]
    """Named facts."""
    exit_code: int
    """Exit code of the command line."""

    def __init__(
        self,
        message: str,
        *,
        code: str = "internal",
        reason: str = "",
        suggestion: str = "",
        request_id: str | None = None,
        status: int | None = None,
        retryable: bool = False,
        context: dict[str, str] | None = None,
        exit_code: int = 1,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason or code
        self.message = message
        self.suggestion = suggestion
        self.request_id = request_id
        self.status = status
        self.retryable = retryable
        self.context = context or {}
        self.exit_code = exit_code

    def __str__(self) -> str:
        return f"{self.message}; {self.suggestion}" if self.suggestion else self.message

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuilt, (type(self), self.message, dict(self.__dict__))


def _rebuilt(kind: type[MCPError], message: str, state: dict[str, Any]) -> MCPError:
    error = kind(message)
    error.__dict__.update(state)
    return error


BeamMCPError = MCPError


class APIError(MCPError):
    """The server refused or failed, or could not be reached."""


class ValidationError(APIError, ValueError):
    """The input is wrong."""


class AuthError(APIError):
    """No token, or an unknown one."""


class PermissionDeniedError(APIError):
    """The token's role may not do this."""


class NotFoundError(APIError, LookupError):
    """No such thing for this caller."""


class ConflictError(APIError):
    """Another write was first, or the idempotency key stands for something else."""


class FailedPreconditionError(APIError):
    """The state of things does not allow it."""


class UnsupportedError(APIError):
    """The runner or host has no such thing."""


class RateLimitError(APIError):
    """Too many calls."""


class JobFailedError(APIError):
    """The runner's job failed."""


class UnavailableError(APIError, ConnectionError):
    """The server, a runner, a store or the network between is not there."""

    __str__ = MCPError.__str__


class DeadlineError(APIError, TimeoutError):
    """Time ran out."""

    __str__ = MCPError.__str__


class CancelledError(MCPError):
    """The call was cancelled before it ended. Not `asyncio.CancelledError`, which is raised as such."""


class MisuseError(MCPError):
    """The contract between the core and its host was broken: a defect of this package."""


_CLASSES: dict[str, type[MCPError]] = {
    kind.__name__: kind
    for kind in (
        APIError,
        ValidationError,
        AuthError,
        PermissionDeniedError,
        NotFoundError,
        ConflictError,
        FailedPreconditionError,
        UnsupportedError,
        RateLimitError,
        JobFailedError,
        UnavailableError,
        DeadlineError,
        CancelledError,
        MisuseError,
    )
}

BY_CODE: dict[str, tuple[type[MCPError], int]] = {
    code: (_CLASSES[python], exit_code)
    for code, _http, _rpc, python, _js, exit_code in error_table()
}
"""Class and exit code of every error code."""


def from_object(error: dict[str, Any]) -> MCPError:
    """The exception of an error object as the core writes it."""
    kind, exit_code = BY_CODE[error["code"]]
    context = {name: str(value) for name, value in error.get("details", {}).items()}
    status = context.pop("status", None)
    return kind(
        error["message"],
        code=error["code"],
        reason=context.pop("reason", ""),
        suggestion=context.pop("suggestion", ""),
        request_id=context.pop("request_id", None),
        status=int(status) if status is not None else None,
        retryable=error.get("retryable", False),
        context=context,
        exit_code=exit_code,
    )


def invalid(message: str, suggestion: str = "") -> ValidationError:
    """A mistake in the input that is seen before anything is sent."""
    return ValidationError(
        message,
        code="invalid_argument",
        suggestion=suggestion,
        exit_code=BY_CODE["invalid_argument"][1],
    )
