"""Every option of the installed Apache Beam has been judged: who may set it (security-reliability.md T25)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

VECTOR = Path(__file__).resolve().parents[1] / "vectors" / "beam" / "options-2.77.0.json"
PYTHON = os.environ.get("BEAM_PYTHON", sys.executable)

LIST = """
import argparse
from apache_beam.options.pipeline_options import PipelineOptions

def classes(base):
    for each in base.__subclasses__():
        yield each
        yield from classes(each)

names = set()
for each in classes(PipelineOptions):
    if "_add_argparse_args" in vars(each):
        parser = argparse.ArgumentParser(add_help=False)
        each._add_argparse_args(parser)
        names |= {n[2:] for a in parser._actions for n in a.option_strings if n.startswith("--")}
print("\\n".join(sorted(names)))
"""


def test_beam_has_no_option_that_nobody_judged() -> None:
    """A new release that adds an option fails here: sort it into the vector, and into `operator.rs` if it must be."""
    listed = subprocess.run([PYTHON, "-c", LIST], capture_output=True, text=True, check=True)
    judged = json.loads(VECTOR.read_text(encoding="utf-8"))
    assert set(listed.stdout.split()) == set(judged["operator"]) | set(judged["caller"])
