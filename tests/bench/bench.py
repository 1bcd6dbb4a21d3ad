"""MCP `tools/call get_job` and the Python client beside their peers: interleaved rounds, medians, ratios."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from beam_mcp_client import MCPClient

HERE = Path(__file__).parent
SERVER = os.environ["BENCH_SERVER"]
PEERS = Path(os.environ["BENCH_PEERS"])
PEER_PYTHON = os.environ["BENCH_PEER_PYTHON"]
ROUNDS, SECONDS = 3, 4
META = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientInfo": {"name": "bench", "version": "1"},
    "io.modelcontextprotocol/clientCapabilities": {},
}
HEADERS = {
    "content-type": "application/json",
    "accept": "application/json, text/event-stream",
    "mcp-protocol-version": "2026-07-28",
    "mcp-method": "tools/call",
    "mcp-name": "get_job",
}


def free_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def body(job: str) -> str:
    """One `tools/call get_job`."""
    params = {"name": "get_job", "arguments": {"job_id": job}, "_meta": META}
    return json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params})


@contextlib.contextmanager
def running(*command: str) -> Iterator[subprocess.Popen[bytes]]:
    """A process that is ended afterwards."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(timeout=20)


def listening(port: int) -> None:
    """Waits until something listens."""
    for _ in range(200):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise TimeoutError(f"nothing listens on {port}")


def rate(port: int, job: str) -> float:
    """Requests per second of one round of wrk."""
    lines = ["wrk.method = 'POST'", f"wrk.body = [[{body(job)}]]"]
    lines += [f"wrk.headers['{name}'] = '{value}'" for name, value in HEADERS.items()]
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write("\n".join(lines))
        script.flush()
        url = f"http://127.0.0.1:{port}/mcp"
        command = ["wrk", "-t1", "-c32", f"-d{SECONDS}s", "-s", script.name, url]
        output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "Non-2xx" not in output, output
    return float(re.search(r"Requests/sec:\s+([\d.]+)", output)[1])  # type: ignore[index]


def checked(port: int, job: str) -> None:
    """What is measured is an answer and not an error: wrk looks at statuses only, and a tool fails with 200."""
    end = time.monotonic() + 10
    while (shown := state_of(port, job)) != "RUNNING":
        assert time.monotonic() < end, f"the job is {shown}"
        time.sleep(0.2)


def state_of(port: int, job: str) -> str:
    """The job's state, as the tool answers."""
    with contextlib.closing(
        http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    ) as connection:
        connection.request("POST", "/mcp", body(job), HEADERS)
        answer = connection.getresponse()
        text = answer.read().decode()
    whole = (
        text
        if answer.getheader("content-type") == "application/json"
        else text.split("data: ", 1)[1]
    )
    result = json.loads(whole)["result"]
    assert not result.get("isError"), text
    return str(result["structuredContent"]["state"])


def memory(process: subprocess.Popen[bytes]) -> float:
    """Resident megabytes."""
    text = Path(f"/proc/{process.pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+)", text)[1]) / 1024  # type: ignore[index]


def submit(port: int) -> str:
    """Id of a simulator job that runs on."""
    spec = json.dumps({"target": "simulator", "options": {"simulator_script": "running"}}).encode()
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/api/v1/jobs", spec, {"content-type": "application/json"}
    )
    with urllib.request.urlopen(request) as answer:
        return str(json.load(answer)["job_id"])


def servers() -> tuple[dict[str, list[float]], float, float]:
    """Requests per second by server, and our memory idle and under load."""
    names = ["ours", "ours, no row cache", "bare axum", "rmcp", "fastmcp"]
    ports = {name: free_port() for name in names}
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        ours = stack.enter_context(serve(ports["ours"], folder / "a"))
        stack.enter_context(serve(ports["ours, no row cache"], folder / "b", "--store-cache", "0"))
        stack.enter_context(running(str(PEERS / "bare-axum"), str(ports["bare axum"])))
        stack.enter_context(running(str(PEERS / "rmcp-peer"), str(ports["rmcp"])))
        stack.enter_context(
            running(PEER_PYTHON, str(HERE / "peers/fastmcp_server.py"), str(ports["fastmcp"]))
        )
        for port in ports.values():
            listening(port)
        jobs = {
            name: submit(port) if name.startswith("ours") else "job-1"
            for name, port in ports.items()
        }
        time.sleep(2)
        idle = memory(ours)
        for name, port in ports.items():
            checked(port, jobs[name])
        rates: dict[str, list[float]] = {name: [] for name in names}
        loaded = 0.0
        for _ in range(ROUNDS):
            for name, port in ports.items():
                rates[name].append(rate(port, jobs[name]))
                loaded = max(loaded, memory(ours))
        return rates, idle, loaded


def serve(
    port: int, store: Path, *options: str
) -> contextlib.AbstractContextManager[subprocess.Popen[bytes]]:
    """Our server with its SQLite store."""
    return running(SERVER, "serve", "--port", str(port), "--store-path", str(store), *options)


def microseconds(call: Callable[[], Any], calls: int = 1500) -> float:
    """Mean time of one call."""
    call()
    began = time.perf_counter()
    for _ in range(calls):
        call()
    return (time.perf_counter() - began) / calls * 1e6


def client() -> dict[str, float]:
    """Microseconds of `get_job` over REST, by client."""
    port = free_port()
    with tempfile.TemporaryDirectory() as folder, serve(port, Path(folder)):
        listening(port)
        job = submit(port)
        time.sleep(2)
        connection = http.client.HTTPConnection("127.0.0.1", port)

        def stdlib() -> Any:
            connection.request("GET", f"/api/v1/jobs/{job}", headers={"accept": "application/json"})
            return json.loads(connection.getresponse().read())

        figures: dict[str, list[float]] = {"stdlib http.client": [], "beam_mcp_client": []}
        with MCPClient(f"http://127.0.0.1:{port}") as ours:
            for _ in range(ROUNDS):
                figures["stdlib http.client"].append(microseconds(stdlib))
                figures["beam_mcp_client"].append(microseconds(lambda: ours.get_job(job)))
        medians = {name: statistics.median(values) for name, values in figures.items()}
        return medians | peers(port, job)


def peers(port: int, job: str) -> dict[str, float]:
    """The same exchange by httpx, and an MCP call by the official SDK, in their own interpreter."""
    command = [PEER_PYTHON, str(HERE / "client_peers.py"), str(port), job]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = json.loads(output)
    return {str(name): float(value) for name, value in found.items()}


def main() -> None:
    rates, idle, loaded = servers()
    medians = {name: statistics.median(values) for name, values in rates.items()}
    print(f"\n{'MCP tools/call get_job':28}{'requests/s':>12}{'ours / it':>12}   bar")
    bars = {"bare axum": ">= 0.75", "rmcp": ">= 1.7", "fastmcp": ">= 60"}
    for name, value in medians.items():
        print(f"{name:28}{value:12.0f}{medians['ours'] / value:12.2f}   {bars.get(name, '')}")
    print(f"{'memory, idle':28}{idle:9.1f} MB{'':12}   <= 20 MB")
    print(f"{'memory, under load':28}{loaded:9.1f} MB{'':12}   <= 64 MB")
    times = client()
    ours = times["beam_mcp_client"]
    bars = {
        "stdlib http.client": "ours / it <= 1.3",
        "httpx": "it / ours >= 2",
        "mcp SDK": "it / ours >= 5",
    }
    print(f"\n{'Python get_job':28}{'us/call':>12}{'ours / it':>12}{'it / ours':>12}   bar")
    for name, value in times.items():
        print(
            f"{name:28}{value:12.0f}{ours / value:12.2f}{value / ours:12.2f}   {bars.get(name, '')}"
        )


if __name__ == "__main__":
    sys.exit(main())
