"""What a target's `environment_type` becomes in a pipeline is what Beam's own SDK makes of it.

Containers that are asked for so are run by `tests/clusters/test_docker_workers.py`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import sdk_program
from real_server import RealServer, free_port

HERE = Path(__file__).resolve().parent
EXAMPLES = HERE.parents[1] / "examples"
TEXT = EXAMPLES / "data" / "as_you_like_it.txt"
VECTOR = HERE.parent / "vectors" / "beam" / "environments-2.77.0.json"
PYTHON = os.environ.get("BEAM_PYTHON", sys.executable)
DOCKER = {"environment_type": "DOCKER"}
ACME = {**DOCKER, "environment_config": "acme/beam:1"}
BOOT = {"command": "/opt/beam/process-worker.sh", "env": {"BEAM_PYTHON": "/opt/beam/bin/python"}}


def test_the_environments_of_the_vector_are_those_of_the_installed_beam() -> None:
    command = [PYTHON, str(HERE / "beam_environments.py")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert VECTOR.read_text(encoding="utf-8") == done.stdout


# Importing Beam collects what other tests left to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize(
    "options", [DOCKER, ACME, {"environment_type": "PROCESS", "environment_config": BOOT}]
)
def test_code_and_a_program_at_the_door_ask_the_service_for_the_same(
    tmp_path: Path, options: dict[str, Any]
) -> None:
    import beam_environments
    from job_recorder import recording

    config = options.get("environment_config")
    told = {**options, "environment_config": json.dumps(config)} if config == BOOT else options
    made = beam_environments.made(told)
    with recording() as (recorder, address):
        submitted(tmp_path, address, options)
        asked = [
            one
            for pipeline in recorder.pipelines
            for one in pipeline.components.environments.values()
        ]
    assert [(one.urn, one.payload) for one in asked] == [(made.urn, made.payload)] * 2


def submitted(folder: Path, address: str, options: dict[str, Any]) -> None:
    """WordCount is submitted as code, and once more by a program that knows the door alone."""
    port = free_port()
    target = {
        "runner": "portable",
        "url": f"http://{address}",
        "python": PYTHON,
        "options": options,
    }
    server = RealServer(
        folder, {"targets": {"service": target}, "job_api": {"port": port, "target": "service"}}
    )
    server.start()
    try:
        code = (EXAMPLES / "wordcount.py").read_text(encoding="utf-8")
        (server.roots / "wordcount.py").write_text(code, encoding="utf-8")
        files = {"input": str(TEXT), "output": str(folder / "words")}
        body = {"target": "service", "code_path": "wordcount.py", "pipeline_options": files}
        status, answer = server.call("POST", "/jobs", body)
        assert status in (201, 202), answer
        words = [f"--{name}={value}" for name, value in files.items()]
        program, endpoint = EXAMPLES / "wordcount.py", f"127.0.0.1:{port}"
        done = sdk_program.ended(program, endpoint, *words, python=PYTHON)
        assert "ended in state DONE" in done.stderr, done.stderr[-3000:]
    finally:
        server.kill()
