"""Parts of a campaign: how its windows, or its runs, are dealt out to the tasks of a job array."""

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True)
class Part:
    """One part of a campaign's windows (or exchange groups), which are dealt out in turn."""

    WHOLE: ClassVar["Part"]
    """Everything, in one part."""
    index: int
    """Which part, from 0."""
    count: int
    """How many parts there are."""
    prepare: bool = False
    """Deal out runs instead of windows, and make only what comes before their windows."""

    def __str__(self) -> str:
        """As it is typed: "2/4" is the second of four parts."""
        return f"{self.index + 1}/{self.count}"


Part.WHOLE = Part(0, 1)
