"""Subscriptions of MCP 2026-07-28 over sockets and a pipe: how they begin, what they tell, how they end."""

from __future__ import annotations

import json
import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mcp_spec import spec_of
from mcp_wire import WAIT, Pipe, Stream, Wire, request
from real_server import RealServer, until

VERSION = "2026-07-28"
PREFIX = "io.modelcontextprotocol/"
TASKS = f"{PREFIX}tasks"
LOOKS = 2.5
"""Longest that a wait for a job goes without a look at it."""
CONFIG: dict[str, Any] = {"targets": {"sim": {"runner": "simulator", "speed": 20}}}
META = {
    f"{PREFIX}protocolVersion": VERSION,
    f"{PREFIX}clientCapabilities": {"extensions": {TASKS: {}}},
}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RealServer]:
    server = RealServer(tmp_path, CONFIG).start()
    yield server
    server.kill()


def listen(number: Any, **wanted: Any) -> dict[str, Any]:
    return request("subscriptions/listen", {"notifications": wanted, "_meta": META}, number)


def open_stream(server: RealServer, number: Any, **wanted: Any) -> Stream:
    heads = {"mcp_protocol_version": VERSION, "mcp_method": "subscriptions/listen"}
    return Stream(server.port, "/mcp", listen(number, **wanted), **heads)


def told(stream: Stream) -> Any:
    """The next message, which fits the schema of the revision."""
    return fitting(json.loads(stream.next().data))


def fitting(message: Any) -> Any:
    if "method" in message:
        spec_of(VERSION).check_beside(message)
    else:
        spec_of(VERSION).check_answer("subscriptions/listen", message)
    return message


def tag(message: Any) -> Any:
    holder = message["result"] if "result" in message else message["params"]
    return holder["_meta"][f"{PREFIX}subscriptionId"]


def running_job(server: RealServer) -> str:
    spec = {"target": "sim", "options": {"simulator_script": "running"}}
    job = str(server.call("POST", "/jobs", spec)[1]["job_id"])
    until(lambda: server.call("GET", f"/jobs/{job}")[1]["state"] == "RUNNING", "the job runs")
    return job


def uri(job: str) -> str:
    target, token = job.split(":")
    return f"beam://{target}/jobs/{token}"


def streams(server: RealServer) -> int:
    text = Wire(server.port).send("GET", "/metrics").text
    line = next(line for line in text.splitlines() if line.startswith("beam_mcp_streams "))
    return int(line.split()[1])


@pytest.mark.parametrize("number", [7, "seven"])
def test_everything_on_a_stream_carries_its_id(server: RealServer, number: Any) -> None:
    job = running_job(server)
    there = uri(job)
    stream = open_stream(
        server,
        number,
        resourceSubscriptions=[there, "beam://sim/jobs/nothing"],
        taskIds=[job],
        toolsListChanged=True,
        somethingNew=True,
    )
    first = told(stream)
    assert first["method"] == "notifications/subscriptions/acknowledged"
    # What is not there or never changes is left out, and what is unknown.
    assert first["params"]["notifications"] == {"resourceSubscriptions": [there], "taskIds": [job]}
    server.call("POST", f"/jobs/{job}/cancel", {"mode": "cancel"})
    seen = {first["method"]: first}
    # Both, in whichever order and as often as the job moves.
    while not {"notifications/resources/updated", "notifications/tasks"} <= set(seen):
        message = told(stream)
        assert tag(message) == number
        seen[message["method"]] = message
    assert tag(first) == number
    assert len(seen) == 3, seen
    assert seen["notifications/resources/updated"]["params"]["uri"] == there
    assert seen["notifications/tasks"]["params"]["taskId"] == job
    stream.close()


def modern(server: RealServer, method: str, **params: Any) -> Any:
    name = params.get("name") or params["taskId"]
    heads = {"mcp_protocol_version": VERSION, "mcp_method": method, "mcp_name": name}
    body = request(method, {**params, "_meta": META})
    return Wire(server.port).post(body, **heads).json["result"]


def test_a_stream_tells_of_a_task_what_asking_for_it_does(server: RealServer) -> None:
    options = {"simulator_script": "slow_savepoint"}
    job = server.call("POST", "/jobs", {"target": "sim", "options": options})[1]["job_id"]
    until(lambda: server.call("GET", f"/jobs/{job}")[1]["state"] == "RUNNING", "the job runs")
    begun = modern(server, "tools/call", name="create_savepoint", arguments={"job_id": job})
    task = begun["taskId"]
    stream = open_stream(server, 3, taskIds=[task])
    assert told(stream)["params"]["notifications"] == {"taskIds": [task]}
    seen = [told(stream)]
    while seen[-1]["params"]["status"] == "working":
        seen.append(told(stream))
    stream.close()
    assert {(one["method"], tag(one), one["params"]["taskId"]) for one in seen} == {
        ("notifications/tasks", 3, task)
    }
    moved = [one["params"]["lastUpdatedAt"] for one in seen]
    assert moved == sorted(moved)
    asked = modern(server, "tasks/get", taskId=task)
    last = seen[-1]["params"]
    for member in ["status", "statusMessage", "createdAt", "lastUpdatedAt", "pollIntervalMs"]:
        assert last[member] == asked[member], member
    data, again = (one["result"]["structuredContent"] for one in (last, asked))
    assert last["status"] == "completed"
    assert data["savepoint_path"] == again["savepoint_path"]
    assert data["next"] == [{"tool": "get_job", "arguments": {"job_id": job}}]


def test_a_stream_tells_of_a_wait_until_its_job_has_ended(server: RealServer) -> None:
    job = running_job(server)
    wait = {"job_id": job, "until_terminal": True}
    task = modern(server, "tools/call", name="wait_for_change", arguments=wait)["taskId"]
    stream = open_stream(server, 4, taskIds=[task, "sim:nothing/end"])
    assert told(stream)["params"]["notifications"] == {"taskIds": [task]}
    server.call("POST", f"/jobs/{job}/cancel", {"mode": "cancel"})
    seen = [told(stream)["params"]]
    while seen[-1]["status"] == "working":
        seen.append(told(stream)["params"])
    stream.close()
    assert {one["taskId"] for one in seen} == {task}
    asked = modern(server, "tasks/get", taskId=task)
    for member in ["status", "statusMessage", "createdAt", "lastUpdatedAt"]:
        assert seen[-1][member] == asked[member], member
    assert seen[-1]["result"] == asked["result"]
    assert asked["result"]["structuredContent"]["state"] == "CANCELED"


def test_a_host_that_stops_says_so(server: RealServer) -> None:
    stream = open_stream(server, "id-1")
    told(stream)
    assert server.process
    server.process.send_signal(signal.SIGTERM)
    last = told(stream)
    assert last["id"] == "id-1"
    assert last["result"]["resultType"] == "complete"
    assert tag(last) == "id-1"
    assert stream.ends()
    assert server.process.wait(WAIT) == 0


def test_who_leaves_leaves_nothing_behind(server: RealServer) -> None:
    opened = [open_stream(server, number) for number in range(3)]
    for stream in opened:
        told(stream)
    assert streams(server) == 3
    for stream in opened:
        stream.close()
    until(lambda: streams(server) == 0, "they are gone")


def test_who_leaves_a_call_cancels_it(server: RealServer) -> None:
    """Over HTTP a request of this revision ends with its connection."""
    job = running_job(server)
    arguments = {"job_id": job, "until_terminal": True, "timeout_seconds": 20}
    params = {"name": "wait_for_change", "arguments": arguments, "_meta": META}
    wire = Wire(server.port, wait=0.5)
    heads = {
        "mcp_protocol_version": VERSION,
        "mcp_method": "tools/call",
        "mcp_name": "wait_for_change",
    }
    body = json.dumps(request("tools/call", params)).encode()
    with pytest.raises(TimeoutError):
        wire.send("POST", "/mcp", body, **heads)
    looks = waits(server)
    time.sleep(LOOKS + 1)  # a call that went on would have looked again
    assert waits(server) == looks


def waits(server: RealServer) -> int:
    """How often anybody waited for news so far."""
    text = Wire(server.port).send("GET", "/metrics").text
    return sum(int(line.split()[1]) for line in text.splitlines() if 'effect="wait"' in line)


JUNK: list[Any] = [
    None,
    True,
    0,
    1.5,
    "",
    "x",
    [],
    [None],
    ["x:"],
    {},
    {"a": 1},
    ["beam://guide"] * 101,
]
MEMBERS = ["toolsListChanged", "promptsListChanged", "resourcesListChanged"]
LISTS = ["resourceSubscriptions", "taskIds"]


def test_any_filter_is_answered_within_the_schema(server: RealServer) -> None:
    dice, job = random.Random(7), running_job(server)
    good: list[Any] = [[], [uri(job)], [job], ["beam://guide", uri(job)]]
    begun = 0
    for number in range(300):
        wanted: Any = {name: dice.random() < 0.5 for name in MEMBERS if dice.random() < 0.5}
        wanted |= {name: dice.choice(good) for name in LISTS if dice.random() < 0.5}
        if dice.random() < 0.4:
            wanted[dice.choice([*MEMBERS, *LISTS, "new"])] = dice.choice(JUNK)
        if dice.random() < 0.1:
            wanted = dice.choice(JUNK)
        body = listen(number)
        body["params"]["notifications"] = wanted
        heads = {"mcp_protocol_version": VERSION, "mcp_method": "subscriptions/listen"}
        stream = Stream(server.port, "/mcp", body, **heads)
        if stream.answer.getheader("content-type") == "text/event-stream":
            begun += 1
            assert tag(told(stream)) == number
        else:
            stream.reader.join()
            fitting(json.loads(stream.whole))
        stream.close()
    assert 50 < begun < 300, begun


def about(message: Any) -> Any:
    """The request that a notification is about."""
    return message.get("params", {}).get("requestId")


@pytest.fixture
def pipe(tmp_path: Path) -> Iterator[Pipe]:
    pipe = Pipe(tmp_path)
    yield pipe
    pipe.process.kill()
    with pipe.process:
        pass


def test_a_pipe_that_closes_hears_the_end_of_its_subscriptions(pipe: Pipe) -> None:
    for number in ("a", "b"):
        first = pipe.ask(listen(number))
        assert tag(first) == number
    assert pipe.process.stdin
    pipe.process.stdin.close()
    last = [fitting(pipe.read()) for _ in range(4)]
    for number in ("a", "b"):
        mine = [one for one in last if number in (one.get("id"), about(one))]
        assert [one.get("method") for one in mine] == ["notifications/cancelled", None], last
        assert [tag(one) for one in mine] == [number, number]
    assert pipe.process.wait(WAIT) == 0


def test_a_pipe_that_cancels_hears_nothing_more(pipe: Pipe) -> None:
    pipe.ask(listen("a"))
    params = {"requestId": "a"}
    pipe.write({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": params})
    assert pipe.ask(request("server/discover", {"_meta": META}, 2))["id"] == 2
    assert pipe.process.stdin
    assert pipe.process.stdout
    pipe.process.stdin.close()
    assert pipe.process.stdout.read() == b""
    assert pipe.process.wait(WAIT) == 0
