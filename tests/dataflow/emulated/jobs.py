"""Jobs of the emulated Dataflow: their states, and how time moves them."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

TERMINAL = {f"JOB_STATE_{word}" for word in ("DONE", "FAILED", "CANCELLED", "UPDATED", "DRAINED")}
IMPORTANCE = [f"JOB_MESSAGE_{word}" for word in ("DEBUG", "DETAILED", "BASIC", "WARNING", "ERROR")]

# The moves the document describes; anything else is a defect of the emulator.
MOVES = {
    "QUEUED": ("PENDING", "CANCELLED"),
    "PENDING": ("RUNNING", "FAILED", "CANCELLING"),
    "RUNNING": ("DONE", "FAILED", "CANCELLING", "UPDATED", "DRAINING", "PAUSING"),
    "DRAINING": ("DRAINED", "CANCELLING", "FAILED"),
    "CANCELLING": ("CANCELLED", "FAILED"),
    "PAUSING": ("PAUSED", "CANCELLING", "RUNNING"),
    "PAUSED": ("RUNNING", "CANCELLING"),
}


def moment(at: float) -> str:
    """RFC 3339 with microseconds, as Google writes it."""
    return datetime.fromtimestamp(at, timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


@dataclass
class Timing:
    """Seconds of the emulator's clockwork."""

    hidden: float = 0.3  # a new job is not shown
    pending: float = 0.2
    batch: float = 3600.0  # a batch job runs; tests end it themselves
    ending: float = 0.2  # cancelling, draining
    snapshot: float = 0.3


@dataclass
class Job:
    """One job."""

    id: str
    name: str
    streaming: bool
    created: float
    labels: dict[str, str]
    environment: dict[str, Any]
    parameters: dict[str, str]
    shown_from: float = 0.0
    state: str = "JOB_STATE_PENDING"
    since: float = 0.0
    started: float = 0.0
    replace: str = ""
    replaced_by: str = ""
    from_snapshot: str = ""
    client_request: str = ""
    workers: dict[str, Any] = field(default_factory=dict)
    messages: list[dict[str, Any]] = field(default_factory=list)
    scalings: list[dict[str, Any]] = field(default_factory=list)
    written: list[dict[str, Any]] = field(default_factory=list)

    @property
    def active(self) -> bool:
        """True while its name is taken."""
        return self.state not in TERMINAL

    @property
    def engine(self) -> bool:
        """True with Streaming Engine."""
        experiments = self.environment.get("additionalExperiments", [])
        return bool(
            self.environment.get("enableStreamingEngine")
            or "enable_streaming_engine" in experiments
        )

    def move(self, word: str, at: float | None = None) -> None:
        """Takes a state that may follow."""
        assert word in MOVES[self.state.removeprefix("JOB_STATE_")], (self.state, word)
        self.state, self.since = f"JOB_STATE_{word}", at or time.time()
        self.say("BASIC", f"Emulated: the job is {word}.", self.since)

    def say(self, importance: str, text: str, at: float | None = None) -> None:
        """Adds a job message."""
        at = at or time.time()
        message = {"id": f"emulated-{len(self.messages)}", "time": moment(at), "messageText": text}
        self.messages.append(message | {"messageImportance": f"JOB_MESSAGE_{importance}"})

    def write(self, log: str, severity: str, text: str, at: float | None = None) -> None:
        """Adds what a worker writes."""
        entry = {"log": log, "severity": severity, "timestamp": moment(at or time.time())}
        self.written.append(entry | {"message": text})

    def scale(self, current: int, target: int) -> None:
        """Adds an autoscaling event."""
        text = f"Emulated: workers go from {current} to {target}."
        event = {"time": moment(time.time()), "eventType": "TARGET_NUM_WORKERS_CHANGED"}
        event |= {
            "currentNumWorkers": str(current),
            "targetNumWorkers": str(target),
            "workerPool": "Regular",
        }
        self.scalings.append(
            event | {"description": {"messageText": text, "messageKey": "EMULATED"}}
        )

    def tick(self, timing: Timing) -> None:
        """What the time since the last move has brought."""
        now = time.time()
        if self.state == "JOB_STATE_PENDING" and now >= self.created + timing.pending:
            self.started = self.created + timing.pending
            self.move("RUNNING", self.started)
            self.scale(0, int(self.environment.get("numWorkers", 1)))
            self.write("worker-startup", "INFO", "Emulated: the worker starts.", self.started)
            self.write("worker", "WARNING", "Emulated: nothing to work on.", self.started)
        if self.state == "JOB_STATE_RUNNING" and self.parameters.get("emulated") == "fail":
            self.say(
                "ERROR", "Emulated: Workflow failed. Causes: the parameter `emulated` says so."
            )
            self.move("FAILED")
        if (
            self.state == "JOB_STATE_RUNNING"
            and not self.streaming
            and now >= self.started + timing.batch
        ):
            self.move("DONE")
        ends = {"JOB_STATE_CANCELLING": "CANCELLED", "JOB_STATE_DRAINING": "DRAINED"}
        if self.state in ends and now >= self.since + timing.ending:
            self.move(ends[self.state])

    def show(self, project: str, region: str, view: str) -> dict[str, Any]:
        """The job as the API gives it: labels and environment are no part of a summary."""
        shown: dict[str, Any] = {
            "id": self.id,
            "projectId": project,
            "location": region,
            "name": self.name,
            "type": "JOB_TYPE_STREAMING" if self.streaming else "JOB_TYPE_BATCH",
            "currentState": self.state,
            "currentStateTime": moment(self.since or self.created),
            "createTime": moment(self.created),
            "startTime": moment(self.started or self.created),
            "replaceJobId": self.replace,
            "replacedByJobId": self.replaced_by,
            "createdFromSnapshotId": self.from_snapshot,
            "clientRequestId": self.client_request,
            "runtimeUpdatableParams": dict(self.workers),
        }
        if view in ("JOB_VIEW_ALL", "JOB_VIEW_DESCRIPTION", "2", "3"):
            experiments = self.environment.get("additionalExperiments", [])
            shown |= {
                "labels": dict(self.labels),
                "environment": {"experiments": list(experiments)},
            }
        return {name: value for name, value in shown.items() if value}
