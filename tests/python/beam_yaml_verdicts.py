"""What Beam says of pipelines in YAML: reads a JSON list of them, prints one of errors, null where there is none.

The pipelines are built and not run.
"""

from __future__ import annotations

import importlib
import json
import sys


def verdict(text: str) -> str | None:
    beam = importlib.import_module("apache_beam")
    transform = importlib.import_module("apache_beam.yaml.yaml_transform")
    try:
        transform.expand_pipeline(beam.Pipeline(), text)
    except Exception as error:  # noqa: BLE001 -- whatever it is, it is the verdict
        return f"{type(error).__name__}: {error}"
    return None


if __name__ == "__main__":
    json.dump([verdict(text) for text in json.load(sys.stdin)], sys.stdout)
