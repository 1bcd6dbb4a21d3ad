"""kill -9 of the server at random instants while clients submit; a judge counts what ran (security-reliability L8).

`kill9.py flink|direct --kills N [--stored N] [--hang-ups SHARE] [--chaos SHARE] [--jumps] [--seed N]`; FLINK_URL and
JARS name the cluster and the folder of ratejob.jar, BEAM_MCP_SERVER the server, BEAM_PYTHON the interpreter of Direct
jobs. With `--chaos` a share of the calls to the cluster is lost before or after its effect, cut, repeated or late; with
`--jumps` the wall clock of the server jumps, from life to life and within one.

Clients send each submission under its own key and repeat it until it is answered, whatever happens to the server. The
judge knows nothing of the server: it counts runs by key, on the cluster by the name each job was given, on the machine
by the line each job writes. It prints one row of a table (`cut`: requests that broke off in the middle) and fails
unless every key ran exactly once, but for jobs that are parked with a reason (G3): those may not have run at all.
"""

from __future__ import annotations

import argparse
import collections
import http.client
import json
import os
import queue
import random
import shutil
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import store
from weather import JUMP, Network, WallClock

from real_server import SERVER, RealServer

CLIENTS = 6
KEYS_PER_LIFE = 3
LONGEST_LIFE = 0.5
SETTLE = 300.0
SCRIPT = """\
import sys
key, ran = sys.argv[1:3]
with open(ran, "a") as file:
    file.write(key + "\\n")
"""


class Judge(Protocol):
    """Where jobs run, and who counts them there."""

    target: dict[str, Any]

    def spec(self, key: str) -> dict[str, Any]:
        """What to submit so that the run can be told by its key."""

    def runs(self) -> collections.Counter[str]:
        """Runs by key."""


class Flink:
    """A real cluster; each job is named after its key."""

    def __init__(self, roots: Path, started: str) -> None:
        shutil.copy(Path(os.environ["JARS"]) / "ratejob.jar", roots)
        self.url, self.started = os.environ["FLINK_URL"], started
        self.target = {"runner": "flink", "url": self.url}

    def spec(self, key: str) -> dict[str, Any]:
        options = {"name": key, "count": 1, "rate": 1000}
        return {"code_path": "ratejob.jar", "job_name": key, "pipeline_options": options}

    def runs(self) -> collections.Counter[str]:
        with urllib.request.urlopen(f"{self.url}/jobs/overview", timeout=30) as answer:
            jobs = json.load(answer)["jobs"]
        return collections.Counter(job["name"] for job in jobs if job["name"].startswith(self.started))


class Direct:
    """This machine; each job appends its key to one file."""

    def __init__(self, roots: Path, _started: str) -> None:
        (roots / "job.py").write_text(SCRIPT)
        self.ran = roots.parent / "ran"
        self.ran.touch()
        python = os.environ.get("BEAM_PYTHON", sys.executable)
        self.target = {"runner": "direct", "python": python, "max_jobs": 100}

    def spec(self, key: str) -> dict[str, Any]:
        return {"code_path": "job.py", "job_name": key, "args": [key, str(self.ran)]}

    def runs(self) -> collections.Counter[str]:
        return collections.Counter(self.ran.read_text().split())


class Clients:
    """Submitters that do not give up."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self.keys: queue.Queue[str | None] = queue.Queue()
        self.answered: dict[str, str] = {}
        self.cut = self.down = self.hung_up = self.refused = 0
        self.lock = threading.Lock()
        self.threads = [threading.Thread(target=self.work, args=(n,)) for n in range(CLIENTS)]
        for thread in self.threads:
            thread.start()

    def work(self, number: int) -> None:
        chance = random.Random(self.rig.seed * 1000 + number)
        while (key := self.keys.get()) is not None:
            while not self.submit(key, chance.random() < self.rig.hang_ups, chance):
                time.sleep(0.02)

    def submit(self, key: str, hangs_up: bool, chance: random.Random) -> bool:
        """True once the key has its answer."""
        try:
            connection = http.client.HTTPConnection("127.0.0.1", self.rig.server.port, timeout=90)
            headers = {"content-type": "application/json", "idempotency-key": key}
            connection.request("POST", "/api/v1/jobs", json.dumps(self.rig.spec(key)), headers)
            if hangs_up:
                time.sleep(chance.uniform(0, 0.05))
                connection.close()
                return self.count("hung_up")
            answer = connection.getresponse()
            body = json.loads(answer.read())
            connection.close()
        except ConnectionRefusedError:
            return self.count("down")
        except (OSError, http.client.HTTPException):
            return self.count("cut")
        if answer.status in (409, 429, 503) and body["error"]["retryable"]:
            return self.count("refused")
        if answer.status not in (200, 201, 202):
            raise SystemExit(f"{key}: {answer.status} {body['error']}")
        with self.lock:
            before = self.answered.setdefault(key, body["job_id"])
        assert before == body["job_id"], (key, before, body["job_id"])
        return True

    def count(self, what: str) -> bool:
        with self.lock:
            setattr(self, what, getattr(self, what) + 1)
        return False

    def end(self) -> None:
        for _ in self.threads:
            self.keys.put(None)
        for thread in self.threads:
            thread.join()


class Rig:
    """One run: lives of a server, clients beside it, the judge after it."""

    def __init__(self, arguments: argparse.Namespace, folder: Path) -> None:
        self.kills, self.stored = arguments.kills, arguments.stored
        self.seed, self.hang_ups = arguments.seed, arguments.hang_ups
        self.name, self.prefix = arguments.runner, f"k{os.getpid()}-"
        roots = folder / "roots"
        roots.mkdir(parents=True)
        self.judge: Judge = {"flink": Flink, "direct": Direct}[self.name](roots, self.prefix)
        self.network = Network(self.judge.target["url"], arguments.chaos, self.seed) if arguments.chaos else None
        self.clock = WallClock(folder, self.seed) if arguments.jumps else None
        real = self.judge.target | ({"url": self.network.url} if self.network else {})
        targets = {"real": real, "sim": {"runner": "simulator"}}
        self.server = RealServer(folder, {"targets": targets}, **(self.clock.env if self.clock else {}))
        self.ready: list[float] = []

    def spec(self, key: str) -> dict[str, Any]:
        return {"target": "real", **self.judge.spec(key)}

    def start(self) -> None:
        begun = time.monotonic()
        self.server.start()
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=30)
        connection.request("GET", "/health/ready")
        assert connection.getresponse().status == 200
        connection.close()
        self.ready.append(time.monotonic() - begun)

    def store(self) -> None:
        """Jobs of another target, one in a hundred of which runs, before the server first starts."""
        if self.stored:
            store.fill(SERVER, self.server.folder / "data", self.stored, store.patterns(SERVER))

    def run(self) -> bool:
        begun = time.monotonic()
        self.store()
        self.filled = time.monotonic() - begun
        self.start()
        self.check_clock()
        self.ready.clear()
        chance, clients, begun = random.Random(self.seed), Clients(self), time.monotonic()
        for life in range(self.kills):
            for number in range(KEYS_PER_LIFE):
                clients.keys.put(f"{self.prefix}{life}-{number}")
            self.live(chance.uniform(0, LONGEST_LIFE))
            self.server.kill()
            self.start()
        clients.end()
        if self.network:
            self.network.calm()
        if self.clock:
            # What waits for a wall that was set back may wait 15 min (docs/promises.md): longer than the judge.
            self.clock.stand(JUMP)
        self.settle(clients)
        self.took = time.monotonic() - begun
        self.server.kill()
        return self.report(clients)

    def live(self, seconds: float) -> None:
        """A life of the server; its wall clock jumps in the middle."""
        time.sleep(seconds / 2)
        if self.clock:
            self.clock.jump()
        time.sleep(seconds / 2)

    def check_clock(self) -> None:
        """The server lives by the clock it was given."""
        if self.clock:
            self.clock.stand(JUMP)
            _, answer = self.server.call("POST", "/jobs", {"target": "sim", "job_name": "clock"})
            self.clock.check(answer["data"]["creation_time"])

    def settle(self, clients: Clients) -> None:
        """Waits until every job has ended or needs a person, or none did for `SETTLE` seconds."""
        ours = {job_id: key for key, job_id in clients.answered.items()}
        most, end = 0, time.monotonic() + SETTLE
        while time.monotonic() < end:
            jobs = [job for job in self.jobs() if job["job_id"] in ours]
            settled = sum(job["terminal"] or job["state"] == "PARKED" for job in jobs)
            if settled == len(ours):
                break
            if settled > most:
                most, end = settled, time.monotonic() + SETTLE
            time.sleep(1)
        self.states = collections.Counter(job["state"] for job in jobs)
        self.parked = {ours[job["job_id"]] for job in jobs if job["state"] == "PARKED"}
        failed = [job["diagnostics"] for job in jobs if job["state"] != "FINISHED"]
        self.reasons = collections.Counter(text[:300] for text in failed)

    def jobs(self) -> Iterator[dict[str, Any]]:
        """Every job of the real target, as stored."""
        path: str | None = "/jobs?target=real&limit=200"
        while path:
            _, answer = self.server.call("GET", path)
            yield from answer["data"]["jobs"]
            token = answer["data"].get("next_page_token")
            path = token and f"/jobs?target=real&limit=200&page_token={token}"

    def report(self, clients: Clients) -> bool:
        runs = self.judge.runs()
        keys = {f"{self.prefix}{life}-{n}" for life in range(self.kills) for n in range(KEYS_PER_LIFE)}
        lost = [key for key in keys if not runs[key] and key not in self.parked]
        doubled = [key for key in runs if runs[key] > 1]
        strange = [key for key in runs if key not in keys]
        ready = sorted(self.ready)
        row = {
            "runner": self.name,
            "kills": self.kills,
            "submits": len(keys),
            "cut": clients.cut,
            "hang-ups": clients.hung_up,
            "asked to wait": clients.refused,
            "answered": len(clients.answered),
            "FINISHED": self.states["FINISHED"],
            "PARKED": len(self.parked),
            "lost": len(lost),
            "doubled": len(doubled),
            "stored": self.stored,
            "ready p50 ms": round(1000 * ready[len(ready) // 2]),
            "ready max ms": round(1000 * ready[-1]),
            "minutes": round(self.took / 60, 1),
        }
        print(" | ".join(row), flush=True)
        print(" | ".join(str(value) for value in row.values()), flush=True)
        for what, found in {"lost": lost, "doubled": doubled, "never asked for": strange}.items():
            if found:
                print(f"{what}: {sorted(found)[:20]}", flush=True)
        for reason, count in self.reasons.most_common(5):
            print(f"{count} x {reason}", flush=True)
        if self.network:
            print(self.network.told(), flush=True)
        if self.clock:
            print(f"{self.clock.jumps} jumps of the wall clock, up to {self.clock.widest} s off", flush=True)
        print(f"seed {self.seed}; states {dict(self.states)}; {self.filled:.0f} s to store jobs", flush=True)
        return not lost and not doubled and not strange and len(clients.answered) == len(keys)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("runner", choices=["flink", "direct"])
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--stored", type=int, default=0)
    parser.add_argument("--hang-ups", type=float, default=0.0, help="share of requests whose client hangs up")
    parser.add_argument("--chaos", type=float, default=0.0, help="share of calls to the cluster that go wrong")
    parser.add_argument("--jumps", action="store_true", help="the server's wall clock jumps; needs libfaketime")
    parser.add_argument("--seed", type=int, default=1)
    with tempfile.TemporaryDirectory() as folder:
        rig = Rig(parser.parse_args(), Path(folder))
        try:
            exact = rig.run()
        finally:
            rig.server.kill()
    sys.exit(not exact)


main()
