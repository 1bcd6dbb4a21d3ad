"""Names of `typing` that the oldest supported Python lacks; annotations can be evaluated on every version."""

from __future__ import annotations

import typing
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing_extensions import Self, Unpack
else:
    Self = getattr(typing, "Self", typing.Any)
    Unpack = getattr(typing, "Unpack", typing.Optional)

__all__ = ["Self", "Unpack"]
