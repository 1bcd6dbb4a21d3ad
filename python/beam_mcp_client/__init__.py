"""Run Apache Beam jobs through a beam-mcp server.

    from beam_mcp_client import MCPClient

    with MCPClient("http://127.0.0.1:8888") as client:
        job_id = client.submit_job(name="words", runner="direct", code_path="wordcount.py")
        print(client.wait_for_job(job_id).state)

`MCPClient` waits for its answers, `BeamMCPClient` is awaited; they have the same methods.
"""

from . import errors
from ._core import __version__
from .aio import AsyncClient, BeamMCPClient
from .client import Client, MCPClient
from .context import MCPContext
from .errors import (
    APIError,
    AuthError,
    BeamMCPError,
    CancelledError,
    ConflictError,
    DeadlineError,
    FailedPreconditionError,
    JobFailedError,
    MCPError,
    MisuseError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    UnavailableError,
    UnsupportedError,
    ValidationError,
)
from .http1 import HttpTransport
from .refs import Artifact, JobRef, Savepoint
from .results import (
    Change,
    Changed,
    Checkpoints,
    ExecutionContext,
    Graph,
    Job,
    LogEntry,
    LogList,
    Metrics,
    Operation,
    Page,
    Plan,
    Result,
    Runner,
)
from .transport import AsyncTransport, Fault, HttpRequest, HttpResponse, Transport

__all__ = [
    "APIError",
    "Artifact",
    "AsyncClient",
    "AsyncTransport",
    "AuthError",
    "BeamMCPClient",
    "BeamMCPError",
    "CancelledError",
    "Change",
    "Changed",
    "Checkpoints",
    "Client",
    "ConflictError",
    "DeadlineError",
    "ExecutionContext",
    "FailedPreconditionError",
    "Fault",
    "Graph",
    "HttpRequest",
    "HttpResponse",
    "HttpTransport",
    "Job",
    "JobFailedError",
    "JobRef",
    "LogEntry",
    "LogList",
    "MCPClient",
    "MCPContext",
    "MCPError",
    "Metrics",
    "MisuseError",
    "NotFoundError",
    "Operation",
    "Page",
    "PermissionDeniedError",
    "Plan",
    "RateLimitError",
    "Result",
    "Runner",
    "Savepoint",
    "Transport",
    "UnavailableError",
    "UnsupportedError",
    "ValidationError",
    "__version__",
    "errors",
]
