"""Makes `beam_mcp_client/aio.py` from `client.py`: the same methods, awaited.

python python/generate.py           writes it
python python/generate.py --check   exits 1 when it is not what would be written
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
    "return drive(": "return (await adrive(",
    "sources))[0]": "sources)))[0]",
    "Iterator": "AsyncIterator",
    "__enter__": "__aenter__",
    "__exit__": "__aexit__",
    "for job in self.watch_job": "async for job in self.watch_job",
}  # fmt: skip
PLAIN = ("_connect", "create_context")


def asynchronous(source: str) -> str:
    """The text of `aio.py`."""
    for old, new in WORDS.items():
        if old not in source:
            raise SystemExit(f"client.py has no {old!r} any more")
        source = source.replace(old, new)
    names = "|".join(map(re.escape, AWAITED))
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
    target = PACKAGE / "aio.py"
    text = asynchronous((PACKAGE / "client.py").read_text())
    if "--check" in sys.argv:
        return 0 if target.read_text() == text else 1
    target.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
