"""Beam's own Dataflow client, as its runner uses it with --dataflow_endpoint, drives the emulator."""

from __future__ import annotations

import time
import warnings
from typing import Any

import pytest

from emulated import Emulator

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from apache_beam.options.pipeline_options import PipelineOptions
    from apache_beam.runners.dataflow.internal import apiclient
    from google.cloud import dataflow

pytestmark = pytest.mark.filterwarnings("ignore")


def client(emulator: Emulator) -> Any:
    endpoint = f"http://localhost:{emulator.port}"
    flags = [
        "--project=acme-prod",
        "--region=us-central1",
        "--no_auth",
        f"--dataflow_endpoint={endpoint}",
    ]
    return apiclient.DataflowApplicationClient(PipelineOptions(flags), "gs://bucket/staging")


def test_beams_own_client_creates_watches_and_cancels_a_job(emulator: Emulator) -> None:
    emulator.identity.required = False
    beam = client(emulator)
    request = dataflow.CreateJobRequest()
    request.project_id, request.location = "acme-prod", "us-central1"
    request.job = dataflow.Job(
        name="beam-words", type_=dataflow.JobType.JOB_TYPE_BATCH, client_request_id="r-1"
    )
    job = beam._jobs_client.create_job(request=request)
    assert job.id.endswith("-emulated")
    # Beam itself asks again after 404.
    shown = beam.get_job(job.id)
    end = time.monotonic() + 20
    while shown.current_state != dataflow.JobState.JOB_STATE_RUNNING and time.monotonic() < end:
        time.sleep(0.1)
        shown = beam.get_job(job.id)
    assert shown.current_state == dataflow.JobState.JOB_STATE_RUNNING
    assert beam.job_id_for_name("beam-words") == job.id
    messages, _ = beam.list_messages(job.id)
    assert any("Emulated" in message.message_text for message in messages)
    assert {metric.name.name for metric in beam.get_job_metrics(job.id).metrics} >= {
        "words",
        "lengths",
    }
    again = beam._jobs_client.create_job(request=request)
    assert again.id == job.id, "a taken name gives the job that has it"
    assert beam.modify_job_state(job.id, "JOB_STATE_CANCELLED")
    while beam.get_job(job.id).current_state != dataflow.JobState.JOB_STATE_CANCELLED:
        assert time.monotonic() < end + 20
        time.sleep(0.1)
