"""Trial packs of a calibration: the default pack with another charge scale and Pb-Br repulsion, from calibration.toml."""

import tomllib
from importlib import resources

from pydantic import BaseModel, ConfigDict, Field

from forcefields.packs import BondIncrement, Pack
from forcefields.validation.pocket import heads_of
from forcefields.validation.rows import Check
from forcefields.validation.suite import bulk_checks, checks, pocket_pmf

SOLVENT = "acetone"


class Trial(BaseModel):
    """One row: the charge scale, and what the source's Pb-Br repulsion is multiplied by."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    charge_scale: float = Field(gt=0, le=1)
    repulsion: float = Field(gt=0, le=2)

    @property
    def label(self) -> str:
        """What it is, as a heading and a folder."""
        return f"s{self.charge_scale:g}-A{self.repulsion:g}"


class Trials(BaseModel):
    """calibration.toml: the listed pair that is softened, its repulsion in the source (eV), and the trials."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    pair: str
    source_A: float = Field(gt=0)
    trial: tuple[Trial, ...] = Field(min_length=1)


def load_trials() -> Trials:
    """The trials that are shipped."""
    return Trials(**tomllib.loads((resources.files("forcefields") / "calibration.toml").read_text(encoding="utf-8")))


def trial_pack(pack: Pack, trial: Trial, trials: Trials, lattice_nm: dict[str, float] | None = None) -> Pack:
    """`pack` with the numbers of the trial, and other lattice constants where they have been measured.

    Raises ValueError for a pack without bond increments or without the pair.
    """
    if not isinstance(pack.charges, BondIncrement) or not any(trials.pair in table.pairs for table in pack.table):
        raise ValueError(f"force field {pack.name!r} has no bond increments or no {trials.pair} row, so there is nothing to calibrate")
    tables = []
    for table in pack.table:
        pairs = dict(table.pairs)
        if trials.pair in pairs:
            pairs[trials.pair] = (trials.source_A * trial.repulsion, *pairs[trials.pair][1:])
        tables.append(table.model_copy(update={"pairs": pairs}))
    charges = pack.charges.model_copy(update={"charge_scale": trial.charge_scale})
    lattice = {**pack.lattice_nm, **(lattice_nm or {})}
    return pack.model_copy(update={"charges": charges, "table": tuple(tables), "lattice_nm": lattice})


def bulk_part(pack: Pack) -> list[Check]:
    """What has to be known first: lattice constants (and elastic constants, which do not need them) of every perovskite."""
    return [check for perovskite in pack.lattice_nm for check in bulk_checks(perovskite, True)]


def surface_part(pack: Pack) -> list[Check]:
    """What is built at the trial's own lattice constants: slabs, heads, and the free energies of the heads from pocket to solvent."""
    found = [check for check in checks(pack, True) if check.name in ("integrity", "heads")]
    return found + [pocket_pmf(head, SOLVENT) for head in heads_of(pack)]
