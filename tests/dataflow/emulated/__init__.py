"""An emulated Dataflow, made from Google's discovery document. Nothing it says is about the real service."""

from emulated.faults import Fault, Faults
from emulated.server import Emulator
from emulated.service import Service

__all__ = ["Emulator", "Fault", "Faults", "Service"]
