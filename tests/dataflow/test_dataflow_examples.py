"""The examples for Dataflow, on the emulated one."""

from __future__ import annotations

import importlib
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from conftest import STREAM, Server
from emulated import Emulator

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


@pytest.fixture
def cloud(emulator: Emulator, tmp_path: Path) -> Iterator[Server]:
    """A server with the Dataflow target of the examples' configuration."""
    config = importlib.import_module("yaml").safe_load(
        (EXAMPLES / "server.yaml").read_text(encoding="utf-8")
    )
    token = tmp_path / "token"
    token.write_text(emulator.identity.issue("metadata")["access_token"])
    own = {"url": emulator.url, "credential": {"token": {"file": str(token)}}}
    running = Server(tmp_path, {"targets": {"cloud": config["targets"]["cloud"] | own}})
    running.start()
    yield running
    running.kill()


def run(server: Server, program: str, *argv: str) -> str:
    argv = (str(EXAMPLES / program), *argv, "--server", f"http://127.0.0.1:{server.port}")
    done = subprocess.run(
        [sys.executable, *argv], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_word_count_is_googles_template(cloud: Server, emulator: Emulator) -> None:
    planned = run(
        cloud,
        "submit_wordcount.py",
        "cloud",
        "--input",
        "gs://a/b",
        "--output",
        "gs://a/c",
        "--dry-run",
    )
    assert "templates:launch" in planned
    assert emulator.called("launch") == []
    emulator.service.timing.batch = 0.5
    told = run(cloud, "submit_wordcount.py", "cloud", "--input", "gs://a/b", "--output", "gs://a/c")
    assert "FINISHED" in told
    assert "emulated.words = 28001" in told


def test_the_printed_command_shows_what_would_be_sent(cloud: Server, emulator: Emulator) -> None:
    [block] = re.findall(r"```sh\n(.*?)```", (EXAMPLES / "README.md").read_text(), re.S)
    [command] = [line for line in block.splitlines() if " cloud " in line]
    programs = [str(Path(sys.executable).parent), os.environ["PATH"]]
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=EXAMPLES.parent,
        env={
            **os.environ,
            "PATH": os.pathsep.join(programs),
            "BEAM_MCP_URL": f"http://127.0.0.1:{cloud.port}",
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "templates:launch" in done.stdout
    assert emulator.called("launch") == []


def test_the_preset_launches_it_with_the_callers_output(cloud: Server, emulator: Emulator) -> None:
    body = {"target": "cloud", "preset": "words", "template_parameters": {"output": "gs://a/c"}}
    job = cloud.ok("POST", "/jobs", body)["job_id"]
    cloud.wait(job, "RUNNING")
    (launch,) = emulator.called("templates.launch")
    assert launch["parameters"] == {
        "inputFile": "gs://dataflow-samples/shakespeare/kinglear.txt",
        "output": "gs://a/c",
    }
    assert launch["environment"]["maxWorkers"] == 2


def test_options_of_flink_become_those_of_dataflow(cloud: Server, emulator: Emulator) -> None:
    job = str(EXAMPLES / "data" / "flink_job.json")
    parameters = (
        "--parameter",
        "subscription=projects/p/subscriptions/s",
        "--parameter",
        "table=t",
    )
    told = run(cloud, "migrate_to_dataflow.py", job, "cloud", STREAM, *parameters)
    for line in (
        "parallelism = 4 (caller): sent as numWorkers",
        "max_num_workers = 12 (caller): sent as maxWorkers",
        "checkpoint_interval = 60000 (caller): Dataflow keeps state and checkpoints itself; nothing is sent",
        'state_backend = "rocksdb" (caller): Dataflow keeps state and checkpoints itself; nothing is sent',
        "objectReuse = true (caller): only another runner reads it; nothing is sent",
        "flink_configuration =",
        "window_seconds = 30 (caller): an option of the template's program",
    ):
        assert line in told, told
    assert '"additionalPipelineOptions": [\n        "--window_seconds=30"\n      ]' in told
    assert emulator.called("launch") == []
