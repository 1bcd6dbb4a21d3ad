"""What the server says of Beam YAML before anything runs is what the installed Beam says when it builds the pipeline.

BEAM_MCP_SERVER is the server, BEAM_PYTHON an interpreter with apache-beam[yaml] (default: this one).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from real_server import RealServer

HERE = Path(__file__).resolve().parent
LIST = HERE.parents[1] / "lambda" / "src" / "stage" / "beam_yaml.txt"
VECTOR = HERE.parent / "vectors" / "beam" / "yaml-2.77.0.json"
EXAMPLE = HERE.parents[1] / "examples" / "wordcount.yaml"
PYTHON = os.environ.get("BEAM_PYTHON", sys.executable)
CASES: list[dict[str, Any]] = json.loads(VECTOR.read_text(encoding="utf-8"))["cases"]
FENCE = "```"


def said_by(program: str, stdin: str = "") -> str:
    command = [PYTHON, str(HERE / program)]
    return subprocess.run(command, input=stdin, capture_output=True, text=True, check=True).stdout


def of_the_docs() -> Iterator[str]:
    """Every whole pipeline, or chain of transforms, in the documentation of YAML that Beam's wheel brings along."""
    find = "import importlib.util as u; print(u.find_spec('apache_beam').origin)"
    origin = subprocess.run([PYTHON, "-c", find], capture_output=True, text=True, check=True).stdout
    for file in sorted((Path(origin.strip()).parent / "yaml" / "docs").glob("*.md")):
        for block in file.read_text(encoding="utf-8").split(f"\n{FENCE}\n")[1::2]:
            lines = block.splitlines()
            if "- ..." in block:
                continue
            if lines[:1] == ["pipeline:"]:
                yield block
            elif block.startswith("- type:"):
                yield "\n".join(["pipeline:", "  transforms:", *(f"    {line}" for line in lines)])


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealServer]:
    targets = {"local": {"runner": "direct", "python": PYTHON}}
    made = RealServer(tmp_path_factory.mktemp("beam-yaml"), {"targets": targets})
    yield made.start()
    made.kill()


def asked(server: RealServer, text: str) -> dict[str, Any] | None:
    """The error of a pipeline that would be submitted; `None`: it would be."""
    job = {"target": "local", "job_name": "x", "yaml": text, "dry_run": True}
    status, answer = server.call("POST", "/jobs", job)
    assert (status == 200) == (answer["error"] is None), answer
    error: dict[str, Any] | None = answer["error"]
    return error


def test_the_list_is_what_the_installed_beam_takes() -> None:
    """A new release fails here: make the list anew, and `BEAM` beside it in `beam_yaml.rs`."""
    assert LIST.read_text(encoding="utf-8") == said_by("beam_yaml.py")


def test_beam_takes_and_refuses_what_the_cases_say(tmp_path: Path) -> None:
    csv = tmp_path / "a.csv"
    csv.write_text("a,b\n1,x\n", encoding="utf-8")
    cases = [case for case in CASES if case.get("asked", True)]
    texts = ["\n".join(case["yaml"]) for case in cases]
    filled = [text.replace("CSV", str(csv)).replace("OUT", str(tmp_path / "out")) for text in texts]
    said = json.loads(said_by("beam_yaml_verdicts.py", json.dumps(filled)))
    for case, error in zip(cases, said, strict=True):
        assert (error is not None) == ("said" in case), (case["name"], error)


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case["name"]))
def test_the_server_says_the_same_before_anything_runs(
    server: RealServer, case: dict[str, Any]
) -> None:
    error = asked(server, "\n".join(case["yaml"]))
    if "said" not in case:
        assert error is None, error
        return
    assert error
    assert error["details"]["reason"] == "bad_yaml", error
    assert error["details"]["line"] == str(case["line"]), error
    assert case["said"] in error["message"], error


def test_no_pipeline_of_beams_documentation_is_refused(server: RealServer) -> None:
    texts = list(of_the_docs())
    assert len(texts) > 50
    refused = [(text, error) for text in texts if (error := asked(server, text))]
    assert refused == []


def test_the_example_filled_in_is_not_refused(server: RealServer) -> None:
    text = EXAMPLE.read_text(encoding="utf-8")
    text = text[text.index("pipeline:") :].replace("{{ input }}", "a").replace("{{ output }}", "b")
    assert asked(server, text) is None
    slip = asked(server, text.replace("group_by:", "groupby:"))
    assert slip
    assert slip["details"]["line"] == str(1 + text[: text.index("group_by:")].count("\n")), slip
