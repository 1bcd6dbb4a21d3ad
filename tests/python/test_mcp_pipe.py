"""`MCPConnection.stdio` and `beam-mcp mcp --stdio` against the real server behind a pipe, and against others."""

from __future__ import annotations

import asyncio
import json
import shlex
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from beam_mcp_client import MCPClient, errors
from beam_mcp_client.cli import main
from beam_mcp_client.mcp import AsyncMCPConnection, MCPConnection, Notification, lines, pipe
from beam_mcp_client.mcp.lines import LineStream
from beam_mcp_client.mcp.options import Era
from beam_mcp_client.transport import Fault, HttpRequest
from real_server import SERVER

CONFIG: dict[str, Any] = {"targets": {"sim": {"runner": "simulator", "speed": 20}}}


def lines_of(stream: LineStream) -> Iterator[bytes]:
    while line := stream.read(1.0):
        yield line


@pytest.fixture
def command(tmp_path: Path) -> list[str]:
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    return [str(SERVER), "stdio", "--config", str(tmp_path / "config.json")]


def scripted(way: str, *more: object) -> list[str]:
    return [sys.executable, str(Path(__file__).parent / "scripted_pipe.py"), way, *map(str, more)]


@pytest.mark.parametrize(
    "era", ["auto", "modern", "2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05"]
)
def test_every_era_is_spoken(command: list[str], era: Era) -> None:
    with MCPConnection.stdio(command, era=era) as connection:
        said = connection.connect()
        assert said["protocolVersion"] == ("2026-07-28" if era in ("auto", "modern") else era)
        assert "list_runners" in [tool["name"] for tool in connection.list_tools()]
        assert not connection.call_tool("list_runners").get("isError")


def test_the_client_of_jobs_speaks_to_programs(command: list[str]) -> None:
    where = "stdio:" + " ".join(command)
    with MCPClient(where) as client:
        job = client.submit_job(runner="sim", code_path="a.jar", job_type="STREAMING")
        assert client.get_job(job).job_id == job.job_id
        assert client.cancel_job(job, mode="cancel").state == "CANCELED"
    with pytest.raises(errors.ValidationError, match="over MCP"):
        MCPClient(where, transport="rest")


def test_calls_share_the_pipe(command: list[str]) -> None:
    async def ask() -> list[Any]:
        async with AsyncMCPConnection.stdio(command) as connection:
            await connection.connect()
            calls = [connection.call_tool("list_runners") for _ in range(8)]
            return await asyncio.gather(*calls, connection.list_prompts())

    assert all(asyncio.run(ask()))


def test_questions_are_asked_in_a_session(command: list[str]) -> None:
    asked: list[str] = []

    def answer(method: str, params: dict[str, Any]) -> Any:
        asked.append(method)
        return {"action": "decline"}

    for era in ("auto", "2025-11-25"):
        with MCPConnection.stdio(command, era=era, answer=answer) as connection:
            spec = {"target": "sim", "code_path": "a.jar", "job_type": "STREAMING"}
            job = connection.call_tool("create_job", spec)["structuredContent"]["job_id"]
            connection.call_tool("cancel_job", {"job_id": job, "mode": "cancel"})
    assert asked == ["elicitation/create"] * 2


def test_lines_that_are_no_messages_are_passed_over(tmp_path: Path) -> None:
    told = tmp_path / "told"
    with MCPConnection.stdio(scripted("modern", told)) as connection:
        assert connection.call_tool("a")["content"][0]["text"] == "fine"
        with pytest.raises(errors.DeadlineError):
            connection.call_tool("never", timeout=0.3)
        assert connection.call_tool("a")["content"][0]["text"] == "fine"
        heard: list[Notification] = []
        for one in connection.listen(tools=True):
            heard.append(one)
            if len(heard) == 2:
                break
        assert [one.method.rpartition("/")[2] for one in heard] == ["acknowledged", "list_changed"]
        assert connection.call_tool("a")["content"][0]["text"] == "fine"
    # What is not waited for any more is cancelled: the call, and the subscription.
    assert json.loads(told.read_text())["requestId"] > 3


def test_what_is_for_nobody_is_not_given_to_a_subscription(tmp_path: Path) -> None:
    program = pipe.Pipe(scripted("chats", tmp_path / "told"))

    def ask(number: int, method: str) -> Any:
        body = json.dumps({"id": number, "method": method, "params": {}}).encode()
        return program.open(HttpRequest("POST", "/", [], body))

    try:
        ask(1, "subscriptions/listen")
        assert b"notifications/message" in ask(2, "tools/call").read(2.0)
    finally:
        program.close()


def test_a_server_that_is_silent_before_its_handshake_is_greeted() -> None:
    heard: list[str] = []
    # It is waited for as long as for any answer, and at most five seconds.
    with MCPConnection.stdio(
        scripted("old"), timeout=1.0, on_notification=lambda one: heard.append(one.method)
    ) as connection:
        assert connection.connect()["protocolVersion"] == "2024-11-05"
        assert connection.call_tool("a")["content"][0]["text"] == "pinged"
    assert heard == ["notifications/tools/list_changed"]


def test_a_server_that_ends_is_started_again(tmp_path: Path) -> None:
    with MCPConnection.stdio(scripted("dies", tmp_path / "once")) as connection:
        with pytest.raises(errors.UnavailableError, match="ended before the answer"):
            connection.call_tool("a")
        assert connection.call_tool("a")["content"][0]["text"] == "again"
    with MCPConnection.stdio(scripted("dies", tmp_path / "twice")) as connection:
        assert connection.call_tool("a", repeatable=True)["content"][0]["text"] == "again"


def ended() -> None:
    """Waits until no program is there any more."""
    end = time.monotonic() + 5
    while reading() and time.monotonic() < end:
        time.sleep(0.01)
    assert not reading()


def test_a_server_that_ended_between_calls_is_greeted_again(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    with MCPConnection.stdio(scripted("retires", runs)) as connection:
        for _ in range(3):
            assert connection.call_tool("a")["content"][0]["text"] == "fine"
            ended()
    assert runs.read_text() == "greeted " * 3


def test_who_listens_to_a_server_that_ended_hears_of_the_next_one(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    with MCPConnection.stdio(scripted("retires", runs)) as connection:
        connection.call_tool("a")
        ended()
        told = [one.method.rpartition("/")[2] for one in islice(connection.listen(tools=True), 2)]
        # What changed until the second one was not told.
        assert told == ["acknowledged"] * 2
    assert runs.read_text() == "greeted " * 2


def test_a_server_that_closes_its_output_may_still_write_down_its_state(tmp_path: Path) -> None:
    with (
        MCPConnection.stdio(scripted("flushes", tmp_path / "state")) as connection,
        pytest.raises(errors.UnavailableError, match="ended before the answer"),
    ):
        connection.call_tool("a")
    assert (tmp_path / "state").read_text() == "state"


def test_the_secrets_of_another_server_are_not_given_to_a_program(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("BEAM_MCP_TOKEN", "secret")
    monkeypatch.setenv("BEAM_MCP_API_KEY", "secret")
    for env, want in (
        (None, "PATH"),
        ({"BEAM_MCP_TOKEN": "its own"}, "PATH BEAM_MCP_TOKEN"),
    ):
        with MCPConnection.stdio(scripted("tells_secrets"), env=env) as connection:
            assert connection.call_tool("a")["content"][0]["text"] == want


def test_a_line_without_end_ends_its_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipe, "MOST_LINE", 1 << 20)
    with (
        MCPConnection.stdio(scripted("endless")) as connection,
        pytest.raises(errors.UnavailableError),
    ):
        connection.call_tool("a")


def test_what_nobody_reads_is_not_kept_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "MOST_UNREAD", 10)
    stream = LineStream()
    for _ in range(4):
        stream.put(b"12345")
        assert stream.read(1.0) == b"12345"
    # One line is taken whatever its length.
    stream.put(b"123456789012")
    ended = LineStream()
    ended.put(b"123456789012")
    ended.put(None)
    assert stream.read(1.0) == b"123456789012"
    assert list(lines_of(ended)) == [b"123456789012"]
    for _ in range(1000):
        stream.put(b"12345")
    heard: list[bytes] = []
    with pytest.raises(Fault, match="faster than they are read"):
        heard.extend(lines_of(stream))
    assert heard == [b"12345"] * 2


def test_what_cannot_be_started_says_so() -> None:
    with (
        MCPConnection.stdio("/no/such/program --at all", max_retries=0) as connection,
        pytest.raises(errors.UnavailableError, match="server") as failed,
    ):
        connection.connect()
    assert "/no/such/program" in str(failed.value.context)


def test_nothing_is_left_when_it_is_closed(command: list[str]) -> None:
    connection = MCPConnection.stdio(command)
    connection.connect()
    connection.close()
    assert not reading()


def test_who_is_left_after_the_end_starts_nothing() -> None:
    connection = MCPConnection.stdio(scripted("modern"))
    news = connection.listen(tools=True)
    next(news)
    connection.close()
    # The subscription is cancelled; a program that knows nothing of it is not started to hear that.
    del news
    assert not reading()


def reading() -> list[threading.Thread]:
    return [one for one in threading.enumerate() if one.name == "beam-mcp-pipe"]


def wrapped(way: str) -> list[str]:
    """Behind another program, which does not hand signals on."""
    return ["sh", "-c", shlex.join(scripted(way)) + "; true"]


@pytest.mark.skipif(sys.platform == "win32", reason="there are no groups of processes")
def test_a_server_behind_a_wrapper_ends_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipe, "PATIENCE", 0.2)
    connection = MCPConnection.stdio(wrapped("stays"))
    connection.connect()
    connection.close()
    assert not reading()


@pytest.mark.skipif(sys.platform == "win32", reason="there are no groups of processes")
def test_a_server_ends_with_the_program_that_started_it() -> None:
    program = f"""
from beam_mcp_client.mcp import MCPConnection, pipe
pipe.PATIENCE = 0.2
MCPConnection.stdio({wrapped("stays")!r}).connect()
raise KeyboardInterrupt
"""
    # The server shares its errors: they end when it has ended too.
    ran = subprocess.run(
        [sys.executable, "-c", program], stderr=subprocess.PIPE, timeout=20, check=False
    )
    assert b"KeyboardInterrupt" in ran.stderr


def test_the_command_speaks_to_programs(
    command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    program = " ".join(command)
    assert main(["mcp", "info", "--stdio", program, "-o", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["protocolVersion"] == "2026-07-28"
    assert main(["mcp", "call", f"--stdio={program}", "list_runners", "-o", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["structuredContent"]["runners"]
