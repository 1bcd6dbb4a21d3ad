"""The grammar of `beam-mcp`."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from typing import Any

from .. import worker_pool
from .._core import __version__
from ..local import PIPE
from . import config, context, demo, job, mcp, resolve, runner

Run = Callable[[argparse.Namespace], "int | None"]

EPILOG = """\
examples:
  beam-mcp demo                            run WordCount on this machine and check its counts
  beam-mcp serve                           start a server on port 8888
  beam-mcp job submit --runner direct --code wordcount.py --option input=a.txt --wait
  beam-mcp job status JOB_ID --watch
  beam-mcp job cancel JOB_ID --drain
  beam-mcp mcp call https://host/mcp TOOL name=value
  beam-mcp mcp tools --stdio 'python server.py'

exit codes: 0 done, 1 fault, 2 usage, 3 not found, 4 not allowed, 5 refused, 6 unsupported, 7 job failed,
  124 out of time
environment: BEAM_MCP_URL, BEAM_MCP_TRANSPORT, BEAM_MCP_TOKEN, BEAM_MCP_API_KEY, MCP_CLIENT_TIMEOUT,
  MCP_MAX_RETRIES, NO_COLOR
"""


CONTEXT_TYPES = ("dataflow", "direct", "flink", "portable", "simulator", "spark", "custom")


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """Reads a command line; leaves the process with exit code 2 when it cannot."""
    return _parser().parse_args(_named(argv))


def _named(argv: Sequence[str]) -> list[str]:
    """`mcp VERB --stdio COMMAND …` with the command in the place of the URL, as `stdio:COMMAND`."""
    words = list(argv)
    at = next((at for at, word in enumerate(words) if word.partition("=")[0] == "--stdio"), None)
    if words[:1] != ["mcp"] or at is None:
        return words
    _, between, command = words.pop(at).partition("=")
    if not between:
        command = words.pop(at) if at < len(words) else ""
    return [*words[:2], PIPE + command, *words[2:]]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="beam-mcp",
        description="Run Apache Beam jobs on Flink, Spark, Dataflow and this machine.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"beam-mcp {__version__}")
    nouns = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    _jobs(nouns)
    _runners(nouns)
    _contexts(nouns)
    _mcp(nouns)
    _config(nouns)
    nouns.add_parser("serve", help="run a server; its arguments are those of beam-mcp-server serve")
    _worker_pool(nouns)
    _demo(nouns)
    return parser


def _command(
    verbs: Any, name: str, run: Run, text: str, *, output: bool = True
) -> argparse.ArgumentParser:
    command: argparse.ArgumentParser = verbs.add_parser(name, help=text, description=text)
    command.set_defaults(run=run)
    command.add_argument("--server", metavar="URL", help="the server; also `local:`")
    command.add_argument(
        "--transport", choices=("rest", "mcp"), help="how to call it: `mcp` for any MCP server"
    )
    command.add_argument("--timeout", type=float, metavar="SECONDS", help="longest to wait")
    if output:
        formats = ("table", "json", "jsonl", "id")
        command.add_argument(
            "-o", "--output", choices=formats, default="table", help="how to show the answer"
        )
    return command


def _jobs(nouns: Any) -> None:
    verbs = nouns.add_parser("job", help="submit, watch and change jobs").add_subparsers(
        title="commands", required=True, metavar="COMMAND"
    )
    _submit(_command(verbs, "submit", job.submit, "Submit a job."))
    status = _command(verbs, "status", job.status, "Show a job.")
    _id(status)
    status.add_argument(
        "--watch", action="store_true", help="show every change until the job has ended"
    )
    listing = _command(verbs, "list", job.listing, "List jobs, newest first.")
    for name, text in (
        ("target", "target or runner"),
        ("state", "state"),
        ("type", "BATCH or STREAMING"),
        ("name", "text in the name"),
    ):
        listing.add_argument(f"--{name}", help=f"only jobs of this {text}")
    listing.add_argument("--limit", type=int, metavar="N", help="most jobs")
    _id(_command(verbs, "wait", job.wait, "Wait until a job has ended."))
    scale = _command(verbs, "scale", job.scale, "Change the parallelism of a running job.")
    _id(scale)
    scale.add_argument("--parallelism", type=int, required=True, metavar="N")
    scale.add_argument(
        "--min-workers", type=int, metavar="N", help="fewest workers (Dataflow); N is then the most"
    )
    _dry_run(scale)
    savepoint = _command(verbs, "savepoint", job.savepoint, "Take a savepoint; the job goes on.")
    _id(savepoint)
    savepoint.add_argument("--path", help="directory for it; default: the target's own")
    savepoint.add_argument(
        "--no-wait", action="store_true", help="answer with the operation at once"
    )
    _dry_run(savepoint)
    _cancel(_command(verbs, "cancel", job.cancel, "End a job."))
    _restore(_command(verbs, "restore", job.restore, "Submit a job again from a savepoint."))
    _resolutions(verbs)
    _id(_command(verbs, "metrics", job.metrics, "Show what the runner and the pipeline measured."))
    _id(
        _command(
            verbs, "checkpoints", job.checkpoints, "Show the checkpoints and savepoints of a job."
        )
    )
    graph = _command(verbs, "graph", job.graph, "Show the stages of a job and what feeds each.")
    _id(graph)
    graph.add_argument("--svg", action="store_true", help="print the picture")
    _logs(_command(verbs, "logs", job.logs, "Show lines of a job's log."))
    operation = _command(verbs, "operation", job.operation, "Show an operation.")
    operation.add_argument("operation_id", metavar="OPERATION_ID")


def _resolutions(verbs: Any) -> None:
    adopt = _command(
        verbs, "adopt", resolve.adopt, "Bind a job nobody can explain to one the runner shows."
    )
    _id(adopt)
    adopt.add_argument("native_id", metavar="NATIVE_ID", help="the runner's own id of it")
    adopt.add_argument("--reason", metavar="TEXT", help="kept in the audit")
    for name, run, text in (
        ("abandon", resolve.abandon, "Declare a job nobody can explain not running."),
        ("resubmit", resolve.resubmit, "Submit a parked job again, under a new token."),
    ):
        command = _command(verbs, name, run, text)
        _id(command)
        command.add_argument(
            "--reason", metavar="TEXT", required=True, help="what is known, and from where"
        )
    for name in ("adopt", "abandon", "resubmit"):
        command = verbs.choices[name]
        command.add_argument("--idempotency-key", metavar="KEY", help="a repeated command is one")
        _dry_run(command)
        command.add_argument("--yes", action="store_true", help="do not ask")


def _dry_run(command: argparse.ArgumentParser) -> None:
    command.add_argument("--dry-run", action="store_true", help="show what would be done")


def _id(command: argparse.ArgumentParser) -> None:
    command.add_argument("job_id", metavar="JOB_ID")


def _submit(command: argparse.ArgumentParser) -> None:
    add = command.add_argument
    add("--name", help="name for people")
    add("--runner", help="runner or target, for instance flink")
    add("--target", help="target, where a runner has several")
    add("--type", metavar="BATCH|STREAMING", type=str.upper, choices=("BATCH", "STREAMING"))
    add("--code", metavar="PATH", help="file on the server, or artifact:sha256:…")
    add("--upload", metavar="FILE", help="upload a file of this machine and run it")
    add("--module", help="installed Python module instead of a file")
    add("--yaml", metavar="TEXT", help="Beam YAML itself; `-` reads it from standard input")
    add("--template", metavar="PATH", help="template to launch, gs://… (Dataflow)")
    add(
        "--parameter",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="parameter of the template; may repeat",
    )
    add(
        "--context",
        metavar="ID",
        help="context of the catalogue whose options it has; `context list` shows them",
    )
    add(
        "--preset",
        metavar="NAME",
        help="what the operator has given a name; `runner list -o json` shows them",
    )
    add("--entry-class", metavar="CLASS", help="main class of the jar")
    add("--parallelism", type=int, metavar="N")
    add("--checkpoint-interval", type=int, metavar="MS")
    add("--state-backend", metavar="NAME")
    _option(command, "pipeline option; may repeat")
    add(
        "--arg",
        action="append",
        default=[],
        metavar="TEXT",
        help="plain program argument; may repeat",
    )
    add("--savepoint", metavar="PATH", help="savepoint to start from")
    add("--idempotency-key", metavar="KEY", help="a repeated command makes no second job")
    _dry_run(command)
    add("--wait", action="store_true", help="wait until the job has ended")


def _cancel(command: argparse.ArgumentParser) -> None:
    _id(command)
    how = command.add_mutually_exclusive_group()
    how.add_argument("--with-savepoint", dest="with_savepoint", action="store_true", default=None,
                     help="keep a savepoint where the job can take one (default)")  # fmt: skip
    how.add_argument(
        "--no-savepoint", dest="with_savepoint", action="store_false", help="drop the job"
    )
    for mode, text in (
        ("drain", "flush what is in flight first"),
        ("stop", "keep a savepoint to resume from, or fail"),
        ("force", "end it without asking its code"),
    ):
        how.add_argument(f"--{mode}", dest="mode", action="store_const", const=mode, help=text)
    command.add_argument("--path", help="directory for the savepoint")
    _dry_run(command)
    command.add_argument("--yes", action="store_true", help="do not ask")


def _restore(command: argparse.ArgumentParser) -> None:
    _id(command)
    add = command.add_argument
    add("--savepoint", metavar="PATH", help="default: the job's last one")
    add("--name", help="name of the new job; default: the same")
    add("--code", metavar="PATH", help="new code; default: the same")
    add("--parallelism", type=int, metavar="N")
    _option(command, "pipeline option in the place of that of the same name; may repeat")
    add(
        "--allow-non-restored-state",
        action="store_true",
        help="start although the savepoint holds state the pipeline no longer has",
    )
    add("--idempotency-key", metavar="KEY", help="a repeated command makes no second job")
    _dry_run(command)
    add("--wait", action="store_true", help="wait until the job has ended")


def _option(command: argparse.ArgumentParser, text: str) -> None:
    command.add_argument("--option", action="append", default=[], metavar="NAME=VALUE", help=text)


def _logs(command: argparse.ArgumentParser) -> None:
    _id(command)
    command.add_argument("--lines", type=int, metavar="N", help="most lines; default 100")
    command.add_argument(
        "--since", type=int, metavar="SECONDS", help="only the last so many seconds"
    )
    command.add_argument(
        "--until", metavar="TIME", help="only lines up to then: RFC 3339, or so many seconds ago"
    )
    command.add_argument("--worker", metavar="ID", help="only lines of this worker")
    command.add_argument("--step", metavar="NAME", help="only lines of this step")
    command.add_argument(
        "--page-token",
        metavar="TOKEN",
        help="go on where a page ended, or `start`: the log's beginning",
    )
    command.add_argument("--severity", type=str.upper, metavar="LEVEL", help="at least this severe")
    command.add_argument("--contains", metavar="TEXT", help="only lines that hold this text")
    command.add_argument("--follow", action="store_true", help="go on until the job has ended")


def _runners(nouns: Any) -> None:
    verbs = nouns.add_parser("runner", help="what jobs can run on").add_subparsers(
        title="commands", required=True, metavar="COMMAND"
    )
    _command(verbs, "list", runner.listing, "List the targets and what each can do.")


def _contexts(nouns: Any) -> None:
    verbs = nouns.add_parser("context", help="run profiles that jobs name").add_subparsers(
        title="commands", required=True, metavar="COMMAND"
    )
    listing = _command(verbs, "list", context.listing, "List the run profiles.")
    listing.add_argument("--type", choices=CONTEXT_TYPES, help="only those for this runner")
    for name, run, text in (
        ("get", context.get, "Show a run profile."),
        ("create", context.create, "Make a run profile."),
        ("update", context.update, "Change a run profile."),
        ("delete", context.delete, "Delete a run profile; jobs keep their options."),
    ):
        command = _command(verbs, name, run, text)
        command.add_argument("context_id", metavar="CONTEXT_ID")
        if name != "get":
            _dry_run(command)
        if name in ("create", "update"):
            _profile(command)
    verbs.choices["update"].add_argument(
        "--unset",
        action="append",
        default=[],
        metavar="NAME",
        help="option to leave out; may repeat",
    )


def _profile(command: argparse.ArgumentParser) -> None:
    add = command.add_argument
    add("--name", help="name for people")
    add("--description", help="text for people")
    add("--type", choices=CONTEXT_TYPES, help="runner of the targets it is for; custom: any")
    add("--status", choices=("active", "inactive"), help="whether jobs may name it")
    for flag, text in (
        ("--parameter", "pipeline option of the jobs that name it; may repeat"),
        ("--resource", "for people, for instance cpu=2; may repeat"),
    ):
        add(flag, action="append", default=[], metavar="NAME=VALUE", help=text)


def _mcp(nouns: Any) -> None:
    verbs = nouns.add_parser("mcp", help="speak to any MCP server").add_subparsers(
        title="commands", required=True, metavar="COMMAND"
    )
    given: tuple[str, ...]
    for name, run, text, given in (
        ("info", mcp.info, "Show what a server says about itself.", ()),
        ("tools", mcp.tools, "List the tools.", ()),
        ("call", mcp.call, "Call a tool; an answer that is an error is exit code 1.", ("NAME",)),
        ("resources", mcp.resources, "List the resources.", ()),
        ("read", mcp.read, "Read a resource.", ("URI",)),
        ("prompts", mcp.prompts, "List the prompts.", ()),
        ("prompt", mcp.prompt, "Fill in a prompt.", ("NAME",)),
    ):
        command = verbs.add_parser(name, help=text, description=text)
        command.set_defaults(run=run)
        command.add_argument(
            "url", metavar="URL", help="URL of the MCP endpoint; or, in its place, --stdio 'COMMAND ARGUMENTS'"
        )  # fmt: skip
        for argument in given:
            command.add_argument(argument.lower(), metavar=argument)
        if "NAME" in given:
            command.add_argument(
                "argument", nargs="*", metavar="NAME=VALUE", help="or one JSON object"
            )
        command.add_argument("--timeout", type=float, metavar="SECONDS", help="longest to wait")
        command.add_argument(
            "-o", "--output", choices=("table", "json", "jsonl"), default="table", help="how to show the answer"
        )  # fmt: skip


def _config(nouns: Any) -> None:
    verbs = nouns.add_parser("config", help="settings of this command").add_subparsers(
        title="commands", required=True, metavar="COMMAND"
    )
    keep = verbs.add_parser("set-server", help="keep a server's URL for later commands")
    keep.add_argument("url", metavar="URL")
    keep.set_defaults(run=config.set_server)
    _command(verbs, "show", config.show, "Show the settings and where each comes from.")


def _worker_pool(nouns: Any) -> None:
    command = nouns.add_parser(
        "worker-pool",
        help="start the Python workers of Beam pipelines on Flink and Spark",
        description="Runs beside each Flink TaskManager or Spark worker, in a Python with apache_beam in the version "
        "of the pipelines. Whoever reaches the port runs code here.",
    )
    command.add_argument(
        "--host", default="127.0.0.1", help="address to listen on; default: 127.0.0.1"
    )
    command.add_argument(
        "--port", type=int, default=50000, metavar="N", help="default 50000; 0: a free one"
    )
    command.set_defaults(run=worker_pool.run)


def _demo(nouns: Any) -> None:
    command = nouns.add_parser(
        "demo",
        help="run WordCount for real and check its counts",
        description="Starts a server, runs WordCount on it and checks the counts against an independent count.",
    )
    command.add_argument("--target", choices=("direct", "flink", "spark"), default="direct")
    command.add_argument("--flink-url", metavar="URL", help="Flink's REST API")
    command.add_argument("--spark-url", metavar="URL", help="submission API of Spark's master")
    command.add_argument("--spark-master-url", metavar="URL", help="page of Spark's master")
    command.add_argument("--spark-history-url", metavar="URL", help="Spark's history server")
    command.add_argument("--spark-events", metavar="URL", help="folder of its event logs")
    command.add_argument(
        "--jar-folder", metavar="DIR", help="folder Spark's workers read jars from"
    )
    command.add_argument(
        "--jar", metavar="PATH", help="Java's WordCount as a jar for Flink or Spark"
    )
    command.add_argument(
        "--job-server-jar",
        metavar="PATH",
        help="Beam's job server for the cluster, for Python's WordCount",
    )
    command.add_argument(
        "--worker-pool", metavar="HOST:PORT", help="where its workers are: beam-mcp worker-pool"
    )
    command.add_argument(
        "--examples", metavar="DIR", default="examples", help="folder of the examples"
    )
    command.set_defaults(run=demo.demo)
