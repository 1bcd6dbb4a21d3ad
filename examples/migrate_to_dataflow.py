"""From Flink to Dataflow: what becomes of each option of a job, before anything runs.

    python migrate_to_dataflow.py data/flink_job.json cloud gs://acme/templates/orders --parameter subscription=…

Reads a submission as it is sent to a Flink target, and asks for the plan of the same on a Dataflow target. Nothing is
launched: the plan names the calls, what each option turns into, and what nobody can know beforehand. What is no longer
needed (checkpoints, state backends, Flink's own settings) is said to be so, and never dropped in silence.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from beam_mcp_client import MCPClient
from beam_mcp_client.results import Plan


def migrated(
    flink: dict[str, Any], target: str, template: str, parameters: list[str]
) -> dict[str, Any]:
    """The submission to Dataflow: the program is a template there, the options are the same."""
    pairs = (text.partition("=") for text in parameters)
    return {
        "name": flink["name"],
        "job_type": flink.get("job_type"),
        "target": target,
        "template_path": template,
        "template_parameters": {name: value for name, _, value in pairs},
        "options": flink.get("options", {}),
    }


def show(plan: Plan) -> None:
    print(plan.summary)
    for option in plan.options:
        note = option.get("note", "sent as it is")
        print(f"  {option['name']} = {json.dumps(option['value'])} ({option['from']}): {note}")
    for call in plan.calls:
        print(call["call"], json.dumps(call["body"], indent=2), sep="\n")
    print("not known before:", *plan.unknown, sep="\n  ")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("job", type=Path, help="the Flink submission, as JSON")
    parser.add_argument("target", help="a Dataflow target")
    parser.add_argument("template", help="the pipeline as a Dataflow template")
    parser.add_argument("--parameter", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("--server", help="default: BEAM_MCP_URL, else this machine")
    options = parser.parse_args()
    flink = json.loads(options.job.read_text(encoding="utf-8"))
    with MCPClient(options.server) as client:
        show(client.plan_job(migrated(flink, options.target, options.template, options.parameter)))


if __name__ == "__main__":
    main()
