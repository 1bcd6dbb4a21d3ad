"""The Lambda binary with its jobs in a DynamoDB table, killed at random instants while callers submit.

`table.py URL`: an emulator of DynamoDB. Each caller sends its submission under one key until it is answered, however
often the function dies meanwhile; each key must become one job, and every job must be there for the function that is
started last, which takes them on in its rounds.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import random
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from check import BOOTSTRAP, CARGO_LAMBDA, CONFIG, Function, environment, free_port, get, post, running, wait_for

DEPLOYED = Path(__file__).parents[2] / "lambda" / "deploy" / "table.json"
REGION = "eu-west-1"
CALLERS, KILLS = 12, 25
LONGEST_LIFE = 0.4
PATIENCE = 5.0
"""Seconds a caller waits for an answer before it asks again: nobody answers for a function that is gone."""
STATES = {"RUNNING"}


def make_table(url: str) -> str:
    """Creates the table of the deployment; its name."""
    table = json.loads(DEPLOYED.read_text())
    scope = f"AWS4-HMAC-SHA256 Credential=id/20260101/{REGION}/dynamodb/aws4_request, SignedHeaders=host, Signature=0"
    headers = {
        "x-amz-target": "DynamoDB_20120810.CreateTable",
        "content-type": "application/x-amz-json-1.0",
        "authorization": scope,
    }
    request = urllib.request.Request(url, json.dumps(table).encode(), headers)
    with urllib.request.urlopen(request, timeout=20) as answer:
        assert json.load(answer)["TableDescription"]["TableStatus"] in ("ACTIVE", "CREATING")
    return str(table["TableName"])


class Lives:
    """The function, started again after each kill."""

    def __init__(self, env: dict[str, str], log: Any) -> None:
        self.env, self.log = env, log
        self.process = self.begin()

    def begin(self) -> subprocess.Popen[bytes]:
        """A fresh one, under a name of its own as the platform gives each."""
        return subprocess.Popen([BOOTSTRAP], env=self.env, stdout=self.log, stderr=self.log)

    def kill(self) -> None:
        """Ends it without warning and starts the next."""
        assert self.process.poll() is None, f"it ended by itself with {self.process.returncode}"
        self.process.kill()
        self.process.wait()
        self.process = self.begin()


class Callers:
    """Those who submit and do not give up."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.begun: set[str] = set()
        self.answered: dict[str, str] = {}
        self.failed: list[Exception] = []
        self.asked_again = 0
        self.threads = [threading.Thread(target=self.work, args=(number,), daemon=True) for number in range(CALLERS)]
        self.over = threading.Event()
        for thread in self.threads:
            thread.start()

    def work(self, number: int) -> None:
        """Keeps for `end` what goes wrong: what a thread raises nobody else hears."""
        try:
            self.ask(number)
        except Exception as error:  # noqa: BLE001 - whatever it is, the run fails with it
            self.failed.append(error)

    def ask(self, number: int) -> None:
        """Key after key until the kills are over."""
        count = 0
        while not self.over.is_set():
            key = f"key-{number}-{count}"
            self.begun.add(key)
            while not (job_id := self.submit(key)):
                self.asked_again += 1
            self.answered[key] = job_id
            count += 1

    def submit(self, key: str) -> str | None:
        """The job of a key; `None` where nobody answered."""
        event = post("http-api-v2", "/api/v1/jobs", {"runner_type": "sim", "job_name": key})
        event["headers"] = {name: value for name, value in event["headers"].items() if name.lower() != "idempotency-key"}
        event["headers"]["idempotency-key"] = key
        try:
            status, body = Function(self.port, PATIENCE).http(event)
        except (OSError, http.client.HTTPException, KeyError, json.JSONDecodeError):
            return None
        if status in (409, 429, 503) and body["error"]["retryable"]:
            return None
        assert status in (200, 201, 202), (key, status, body)
        return str(body["data"]["job_id"])

    def end(self) -> None:
        """Lets everybody get the answer they wait for; nobody may have given up before."""
        self.over.set()
        for thread in self.threads:
            thread.join(120)
            assert not thread.is_alive(), "a caller never got its answer"
        assert not self.failed, self.failed
        assert self.begun == self.answered.keys(), self.begun ^ self.answered.keys()


def stored(function: Function) -> Iterator[dict[str, Any]]:
    """Every job of the table."""
    token = ""
    while True:
        event = get("http-api-v2", "/api/v1/jobs")
        event["rawQueryString"] = "limit=200" + (f"&page_token={token}" if token else "")
        status, body = function.http(event)
        assert status == 200, body
        yield from body["data"]["jobs"]
        token = body["data"].get("next_page_token") or ""
        if not token:
            return


def judge(function: Function, callers: Callers, kills: int) -> None:
    """Each key is one job, and each job runs after some rounds."""
    for _ in range(60):
        function.invoke({"beam_mcp": "tick"})
        jobs = list(stored(function))
        if all(job["state"] in STATES for job in jobs):
            break
        time.sleep(1)
    names = Counter(job["name"] for job in jobs)
    ids = {job["job_id"] for job in jobs}
    lost = [key for key, job_id in callers.answered.items() if job_id not in ids]
    doubled = [name for name, count in names.items() if count > 1]
    states = dict(Counter(job["state"] for job in jobs))
    print(f"  {kills} kills, {len(callers.answered)} submissions, {callers.asked_again} asked again: lost {len(lost)}, "
          f"doubled {len(doubled)}, {states}")
    assert not lost and not doubled and callers.asked_again, (lost, doubled)
    assert states.keys() <= STATES, states


def main() -> None:
    """Kills, and judges."""
    endpoint, chance = sys.argv[1], random.Random(1)
    table = {"dynamodb": {"table": make_table(endpoint), "region": REGION, "endpoint": endpoint}}
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        folder, port = Path(name), free_port()
        log = stack.enter_context((folder / "log").open("w+"))
        watch = [CARGO_LAMBDA, "lambda", "watch", "--only-lambda-apis", "-A", "127.0.0.1", "-P", str(port), "-q"]
        stack.enter_context(running(*watch, stdout=log, stderr=log))
        wait_for(port)
        env = environment(folder, {**CONFIG, "store": table}, port)
        lives = Lives({**env, "AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "secret"}, log)
        try:
            callers = Callers(port)
            for _ in range(KILLS):
                time.sleep(chance.uniform(0, LONGEST_LIFE))
                lives.kill()
            callers.end()
            judge(Function(port), callers, KILLS)
        except BaseException:
            log.seek(0)
            sys.stderr.write(log.read()[-4000:])
            raise
        finally:
            lives.process.kill()
    print("lambda over a table: ok")


if __name__ == "__main__":
    main()
