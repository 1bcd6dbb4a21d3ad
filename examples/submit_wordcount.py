"""Submit WordCount to a target of a beam-mcp server, in the form its runner takes, and wait for its end.

    python submit_wordcount.py here --input texts/*.txt --output /tmp/counts
    python submit_wordcount.py cloud --output gs://bucket/counts --dry-run

The code is `wordcount.py` beside this file: a Python program on direct, portable, Flink and Spark, which need a path
that the server can read. Dataflow launches Google's template, the simulator follows a script.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from beam_mcp_client import MCPClient

HERE = Path(__file__).resolve().parent
TEMPLATE = "gs://dataflow-templates/latest/Word_Count"


def form(runner: str, source: str, output: str) -> dict[str, Any]:
    """What a runner is sent."""
    if runner == "dataflow":
        return {
            "template_path": TEMPLATE,
            "template_parameters": {"inputFile": source, "output": output},
        }
    if runner == "simulator":
        return {"options": {"simulator_script": "batch"}}
    return {"code_path": str(HERE / "wordcount.py"), "options": {"input": source, "output": output}}


def main() -> int:
    """Exit code 0 for a job that ended well, or a plan."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("target", help="a target, as `beam-mcp runner list` shows them")
    parser.add_argument("--server", help="default: BEAM_MCP_URL, else this machine")
    parser.add_argument("--input", default=str(HERE / "data" / "as_you_like_it.txt"))
    parser.add_argument("--output", default="counts")
    parser.add_argument("--dry-run", action="store_true", help="show what would be done")
    options = parser.parse_args()
    with MCPClient(options.server) as client:
        (runner,) = (one for one in client.list_runners() if one.name == options.target)
        job = {"name": "words", "target": runner.name, "job_type": "BATCH"}
        job |= form(runner.runner_type, options.input, options.output)
        if options.dry_run:
            plan = client.plan_job(job)
            print(plan.summary, *(call["call"] for call in plan.calls), *plan.unknown, sep="\n")
            return 0
        for seen in client.watch_job(client.create_job(job)):
            print(seen.state, seen.diagnostics)
        for name, value in client.get_metrics(seen).metrics.items():
            print(f"{name} = {value}")
        return 0 if seen.state == "FINISHED" else 1


if __name__ == "__main__":
    raise SystemExit(main())
