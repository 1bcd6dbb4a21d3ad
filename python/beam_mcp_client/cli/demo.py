"""`beam-mcp demo`: WordCount for real, through the product, checked against an independent count."""

from __future__ import annotations

import argparse
import re
import shutil
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from .. import errors
from ..client import MCPClient
from ..results import Job
from .job import STAGE_COLUMNS, watch
from .progress import Progress
from .show import measured, printable, rows

TOP = 10
LOG_LINES = 8
Options = dict[str, Any]
FLINK_OPTIONS: Options = {"runner": "FlinkRunner", "executionModeForBatch": "BATCH_FORCED"}
"""What Beam's batch jobs need on Flink: a runner in the jar, and blocking edges for the adaptive scheduler."""
HISTORY_S = 20.0
"""How long Spark's history server may take to show an application that has ended."""
WORD = re.compile(r"[A-Za-z']+")
COUNT_LINE = re.compile(r"(.+): (\d+)")


def demo(options: argparse.Namespace) -> int:
    """Runs the demonstration."""
    examples = Path(options.examples).resolve()
    text = examples / "data" / "as_you_like_it.txt"
    if not text.is_file():
        raise errors.invalid(
            f"there is no {text}", "run it in a clone of beam-mcp, or name --examples"
        )
    work = Path(tempfile.mkdtemp(prefix="beam-mcp-demo-"))
    try:
        return _run(options, examples, text, work)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _run(options: argparse.Namespace, examples: Path, text: Path, work: Path) -> int:
    makers = {"direct": _direct, "flink": _flink, "spark": _spark}
    config, submission = makers[options.target](options)
    config["roots"] = [str(path) for path in {Path(submission["code_path"]).parent, examples}]
    config["store"] = {"path": str(work / "server")}
    output = work / "counts" / "words"
    output.parent.mkdir()
    submission["pipeline_options"] = {"input": str(text), "output": str(output)}
    with MCPClient("local:", config=config) as client:
        ended = _job(client, submission)
        _metrics(client, ended, HISTORY_S if options.target == "spark" else 0.0)
        if options.target != "direct":
            _graph(client, ended)
        _log(client, ended)
        print("stopping the server")
    if ended.state != "FINISHED":
        print(f"the job ended {ended.state}: {printable(ended.diagnostics)}", file=sys.stderr)
        return 7
    return _check(output, text)


def _direct(options: argparse.Namespace) -> tuple[dict[str, Any], dict[str, Any]]:
    target = {"runner": "direct", "description": "this machine", "python": _python()}
    return {"targets": {"direct": target}}, _submission("direct", _program(options))


def _python() -> str:
    from ..server import environment

    python = environment().get("BEAM_MCP_PYTHON")
    if python is None:
        raise errors.FailedPreconditionError(
            "this Python has no apache_beam",
            code="failed_precondition",
            suggestion="pip install apache-beam, or name a Python that has it in BEAM_MCP_PYTHON",
            exit_code=5,
        )
    return python


def _program(options: argparse.Namespace) -> str:
    return str(Path(options.examples).resolve() / "wordcount.py")


def _flink(options: argparse.Namespace) -> tuple[dict[str, Any], dict[str, Any]]:
    if not options.flink_url:
        raise errors.invalid("--target flink needs --flink-url")
    target: dict[str, Any] = {"runner": "flink", "url": options.flink_url}
    code = _on_cluster(options, target, FLINK_OPTIONS, {"parallelism": 1})
    return {"targets": {"flink": target}}, _submission("flink", code)


def _spark(options: argparse.Namespace) -> tuple[dict[str, Any], dict[str, Any]]:
    if not all((options.spark_url, options.spark_master_url, options.jar_folder)):
        raise errors.invalid("--target spark needs --spark-url, --spark-master-url, --jar-folder")
    properties = {"spark.driver.memory": "512m", "spark.executor.memory": "512m"}
    if options.spark_events:
        properties["spark.eventLog.enabled"] = "true"
        properties["spark.eventLog.dir"] = options.spark_events
    target = {
        "runner": "spark",
        "url": options.spark_url,
        "master_url": options.spark_master_url,
        "history_url": options.spark_history_url,
        "jar_folder": options.jar_folder,
    }
    both = {"parallelism": 2, "spark_configuration": properties}
    code = _on_cluster(options, target, {"runner": "SparkRunner"}, both)
    return {"targets": {"spark": target}}, _submission("spark", code)


def _on_cluster(
    options: argparse.Namespace, target: dict[str, Any], java: Options, python: Options
) -> str:
    """Completes the target of a cluster for the program or for a jar; answers which code runs."""
    if options.job_server_jar and options.worker_pool:
        pool = {"environment_type": "EXTERNAL", "environment_config": options.worker_pool}
        target |= {"python": _python(), "job_server_jar": options.job_server_jar}
        target["options"] = {**pool, **python}
        return _program(options)
    if options.jar:
        target["options"] = {**python, **java}
        return _jar(options)
    raise errors.invalid("a cluster needs --job-server-jar with --worker-pool, or --jar")


def _jar(options: argparse.Namespace) -> str:
    jar = Path(options.jar).resolve()
    if not jar.is_file():
        raise errors.invalid(f"there is no {jar}", "build it with Maven in examples/java")
    return str(jar)


def _submission(runner: str, code: str) -> dict[str, Any]:
    return {
        "job_name": "demo-wordcount",
        "runner_type": runner,
        "job_type": "BATCH",
        "code_path": code,
    }


def _job(client: MCPClient, submission: dict[str, Any]) -> Job:
    print("starting a server on a free port of this machine")
    started = time.monotonic()
    with Progress("submitting"):
        job = client.create_job(submission)
    print(f"submitted {job.job_id} to {job.target} ({job.state})")
    ended = watch(client, job.job_id, None)
    print(
        f"{ended.state} after {time.monotonic() - started:.1f} s, of which {ended.duration} s on the runner"
    )
    return ended


def _metrics(client: MCPClient, job: Job, patience: float) -> None:
    end = time.monotonic() + patience
    while not (found := client.get_metrics(job)).user and time.monotonic() < end:
        time.sleep(0.5)
    print("\nmetrics of the pipeline")
    for metric in found.user:
        print(f"  {printable(metric['name']):<14} {printable(measured(metric))}")
    for note in found.notes or ():
        print(f"  note: {printable(note)}")


def _graph(client: MCPClient, job: Job) -> None:
    print("\nstages")
    found = client.get_graph(job)
    rows(found.stages, STAGE_COLUMNS, "table", "name")
    for note in found.notes or ():
        print(f"  note: {printable(note)}")


def _log(client: MCPClient, job: Job) -> None:
    print("\nfrom the log of the job")
    for entry in client.get_logs(job, max_results=LOG_LINES):
        print(f"  {printable(str(entry))}")
    print()


def _check(output: Path, text: Path) -> int:
    counted = _counts(output)
    expected = Counter(word.lower() for word in WORD.findall(text.read_text()))
    print(f"\nthe {TOP} most frequent of {len(counted):,} words in {text.name}")
    width = max(len(word) for word, _ in counted.most_common(TOP)) if counted else 0
    for word, count in counted.most_common(TOP):
        print(f"  {printable(word):<{width}}  {count:>5,}")
    if counted != expected:
        wrong = [word for word in counted | expected if counted[word] != expected[word]]
        print(
            f"WRONG: {len(wrong)} words differ from an independent count: {wrong[:5]}",
            file=sys.stderr,
        )
        return 1
    total = sum(counted.values())
    print(
        f"checked: all {len(counted):,} counts ({total:,} words) are those of an independent count in Python"
    )
    return 0


def _counts(output: Path) -> Counter[str]:
    counts: Counter[str] = Counter()
    for shard in sorted(output.parent.glob(f"{output.name}-*")):
        for line in shard.read_text().splitlines():
            found = COUNT_LINE.fullmatch(line)
            if found is None:
                raise errors.APIError(f"{shard.name} has a line that is no count: {line[:80]!r}")
            counts[found[1]] += int(found[2])
    return counts
