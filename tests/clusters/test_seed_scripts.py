"""S1's scripts as printed, but for host, port and `code_path`; S0's REST examples."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from conftest import Api

HERE = Path(__file__).parent


@pytest.mark.parametrize("script", ["s1_requests.py", "s1_client.py"])
def test_the_script_runs_and_does_what_it_says(api: Api, script: str) -> None:
    ran = subprocess.run(  # noqa: S603
        [sys.executable, str(HERE / "scripts" / script), api.url, "ratejob.jar"],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    jobs = api.get("/api/v1/jobs?target=flink&limit=1")["data"]["jobs"]
    assert jobs[0]["state"] == "CANCELED", jobs
    assert jobs[0]["ended_by"] == "stop"
    assert jobs[0]["savepoint_path"].startswith("file:")
    assert jobs[0]["parallelism"] == 8


def test_s0s_dataflow_example_is_refused_where_no_dataflow_is_configured(api: Api) -> None:
    body = {
        "job_name": "word-count",
        "runner_type": "dataflow",
        "job_type": "BATCH",
        "pipeline_options": {"project": "your-gcp-project", "region": "us-central1"},
        "template_path": "gs://dataflow-templates/latest/Word_Count",
    }
    answer = api.call("POST", "/api/v1/jobs", body)
    assert answer.status_code == 404, answer.text
    assert answer.json()["error"]["details"]["reason"] == "unknown_target"


def test_s0s_reads(api: Api) -> None:
    headers = {"MCP-Session-ID": "my-session", "Content-Type": "application/json"}
    runners = api.call("GET", "/api/v1/runners", **headers)
    assert runners.headers["MCP-Session-ID"] == "my-session"
    found = {runner["name"]: runner for runner in runners.json()["data"]["runners"]}
    assert found["flink"]["status"] == "AVAILABLE"
    assert found["dead"]["status"] == "UNAVAILABLE"
    assert "create_job" in [tool["name"] for tool in api.get("/api/v1/manifest")["data"]["tools"]]
    assert "flink" in api.get("/api/v1/health/llm")["message"]
