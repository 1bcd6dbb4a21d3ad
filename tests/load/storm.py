"""A storm of bad input, and a healthy caller beside it (security-reliability L7).

`storm.py [--seconds N] [--connections N]`: junk of 1 MiB, JSON 1,000 deep, JSON of 60,000 values, a jar whose manifest
unpacks to 256 MiB, requests of no form, foreign hosts, over kept connections as fast as they are refused. Every answer
must be a refusal (4xx) and no healthy call may fail; rate, processor and memory are printed.
"""

from __future__ import annotations

import argparse
import asyncio
import collections
import json
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from real_server import RealServer
from recorded_flink import recorded_flink
from watched import Healthy, Process, quantile, table

BOMB = 256 << 20


def corpus(port: int) -> list[bytes]:
    """Requests, the large ones rarer."""

    def request(path: str, body: bytes, host: str = f"127.0.0.1:{port}") -> bytes:
        head = f"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n"
        head += f"Accept: application/json, text/event-stream\r\nContent-Length: {len(body)}\r\n\r\n"
        return head.encode() + body

    deep, lonely = b"[" * 1000 + b"]" * 1000, b'"' + b"\\ud800" * 50 + b'"'
    bodies = (b'{"a":', deep, b"\xff" * 100, b"[]", lonely, b'{"a":1,"a":2}')
    small = [request(path, body) for path in ("/api/v1/jobs", "/mcp") for body in bodies]
    small += [
        request("/api/v1/jobs", b"{}", "evil.example"),
        request("/api/v1/nope", b"{}"),
        request("/api/v1/jobs", b'{"target":"flink","code_path":"../../etc/passwd"}'),
        b"\x16\x03\x01" + b"x" * 200 + b"\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
    ]
    large = [
        request("/api/v1/jobs", b"{" + b"x" * ((1 << 20) - 1)),
        request("/mcp", b'{"a":"' + b"y" * ((1 << 20) - 100) + b'"}'),
        request("/api/v1/jobs", b'{"args":[' + b"1," * 60_000 + b"1]}"),
        request("/api/v1/jobs", b'{"target":"flink","code_path":"bomb.jar"}'),
    ]
    return small * 6 + large


async def caller(port: int, requests: list[bytes], offset: int, seconds: float, seen: collections.Counter[str]) -> None:
    """Sends one after the other; a closed connection is opened again."""
    loop = asyncio.get_running_loop()
    end, number = loop.time() + seconds, offset
    while loop.time() < end:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            while loop.time() < end:
                number += 1
                writer.write(requests[number % len(requests)])
                seen[await status(reader)] += 1
        except (OSError, asyncio.IncompleteReadError):
            # Closed after a refusal, as HTTP/1.1 allows; the answer was counted.
            pass
        finally:
            writer.close()


async def status(reader: asyncio.StreamReader) -> str:
    """The status of the next answer, which is read to its end."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
    length = head.split("content-length: ")[1].split("\r")[0]
    await reader.readexactly(int(length))
    return head[9:12]


async def storm(port: int, connections: int, seconds: float) -> None:
    seen: collections.Counter[str] = collections.Counter()
    requests = corpus(port)
    await asyncio.gather(*(caller(port, requests, n * 7, seconds, seen) for n in range(connections)))
    print(json.dumps(seen))


def bomb(path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as jar, jar.open("META-INF/MANIFEST.MF", "w") as manifest:
        for _ in range(BOMB >> 20):
            manifest.write(b"\n" * (1 << 20))


def measure(folder: Path, seconds: float, connections: int, url: str) -> bool:
    targets = {"sim": {"runner": "simulator"}, "flink": {"runner": "flink", "url": url}}
    server = RealServer(folder, {"targets": targets}).start()
    bomb(server.roots / "bomb.jar")
    try:
        _, job = server.call("POST", "/jobs", {"target": "sim"})
        path = f"/api/v1/jobs/{job['job_id']}"
        base = Healthy(server.port, path).run(seconds / 2)
        watched = Process(server.process.pid)
        argv = [sys.executable, __file__, "--attack", str(server.port), "--connections", str(connections)]
        attacker = subprocess.Popen([*argv, "--seconds", str(seconds)], stdout=subprocess.PIPE, text=True)
        under = Healthy(server.port, path).run(seconds)
        seen: dict[str, int] = json.loads(attacker.communicate(timeout=60)[0])
        cores = watched.end()
        last = watched.rss()
    finally:
        server.kill()
    refused = {code: count for code, count in seen.items() if code.startswith("4")}
    row: dict[str, object] = {
        "requests": sum(seen.values()),
        "per s": round(sum(seen.values()) / seconds),
        "4xx": sum(refused.values()),
        "other": sum(seen.values()) - sum(refused.values()),
        "cores": round(cores, 2),
        "RSS MB before..most..after": f"{watched.first:.0f}..{watched.most:.0f}..{last:.0f}",
        "base p99 ms": round(quantile(base.took, 0.99), 1),
        "p99 ms": round(quantile(under.took, 0.99), 1),
        "failed": base.failed + under.failed,
    }
    table([row])
    print(dict(sorted(seen.items())), flush=True)
    return refused == seen and not base.failed + under.failed


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--attack", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.attack:
        asyncio.run(storm(arguments.attack, arguments.connections, arguments.seconds))
        return
    with tempfile.TemporaryDirectory() as folder, recorded_flink() as flink:
        held = measure(Path(folder), arguments.seconds, arguments.connections, flink.url)
    sys.exit(not held)


main()
