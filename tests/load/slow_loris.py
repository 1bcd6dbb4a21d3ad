"""Thousands of connections that dawdle, and a healthy caller beside them (security-reliability L6).

`slow_loris.py [--sockets N] [--seconds N]`: a quarter each says nothing, sends a head byte by byte, sends a body byte
by byte, or sends half a head and waits. Every one must be cut within 15 s and no healthy call may fail; the healthy
p99 is printed beside its base, and how many the server still holds at the end. Once with the server's own cap on
connections, once with room for all.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path

from real_server import RealServer
from watched import Healthy, Process, quantile, table

LIMIT = 15.0
PAUSE = 2.0
# Connections of the two healthy callers, which stay open between calls.
OWN = 2
HEAD = b"POST /api/v1/jobs HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nContent-Type: application/json\r\n"


async def dawdle(port: int, number: int) -> float | None:
    """Seconds until this one was cut; a refusal at the door counts as that. `None`: nobody ever took it.

    A peer whose handshake ended while the queue of the listener was full believes itself connected; the server never
    sees it.
    """
    loop = asyncio.get_running_loop()
    begun = loop.time()
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return loop.time() - begun
    begun = loop.time()
    head = HEAD % port
    body = head + b"Content-Length: 900\r\n\r\n"
    first, drops = [(b"", b""), (b"P", head[1:]), (body, b"x" * 900), (head, b"")][number % 4]
    writer.write(first)
    dripping = asyncio.create_task(drip(writer, drops))
    try:
        async with asyncio.timeout(LIMIT + 5):
            while await reader.read(4096):
                pass
    except TimeoutError:
        return None
    except OSError:
        pass
    finally:
        dripping.cancel()
        writer.close()
    return loop.time() - begun


async def drip(writer: asyncio.StreamWriter, drops: bytes) -> None:
    for drop in drops:
        await asyncio.sleep(PAUSE)
        writer.write(bytes([drop]))


async def attack(port: int, sockets: int) -> None:
    """All at once; prints how long each lasted."""
    lasted = await asyncio.gather(*(dawdle(port, number) for number in range(sockets)))
    print(json.dumps(lasted))


def held(port: int) -> int:
    """Connections the server holds, but for the one that asks."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30) as answer:
        lines = answer.read().decode().splitlines()
    return int(next(line for line in lines if line.startswith("beam_mcp_connections ")).split()[1]) - 1


def measure(folder: Path, sockets: int, seconds: float, cap: int | None) -> tuple[dict[str, object], bool]:
    config: dict[str, object] = {"targets": {"sim": {"runner": "simulator"}}}
    config |= {"server": {"max_connections": cap}} if cap else {}
    server = RealServer(folder, config).start()
    try:
        _, job = server.call("POST", "/jobs", {"target": "sim"})
        path = f"/api/v1/jobs/{job['job_id']}"
        base = Healthy(server.port, path).run(seconds)
        watched = Process(server.process.pid)
        argv = [sys.executable, __file__, "--attack", str(server.port), "--sockets", str(sockets)]
        attacker = subprocess.Popen(argv, stdout=subprocess.PIPE)
        under = Healthy(server.port, path).run(max(seconds, 2 * LIMIT))
        left = held(server.port)
        all_lasted = json.loads(attacker.communicate(timeout=120)[0])
        cores = watched.end()
    finally:
        server.kill()
    lasted = [time for time in all_lasted if time is not None]
    row = {
        "sockets": sockets,
        "cap": cap or "default",
        "last cut s": round(max(lasted), 1),
        "never taken": len(all_lasted) - len(lasted),
        "left": left,
        "base p50 ms": round(quantile(base.took, 0.5), 1),
        "base p99 ms": round(quantile(base.took, 0.99), 1),
        "p50 ms": round(quantile(under.took, 0.5), 1),
        "p99 ms": round(quantile(under.took, 0.99), 1),
        "p99 ratio": round(quantile(under.took, 0.99) / quantile(base.took, 0.99), 1),
        "failed": base.failed + under.failed,
        "reconnected": under.reconnected,
        "cores": round(cores, 2),
        "RSS MB": f"{watched.first:.0f}..{watched.most:.0f}",
    }
    return row, max(lasted) <= LIMIT and left <= OWN and not base.failed + under.failed


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--sockets", type=int, default=5000)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--attack", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.attack:
        asyncio.run(attack(arguments.attack, arguments.sockets))
        return
    measured = []
    for cap in (None, arguments.sockets + 100):
        with tempfile.TemporaryDirectory() as folder:
            measured.append(measure(Path(folder), arguments.sockets, arguments.seconds, cap))
    table([row for row, _ in measured])
    sys.exit(not all(held for _, held in measured))


main()
