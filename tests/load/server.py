"""The server under load: started with a configuration, asked by rigs, stopped by itself at the end."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import tempfile
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from http1 import Client


class Running:
    """A server process."""

    def __init__(self, process: asyncio.subprocess.Process, port: int, folder: Path) -> None:
        self.process, self.port, self.folder = process, port, folder
        self.client = Client(port)

    async def ok(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        """The data of an answer that must be a success."""
        answer = await self.client.call(method, path, body, **headers)
        if answer.status >= 300:
            raise AssertionError(f"{method} {path}: {answer.status} {answer.body.decode()}")
        return json.loads(answer.body)["data"]

    async def metric(self, name: str) -> float:
        """One value of /metrics, summed over its labels."""
        text = (await self.client.call("GET", "/metrics")).body.decode()
        lines = (line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
        return sum(float(value) for key, value in lines if key.split("{")[0] == name)

    async def stop(self, limit: float = 30) -> float:
        """Asks it to stop; seconds until it was gone."""
        began = asyncio.get_running_loop().time()
        self.process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(limit):
            await self.process.wait()
        return asyncio.get_running_loop().time() - began


def jar(folder: Path) -> Path:
    """A jar with a main class, which is all that is looked at here."""
    path = folder / "job.jar"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("META-INF/MANIFEST.MF", "Manifest-Version: 1.0\nMain-Class: Job\n")
        archive.writestr("Job.class", b"\xca\xfe\xba\xbe")
    return path


@contextlib.asynccontextmanager
async def serving(config: dict[str, Any], folder: Path | None = None, port: int = 0) -> AsyncIterator[Running]:
    """A server in a folder of its own, or in one that is given; killed at the end if it has not stopped."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = folder or Path(temporary)
        ready, file = folder / "ready", folder / "config.json"
        ready.unlink(missing_ok=True)
        file.write_text(json.dumps(config), encoding="utf-8")
        log = (folder / "log").open("ab")
        command = [
            os.environ["BEAM_MCP_SERVER"], "serve", "--config", str(file), "--store-path", str(folder / "store"),
            "--root", str(folder), "--port", str(port), "--log", "warn", "--ready-file", str(ready),
        ]
        process = await asyncio.create_subprocess_exec(*command, stdout=log, stderr=log)
        try:
            async with asyncio.timeout(30):
                while not ready.exists():
                    if process.returncode is not None:
                        raise AssertionError((folder / "log").read_text())
                    await asyncio.sleep(0.02)
            yield Running(process, int(ready.read_text()), folder)
        finally:
            log.close()
            if process.returncode is None:
                process.kill()
                await process.wait()
