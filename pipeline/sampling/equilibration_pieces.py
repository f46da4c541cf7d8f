"""Equilibration: warm-up, constant pressure along the normal, constant volume at mean height."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import numpy as np

from halobind.forcefields.hamiltonian.dispersion_tail import tail_pressure_bar
from halobind.pipeline.campaign.run_directory import Run, reading
from halobind.pipeline.campaign.settings import RunSpec
from halobind.pipeline.sampling.md_leg import Leg, MDState
from halobind.pipeline.sampling.product import PREPARE
from halobind.pipeline.sampling.run_context import RunContext, final_state, unbiased_leg
from halobind.pipeline.sampling.segment_files import write_segment

COLD_K = 50.0  # where the warm-up begins


@dataclass(frozen=True)
class EquilibrationPiece:
    """One piece of the equilibration; it starts where the one before it ended."""

    number: int
    """From 0."""
    kind: str
    """"warm", "npt" or "nvt"."""
    cost_ps: float
    """Its length."""
    starts_from: str | None
    """The piece before it; None for the built model."""
    settles_after: tuple[str, ...] = ()
    """The earlier constant-pressure pieces, in order, for the last of them: it ends where the box
    has their mean height.
    """
    stage: ClassVar[str] = "equilibrate"
    chain: ClassVar[str] = PREPARE

    @property
    def name(self) -> str:
        """For example "equilibrate/01-npt"."""
        return f"{self.stage}/{self.number:02d}-{self.kind}"

    def make(self, context: RunContext, out: Path) -> None:
        """Run it from where the piece before it ended."""
        run = context.run
        leg = self._leg(run)
        if self.starts_from is None:
            start = MDState(context.model.positions, None, context.model.box)
        else:
            start = final_state(run, self.starts_from)
        write_segment(context, out, leg, context.run_leg(start, leg, out), {})

    def _leg(self, run: Run) -> Leg:
        spec = run.spec
        leg = replace(
            unbiased_leg(run, self.name),
            duration_ps=self.cost_ps,
            center_nm=(spec.pull.from_nm, spec.pull.from_nm),
            k=spec.pull.k_kJ_mol_nm2,
        )
        if self.kind == "warm":
            return replace(
                leg,
                minimise=True,
                temperature_K=(COLD_K, spec.simulation.temperature_K),
                timestep_fs=spec.simulation.timestep_fs / 2,
            )
        if self.kind == "npt":
            tail_bar = tail_pressure_bar(spec.model.recipe, spec.forcefield.cutoff_nm)
            return replace(
                leg,
                pressure_bar=spec.simulation.pressure_bar - tail_bar,
                settle_box_nm=_mean_height(run, self.settles_after) if self.settles_after else None,
            )
        return leg


def equilibration_pieces(spec: RunSpec) -> list[EquilibrationPiece]:
    """All pieces of the equilibration of a run, in order."""
    settings = spec.equilibrate
    # the mean height comes from all constant-pressure pieces but the last, so there are two of them
    n_npt = max(2, round(settings.npt_ps / settings.piece_ps))
    n_nvt = max(1, round(settings.nvt_ps / settings.piece_ps))
    lengths = [("warm", settings.warm_ps)]
    lengths += [("npt", settings.npt_ps / n_npt)] * n_npt
    lengths += [("nvt", settings.nvt_ps / n_nvt)] * n_nvt
    pieces: list[EquilibrationPiece] = []
    for number, (kind, length_ps) in enumerate(lengths):
        starts_from = pieces[-1].name if pieces else None
        earlier: tuple[str, ...] = ()
        if number == n_npt:  # the warm-up is piece 0
            earlier = tuple(piece.name for piece in pieces if piece.kind == "npt")
        pieces.append(EquilibrationPiece(number, kind, length_ps, starts_from, earlier))
    return pieces


def _mean_height(run: Run, pieces: tuple[str, ...]) -> float:
    """Mean box height (nm) over the later two thirds of published constant-pressure pieces."""
    parts = []
    for piece in pieces:
        with reading(run.path(piece)):
            parts.append(np.load(run.path(piece) / "box_z.npy"))
    heights = np.concatenate(parts)
    return float(heights[len(heights) // 3 :].mean())
