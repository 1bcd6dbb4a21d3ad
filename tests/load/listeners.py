"""Thousands of idle MCP subscriptions on one server, a change that must reach all, and a reader that does not read.

`listeners.py [--streams N]`: memory of a stream is what the server grew by, over their number; a change must be on
every stream within 1 s of the request that makes it. The reader that does not read must be cut while others that watch
the same job, and all the rest, are told everything.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import socket
import sys
import tempfile
import time
from pathlib import Path

from real_server import RealServer, until
from watched import Process, table

KIB_PER_STREAM = 20.0
"""14.9 are held with 10,000: the flow's state 3, the tasks of connection and flow. With fewer, what hyper held of those
that were opened at once weighs more: 24 with 2,000."""
SILENT = 3.0
"""Seconds after which a stream has let go of what only its begin needs."""
REACHED_WITHIN = 1.0
CUT_WITHIN = 60.0
AT_ONCE = 200
BESIDE = 50
"""Readers that watch the same job as the one that does not read."""
LONG_ID = "x" * 100_000
"""Comes back with every event: a few of them fill what lies between the server and a reader."""
UPDATED = b"notifications/resources/updated"


def listen(port: int, job: str, number: object) -> bytes:
    """The request of a subscription to one job."""
    target, token = job.split(":")
    wanted = {"resourceSubscriptions": [f"beam://{target}/jobs/{token}"]}
    prefix, version = "io.modelcontextprotocol/", "2026-07-28"
    meta = {f"{prefix}protocolVersion": version, f"{prefix}clientCapabilities": {}}
    params = {"notifications": wanted, "_meta": meta}
    message = {"jsonrpc": "2.0", "id": number, "method": "subscriptions/listen", "params": params}
    body = json.dumps(message).encode()
    heads = {
        "Host": f"127.0.0.1:{port}",
        "Content-Type": "application/json",
        "Accept": "application/json, text/event-stream",
        "MCP-Protocol-Version": version,
        "Mcp-Method": "subscriptions/listen",
        "Content-Length": len(body),
    }
    lines = "".join(f"{name}: {value}\r\n" for name, value in heads.items())
    return f"POST /mcp HTTP/1.1\r\n{lines}\r\n".encode() + body


class Listener(asyncio.Protocol):
    """One subscription: when it first heard of a change since it was last asked, and whether it ended."""

    def __init__(self, request: bytes, confirmed: asyncio.Future[None]) -> None:
        self.request, self.confirmed = request, confirmed
        self.heard, self.tail, self.ended = 0.0, b"", False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.write(self.request)

    def data_received(self, data: bytes) -> None:
        seen = self.tail + data
        if not self.confirmed.done() and b"subscriptions/acknowledged" in seen:
            self.confirmed.set_result(None)
        if UPDATED in seen and not self.heard:
            self.heard = time.monotonic()
        self.tail = seen[-(len(UPDATED) - 1) :]

    def connection_lost(self, _: Exception | None) -> None:
        self.ended = True
        if not self.confirmed.done():
            self.confirmed.set_exception(ConnectionError("a subscription was refused"))


async def subscribe(port: int, job: str, count: int, number: object = 1) -> list[Listener]:
    """So many subscriptions, all confirmed."""
    loop, gate, request = asyncio.get_running_loop(), asyncio.Semaphore(AT_ONCE), listen(port, job, number)

    async def one() -> Listener:
        async with gate:
            confirmed: asyncio.Future[None] = loop.create_future()
            _, listener = await loop.create_connection(lambda: Listener(request, confirmed), "127.0.0.1", port)
            async with asyncio.timeout(60):
                await confirmed
            return listener

    return list(await asyncio.gather(*(one() for _ in range(count))))


def running_job(server: RealServer) -> str:
    """A job that runs until it is ended."""
    spec = {"target": "sim", "options": {"simulator_script": "running"}}
    job = str(server.call("POST", "/jobs", spec)[1]["job_id"])
    until(lambda: server.call("GET", f"/jobs/{job}")[1]["state"] == "RUNNING", "the job runs")
    return job


def change(server: RealServer, job: str, number: int) -> None:
    """Moves a job's row."""
    status, answer = server.call("POST", f"/jobs/{job}/scale", {"parallelism": 1 + number % 4, "wait_seconds": 20})
    assert status < 300, answer


async def reach(server: RealServer, job: str, listeners: list[Listener], number: int) -> tuple[int, float]:
    """How many of them a change did not reach, and seconds from its request until the last one heard of it."""
    await asyncio.sleep(1.0)  # what an earlier change still tells
    for listener in listeners:
        listener.heard = 0.0
    begun = time.monotonic()
    changed = asyncio.create_task(asyncio.to_thread(change, server, job, number))
    while time.monotonic() < begun + 20 and not all(listener.heard for listener in listeners):
        await asyncio.sleep(0.01)
    await changed
    missed = sum(not listener.heard for listener in listeners)
    return missed, max(listener.heard for listener in listeners) - begun


def held(server: RealServer) -> int:
    """Streams that the server holds."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as asked:
        asked.sendall(b"GET /metrics HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nConnection: close\r\n\r\n" % server.port)
        text = asked.makefile("rb").read().decode()
    return int(next(line for line in text.splitlines() if line.startswith("beam_mcp_streams ")).split()[1])


def deaf(port: int, job: str) -> socket.socket:
    """A subscription that is never read."""
    reader = socket.socket()
    reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    reader.connect(("127.0.0.1", port))
    reader.sendall(listen(port, job, LONG_ID))
    return reader


async def cut(server: RealServer, job: str, beside: list[Listener]) -> tuple[float, int]:
    """Seconds until the reader that does not read was cut, and how many beside it missed a change meanwhile."""
    before, reader = held(server), deaf(server.port, job)
    await asyncio.to_thread(until, lambda: held(server) == before + 1, "the subscription is there")
    begun, missed, number = time.monotonic(), 0, 0
    while held(server) > before and time.monotonic() < begun + CUT_WITHIN:
        number += 1
        missed += (await reach(server, job, beside, number))[0]
    seconds = time.monotonic() - begun
    reader.close()
    return seconds, missed


async def measure(server: RealServer, streams: int) -> tuple[dict[str, object], bool]:
    process = Process(server.process.pid)
    job, other = running_job(server), running_job(server)
    # What the first of anything costs is no stream's.
    for listener in await subscribe(server.port, job, BESIDE):
        listener.transport.abort()
    await asyncio.to_thread(until, lambda: held(server) == 0, "they are gone")
    await reach(server, other, warm := await subscribe(server.port, other, BESIDE), 1)
    idle, begun = process.rss(), time.monotonic()
    listeners = await subscribe(server.port, job, streams)
    opened = time.monotonic() - begun
    await asyncio.sleep(SILENT)
    kib = (process.rss() - idle) * 1e6 / 1024 / streams
    rounds = [await reach(server, job, listeners, number) for number in range(3)]
    seconds, missed_beside = await cut(server, other, warm)
    rounds.append(await reach(server, job, listeners, 3))
    gone = sum(listener.ended for listener in [*listeners, *warm])
    cores = process.end()
    slowest, missed = max(after for _, after in rounds), sum(missed for missed, _ in rounds)
    row: dict[str, object] = {
        "streams": streams,
        "opened s": round(opened, 1),
        "idle MB": round(idle, 1),
        "KiB each": round(kib, 1),
        "most MB": round(process.most, 1),
        "last told s": ", ".join(f"{after:.2f}" for _, after in rounds),
        "missed": missed + missed_beside,
        "cut after s": round(seconds, 1),
        "gone": gone,
        "cores": round(cores, 2),
    }
    good = kib <= KIB_PER_STREAM and slowest <= REACHED_WITHIN and seconds < CUT_WITHIN
    return row, good and not missed + missed_beside + gone


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--streams", type=int, default=10_000)
    streams = parser.parse_args().streams
    config = {
        "targets": {"sim": {"runner": "simulator", "speed": 20}},
        "server": {"max_connections": streams + 4 * BESIDE},
    }
    with tempfile.TemporaryDirectory() as folder:
        server = RealServer(Path(folder), config).start()
        try:
            row, good = asyncio.run(measure(server, streams))
        finally:
            server.kill()
    table([row])
    sys.exit(not good)


main()
