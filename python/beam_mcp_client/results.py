"""What calls return: JSON objects with attribute, item and `.get` access, and strings that carry their object.

Nothing is invented: a member the server did not send is absent as an item and `None` as a declared attribute.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Generic, TypeVar

from . import errors

T = TypeVar("T")


@functools.cache
def _declared(kind: type) -> frozenset[str]:
    """Names of the members a result class declares."""
    return frozenset(name for base in kind.__mro__ for name in inspect.get_annotations(base))


class Result(Mapping[str, Any]):
    """A JSON object that cannot be changed: `job.state`, `job["state"]` and `job.get("state")` are the same."""

    __slots__ = ("_data",)
    _data: dict[str, Any]

    def __init__(self, data: Mapping[str, Any]) -> None:
        object.__setattr__(self, "_data", data if isinstance(data, dict) else dict(data))

    def __getitem__(self, name: str) -> Any:
        return self._data[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._data)

    def __len__(self) -> int:
        return len(self._data)

    def __contains__(self, name: object) -> bool:
        return name in self._data

    def get(self, name: str, default: Any = None) -> Any:
        """The member, or `default` when it is absent."""
        return self._data.get(name, default)

    def __getattr__(self, name: str) -> Any:
        data = object.__getattribute__(self, "_data")
        if name in data:
            return data[name]
        if name in _declared(type(self)):
            return None
        raise AttributeError(f"{type(self).__name__} has no {name!r}; it has {', '.join(data)}")

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError("results cannot be changed; take to_dict() for a copy")

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *self._data})

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._data!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self._data,)

    def to_dict(self) -> dict[str, Any]:
        """A plain copy."""
        return dict(self._data)


class Job(Result):
    """A job as the server sees it now. Times are RFC 3339 in UTC, `duration` is in seconds."""

    __slots__ = ()
    job_id: str
    job_name: str
    name: str
    state: str
    terminal: bool
    needs_attention: bool
    runner_state: str | None
    native_id: str | None
    diagnostics: str
    target: str
    runner_type: str
    job_type: str | None
    creation_time: str
    start_time: str | None
    end_time: str | None
    duration: float | None
    parallelism: int | None
    savepoint_path: str | None
    ended_by: str | None
    open_operations: list[str] | None
    observed_at: str | None
    stale_since: str | None
    origin: str
    version: int
    replayed: bool | None
    notes: list[str] | None


class Operation(Result):
    """A savepoint, scale, drain, stop or cancel: `state` is one of `REQUESTED ACCEPTED IN_PROGRESS SUCCEEDED FAILED
    UNKNOWN`."""

    __slots__ = ()
    id: str
    operation_id: str
    job_id: str
    kind: str
    state: str
    terminal: bool
    requested_at: str
    savepoint_path: str | None
    parallelism: int | None
    actual: dict[str, int] | None
    diagnostics: str


class Changed(Result):
    """What a change of a job came to. While `pending` the runner works on it: see `get_operation`."""

    __slots__ = ()
    job_id: str
    state: str
    savepoint_path: str | None
    pending: bool | None
    replayed: bool | None
    notes: list[str] | None

    @property
    def job(self) -> Job | None:
        """The job after the change, or while it goes on."""
        return Job(self._data["job"]) if "job" in self._data else None

    @property
    def operation(self) -> Operation | None:
        """The durable record of the change."""
        return Operation(self._data["operation"]) if "operation" in self._data else None

    @property
    def plan(self) -> Plan | None:
        """What a dry run would do."""
        return Plan(self._data["plan"]) if "plan" in self._data else None


class Plan(Result):
    """What a write would do: send `digest` back as `plan_digest` to have exactly this done."""

    __slots__ = ()

    @classmethod
    def of(cls, answer: Mapping[str, Any]) -> Plan:
        """The plan of a dry run. An answer without one says that there is nothing to do, which is an error here."""
        if "plan" in answer:
            return cls(answer["plan"])
        notes = "; ".join(answer.get("notes") or ["the server planned nothing"])
        raise errors.from_object(
            {
                "code": "failed_precondition",
                "message": notes,
                "details": {"reason": "nothing_to_do"},
            }
        )

    digest: str
    summary: str
    calls: list[dict[str, Any]]
    options: list[dict[str, Any]]
    changes: list[str]
    unknown: list[str]


class Runner(Result):
    """A target and what it can do, as probed."""

    __slots__ = ()
    name: str
    target: str
    runner_type: str
    status: str
    description: str
    capabilities: list[str]
    unsupported: dict[str, dict[str, str]] | None
    """What it cannot do: `reason` and `suggestion` of each."""
    version: str | None


class Metrics(Result):
    """Metrics of a job; only what the runner or the pipeline reported."""

    __slots__ = ()
    job_id: str
    timestamp: str | None
    as_of: str | None
    source: str | None
    metrics: dict[str, Any]
    units: dict[str, str] | None
    """Unit of each unified name in `metrics`: `1` of a count."""
    user: list[dict[str, Any]]
    """Each has `name`, `namespace`, `step`, `kind`, `attempted`, `committed`, `unit` and `raw`: the runner's own words
    (by `attempted` and `committed`) of a value that is not exactly what it said."""
    system: list[dict[str, Any]]
    notes: list[str] | None


class Graph(Result):
    """Stages of a job as its runner shows them, and what feeds each."""

    __slots__ = ()
    job_id: str
    timestamp: str
    stages: list[dict[str, Any]]
    notes: list[str] | None
    svg: str | None


class Checkpoints(Result):
    """Checkpoints and savepoints of a job as its runner lists them, the newest first."""

    __slots__ = ()
    job_id: str
    timestamp: str
    counts: dict[str, int] | None
    restored_from: dict[str, Any] | None
    checkpoints: list[dict[str, Any]]
    notes: list[str] | None


class ExecutionContext(Result):
    """A run profile of the catalogue (S2): options that a submission names as `context_id`."""

    __slots__ = ()
    context_id: str
    mcp_resource_id: str
    mcp_resource_type: str
    mcp_created_at: str
    mcp_updated_at: str
    mcp_state: str
    mcp_generation: int
    mcp_labels: dict[str, str]
    mcp_annotations: dict[str, str]
    name: str
    description: str
    context_type: str
    status: str
    by_operator: bool
    """An admin wrote it: it may hold options that only an operator may set, and admins alone change it."""
    parameters: dict[str, Any]
    resources: dict[str, Any]
    metadata: dict[str, Any]
    deleted: str | None
    replayed: bool | None


class LogEntry(Result):
    """One line of a job's log. Its text was written by the pipeline or the runner: do not trust it."""

    __slots__ = ()
    timestamp: str | None
    severity: str
    message: str
    job_id: str
    worker_id: str | None
    step_name: str | None
    source: str

    def __str__(self) -> str:
        return " ".join(str(part) for part in (self.timestamp, self.severity, self.message) if part)


class Change(Job):
    """The job a wait ended with. `changed` is false when time ran out; send `cursor` to wait on from here."""

    __slots__ = ()
    changed: bool
    cursor: int


class Page(list[T], Generic[T]):
    """A list that knows whether more follows."""

    def __init__(self, items: Sequence[T], next_page_token: str | None = None) -> None:
        super().__init__(items)
        self.next_page_token = next_page_token
        """Send it as `page_token` for the next page; `None` at the end."""


class LogList(Page[LogEntry]):
    """Lines of a log, oldest first. Prints as text."""

    def __init__(self, data: Mapping[str, Any]) -> None:
        super().__init__([LogEntry(entry) for entry in data["logs"]], data.get("next_page_token"))
        self.notes: list[str] = list(data.get("notes", ()))
        """What a reader should know, for instance that other jobs write to the same log."""

    @property
    def logs(self) -> list[LogEntry]:
        """The lines."""
        return list(self)

    def __str__(self) -> str:
        return "\n".join(map(str, self))
