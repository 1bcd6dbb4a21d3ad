"""A Flink that answers what a real 2.2.1 was seen to answer (tests/vectors/flink/recorded), and counts what it ran."""

from __future__ import annotations

import json
import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

from http1 import Message, Server, answer

RECORDED = Path(__file__).resolve().parents[1] / "vectors" / "flink" / "recorded" / "2.2.1"
JOB = "0bea0000000000000000000000000001"


def recorded(name: str) -> tuple[int, str]:
    """Status and body as they were recorded."""
    record = json.loads((RECORDED / f"{name}.json").read_text(encoding="utf-8"))
    return record["status"], json.dumps(record["body"])


class Flink(Server):
    """Jobs that run until they are cancelled."""

    def __init__(self) -> None:
        super().__init__(self._answer)
        names = [
            "config", "overview", "jars-empty", "jars-upload", "run", "job-running", "job-canceled", "job-unknown",
            "checkpoints-running", "cancel", "jobs-overview", "jobs-overview-empty", "unknown-path", "run-duplicate",
        ]
        self._recorded = {name: recorded(name) for name in names if (RECORDED / f"{name}.json").is_file()}
        self.states: dict[str, str] = {}
        self.runs: dict[str, int] = {}
        self.calls = 0
        self.in_flight = 0
        self.peak = 0

    def say(self, name: str, job: str = JOB) -> bytes:
        """A recorded answer, about another job."""
        status, body = self._recorded[name]
        return answer(status, json.loads(body.replace(JOB, job)))

    async def _answer(self, request: Message) -> bytes:
        self.calls += 1
        path = unquote(urlsplit(request.path).path).strip("/").split("/")
        match (request.method, *path):
            case ("GET", "config"):
                return self.say("config")
            case ("GET", "overview"):
                return self.say("overview")
            case ("GET", "jars"):
                return self.say("jars-empty")
            case ("POST", "jars", "upload"):
                return self._upload(request)
            case ("POST", "jars", _, "run"):
                return self._run(json.loads(request.body)["jobId"])
            case ("DELETE", "jars", _):
                return answer(200, {})
            case ("GET", "jobs", "overview"):
                return answer(200, {"jobs": [self._line(job, state) for job, state in self.states.items()]})
            case ("PATCH", "jobs", job) if job in self.states:
                self.states[job] = "CANCELED"
                return self.say("cancel", job)
            case ("GET", "jobs", job):
                return self._job(job)
            case ("GET", "jobs", job, "checkpoints") if job in self.states:
                return self.say("checkpoints-running", job)
        return self.say("unknown-path")

    def _upload(self, request: Message) -> bytes:
        found = re.search(rb'filename="([^"]+)"', request.body)
        name = found.group(1).decode() if found else "x.jar"
        return answer(200, {"filename": f"/tmp/flink-web-upload/1_{name}", "status": "success"})

    def _run(self, job: str) -> bytes:
        self.runs[job] = self.runs.get(job, 0) + 1
        if job in self.states:
            return self.say("run-duplicate", job)
        self.states[job] = "RUNNING"
        return answer(200, {"jobid": job})

    def _job(self, job: str) -> bytes:
        state = self.states.get(job)
        if state is None:
            return self.say("job-unknown", job)
        return self.say("job-running" if state == "RUNNING" else "job-canceled", job)

    def _line(self, job: str, state: str) -> dict[str, object]:
        status, body = self._recorded["jobs-overview"]
        line = dict(json.loads(body)["jobs"][0])
        return {**line, "jid": job, "state": state, "end-time": -1 if state == "RUNNING" else line["end-time"]}
