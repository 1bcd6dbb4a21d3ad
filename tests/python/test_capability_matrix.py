"""The simulator is held to its capabilities; other targets are in the suites of their runners."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import capability_matrix
from real_server import RealServer, until


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RealServer]:
    server = RealServer(tmp_path, {"targets": {"sim": {"runner": "simulator"}}}).start()
    yield server
    server.kill()


def test_the_simulator_is_held_to_its_capabilities(server: RealServer) -> None:
    body = {"target": "sim", "job_name": "s", "options": {"simulator_script": "running"}}
    status, answer = server.call("POST", "/jobs", body)
    assert status == 201, answer
    job = str(answer["job_id"])
    until(lambda: server.call("GET", f"/jobs/{job}")[1]["data"]["state"] == "RUNNING", "it runs")
    # It runs its scripts, whatever code is named beside them.
    capability_matrix.check(server.call, "sim", job, but=frozenset(capability_matrix.SUBMISSIONS))
