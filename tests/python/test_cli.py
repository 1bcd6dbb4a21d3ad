"""The command `beam-mcp`: what it sends, prints and returns."""

from __future__ import annotations

import io
import json
import os
import pty
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from beam_mcp_client.cli import main
from fake_server import JOB_ID, FakeServer, Seen, envelope, in_turn, job, refusal, serving

PATH = "/api/v1/jobs/" + JOB_ID.replace(":", "%3A")


class Ran(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str


@pytest.fixture
def run(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Callable[..., Ran]:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    for name in ("BEAM_MCP_URL", "BEAM_MCP_TOKEN", "BEAM_MCP_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MCP_MAX_RETRIES", "0")
    monkeypatch.setattr(sys, "stdin", io.StringIO())

    def run(*words: str, server: FakeServer | None = None) -> Ran:
        given = [*words, "--server", server.url] if server else [*words]
        try:
            code = main(given)
        except SystemExit as ended:
            code = int(ended.code or 0)
        captured = capsys.readouterr()
        return Ran(code, captured.out, captured.err)

    return run


def test_s1_submits_as_printed(run: Callable[..., Ran]) -> None:
    line = (
        "job submit --name my-flink-job --runner flink --type STREAMING --code /path/to/pipeline.py --parallelism 4 "
        "--checkpoint-interval 60000 --state-backend rocksdb --option input_source=kafka://input-topic "
        "--option output_sink=kafka://output-topic -o id"
    )
    with serving(lambda _: envelope(201, job())) as server:
        ran = run(*line.split(), server=server)
    assert ran == (0, f"{JOB_ID}\n", "")
    assert server.seen[0].json == {
        "job_name": "my-flink-job",
        "runner_type": "flink",
        "job_type": "STREAMING",
        "code_path": "/path/to/pipeline.py",
        "pipeline_options": {
            "parallelism": 4,
            "checkpoint_interval": 60000,
            "state_backend": "rocksdb",
            "input_source": "kafka://input-topic",
            "output_sink": "kafka://output-topic",
        },
    }


def test_s1_sets_the_server_once(run: Callable[..., Ran]) -> None:
    with serving(lambda _: envelope(200, job())) as server:
        assert run("config", "set-server", server.url).code == 0
        assert run("job", "status", JOB_ID).code == 0
        shown = run("config", "show").out
    assert server.url in shown
    assert "client.json" in shown
    assert server.seen[0].path == PATH
    assert run("config", "set-server", "nonsense").code == 2


def test_the_option_comes_before_the_environment_before_the_file(
    run: Callable[..., Ran], monkeypatch: pytest.MonkeyPatch
) -> None:
    run("config", "set-server", "http://file")
    assert "http://file" in run("config", "show").out
    monkeypatch.setenv("BEAM_MCP_URL", "http://environment")
    assert "http://environment" in run("config", "show").out
    origin = json.loads(run("config", "show", "--server", "http://option", "-o", "json").out)[0]
    assert origin == {"setting": "server", "value": "http://option", "origin": "--server"}


def test_s1_scales_takes_savepoints_and_cancels(run: Callable[..., Ran]) -> None:
    operation = {"operation_id": f"{JOB_ID}/scale-1", "state": "SUCCEEDED", "parallelism": 8}
    changed = {
        "job_id": JOB_ID,
        "state": "RUNNING",
        "savepoint_path": "file:/sp/1",
        "operation": operation,
    }
    with serving(lambda _: envelope(200, changed)) as server:
        assert "parallelism" in run("job", "scale", JOB_ID, "--parallelism", "8", server=server).out
        assert run("job", "savepoint", JOB_ID, "-o", "id", server=server).out == "file:/sp/1\n"
        assert run("job", "cancel", JOB_ID, server=server).code == 0
        assert run("job", "cancel", JOB_ID, "--no-savepoint", server=server).code == 0
        assert run("job", "cancel", JOB_ID, "--drain", server=server).code == 0
        assert (
            run("job", "cancel", JOB_ID, "--stop", "--path", "/sp", "--yes", server=server).code
            == 0
        )
        assert run("job", "cancel", JOB_ID, "--drain", "--force", server=server).code == 2
    assert [(seen.path.rpartition("/")[2], seen.json) for seen in server.seen] == [
        ("scale", {"parallelism": 8}),
        ("savepoint", {}),
        ("cancel", {"with_savepoint": True}),
        ("cancel", {"with_savepoint": False}),
        ("cancel", {"mode": "drain"}),
        ("cancel", {"mode": "stop", "savepoint_path": "/sp"}),
    ]


def test_a_restored_job_may_differ(run: Callable[..., Ran]) -> None:
    flags = ["--parallelism", "2", "--option", "rate=40", "--code", "new.py", "--name", "again"]
    more = ["--allow-non-restored-state", "--idempotency-key", "once", "-o", "id"]
    with serving(lambda _: envelope(201, {"job_id": "flink:2", "state": "PENDING"})) as server:
        ran = run("job", "restore", JOB_ID, "--savepoint", "file:/sp", *flags, *more, server=server)
        assert run("job", "restore", JOB_ID, server=server).code == 0
        twice = ["--parallelism", "2", "--option", "parallelism=3"]
        assert run("job", "restore", JOB_ID, *twice, server=server).code == 2
    assert ran.out == "flink:2\n"
    changed = {
        "savepoint_path": "file:/sp",
        "pipeline_options": {"rate": 40, "parallelism": 2},
        "code_path": "new.py",
        "job_name": "again",
        "allow_non_restored_state": True,
    }
    assert [seen.json for seen in server.seen] == [changed, {}]
    assert server.seen[0].headers["idempotency-key"] == "once"


@pytest.mark.parametrize(
    ("status", "code", "exit_code"),
    [
        (400, "invalid_argument", 2),
        (401, "unauthenticated", 4),
        (403, "permission_denied", 4),
        (404, "not_found", 3),
        (409, "failed_precondition", 5),
        (422, "unsupported", 6),
        (500, "internal", 1),
        (502, "job_failed", 7),
        (504, "deadline_exceeded", 124),
    ],
)
def test_exit_codes(run: Callable[..., Ran], status: int, code: str, exit_code: int) -> None:
    with serving(lambda _: refusal(status, code)) as server:
        ran = run("job", "status", JOB_ID, server=server)
    assert ran.code == exit_code
    assert f"it is {code}" in ran.err
    assert "next: do something else" in ran.err
    assert "request r1" in ran.err


@pytest.mark.parametrize(
    "line",
    [
        "",
        "job",
        "job submit --type STREAM",
        "job scale x",
        "job status",
        "nonsense",
        "job list -o xml",
    ],
)
def test_usage(run: Callable[..., Ran], line: str) -> None:
    assert run(*line.split()).code == 2


@pytest.mark.parametrize(
    "options",
    [
        ["--option", "a"],
        ["--option", "a=1", "--option", "a=2"],
        ["--parallelism", "1", "--option", "parallelism=2"],
        ["--code", "x", "--upload", "y"],
    ],
)
def test_contradictions_are_usage(run: Callable[..., Ran], options: list[str]) -> None:
    with serving(in_turn(None)) as server:
        assert run("job", "submit", *options, server=server).code == 2
    assert server.seen == []


def test_option_values_are_json_where_they_are_more_than_text(run: Callable[..., Ran]) -> None:
    values = ["n=4", "f=0.5", "b=true", "l=[1]", "t=text", 'q="quoted"', "x=null", "e=", "v=1.2.3"]
    flags = [word for value in values for word in ("--option", value)]
    with serving(lambda _: envelope(201, job())) as server:
        run("job", "submit", *flags, server=server)
    assert server.seen[0].json["pipeline_options"] == {
        "n": 4, "f": 0.5, "b": True, "l": [1], "t": "text", "q": '"quoted"', "x": "null", "e": "", "v": "1.2.3",
    }  # fmt: skip


def listed(seen: Seen) -> bytes:
    jobs = [job(job_name=f"j{n}", name=f"j{n}") for n in range(3)]
    return envelope(
        200,
        {
            "jobs": jobs[: 2 if "limit" in seen.path else 3],
            "next_page_token": "t" if "limit" in seen.path else None,
        },
    )


def test_lists(run: Callable[..., Ran]) -> None:
    with serving(listed) as server:
        table = run("job", "list", "--state", "running", "--type", "batch", server=server)
        page = run("job", "list", "--limit", "2", server=server)
        as_json = run("job", "list", "-o", "json", server=server)
        as_lines = run("job", "list", "-o", "jsonl", server=server)
    lines = table.out.splitlines()
    assert [line.split()[1] for line in lines] == ["NAME", "j0", "j1", "j2"]
    assert (
        len(
            {
                line.index(word)
                for line, word in zip(lines, ["STATE", *["RUNNING"] * 3], strict=True)
            }
        )
        == 1
    )
    assert "more jobs" in page.err
    assert [found["name"] for found in json.loads(as_json.out)] == ["j0", "j1", "j2"]
    assert len(as_lines.out.splitlines()) == 3
    assert server.seen[0].path == "/api/v1/jobs?state=RUNNING&job_type=BATCH"


def watched(*states: str) -> Callable[[Seen], bytes]:
    left = list(states)

    def script(seen: Seen) -> bytes:
        if not seen.path.partition("?")[0].endswith("/wait"):
            return envelope(201, job())
        state = left.pop(0)
        ended = state in {"FINISHED", "FAILED"}
        view = job(state=state, terminal=ended, diagnostics="" if state != "FAILED" else "it broke")
        return envelope(200, {**view, "changed": True, "cursor": 9 - len(left)})

    return script


def test_submit_and_wait(run: Callable[..., Ran]) -> None:
    with serving(watched("PENDING", "RUNNING", "FINISHED")) as server:
        ran = run("job", "submit", "--name", "n", "--runner", "sim", "--wait", server=server)
    assert ran.code == 0
    assert [line.split()[1] for line in ran.err.splitlines()] == [
        "waiting",
        "PENDING",
        "RUNNING",
        "FINISHED",
    ]
    assert re.search(r"^state +FINISHED$", ran.out, re.M)


def test_a_failed_job_is_seven(run: Callable[..., Ran]) -> None:
    with serving(watched("RUNNING", "FAILED")) as server:
        ran = run("job", "wait", JOB_ID, server=server)
    assert ran.code == 7
    assert re.search(r"^diagnostics +it broke$", ran.out, re.M)
    with serving(watched("RUNNING", "FAILED")) as server:
        ran = run("job", "status", JOB_ID, "--watch", server=server)
    assert ran.code == 7
    assert [line.split()[1] for line in ran.out.splitlines()] == ["RUNNING", "FAILED"]


def test_a_wait_that_is_over_is_124(run: Callable[..., Ran]) -> None:
    quiet = {**job(), "changed": False, "cursor": 1}

    def script(_: Seen) -> bytes:
        import time

        time.sleep(0.1)
        return envelope(200, quiet)

    with serving(script) as server:
        assert run("job", "wait", JOB_ID, "--timeout", "0.35", server=server).code == 124


def test_a_dry_run_shows_the_plan(run: Callable[..., Ran]) -> None:
    plan = {
        "digest": "d" * 64,
        "summary": "submit `n` to `flink`",
        "calls": [{"call": "POST /jars/upload", "purpose": "stages the jar", "body": {}}],
        "options": [{"name": "parallelism", "value": 4, "from": "caller", "note": "an alias"}],
        "changes": ["a new job"],
        "unknown": ["whether slots are free"],
    }
    with serving(lambda _: envelope(200, {"plan": plan})) as server:
        ran = run("job", "submit", "--name", "n", "--dry-run", server=server)
    assert server.seen[0].json == {"job_name": "n", "dry_run": True}
    for part in (
        "POST /jars/upload",
        "parallelism=4, from caller (an alias)",
        "whether slots",
        "d" * 64,
    ):
        assert part in ran.out


@pytest.mark.parametrize(
    ("line", "method", "path", "given"),
    [
        ("cancel ID --drain", "POST", "cancel", {"mode": "drain"}),
        ("cancel ID", "POST", "cancel", {"with_savepoint": True}),
        ("scale ID --parallelism 4", "POST", "scale", {"parallelism": 4}),
        (
            "scale ID --parallelism 4 --min-workers 2",
            "PATCH",
            "",
            {"scaling": {"parallelism": 4, "min_workers": 2}},
        ),
        ("savepoint ID --path s3://b/s", "POST", "savepoint", {"savepoint_path": "s3://b/s"}),
        (
            "restore ID --savepoint s3://b/s --option rate=5",
            "POST",
            "restore",
            {"savepoint_path": "s3://b/s", "pipeline_options": {"rate": 5}},
        ),
    ],
)
def test_a_dry_run_of_an_operation_asks_for_the_plan_and_does_nothing_else(
    run: Callable[..., Ran], line: str, method: str, path: str, given: dict[str, Any]
) -> None:
    words = line.replace("ID", JOB_ID, 1).split()
    with serving(lambda _: envelope(200, {"plan": PLAN})) as server:
        ran = run("job", *words, "--dry-run", server=server)
    [seen] = server.seen
    assert (ran.code, seen.method, seen.json) == (0, method, {**given, "dry_run": True})
    assert seen.path == (f"{PATH}/{path}" if path else PATH)
    assert "whether the submission arrived" in ran.out


def test_where_nothing_would_be_done_a_dry_run_says_so(run: Callable[..., Ran]) -> None:
    answer = {"job_id": JOB_ID, "state": "CANCELED", "notes": ["the job was canceled before"]}
    with serving(lambda _: envelope(200, answer)) as server:
        ran = run("job", "cancel", JOB_ID, "--dry-run", server=server)
    assert ran.code == 5
    assert "canceled before" in ran.err


def test_bounds_of_workers_are_both_sent(run: Callable[..., Ran]) -> None:
    changed = {"job_id": JOB_ID, "state": "RUNNING"}
    with serving(lambda _: envelope(200, changed)) as server:
        words = ("job", "scale", JOB_ID, "--parallelism", "4", "--min-workers", "2")
        assert run(*words, server=server).code == 0
    [seen] = server.seen
    assert (seen.method, seen.json) == ("PATCH", {"scaling": {"parallelism": 4, "min_workers": 2}})


def test_yaml_is_given_as_it_is(run: Callable[..., Ran]) -> None:
    text = "pipeline:\n  type: chain\n"
    with serving(lambda _: envelope(201, job())) as server:
        assert run("job", "submit", "--yaml", text, server=server).code == 0
    assert server.seen[0].json == {"yaml": text}


def test_metrics_and_operations(run: Callable[..., Ran]) -> None:
    user = [
        {
            "name": "words",
            "namespace": "wordcount",
            "kind": "counter",
            "committed": 7,
            "step": "Extract",
        }
    ]
    read = {"source": "the job's process", "as_of": "2026-11-27T00:00:00.000Z"}
    answer = {"job_id": JOB_ID, "metrics": {}, "user": user, "system": [], "notes": ["at the end"]}
    with serving(lambda _: envelope(200, answer | read)) as server:
        ran = run("job", "metrics", JOB_ID, server=server)
    assert ran.out.splitlines()[1].split() == ["wordcount", "words", "Extract", "counter", "7"]
    assert "at the end" in ran.err
    assert "from the job's process, as of 2026-11-27T00:00:00.000Z" in ran.err
    with serving(
        lambda _: envelope(200, {"operation_id": f"{JOB_ID}/scale-1", "state": "FAILED"})
    ) as server:
        assert "FAILED" in run("job", "operation", f"{JOB_ID}/scale-1", server=server).out
    assert server.seen[0].path == f"{PATH}/operations/scale-1"


def test_a_metric_without_a_value_is_shown_in_its_runners_words(
    run: Callable[..., Ran],
) -> None:
    named = {"namespace": "flink", "kind": "gauge", "step": "map"}
    system = [
        {**named, "name": "busy", "raw": {"attempted": "NaN"}},
        {**named, "name": "size", "attempted": 7, "raw": {"attempted": "7.25"}},
        {**named, "name": "late", "attempted": 1, "raw": {"committed": "n/a"}},
        {**named, "name": "none"},
    ]
    answer = {
        "job_id": JOB_ID,
        "metrics": {"worker_count": 2.0, "ns.words": 7},
        "units": {"worker_count": "1"},
        "user": [],
        "system": system,
    }
    with serving(lambda _: envelope(200, answer)) as server:
        ran = run("job", "metrics", JOB_ID, server=server)
    cells = [line.split() for line in ran.out.splitlines()[1:]]
    assert cells == [
        ["worker_count", "2.0", "1"],
        ["flink", "busy", "map", "gauge", "NaN"],
        ["flink", "size", "map", "gauge", "7"],
        ["flink", "late", "map", "gauge", "1"],
        ["flink", "none", "map", "gauge"],
    ]


def test_the_graph_is_a_table_or_a_picture(run: Callable[..., Ran]) -> None:
    stages = [
        {"id": "a", "name": "Read", "state": "RUNNING", "parallelism": 2, "records_out": 7},
        {"id": "b", "name": "Write", "inputs": ["a"], "records_in": 7},
    ]
    answer = {"job_id": JOB_ID, "timestamp": "t", "stages": stages, "svg": "<svg/>"}
    with serving(lambda _: envelope(200, answer)) as server:
        ran = run("job", "graph", JOB_ID, server=server)
        picture = run("job", "graph", JOB_ID, "--svg", server=server)
    assert ran.out.splitlines()[1].split()[:5] == ["a", "Read", "RUNNING", "2", "7"]
    assert picture.out == "<svg/>\n"
    assert [seen.path for seen in server.seen] == [f"{PATH}/graph", f"{PATH}/graph?svg=true"]


def test_the_checkpoints_are_a_table(run: Callable[..., Ran]) -> None:
    kept = {
        "id": 7,
        "status": "COMPLETED",
        "kind": "savepoint",
        "started_at": "t",
        "path": "s3://b/7",
    }
    failed = {
        "id": 6,
        "status": "FAILED",
        "kind": "checkpoint",
        "started_at": "t",
        "failure": "\x1b[31mdisk full",
    }
    answer = {
        "job_id": JOB_ID,
        "timestamp": "t",
        "checkpoints": [kept, failed],
        "notes": ["the newest ten"],
    }
    with serving(lambda _: envelope(200, answer)) as server:
        ran = run("job", "checkpoints", JOB_ID, server=server)
    assert ran.out.splitlines()[1].split()[:3] == ["7", "savepoint", "COMPLETED"]
    assert "disk full" in ran.out
    assert "\x1b" not in ran.out
    assert "note: the newest ten" in ran.err
    assert [seen.path for seen in server.seen] == [f"{PATH}/checkpoints"]


def test_logs_are_followed_to_the_end(run: Callable[..., Ran]) -> None:
    pages = iter([["one"], ["two", "\x1b[31mred\x1b[0m\r"], []])

    def script(seen: Seen) -> bytes:
        if "/logs" not in seen.path:
            return envelope(200, job(state="FINISHED", terminal=True))
        lines = [{"severity": "INFO", "message": text, "job_id": JOB_ID} for text in next(pages)]
        return envelope(200, {"logs": lines, "next_page_token": "t"})

    with serving(script) as server:
        ran = run("job", "logs", JOB_ID, "--follow", "--severity", "info", server=server)
    assert ran.out == "INFO one\nINFO two\nINFO [31mred[0m\n"
    assert server.seen[0].path == f"{PATH}/logs?min_severity=INFO"


def test_a_log_that_has_ended_is_not_followed(run: Callable[..., Ran]) -> None:
    lines = [{"severity": "INFO", "message": "last", "job_id": JOB_ID}]
    with serving(lambda _: envelope(200, {"logs": lines})) as server:
        ran = run("job", "logs", JOB_ID, "--follow", server=server)
    assert (ran.out, len(server.seen)) == ("INFO last\n", 1)


def test_logs_are_narrowed_and_read_on(run: Callable[..., Ran]) -> None:
    narrow = "--until 2026-11-20T09:45:00Z --worker w-0 --step s1 --page-token t"
    page = {"logs": [], "next_page_token": "u"}
    with serving(lambda _: envelope(200, page)) as server:
        ran = run("job", "logs", JOB_ID, *narrow.split(), server=server)
        as_json = run("job", "logs", JOB_ID, "-o", "json", server=server)
        endless = run("job", "logs", JOB_ID, "--follow", "--until", "60", server=server)
    seen = server.seen[0]
    assert len(server.seen) == 2
    query = "page_token=t&until=2026-11-20T09%3A45%3A00Z&worker=w-0&step=s1"
    assert seen.path == f"{PATH}/logs?{query}"
    assert ran.err == as_json.err == "go on from here: --page-token u\n"
    assert as_json.out == ""
    assert endless.code == 2


def test_runners(run: Callable[..., Ran]) -> None:
    runners = [
        {
            "name": "f",
            "runner_type": "flink",
            "status": "AVAILABLE",
            "version": "1.20.5",
            "capabilities": ["batch", "drain"],
        }
    ]
    with serving(lambda _: envelope(200, {"runners": runners})) as server:
        ran = run("runner", "list", server=server)
    assert ran.out.splitlines()[1].split() == [
        "f",
        "flink",
        "AVAILABLE",
        "1.20.5",
        "batch",
        "drain",
    ]


# ---- as a process


def command(*words: str) -> list[str]:
    return [sys.executable, "-m", "beam_mcp_client", *words]


def test_a_reader_that_leaves_early_is_no_error() -> None:
    with serving(
        lambda _: envelope(200, {"jobs": [job()] * 5000, "next_page_token": None})
    ) as server:
        listing = " ".join(
            [*command("job", "list", "--server", server.url), "| head -1; echo ${PIPESTATUS[0]}"]
        )
        done = subprocess.run(["bash", "-c", listing], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    assert done.stdout.splitlines()[1] == "0"


def on_a_terminal(words: list[str], typed: bytes = b"", **environment: str) -> tuple[int, str]:
    parent, child = pty.openpty()
    process = subprocess.Popen(
        words, stdin=child, stdout=child, stderr=child, env={**os.environ, **environment}
    )
    os.close(child)
    os.write(parent, typed)
    shown = b""
    while True:
        try:
            piece = os.read(parent, 4096)
        except OSError:
            break
        if not piece:
            break
        shown += piece
    os.close(parent)
    return process.wait(), shown.decode()


def test_on_a_terminal_a_cancel_asks() -> None:
    def script(seen: Seen) -> bytes:
        return envelope(
            200, {"job_id": JOB_ID, "state": "CANCELED"} if seen.method == "POST" else job()
        )

    with serving(script) as server:
        words = command("job", "cancel", JOB_ID, "--drain", "--server", server.url)
        refused, shown = on_a_terminal(words, b"n\n")
        assert (refused, [seen.method for seen in server.seen]) == (5, ["GET"])
        assert "drain it? [y/N]" in shown
        assert on_a_terminal(words, b"y\n")[0] == 0
        assert on_a_terminal([*words, "--yes"])[0] == 0
    assert [seen.method for seen in server.seen] == ["GET", "GET", "POST", "POST"]


PLAN = {
    "digest": "d" * 64,
    "summary": "declare the job not running",
    "calls": [],
    "options": [],
    "changes": ["the job ends FAILED"],
    "unknown": ["whether the submission arrived"],
}


def resolving(seen: Seen) -> bytes:
    if seen.json and seen.json.get("dry_run"):
        return envelope(200, {"plan": PLAN})
    return envelope(200, {"job_id": JOB_ID, "state": "FAILED", "job": job(state="FAILED")})


@pytest.mark.parametrize(
    ("line", "path", "given"),
    [
        ("adopt ID driver-7", "adopt", {"native_id": "driver-7"}),
        ("abandon ID --reason gone", "abandon", {"reason": "gone"}),
        ("resubmit ID --reason gone --idempotency-key k", "resubmit", {"reason": "gone"}),
    ],
)
def test_what_nobody_can_explain_is_planned_and_then_confirmed(
    run: Callable[..., Ran], line: str, path: str, given: dict[str, str]
) -> None:
    with serving(resolving) as server:
        ran = run("job", *line.replace("ID", JOB_ID, 1).split(), server=server)
        dry = run("job", *line.replace("ID", JOB_ID, 1).split(), "--dry-run", server=server)
    assert ran.code == 0
    assert "FAILED" in ran.out
    assert "whether the submission arrived" in dry.out
    assert [seen.json for seen in server.seen] == [
        {**given, "dry_run": True},
        {**given, "plan_digest": "d" * 64},
        {**given, "dry_run": True},
    ]
    assert all(seen.path.endswith(f"/{path}") for seen in server.seen)


def test_on_a_terminal_abandoning_shows_what_is_not_known_and_asks() -> None:
    with serving(resolving) as server:
        words = command("job", "abandon", JOB_ID, "--reason", "gone", "--server", server.url)
        refused, shown = on_a_terminal(words, b"n\n")
    assert (refused, len(server.seen)) == (5, 1)
    assert "not known: whether the submission arrived" in shown


def test_on_a_terminal_lists_are_coloured_unless_no_color_says_otherwise() -> None:
    with serving(listed) as server:
        words = command("job", "list", "--server", server.url)
        coloured = on_a_terminal(words, TERM="xterm-256color", COLUMNS="200")[1]
        plain = on_a_terminal(words, TERM="xterm-256color", COLUMNS="200", NO_COLOR="1")[1]
    assert "\x1b[32mRUNNING" in coloured
    assert "\x1b[32m" not in plain
    assert "RUNNING" in plain


def test_without_rich_tables_are_plain(tmp_path: Path) -> None:
    (tmp_path / "rich.py").write_text("raise ImportError('not here')")
    with serving(listed) as server:
        words = command("job", "list", "--server", server.url)
        shown = on_a_terminal(words, PYTHONPATH=str(tmp_path), COLUMNS="200")[1]
    assert "\x1b[" not in shown
    assert shown.splitlines()[0].startswith("JOB_ID")


def test_serve_without_the_server_names_the_pip_command(tmp_path: Path) -> None:
    environment: dict[str, Any] = {**os.environ, "BEAM_MCP_SERVER": str(tmp_path / "none")}
    done = subprocess.run(
        command("serve"), env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 5
    assert "pip install beam-mcp-server" in done.stderr
