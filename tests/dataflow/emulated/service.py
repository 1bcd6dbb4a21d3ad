"""What the emulated Dataflow does for each method: pure of HTTP, and of the document but for its method ids."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterable
from datetime import datetime, timezone
from typing import Any

from emulated.document import Call
from emulated.jobs import IMPORTANCE, Job, Timing, moment
from emulated.templates import Template, known
from emulated.worker_logs import BadFilter, entries

NAME = re.compile(r"[a-z]([-a-z0-9]{0,1022}[a-z0-9])?")
UPDATABLE = ("runtime_updatable_params.max_num_workers", "runtime_updatable_params.min_num_workers")


class Refusal(Exception):
    """An answer that is no success."""

    def __init__(self, status: int, word: str, message: str) -> None:
        super().__init__(message)
        self.status, self.word, self.message = status, word, message


def invalid(message: str) -> Refusal:
    return Refusal(400, "INVALID_ARGUMENT", message)


def precondition(message: str) -> Refusal:
    return Refusal(400, "FAILED_PRECONDITION", message)


class Service:
    """One project in one region."""

    def __init__(self, project: str = "acme-prod", region: str = "us-central1") -> None:
        self.project, self.region = project, region
        self.timing = Timing()
        self.most_of_a_page = 1000
        self.jobs: dict[str, Job] = {}
        self.snapshots: dict[str, dict[str, Any]] = {}
        self.templates: dict[str, Template] = known(region)
        self.lock = threading.RLock()
        self.number = 0
        self._handlers: dict[str, Callable[[Call], dict[str, Any]]] = {
            "templates.get": self._template,
            "templates.create": self._create_from_template,
            "templates.launch": self._launch_classic,
            "flexTemplates.launch": self._launch_flex,
            "jobs.create": self._create,
            "jobs.get": self._get,
            "jobs.list": self._list,
            "jobs.update": self._update,
            "jobs.snapshot": self._snapshot,
            "jobs.snapshots.list": self._snapshots_of,
            "snapshots.get": self._snapshot_by_id,
            "jobs.messages.list": self._messages,
            "jobs.getMetrics": self._metrics,
            "jobs.getExecutionDetails": self._stages,
            "jobs.stages.getExecutionDetails": self._workers,
        }

    def handle(self, call: Call) -> dict[str, Any]:
        """Answers a call, or raises Refusal."""
        if call.method.id == "logging.entries.list":
            return self._entries(call)
        method = call.method.id.removeprefix("dataflow.projects.locations.")
        handler = self._handlers.get(method)
        if handler is None:
            raise Refusal(501, "UNIMPLEMENTED", f"The emulator does not do {call.method.id}.")
        self.admit(call.path.get("projectId"), call.path.get("location"))
        with self.lock:
            self._tick()
            return handler(call)

    def admit(self, project: str | None, region: str | None = None) -> None:
        """Raises Refusal for another place."""
        if project != self.project or region not in (None, self.region):
            raise Refusal(403, "PERMISSION_DENIED", "The emulator has no such project or region.")

    def _tick(self) -> None:
        for job in list(self.jobs.values()):
            job.tick(self.timing)

    def add_jobs(self, names: Iterable[str]) -> None:
        """Batch jobs that somebody else made."""
        with self.lock:
            for name in names:
                job = self._new(name, False, {}, {})
                self.jobs[job.id] = job

    # ---- launching ----------------------------------------------------------

    def _template(self, call: Call) -> dict[str, Any]:
        return self._find_template(call.query.get("gcsPath", "")).show()

    def _find_template(self, path: str) -> Template:
        if path not in self.templates:
            raise Refusal(404, "NOT_FOUND", f"Unable to open template file: {path}.")
        return self.templates[path]

    def _launch_classic(self, call: Call) -> dict[str, Any]:
        template = self._find_template(call.query.get("gcsPath", ""))
        if template.flex:
            raise invalid("The template is a flex template.")
        return self._launch(template, call.body, call.query.get("validateOnly") == "true")

    def _create_from_template(self, call: Call) -> dict[str, Any]:
        template = self._find_template(call.body.get("gcsPath", ""))
        if template.flex:
            raise invalid("The template is a flex template.")
        job: dict[str, Any] = self._launch(template, call.body, False)["job"]
        return job

    def _launch_flex(self, call: Call) -> dict[str, Any]:
        launch = call.body.get("launchParameter", {})
        template = self._find_template(launch.get("containerSpecGcsPath", ""))
        if not template.flex:
            raise invalid("The template is a classic template.")
        return self._launch(template, launch, bool(call.body.get("validateOnly")))

    def _launch(
        self, template: Template, launch: dict[str, Any], validate_only: bool
    ) -> dict[str, Any]:
        parameters = launch.get("parameters", {})
        self._check_parameters(template, parameters)
        environment = launch.get("environment", {})
        job = self._new(launch.get("jobName", ""), template.streaming, environment, parameters)
        job.labels = dict(environment.get("additionalUserLabels", {}))
        for flag in environment.get("additionalPipelineOptions", []):
            name, _, value = flag.removeprefix("--").partition("=")
            if name in ("createFromSnapshot", "create_from_snapshot"):
                job.from_snapshot = self._ready_snapshot(value)
        if validate_only:
            return {}
        if launch.get("update"):
            self._replace(job)
        elif any(other.active and other.name == job.name for other in self.jobs.values()):
            raise Refusal(
                409,
                "ALREADY_EXISTS",
                f"(emulated): There is already an active job named {job.name}. If you want to submit a second job, "
                "try again by setting a different name.",
            )
        self.jobs[job.id] = job
        return {"job": job.show(self.project, self.region, "JOB_VIEW_SUMMARY")}

    def _check_parameters(self, template: Template, parameters: dict[str, str]) -> None:
        known_ones = {known["name"]: known for known in template.parameters}
        for name, value in parameters.items():
            if name not in known_ones:
                raise invalid(f"The template parameters are invalid: Unrecognized parameter {name}")
            if any(not re.fullmatch(regex, value) for regex in known_ones[name]["regexes"]):
                raise invalid(f"The template parameters are invalid: {name} does not match.")
        for name, one in known_ones.items():
            if not one.get("isOptional") and name not in parameters:
                raise invalid(
                    f"The template parameters are invalid: Missing required parameter {name}"
                )

    def _ready_snapshot(self, snapshot: str) -> str:
        self._tick_snapshots()
        if self.snapshots.get(snapshot, {}).get("state") != "READY":
            raise invalid(f"The snapshot {snapshot} is not ready.")
        return snapshot

    def _replace(self, job: Job) -> None:
        running = [other for other in self.jobs.values() if other.active and other.name == job.name]
        if not running or not running[0].streaming or running[0].state != "JOB_STATE_RUNNING":
            raise invalid(
                f"(emulated): there is no running streaming job named {job.name} to update."
            )
        running[0].move("UPDATED")
        running[0].replaced_by, job.replace = job.id, running[0].id

    def _new(
        self, name: str, streaming: bool, environment: dict[str, Any], parameters: dict[str, str]
    ) -> Job:
        if not NAME.fullmatch(name):
            raise invalid(f"The job name is invalid: {name!r}")
        self.number += 1
        stamp = datetime.now(timezone.utc).strftime("%Y-%m-%d_%H_%M_%S")
        job = Job(
            f"{stamp}-{self.number}-emulated",
            name,
            streaming,
            time.time(),
            {},
            environment,
            parameters,
        )
        job.shown_from = job.created + self.timing.hidden
        if environment.get("maxWorkers"):
            job.workers = {"maxNumWorkers": environment["maxWorkers"], "minNumWorkers": 1}
        job.say("BASIC", "Emulated: this job does no work.")
        job.say("DETAILED", "Emulated: nothing was staged.")
        job.say("DEBUG", "Emulated: for developers.")
        return job

    def _create(self, call: Call) -> dict[str, Any]:
        """What Beam's own runner sends: a taken name gives the job that has it."""
        body = call.body
        for other in self.jobs.values():
            if other.active and other.name == body.get("name"):
                return other.show(self.project, self.region, "JOB_VIEW_SUMMARY")
        streaming = body.get("type") in ("JOB_TYPE_STREAMING", 2)
        job = self._new(body.get("name", ""), streaming, {}, {})
        job.labels, job.client_request = (
            dict(body.get("labels", {})),
            body.get("clientRequestId", ""),
        )
        self.jobs[job.id] = job
        return job.show(self.project, self.region, "JOB_VIEW_SUMMARY")

    # ---- reading ------------------------------------------------------------

    @staticmethod
    def _shown(job: Job) -> bool:
        return time.time() >= job.shown_from

    def _find(self, call: Call) -> Job:
        job = self.jobs.get(call.path["jobId"])
        if job is None or not self._shown(job):
            raise Refusal(
                404,
                "NOT_FOUND",
                f"(emulated): Information about job {call.path['jobId']} could not be found.",
            )
        return job

    def _get(self, call: Call) -> dict[str, Any]:
        return self._find(call).show(self.project, self.region, call.query.get("view", ""))

    def _list(self, call: Call) -> dict[str, Any]:
        return self.paged(call, self.listed(call))

    def listed(self, call: Call) -> list[dict[str, Any]]:
        """The jobs of the region that a list asks for, newest first."""
        wanted, name = call.query.get("filter", "ALL"), call.query.get("name")
        with self.lock:
            self._tick()
            jobs = [job for job in reversed(self.jobs.values()) if self._shown(job)]
        jobs = [job for job in jobs if name in (None, job.name)]
        if wanted in ("ACTIVE", "TERMINATED"):
            jobs = [job for job in jobs if job.active == (wanted == "ACTIVE")]
        return [job.show(self.project, self.region, "") for job in jobs]

    def paged(self, call: Call, jobs: list[dict[str, Any]]) -> dict[str, Any]:
        """The page of them that the call asks for."""
        page, token = self._page(call, jobs)
        return self._with_token({"jobs": page}, token)

    def _page(self, call: Call, items: list[Any]) -> tuple[list[Any], str]:
        size = min(int(call.query.get("pageSize") or 100) or 100, self.most_of_a_page)
        start = int(call.query.get("pageToken", "").removeprefix("emulated-") or 0)
        end = start + size
        return items[start:end], f"emulated-{end}" if end < len(items) else ""

    @staticmethod
    def _with_token(answer: dict[str, Any], token: str) -> dict[str, Any]:
        return answer | ({"nextPageToken": token} if token else {})

    def _messages(self, call: Call) -> dict[str, Any]:
        job = self._find(call)
        least = call.query.get("minimumImportance", "JOB_MESSAGE_DETAILED")
        fitting = IMPORTANCE[IMPORTANCE.index(least) :] if least in IMPORTANCE else IMPORTANCE
        start = call.query.get("startTime", "")
        messages = [message for message in job.messages if message["messageImportance"] in fitting]
        end = call.query.get("endTime", "9999")
        messages = [message for message in messages if start <= message["time"] < end]
        page, token = self._page(call, messages)
        answer: dict[str, Any] = {"jobMessages": page}
        if not call.query.get("pageToken") and least in IMPORTANCE[:3]:
            answer["autoscalingEvents"] = [
                event for event in job.scalings if start <= event["time"] < end
            ]
        return self._with_token({name: value for name, value in answer.items() if value}, token)

    def _metrics(self, call: Call) -> dict[str, Any]:
        job, now = self._find(call), moment(time.time())

        def metric(origin: str, name: str, kind: str, **more: Any) -> dict[str, Any]:
            context = more.pop("context", {})
            named = {"origin": origin, "name": name, "context": context}
            return {"name": named, "kind": kind, "updateTime": now, "cumulative": True} | more

        user = {"namespace": "emulated", "step": "s1"}
        spread = {"count": 2, "sum": 28, "min": 0, "max": 28, "mean": 14}
        seconds = {"count": 2, "sum": 3.75, "min": 0.5, "max": 3.25, "mean": 1.875}
        return {
            "metricTime": now,
            "metrics": [
                metric("user", "words", "SUM", scalar=28001, context=user),
                metric("user", "words", "SUM", scalar=28005, context=user | {"tentative": "true"}),
                metric("user", "lengths", "DISTRIBUTION", distribution=spread, context=user),
                metric("user", "seconds", "DISTRIBUTION", distribution=seconds, context=user),
                metric("dataflow/v1b3", "CurrentVcpuCount", "SUM", scalar=4 if job.active else 0),
                metric(
                    "dataflow/v1b3",
                    "ElementCount",
                    "SUM",
                    scalar=28001,
                    context={"output_user_name": "Read"},
                ),
            ],
        }

    def _stages(self, call: Call) -> dict[str, Any]:
        job = self._find(call)
        state = "EXECUTION_STATE_RUNNING" if job.active else "EXECUTION_STATE_SUCCEEDED"
        return {
            "stages": [{"stageId": "emulated-F1", "state": state, "startTime": moment(job.created)}]
        }

    def _workers(self, call: Call) -> dict[str, Any]:
        job = self._find(call)
        if call.path["stageId"] != "emulated-F1":
            raise Refusal(404, "NOT_FOUND", "(emulated): there is no such stage.")
        items = [{"taskId": "emulated", "state": "EXECUTION_STATE_RUNNING"}]
        return {"workers": [{"workerName": f"{job.name}-worker-0", "workItems": items}]}

    def _entries(self, call: Call) -> dict[str, Any]:
        with self.lock:
            try:
                return entries(self.jobs.values(), self.project, call.body)
            except BadFilter as error:
                raise invalid(str(error)) from None

    # ---- changing -----------------------------------------------------------

    def _update(self, call: Call) -> dict[str, Any]:
        job, state, mask = (
            self._find(call),
            call.body.get("requestedState"),
            call.query.get("updateMask"),
        )
        if state and mask:
            raise invalid(
                "Cannot update both the requested state and the fields of an update mask."
            )
        if not job.active:
            raise precondition(f"Cannot modify a terminated job {job.id}: it is {job.state}.")
        if mask:
            self._scale(job, mask, call.body.get("runtimeUpdatableParams", {}))
        elif state in ("JOB_STATE_CANCELLED", 5):
            job.move("CANCELLING")
        elif state in ("JOB_STATE_DRAINED", "JOB_STATE_DRAINING", 8, 7):
            if not job.streaming or job.state != "JOB_STATE_RUNNING":
                raise precondition("Only a running streaming job can be drained.")
            job.move("DRAINING")
        else:
            raise invalid(f"The requested state {state} cannot be asked for.")
        return job.show(self.project, self.region, "")

    def _scale(self, job: Job, mask: str, wish: dict[str, Any]) -> None:
        fields = mask.split(",")
        if any(name not in UPDATABLE for name in fields):
            raise invalid(f"The emulator updates {', '.join(UPDATABLE)} only.")
        if not job.streaming or not job.engine:
            raise precondition(
                "The field is supported for streaming jobs with Streaming Engine only."
            )
        least, most = wish.get("minNumWorkers", 1), wish.get("maxNumWorkers", 0)
        if not 1 <= least <= most <= 1000:
            raise invalid(
                "The bounds of the number of workers are 1 to 1000, the least no larger than the largest."
            )
        job.scale(int(job.workers.get("maxNumWorkers", 1)), most)
        job.workers = {"maxNumWorkers": most, "minNumWorkers": least}

    def _snapshot(self, call: Call) -> dict[str, Any]:
        job = self._find(call)
        if not job.streaming or job.state != "JOB_STATE_RUNNING":
            raise precondition("Snapshots are taken of running streaming jobs.")
        self.number += 1
        made = {
            "id": f"emulated-snapshot-{self.number}",
            "projectId": self.project,
            "sourceJobId": job.id,
        }
        made |= {
            "creationTime": moment(time.time()),
            "ttl": call.body.get("ttl", "604800s"),
            "state": "PENDING",
        }
        made |= {"description": call.body.get("description", ""), "region": self.region}
        self.snapshots[made["id"]] = made
        return dict(made)

    def _tick_snapshots(self) -> None:
        for snapshot in self.snapshots.values():
            made = datetime.strptime(snapshot["creationTime"], "%Y-%m-%dT%H:%M:%S.%f%z").timestamp()
            if snapshot["state"] == "PENDING" and time.time() >= made + self.timing.snapshot:
                snapshot |= {"state": "READY", "diskSizeBytes": "1024"}

    def _snapshots_of(self, call: Call) -> dict[str, Any]:
        job = self._find(call)
        self._tick_snapshots()
        found = [dict(one) for one in self.snapshots.values() if one["sourceJobId"] == job.id]
        return {"snapshots": found} if found else {}

    def _snapshot_by_id(self, call: Call) -> dict[str, Any]:
        self._tick_snapshots()
        if call.path["snapshotId"] not in self.snapshots:
            raise Refusal(404, "NOT_FOUND", "(emulated): there is no such snapshot.")
        return dict(self.snapshots[call.path["snapshotId"]])
