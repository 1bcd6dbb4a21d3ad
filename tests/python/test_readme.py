"""The README's Python examples, run as printed against a real server."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from beam_mcp_client.server import LocalServer

README = Path(__file__).parent.parent.parent / "python" / "README.md"
EXAMPLES = re.findall(r"```python\n(.*?)```", README.read_text(), re.S)


def test_there_are_examples() -> None:
    assert len(EXAMPLES) >= 2


@pytest.mark.parametrize("example", EXAMPLES)
def test_example(example: str, tmp_path: Path) -> None:
    fast = {
        "targets": {"simulator": {"runner": "simulator", "speed": 20}},
        "store": {"path": str(tmp_path)},
    }
    server = LocalServer(fast, None)
    program = example.replace("http://127.0.0.1:8888", f"http://127.0.0.1:{server.port}")
    assert program != example
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60
    )
    server.stop()
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout
