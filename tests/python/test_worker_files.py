"""What a pool does with the files a pipeline brings, without a runner."""

from __future__ import annotations

import sys
from itertools import pairwise
from pathlib import Path

import pytest

from beam_mcp_client import worker_environment, worker_files
from beam_mcp_client.worker_pip import Pip

SECRETS = (
    "AWS_SECRET_ACCESS_KEY",
    "PIPELINE_PASSWORD",
    "BEAM_MCP_TOKEN",
    "BEAM_MCP_API_KEY",
    "BEAM_SERVICE_OVERRIDES",
)


def test_a_worker_sees_no_secrets_of_the_pool(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*SECRETS, "PIP_INDEX_URL", "LC_ALL", "TZ"):
        monkeypatch.setenv(name, "x")
    seen = worker_environment.of_worker()
    assert seen.keys().isdisjoint({*SECRETS, "PIP_INDEX_URL"})
    assert {seen["LC_ALL"], seen["TZ"]} == {"x"}


def test_only_the_requirements_of_the_pipeline_are_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    of_role = f"{'0a' * 32}-requirements.txt"
    plain = ("dev-requirements.txt", f"x{of_role}", f"{'0a' * 31}-requirements.txt")
    (tmp_path / "staged").mkdir()
    for name in ("requirements.txt", of_role, *plain):
        (tmp_path / "staged" / name).touch()
    asked: list[str] = []

    def install(pip: Pip, found: str, packages: str, *words: str) -> str:
        asked.extend(words)
        return '{"install": []}'

    monkeypatch.setattr(Pip, "install", install)
    worker_files.install(tmp_path, Pip())
    read = [Path(word).name for before, word in pairwise(asked) if before == "-r"]
    assert read == [of_role, "requirements.txt"]


def test_a_package_that_is_built_sees_no_secrets_of_the_pool(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = (
        "PIP_INDEX_URL",
        "HTTPS_PROXY",
        "no_proxy",
        "SSL_CERT_FILE",
        "REQUESTS_CA_BUNDLE",
        "LC_ALL",
    )
    for name in (*shown, *SECRETS):
        monkeypatch.setenv(name, "x")
    fake = tmp_path / "python"
    fake.write_text("#!/bin/sh\nexec env\n")
    fake.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(fake))
    seen = dict(
        line.split("=", 1)
        for line in worker_files.run_pip(Pip(), tmp_path, "x").splitlines()
        if "=" in line
    )
    assert {name for name in shown if seen.get(name) != "x"} == set()
    assert seen.keys().isdisjoint(SECRETS)
    assert seen["PYTHONPATH"] == str(tmp_path / "packages")
