"""Each surprise of tests/README.md names cases that are there."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ROW = re.compile(r"^\| (\d+) \|.*$", re.M)
CASE = re.compile(r"`([\w/.]+)::(\w+)`")


def test_each_surprise_is_a_case() -> None:
    rows = list(ROW.finditer((ROOT / "tests" / "README.md").read_text(encoding="utf-8")))
    assert [int(row[1]) for row in rows] == list(range(1, 22))
    for row in rows:
        cases = CASE.findall(row[0])
        assert CASE.search(row[0].split(" | ")[2]), f"surprise {row[1]} has no case on a runner"
        for file, name in cases:
            path = ROOT / file if file.startswith("core/") else ROOT / "tests" / file
            assert re.search(rf"(fn|def) {name}\(", path.read_text(encoding="utf-8")), (
                f"{file}::{name}"
            )
