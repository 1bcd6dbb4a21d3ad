"""What a pool does with the files a pipeline brings, without a runner."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from beam_mcp_client import worker_files


def test_only_the_requirements_of_the_pipeline_are_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    of_role = f"{'0a' * 32}-requirements.txt"
    plain = ("dev-requirements.txt", f"x{of_role}", f"{'0a' * 31}-requirements.txt")
    (tmp_path / "staged").mkdir()
    for name in ("requirements.txt", of_role, *plain):
        (tmp_path / "staged" / name).touch()
    asked: list[str] = []

    def run_pip(folder: Path, *words: str) -> str:
        asked.extend(words)
        return '{"install": []}'

    monkeypatch.setattr(worker_files, "run_pip", run_pip)
    worker_files.install(tmp_path)
    read = [Path(word).name for before, word in pairwise(asked) if before == "-r"]
    assert read == [of_role, "requirements.txt"]
