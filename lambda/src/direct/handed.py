"""A pipeline that an SDK program has built elsewhere and handed over at the Job API's door."""

from __future__ import annotations

from typing import Any

# What led the program to the door, and where its workers would have been.
NOT_OURS = frozenset({"runner", "job_endpoint", "artifact_endpoint", "job_server_timeout"})
OPTION = "beam:option:"
VERSION = ":v1"


def read(path: str) -> Any:
    """The request of `Prepare` in a file."""
    # Beam is imported late: the interpreter may not have it.
    from apache_beam.portability.api import beam_job_api_pb2

    with open(path, "rb") as file:
        return beam_job_api_pb2.PrepareJobRequest.FromString(file.read())


def run(prepare: Any, arguments: list[str]) -> Any:
    """Runs it in this process, with the program's options and, over them, these; the result."""
    from apache_beam.options.pipeline_options import PipelineOptions
    from apache_beam.runners.portability.fn_api_runner import FnApiRunner

    ours = PipelineOptions(arguments).get_all_options(
        drop_default=True, retain_unknown_options=True
    )
    options = PipelineOptions.from_dictionary({**told(prepare), **ours})
    return FnApiRunner().run_via_runner_api(prepare.pipeline, options)


def told(prepare: Any) -> dict[str, Any]:
    """The program's own options."""
    from google.protobuf import json_format

    options = json_format.MessageToDict(prepare.pipeline_options)
    named = {name.removeprefix(OPTION).removesuffix(VERSION): options[name] for name in options}
    return {name: value for name, value in named.items() if name not in NOT_OURS}
