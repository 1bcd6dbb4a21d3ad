"""Flows of the beam-mcp core, stepped by Python. Checked against the binary by the tests (stubtest)."""

from typing import Final, Literal, final

__all__ = [
    "Connection",
    "Engine",
    "Flow",
    "__version__",
    "error_table",
    "route",
    "routes",
    "start_client",
]

__version__: Final[str]

@final
class Flow:
    """A sequence of effects; see the contract in `beam_mcp_client.drive`."""

    @property
    def must_finish(self) -> bool:
        """True once an intent is durable: drive the flow to its end even when its caller is gone."""

    def step(
        self, mono_ms: int, wall_ms: int, reply: str | None = None, parts: list[bytes] = ...
    ) -> tuple[Literal["effect", "done", "failed"], str, list[bytes]]:
        """Advances with the reply to the last effect (none the first time)."""

@final
class Connection:
    """A connection to any MCP server: what its calls share."""

    def __new__(cls, options: str) -> Connection:
        """A connection with options as JSON. Nothing is sent yet. Raises `ValueError`."""

    def start(self, verb: str, input: str, random: bytes, deadline_ms: int | None = None) -> Flow:
        """Starts a call; `random` is 32 fresh random bytes."""

def route(line: str) -> int | None:
    """Whose line of a server behind a pipe it is: the id of a request, 0 for anyone, -1 for whoever reads next (a
    question of the server's), `None` for no message."""

@final
class Engine:
    """The engine of a server, in this process: for `embedded:`."""

    def __new__(cls, config: str, host: str) -> Engine:
        """An engine for a configuration document on a host, both as JSON. Raises `ValueError` with an error object."""

    def handle(self, request: str, body: bytes, random: bytes, deadline_ms: int) -> Flow:
        """Answers an HTTP request; the flow ends with `{status, headers, body: {"part": 0}}` and the body."""

    def run(self, verb: str, input: str, random: bytes, deadline_ms: int) -> Flow:
        """Runs a verb; the flow ends with its output."""

    def tick(self, random: bytes, deadline_ms: int) -> Flow:
        """One round of the reconciler; the flow ends with the milliseconds until the next."""

    def targets(self) -> str:
        """The configured targets by name, as JSON."""

    def body_rule(self, method: str, path: str) -> tuple[Literal["buffer", "stage"], int]:
        """What to do with a request's body, and the most bytes."""

def start_client(
    verb: str,
    input: str,
    options: str,
    random: bytes,
    labels: tuple[str | None, str | None, str | None, str | None] = ...,
    deadline_ms: int | None = None,
    connection: Connection | None = None,
) -> Flow:
    """Starts a call of a beam-mcp server, or of the tools behind a connection; `random` is 32 fresh random bytes."""

def error_table() -> list[tuple[str, int, int | None, str, str, int]]:
    """Code, HTTP status, JSON-RPC code, Python class, JavaScript name and exit code of every kind."""

def routes() -> list[tuple[str, str]]:
    """Verb and path of every call a client can make."""
