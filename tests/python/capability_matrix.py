"""The contract of a target's capabilities: what it says it can do is planned, and what it does not
say is refused with a reason and the nearest alternative, the ones that its list of targets named
before. That each capability works is for the cases of its runner.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Call = Callable[[str, str, Any], tuple[int, Any]]

OPERATIONS: dict[str, tuple[str, dict[str, Any]]] = {
    "cancel": ("cancel", {"mode": "cancel"}),
    "drain": ("cancel", {"mode": "drain"}),
    "stop": ("cancel", {"mode": "stop"}),
    "savepoints": ("savepoints", {}),
    "rescale": ("scale", {"parallelism": 2}),
}
READS = {
    "metrics": "metrics",
    "logging": "logs",
    "graph": "graph",
    "checkpoint_list": "checkpoints",
}
SUBMISSIONS: dict[str, dict[str, Any]] = {
    "jar_submit": {"code_path": "pipeline.jar"},
    "python_submit": {"code_path": "pipeline.py"},
    "template_submit": {"template_path": "gs://bucket/template"},
    "yaml_submit": {"yaml": "pipeline:\n  transforms: []\n"},
}


def check(call: Call, target: str, job: str, but: frozenset[str] = frozenset()) -> set[str]:
    """Holds a target to its word about a job that runs and streams; `but` are cells left out. The
    capabilities."""
    _, answer = call("GET", "/runners", None)
    [row] = [one for one in answer["data"]["runners"] if one["name"] == target]
    said, named = set(row["capabilities"]), row["unsupported"]
    assert not said & named.keys(), f"{target}: said to work, and not to"
    for name, (path, body) in OPERATIONS.items():
        if name not in but:
            asked = call("POST", f"/jobs/{job}/{path}", {**body, "dry_run": True})
            judge(f"{target}: {name}", named.get(name), *asked)
    for name, path in READS.items():
        status, answer = call("GET", f"/jobs/{job}/{path}", None)
        if name == "metrics" and name in named and status == 200:
            assert answer["data"]["notes"], f"{target}: no word on why there are no metrics yet"
        elif name in said:
            assert status == 200, f"{target}: {name} is said to work: {answer}"
        else:
            judge(f"{target}: {name}", named[name], status, answer)
    change = {"update_options": {"max_num_workers": 3}, "dry_run": True}
    judge(f"{target}: update", named.get("update"), *call("PATCH", f"/jobs/{job}", change))
    for name, spec in SUBMISSIONS.items():
        if name not in said | but:
            judge(
                f"{target}: {name}",
                named[name],
                *call("POST", "/jobs", {"target": target, **spec, "dry_run": True}),
            )
    restore = {
        "target": target,
        "code_path": "pipeline.jar",
        "savepoint_path": "file:///savepoints/one",
    }
    if "restore" not in said:
        judge(
            f"{target}: restore",
            named["restore"],
            *call("POST", "/jobs", {**restore, "dry_run": True}),
        )
    return said


def judge(what: str, named: dict[str, str] | None, status: int, answer: Any) -> None:
    """One cell; `named` is why it cannot be done, where it cannot."""
    if named is None:
        assert status == 200, f"{what} is said to work: {answer}"
        assert answer["data"]["plan"], f"{what}: {answer}"
        return
    assert status >= 400, f"{what} is not among the capabilities, and is planned: {answer}"
    error = answer["error"]
    assert error["code"] not in ("internal", "unavailable", "not_found"), f"{what}: {error}"
    assert error["details"]["reason"] == named["reason"], f"{what}: {error}, and not {named}"
    assert error["details"]["suggestion"], f"{what}: {error}"
    assert named["suggestion"], f"{what}: {named}"
