"""The examples that need no cluster, run as they are printed. BEAM_MCP_SERVER is the server, BEAM_PYTHON has Beam."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from real_server import RealServer, until

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"
PLAY = EXAMPLES / "data" / "as_you_like_it.txt"
PYTHON = os.environ.get("BEAM_PYTHON", sys.executable)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RealServer]:
    """A server with the configuration of the examples, but for Dataflow and places."""
    config = importlib.import_module("yaml").safe_load(
        (EXAMPLES / "server.yaml").read_text(encoding="utf-8")
    )
    del config["targets"]["cloud"]
    config["targets"]["here"]["python"] = PYTHON
    running = RealServer(tmp_path, config | {"roots": [str(ROOT)]})
    running.start()
    yield running
    running.kill()


def run(server: RealServer, *argv: str) -> str:
    url = f"http://127.0.0.1:{server.port}"
    done = subprocess.run(
        [sys.executable, *argv, "--server", url],
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def ended(server: RealServer, body: dict[str, Any]) -> dict[str, Any]:
    status, answer = server.call("POST", "/jobs", body)
    assert status in (201, 202), answer
    path = f"/jobs/{answer['job_id']}"
    return dict(
        until(lambda: (job := server.call("GET", path)[1]["data"])["terminal"] and job, path)
    )


def test_one_program_submits_to_each_target(server: RealServer, tmp_path: Path) -> None:
    program = str(EXAMPLES / "submit_wordcount.py")
    told = run(server, program, "here", "--output", str(tmp_path / "counts"))
    assert "FINISHED" in told
    assert "wordcount.words = 23087" in told
    assert list(tmp_path.glob("counts-*"))
    assert "FINISHED" in run(server, program, "practice")
    planned = run(server, program, "here", "--dry-run")
    assert planned.startswith("submit `words`")
    assert "exec python" in planned


def test_a_preset_runs_with_what_the_caller_adds(server: RealServer) -> None:
    body = {"target": "here", "preset": "words", "options": {"input": str(PLAY)}}
    _, plan = server.call("POST", "/jobs", body | {"dry_run": True})
    sources = {row["name"]: row["from"] for row in plan["data"]["plan"]["options"]}
    assert (sources["input"], sources["output"]) == ("caller", "preset")
    job = ended(server, body)
    assert (job["state"], job["name"]) == ("FINISHED", "words"), job
    _, runners = server.call("GET", "/runners")
    (here,) = [one for one in runners["data"]["runners"] if one["name"] == "here"]
    assert here["presets"]["words"]["code_path"] == "examples/wordcount.py"
    status, answer = server.call("POST", "/jobs", body | {"preset": "word"})
    assert (status, answer["error"]["details"]["reason"]) == (400, "unknown_preset")
    assert answer["error"]["details"]["suggestion"] == "did you mean `words`?"


def test_word_count_in_beam_yaml_counts_the_same(server: RealServer, tmp_path: Path) -> None:
    given = json.dumps({"input": str(PLAY), "output": str(tmp_path / "counts")})
    job = ended(
        server,
        {
            "target": "here",
            "code_path": "examples/wordcount.yaml",
            "options": {"jinja_variables": given},
        },
    )
    assert job["state"] == "FINISHED", job
    lines = [
        json.loads(line)
        for path in tmp_path.glob("counts-*")
        for line in path.read_text().splitlines()
    ]
    assert len(lines) == 3317
    assert {"word": "rosalind", "count": 274} in lines
