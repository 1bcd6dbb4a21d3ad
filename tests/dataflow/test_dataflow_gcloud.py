"""Calls as the gcloud command line makes them, over plain HTTP: paths, verbs and bodies of its `dataflow` commands.

From the source of the Google Cloud CLI (`googlecloudsdk/api_lib/dataflow`); the CLI itself is in no registry here.
"""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from typing import Any

from google.auth.transport.requests import Request
from google.oauth2 import service_account

from conftest import STREAM, STREAMING, WORD_COUNT, WORDS
from emulated import Emulator

SCOPES = ["https://www.googleapis.com/auth/cloud-platform"]
JOBS = "/v1b3/projects/acme-prod/locations/us-central1/jobs"


class Gcloud:
    """The command line's way to one project, with the token of a service account."""

    def __init__(self, emulator: Emulator) -> None:
        key = emulator.identity.service_account(emulator.url)
        made = service_account.Credentials.from_service_account_info(key, scopes=SCOPES)
        made.refresh(Request())
        self.url, self.token = emulator.url, made.token

    def __call__(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """Status and JSON of one call, which asks for JSON as gcloud does."""
        mark = "&" if "?" in path else "?"
        request = urllib.request.Request(
            f"{self.url}{path}{mark}alt=json",
            None if body is None else json.dumps(body).encode(),
            {"authorization": f"Bearer {self.token}", "content-type": "application/json"},
            method=method,
        )
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.load(error)

    def shown(self, job: str, state: str) -> Any:
        """`jobs show`, until the job is in a state."""
        end = time.monotonic() + 20
        while time.monotonic() < end:
            status, now = self("GET", f"{JOBS}/{job}?view=JOB_VIEW_ALL")
            if status == 200 and now["currentState"] == state:
                return now
            time.sleep(0.05)
        raise AssertionError(f"not within 20 s: {state}")


def test_jobs_are_run_listed_shown_and_cancelled(emulator: Emulator) -> None:
    gcloud = Gcloud(emulator)
    templates = JOBS.removesuffix("/jobs") + "/templates"
    asked = {"gcsPath": WORD_COUNT, "jobName": "words", "location": "us-central1"}
    run = {**asked, "parameters": WORDS, "environment": {"maxWorkers": 3}}
    status, job = gcloud("POST", templates, run)
    assert (status, job["name"]) == (200, "words")
    assert gcloud("POST", templates, run)[0] == 409, "the name is taken"
    assert gcloud("POST", templates, {**run, "gcsPath": STREAM})[0] == 400
    gcloud.shown(job["id"], "JOB_STATE_RUNNING")
    everywhere = (
        "/v1b3/projects/acme-prod/jobs:aggregated?filter=ACTIVE&pageSize=20&view=JOB_VIEW_SUMMARY"
    )
    for listed in (everywhere, f"{JOBS}?filter=ACTIVE&pageSize=20&view=JOB_VIEW_SUMMARY"):
        assert [one["id"] for one in gcloud("GET", listed)[1]["jobs"]] == [job["id"]]
    assert gcloud("GET", f"{JOBS}/{job['id']}/metrics")[1]["metrics"]
    end = {"requestedState": "JOB_STATE_CANCELLED"}
    assert gcloud("PUT", f"{JOBS}/{job['id']}", end)[0] == 200
    gcloud.shown(job["id"], "JOB_STATE_CANCELLED")


def test_a_flex_template_runs_is_snapshotted_and_drained(emulator: Emulator) -> None:
    gcloud = Gcloud(emulator)
    launch = {"containerSpecGcsPath": STREAM, "jobName": "stream", "parameters": STREAMING}
    flex = JOBS.removesuffix("/jobs") + "/flexTemplates:launch"
    status, launched = gcloud("POST", flex, {"launchParameter": launch})
    assert status == 200, launched
    job = launched["job"]["id"]
    gcloud.shown(job, "JOB_STATE_RUNNING")
    taken = {"location": "us-central1", "ttl": "604800s", "snapshotSources": False}
    status, snapshot = gcloud("POST", f"{JOBS}/{job}:snapshot", taken)
    assert (status, snapshot["sourceJobId"]) == (200, job)
    assert [one["id"] for one in gcloud("GET", f"{JOBS}/{job}/snapshots")[1]["snapshots"]] == [
        snapshot["id"]
    ]
    assert gcloud("PUT", f"{JOBS}/{job}", {"requestedState": "JOB_STATE_DRAINED"})[0] == 200
    gcloud.shown(job, "JOB_STATE_DRAINED")


def test_a_truth_is_no_number_and_no_word(emulator: Emulator) -> None:
    gcloud = Gcloud(emulator)
    templates = JOBS.removesuffix("/jobs") + "/templates"
    run = {"gcsPath": WORD_COUNT, "jobName": "words", "parameters": WORDS}
    for environment in ({"maxWorkers": True}, {"ipConfiguration": True}):
        assert gcloud("POST", templates, {**run, "environment": environment})[0] == 400, environment
