"""A Flink on loopback that answers what a real one was seen to answer (tests/vectors/flink/recorded).

A jar called `batch…` runs as the recorded batch job, one called `ended…` as the recorded finished job, any other as
the recorded streaming job; only ids are put in the place of the recorded ones.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from fake_server import FakeServer, Seen, answer, serving

RECORDED = Path(__file__).resolve().parents[1] / "vectors" / "flink" / "recorded" / "1.20.5"
JOBS = {"batch": "beam-job-running-batch", "ended": "job-finished", "": "job-running"}


def recorded(name: str, **ids: str) -> bytes:
    """The recorded answer, with other ids in it."""
    record = json.loads((RECORDED / f"{name}.json").read_text(encoding="utf-8"))
    body = json.dumps(record["body"])
    for old, new in ids.items():
        body = body.replace(old, new)
    return answer(record["status"], body.encode())


class RecordedFlink:
    """Its jars and jobs; everything else is in the recordings."""

    def __init__(self) -> None:
        self.jars: dict[str, str] = {}
        self.jobs: dict[str, str] = {}

    def __call__(self, seen: Seen) -> bytes:  # noqa: PLR0911 - one for each address
        path = unquote(urlsplit(seen.path).path)
        match (seen.method, *path.strip("/").split("/")):
            case ("GET", "config" | "overview" as name):
                return recorded(name)
            case ("GET", "jars"):
                return recorded("jars-empty")
            case ("GET", "jobs", "overview"):
                return recorded("jobs-overview-empty")
            case ("POST", "jars", "upload"):
                return self.upload(seen)
            case ("POST", "jars", jar, "run"):
                return self.run(jar, json.loads(seen.body))
            case ("GET", "jobs", job):
                return self.job(job)
            case ("PATCH", "jobs", _):
                return recorded("cancel-finished")
            case ("GET", "jobs", _, "checkpoints"):
                return recorded("checkpoints-finished")
        return recorded("unknown-path")

    def upload(self, seen: Seen) -> bytes:
        name = re.search(rb'filename="([^"]+)"', seen.body)
        assert name
        jar = f"430e0d43-ff9d-4fa0-a094-5621a5ef1056_{name[1].decode()}"
        self.jars[jar] = name[1].decode().split("-", 1)[1]
        return recorded("jars-upload", **{"430e0d43-ff9d-4fa0-a094-5621a5ef1056_ratejob.jar": jar})

    def run(self, jar: str, body: dict[str, Any]) -> bytes:
        if jar not in self.jars:
            return recorded("run-unknown-jar")
        self.jobs[body["jobId"]] = self.jars[jar]
        return recorded("run", **{"0bea0000000000000000000000000001": body["jobId"]})

    def job(self, job: str) -> bytes:
        if job not in self.jobs:
            return recorded("job-unknown", ffffffffffffffffffffffffffffffff=job)
        name = next(name for kind, name in JOBS.items() if self.jobs[job].startswith(kind))
        record = json.loads((RECORDED / f"{name}.json").read_text(encoding="utf-8"))
        return recorded(name, **{record["body"]["jid"]: job})


@contextlib.contextmanager
def recorded_flink() -> Iterator[FakeServer]:
    """One for the time of a `with`."""
    with serving(RecordedFlink()) as server:
        yield server
