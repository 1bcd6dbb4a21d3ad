"""`embedded:`: a job's whole life in this process, and the host's effects one by one."""

from __future__ import annotations

import asyncio
import json
import time
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from beam_mcp_client import (
    BeamMCPClient,
    FailedPreconditionError,
    JobFailedError,
    MCPClient,
    NotFoundError,
    UnsupportedError,
    ValidationError,
    _core,
)
from beam_mcp_client.embedded.credentials import Credentials
from beam_mcp_client.embedded.host import EmbeddedHost, Interrupted
from beam_mcp_client.embedded.staging import Refused, Staging
from beam_mcp_client.embedded.topics import Topics
from beam_mcp_client.embedded.transport import HOST
from beam_mcp_client.transport import Abort, Fault
from fake_server import Seen, answer, refusal, serving

FAST = {"targets": {"sim": {"runner": "simulator", "speed": 100}}}


@pytest.fixture
def client() -> Iterator[MCPClient]:
    with MCPClient("embedded:", config=FAST) as client:
        yield client


def test_the_life_of_a_batch_job(client: MCPClient) -> None:
    job = client.submit_job(name="b", runner="simulator", job_type="BATCH")
    assert client.wait_for_job(job, timeout=30).state == "FINISHED"
    assert [found.job_id for found in client.list_jobs(state="FINISHED")] == [job]
    assert client.get_job_metrics(job).job_id == job
    assert "simulator" in client.get_job_configuration(job)["spec"]["target"] or job.target == "sim"


def test_the_life_of_a_streaming_job(client: MCPClient) -> None:
    job = client.submit_job(
        name="s", target="sim", job_type="STREAMING", options={"parallelism": 4}
    )
    for view in client.watch_job(job, timeout=30):
        if view.state == "RUNNING":
            break
    scaled = client.scale_job(job, 8)
    assert scaled.pending is None
    assert scaled.operation is not None
    assert set((scaled.operation.actual or {}).values()) == {8}
    savepoint = client.create_savepoint(job)
    assert savepoint
    assert savepoint.state == "SUCCEEDED"
    assert client.list_savepoints(job)[0].savepoint_path == savepoint
    ended = client.cancel_job(job)
    assert (ended.state, ended.job and ended.job.ended_by) == ("CANCELED", "stop")
    assert {operation.kind for operation in client.list_operations(job)} == {
        "scale",
        "savepoint",
        "stop",
    }
    again = client.restore_job(job)
    assert again.job_id != job
    assert str(client.get_job_logs(job))


def test_a_started_savepoint_is_an_operation_to_poll(client: MCPClient) -> None:
    job = client.submit_job(name="s", target="sim", job_type="STREAMING")
    for view in client.watch_job(job, timeout=30):
        if view.state == "RUNNING":
            break
    started = client.create_savepoint(job, wait=False)
    assert started.pending
    end = time.monotonic() + 20
    while not client.get_operation(started.operation_id).terminal:
        assert time.monotonic() < end
        time.sleep(0.05)
    assert client.get_operation(started.operation_id).savepoint_path


def test_a_failing_job(client: MCPClient) -> None:
    job = client.submit_job(name="f", target="sim", options={"simulator_script": "failing"})
    with pytest.raises(JobFailedError, match="Exception") as caught:
        client.wait_for_job(job, timeout=30)
    assert caught.value.context["job_id"] == job
    with pytest.raises(FailedPreconditionError, match="ended"):
        client.scale_job(job, 2)


def test_one_key_is_one_job(client: MCPClient) -> None:
    made = [client.create_job(name="k", target="sim", idempotency_key="one") for _ in range(2)]
    assert made[0].job_id == made[1].job_id
    assert made[1].replayed


def test_a_plan_sends_nothing(client: MCPClient) -> None:
    plan = client.plan_job(name="p", target="sim")
    assert "submit" in plan.summary
    assert client.list_jobs() == []
    assert client.create_job(name="p", target="sim", plan_digest=plan.digest).name == "p"
    with pytest.raises(FailedPreconditionError, match="plan"):
        client.create_job(name="p", target="sim", plan_digest="0" * 64)


def test_errors_come_as_from_a_server(client: MCPClient) -> None:
    with pytest.raises(NotFoundError):
        client.get_job("sim:" + "0" * 32)
    with pytest.raises(ValidationError):
        client.create_job({"job_nmae": "x"})


def test_asyncio_and_cancellation() -> None:
    async def scenario() -> float:
        async with BeamMCPClient("embedded:", config=FAST) as client:
            job = await client.create_job(name="a", target="sim", job_type="STREAMING")
            change = await client.wait_for_change(job)
            while change.state != "RUNNING":
                change = await client.wait_for_change(job, change.cursor)
            task = asyncio.ensure_future(
                client.wait_for_change(job, change.cursor + 100, timeout_s=25)
            )
            await asyncio.sleep(0.3)
            started = time.monotonic()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await client.cancel_job(job)
            return time.monotonic() - started

    assert asyncio.run(scenario()) < 10


def test_a_bad_configuration_is_told_when_the_client_is_made() -> None:
    with pytest.raises(ValidationError, match="targets"):
        MCPClient("embedded:", config={"targets": {"x": {"runner": "flink", "ulr": "http://h"}}})
    with pytest.raises(ValidationError, match=r"`x`.*is no http"):
        MCPClient("embedded:", config={"targets": {"x": {"runner": "flink", "url": "http://h:x"}}})
    with pytest.raises(ValidationError, match="local"):
        MCPClient("http://127.0.0.1:1", config=FAST)


def test_direct_needs_a_server() -> None:
    config = {"targets": {"direct": {"runner": "direct"}}}
    with (
        MCPClient("embedded:", config=config) as client,
        pytest.raises(UnsupportedError, match="beam-mcp-server"),
    ):
        client.create_job(name="d", target="direct", module="apache_beam.examples.wordcount")


def test_an_upload_is_kept_and_named(client: MCPClient, tmp_path: Path) -> None:
    code = tmp_path / "job.jar"
    with zipfile.ZipFile(code, "w") as archive:
        archive.writestr(
            "META-INF/MANIFEST.MF", "Manifest-Version: 1.0\r\nMain-Class: org.exa\r\n mple.Main\r\n"
        )
        archive.writestr("org/example/Main.class", "")
    artifact = client.upload_artifact(code)
    assert artifact.startswith("artifact:sha256:")
    assert (artifact.main_class, artifact.size_bytes) == ("org.example.Main", code.stat().st_size)


# ---- effects one by one


def host_of(url: str, **target: Any) -> EmbeddedHost:
    config = {"targets": {"t": {"runner": "flink", "url": url, **target}}}
    return EmbeddedHost(_core.Engine(json.dumps(config), json.dumps(HOST)), [])


def send(body: Any = "empty", **more: Any) -> dict[str, Any]:
    limits = {"timeout_ms": 5000, "max_bytes": 1 << 20}
    return {
        "effect": "send",
        "target": "t",
        "method": "POST",
        "path": "/p?q=1",
        "body": body,
        **limits,
        **more,
    }


def outcome(reply: tuple[str, list[bytes]]) -> dict[str, Any]:
    return dict(json.loads(reply[0]))


def test_bodies_of_requests_to_runners(tmp_path: Path) -> None:
    with serving(lambda _: answer(200, b"ok")) as server:
        host = host_of(server.url + "/base")
        source = host.staging.keep([b"jar bytes"], 100)
        part = {
            "name": "jarfile",
            "file_name": 'a"b.jar',
            "content_type": "application/x-java-archive",
            "source": source,
        }
        for body in (
            {"json": {"a": 1}},
            {"form": [["a", "1 2"]]},
            {"raw": {"part": 0}},
            {"source": source},
        ):
            reply = host.perform(send(body), [b"raw bytes"])
            assert (outcome(reply)["status"], reply[1]) == (200, [b"ok"])
        host.perform(send({"multipart": [part]}), [])
        missing = outcome(host.perform(send({"source": "sha256:" + "0" * 64}), []))
        host.close()
    assert (missing["reply"], missing["kind"]) == ("fault", "source")
    *plain, multipart = server.seen
    assert [seen.body for seen in plain] == [b'{"a": 1}', b"a=1+2", b"raw bytes", b"jar bytes"]
    assert plain[0].path == "/base/p?q=1"
    boundary = multipart.headers["content-type"].partition("boundary=")[2].encode()
    first, middle, last = multipart.body.split(b"--" + boundary)
    assert (first, last) == (b"", b"--\r\n")
    assert b'name="jarfile"; filename="a%22b.jar"' in middle
    assert middle.endswith(b"\r\n\r\njar bytes\r\n")


def test_side_by_side_keeps_the_order() -> None:
    with serving(lambda seen: answer(200, seen.path.encode())) as server:
        host = host_of(server.url)
        requests = [send(path=f"/{number}", method="GET") for number in range(20)]
        requests[7]["target"] = "nobody"
        text, bodies = host.perform({"effect": "send_all", "requests": requests}, [])
        host.close()
    outcomes = json.loads(text)["outcomes"]
    assert (outcomes[7]["outcome"], outcomes[7]["kind"]) == ("fault", "unknown_target")
    told = [
        bodies[one["body"]["part"]].decode() for one in outcomes if one["outcome"] == "response"
    ]
    assert told == [f"/{number}" for number in range(20) if number != 7]


def test_another_server_of_a_target_is_reached() -> None:
    with serving(lambda seen: answer(200, seen.path.encode())) as server:
        host = host_of("http://127.0.0.1:9")
        worker = send(path="/log/", method="GET", server=server.url)
        text, bodies = host.perform({"effect": "send_all", "requests": [worker, worker]}, [])
        assert [one["outcome"] for one in json.loads(text)["outcomes"]] == ["response", "response"]
        assert bodies == [b"/log/", b"/log/"]
        foreign = send(path="/log/", method="GET", server=server.url, target="nobody")
        assert outcome(host.perform(foreign, []))["kind"] == "unknown_target"
        for nowhere in ("https://a:99999", "https://a..b"):
            lost = send(path="/log/", method="GET", server=nowhere)
            assert outcome(host.perform(lost, []))["kind"] == "unreachable"
        host.close()


def test_a_credential_is_attached_and_read_again_when_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("old\n")

    def script(seen: Seen) -> bytes:
        if seen.headers["x-key"] == "Key old":
            secret.write_text("new")
            return refusal(401, "unauthenticated")
        return answer(200, b"")

    with serving(script) as server:
        reference = {"header": "X-Key", "prefix": "Key ", "secret": f"file:{secret}"}
        host = host_of(server.url, credential=reference)
        assert outcome(host.perform(send(credential="t"), []))["status"] == 200
        assert [seen.headers["x-key"] for seen in server.seen] == ["Key old", "Key new"]
        monkeypatch.delenv("NO_SUCH", raising=False)
        bare = host_of(server.url, credential={"secret": "env:NO_SUCH"})
        assert outcome(bare.perform(send(credential="t"), []))["kind"] == "credential"


def test_what_the_host_cannot_do_is_unsupported() -> None:
    host = host_of("http://127.0.0.1:1")
    for effect in ("launch", "signal", "observe", "rpc", "emit", "nonsense"):
        assert outcome(host.perform({"effect": effect}, []))["reply"] == "unsupported"


def test_topics_wake_who_waits_and_only_from_now_on() -> None:
    topics = Topics()
    topics.publish(["job/a"], "x")
    assert topics.moved([["job/a", 0]]) == [("job/a", 1, "x")]
    fresh = topics.from_now([["job/a", 0], ["job/b", 0]])
    assert topics.moved(fresh) == []
    topics.publish(["job/b"])
    assert topics.moved(fresh) == [("job/b", 2, "")]
    for number in range(5000):
        topics.publish([f"t/{number}"])
    assert topics.moved([["job/a", 1]])


def commit(op: str, name: str) -> dict[str, Any]:
    put = {"schema": 1, "expires_at": None, "value": "{}"}
    write = {"key": {"tenant": "default", "kind": "job", "id": name}, "expect": "any", "put": put}
    return {"effect": "store", "op": "commit", "op_id": op, "writes": [write]}


def waiting(seconds: float, seen: int = 0) -> dict[str, Any]:
    return {"effect": "wait", "topics": [["job/a", seen]], "timeout_ms": int(seconds * 1000)}


def test_a_commit_wakes_who_waits_for_its_records() -> None:
    host = host_of("http://127.0.0.1:1")
    host.perform(commit("0", "a"), [])
    quiet = outcome(host.perform(waiting(0.05), [], ticks=False))
    assert quiet == {"reply": "elapsed"}
    with ThreadPoolExecutor() as threads:
        started = time.monotonic()
        future = threads.submit(host.perform, waiting(20), [], None, False)
        time.sleep(0.1)
        host.perform(commit("1", "b"), [])
        assert not future.done()
        host.perform(commit("2", "a"), [])
        woken = outcome(future.result(5))
    assert (woken["reply"], woken["topics"][0][0]) == ("woken", "job/a")
    assert time.monotonic() - started < 5


@pytest.mark.parametrize("effect", [waiting(20), {"effect": "sleep", "ms": 20_000}])
def test_an_abort_ends_a_rest(effect: dict[str, Any]) -> None:
    host, abort = host_of("http://127.0.0.1:1"), Abort()
    with ThreadPoolExecutor() as threads:
        started = time.monotonic()
        future = threads.submit(host.perform, effect, [], abort, False)
        time.sleep(0.1)
        abort()
        with pytest.raises(Interrupted):
            future.result(5)
    assert time.monotonic() - started < 5


def test_the_reconciler_works_while_a_call_rests(monkeypatch: pytest.MonkeyPatch) -> None:
    host = host_of("http://127.0.0.1:1")
    rounds: list[float] = []
    real = host._engine

    class Spy:
        """Counts rounds."""

        def tick(self, random: bytes, deadline_ms: int) -> _core.Flow:
            rounds.append(time.monotonic())
            return real.tick(random, deadline_ms)

    monkeypatch.setattr(host, "_engine", Spy())
    host.perform({"effect": "sleep", "ms": 300}, [])
    assert len(rounds) == 1
    host.perform({"effect": "sleep", "ms": 10}, [], ticks=False)
    assert len(rounds) == 1


# ---- files


def refused(staging: Staging, path: str, most: int = 100) -> str:
    with pytest.raises(Refused) as caught:
        staging.stage({"base": {"path": path}, "max_bytes": most}, [])
    return caught.value.reason


def test_files_beneath_the_roots(tmp_path: Path) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    root.mkdir()
    outside.write_text("secret")
    (root / "a.py").write_text("print()")
    (root / "link").symlink_to(outside)
    (root / "folder").mkdir()
    staging = Staging([str(root)])
    kept = staging.stage({"base": {"path": "a.py"}, "max_bytes": 100}, [])
    assert (kept["file_name"], kept["size"], kept["archive"]) == ("a.py", 7, None)
    assert kept["id"] == f"sha256:{kept['sha256']}"
    assert (
        staging.stage({"base": {"path": str(root / "a.py")}, "max_bytes": 100}, [])["id"]
        == kept["id"]
    )
    (root / "a.py").write_text("changed")
    assert staging.path(kept["id"]).read_text() == "print()"
    reasons = {
        "none.py": "not_found",
        "link": "symlink",
        "folder": "not_a_file",
        "../outside": "outside_roots",
        str(outside): "outside_roots",
        "": "bad_name",
        "a\0b": "bad_name",
    }
    assert {path: refused(staging, path) for path in reasons} == reasons
    assert refused(staging, "a.py", 3) == "too_large"
    again = staging.stage({"base": {"artifact": kept["id"]}, "max_bytes": 100}, [])
    assert again["sha256"] == kept["sha256"]
    staging.close()
    assert not Path(staging._folder).exists()


def test_a_jar_is_placed_under_its_hash_and_what_others_put_there_is_replaced(
    tmp_path: Path,
) -> None:
    (tmp_path / "a.jar").write_bytes(b"jar bytes")
    staging, folder = Staging([str(tmp_path)]), tmp_path / "shared"
    recipe = {"base": {"path": "a.jar"}, "max_bytes": 100, "place": str(folder)}
    with pytest.raises(Refused) as refusal:
        staging.stage(recipe, [])
    assert refusal.value.reason == "no_folder"
    folder.mkdir()
    place = folder / f"{staging.stage(recipe, [])['sha256']}.jar"
    assert place.read_bytes() == b"jar bytes"
    assert place.stat().st_mode & 0o777 == 0o644
    made = place.stat().st_mtime_ns
    staging.stage(recipe, [])
    assert place.stat().st_mtime_ns == made
    place.write_bytes(b"evil")
    staging.stage(recipe, [])
    assert place.read_bytes() == b"jar bytes"
    assert list(folder.iterdir()) == [place]
    staging.close()


def test_entries_are_added_to_an_archive_and_the_same_parts_give_the_same_bytes(
    tmp_path: Path,
) -> None:
    with zipfile.ZipFile(tmp_path / "a.jar", "w") as archive:
        archive.writestr(zipfile.ZipInfo("x"), "1")
    staging = Staging([str(tmp_path)])
    extra = staging.keep([b"extra"], 100)
    recipe = {
        "base": {"path": "a.jar"},
        "add": [["META-INF/beam-mcp", extra]],
        "max_bytes": 1 << 20,
    }
    made = [staging.stage(recipe, []) for _ in range(2)]
    assert made[0] == made[1]
    assert made[0]["archive"]["entries"] == 2
    with zipfile.ZipFile(staging.path(made[0]["id"])) as archive:
        assert archive.read("META-INF/beam-mcp") == b"extra"
    (tmp_path / "broken.jar").write_bytes(b"PK\x03\x04 and nothing")
    assert refused(staging, "broken.jar") == "bad_archive"


def test_a_token_comes_from_a_file_or_a_program(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("tok-1\n")
    program = ["/bin/sh", "-c", """echo '{"access_token": "tok-2", "expires_in": 3599}'"""]
    credentials = Credentials(
        {
            "file": {"credential": {"token": {"file": str(file)}}},
            "program": {"credential": {"token": {"command": program}, "header": "X-Token"}},
            "failing": {"credential": {"token": {"command": ["/bin/false"]}}},
            "silent": {"credential": {"token": {"command": ["/bin/true"]}}},
            "google": {"credential": {"token": "google_default"}},
            "secret": {"credential": {"secret": f"file:{file}"}},
        }
    )
    first = credentials.header("file")
    assert first == ("authorization", "Bearer tok-1")
    file.write_text("tok-3")
    assert credentials.header("file") == first
    assert credentials.renewed("file", first) == ("authorization", "Bearer tok-3")
    assert credentials.header("program") == ("x-token", "Bearer tok-2")
    assert credentials.header("secret") == ("authorization", "tok-3")
    for name, detail in [
        ("failing", "program failed"),
        ("silent", "did not give a token"),
        ("google", "beam-mcp-server"),
    ]:
        with pytest.raises(Fault, match=detail):
            credentials.header(name)
