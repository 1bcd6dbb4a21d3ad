"""Bad input at the real server's doors: REST and MCP over sockets, and the command line.

Every row has its status, code, reason and a suggestion; nothing of the host is in any answer, and one server lives
through them all.
"""

from __future__ import annotations

import http.client
import json
import os
import re
import socket
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import pytest

from fake_server import Seen, serving
from real_server import RealServer, until
from recorded_flink import RecordedFlink

CANARY = "canary7f3a"
LEAKS = re.compile(
    rf"{CANARY}|Traceback|panicked|RUST_BACKTRACE|\w\.rs:\d+|\n\s+at \w|/(home|root|proc|usr|tmp)/"
)
VERSION = "2026-07-28"
COMMAND = "import sys; from beam_mcp_client.cli import main; sys.exit(main())"
PATHS = {
    "create_job": "/jobs",
    "create_savepoint": "/jobs/{job_id}/savepoint",
    "scale_job": "/jobs/{job_id}/scale",
    "cancel_job": "/jobs/{job_id}/cancel",
    "restore_job": "/jobs/{job_id}/restore",
    "get_job": "/jobs/{job_id}",
    "get_logs": "/jobs/{job_id}/logs",
    "get_metrics": "/jobs/{job_id}/metrics",
    "get_graph": "/jobs/{job_id}/graph",
    "get_checkpoints": "/jobs/{job_id}/checkpoints",
    "get_operation": "/jobs/{job_id}/operations/{operation_id}",
    "get_context": "/contexts/{context_id}",
    "create_context": "/contexts",
}
EXITS = {400: 2, 401: 4, 403: 4, 404: 3, 409: 5, 413: 2, 422: 6, 503: 1, 504: 124}


class Told(NamedTuple):
    """What an answer says."""

    status: int
    code: Any
    reason: str
    suggestion: str
    text: str


class Halting(RecordedFlink):
    """A cluster that takes connections and, once told so, answers nothing any more."""

    def __init__(self) -> None:
        super().__init__()
        self.answers = threading.Event()
        self.ended = threading.Event()
        self.answers.set()

    def __call__(self, seen: Seen) -> bytes:
        if not self.answers.is_set():
            self.ended.wait()
        return super().__call__(seen)


class World:
    """A server with a cluster of each temper, files of each kind and jobs of each state."""

    def __init__(self, folder: Path, urls: dict[str, str]) -> None:
        targets: dict[str, Any] = {n: {"runner": "flink", "url": u} for n, u in urls.items()}
        nightly = {"code_path": "ok.py", "options": {"setup_file": "/opt/setup.py"}}
        presets = {"nightly": nightly}
        targets["direct"] = {"runner": "direct", "python": sys.executable, "presets": presets}
        targets["sim"] = {"runner": "simulator", "speed": 1000}
        self.server = RealServer(folder, {"targets": targets}, SECRET=f"{CANARY}-env").start()
        self.files(self.server.roots)
        self.jobs = {
            "batch": self.job(target="flink", code_path="batch.jar", job_type="BATCH"),
            "ended": self.job(target="flink", code_path="ended.jar"),
            "halted": self.job(target="halting", code_path="rate.jar"),
            "sim": self.job(target="sim", job_type="BATCH"),
            "unknown": "flink:" + "f" * 32,
        }
        until(self.sim_has_ended, "the simulated job ends")

    def sim_has_ended(self) -> bool:
        _, answer = self.server.call("GET", f"/jobs/{self.jobs['sim']}?max_age_ms=0")
        return bool(answer["data"]["terminal"])

    def files(self, roots: Path) -> None:
        outside = roots.parent / "outside"
        outside.mkdir()
        (outside / "secret.py").write_text(f"# {CANARY}-file")
        (roots / "link.py").symlink_to(outside / "secret.py")
        (roots / "linked").symlink_to(outside)
        (roots / "folder.py").mkdir()
        (roots / "ok.py").write_text("")
        (roots / "text.jar").write_text(f"{CANARY}-file")
        for name, main in {"batch": "a.B", "ended": "a.B", "rate": "a.B", "nomain": None}.items():
            with zipfile.ZipFile(roots / f"{name}.jar", "w") as jar:
                line = f"Main-Class: {main}\n" if main else ""
                jar.writestr("META-INF/MANIFEST.MF", f"Manifest-Version: 1.0\n{line}")
                jar.writestr("a/B.class", "x")

    def job(self, **spec: Any) -> str:
        status, answer = self.server.call("POST", "/jobs", spec)
        assert status == 201, answer
        return str(answer["job_id"])

    def ask(self, method: str, path: str, body: bytes = b"", **headers: str) -> Told:
        """One exchange; a header given as an empty text is left out."""
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=60)
        defaults = {"content_type": "application/json", "host": f"127.0.0.1:{self.server.port}"}
        connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
        for name, value in (
            {"accept": "application/json, text/event-stream"} | defaults | headers
        ).items():
            if value:
                connection.putheader(name.replace("_", "-"), value)
        if body:
            connection.putheader("content-length", str(len(body)))
        connection.endheaders(body or None)
        answer = connection.getresponse()
        text = answer.read().decode()
        connection.close()
        return told(answer.status, text)

    def rest(self, tool: str, arguments: dict[str, Any]) -> Told:
        path = "/api/v1" + re.sub(r"{(\w+)}", lambda found: str(arguments[found[1]]), PATHS[tool])
        if tool.startswith("get"):
            return self.ask("GET", path)
        rest = {key: value for key, value in arguments.items() if key != "job_id"}
        return self.ask("POST", path, json.dumps(rest).encode())

    def mcp(self, tool: str, arguments: dict[str, Any], **more: str) -> Told:
        meta = {
            "io.modelcontextprotocol/protocolVersion": VERSION,
            "io.modelcontextprotocol/clientCapabilities": {},
        }
        params = {"name": tool, "arguments": arguments, "_meta": meta}
        body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
        headers = {"mcp_protocol_version": VERSION, "mcp_method": "tools/call", "mcp_name": tool}
        return self.ask("POST", "/mcp", json.dumps(body).encode(), **headers, **more)

    def cli(self, *words: str) -> tuple[int, str]:
        env = {**os.environ, "MCP_MAX_RETRIES": "0", "XDG_CONFIG_HOME": str(self.server.folder)}
        argv = [sys.executable, "-c", COMMAND, *words]
        argv += ["--server", f"http://127.0.0.1:{self.server.port}"]
        ran = subprocess.run(
            argv, capture_output=True, text=True, env=env, timeout=100, check=False
        )
        return ran.returncode, ran.stdout + ran.stderr


def told(status: int, text: str) -> Told:
    """The error in an answer of any door."""
    if not text:
        return Told(status, None, "", "", text)
    body = json.loads(text)
    result = body.get("result")
    if result and result.get("isError"):
        said = result["content"][0]["text"]
        found = {
            key: re.search(rf"^{key}: (.*)$", said, re.MULTILINE) for key in ("reason", "next")
        }
        reason, suggestion = (match[1] if match else "" for match in found.values())
        return Told(status, said.split(":")[0], reason, suggestion, text)
    error = body.get("error") or {}
    details = (error.get("data") or error).get("details", {})
    return Told(
        status, error.get("code"), details.get("reason", ""), details.get("suggestion", ""), text
    )


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        dead = closed.getsockname()[1]
    halting = Halting()
    with serving(RecordedFlink()) as flink, serving(halting) as halts:
        urls = {"flink": flink.url, "halting": halts.url, "dead": f"http://127.0.0.1:{dead}"}
        world = World(tmp_path_factory.mktemp(CANARY), urls)
        process = world.server.process
        halting.answers.clear()
        yield world
        halting.ended.set()
        assert world.server.process is process
        assert process is not None
        assert process.poll() is None, world.server.log()
        assert "panicked" not in world.server.log()
        world.server.kill()


@pytest.fixture(autouse=True)
def healthy(world: World) -> Iterator[None]:
    """After each row the same process answers."""
    yield
    assert world.ask("GET", "/health/ready").status == 200
    assert world.server.process is not None
    assert world.server.process.poll() is None


def clean(text: str) -> None:
    found = LEAKS.search(text)
    assert not found, text


class Row(NamedTuple):
    """One wrong call of a verb: what it asks, what it gets, and how the command line would ask it."""

    tool: str
    arguments: dict[str, Any]
    status: int
    code: str
    reason: str
    command: str = ""


def create(status: int, code: str, reason: str, command: str = "", **arguments: Any) -> Row:
    return Row("create_job", arguments, status, code, reason, command)


def direct(status: int, code: str, reason: str, command: str = "", **arguments: Any) -> Row:
    spec = {"target": "direct", "code_path": "ok.py", **arguments}
    return create(status, code, reason, command, **spec)


def option(reason: str, name: str, value: Any = "x", status: int = 400) -> Row:
    code = "permission_denied" if status == 403 else "invalid_argument"
    return direct(status, code, reason, pipeline_options={name: value})


def code_path(status: int, code: str, reason: str, path: str, target: str = "direct") -> Row:
    command = (
        f"job submit --name x --runner {target} --code {path}"
        if path.isprintable() and path
        else ""
    )
    return create(status, code, reason, command, target=target, code_path=path, job_name="x")


BAD, DENIED, STATE = "invalid_argument", "permission_denied", "failed_precondition"
ROWS: dict[str, Row] = {
    "unknown target": create(404, "not_found", "unknown_target", "job submit --name x --runner nope --code ok.py",
                             target="nope", code_path="ok.py"),
    "unknown runner": create(404, "not_found", "unknown_target", runner_type="samza", code_path="ok.py"),
    "unknown field": create(400, BAD, "bad_input", target="sim", code_pth="ok.py"),
    "unknown option": create(400, BAD, "unknown_simulator_option",
                             "job submit --name x --runner sim --option simulator_scrip=x",
                             target="sim", pipeline_options={"simulator_scrip": "x"}),
    "an option that is nearly Beam's": direct(400, BAD, "unknown_option", pipeline_options={"temp_locaton": "/t"},
                                              command="job submit --name x --runner direct --code ok.py "
                                                      "--option temp_locaton=/t"),
    "a count that is no number": option("bad_option_value", "max_num_workers", "many"),
    "a flag that is neither": option("bad_option_value", "streaming", "perhaps"),
    "a word Beam does not know": option("bad_option_value", "direct_running_mode", "multi_thread"),
    "an unknown preset": create(400, BAD, "unknown_preset",
                                "job submit --name x --runner direct --preset nightli", target="direct",
                                preset="nightli"),
    "a preset of a target without any": create(400, BAD, "unknown_preset", target="sim", preset="nightly"),
    "code as option over a preset": create(403, DENIED, "operator_only_option", target="direct", preset="nightly",
                                           pipeline_options={"setup_file": "x"}),
    "a template that is none": create(400, BAD, "bad_input", target="direct", template_path=7),
    "a template on direct": create(422, "unsupported", "unsupported_by_runner",
                                   "job submit --name x --runner direct --template gs://a/b", target="direct",
                                   template_path="gs://a/b"),
    "a template on flink": create(422, "unsupported", "template_unsupported", target="flink", template_path="gs://a/b"),
    "a class on direct": direct(422, "unsupported", "unsupported_by_runner", entry_class="a.B"),
    "a savepoint on direct": direct(422, "unsupported", "unsupported_by_runner", savepoint_path="file:/s"),
    "a jar on direct": code_path(422, "unsupported", "unsupported_code", "batch.jar"),
    "Python on a cluster without a job server": code_path(422, "unsupported", "no_job_server", "ok.py", "flink"),
    "YAML on a cluster without a job server": create(422, "unsupported", "no_job_server", target="flink",
                                                     yaml="pipeline: {transforms: [{type: Create}]}"),
    "two codes": direct(400, BAD, "two_codes", module="os"),
    "YAML and a file": create(400, BAD, "two_codes", target="direct", code_path="ok.py", yaml="pipeline: {}"),
    "two paths": create(400, BAD, "contradicting_aliases", target="direct", code_path="ok.py", yaml="a.yaml"),
    "YAML that is none": create(400, BAD, "bad_yaml", target="direct", yaml="pipeline: ["),
    "YAML without a type": create(400, BAD, "bad_yaml", target="direct", yaml="pipeline: {transforms: [{name: x}]}"),
    "YAML with a slip": create(400, BAD, "bad_yaml", target="direct",
                               yaml="pipeline: {transforms: [{type: MapToField}]}"),
    "YAML with a slip of a key": create(
        400, BAD, "bad_yaml", target="direct",
        yaml="pipeline: {transforms: [{type: Create, config: {element: [1]}}]}"),
    "a missing YAML file": code_path(404, "not_found", "not_found", "gone.yaml"),
    "a YAML file outside": code_path(403, DENIED, "outside_roots", "../outside/p.yaml"),
    "unknown job": Row("get_job", {"job_id": "{unknown}"}, 404, "not_found", "unknown_job", "job status {unknown}"),
    "job id of no form": Row("get_job", {"job_id": "nonsense"}, 400, BAD, "bad_job_id", "job status nonsense"),
    "unknown operation": Row("get_operation", {"job_id": "{batch}", "operation_id": "savepoint-" + "0" * 32},
                             404, "not_found", "unknown_operation"),
    "a number for a text": direct(400, BAD, "bad_input", code_path=7),
    "a list for an object": direct(400, BAD, "bad_input", pipeline_options=[]),
    "a text for a number": direct(400, BAD, "bad_input", parallelism="many"),
    "a negative number": direct(400, BAD, "bad_input", parallelism=-1),
    "a text for a list": direct(400, BAD, "bad_input", args="--x"),
    "a text for a truth": direct(400, BAD, "bad_input", dry_run="yes"),
    "null for a list": direct(400, BAD, "bad_input", args=None),
    "a job type of no meaning": direct(400, BAD, "bad_job_type", job_type="SOMETIMES"),
    "an empty name": direct(400, BAD, "bad_job_name", job_name=""),
    "a name of two lines": direct(400, BAD, "bad_job_name", job_name="a\nb"),
    "a key too long": direct(400, BAD, "bad_idempotency_key", idempotency_key="k" * 256),
    "no code": create(400, BAD, "no_code", target="direct"),
    "a jar without a main class": code_path(400, BAD, "no_main_class", "nomain.jar", "flink"),
    "a jar that is none": code_path(400, BAD, "not_a_jar", "text.jar", "flink"),
    "an entry class of no name": create(400, BAD, "no_main_class", target="flink", code_path="nomain.jar",
                                        entry_class="no.such.Main"),
    "a missing jar": code_path(404, "not_found", "not_found", "gone.jar", "flink"),
    "a missing pipeline": code_path(404, "not_found", "not_found", "gone.py"),
    "a missing module": create(400, BAD, "bad_module", target="direct", module="-m os"),
    "a folder": code_path(400, BAD, "not_a_file", "folder.py"),
    "an empty path": code_path(422, "unsupported", "unsupported_code", ""),
    "one folder up": code_path(403, DENIED, "outside_roots", "../outside/secret.py"),
    "down and up again": code_path(403, DENIED, "outside_roots", "linked/../../outside/secret.py"),
    "an absolute path": code_path(403, DENIED, "outside_roots", "/etc/hostname.py"),
    "a path as URL": code_path(404, "not_found", "not_found", "file:///etc/hostname.py"),
    "an encoded way up": code_path(404, "not_found", "not_found", "%2e%2e/outside/secret.py"),
    "a NUL in the path": code_path(400, BAD, "bad_name", "ok\0.py"),
    "a symlink": code_path(400, BAD, "symlink", "link.py"),
    "a symlink on the way": code_path(400, BAD, "symlink", "linked/secret.py"),
    "an artifact of no hash": code_path(400, BAD, "bad_artifact", "artifact:sha256:../../x"),
    "an artifact that is not there": code_path(404, "not_found", "not_found", "artifact:sha256:" + "0" * 64),
    "two options in a name": option("bad_option_name", "a=1 --setup_file"),
    "dashes in a name": option("bad_option_name", "--input"),
    "two options in a value": option("bad_option_value", "a", "1\n--setup_file=x"),
    "NUL in a value": option("bad_option_value", "a", "1\0--setup_file=x"),
    "a value too large": option("option_too_large", "a", "x" * 9000),
    "the end of options as argument": direct(400, BAD, "bad_argument", args=["--", "x"]),
    "another runner as argument": direct(400, BAD, "bad_argument", args=["--runner=FlinkRunner"]),
    "another runner as option": option("wrong_runner", "runner", "FlinkRunner"),
    "code as option": option("operator_only_option", "setup_file", status=403),
    "code as option, in capitals": option("operator_only_option", "SETUP-FILE", status=403),
    "code as option, in Java's spelling": option("operator_only_option", "filesToStage", status=403),
    "code as option, in a list": option("operator_only_option", "extra_packages", ["x"], status=403),
    "code as argument": direct(403, DENIED, "operator_only_option", args=["--setupFile=x"]),
    "an endpoint as option": option("operator_only_option", "job_endpoint", status=403),
    "a savepoint of a batch job": Row("create_savepoint", {"job_id": "{batch}"}, 409, STATE, "not_streaming",
                                      "job savepoint {batch}"),
    "a scale of a batch job": Row("scale_job", {"job_id": "{batch}", "parallelism": 2}, 409, STATE, "not_streaming",
                                  "job scale {batch} --parallelism 2"),
    "a cancel of a finished job": Row("cancel_job", {"job_id": "{ended}", "mode": "cancel"}, 409, STATE, "job_ended",
                                      "job cancel {ended} --no-savepoint"),
    "a stop of a finished job": Row("cancel_job", {"job_id": "{ended}", "mode": "stop"}, 409, STATE, "job_ended"),
    "a cancel of a finished simulated job": Row("cancel_job", {"job_id": "{sim}", "mode": "cancel"}, 409, STATE,
                                                "job_ended"),
    "a savepoint of a finished job": Row("create_savepoint", {"job_id": "{ended}"}, 409, STATE, "job_ended"),
    "a restore of a running job": Row("restore_job", {"job_id": "{batch}"}, 409, STATE, "job_runs"),
    "a restore without a savepoint": Row("restore_job", {"job_id": "{ended}"}, 409, STATE, "no_savepoint"),
    "parallelism 0": Row("scale_job", {"job_id": "{batch}", "parallelism": 0}, 400, BAD, "bad_parallelism"),
}  # fmt: skip


def test_a_cluster_that_never_answers_is_given_up(world: World) -> None:
    """The first calls run out of time; once enough of them have, the rest are told so without being sent."""
    silent = {
        (504, "deadline_exceeded", "timeout"),
        (503, "unavailable", "target_breaker_open"),
    }
    arguments = {"job_id": world.jobs["halted"]}
    with ThreadPoolExecutor() as callers:
        asked = [
            callers.submit(world.rest, tool, arguments)
            for tool in ("get_logs", "get_metrics", "create_savepoint")
        ]
    for answer in (call.result() for call in asked):
        assert (answer.status, answer.code, answer.reason) in silent, answer
        assert answer.suggestion
        clean(answer.text)
    told_by_tool = world.mcp("get_metrics", arguments)
    assert (told_by_tool.code, told_by_tool.reason) in {row[1:] for row in silent}, told_by_tool
    code, said = world.cli("job", "logs", arguments["job_id"])
    assert code in (1, 124), said
    clean(said + told_by_tool.text)


def test_a_job_for_a_dead_cluster_is_kept_and_its_reason_told(world: World) -> None:
    spec = {"target": "dead", "code_path": "rate.jar"}
    answer = world.rest("create_job", spec)
    job = json.loads(answer.text)["data"]
    assert (answer.status, job["state"], job["terminal"]) == (202, "SUBMITTING", False), answer
    # The first refusal, or what is known after some.
    told = ("`dead` does not answer", "nobody answers at the target's address")
    assert any(words in job["diagnostics"] for words in told), job["diagnostics"]
    clean(answer.text)
    logs = world.rest("get_logs", {"job_id": job["job_id"]})
    assert (logs.status, logs.code, logs.reason) == (409, STATE, "not_submitted"), logs
    _, seen = world.server.call("GET", "/runners/dead")
    assert seen["data"]["status"] == "UNAVAILABLE"
    ended = world.rest("cancel_job", {"job_id": job["job_id"], "mode": "cancel"})
    assert ended.status == 200, ended
    assert json.loads(ended.text)["data"]["job"]["state"] == "CANCELED"
    clean(ended.text)


@pytest.mark.parametrize("name", ROWS)
def test_a_wrong_call_is_refused_at_every_door(world: World, name: str) -> None:
    check(world, ROWS[name])


def check(world: World, row: Row) -> None:
    arguments = filled(row.arguments, world.jobs)
    with ThreadPoolExecutor() as doors:
        rest = doors.submit(world.rest, row.tool, arguments)
        mcp = doors.submit(world.mcp, row.tool, whole_ids(arguments))
        command = row.command.format(**world.jobs).split()
        cli = doors.submit(world.cli, *command) if command else None
    assert (rest.result().status, mcp.result().status) == (row.status, 200), (
        rest.result(),
        mcp.result(),
    )
    for answer in (rest.result(), mcp.result()):
        assert (answer.code, answer.reason) == (row.code, row.reason), answer
        assert answer.suggestion, answer
        clean(answer.text)
    if cli:
        code, said = cli.result()
        assert code == EXITS[row.status], said
        assert row.reason in said or rest.result().suggestion in said, said
        clean(said)


def filled(arguments: dict[str, Any], jobs: dict[str, str]) -> dict[str, Any]:
    given = arguments.get("job_id")
    return {**arguments, "job_id": given.format(**jobs)} if given else arguments


def whole_ids(arguments: dict[str, Any]) -> dict[str, Any]:
    """REST names an operation beneath its job, a tool by its whole id."""
    operation = arguments.get("operation_id")
    return {"operation_id": f"{arguments['job_id']}/{operation}"} if operation else arguments


class Wire(NamedTuple):
    """One request that is wrong before any verb is looked at."""

    method: str
    path: str
    body: bytes
    status: int
    code: Any
    reason: str
    headers: Mapping[str, str] = MappingProxyType({})


JOBS, MCP = "/api/v1/jobs", "/mcp"
DEEP = b"[" * 1000 + b"]" * 1000
LARGE = b'{"x":"' + b"a" * (10 << 20) + b'"}'
CALL = b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"nope","arguments":{}}}'
PING = b'{"jsonrpc":"2.0","id":1,"method":"ping"}'


def post(path: str, body: bytes, status: int, code: Any, reason: str, **headers: str) -> Wire:
    return Wire("POST", path, body, status, code, reason, headers)


WIRES: dict[str, Wire] = {
    "malformed JSON": post(JOBS, b'{"target":', 400, BAD, "json_syntax"),
    "malformed JSON to MCP": post(MCP, b'{"jsonrpc":', 400, -32700, ""),
    "no UTF-8": post(JOBS, b'{"target":"\xff"}', 400, BAD, "json_syntax"),
    "two JSON texts": post(JOBS, b"{} {}", 400, BAD, "json_syntax"),
    "one key twice": post(JOBS, b'{"target":"sim","target":"flink"}', 400, BAD, "json_duplicate_key"),
    "a list as body": post(JOBS, b"[]", 400, BAD, "not_an_object"),
    "1,000 deep": post(JOBS, b'{"options":' + DEEP + b"}", 400, BAD, "json_depth"),
    "1,000 deep to MCP": post(MCP, DEEP, 400, -32600, ""),
    "10 MB": post(JOBS, LARGE, 413, "payload_too_large", "body_too_large"),
    "10 MB to MCP": post(MCP, LARGE, 413, -32600, ""),
    "too many values": post(JOBS, b'{"args":[' + b"1," * 60_000 + b"1]}", 413, "payload_too_large", "json_nodes"),
    "a string too long": post(JOBS, b'{"name":"' + b"a" * 300_000 + b'"}', 413, "payload_too_large", "json_string"),
    "a form": post(JOBS, b"target=sim", 415, "unsupported_media_type", "not_json",
                   content_type="application/x-www-form-urlencoded"),
    "a text to MCP": post(MCP, PING, 415, -32600, "", content_type="text/plain"),
    "no media type": post(JOBS, b"{}", 415, "unsupported_media_type", "not_json", content_type=""),
    "an unknown route": Wire("GET", "/api/v1/nope", b"", 404, "not_found", "unknown_route"),
    "the root": Wire("GET", "/", b"", 404, "not_found", "unknown_route"),
    "a way out of the API": Wire("GET", "/api/v1/jobs/../../etc/passwd", b"", 404, "not_found", "unknown_route"),
    "a wrong method": Wire("DELETE", JOBS, b"", 405, "method_not_allowed", "method_not_allowed"),
    "a stream of MCP": Wire("GET", MCP, b"", 405, -32601, ""),
    "an unknown query parameter": Wire("GET", f"{JOBS}?colour=red", b"", 400, BAD, "bad_input"),
    "a query parameter of another type": Wire("GET", f"{JOBS}?limit=many", b"", 400, BAD, "bad_query"),
    "a query that is not encoded": Wire("GET", f"{JOBS}?name=%ff", b"", 400, BAD, "bad_query"),
    "an unknown tool": post(MCP, CALL, 200, -32602, ""),
    "an unknown MCP method": post(MCP, PING.replace(b"ping", b"pong"), 200, -32601, ""),
    "a message of no form": post(MCP, b'{"id":1}', 400, -32600, ""),
    "another revision of MCP": post(MCP, PING, 400, -32602, "", mcp_protocol_version="2099-01-01"),
    "a foreign Host": post(JOBS, b"{}", 403, DENIED, "foreign_host", host="evil.example"),
    "a foreign Host to MCP": post(MCP, PING, 403, DENIED, "foreign_host", host="evil.example:8888"),
    "no Host": post(JOBS, b"{}", 403, DENIED, "foreign_host", host=""),
    "a foreign Origin": post(JOBS, b"{}", 403, DENIED, "foreign_origin", origin="https://evil.example"),
    "a foreign Origin to MCP": post(MCP, PING, 403, DENIED, "foreign_origin", origin="https://evil.example"),
    "an opaque Origin": post(MCP, PING, 403, DENIED, "foreign_origin", origin="null"),
    "a token in the query": Wire("GET", f"{JOBS}?access_token=x", b"", 400, BAD, "token_in_query"),
}  # fmt: skip


@pytest.mark.parametrize("name", WIRES)
def test_a_wrong_request_is_refused(world: World, name: str) -> None:
    row = WIRES[name]
    answer = world.ask(row.method, row.path, row.body, **row.headers)
    assert (answer.status, answer.code, answer.reason) == (row.status, row.code, row.reason), (
        answer.text
    )
    # JSON-RPC errors of the protocol itself explain themselves in their message.
    assert answer.suggestion or len(json.loads(answer.text)["error"]["message"]) > 20, answer.text
    clean(answer.text)


HEAD = b"POST /api/v1/jobs HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
HALVES: dict[str, tuple[bytes, set[bytes]]] = {
    "nothing": (b"", {b""}),
    "a cut request line": (b"POST /api/v1/jo", {b""}),
    "cut headers": (HEAD[:-10], {b""}),
    "a body shorter than it says": (HEAD + b'Content-Length: 99\r\n\r\n{"target":"sim"}', {b"400"}),
    "chunks of garbage": (CHUNKED + b'ZZZ\r\n{"target":"sim"}\r\n0\r\n\r\n', {b"400"}),
    "a cut chunk": (CHUNKED + b'10\r\n{"target":"sim', {b"400"}),
    "chunks without an end": (CHUNKED + b'10\r\n{"target":"sim"}\r\n', {b"400"}),
    "a chunk of 16 EiB": (CHUNKED + b"ffffffffffffffff\r\nx", {b"400"}),
    "two lengths": (
        HEAD + b'Content-Length: 16\r\nContent-Length: 2\r\n\r\n{"target":"sim"}',
        {b"400"},
    ),
    "a length below 0": (HEAD + b"Content-Length: -1\r\n\r\n", {b"400"}),
    "a length of 30 digits": (HEAD + b"Content-Length: " + b"9" * 30 + b"\r\n\r\n", {b"400"}),
    "a header of 100 kB": (HEAD + b"X: " + b"x" * 100_000, {b"431"}),
    "1,000 headers": (HEAD + b"".join(b"X%d: 1\r\n" % n for n in range(1000)) + b"\r\n", {b"431"}),
    "a path of 100 kB": (b"GET /" + b"x" * 100_000 + b" HTTP/1.1\r\n", {b"414", b"431"}),
    "NUL in the path": (b"GET /\0 HTTP/1.1\r\nHost: %s\r\n\r\n", {b"400"}),
    "a space in a header's name": (HEAD + b"A B: 1\r\n\r\n", {b"400"}),
    "TLS": (bytes.fromhex("16030100c8010000c40303") + b"x" * 190, {b"400"}),
    "HTTP/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", {b"", b"400", b"505"}),
    "noise": (bytes(range(256)) * 64, {b"400", b"431"}),
}


@pytest.mark.parametrize("name", HALVES)
def test_half_a_request_makes_no_job_and_no_harm(world: World, name: str) -> None:
    def count() -> int:
        return len(world.server.call("GET", "/jobs?limit=200")[1]["data"]["jobs"])

    sent, statuses = HALVES[name]
    before = count()
    with socket.create_connection(("127.0.0.1", world.server.port), timeout=20) as peer:
        peer.sendall(sent.replace(b"%s", b"127.0.0.1:%d" % world.server.port))
        peer.shutdown(socket.SHUT_WR)
        answer = b"".join(iter(lambda: peer.recv(65536), b""))
    assert answer[9:12] in statuses, answer
    clean(answer.decode())
    assert count() == before


@pytest.mark.parametrize("sent", [b"", b"GET /hea", HEAD + b"Content-Length: 99\r\n\r\n{"])
def test_who_resets_the_connection_does_no_harm(world: World, sent: bytes) -> None:
    peer = socket.create_connection(("127.0.0.1", world.server.port))
    peer.sendall(sent)
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    peer.close()


class Guarded(NamedTuple):
    """One call of a server that others can reach."""

    method: str
    token: str
    status: int
    code: Any
    reason: str


GUARDED: dict[str, Guarded] = {
    "no token": Guarded("GET", "", 401, "unauthenticated", "no_token"),
    "no token, writing": Guarded("POST", "", 401, "unauthenticated", "no_token"),
    "an unknown token": Guarded("GET", "wrong", 401, "unauthenticated", "unknown_token"),
    "a viewer writes": Guarded("POST", f"{CANARY}-viewer", 403, DENIED, "missing_scope"),
    "a viewer reads": Guarded("GET", f"{CANARY}-viewer", 200, None, ""),
    "an operator writes": Guarded("POST", f"{CANARY}-operator", 201, None, ""),
}


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealServer]:
    """A server that listens on every address."""
    tokens = [
        {"name": role, "sha256": sha256(f"{CANARY}-{role}".encode()).hexdigest(), "role": role}
        for role in ("viewer", "operator")
    ]
    config = {"targets": {"sim": {"runner": "simulator"}}, "auth": {"tokens": tokens}}
    server = RealServer(tmp_path_factory.mktemp(CANARY), config).start("--host", "0.0.0.0")
    yield server
    server.kill()


@pytest.mark.parametrize("door", ["rest", "mcp"])
@pytest.mark.parametrize("name", GUARDED)
def test_off_loopback_a_token_decides(guarded: RealServer, name: str, door: str) -> None:
    row = GUARDED[name]
    world = World.__new__(World)
    world.server = guarded
    headers = {"authorization": f"Bearer {row.token}"} if row.token else {}
    tool = "create_job" if row.method == "POST" else "list_jobs"
    arguments = {"target": "sim"} if row.method == "POST" else {}
    if door == "rest":
        body = json.dumps(arguments).encode() if arguments else b""
        answer = world.ask(row.method, JOBS, body, **headers)
    else:
        answer = world.mcp(tool, arguments, **headers)
    assert (answer.code, answer.reason) == (row.code, row.reason), answer
    assert answer.status == (row.status if door == "rest" or row.status == 401 else 200)
    assert answer.suggestion or row.code is None
    clean(answer.text)


def test_without_tokens_nothing_but_loopback_is_listened_on(tmp_path: Path) -> None:
    server = RealServer(tmp_path, {"targets": {"sim": {"runner": "simulator"}}})
    with pytest.raises(AssertionError, match=r"auth\.tokens"):
        server.start("--host", "0.0.0.0")
