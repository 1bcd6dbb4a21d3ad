"""Google's own Python client drives the emulator: it is shaped by Google's words, and not by ours."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest
from google.auth.exceptions import RefreshError
from google.oauth2 import credentials as user
from google.oauth2 import service_account
from googleapiclient.discovery import build
from googleapiclient.errors import HttpError

from conftest import STREAM, STREAMING, WORD_COUNT, WORDS
from emulated import Emulator, Fault
from emulated.document import document

SCOPES = ["https://www.googleapis.com/auth/cloud-platform"]
PLACE = {"projectId": "acme-prod", "location": "us-central1"}
OPEN: list[Any] = []


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    yield
    while OPEN:
        OPEN.pop().close()


def projects(emulator: Emulator, credentials: Any = None) -> Any:
    key = emulator.identity.service_account(emulator.url)
    credentials = credentials or service_account.Credentials.from_service_account_info(
        key, scopes=SCOPES
    )
    options = {"api_endpoint": emulator.url}
    client = build(
        "dataflow", "v1b3", static_discovery=True, credentials=credentials, client_options=options
    )
    OPEN.append(client)
    return client.projects()


def locations(emulator: Emulator, credentials: Any = None) -> Any:
    return projects(emulator, credentials).locations()


def launch(api: Any, name: str, **more: Any) -> Any:
    body = {"jobName": name, "parameters": WORDS, **more}
    return api.templates().launch(gcsPath=WORD_COUNT, body=body, **PLACE).execute()["job"]


def launch_flex(api: Any, name: str, **more: Any) -> Any:
    given = {"jobName": name, "containerSpecGcsPath": STREAM, "parameters": STREAMING, **more}
    body = {"launchParameter": given}
    return api.flexTemplates().launch(body=body, **PLACE).execute()["job"]


def shown(api: Any, job: Any, *states: str) -> Any:
    """The job once it shows one of the states; a new one may be unknown for a moment, as Google's SDK expects."""
    end = time.monotonic() + 20
    while time.monotonic() < end:
        try:
            now = api.jobs().get(jobId=job["id"], view="JOB_VIEW_ALL", **PLACE).execute()
        except HttpError as error:
            if error.resp.status != 404:
                raise
        else:
            if now["currentState"] in states:
                return now
        time.sleep(0.05)
    raise AssertionError(f"not within 20 s: {states}")


def refusal(call: Any) -> tuple[int, str]:
    with pytest.raises(HttpError) as raised:
        call.execute()
    return raised.value.resp.status, json.loads(raised.value.content)["error"]["status"]


def test_a_batch_job_lives_as_the_document_says(emulator: Emulator) -> None:
    api = locations(emulator)
    metadata = api.templates().get(gcsPath=WORD_COUNT, view="METADATA_ONLY", **PLACE).execute()
    assert metadata["templateType"] == "LEGACY"
    assert metadata["metadata"]["parameters"][0]["name"] == "inputFile"
    job = launch(api, "words", environment={"additionalUserLabels": {"team": "x"}})
    assert refusal(api.jobs().get(jobId=job["id"], **PLACE)) == (404, "NOT_FOUND")
    assert shown(api, job, "JOB_STATE_RUNNING")["labels"] == {"team": "x"}
    listed = api.jobs().list(filter="ACTIVE", **PLACE).execute()["jobs"]
    assert [one["id"] for one in listed] == [job["id"]]
    assert "labels" not in listed[0], "a list shows summaries"
    messages = api.jobs().messages().list(jobId=job["id"], pageSize=1, **PLACE).execute()
    assert messages["jobMessages"][0]["messageText"].startswith("Emulated")
    metrics = api.jobs().getMetrics(jobId=job["id"], **PLACE).execute()["metrics"]
    assert {one["name"]["context"].get("tentative") for one in metrics} == {None, "true"}
    assert api.jobs().getExecutionDetails(jobId=job["id"], **PLACE).execute()["stages"]
    api.jobs().update(
        jobId=job["id"], body={"requestedState": "JOB_STATE_CANCELLED"}, **PLACE
    ).execute()
    shown(api, job, "JOB_STATE_CANCELLED")
    assert api.jobs().list(filter="ACTIVE", **PLACE).execute() == {"jobs": []}


def test_one_list_goes_over_all_regions(emulator: Emulator) -> None:
    west = emulator.regions.open("europe-west1")
    for service, name in ((emulator.service, "here"), (west, "there")):
        service.timing.hidden = 0
        service.add_jobs([name])
    jobs = projects(emulator).jobs()
    first = jobs.aggregated(projectId="acme-prod", filter="ACTIVE", pageSize=1).execute()
    token = first["nextPageToken"]
    second = jobs.aggregated(projectId="acme-prod", pageSize=1, pageToken=token).execute()
    listed = [(job["name"], job["location"]) for job in first["jobs"] + second["jobs"]]
    assert listed == [("here", "us-central1"), ("there", "europe-west1")]
    assert refusal(jobs.aggregated(projectId="other")) == (403, "PERMISSION_DENIED")
    (there,) = west.jobs
    elsewhere = projects(emulator).locations().jobs()
    assert refusal(elsewhere.get(jobId=there, **PLACE)) == (404, "NOT_FOUND")
    place = PLACE | {"location": "europe-west1"}
    assert elsewhere.get(jobId=there, **place).execute()["name"] == "there"


def test_a_name_is_taken_once_while_its_job_is_active(emulator: Emulator) -> None:
    api = locations(emulator)
    first = launch(api, "words")
    again = api.templates().launch(
        gcsPath=WORD_COUNT, body={"jobName": "words", "parameters": WORDS}, **PLACE
    )
    assert refusal(again) == (409, "ALREADY_EXISTS")
    shown(api, first, "JOB_STATE_RUNNING")
    api.jobs().update(
        jobId=first["id"], body={"requestedState": "JOB_STATE_CANCELLED"}, **PLACE
    ).execute()
    shown(api, first, "JOB_STATE_CANCELLED")
    second = launch(api, "words")
    shown(api, second, "JOB_STATE_RUNNING")
    named = api.jobs().list(filter="ALL", name="words", **PLACE).execute()["jobs"]
    assert [one["id"] for one in named] == [second["id"], first["id"]]


def test_a_streaming_job_is_scaled_snapshotted_replaced_and_drained(emulator: Emulator) -> None:
    api = locations(emulator)
    first = launch_flex(api, "flow", environment={"enableStreamingEngine": True})
    shown(api, first, "JOB_STATE_RUNNING")
    mask = "runtime_updatable_params.max_num_workers,runtime_updatable_params.min_num_workers"
    wish = {"runtimeUpdatableParams": {"maxNumWorkers": 5, "minNumWorkers": 2}}
    both = api.jobs().update(
        jobId=first["id"],
        updateMask=mask,
        body=wish | {"requestedState": "JOB_STATE_CANCELLED"},
        **PLACE,
    )
    assert refusal(both) == (400, "INVALID_ARGUMENT")
    api.jobs().update(jobId=first["id"], updateMask=mask, body=wish, **PLACE).execute()
    assert shown(api, first, "JOB_STATE_RUNNING")["runtimeUpdatableParams"]["maxNumWorkers"] == 5
    body = {"ttl": "604800s", "description": "mine"}
    snapshot = api.jobs().snapshot(jobId=first["id"], body=body, **PLACE).execute()
    assert snapshot["state"] == "PENDING"
    time.sleep(emulator.service.timing.snapshot)
    assert api.snapshots().get(snapshotId=snapshot["id"], **PLACE).execute()["state"] == "READY"
    second = launch_flex(api, "flow", update=True)
    assert shown(api, first, "JOB_STATE_UPDATED")["replacedByJobId"] == second["id"]
    assert shown(api, second, "JOB_STATE_RUNNING")["replaceJobId"] == first["id"]
    flag = f"--create_from_snapshot={snapshot['id']}"
    third = launch_flex(api, "again", environment={"additionalPipelineOptions": [flag]})
    assert shown(api, third, "JOB_STATE_RUNNING")["createdFromSnapshotId"] == snapshot["id"]
    api.jobs().update(
        jobId=second["id"], body={"requestedState": "JOB_STATE_DRAINED"}, **PLACE
    ).execute()
    shown(api, second, "JOB_STATE_DRAINED")


def test_what_workers_write_is_in_cloud_logging(emulator: Emulator) -> None:
    api = locations(emulator)
    job = launch(api, "words")
    shown(api, job, "JOB_STATE_RUNNING")
    client = build(
        "logging",
        "v2",
        static_discovery=True,
        credentials=user.Credentials(next(iter(emulator.identity.tokens))),
        client_options={"api_endpoint": emulator.url},
    )
    OPEN.append(client)
    text = f'resource.type="dataflow_step" AND resource.labels.job_id="{job["id"]}" AND severity>=WARNING'
    body = {"resourceNames": ["projects/acme-prod"], "filter": text, "orderBy": "timestamp desc"}
    (entry,) = client.entries().list(body=body).execute()["entries"]
    assert entry["jsonPayload"]["message"].startswith("Emulated")
    body["filter"] = "resource.type=gce_instance"
    assert refusal(client.entries().list(body=body)) == (400, "INVALID_ARGUMENT")


def test_what_the_document_does_not_know_is_refused(emulator: Emulator) -> None:
    api = locations(emulator)
    for body in [
        {"jobName": "words", "parameters": WORDS, "jobNmae": "x"},
        {"jobName": "words", "parameters": WORDS, "environment": {"maxWorker": 5}},
        {"jobName": "words", "parameters": WORDS, "environment": {"maxWorkers": "many"}},
        {"jobName": "words", "parameters": WORDS, "environment": {"ipConfiguration": "PRIVATE"}},
        {"jobName": "Words", "parameters": WORDS},
        {"jobName": "words", "parameters": {"inputFile": "gs://x/y"}},
    ]:
        call = api.templates().launch(gcsPath=WORD_COUNT, body=body, **PLACE)
        assert refusal(call) == (400, "INVALID_ARGUMENT"), body
    assert emulator.service.jobs == {}
    assert len(document().methods) > 50
    assert document().revision


def test_a_fault_is_googles_and_a_lost_answer_leaves_the_job(emulator: Emulator) -> None:
    api = locations(emulator)
    emulator.faults.add(Fault("jobs.list", status=429, retry_after=1))
    assert refusal(api.jobs().list(**PLACE)) == (429, "RESOURCE_EXHAUSTED")
    # Google's client repeats a request whose connection ended: its own success comes back as a conflict.
    emulator.faults.add(Fault("templates.launch", lost="answer"))
    again = api.templates().launch(
        gcsPath=WORD_COUNT, body={"jobName": "words", "parameters": WORDS}, **PLACE
    )
    assert refusal(again) == (409, "ALREADY_EXISTS")
    assert len(emulator.service.jobs) == 1
    emulator.faults.add(Fault("templates.launch", lost="request"))
    launch(api, "other")
    assert len(emulator.called("templates.launch")) == 4
    assert len(emulator.service.jobs) == 2


# Google's client reads where the metadata server is when it is imported.
ON_A_MACHINE = """
import sys
from google.auth.compute_engine import Credentials
from googleapiclient.discovery import build
options = {"api_endpoint": sys.argv[1]}
machine = Credentials(universe_domain="googleapis.com")
with build("dataflow", "v1b3", static_discovery=True, credentials=machine, client_options=options) as client:
    client.projects().locations().jobs().list(projectId="acme-prod", location="us-central1").execute()
"""


def test_googles_own_credentials_get_their_tokens_here(emulator: Emulator) -> None:
    left = {
        name: value
        for name, value in emulator.identity.authorized_user(emulator.url).items()
        if name != "type"
    }
    person = user.Credentials(None, scopes=SCOPES, **left)
    for credentials in (None, person):
        locations(emulator, credentials).jobs().list(**PLACE).execute()
    env = {**os.environ, "GCE_METADATA_HOST": f"127.0.0.1:{emulator.port}"}
    argv = [sys.executable, "-c", ON_A_MACHINE, emulator.url]
    ran = subprocess.run(argv, env=env, capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode == 0, ran.stderr
    assert emulator.identity.given == {"jwt": 1, "refresh": 1, "metadata": 1}


def test_a_token_nobody_gave_is_refused(emulator: Emulator) -> None:
    stranger = user.Credentials("ya29.none")
    with pytest.raises(RefreshError):
        locations(emulator, stranger).jobs().list(**PLACE).execute()
