"""The emulated Dataflow, and a real server in front of it. BEAM_MCP_SERVER is the server."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "python"))

from emulated import Emulator
from real_server import RealServer, until

WORD_COUNT = "gs://dataflow-templates/latest/Word_Count"
STREAM = "gs://dataflow-templates-us-central1/latest/flex/Stream"
STREAMING = {"subscription": "projects/p/subscriptions/s", "table": "t"}
WORDS = {"inputFile": "gs://samples/kinglear.txt", "output": "gs://bucket/output/results"}


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    with Emulator() as running:
        yield running


def config(emulator: Emulator, **target: Any) -> dict[str, Any]:
    """A configuration with one Dataflow target."""
    place = {"project": "acme-prod", "region": "us-central1", "url": emulator.url}
    return {"targets": {"df": {"runner": "dataflow", **place, **target}}}


class Server(RealServer):
    """The server in front of the emulator, as people use it."""

    def ok(self, method: str, path: str, body: object = None, **headers: str) -> Any:
        """The answer of a call that succeeds."""
        status, answer = self.call(method, path, body, **headers)
        assert status in (200, 201, 202), answer
        return answer

    def refused(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        """The error of a call that does not."""
        status, answer = self.call(method, path, body)
        assert status >= 400, answer
        return dict(answer["error"])

    def launch(self, template: str = WORD_COUNT, **more: Any) -> str:
        """Id of a job that was launched."""
        given = STREAMING if template == STREAM else WORDS
        body = {
            "job_name": "words",
            "target": "df",
            "template_path": template,
            "template_parameters": given,
        }
        return str(self.ok("POST", "/jobs", body | more)["job_id"])

    def job(self, job_id: str) -> dict[str, Any]:
        """The job as the runner shows it now."""
        return dict(self.ok("GET", f"/jobs/{job_id}?max_age_ms=0")["data"])

    def wait(self, job_id: str, *states: str) -> dict[str, Any]:
        """The job once it is in one of the states."""
        return dict(
            until(lambda: (j := self.job(job_id))["state"] in states and j, f"{job_id} {states}")
        )


@pytest.fixture
def server(emulator: Emulator, tmp_path: Path) -> Iterator[Server]:
    """A server whose token comes from a service account's key."""
    key = tmp_path / "key.json"
    key.write_text(json.dumps(emulator.identity.service_account(emulator.url)))
    credential = {"token": {"google_key": f"file:{key}"}}
    own = {"credential": credential, "logging_url": emulator.url}
    running = Server(tmp_path / "server", config(emulator, **own))
    running.start()
    yield running
    running.kill()
