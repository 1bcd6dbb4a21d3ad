"""Where a job-server jar is not there or is for other clusters, nothing of Python is announced, planned or stored.

The clusters are the recorded answers of Flink 1.20.5 and 2.2.1; host, jar and server are real.
"""

from __future__ import annotations

import json
import os
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

import recorded_flink
from fake_server import FakeServer, serving
from real_server import RealServer, until

PYTHON = os.environ.get("BEAM_PYTHON", sys.executable)
RECORDED = recorded_flink.RECORDED.parent


def jar(folder: Path, name: str, manifest: str = "") -> str:
    """A jar of this name that holds a manifest."""
    with zipfile.ZipFile(folder / name, "w") as made:
        made.writestr("META-INF/MANIFEST.MF", f"Manifest-Version: 1.0\n{manifest}")
    return str(folder / name)


def ask(folder: Path, flink: FakeServer, path: str) -> tuple[Any, Any, Any]:
    """The target as it is listed, the answer to a dry run, and the jobs after a submission."""
    target: dict[str, Any] = {"runner": "flink", "url": flink.url}
    target |= {"python": PYTHON, "job_server_jar": path}
    target["options"] = {"environment_type": "EXTERNAL", "environment_config": "127.0.0.1:9"}
    server = RealServer(folder, {"targets": {"flink": target}}).start()
    try:
        (server.roots / "job.py").write_text("raise SystemExit('it ran')\n", encoding="utf-8")
        body = {"target": "flink", "job_name": "job", "code_path": "job.py"}

        def listed() -> Any:
            [row] = server.call("GET", "/runners")[1]["data"]["runners"]
            return row if "python_version" in row.get("facts", {}) else None

        row = until(listed, "the target was probed")
        planned = server.call("POST", "/jobs", body | {"dry_run": True})
        if planned[0] != 200:
            assert server.call("POST", "/jobs", body)[0] == planned[0]
        return row, planned, server.call("GET", "/jobs")[1]["data"]["jobs"]
    finally:
        server.kill()


@pytest.mark.parametrize(
    ("version", "name", "manifest", "reason"),
    [
        ("2.2.1", "beam-job-server-flink-1.19.jar", "", "job_server_differs"),
        ("2.2.1", "job-server.jar", "Beam-Runner: flink-1.19\n", "job_server_differs"),
        ("1.20.5", "beam-runners-spark-3-job-server-2.77.0.jar", "", "job_server_differs"),
        ("1.20.5", "", "", "no_job_server_jar"),
        ("1.20.5", "beam-job-server-flink-1.19.jar", "", None),
        ("2.2.1", "beam-runners-flink-2.0-job-server-2.77.0.jar", "", None),
    ],
)
def test_a_jar_serves_the_clusters_it_is_for(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    version: str,
    name: str,
    manifest: str,
    reason: str | None,
) -> None:
    monkeypatch.setattr(recorded_flink, "RECORDED", RECORDED / version)
    path = jar(tmp_path, name, manifest) if name else str(tmp_path / "none.jar")
    with serving(recorded_flink.RecordedFlink()) as flink:
        row, (status, answer), jobs = ask(tmp_path / "server", flink, path)
    assert ("python_submit" in row["capabilities"]) == (reason is None), row
    assert ("yaml_submit" in row["capabilities"]) == (reason is None), row
    assert "jar_submit" in row["capabilities"], row
    said = any("no Python or YAML can be submitted" in text for text in row.get("warnings", []))
    assert said == (reason is not None), row
    assert jobs == []
    if reason is None:
        assert status == 200, answer
    else:
        assert answer["error"]["details"]["reason"] == reason, json.dumps(answer)
        assert answer["error"]["details"]["suggestion"]
