"""Every option of the installed Apache Beam has been judged, and is in the list of the core."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from beam_options import normal

HERE = Path(__file__).resolve().parent
VECTOR = HERE.parent / "vectors" / "beam" / "options-2.77.0.json"
LIST = HERE.parents[1] / "core" / "src" / "runner" / "options" / "beam.txt"
PYTHON = os.environ.get("BEAM_PYTHON", sys.executable)


def listed(text: str) -> dict[str, str]:
    """The lines of a list, by the plain form of their names."""
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    return {normal(line.split(" ")[0]): line for line in lines}


def installed() -> str:
    command = [PYTHON, str(HERE / "beam_options.py")]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_beam_has_no_option_that_nobody_judged() -> None:
    """A new release that adds an option fails here: sort it into the vector, and into `operator.rs` if it must be."""
    judged = json.loads(VECTOR.read_text(encoding="utf-8"))
    assert set(listed(installed())) == {
        normal(name) for name in judged["operator"] + judged["caller"]
    }


def test_the_list_in_the_core_is_that_of_the_installed_beam() -> None:
    """Kinds and choices may be wider in the list, where Java's SDK differs."""
    text, kept = installed(), LIST.read_text(encoding="utf-8")
    assert kept.splitlines()[0].startswith(text.splitlines()[0].split(";")[0])
    there = listed(kept)
    for name, line in listed(text).items():
        assert there[name].split(" ")[0] == line.split(" ")[0], name
        assert there[name] == line or there[name].split(" ")[1] in ("text", line.split(" ")[1]), (
            there[name],
            line,
        )


def test_the_transforms_of_beam_yaml_are_those_of_the_installed_beam() -> None:
    command = [PYTHON, str(HERE / "beam_transforms.py")]
    seen = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    kept = HERE.parents[1] / "lambda" / "src" / "stage" / "transforms.txt"
    assert kept.read_text(encoding="utf-8") == seen
