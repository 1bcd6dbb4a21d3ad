"""Cuts the power of a server's disk, fills it and breaks it, and looks at what is left of what was acknowledged.

The server is the real one, over `layer.c`. Its journal is enough to make the disk as it is after a power cut at any
moment: what was synced is there, and of each later write all, a part at the bounds of sectors, or nothing.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import os
import random
import sqlite3
import struct
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HEAD = struct.Struct("<cBQI")
FILES = {1: "beam-mcp.db", 2: "beam-mcp.db-wal"}
SECTOR = 512
CONFIG = {"default_runner": "sim", "targets": {"sim": {"runner": "simulator", "script": "running"}}}


@dataclass
class Rig:
    """The binaries and a place for files."""

    server: str
    layer: str
    folder: Path


class Server:
    """A server over the layer, and who asks it."""

    def __init__(self, rig: Rig, store: Path, *, journal: Path | None = None) -> None:
        self.fault = store / "fault"
        self.errors = store / "errors"
        store.mkdir(exist_ok=True)
        self.fail("0")
        ready, config = store / "ready", store / "config.json"
        ready.unlink(missing_ok=True)
        config.write_text(json.dumps(CONFIG))
        environment = {**os.environ, "LD_PRELOAD": rig.layer, "LAYER_FAULT": str(self.fault)}
        if journal:
            environment["LAYER_LOG"] = str(journal)
        command = [rig.server, "serve", "--config", str(config), "--port", "0", "--ready-file", str(ready)]
        with self.errors.open("w") as errors:
            self.process = subprocess.Popen(  # noqa: S603 - our own binary
                [*command, "--store-path", str(store)], env=environment, stderr=errors
            )
        deadline = time.monotonic() + 60
        while not ready.exists():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"the server does not start: {self.errors.read_text()}")
            time.sleep(0.005)
        self.port = int(ready.read_text())

    def fail(self, what: str) -> None:
        """Says what the layer fails from now on."""
        self.fault.write_text(what)

    def ask(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """One request on a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            return ask(connection, method, path, body)
        finally:
            connection.close()

    def submit(self, name: str) -> tuple[int, Any]:
        """Submits a job to the simulator."""
        return self.ask("POST", "/api/v1/jobs", {"runner_type": "sim", "job_name": name})

    def ended(self) -> int:
        """Waits for the server to stop by itself; its exit code."""
        return self.process.wait(timeout=60)

    def kill(self) -> None:
        """Ends it without a word."""
        self.process.kill()
        self.process.wait()


def ask(connection: http.client.HTTPConnection, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    """One request on a connection that is kept."""
    text = None if body is None else json.dumps(body)
    connection.request(method, path, text, {"content-type": "application/json"})
    answer = connection.getresponse()
    return answer.status, json.loads(answer.read())


@contextlib.contextmanager
def running(rig: Rig, store: Path, **options: Any) -> Iterator[Server]:
    """A server that is killed afterwards."""
    server = Server(rig, store, **options)
    try:
        yield server
    finally:
        server.kill()


@dataclass
class Load:
    """What was acknowledged, with the length of the journal at that moment."""

    acknowledged: list[tuple[int, str]] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)


def load(server: Server, journal: Path, jobs: int, callers: int = 8) -> Load:
    """Submits jobs side by side, so that commits share syncs."""
    done, lock = Load(), threading.Lock()
    numbers = iter(range(jobs))

    def work() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
        while True:
            with lock:
                number = next(numbers, None)
            if number is None:
                return
            status, answer = ask(connection, "POST", "/api/v1/jobs", {"runner_type": "sim", "job_name": f"j{number}"})
            at = journal.stat().st_size
            with lock:
                if status in (201, 202):
                    done.acknowledged.append((at, answer["data"]["job_id"]))
                else:
                    done.failures.append(f"{status} {answer}")

    threads = [threading.Thread(target=work) for _ in range(callers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return done


@dataclass
class Change:
    """One record of the journal."""

    what: str
    file: int
    at: int
    data: bytes
    end: int


def read_journal(path: Path) -> list[Change]:
    """The changes in their order."""
    raw, place, changes = path.read_bytes(), 0, []
    while place + HEAD.size <= len(raw):
        what, file, at, length = HEAD.unpack_from(raw, place)
        data = raw[place + HEAD.size : place + HEAD.size + length]
        place += HEAD.size + length
        changes.append(Change(what.decode(), file, at, data, place))
    return changes


class Disk:
    """What a disk holds for certain, and what it may hold."""

    def __init__(self, *, lies: bool = False) -> None:
        self.synced: dict[int, bytearray | None] = {1: None, 2: None}
        self.later: dict[int, list[Change]] = {1: [], 2: []}
        self.lies = lies

    def take(self, change: Change) -> None:
        """Lets a change happen."""
        if change.what != "S":
            self.later[change.file].append(change)
        elif not self.lies:
            for later in self.later[change.file]:
                self.synced[change.file] = changed(self.synced[change.file], later)
            self.later[change.file] = []

    def after_cut(self, drawn: random.Random) -> dict[int, bytearray | None]:
        """One of the disks that a power cut now may leave."""
        left = {file: None if kept is None else bytearray(kept) for file, kept in self.synced.items()}
        for file, later in self.later.items():
            for change in later:
                fate = drawn.random()
                if fate < 0.4:
                    continue
                if fate < 0.6 and change.what == "W":
                    length = drawn.randrange(0, len(change.data), SECTOR) if len(change.data) > SECTOR else 0
                    change = Change("W", file, change.at, change.data[:length], change.end)
                left[file] = changed(left[file], change)
        return left


def changed(content: bytearray | None, change: Change) -> bytearray | None:
    """A file after a change."""
    if change.what == "U":
        return None
    content = bytearray() if content is None else content
    end = change.at + len(change.data)
    if change.what == "T":
        del content[change.at :]
        end = change.at
    if len(content) < end:
        content.extend(bytes(end - len(content)))
    if change.what == "W":
        content[change.at : end] = change.data
    return content


def stored_jobs(folder: Path) -> set[str]:
    """Ids of the jobs in a store, read without our own code."""
    path = folder / "beam-mcp.db"
    if not path.exists() or path.stat().st_size == 0:
        return set()
    connection = sqlite3.connect(path)
    try:
        if not connection.execute("SELECT 1 FROM sqlite_schema WHERE name = 'records'").fetchone():
            return set()
        return {row[0].decode() for row in connection.execute("SELECT id FROM records WHERE kind = 'job'")}
    finally:
        connection.close()


def check_store(rig: Rig, folder: Path) -> str:
    """What `store check` says of a store; empty when all is well."""
    if not (folder / "beam-mcp.db").exists():
        return ""
    ended = subprocess.run(  # noqa: S603 - our own binary
        [rig.server, "store", "check", "--store-path", str(folder)], capture_output=True, text=True, check=False
    )
    return "" if ended.returncode == 0 else f"store check: {ended.returncode} {ended.stderr}"


def judge(rig: Rig, disk: dict[int, bytearray | None], wanted: set[str], *, start: bool) -> str:
    """What is wrong with a disk after a power cut; empty when nothing is."""
    with tempfile.TemporaryDirectory(dir=rig.folder) as name:
        folder = Path(name)
        for file, content in disk.items():
            if content is not None:
                (folder / FILES[file]).write_bytes(content)
        if fault := check_store(rig, folder):
            return fault
        if lost := wanted - stored_jobs(folder):
            return f"{len(lost)} of {len(wanted)} acknowledged jobs are lost"
        if start:
            with running(rig, folder) as server:
                for job in sorted(wanted)[-3:]:
                    status, answer = server.ask("GET", f"/api/v1/jobs/{job}")
                    if status != 200:
                        return f"{job}: {status} {answer}"
                if server.submit("after")[0] not in (201, 202):
                    return "no job is taken after the cut"
    return ""


def cut_power(rig: Rig, changes: list[Change], acked: Load, cuts: int, seed: int, *, lies: bool = False) -> list[str]:
    """Cuts at drawn moments, half of them right after an answer; what was found wrong."""
    drawn = random.Random(seed)  # noqa: S311 - a simulation
    answers = [at for at, _ in drawn.choices(acked.acknowledged, k=cuts // 2)]
    moments = sorted([*answers, *(drawn.choice(changes).end for _ in range(cuts - len(answers)))])
    disk, place, faults = Disk(lies=lies), 0, []
    for number, moment in enumerate(moments):
        while place < len(changes) and changes[place].end <= moment:
            disk.take(changes[place])
            place += 1
        wanted = {job for at, job in acked.acknowledged if at <= moment}
        fault = judge(rig, disk.after_cut(drawn), wanted, start=not lies and number % 20 == 0)
        if fault:
            faults.append(f"cut {number} at byte {moment} of the journal: {fault}")
    return faults


def power_cuts(rig: Rig, cuts: int, jobs: int, seed: int) -> None:
    """Acknowledged jobs survive; a disk that lies about syncs is found out by the same judge."""
    store, journal = rig.folder / "cut", rig.folder / "journal"
    with running(rig, store, journal=journal) as server:
        begun = time.monotonic()
        acked = load(server, journal, jobs)
        rate = len(acked.acknowledged) / (time.monotonic() - begun)
    assert not acked.failures and len(acked.acknowledged) == jobs, acked.failures[:3]
    changes = read_journal(journal)
    count = {what: sum(change.what == what for change in changes) for what in "WST"}
    folded = sum(change.what == "S" and change.file == 1 for change in changes)
    print(f"  {jobs} jobs at {rate:.0f}/s: {count['W']} writes, {count['S']} syncs, {folded} of the database")
    assert folded >= 3, "no log was folded in: the cuts would miss checkpoints"
    faults = cut_power(rig, changes, acked, cuts, seed)
    assert not faults, "\n".join([f"seed {seed}", *faults[:10]])
    found = cut_power(rig, changes, acked, 20, seed, lies=True)
    assert found, "the judge finds nothing wrong with a disk that forgets what it said it synced"
    print(f"  {cuts} power cuts: nothing acknowledged lost, no torn row (a lying disk: {len(found)} of 20 found out)")


def disk_full(rig: Rig) -> None:
    """Writes are refused with 503, reads go on, also after a restart; room again is enough."""
    with running(rig, rig.folder / "full") as server:
        job = server.submit("before")[1]["data"]["job_id"]
        server.fail("F")
        status, answer = server.submit("full")
        assert (status, answer["error"]["code"]) == (503, "unavailable"), (status, answer)
        assert server.ask("GET", f"/api/v1/jobs/{job}")[0] == 200
        assert server.ask("GET", "/api/v1/jobs")[1]["data"]["jobs"][0]["job_id"] == job
        server.fail("0")
        assert server.submit("after")[0] in (201, 202)
        assert server.process.poll() is None
    assert not check_store(rig, rig.folder / "full")
    print("  disk full: writes 503, reads answered, recovered without a restart")


def broken_writes(rig: Rig) -> None:
    """A write that fails changes nothing and ends nothing."""
    with running(rig, rig.folder / "writes") as server:
        server.fail("W")
        assert server.submit("broken")[0] == 503
        server.fail("0")
        assert server.submit("after")[0] in (201, 202)
    assert not check_store(rig, rig.folder / "writes")
    print("  EIO on write: 503, then on")


def broken_sync(rig: Rig, what: str, name: str, most: int) -> None:
    """After a failed sync nobody knows what the disk holds: the server says so and stops; the next one has all."""
    store, acknowledged = rig.folder / f"sync-{what}", []
    with running(rig, store) as server:
        acknowledged.append(server.submit("before")[1]["data"]["job_id"])
        server.fail(what)
        for number in range(most):
            try:
                status, answer = server.submit(f"s{number}")
            except (OSError, http.client.HTTPException):
                break
            if status not in (201, 202):
                break
            acknowledged.append(answer["data"]["job_id"])
        assert server.ended() == 74, f"{name}: the server goes on"
        said = server.errors.read_text()
        assert "cannot be trusted" in said, said
    with running(rig, store) as server:
        for job in acknowledged[-5:]:
            assert server.ask("GET", f"/api/v1/jobs/{job}")[0] == 200, job
    assert not check_store(rig, store)
    assert set(acknowledged) <= stored_jobs(store)
    print(f"  EIO on {name}: stopped with 74 after {len(acknowledged)} jobs, all there at the next start")


def main() -> None:
    """Runs all rigs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cuts", type=int, default=200)
    parser.add_argument("--jobs", type=int, default=1500)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    options = parser.parse_args()
    print(f"  seed {options.seed}")
    with tempfile.TemporaryDirectory() as name:
        rig = Rig(os.environ["BEAM_MCP_SERVER"], os.environ["LAYER"], Path(name))
        power_cuts(rig, options.cuts, options.jobs, options.seed)
        disk_full(rig)
        broken_writes(rig)
        broken_sync(rig, "S", "sync of the log", 1)
        broken_sync(rig, "D", "sync of the database", 3000)
    print("power cuts: ok")


if __name__ == "__main__":
    main()
