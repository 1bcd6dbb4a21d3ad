"""The shell block of examples/README.md, run as printed, and each example is run by the tests that stand beside it.

What the block says to Dataflow is run by tests/dataflow/test_dataflow_examples.py: even a plan asks Google for its
template.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from real_server import SERVER, free_port, until

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"
README = (EXAMPLES / "README.md").read_text(encoding="utf-8")
[BLOCK] = re.findall(r"```sh\n(.*?)```", README, re.S)
SERVE, *COMMANDS = [
    command for command in re.split(r"(?<!\\)\n", BLOCK) if command.strip()
]  # a line that ends with \ goes on
PYTHON = os.environ.get("BEAM_PYTHON", sys.executable)
PARTS = ("--preset words", "wordcount.yaml", "submit_wordcount.py practice")
"""What tells the commands from each other that need no cluster; each ends with a job that is FINISHED."""


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The environment of a person in the folder of the repository, with the server that the block starts."""
    folder, port = tmp_path_factory.mktemp("shell"), free_port()
    programs = [
        str(Path(found).parent) for name in (SERVER, PYTHON) if (found := shutil.which(name))
    ]
    environment = {
        **os.environ,
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), *programs, os.environ["PATH"]]),
        "BEAM_MCP_PYTHON": PYTHON,
        "BEAM_MCP_PORT": str(port),
        "BEAM_MCP_URL": f"http://127.0.0.1:{port}",
        "BEAM_MCP_STORE_PATH": str(folder / "store"),
        "TMPDIR": str(folder),
    }
    assert SERVE.endswith(" &")
    command = f"exec {SERVE.removesuffix(' &')}"
    with (folder / "log").open("w+b") as log:
        server = subprocess.Popen(
            ["bash", "-c", command], cwd=ROOT, env=environment, stdout=log, stderr=log
        )
        until(lambda: server.poll() is not None or listens(port), "the server is there", 30)
        assert server.poll() is None, (folder / "log").read_text()
        yield environment
        server.terminate()
        server.wait(30)


def listens(port: int) -> bool:
    with socket.socket() as tried:
        return tried.connect_ex(("127.0.0.1", port)) == 0


def run(environment: dict[str, str], command: str) -> subprocess.CompletedProcess[str]:
    """A command of a shell in the folder of the repository."""
    return subprocess.run(
        ["bash", "-c", command],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )


def test_each_printed_command_is_run() -> None:
    here = [command for command in COMMANDS if " cloud " not in command]
    assert len(COMMANDS) == len(here) + 1, "tests/dataflow runs the one for the cloud"
    assert len(here) == len(PARTS)
    assert all(sum(part in command for command in here) == 1 for part in PARTS)


@pytest.mark.parametrize("part", PARTS)
def test_a_printed_command_ends_well(shell: dict[str, str], part: str) -> None:
    [command] = [command for command in COMMANDS if part in command]
    done = run(shell, command)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "FINISHED" in done.stdout + done.stderr, done.stdout + done.stderr
    if part == "wordcount.yaml":
        assert list(Path(shell["TMPDIR"]).glob("counts-*"))


def test_the_demo_counts_on_this_machine(shell: dict[str, str]) -> None:
    environment = shell | {"VENV": sys.prefix, "XDG_DATA_HOME": shell["TMPDIR"]}
    done = run(environment, "bash examples/demo.sh direct")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "all 3,317 counts (23,087 words) are those of an independent count" in done.stdout
    assert run(environment, "bash examples/demo.sh moon").returncode == 64


def rows() -> dict[str, str]:
    """What each example is run by: the table's last column, together where it stands in more than one row."""
    found: dict[str, str] = {}
    name = ""
    for line in README.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        if len(cells) != 4 or cells[0] in ("example", "---"):
            continue
        if link := re.match(r"\[(.+?)\]\(", cells[0]):
            name = link[1]
        assert name, line
        found[name] = f"{found.get(name, '')} {cells[3]}"
    return found


def test_each_example_is_in_the_table() -> None:
    listed = subprocess.run(
        ["git", "ls-files", "examples"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    names = {Path(path).parts[1] for path in listed.stdout.splitlines()}
    assert names - {"README.md", "data"} == rows().keys()


@pytest.mark.parametrize(("name", "ran"), rows().items())
def test_what_runs_an_example_is_there_and_names_it(name: str, ran: str) -> None:
    tests = [ROOT / path for path in re.findall(r"tests/[\w/]+(?:\.py)?", ran)]
    assert tests, f"nothing runs {name}"
    for path in tests:
        assert path.exists(), path
        beside = path if path.is_dir() else path.parent
        files = [file for kind in ("*.py", "*.sh") for file in beside.glob(kind)]
        assert any(name in file.read_text(encoding="utf-8") for file in files), f"{path}: {name}"


def test_each_text_of_the_examples_is_read() -> None:
    sources = [*EXAMPLES.glob("*.py"), *(ROOT / "tests").glob("*/*.py")]
    for data in (EXAMPLES / "data").glob("*.*"):
        if data.name != "SOURCE.md":
            assert any(data.name in source.read_text(encoding="utf-8") for source in sources), data
