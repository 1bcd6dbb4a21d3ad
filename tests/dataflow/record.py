"""Writes tests/vectors/dataflow/emulated: answers of the emulator, which the core's unit tests read.

Run it with the interpreter of `make test-dataflow` when the document or the emulator has changed. Ids and times differ
from run to run; `test_dataflow_requests.py` holds each file against the document.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from conftest import STREAM, STREAMING, WORD_COUNT, WORDS
from emulated import Service
from emulated.document import of_path
from emulated.service import Refusal

VECTORS = Path(__file__).parents[1] / "vectors" / "dataflow" / "emulated"
PLACE = "/v1b3/projects/acme-prod/locations/us-central1"


class Recorder:
    """Asks a service and keeps what it answers."""

    def __init__(self) -> None:
        self.service = Service()
        self.service.timing.hidden = self.service.timing.pending = 0

    def ask(self, name: str, method: str, rest: str, body: Any = None) -> dict[str, Any]:
        """One answer, kept under a name."""
        parts = urlsplit(rest if rest.startswith("/") else f"{PLACE}/{rest}")
        content = b"" if body is None else json.dumps(body).encode()
        call = of_path(parts.path).call(method, parts.path, parse_qs(parts.query), content)
        assert call, rest
        try:
            status, answer = 200, self.service.handle(call)
        except Refusal as refusal:
            error = {"code": refusal.status, "message": refusal.message, "status": refusal.word}
            status, answer = refusal.status, {"error": error}
        kept = {"method": call.method.id, "status": status, "body": answer}
        (VECTORS / f"{name}.json").write_text(json.dumps(kept, indent=2) + "\n", encoding="utf-8")
        return answer


def main() -> None:
    """Records everything."""
    VECTORS.mkdir(parents=True, exist_ok=True)
    recorder = Recorder()
    labels = {"additionalUserLabels": {"beam_mcp_job": "0bea0000000000000000000000000001"}}
    recorder.ask("template", "GET", f"templates:get?gcsPath={WORD_COUNT}")
    words = {"jobName": "words", "parameters": WORDS, "environment": labels}
    launch = f"templates:launch?gcsPath={WORD_COUNT}"
    recorder.ask("launched", "POST", launch, words)
    recorder.ask("taken", "POST", launch, words)
    engine = {"enableStreamingEngine": True, "maxWorkers": 5, **labels}
    flow = {"jobName": "flow", "containerSpecGcsPath": STREAM, "parameters": STREAMING}
    body = {"launchParameter": flow | {"environment": engine}}
    job = f"jobs/{recorder.ask('launched-flex', 'POST', 'flexTemplates:launch', body)['job']['id']}"
    recorder.ask("job", "GET", job)
    recorder.ask("job-whole", "GET", f"{job}?view=JOB_VIEW_ALL")
    recorder.ask("job-unknown", "GET", "jobs/nothing")
    recorder.ask("jobs", "GET", "jobs?filter=ACTIVE&pageSize=1")
    recorder.ask("messages", "GET", f"{job}/messages?minimumImportance=JOB_MESSAGE_DETAILED")
    recorder.ask("metrics", "GET", f"{job}/metrics")
    wanted = (
        f'resource.type="dataflow_step" AND resource.labels.job_id="{job.removeprefix("jobs/")}"'
    )
    entries = {"resourceNames": ["projects/acme-prod"], "filter": wanted, "pageSize": 100}
    recorder.ask("entries", "POST", "/v2/entries:list", entries)
    recorder.ask("snapshot", "POST", f"{job}:snapshot", {"description": "beam-mcp 05af"})
    time.sleep(recorder.service.timing.snapshot)
    recorder.ask("snapshots", "GET", f"{job}/snapshots")
    recorder.ask("draining", "PUT", job, {"requestedState": "JOB_STATE_DRAINED"})


if __name__ == "__main__":
    main()
