"""Strings that carry the object they were taken from: the id of a job, the path of a savepoint, the name of code."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, SupportsIndex, overload

from ._typing import Self
from .results import Job, Operation, Result


class _Named(str):
    """A string that carries the object it was taken from: members are attributes and items."""

    __slots__ = ("_result",)
    _result: Result

    @classmethod
    def _of(cls, text: str, result: Result) -> Self:
        named = super().__new__(cls, text)
        object.__setattr__(named, "_result", result)
        return named

    def __getattr__(self, name: str) -> Any:
        return getattr(object.__getattribute__(self, "_result"), name)

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError("results cannot be changed; take to_dict() for a copy")

    @overload
    def __getitem__(self, key: SupportsIndex | slice) -> str: ...
    @overload
    def __getitem__(self, key: str) -> Any: ...
    def __getitem__(self, key: SupportsIndex | slice | str) -> Any:
        return self._result[key] if isinstance(key, str) else super().__getitem__(key)

    def get(self, name: str, default: Any = None) -> Any:
        """The member, or `default` when it is absent."""
        return self._result.get(name, default)

    def to_dict(self) -> dict[str, Any]:
        """A plain copy of the object."""
        return self._result.to_dict()

    def __reduce__(self) -> tuple[Any, ...]:
        return _named, (type(self), str(self), self._result)


def _named(kind: type[_Named], text: str, result: Result) -> _Named:
    return kind._of(text, result)  # pyright: ignore[reportPrivateUsage]


class JobRef(_Named):
    """The id of a submitted job; its members as of the submission are attributes."""

    __slots__ = ()

    @classmethod
    def of(cls, job: Job) -> Self:
        """The id of a job."""
        return cls._of(job.job_id, job)

    @property
    def job(self) -> Job:
        """The job as of the submission."""
        result = self._result
        assert isinstance(result, Job)  # noqa: S101
        return result


class Savepoint(_Named):
    """The path of a savepoint, empty until it is finished; the operation's members are attributes and items."""

    __slots__ = ()

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Self:
        """The savepoint of a change."""
        operation: dict[str, Any] = data.get("operation") or {}
        path = data.get("savepoint_path") or operation.get("savepoint_path")
        named = {
            "savepoint_id": str(operation.get("operation_id", "")).rpartition("/")[2],
            "savepoint_path": path,
            "location": path,
            "pending": data.get("pending", False),
            "job_id": data.get("job_id"),
        }
        return cls._of(path or "", Operation({**operation, **named}))


class Artifact(_Named):
    """The name of uploaded code, accepted wherever `code_path` is."""

    __slots__ = ()

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Self:
        """The artifact of the upload's answer."""
        return cls._of(data["artifact"], Result(data))
