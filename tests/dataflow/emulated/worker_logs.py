"""Cloud Logging, as far as it holds what the workers of Dataflow jobs write."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from emulated.jobs import Job

SEVERITIES = [
    "DEFAULT",
    "DEBUG",
    "INFO",
    "NOTICE",
    "WARNING",
    "ERROR",
    "CRITICAL",
    "ALERT",
    "EMERGENCY",
]
QUOTED = r'"(?:[^"\\]|\\.)*"'
# The part of the query language that is understood; anything else is an error, and never ignored.
RESTRICTION = re.compile(
    rf"(?:resource\.type=(?P<type>{QUOTED})|resource\.labels\.job_id=(?P<job>{QUOTED})"
    rf"|NOT log_id\((?P<but>{QUOTED})\)|severity>=(?P<severity>[A-Z]+)"
    rf"|timestamp>=(?P<since>{QUOTED})|timestamp<(?P<before>{QUOTED})"
    rf"|\(jsonPayload\.worker=(?P<worker>{QUOTED})"
    r' OR labels\."compute\.googleapis\.com/resource_name"=(?P=worker)\)'
    rf"|\(jsonPayload\.step=(?P<step>{QUOTED}) OR resource\.labels\.step_id=(?P=step)\)"
    rf"|\(textPayload:(?P<text>{QUOTED}) OR jsonPayload\.message:(?P=text)"
    r" OR jsonPayload\.exception:(?P=text)\))(?: AND |$)"
)


class BadFilter(Exception):
    """A filter that Cloud Logging, or this part of it, does not understand."""


def entries(jobs: Iterable[Job], project: str, asked: dict[str, Any]) -> dict[str, Any]:
    """The answer of `entries.list`."""
    if asked.get("resourceNames") != [f"projects/{project}"]:
        raise BadFilter("The emulator has one project.")
    wanted = parsed(asked.get("filter", ""))
    found = [one for job in jobs for one in shown(job, project) if fits(one, wanted)]
    order = asked.get("orderBy", "timestamp asc")
    if order not in ("timestamp asc", "timestamp desc"):
        raise BadFilter(f"Unknown order {order}.")
    found.sort(key=lambda one: str(one["timestamp"]), reverse=order.endswith("desc"))
    begin, size = int(asked.get("pageToken") or 0), int(asked.get("pageSize") or 50)
    if not 1 <= size <= 1000:
        raise BadFilter("page_size must be between 1 and 1000.")
    answer: dict[str, Any] = {"entries": found[begin : begin + size]}
    if begin + size < len(found):
        answer["nextPageToken"] = str(begin + size)
    return answer


def parsed(text: str) -> dict[str, str]:
    """The restrictions of a filter."""
    wanted: dict[str, str] = {}
    at = 0
    while at < len(text):
        found = RESTRICTION.match(text, at)
        if not found:
            raise BadFilter(f"Unparseable filter: {text[at:]}")
        for name, value in found.groupdict().items():
            if value is not None:
                wanted[name] = json.loads(value) if value.startswith('"') else value
        at = found.end()
    if wanted.get("type") != "dataflow_step" or "job" not in wanted:
        raise BadFilter("The emulator has logs of Dataflow jobs, each by its id.")
    if "severity" in wanted and wanted["severity"] not in SEVERITIES:
        raise BadFilter(f"Unknown severity {wanted['severity']}.")
    return wanted


def shown(job: Job, project: str) -> Iterable[dict[str, Any]]:
    """All entries of a job: its workers', and its messages once more, as the real service has them."""
    labels = {
        "job_id": job.id,
        "job_name": job.name,
        "project_id": project,
        "step_id": "emulated-s1",
    }
    messages = [
        {
            "log": "job-message",
            "severity": "INFO",
            "timestamp": m["time"],
            "message": m["messageText"],
        }
        for m in job.messages
    ]
    for number, one in enumerate([*job.written, *messages]):
        yield {
            "insertId": f"{job.id}-{number}",
            "logName": f"projects/{project}/logs/dataflow.googleapis.com%2F{one['log']}",
            "severity": one["severity"],
            "timestamp": one["timestamp"],
            "resource": {"type": "dataflow_step", "labels": labels},
            "labels": {"compute.googleapis.com/resource_name": f"{job.name}-emulated-worker-0"},
            "jsonPayload": {"message": one["message"]},
        }


def instant(text: str) -> datetime:
    """The moment an RFC 3339 text names."""
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def fits(entry: dict[str, Any], wanted: dict[str, str]) -> bool:
    """True for an entry that meets every restriction."""
    return (
        entry["resource"]["labels"]["job_id"] == wanted["job"]
        and not entry["logName"].endswith(wanted.get("but", "-").replace("/", "%2F"))
        and SEVERITIES.index(entry["severity"])
        >= SEVERITIES.index(wanted.get("severity", "DEFAULT"))
        and ("since" not in wanted or instant(entry["timestamp"]) >= instant(wanted["since"]))
        and ("before" not in wanted or instant(entry["timestamp"]) < instant(wanted["before"]))
        and wanted.get("worker") in (None, entry["labels"]["compute.googleapis.com/resource_name"])
        and wanted.get("step") in (None, entry["resource"]["labels"]["step_id"])
        and wanted.get("text", "").lower() in entry["jsonPayload"]["message"].lower()
    )
