"""The child of the Direct runner, run for real: real interpreter, real Apache Beam, real signals."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from direct_job import (
    COUNT_TO,
    DEADLINE,
    PLAY,
    RUNNER,
    WORDCOUNT,
    WORKERS,
    WRAPPER,
    Ended,
    Job,
    counters,
    until,
)


@pytest.fixture
def job(tmp_path: Path) -> Iterator[Job]:
    job = Job(tmp_path)
    yield job
    job.kill()


def group_members(group: int) -> list[int]:
    """Living processes of a session, zombies left out."""
    members = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            state, _, pgrp = stat.read_text().rpartition(")")[2].split()[:3]
            if int(pgrp) == group and state != "Z":
                members.append(int(stat.parent.name))
    return members


# ---- before the release


def test_end_of_file_before_the_release_runs_nothing(job: Job) -> None:
    process = job.start("script", job.write("main.py", "open('ran', 'w')"))
    assert process.stdin is not None
    process.stdin.close()
    assert process.wait(DEADLINE) == 75
    assert sorted(path.name for path in job.folder.iterdir()) == [
        "main.py",
        "stderr.log",
        "stdout.log",
    ]


def test_another_byte_is_no_release(job: Job) -> None:
    process = job.start("script", job.write("main.py", "open('ran', 'w')"))
    assert process.stdin is not None
    process.stdin.write(b"x")
    process.stdin.flush()
    assert process.wait(DEADLINE) == 75
    assert not (job.folder / "ran").exists()


def test_nothing_is_written_while_waiting(job: Job) -> None:
    job.start("script", job.write("main.py", "pass"))
    time.sleep(0.5)
    assert not (job.folder / "state.json").exists()


def test_bad_arguments_are_refused(job: Job) -> None:
    process = job.start("binary", "/bin/true")
    assert process.wait(DEADLINE) == 64
    assert "usage:" in (job.folder / "stderr.log").read_text()


# ---- programs that end well


def test_wordcount_of_a_real_play(job: Job) -> None:
    output = job.folder / "made" / "counts"
    ended = job.run("script", str(WORDCOUNT), RUNNER, f"--input={PLAY}", f"--output={output}")
    assert ended.code == 0, ended.stderr
    result = ended.result
    assert (result["state"], result["exit_code"], result["error"]) == ("FINISHED", 0, None)
    assert result["pipeline_states"] == ["DONE"]
    words = [
        line.split(": ")
        for line in (output.parent / "counts-00000-of-00001.txt").read_text().splitlines()
    ]
    assert sum(int(count) for _, count in words) == counters(result)[0, "words"]
    lines = PLAY.read_text(encoding="utf-8").split("\n")[:-1]
    assert counters(result)[0, "lines"] == len(lines)
    assert counters(result)[0, "empty_lines"] == sum(not line.strip() for line in lines)
    [length] = result["metrics"]["distributions"]
    assert (length["namespace"], length["name"]) == ("wordcount", "word_length")
    assert length["committed"]["count"] == counters(result)[0, "words"]


def test_state_file_names_the_process(job: Job) -> None:
    ended = job.script("pass")
    state = json.loads((job.folder / "state.json").read_text())
    assert ended.code == 0
    assert job.process is not None
    assert (state["state"], state["pid"]) == ("RUNNING", job.process.pid)
    assert state["started_at_ms"] <= ended.result["finished_at_ms"]


def test_module_target_of_beam_itself(job: Job) -> None:
    source = job.write("in.txt", "to be or not to be")
    output = f"--output={job.folder / 'out'}"
    ended = job.run("module", "apache_beam.examples.wordcount", RUNNER, f"--input={source}", output)
    assert ended.code == 0, ended.stderr
    assert ended.result["state"] == "FINISHED"
    assert "be: 2" in (job.folder / "out-00000-of-00001").read_text()


def test_own_module_from_the_import_path(job: Job) -> None:
    job.write("code/mine/__init__.py", "")
    job.write("code/mine/app.py", "import sys; print(__name__, sys.argv[1:])")
    path = {"BEAM_MCP_PYTHONPATH": str(job.folder / "code")}
    ended = job.run("module", "mine.app", "a", env=path)
    assert (ended.code, ended.stdout) == (0, "__main__ ['a']\n")


def test_two_pipelines_have_each_their_metrics(job: Job) -> None:
    ended = job.script(COUNT_TO, "for n in (3, 5): count_to(n).run().wait_until_finish()")
    assert ended.code == 0, ended.stderr
    assert ended.result["pipeline_states"] == ["DONE", "DONE"]
    assert counters(ended.result) == {(0, "seen"): 3, (1, "seen"): 5}
    sizes = [d["committed"] for d in ended.result["metrics"]["distributions"]]
    assert sizes[1] == {"count": 5, "sum": 10, "min": 0, "max": 4}


def test_arguments_arrive_byte_for_byte(job: Job) -> None:
    args = ("a b", "it's", 'say "hi"', "$HOME `id` \\n", "", "--", "-x", "grün 語 🦀", "two\nlines")
    ended = job.script("import json, sys; print(json.dumps(sys.argv))", args=args)
    assert ended.code == 0, ended.stderr
    assert json.loads(ended.stdout) == [str(job.folder / "code/main.py"), *args]


def test_stdin_is_empty_after_the_release(job: Job) -> None:
    ended = job.script(
        "import os, sys; print(repr(sys.stdin.read()), os.readlink('/proc/self/fd/0'))"
    )
    assert ended.stdout == "'' /dev/null\n"


def test_modules_beside_the_script_reach_worker_processes(job: Job) -> None:
    job.write("code/beside.py", "import os\ndef whoami(_): return os.getpid()")
    ended = job.script(
        """
        import apache_beam as beam, beside
        from apache_beam.options.pipeline_options import PipelineOptions
        with beam.Pipeline(options=PipelineOptions()) as p:
            p | beam.Create([1, 2]) | beam.Map(beside.whoami) | beam.io.WriteToText("pid")
        """,
        args=WORKERS,
    )
    assert ended.code == 0, ended.stderr
    pids = "".join(path.read_text() for path in job.folder.glob("pid-*")).split()
    assert len(pids) == 2
    assert job.process is not None
    assert str(job.process.pid) not in pids


@pytest.mark.parametrize("runner", ["", "'DirectRunner'"])
def test_beams_default_runner_does_not_reach_for_prism(job: Job, runner: str) -> None:
    ended = job.script(COUNT_TO, f"with beam.Pipeline({runner}) as p: p | beam.Create([1])")
    assert (ended.code, ended.result["pipeline_states"]) == (0, ["DONE"]), ended.stderr
    assert "prism" not in ended.stderr.lower()
    assert not (job.folder / ".apache_beam").exists()


def test_pipeline_that_nobody_waits_for_is_waited_for(job: Job) -> None:
    ended = job.script(
        COUNT_TO,
        """
        import time
        p = beam.Pipeline(options=PipelineOptions(runner="BundleBasedDirectRunner"))
        p | beam.Create([1, 2]) | beam.Map(lambda x: time.sleep(1) or x) | beam.ParDo(Seen())
        assert p.run().state == "RUNNING"
        """,
        args=(),
    )
    assert ended.code == 0, ended.stderr
    assert (ended.result["state"], ended.result["pipeline_states"]) == ("FINISHED", ["DONE"])
    assert counters(ended.result) == {(0, "seen"): 2}


def test_pipeline_running_in_a_thread_is_waited_for(job: Job) -> None:
    ended = job.script(
        COUNT_TO,
        """
        import os, threading, time
        def slow(x):
            open("begun", "w").close()
            time.sleep(1)
            return x
        p = beam.Pipeline()
        p | beam.Create([1]) | beam.Map(slow) | beam.ParDo(Seen())
        threading.Thread(target=p.run, daemon=True).start()
        while not os.path.exists("begun"):
            time.sleep(0.01)
        """,
    )
    assert ended.result["state"] == "FINISHED", ended.stderr
    assert ended.result["pipeline_states"] == ["DONE"]
    assert counters(ended.result) == {(0, "seen"): 1}


@pytest.mark.parametrize("code", ["0", "None", "256", "False"])
def test_exit_with_zero_is_success(job: Job, code: str) -> None:
    ended = job.script(f"import sys; sys.exit({code})")
    assert (ended.code, ended.result["state"], ended.result["error"]) == (0, "FINISHED", None)


# ---- programs that do not


def test_exception_in_a_step(job: Job) -> None:
    ended = job.script(
        """
        import apache_beam as beam
        def chk(x):
            raise ValueError(f"bad {x}")
        with beam.Pipeline() as p:
            p | beam.Create([7]) | beam.Map(chk)
        """
    )
    assert ended.code == 1
    result = ended.result
    assert (result["state"], result["exit_code"]) == ("FAILED", 1)
    assert result["error"]["type"] == "ValueError"
    assert result["error"]["message"] == "bad 7 [while running 'Map(chk)']"
    assert "in chk" in result["error"]["traceback_tail"]
    assert result["pipeline_states"] == ["FAILED"]
    assert ended.stderr.rstrip().endswith("ValueError: bad 7 [while running 'Map(chk)']")


def test_exception_outside_a_pipeline_starts_with_the_program(job: Job) -> None:
    ended = job.script("1 / 0")
    error = ended.result["error"]
    assert error["type"] == "ZeroDivisionError"
    assert error["traceback_tail"].splitlines()[1].strip().startswith(f'File "{job.folder}/code/')
    assert str(WRAPPER) not in ended.stderr


@pytest.mark.parametrize(
    ("body", "type_"),
    [("def", "SyntaxError"), ("import no_such", "ModuleNotFoundError"), ("raise 3", "TypeError")],
)
def test_programs_that_cannot_run(job: Job, body: str, type_: str) -> None:
    ended = job.script(body)
    assert (ended.code, ended.result["state"]) == (1, "FAILED")
    assert ended.result["error"]["type"] == type_


def test_missing_targets(job: Job) -> None:
    ended = job.run("script", str(job.folder / "none.py"))
    assert (ended.code, ended.result["error"]["type"]) == (1, "FileNotFoundError")
    ended = job.run("module", "no.such.module")
    assert (ended.code, ended.result["error"]["type"]) == (1, "ImportError")
    assert "No module named 'no'" in ended.result["error"]["message"]


def test_interpreter_without_beam(job: Job) -> None:
    process = job.start("script", job.write("main.py", "open('ran', 'w')"), flags=("-I", "-S"))
    job.release()
    result = Ended(process.wait(DEADLINE), job.folder).result
    assert (result["state"], result["exit_code"], result["beam_version"]) == ("FAILED", 1, None)
    assert result["error"]["message"] == "No module named 'apache_beam'"
    assert not (job.folder / "ran").exists()


def test_exit_with_three(job: Job) -> None:
    ended = job.script(COUNT_TO, "count_to(2).run(); import sys; sys.exit(3)")
    assert ended.code == 3
    result = ended.result
    assert (result["state"], result["exit_code"]) == ("FAILED", 3)
    assert result["error"]["message"] == "the program called sys.exit(3)"
    assert (result["pipeline_states"], counters(result)) == (["DONE"], {(0, "seen"): 2})


def test_exit_with_a_text(job: Job) -> None:
    ended = job.script("import sys; sys.exit('no input')")
    assert (ended.code, ended.result["state"]) == (1, "FAILED")
    assert ended.stderr.endswith("no input\n")


def test_hard_exit_leaves_no_result(job: Job) -> None:
    ended = job.script("import os; os._exit(0)")
    assert ended.code == 0
    assert (job.folder / "state.json").exists()
    assert not (job.folder / "result.json").exists()


def test_failed_state_without_an_exception_is_a_failure(job: Job) -> None:
    ended = job.script(
        COUNT_TO,
        """
        from apache_beam.runners.runner import PipelineResult, PipelineRunner
        class Quiet(PipelineRunner):
            def run_pipeline(self, pipeline, options):
                return PipelineResult("FAILED")
        beam.Pipeline(runner=Quiet()).run()
        """,
    )
    assert (ended.code, ended.result["state"]) == (0, "FAILED")
    assert ended.result["error"]["message"] == "pipeline 0 ended in state FAILED"
    assert "NotImplementedError" in ended.result["metrics"]["errors"][0]


def test_cancelled_by_the_program_itself(job: Job) -> None:
    ended = job.script(
        COUNT_TO, "count_to(9, runner='BundleBasedDirectRunner').run().cancel()", args=()
    )
    assert (ended.code, ended.result["state"]) == (0, "CANCELED")


def test_failure_that_nobody_waits_for(job: Job) -> None:
    ended = job.script(
        """
        import apache_beam as beam
        p = beam.Pipeline("BundleBasedDirectRunner")
        p | beam.Create([0]) | beam.Map(lambda x: 1 / x)
        p.run()
        """,
        args=(),
    )
    assert (ended.code, ended.result["state"]) == (0, "FAILED")
    assert ended.result["error"]["type"] == "ZeroDivisionError"
    assert ended.result["pipeline_states"] == ["FAILED"]


SWALLOW = """
def broken():
    p = beam.Pipeline()
    p | beam.Create([0]) | beam.Map(lambda x: 1 / x)
    try:
        p.run()
    except ZeroDivisionError:
        print("never mind")
"""


def test_swallowed_failure_is_still_a_failure(job: Job) -> None:
    ended = job.script(COUNT_TO, SWALLOW, "broken()")
    assert (ended.code, ended.result["state"]) == (0, "FAILED")
    assert ended.result["error"]["type"] == "ZeroDivisionError"


def test_failure_followed_by_a_good_attempt_is_success(job: Job) -> None:
    ended = job.script(COUNT_TO, SWALLOW, "broken()\ncount_to(2).run()")
    assert (ended.code, ended.result["state"], ended.result["error"]) == (0, "FINISHED", None)
    assert ended.result["pipeline_states"] == ["FAILED", "DONE"]


def test_forked_child_does_not_speak_for_the_program(job: Job) -> None:
    ended = job.script(
        """
        import os, sys
        child = os.fork()
        if child == 0:
            sys.exit(9)
        os.waitpid(child, 0)
        assert not os.path.exists("result.json")
        """
    )
    assert (ended.code, ended.result["state"]) == (0, "FINISHED")


# ---- signals


def test_term_to_the_group_leaves_no_processes(job: Job) -> None:
    path = job.write(
        "main.py",
        """
        import apache_beam as beam, time
        from apache_beam.options.pipeline_options import PipelineOptions
        def wait(x):
            open(f"at-{x}", "w").close()
            time.sleep(600)
        with beam.Pipeline(options=PipelineOptions()) as p:
            p | beam.Create([1]) | beam.Map(wait)
        """,
    )
    process = job.start("script", path, *WORKERS)
    job.release()
    until(lambda: any(job.folder.glob("at-*")))
    assert len(group_members(process.pid)) > 1
    os.killpg(process.pid, signal.SIGTERM)
    assert process.wait(DEADLINE) == -signal.SIGTERM
    until(lambda: not group_members(process.pid))
    assert not (job.folder / "result.json").exists()


def test_interrupt_is_a_failure_with_a_result(job: Job) -> None:
    process = job.start("script", job.write("main.py", "print('up')\nimport time; time.sleep(600)"))
    job.release()
    until(lambda: (job.folder / "stdout.log").stat().st_size > 0)
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(DEADLINE) == 130
    assert Ended(130, job.folder).result["error"]["type"] == "KeyboardInterrupt"


# ---- bounds


def test_messages_and_tracebacks_are_bounded_and_clean(job: Job) -> None:
    ended = job.script("raise ValueError('\\udcff' + 'ä' * 100_000)")
    error = ended.result["error"]
    assert error["message"].startswith("?ä")
    assert 8_000 < len(error["message"].encode()) <= 8 * 1024
    assert 16_000 < len(error["traceback_tail"].encode()) <= 16 * 1024
    assert "\\ud" not in (job.folder / "result.json").read_text()


def test_unreadable_exceptions_are_still_reported(job: Job) -> None:
    ended = job.script("class Odd(Exception):\n    def __str__(self): return 1\nraise Odd")
    assert ended.result["error"]["type"] == "Odd"


def test_at_most_two_thousand_metrics(job: Job) -> None:
    ended = job.script(
        COUNT_TO,
        """
        def many(x):
            for i in range(2100):
                Metrics.counter("t", f"c{i:04}").inc(x)
        with beam.Pipeline() as p:
            p | beam.Create([1]) | beam.Map(many)
        """,
    )
    metrics = ended.result["metrics"]
    assert (len(metrics["counters"]), metrics["truncated"]) == (2000, True)
    assert metrics["counters"][0]["name"] == "c0000"


STRANGE = """
from apache_beam.metrics.execution import MetricKey, MetricResult
from apache_beam.metrics.metric import MetricResults
from apache_beam.metrics.metricbase import MetricName
from apache_beam.runners.runner import PipelineResult, PipelineRunner, PipelineState

class Told(MetricResults):
    def query(self, filter=None):
        def row(name, value):
            return MetricResult(MetricKey("Seen", MetricName("t", name)), None, value)
        numbers = {"nan": float("nan"), "wide": 2**63, "huge": 10**5000, "none": None, "fine": 7}
        rows = [row(name, value) for name, value in numbers.items()]
        return {"counters": rows, "histograms": [row("spread", "x" * 999)]}

class Result(PipelineResult):
    def metrics(self):
        return Told()
    def wait_until_finish(self, duration=None):
        return self.state

class Strange(PipelineRunner):
    def run_pipeline(self, pipeline, options):
        return Result(PipelineState.DONE)

beam.Pipeline(runner=Strange()).run().wait_until_finish()
"""


def test_what_is_no_number_is_told_as_text(job: Job) -> None:
    ended = job.script("import apache_beam as beam", STRANGE)
    metrics = ended.result["metrics"]
    told = {row["name"]: row["attempted"] for row in metrics["counters"]}
    assert told.pop("huge").startswith("0x")
    assert told == {"nan": "nan", "wide": "9223372036854775808", "none": None, "fine": 7}
    [spread] = metrics["others"]
    assert (spread["name"], spread["attempted"]) == ("spread", "x" * 256)
    assert metrics["errors"] == []


def test_every_kind_of_metric(job: Job) -> None:
    ended = job.script(
        COUNT_TO,
        """
        def measure(x):
            Metrics.gauge("t", "g").set(5)
            for i in range(150):
                Metrics.string_set("t", "s").add(f"v{i:03}")
            Metrics.counter("t", "seen").inc(2)
        with beam.Pipeline() as p:
            p | beam.Create([1]) | "Measure" >> beam.Map(measure)
        """,
    )
    metrics = ended.result["metrics"]
    [gauge] = metrics["gauges"]
    assert gauge["committed"]["value"] == 5
    assert abs(gauge["committed"]["timestamp_ms"] - ended.result["finished_at_ms"]) < 60_000
    [strings] = metrics["string_sets"]
    assert (len(strings["committed"]), strings["committed"][0]) == (100, "v000")
    assert metrics["truncated"] is True
    assert set(strings) == {"pipeline", "namespace", "name", "step", "attempted", "committed"}
