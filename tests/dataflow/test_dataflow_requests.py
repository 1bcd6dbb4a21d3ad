"""Each request the core can make to Dataflow fits Google's discovery document."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from emulated.document import Invalid, document, of_path

VECTORS = Path(__file__).parents[1] / "vectors" / "dataflow" / "requests.json"
REQUESTS: list[dict[str, Any]] = json.loads(VECTORS.read_text(encoding="utf-8"))


def call(request: dict[str, Any]) -> str:
    """The id of the method a request calls."""
    parts = urlsplit(request["path"])
    body = b"" if request["body"] is None else json.dumps(request["body"]).encode()
    found = of_path(parts.path).call(request["method"], parts.path, parse_qs(parts.query), body)
    assert found, request
    return found.method.id


@pytest.mark.parametrize(
    "request_", REQUESTS, ids=lambda one: f"{one['method']} {one['path'][50:]}"
)
def test_a_request_of_ours_fits_the_document(request_: dict[str, Any]) -> None:
    regional = call(request_).startswith("dataflow.projects.locations.")
    of_all = ("dataflow.projects.jobs.aggregated", "logging.entries.list")
    assert regional or call(request_) in of_all, "regional calls only, but for the list of all"


def test_a_request_that_does_not_fit_is_seen() -> None:
    launch = next(one for one in REQUESTS if one["path"].endswith("flexTemplates:launch"))
    broken = json.loads(json.dumps(launch).replace("maxWorkers", "maxNumWorkers"))
    with pytest.raises(Invalid, match="maxNumWorkers"):
        call(broken)
    with pytest.raises(Invalid, match="nothing"):
        call(launch | {"path": f"{launch['path']}?nothing=1"})
    assert len(REQUESTS) >= 15


EMULATED = sorted((VECTORS.parent / "emulated").glob("*.json"))


@pytest.mark.parametrize("path", EMULATED, ids=lambda path: path.stem)
def test_a_recorded_answer_fits_the_document(path: Path) -> None:
    record = json.loads(path.read_text(encoding="utf-8"))
    described = document("logging.v2") if record["method"].startswith("logging.") else document()
    (method,) = [one for one in described.methods if one.id == record["method"]]
    if record["status"] == 200:
        described.check(str(method.response), record["body"])
    else:
        assert record["body"]["error"]["code"] == record["status"]
