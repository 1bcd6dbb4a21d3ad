"""`embedded:`: the engine of a server in this process, with records in memory.

It reaches runners over HTTP and has the simulator; it starts no processes, so it has no `direct` runner. What it
knows ends with the process: the jobs themselves do not.
"""

from .transport import EmbeddedTransport

__all__ = ["EmbeddedTransport"]
