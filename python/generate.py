"""Makes `beam_mcp_client/aio.py` from `client.py` and `mcp/aio.py` from `mcp/connection.py`: the same methods, awaited.

python python/generate.py           writes them
python python/generate.py --check   exits 1 when one is not what would be written
"""

import re
import subprocess
import sys
from pathlib import Path

PACKAGE = Path(__file__).parent / "beam_mcp_client"
AWAITED = (
    "_run",
    "_host.close",
    "close",
    "create_job",
    "list_jobs",
    "get_metrics",
    "get_logs",
    "wait_for_change",
    "cancel_job",
)
WORDS = {
    "The synchronous client. `aio.py` is made from it by `python/generate.py`: edit here.":
        "The asynchronous client. Made from `client.py` by `python/generate.py`: do not edit.",
    "class MCPClient(": "class BeamMCPClient(",
    "Client = MCPClient": "AsyncClient = BeamMCPClient",
    "Calls a beam-mcp server and waits for the answers. Safe to use from many threads.":
        "Calls a beam-mcp server from an event loop.",
    "with_savepoint = True": "with_savepoint = False",
    "ServerHost": "AsyncServerHost",
    "import drive": "import adrive",
    "return drive(flow, perform)": "return (await adrive(flow, perform))",
    "drive(self._farewell": "await adrive(self._farewell",
    "Iterator": "AsyncIterator",
    "__enter__": "__aenter__",
    "__exit__": "__aexit__",
    "for job in self.watch_job": "async for job in self.watch_job",
}  # fmt: skip
CONNECTION_WORDS = {
    "The synchronous connection. `aio.py` is made from it by `python/generate.py`: edit here.":
        "The asynchronous connection. Made from `connection.py` by `python/generate.py`: do not edit.",
    "class MCPConnection(": "class AsyncMCPConnection(",
    "Calls any MCP server and waits for the answers. Safe to use from many threads.\n":
        "Calls any MCP server from an event loop.\n",
    "import drive, drive_telling": "import adrive, adrive_telling",
    "import closing": "import aclosing",
    "with closing(drive_telling(": "async with aclosing(adrive_telling(",
    "for effect in told": "async for effect in told",
    "= drive(": "= await adrive(",
    "one_call": "one_async_call",
    "Iterator": "AsyncIterator",
    "__enter__": "__aenter__",
    "__exit__": "__aexit__",
}  # fmt: skip
PLAIN = ("_connect",)
MADE = (
    ("client.py", "aio.py", WORDS, AWAITED),
    ("mcp/connection.py", "mcp/aio.py", CONNECTION_WORDS, ("_run", "close")),
)


def asynchronous(name: str, words: dict[str, str], awaited: tuple[str, ...]) -> str:
    """The text of an `aio.py`."""
    source = (PACKAGE / name).read_text()
    for old, new in words.items():
        if old not in source:
            raise SystemExit(f"{name} has no {old!r} any more")
        source = source.replace(old, new)
    names = "|".join(map(re.escape, awaited))
    source = re.sub(rf"(?<![\w.])self\.({names})\(", r"await self.\1(", source)
    source = re.sub(rf"^    def (?!{'|'.join(PLAIN)}\()", "    async def ", source, flags=re.M)
    return subprocess.run(
        [sys.executable, "-m", "ruff", "format", "--stdin-filename", "aio.py", "-"],
        input=source,
        capture_output=True,
        text=True,
        check=True,
    ).stdout


def main() -> int:
    stale = 0
    for name, target, words, awaited in MADE:
        text = asynchronous(name, words, awaited)
        if "--check" in sys.argv:
            stale += (PACKAGE / target).read_text() != text
        else:
            (PACKAGE / target).write_text(text)
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
