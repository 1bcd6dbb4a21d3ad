"""A streaming Python pipeline on a real Flink through savepoint, stop, restore with other options, rescale and drain:
no element is lost, none is counted twice. Each step by another of the Python client, the command and MCP; with
STREAMING_DOORS=each (loss.sh) all steps by each of them.

Needs JOB_SERVER_JAR; run.sh asks for this file only where Beam has a runner for the cluster.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pipelines
import pytest
from beam_mcp_client import MCPClient
from conftest import Api, Server

Json = dict[str, Any]
CODE = str(pipelines.EXAMPLES / "counting_stream.py")
KEYS = 8


class Client:
    """The Python client, over REST or MCP."""

    def __init__(self, url: str, transport: str) -> None:
        self.client = MCPClient(url, transport=transport)

    def submit(self, options: Json) -> str:
        job = self.client.create_job(
            name="counting", runner="flink", job_type="STREAMING", code_path=CODE, options=options
        )
        return str(job.job_id)

    def savepoint(self, job: str) -> str:
        return str(self.client.create_savepoint(job))

    def stop(self, job: str) -> Json:
        return dict(self.client.cancel_job(job, mode="stop").to_dict())

    def restore(self, job: str, parallelism: int, options: Json) -> str:
        return str(self.client.restore_job(job, parallelism=parallelism, pipeline_options=options).job_id)

    def scale(self, job: str, parallelism: int) -> None:
        self.client.scale_job(job, parallelism)

    def drain(self, job: str) -> Json:
        return dict(self.client.cancel_job(job, mode="drain").to_dict())


class Command:
    """`beam-mcp job`."""

    def __init__(self, url: str) -> None:
        self.url = url

    def run(self, *words: str) -> Json:
        command = [sys.executable, "-m", "beam_mcp_client", "job", *words, "--server", self.url, "-o", "json"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=500, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return dict(json.loads(done.stdout))

    def submit(self, options: Json) -> str:
        code = ["--name", "counting", "--runner", "flink", "--type", "STREAMING", "--code", CODE]
        return str(self.run("submit", *code, *pairs(options))["job_id"])

    def savepoint(self, job: str) -> str:
        return str(self.run("savepoint", job)["savepoint_path"])

    def stop(self, job: str) -> Json:
        return self.run("cancel", job, "--stop", "--yes")

    def restore(self, job: str, parallelism: int, options: Json) -> str:
        return str(self.run("restore", job, "--parallelism", str(parallelism), *pairs(options))["job_id"])

    def scale(self, job: str, parallelism: int) -> None:
        self.run("scale", job, "--parallelism", str(parallelism))

    def drain(self, job: str) -> Json:
        return self.run("cancel", job, "--drain", "--yes")


def pairs(options: Json) -> list[str]:
    """Options as words of a command."""
    return [word for name, value in options.items() for word in ("--option", f"{name}={value}")]


class InTurn:
    """Each step by another door."""

    def __init__(self, url: str) -> None:
        self.python, self.mcp, self.command = Client(url, "rest"), Client(url, "mcp"), Command(url)
        self.submit, self.savepoint, self.stop = self.mcp.submit, self.command.savepoint, self.python.stop
        self.restore, self.scale, self.drain = self.command.restore, self.mcp.scale, self.command.drain


DOORS: dict[str, Callable[[str], Client | Command | InTurn]] = {"in-turn": InTurn}
if os.environ.get("STREAMING_DOORS") == "each":
    DOORS = {"python": lambda url: Client(url, "rest"), "cli": Command, "mcp": lambda url: Client(url, "mcp")}


class Lines:
    """What the pipeline has appended: `key number how-many verdict`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def read(self) -> list[tuple[int, int, int, str]]:
        texts = [file.read_text().rpartition("\n")[0] for file in self.folder.glob("part-*.txt")]
        rows = [line.split() for text in texts for line in text.splitlines()]
        return [(int(row[0]), int(row[1]), int(row[2]), row[3]) for row in rows]

    def wait(self, more: int, seconds: float = 240) -> None:
        """Waits for so many lines more."""
        until = len(self.read()) + more
        end = time.monotonic() + seconds
        while len(self.read()) < until:
            assert time.monotonic() < end, f"{len(self.read())} of {until} lines"
            time.sleep(0.5)

    def check(self) -> None:
        """Every number fits the state of its key: none was lost, none came twice."""
        assert not [row for row in self.read() if row[3] != "ok" or row[2] != row[1] // KEYS + 1]

    def check_each_once(self) -> None:
        """Each number of a key up to its last was written once: a stop leaves nothing to be done again."""
        rows = self.read()
        for key in range(KEYS):
            numbers = [row[1] for row in rows if row[0] == key]
            assert numbers == [key + KEYS * at for at in range(len(numbers))]


@pytest.fixture
def beam(server: Server, pool: str) -> Api:
    """A server whose Flink target runs Python pipelines."""
    return pipelines.start_with_python(server, "flink", pool)


def ended(api: Api, job: str) -> Any:
    """The job once it has ended: over MCP an answer does not wait for that."""
    return api.wait(job, "CANCELED", "DRAINED", "FINISHED", "FAILED", seconds=120)


def check_lag(api: Api, job: str) -> None:
    """A source of the present is behind the clock by seconds, not by hours and not by nothing known."""
    end = time.monotonic() + 60
    while not (metrics := api.get(f"/api/v1/jobs/{job}/metrics")["data"])["metrics"].get("watermark_lag_ms"):
        assert time.monotonic() < end, metrics
        time.sleep(1)
    assert 0 < metrics["metrics"]["watermark_lag_ms"] < 120_000, metrics["metrics"]
    assert metrics["metrics"]["watermark_ms"] <= time.time() * 1_000, metrics["metrics"]


@pytest.mark.parametrize("door", DOORS)
def test_nothing_is_lost_or_counted_twice(
    beam: Api, tmp_path: Path, flink: Callable[[str], Any], door: str
) -> None:
    by = DOORS[door](beam.url)
    (tmp_path / "out").mkdir()
    lines = Lines(tmp_path / "out")
    options = {"output": str(tmp_path / "out" / "part"), "rate": 20, "parallelism": 1, "source": "ticks"}
    job = by.submit(options)
    assert beam.wait(job, "RUNNING", "FAILED", "PARKED", seconds=300)["state"] == "RUNNING"
    lines.wait(40)

    assert by.savepoint(job).startswith("file:")
    lines.wait(20)
    by.stop(job)
    view = ended(beam, job)
    assert (view["state"], view["ended_by"]) == ("CANCELED", "stop")
    lines.check()
    lines.check_each_once()

    restored = by.restore(job, 2, {"rate": 40})
    view = beam.wait(restored, "RUNNING", "FAILED", "PARKED", seconds=300)
    assert (view["state"], view["parallelism"]) == ("RUNNING", 2), view["diagnostics"]
    latest = flink(f"/jobs/{restored.split(':')[1]}/checkpoints")["latest"]["restored"]
    assert latest["is_savepoint"]
    lines.wait(60)
    lines.check()
    lines.check_each_once()

    by.scale(restored, 3)
    end = time.monotonic() + 120
    while {vertex["parallelism"] for vertex in flink(f"/jobs/{restored.split(':')[1]}")["vertices"]} != {3}:
        assert time.monotonic() < end
        time.sleep(0.5)
    lines.wait(60)
    lines.check()

    by.drain(restored)
    view = ended(beam, restored)
    assert (view["state"], view["ended_by"]) == ("DRAINED", "drain")
    lines.check()
    assert max(row[1] for row in lines.read()) + 1 == len({row[1] for row in lines.read()})


def test_a_splittable_source_goes_on_where_it_was(beam: Api, tmp_path: Path) -> None:
    by = Client(beam.url, "rest")
    (tmp_path / "out").mkdir()
    lines = Lines(tmp_path / "out")
    job = by.submit({"output": str(tmp_path / "out" / "part"), "rate": 10, "parallelism": 1})
    assert beam.wait(job, "RUNNING", "FAILED", "PARKED", seconds=300)["state"] == "RUNNING"
    lines.wait(30)
    check_lag(beam, job)
    by.stop(job)
    lines.check_each_once()
    restored = by.restore(job, 2, {})
    lines.wait(30)
    by.stop(restored)
    ended(beam, restored)
    lines.check()
    lines.check_each_once()


def test_a_streaming_program_at_the_door_is_stopped_and_goes_on(server: Server, pool: str, tmp_path: Path) -> None:
    api, endpoint = pipelines.start_with_door(server, "flink", pool)
    (tmp_path / "out").mkdir()
    lines = Lines(tmp_path / "out")
    options = [f"--output={tmp_path / 'out' / 'part'}", "--streaming", "--rate=10"]
    with pipelines.running(pipelines.EXAMPLES / "counting_stream.py", endpoint, *options) as program:
        lines.wait(30)
        [job] = [row["job_id"] for row in pipelines.ours(api)]
        stopped = api.call("POST", f"/api/v1/jobs/{job}/cancel", {"mode": "stop"})
        assert stopped.status_code in (200, 202), stopped.text
        assert api.wait(job, "CANCELED", "FAILED", seconds=120)["ended_by"] == "stop"
        assert program.wait(60) != 0, "Beam's client calls every end but DONE a failure"
    lines.check_each_once()
    answer = api.call("POST", f"/api/v1/jobs/{job}/restore", {"parallelism": 2})
    assert answer.status_code in (200, 201, 202), answer.text
    restored = answer.json()["job_id"]
    lines.wait(30)
    api.call("POST", f"/api/v1/jobs/{restored}/cancel", {"mode": "stop"})
    api.wait(restored, "CANCELED", "FAILED", seconds=120)
    lines.check()
    lines.check_each_once()
