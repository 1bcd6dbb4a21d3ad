"""The package as others meet it: types, stubs, the error table, the two twins, the import."""

from __future__ import annotations

import inspect
import json
import pickle
import subprocess
import sys
import typing
from pathlib import Path
from typing import Any

import pytest

import beam_mcp_client
from beam_mcp_client import (
    BeamMCPClient,
    Job,
    JobRef,
    MCPClient,
    MCPError,
    Result,
    Savepoint,
    _core,
    errors,
)

ROOT = Path(__file__).parent.parent.parent
TABLE = json.loads((ROOT / "tests" / "vectors" / "error" / "table.json").read_text())["kinds"]

OPERATIONS = {
    "get_manifest": ["get_manifest"],
    "get_health": ["get_health"],
    "get_openapi": ["get_openapi"],
    "list_runners": ["list_runners"],
    "get_runner": ["get_runner"],
    "list_targets": ["list_targets"],
    "create_job": ["create_job", "submit_job", "plan_job"],
    "list_jobs": ["list_jobs", "iter_jobs"],
    "get_job": ["get_job"],
    "get_job_status": ["get_job_status"],
    "get_job_configuration": ["get_job_configuration"],
    "update_job": ["update_job", "plan_operation"],
    "scale_job": ["scale_job", "plan_operation"],
    "cancel_job": ["cancel_job", "drain_job", "stop_job", "plan_operation"],
    "create_savepoint": ["create_savepoint", "plan_operation"],
    "start_savepoint": ["create_savepoint"],
    "list_savepoints": ["list_savepoints"],
    "list_operations": ["list_operations"],
    "get_operation": ["get_operation"],
    "restore_job": ["restore_job", "plan_operation"],
    "adopt_job": ["adopt_job", "plan_resolution"],
    "abandon_job": ["abandon_job", "plan_resolution"],
    "resubmit_job": ["resubmit_job", "plan_resolution"],
    "get_metrics": ["get_metrics", "get_job_metrics"],
    "get_graph": ["get_graph"],
    "get_checkpoints": ["get_checkpoints"],
    "get_logs": ["get_logs", "get_job_logs"],
    "wait_for_change": ["wait_for_change", "watch_job", "wait_for_job"],
    "list_contexts": ["list_contexts"],
    "create_context": ["create_context", "plan_context"],
    "get_context": ["get_context"],
    "update_context": ["update_context", "plan_context"],
    "delete_context": ["delete_context", "plan_context"],
    "upload_artifact": ["upload_artifact"],
}
"""The methods behind each call of the core's client."""
LOCAL = {"with_options", "close"}


def tool(*command: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_stubs_fit_the_binary() -> None:
    tool("mypy.stubtest", "beam_mcp_client._core", "--ignore-disjoint-bases")


def test_the_package_is_typed() -> None:
    tool("mypy", "python/beam_mcp_client")


def test_the_asynchronous_twin_is_made_from_the_synchronous_one() -> None:
    done = subprocess.run([sys.executable, "python/generate.py", "--check"], cwd=ROOT, check=False)
    assert done.returncode == 0, "run python/generate.py"


def test_every_call_of_the_core_has_its_methods_on_both_classes() -> None:
    assert OPERATIONS.keys() == {verb for verb, _ in _core.routes()}
    names = {name for names in OPERATIONS.values() for name in names} | LOCAL
    for kind in (MCPClient, BeamMCPClient):
        public = {
            name
            for name, _ in inspect.getmembers(kind, inspect.isfunction)
            if not name.startswith("_")
        }
        assert public == names


@pytest.mark.parametrize("kind", [MCPClient, BeamMCPClient])
def test_annotations_can_be_evaluated_and_every_method_is_told(kind: type) -> None:
    for name, method in inspect.getmembers(kind, inspect.isfunction):
        if not name.startswith("_"):
            assert typing.get_type_hints(method)
            assert method.__doc__


@pytest.mark.parametrize("kind", TABLE, ids=lambda kind: kind["code"])
def test_the_error_table_is_the_one_of_all_languages(kind: dict[str, Any]) -> None:
    error = errors.from_object({"code": kind["code"], "message": "m", "details": {"reason": "r"}})
    assert type(error).__name__ == kind["python"]
    assert error.exit_code == kind["exit"]
    assert isinstance(error, MCPError)
    assert getattr(beam_mcp_client, kind["python"]) is type(error)
    assert str(error) == "m"


def test_the_table_is_whole() -> None:
    assert set(errors.BY_CODE) == {kind["code"] for kind in TABLE}


def test_results_are_objects_mappings_and_frozen() -> None:
    job = Job({"job_id": "a:b", "state": "RUNNING", "more": [1]})
    assert (job.state, job["state"], job.get("state"), job.more) == (
        "RUNNING",
        "RUNNING",
        "RUNNING",
        [1],
    )
    assert job.diagnostics is None
    assert job.get("diagnostics", "") == ""
    assert dict(job) == job.to_dict()
    assert "more" in dir(job)
    with pytest.raises(AttributeError, match="it has job_id"):
        _ = job.staet
    with pytest.raises(AttributeError, match="to_dict"):
        job.state = "FAILED"
    with pytest.raises(KeyError):
        _ = job["diagnostics"]
    assert pickle.loads(pickle.dumps(job)) == job
    assert repr(Result({"a": 1})) == "Result({'a': 1})"


def test_strings_that_carry_their_object() -> None:
    ref = JobRef.of(Job({"job_id": "a:b", "state": "PENDING"}))
    again = pickle.loads(pickle.dumps(ref))
    assert (again, again.state, type(again)) == ("a:b", "PENDING", JobRef)
    assert f"{ref}/x" == "a:b/x"
    assert "a:b" in {ref: 1}
    assert not Savepoint.of({"job_id": "a:b", "operation": {"operation_id": "a:b/savepoint-1"}})
    with pytest.raises(AttributeError):
        ref.state = "x"


def test_the_import_is_quick_and_brings_no_heavy_modules() -> None:
    heavy = ("rich", "argparse", "zipfile", "multiprocessing")
    code = f"import sys, beam_mcp_client; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
