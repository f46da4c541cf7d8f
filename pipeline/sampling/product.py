"""What a product is: one directory of a run, published by one rename, in a chain of products."""

from pathlib import Path
from typing import Protocol

from halobind.pipeline.sampling.run_context import RunContext

PREPARE = "prepare"  # the chain of everything that comes before windows and walkers
ROUNDS = "rounds"  # stage and chain of the rounds
PROGRESS_FILE = "progress"  # in a scratch directory: the fraction of the product that is done


class Product(Protocol):
    """One directory to publish: where it stands in its run, what it costs, how it is made."""

    @property
    def stage(self) -> str:
        """The kind of product: "build", "system", "equilibrate", "pull", "windows", ..."""

    @property
    def chain(self) -> str:
        """The chain whose products are made one after the other, under one lock."""

    @property
    def number(self) -> int:
        """Its place, from 0, in its chain, or in its stage for the chain PREPARE."""

    @property
    def name(self) -> str:
        """Its path inside the run, made of the fields above."""

    @property
    def cost_ps(self) -> float:
        """Simulated time (ps) that it counts for in progress and cost."""

    def make(self, context: RunContext, out: Path) -> None:
        """Write its files into the empty directory `out`, which is then published."""
