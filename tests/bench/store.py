"""Lists of 50 and time to readiness over many stored jobs, through the real server.

The rows are copies of what a server wrote for one running and one ended job, under other ids and times.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import sqlite3
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

CONFIG = {"default_runner": "sim", "targets": {"sim": {"runner": "simulator", "script": "running"}}}
INSERT = "INSERT INTO records (kind, tenant, id, version, op, schema, expires_at, value) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
LISTS = {"newest": "", "by state": "&state=FINISHED", "by target": "&target=sim"}
FIRST_MS = 1_700_000_000_000
# One of this many jobs runs.
RUNNING = 100


class Server:
    """A server on a store."""

    def __init__(self, binary: str, store: Path) -> None:
        config, ready = store / "config.json", store / "ready"
        config.write_text(json.dumps(CONFIG))
        ready.unlink(missing_ok=True)
        command = [binary, "serve", "--config", str(config), "--port", "0", "--ready-file", str(ready)]
        begun = time.perf_counter()
        self.process = subprocess.Popen(  # noqa: S603 - our own binary
            [*command, "--store-path", str(store), "--log", "off"], stderr=subprocess.DEVNULL
        )
        while not ready.exists():
            time.sleep(0.001)
        self.connection = http.client.HTTPConnection("127.0.0.1", int(ready.read_text()), timeout=120)
        status, answer = self.ask("GET", "/health/ready")
        assert status == 200, answer
        self.ready_ms = (time.perf_counter() - begun) * 1000

    def ask(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """One request."""
        text = None if body is None else json.dumps(body)
        self.connection.request(method, path, text, {"content-type": "application/json"})
        answer = self.connection.getresponse()
        return answer.status, json.loads(answer.read())

    def stop(self) -> None:
        """Ends it in order."""
        self.process.terminate()
        self.process.wait(timeout=60)

    def kill(self) -> None:
        """Ends it without a word."""
        self.process.kill()
        self.process.wait()


def patterns(binary: str) -> dict[str, list[tuple[Any, ...]]]:
    """The rows of a job that runs and of one that ended, as the server writes them."""
    with tempfile.TemporaryDirectory() as name:
        store = Path(name)
        server = Server(binary, store)
        jobs = {}
        for script in ("running", "batch"):
            body = {"runner_type": "sim", "job_name": script, "options": {"simulator_script": script}}
            if script == "batch":
                body["options"]["simulator_duration_s"] = 1
            status, answer = server.ask("POST", "/api/v1/jobs", body)
            assert status in (201, 202), answer
            jobs[script] = answer["data"]["job_id"]
        deadline = time.monotonic() + 60
        while server.ask("GET", f"/api/v1/jobs/{jobs['batch']}")[1]["data"]["state"] != "FINISHED":
            assert time.monotonic() < deadline
            time.sleep(0.2)
        server.stop()
        rows = sqlite3.connect(store / "beam-mcp.db").execute("SELECT * FROM records").fetchall()
        columns = ("kind", "tenant", "id", "version", "op", "schema", "expires_at", "value")
        assert len(rows[0]) == len(columns)
        return {
            script: [row for row in rows if job.split(":")[1] in row[2].decode() and row[0].startswith(("job", "owner"))]
            for script, job in jobs.items()
        }


def copies(pattern: list[tuple[Any, ...]], kind: str, numbers: Sequence[int]) -> Iterator[tuple[Any, ...]]:
    """The rows of one kind for these jobs, in the order of their ids where times come first."""
    job = json.loads(next(row[7] for row in pattern if row[0] == "job"))
    token, created = job["id"].split(":")[1], str(job["created_ms"])
    ended = str(job.get("ended_ms") or "")
    for row in pattern:
        if row[0] != kind:
            continue
        for number in numbers:
            at = FIRST_MS + number * 1000

            def other(text: str, at: int = at, number: int = number) -> str:
                text = text.replace(token, f"{number:032x}").replace(created, str(at))
                return text.replace(ended, str(at + 500)) if ended else text

            yield (row[0], row[1], other(row[2].decode()).encode(), *row[3:7], other(row[7]))


def fill(binary: str, store: Path, jobs: int, rows: dict[str, list[tuple[Any, ...]]]) -> None:
    """A store of this many jobs."""
    store.mkdir()
    Server(binary, store).stop()
    connection = sqlite3.connect(store / "beam-mcp.db", isolation_level=None)
    connection.execute("PRAGMA journal_mode = OFF")
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute("PRAGMA cache_size = -200000")
    connection.execute("BEGIN")
    running = range(0, jobs, RUNNING)
    ended = [number for number in range(jobs) if number % RUNNING]
    for script, numbers in (("batch", ended), ("running", running)):
        for kind in sorted({row[0] for row in rows[script]}):
            connection.executemany(INSERT, copies(rows[script], kind, numbers))
    connection.execute("COMMIT")
    connection.close()
    # Else the first sync of the server would wait for all that was just written.
    os.sync()


def list_ms(server: Server, query: str, rounds: int) -> float:
    """Median time of a page of 50; the first five do not count."""
    times = []
    for number in range(rounds + 5):
        begun = time.perf_counter()
        status, answer = server.ask("GET", f"/api/v1/jobs?limit=50{query}")
        took = (time.perf_counter() - begun) * 1000
        assert status == 200 and len(answer["data"]["jobs"]) == 50, answer
        if number >= 5:
            times.append(took)
    return statistics.median(times)


def main() -> None:
    """Fills stores and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", default="1000,100000,1000000")
    parser.add_argument("--rounds", type=int, default=200)
    options = parser.parse_args()
    binary, rows = os.environ["BEAM_MCP_SERVER"], patterns(os.environ["BEAM_MCP_SERVER"])
    print(f"{'stored jobs':>12}{'ready ms':>10}{'killed ms':>11}" + "".join(f"{name:>14}" for name in LISTS))
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_FOLDER")) as name:
        for size in map(int, options.sizes.split(",")):
            store = Path(name) / str(size)
            fill(binary, store, size, rows)
            server = Server(binary, store)
            ready = server.ready_ms
            pages = [list_ms(server, query, options.rounds) for query in LISTS.values()]
            server.kill()
            again = Server(binary, store)
            after_kill = again.ready_ms
            again.stop()
            print(f"{size:>12}{ready:>10.0f}{after_kill:>11.0f}" + "".join(f"{page:>11.2f} ms" for page in pages))


if __name__ == "__main__":
    main()
