"""The contract of a runner, on the emulated Dataflow, through the real server. The emulator checks every request of
ours against Google's discovery document; the names of tests say what holds."""

from __future__ import annotations

import contextlib
import json
import stat
import threading
import time
from pathlib import Path
from typing import Any

import pytest

import capability_matrix
from conftest import STREAM, STREAMING, WORD_COUNT, WORDS, Server, config
from emulated import Emulator, Fault
from real_server import until

ENGINE = {"enable_streaming_engine": True, "max_num_workers": 3}


def streaming(server: Server, **more: Any) -> str:
    """A streaming job that runs."""
    job = server.launch(STREAM, job_type="STREAMING", pipeline_options=ENGINE, **more)
    server.wait(job, "RUNNING")
    return job


def operation(answer: dict[str, Any]) -> dict[str, Any]:
    return dict(answer["data"]["operation"])


# ---- submit ----


def test_s0s_create_example_runs_as_printed(server: Server, emulator: Emulator) -> None:
    body = {
        "job_name": "word-count",
        "runner_type": "dataflow",
        "job_type": "BATCH",
        "pipeline_options": {
            "project": "acme-prod",
            "region": "us-central1",
            "tempLocation": "gs://your-bucket/temp",
        },
        "template_path": "gs://dataflow-templates/latest/Word_Count",
        "template_parameters": {
            "inputFile": "gs://dataflow-samples/shakespeare/kinglear.txt",
            "output": "gs://your-bucket/output/results",
        },
    }
    status, answer = server.call("POST", "/jobs", body)
    assert status == 201, answer
    assert server.wait(answer["job_id"], "RUNNING")["runner_state"] == "JOB_STATE_RUNNING"
    (launch,) = emulator.called("templates.launch")
    token = answer["job_id"].partition(":")[2]
    assert launch["jobName"] == f"word-count-{token}"
    assert launch["environment"]["additionalUserLabels"] == {"beam_mcp_job": token}
    assert launch["environment"]["tempLocation"] == "gs://your-bucket/temp"


def test_without_a_dataflow_target_s0s_example_is_refused(tmp_path: Path) -> None:
    running = Server(tmp_path, {"targets": {"sim": {"runner": "simulator"}}})
    running.start()
    try:
        error = running.refused(
            "POST", "/jobs", {"runner_type": "dataflow", "template_path": WORD_COUNT}
        )
        assert error["details"]["reason"] == "unknown_target"
    finally:
        running.kill()


def test_s1s_python_file_on_dataflow_is_refused_with_what_to_do(
    server: Server, emulator: Emulator
) -> None:
    error = server.refused(
        "POST", "/jobs", {"runner_type": "dataflow", "code_path": "wordcount.py"}
    )
    assert (error["code"], error["details"]["reason"]) == ("unsupported", "template_needed")
    assert "flex template" in error["details"]["suggestion"]
    assert emulator.calls == [] or not emulator.called("launch")


def test_a_flex_template_and_beam_yaml_are_launched(server: Server, emulator: Emulator) -> None:
    streaming(server)
    text = "pipeline:\n  type: chain\n  transforms:\n    - type: Create\n      config: {elements: [1]}\n"
    inline = server.ok("POST", "/jobs", {"target": "df", "job_name": "y", "yaml": text})
    file = server.ok(
        "POST", "/jobs", {"target": "df", "job_name": "y", "code_path": "gs://b/p.yaml"}
    )
    first, second, third = (
        body["launchParameter"] for body in emulator.called("flexTemplates.launch")
    )
    assert first["environment"]["enableStreamingEngine"] is True
    assert second["containerSpecGcsPath"].endswith("/flex/Yaml_Template")
    assert second["parameters"] == {"yaml_pipeline": text}
    assert third["parameters"] == {"yaml_pipeline_file": "gs://b/p.yaml"}
    assert server.wait(inline["job_id"], "RUNNING")["job_type"] == "BATCH"
    server.wait(file["job_id"], "RUNNING")


@pytest.mark.parametrize(
    ("change", "reason", "hint"),
    [
        (
            {"template_parameters": {"inputFile": "gs://a/b", "outputs": "gs://a/c"}},
            "unknown_parameter",
            "`output`",
        ),
        (
            {"template_parameters": {"inputFile": "gs://a/b"}},
            "missing_parameter",
            "template_parameters",
        ),
        ({"template_parameters": WORDS | {"output": "/tmp/x"}}, "bad_parameter", "matches"),
        ({"template_path": "gs://dataflow-templates/latest/Nothing"}, "no_such_template", "path"),
        ({"template_path": "gs://private/x"}, "template_not_allowed", "template_prefixes"),
        ({"pipeline_options": {"project": "other"}}, "other_project", "list_runners"),
        ({"pipeline_options": {"num_workers": "lots"}}, "bad_option_value", ""),
        ({"savepoint_path": "gone"}, "no_such_snapshot", "snapshot"),
    ],
)
def test_bad_input_is_told_before_anything_is_launched(
    server: Server, emulator: Emulator, change: dict[str, Any], reason: str, hint: str
) -> None:
    body = {
        "target": "df",
        "job_name": "x",
        "template_path": WORD_COUNT,
        "template_parameters": WORDS,
    }
    error = server.refused("POST", "/jobs", body | change)
    assert error["details"]["reason"] == reason, error
    assert hint in error["details"]["suggestion"]
    assert emulator.called("launch") == []


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("pipeline:\n  transforms: [", "2", ""),
        ("pipeline:\n  transforms:\n    - name: x\n", "3", "`type`"),
        ("pipeline:\n  transforms:\n    - type: ReadFromTxt\n", "3", "`ReadFromText`"),
        (
            "pipeline:\n  transforms:\n    - type: Create\n      config:\n        element: [1]\n",
            "5",
            "`elements`",
        ),
    ],
)
def test_broken_beam_yaml_is_told_with_its_line(
    server: Server, emulator: Emulator, text: str, line: str, said: str
) -> None:
    parameters = {"target": "df", "template_parameters": {"yaml_pipeline": text}}
    for body in ({"target": "df", "yaml": text}, parameters):
        error = server.refused("POST", "/jobs", body)
        assert (error["details"]["reason"], error["details"]["line"]) == ("bad_yaml", line), error
        assert said in error["message"]
    assert emulator.called("get") == emulator.called("launch") == []


def test_what_another_beam_may_take_is_a_note(server: Server, emulator: Emulator) -> None:
    """The template brings a Beam that nobody tells us."""
    text = "pipeline:\n  transforms:\n    - {type: ReadFromText, config: {path: a, lines: 9}}\n"
    plan = server.ok("POST", "/jobs", {"target": "df", "yaml": text, "dry_run": True})
    said = (
        "the YAML would be refused by Beam 2.77: line 3, column 46: `ReadFromText` takes no `lines`"
    )
    assert [note for note in plan["data"]["plan"]["unknown"] if note.startswith(said)]
    assert emulator.called("launch") == []


def test_a_dry_run_shows_the_launch_and_where_each_option_comes_from(
    server: Server, emulator: Emulator
) -> None:
    body = {
        "target": "df",
        "job_name": "x",
        "template_path": WORD_COUNT,
        "template_parameters": WORDS,
    }
    options = {"temp_location": "gs://b/t", "maxNumWorkers": 4}
    answer = server.ok("POST", "/jobs", body | {"dry_run": True, "pipeline_options": options})
    plan = answer["data"]["plan"]
    assert "templates:launch" in plan["calls"][0]["call"]
    assert plan["calls"][0]["body"]["environment"]["maxWorkers"] == 4
    assert {row["name"]: row["from"] for row in plan["options"]} == {
        "temp_location": "caller",
        "maxNumWorkers": "caller",
    }
    assert emulator.called("launch") == []


def test_the_context_of_s2_is_part_of_the_launch(server: Server, emulator: Emulator) -> None:
    """S2's object as it is printed, but for project and bucket; without a target it is Dataflow's only one."""
    parameters = {"region": "us-central1", "project": "acme-prod", "temp_location": "gs://b/temp"}
    profile = {"mcp_resource_id": "dataflow-default", "context_type": "dataflow"}
    server.ok("POST", "/contexts", profile | {"parameters": parameters})
    body = {"context_id": "dataflow-default", "template_path": WORD_COUNT}
    body |= {"job_name": "x", "template_parameters": WORDS}
    plan = server.ok("POST", "/jobs", body | {"dry_run": True})["data"]["plan"]
    assert {row["name"]: row["from"] for row in plan["options"]} == dict.fromkeys(
        parameters, "context"
    )
    server.ok("POST", "/jobs", body)
    (launch,) = emulator.called("templates.launch")
    assert launch["environment"]["tempLocation"] == "gs://b/temp"
    server.ok("PUT", "/contexts/dataflow-default", {"parameters": {"project": "not-mine"}})
    assert server.refused("POST", "/jobs", body)["details"]["reason"] == "other_project"


# ---- one submission is one job ----


def test_surprise_19_a_conflict_after_our_own_success_is_adopted(
    server: Server, emulator: Emulator
) -> None:
    """The launch succeeds, its answer is lost, and the name is found taken: by us."""
    emulator.service.timing.hidden = 0
    emulator.faults.add(Fault("templates.launch", lost="answer"))
    job = server.launch(idempotency_key="k-1")
    assert server.wait(job, "RUNNING")["native_id"] in emulator.service.jobs
    assert len(emulator.service.jobs) == 1
    assert len(emulator.called("templates.launch")) == 1, "it was looked for, not sent again"
    assert server.launch(idempotency_key="k-1") == job


def test_a_lost_launch_that_is_not_listed_yet_is_not_repeated_early(
    server: Server, emulator: Emulator
) -> None:
    emulator.service.timing.hidden = 2
    emulator.faults.add(Fault("templates.launch", lost="answer"))
    job = server.launch()
    assert server.wait(job, "RUNNING")["state"] == "RUNNING"
    assert len(emulator.called("templates.launch")) == 1
    listed = server.ok("GET", "/jobs")["data"]["jobs"]
    assert [one["job_id"] for one in listed] == [job], (
        "found by its name, it is no second job of the list"
    )


def test_not_found_right_after_the_launch_is_transient(server: Server, emulator: Emulator) -> None:
    emulator.service.timing.hidden = 1.5
    job = server.launch()
    assert server.job(job)["state"] == "PENDING"
    server.wait(job, "RUNNING")


def test_a_server_that_dies_during_the_launch_finds_its_job_again(
    server: Server, emulator: Emulator
) -> None:
    emulator.service.timing.hidden = 2
    emulator.faults.add(Fault("templates.launch", lost="answer"))

    def call() -> None:
        with contextlib.suppress(OSError):
            server.launch()

    caller = threading.Thread(target=call)
    caller.start()
    until(lambda: emulator.called("templates.launch"), "the launch has left")
    server.kill()
    caller.join()
    server.start()
    (job,) = until(lambda: server.ok("GET", "/jobs")["data"]["jobs"], "the intent is there")
    assert server.wait(job["job_id"], "RUNNING")["state"] == "RUNNING"
    assert len(emulator.service.jobs) == len(emulator.called("templates.launch")) == 1


def test_a_refused_launch_is_a_refusal_with_googles_words(
    server: Server, emulator: Emulator
) -> None:
    emulator.faults.add(Fault("templates.launch", status=403))
    body = {
        "target": "df",
        "job_name": "x",
        "template_path": WORD_COUNT,
        "template_parameters": WORDS,
    }
    error = server.refused("POST", "/jobs", body)
    assert (error["details"]["reason"], error["message"]) == (
        "denied_by_dataflow",
        "Emulated fault.",
    )


def test_a_busy_service_is_asked_again_when_it_says(server: Server, emulator: Emulator) -> None:
    emulator.faults.add(Fault("templates.launch", status=429, retry_after=1))
    emulator.faults.add(Fault("templates.get", status=503, retry_after=0))
    job = server.launch()
    server.wait(job, "RUNNING")
    assert len(emulator.called("templates.launch")) == 2


# ---- watch ----


def test_a_failed_job_says_why(server: Server) -> None:
    job = server.launch(template_parameters=WORDS | {"emulated": "fail"})
    assert "Workflow failed" in server.wait(job, "FAILED")["diagnostics"]


def test_jobs_of_others_are_listed_page_by_page(server: Server, emulator: Emulator) -> None:
    """Dataflow gives less than a page holds when it likes."""
    emulator.service.most_of_a_page, emulator.service.timing.hidden = 3, 0
    emulator.service.add_jobs(f"nightly-{number}" for number in range(10))
    server.kill()
    server.start()

    def listed() -> list[dict[str, Any]]:
        return list(server.ok("GET", "/jobs")["data"]["jobs"])

    until(lambda: len(listed()) == 10, "ten jobs are listed")
    assert {one["origin"] for one in listed()} == {"discovered"}


def test_a_target_of_all_regions_lists_them_in_one_call_and_acts_in_each(
    emulator: Emulator, tmp_path: Path
) -> None:
    west = emulator.regions.open("europe-west1")
    west.timing.hidden = 0
    west.add_jobs(["there"])
    emulator.identity.required = False
    settings = config(emulator, region="-")
    settings["targets"]["home"] = config(emulator)["targets"]["df"]
    running = Server(tmp_path, settings)
    running.start()
    try:
        here = running.job(streaming(running, target="home"))["native_id"]
        there = f"df:@europe-west1.{next(iter(west.jobs))}"
        here = f"df:@us-central1.{here}"
        until(
            lambda: (
                {here, there}
                <= {one["job_id"] for one in running.ok("GET", "/jobs")["data"]["jobs"]}
            ),
            "both are listed",
        )
        said = capability_matrix.check(running.call, "df", here)
        assert {"cancel", "drain", "savepoints"} <= said
        assert "template_submit" not in said
        assert running.ok("GET", f"/jobs/{there}/logs")["data"]["logs"]
        running.ok("POST", f"/jobs/{there}/cancel", {})
        assert running.wait(there, "CANCELED")["ended_by"] == "cancel"
        assert running.job(here)["state"] == "RUNNING"
    finally:
        running.kill()


def test_metrics_are_committed_and_tentative(server: Server) -> None:
    job = streaming(server)
    metrics = server.ok("GET", f"/jobs/{job}/metrics")["data"]
    (words,) = [one for one in metrics["user"] if one["name"] == "words"]
    assert (words["committed"], words["attempted"], words["step"]) == (28001, 28005, "s1")
    assert metrics["metrics"]["vcpu_count"] == 4
    assert metrics["units"] == {"vcpu_count": "1"}
    (seconds,) = [one for one in metrics["user"] if one["name"] == "seconds"]
    assert seconds["committed"] == {"count": 2, "sum": 4, "min": 1, "max": 3}
    exact = {"count": 2, "sum": 3.75, "min": 0.5, "max": 3.25, "mean": 1.875}
    assert json.loads(seconds["raw"]["committed"]) == exact
    assert any("not whole" in note for note in metrics["notes"])
    assert all("raw" not in one for one in metrics["user"] if one["name"] != "seconds")
    assert metrics["metrics"]["emulated.words"] == 28001
    assert metrics["source"] == "Dataflow's jobs.getMetrics"
    assert metrics["as_of"] <= metrics["timestamp"]


def test_logs_are_job_messages_paged_and_filtered(server: Server) -> None:
    job = streaming(server)
    whole = server.ok("GET", f"/jobs/{job}/logs")["data"]
    texts = [one["message"] for one in whole["logs"]]
    assert any("this job does no work" in text for text in texts)
    assert any(one["source"] == "autoscaling" for one in whole["logs"])
    assert whole["notes"] == ["what workers write is read from Cloud Logging"]
    newest = server.ok("GET", f"/jobs/{job}/logs?max_results=1")["data"]
    assert [one["message"] for one in newest["logs"]] == texts[-1:]
    again = server.ok("GET", f"/jobs/{job}/logs?page_token={newest['next_page_token']}")["data"]
    assert again["logs"] == []
    assert server.ok("GET", f"/jobs/{job}/logs?min_severity=ERROR")["data"]["logs"] == []
    debug = server.ok("GET", f"/jobs/{job}/logs?min_severity=DEBUG")["data"]["logs"]
    assert any("for developers" in one["message"] for one in debug)


def test_what_workers_write_is_read_from_cloud_logging(server: Server, emulator: Emulator) -> None:
    job = streaming(server)
    native = server.job(job)["native_id"]
    for number in range(5):
        # Never within the millisecond of what the worker wrote when it began.
        at = time.time() + 0.01
        emulator.service.jobs[native].write("worker", "ERROR", f"trouble {number}", at)
    whole = server.ok("GET", f"/jobs/{job}/logs")["data"]["logs"]
    (start,) = [one for one in whole if one["source"] == "worker-startup"]
    assert start["step_name"] == "emulated-s1"
    assert start["worker_id"].endswith("emulated-worker-0")
    assert not any(one["source"] == "job-message" for one in whole), "no message is told twice"
    errors = server.ok("GET", f"/jobs/{job}/logs?min_severity=ERROR&contains=trouble")["data"][
        "logs"
    ]
    assert [one["message"] for one in errors] == [f"trouble {number}" for number in range(5)]
    asked = [body["filter"] for body in emulator.called("entries.list")]
    assert 'severity>=ERROR AND (textPayload:"trouble" OR' in asked[-1]
    by = f"worker={start['worker_id']}&step=emulated-s1"
    theirs = server.ok("GET", f"/jobs/{job}/logs?{by}")["data"]["logs"]
    assert theirs == [one for one in whole if one.get("worker_id") == start["worker_id"]]
    assert len(theirs) >= 6
    nobody = server.ok("GET", f"/jobs/{job}/logs?worker=nobody")["data"]
    assert nobody["logs"] == []
    assert "names this worker" in nobody["notes"][-1]
    early = server.ok("GET", f"/jobs/{job}/logs?until={start['timestamp']}")["data"]["logs"]
    assert early
    # `until` counts in milliseconds, workers' clocks in microseconds.
    to_ms = len("2026-11-27T00:00:00.000")
    assert all(one["timestamp"][:to_ms] <= start["timestamp"][:to_ms] for one in early)
    assert len(early) < len(whole)


def test_a_log_is_read_on_without_a_gap(server: Server, emulator: Emulator) -> None:
    job = streaming(server)
    token = server.ok("GET", f"/jobs/{job}/logs?max_results=1")["data"]["next_page_token"]
    written = emulator.service.jobs[server.job(job)["native_id"]]
    for number in range(6):
        written.say("BASIC", f"said {number}") if number % 3 == 2 else written.write(
            "worker", "INFO", f"wrote {number}"
        )
        time.sleep(0.002)
    seen: list[str] = []
    for _ in range(8):
        page = server.ok("GET", f"/jobs/{job}/logs?max_results=2&page_token={token}")["data"]
        seen += [one["message"] for one in page["logs"]]
        token = page["next_page_token"]
    assert seen == ["wrote 0", "wrote 1", "said 2", "wrote 3", "wrote 4", "said 5"]


def test_without_cloud_logging_what_dataflow_says_is_still_told(
    server: Server, emulator: Emulator
) -> None:
    job = streaming(server)
    emulator.faults.add(Fault("entries.list", status=403))
    page = server.ok("GET", f"/jobs/{job}/logs")["data"]
    assert page["logs"]
    assert "could not be read from Cloud Logging: Emulated fault" in page["notes"][0]


def test_the_graph_has_the_workers_of_a_stage_that_runs(server: Server) -> None:
    job = streaming(server)
    (stage,) = server.ok("GET", f"/jobs/{job}/graph")["data"]["stages"]
    assert (stage["id"], stage["state"]) == ("emulated-F1", "EXECUTION_STATE_RUNNING")
    assert (stage["parallelism"], stage["tasks"]) == (1, {"EXECUTION_STATE_RUNNING": 1})


def test_what_dataflow_forgets_is_lost_only_by_the_rule(server: Server, emulator: Emulator) -> None:
    """Right after the launch nothing is lost; the rest of the rule is the core's (two looks, seconds apart)."""
    job = server.launch()
    server.wait(job, "RUNNING")
    with emulator.service.lock:
        emulator.service.jobs.clear()
    time.sleep(1)
    assert server.job(job)["state"] == "RUNNING"


# ---- control ----


def test_a_cancel_is_confirmed_by_the_job(server: Server, emulator: Emulator) -> None:
    job = server.launch()
    server.wait(job, "RUNNING")
    answer = server.ok("POST", f"/jobs/{job}/cancel", {"mode": "cancel"})
    assert operation(answer)["state"] == "SUCCEEDED"
    assert server.wait(job, "CANCELED")["ended_by"] == "cancel"
    assert emulator.called("jobs.update") == [{"requestedState": "JOB_STATE_CANCELLED"}]


def test_a_drain_flushes_and_ends(server: Server, emulator: Emulator) -> None:
    job = streaming(server)
    assert (
        operation(server.ok("POST", f"/jobs/{job}/cancel", {"mode": "drain"}))["state"]
        == "SUCCEEDED"
    )
    assert server.wait(job, "DRAINED")["ended_by"] == "drain"


def test_a_batch_job_is_not_drained_scaled_or_snapshotted(server: Server) -> None:
    job = server.launch()
    server.wait(job, "RUNNING")
    for path, body in [
        ("cancel", {"mode": "drain"}),
        ("scale", {"parallelism": 2}),
        ("savepoints", {}),
    ]:
        error = server.refused("POST", f"/jobs/{job}/{path}", body)
        assert error["details"]["reason"] == "not_streaming", error
        assert "max_workers" in error["details"]["suggestion"]


def test_stop_is_refused_with_the_nearest_alternative(server: Server) -> None:
    job = streaming(server)
    error = server.refused("POST", f"/jobs/{job}/cancel", {"mode": "stop"})
    assert (error["code"], error["details"]["reason"]) == ("unsupported", "stop_unsupported")
    assert "create_savepoint" in error["details"]["suggestion"]


def test_surprise_20_bounds_of_workers_change_without_a_state(
    server: Server, emulator: Emulator
) -> None:
    """A state and an update mask in one PUT are an error at Google; ours are never together."""
    job = streaming(server)
    answer = server.ok("POST", f"/jobs/{job}/scale", {"parallelism": 6})
    assert operation(answer)["state"] == "SUCCEEDED"
    assert operation(answer)["actual"] == {"max_num_workers": 6}
    assert server.job(job)["parallelism"] == 6
    update = {"scaling": {"min_workers": 2, "max_workers": 5}}
    assert operation(server.ok("PATCH", f"/jobs/{job}", update))["min_workers"] == 2
    bounds = [body["runtimeUpdatableParams"] for body in emulator.called("jobs.update")]
    assert bounds == [
        {"maxNumWorkers": 6, "minNumWorkers": 1},
        {"maxNumWorkers": 5, "minNumWorkers": 2},
    ]
    assert all("requestedState" not in body for body in emulator.called("jobs.update"))


def test_a_scale_without_streaming_engine_fails_with_googles_words(server: Server) -> None:
    job = server.launch(STREAM)
    server.wait(job, "RUNNING")
    error = server.refused("POST", f"/jobs/{job}/scale", {"parallelism": 2})
    assert "Streaming Engine" in error["message"]


def test_a_savepoint_is_a_snapshot_and_a_job_starts_from_it(
    server: Server, emulator: Emulator
) -> None:
    job = streaming(server)
    answer = operation(server.ok("POST", f"/jobs/{job}/savepoint", {}))
    assert (answer["state"], "snapshot" in answer["diagnostics"]) == ("SUCCEEDED", True)
    snapshot = answer["savepoint_path"]
    assert emulator.service.snapshots[snapshot]["state"] == "READY"
    [listed] = server.ok("GET", f"/jobs/{job}/checkpoints")["data"]["checkpoints"]
    told = (listed["kind"], listed["status"], listed["path"], listed["state_bytes"])
    assert told == ("snapshot", "READY", snapshot, 1_024)
    error = server.refused(
        "POST", f"/jobs/{job}/savepoint", {"savepoint_path": "gs://my-bucket/savepoints"}
    )
    assert error["details"]["reason"] == "no_savepoint_directory"
    server.ok("POST", f"/jobs/{job}/cancel", {"mode": "cancel"})
    server.wait(job, "CANCELED")
    restored = server.ok("POST", f"/jobs/{job}/restore", {})["job_id"]
    native = server.wait(restored, "RUNNING")["native_id"]
    assert emulator.service.jobs[native].from_snapshot == snapshot


def test_a_lost_answer_to_a_snapshot_makes_no_second_one(
    server: Server, emulator: Emulator
) -> None:
    job = streaming(server)
    emulator.faults.add(Fault("jobs.snapshot", lost="answer"))
    assert operation(server.ok("POST", f"/jobs/{job}/savepoint", {}))["state"] == "SUCCEEDED"
    assert len(emulator.service.snapshots) == 1


def test_a_running_job_is_replaced_in_place(server: Server, emulator: Emulator) -> None:
    old = streaming(server)
    name = emulator.service.jobs[server.job(old)["native_id"]].name
    new = server.launch(STREAM, job_name=name, pipeline_options=ENGINE | {"update": True})
    assert server.wait(old, "UPDATED")["diagnostics"].startswith("replaced by the job")
    native = server.wait(new, "RUNNING")["native_id"]
    assert emulator.service.jobs[native].replace == server.job(old)["native_id"]
    assert emulator.service.jobs[native].name == name
    body = {
        "target": "df",
        "job_name": "nobody",
        "template_path": STREAM,
        "template_parameters": STREAMING,
    }
    error = server.refused("POST", "/jobs", body | {"pipeline_options": {"update": True}})
    assert error["details"]["reason"] == "nothing_to_update"


def test_options_of_a_running_job_change_by_an_update(server: Server, emulator: Emulator) -> None:
    old = streaming(server)
    change = {"update_options": {"machine_type": "n2-standard-8"}}
    planned = server.ok("PATCH", f"/jobs/{old}", change | {"dry_run": True})["data"]["plan"]
    launch = planned["calls"][0]["body"]["launchParameter"]
    assert launch["update"] is True
    new = server.ok("PATCH", f"/jobs/{old}", change)["job_id"]
    assert new != old
    server.wait(old, "UPDATED")
    native = server.wait(new, "RUNNING")["native_id"]
    assert emulator.service.jobs[native].environment["machineType"] == "n2-standard-8"
    assert emulator.service.jobs[native].environment["maxWorkers"] == 3
    both = server.refused("PATCH", f"/jobs/{new}", change | {"scaling": {"parallelism": 2}})
    assert both["details"]["reason"] == "two_changes"


def test_a_lost_answer_to_an_update_makes_no_second_update(
    server: Server, emulator: Emulator
) -> None:
    """Sent again, an update would replace its own result."""
    old = streaming(server)
    emulator.service.timing.hidden = 1
    emulator.faults.add(Fault("flexTemplates.launch", lost="answer"))
    new = server.ok("PATCH", f"/jobs/{old}", {"update_options": {"num_workers": 2}})["job_id"]
    server.wait(new, "RUNNING")
    assert len(emulator.service.jobs) == 2


# ---- credentials ----


def probed(server: Server) -> dict[str, Any]:
    (runner,) = server.ok("GET", "/runners")["data"]["runners"]
    return dict(runner)


def test_a_target_tells_what_it_can_do(server: Server, emulator: Emulator) -> None:
    runner = probed(server)
    assert (runner["status"], runner["version"]) == ("AVAILABLE", "v1b3")
    assert runner["facts"] == {"project": "acme-prod", "region": "us-central1"}
    assert {"template_submit", "yaml_submit", "drain", "savepoints", "rescale"} <= set(
        runner["capabilities"]
    )
    assert "stop" not in runner["capabilities"]
    assert emulator.identity.given["jwt"] == 1, "one token for all calls"


def test_the_target_is_held_to_its_capabilities(server: Server) -> None:
    said = capability_matrix.check(server.call, "df", streaming(server))
    assert not {"stop", "jar_submit", "python_submit"} & said


def test_a_revoked_token_is_renewed_once_and_no_token_is_logged(
    server: Server, emulator: Emulator
) -> None:
    job = server.launch()
    server.wait(job, "RUNNING")
    given = list(emulator.identity.tokens)
    emulator.identity.revoke_all()
    assert server.job(job)["state"] == "RUNNING"
    assert emulator.identity.given["jwt"] == 2
    for token in [*given, *emulator.identity.tokens]:
        assert token not in server.log()


def test_every_source_of_tokens_serves(emulator: Emulator, tmp_path: Path) -> None:
    program = tmp_path / "token"
    program.write_text(f"#!/bin/sh\necho '{json.dumps(emulator.identity.issue('metadata'))}'\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    file = tmp_path / "token.txt"
    file.write_text(emulator.identity.issue("metadata")["access_token"] + "\n")
    person = tmp_path / "person.json"
    person.write_text(json.dumps(emulator.identity.authorized_user(emulator.url)))
    metadata = {"GCE_METADATA_HOST": f"127.0.0.1:{emulator.port}"}
    for number, (token, env) in enumerate(
        [
            ({"command": [str(program)]}, {}),
            ({"file": str(file)}, {}),
            ({"google_key": f"file:{person}"}, {}),
            ({"google_metadata": "default"}, metadata),
            ("google_default", {"GOOGLE_APPLICATION_CREDENTIALS": str(person)}),
            ("google_default", metadata | {"HOME": str(tmp_path)}),
        ]
    ):
        credential = {"credential": {"token": token}}
        running = Server(tmp_path / str(number), config(emulator, **credential), **env)
        if "GOOGLE_APPLICATION_CREDENTIALS" not in env:
            running.env.pop("GOOGLE_APPLICATION_CREDENTIALS", None)
        running.start()
        try:
            assert probed(running)["status"] == "AVAILABLE", (token, running.log())
        finally:
            running.kill()


def test_a_credential_that_cannot_be_had_is_told_and_nothing_is_sent(
    emulator: Emulator, tmp_path: Path
) -> None:
    missing = {"token": {"google_key": f"file:{tmp_path / 'nowhere.json'}"}}
    running = Server(tmp_path / "server", config(emulator, credential=missing))
    running.start()
    try:
        error = probed(running)["error"]
        assert error["details"]["reason"] == "credential"
        assert error["details"]["detail"] == "its file cannot be opened"
        assert emulator.calls == []
    finally:
        running.kill()
