"""The environments that Beam's own SDK asks for, by the options a target has for them.

`tests/vectors/beam/environments-2.77.0.json` is made by this.
"""

from __future__ import annotations

import base64
import importlib
import json
from typing import Any

BOOT = {"command": "/opt/beam/process-worker.sh"}
TARGETS = [
    {"environment_type": "EXTERNAL", "environment_config": "127.0.0.1:50000"},
    {"environment_type": "DOCKER", "environment_config": "acme/beam:1"},
    {"environment_type": "PROCESS", "environment_config": json.dumps(BOOT)},
    {
        "environment_type": "PROCESS",
        "environment_config": json.dumps({**BOOT, "env": {"BEAM_PYTHON": "/opt/beam/bin/python"}}),
    },
    {"environment_type": "beam:env:embedded_python:v1"},
]


def made(options: dict[str, str]) -> Any:
    """The environment of a program that was given these options."""
    words = [f"--{name}={value}" for name, value in options.items()]
    pipeline_options = importlib.import_module("apache_beam.options.pipeline_options")
    runner = importlib.import_module("apache_beam.runners.portability.portable_runner")
    environment = runner.PortableRunner._create_environment(pipeline_options.PipelineOptions(words))
    return environment.to_runner_api(None)


def main() -> None:
    version = importlib.import_module("apache_beam").__version__
    rows = [
        {"options": options, "urn": proto.urn, "payload": base64.b64encode(proto.payload).decode()}
        for options in TARGETS
        for proto in [made(options)]
    ]
    told = {"made_by": f"tests/python/beam_environments.py with Apache Beam {version}"}
    print(json.dumps({**told, "environments": rows}, indent=1))


if __name__ == "__main__":
    main()
