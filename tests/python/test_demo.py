"""`beam-mcp demo`: the main job for real (a Python with apache_beam: BEAM_PYTHON, else this one), and its check."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from beam_mcp_client.cli import demo, main

ROOT = Path(__file__).parent.parent.parent
TEXT = ROOT / "examples" / "data" / "as_you_like_it.txt"


def test_wordcount_on_this_machine(tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "BEAM_MCP_PYTHON": os.environ.get("BEAM_PYTHON", sys.executable),
        "TMPDIR": str(tmp_path),
        "XDG_DATA_HOME": str(tmp_path / "data"),
    }
    command = [sys.executable, "-m", "beam_mcp_client", "demo"]
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert (
        "checked: all 3,317 counts (23,087 words) are those of an independent count" in done.stdout
    )
    assert "  the     696" in done.stdout
    assert "words          23087" in done.stdout
    assert "ended in state DONE" in done.stdout
    assert [line.split()[1] for line in done.stderr.splitlines()][-1] == "FINISHED"
    assert list(tmp_path.iterdir()) == []


def test_a_wrong_count_is_seen(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "words-00000-of-00001.txt").write_text("the: 696\nand: 691\n")
    assert demo._check(tmp_path / "words", TEXT) == 1
    assert "WRONG" in capsys.readouterr().err


def test_what_it_needs_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["demo"]) == 2
    assert "--examples" in capsys.readouterr().err
    examples = ["--examples", str(ROOT / "examples")]
    assert main(["demo", *examples, "--target", "flink"]) == 2
    assert "--flink-url" in capsys.readouterr().err
    assert main(["demo", *examples, "--target", "spark"]) == 2
    assert "--spark-master-url" in capsys.readouterr().err
    monkeypatch.delenv("BEAM_MCP_PYTHON", raising=False)
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    assert main(["demo", *examples]) == 5
    assert "pip install apache-beam" in capsys.readouterr().err
