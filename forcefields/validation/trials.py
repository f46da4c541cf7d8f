"""Trial packs of a calibration: a pack with another charge scale and other repulsions."""

import tomllib
from importlib import resources
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator

from halobind.forcefields.packs.pack import BondIncrement, Pack
from halobind.forcefields.validation.check_rows import Check
from halobind.forcefields.validation.pocket import heads_of
from halobind.forcefields.validation.suite import bulk_checks, checks, pocket_pmf

SOLVENT = "acetone"


class Trial(BaseModel):
    """The numbers of one trial."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    charge_scale: float = Field(gt=0, le=1)
    """The charge scale."""
    repulsion: dict[str, Annotated[float, Field(gt=0, le=10)]] = Field(default_factory=dict)
    """Factors of the repulsion A of pairs of the source; 1 where a pair is not named."""

    @property
    def label(self) -> str:
        """What it is, as a heading and a folder."""
        factors = [f"{pair}x{factor:g}" for pair, factor in self.repulsion.items()]
        return "_".join([f"s{self.charge_scale:g}", *factors])


class Trials(BaseModel):
    """The content of forcefields/data/calibration.toml."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    source_A: dict[str, Annotated[float, Field(gt=0)]] = Field(min_length=1)
    """A of each pair that trials change, as its source gives it, in the unit of the table."""
    trial: tuple[Trial, ...] = Field(min_length=1)
    """The trials."""

    @model_validator(mode="after")
    def _known(self) -> "Trials":
        unknown = sorted(
            {pair for trial in self.trial for pair in trial.repulsion} - set(self.source_A)
        )
        if unknown:
            raise ValueError(f"trials change {', '.join(unknown)}, which source_A does not name")
        return self


def load_trials() -> Trials:
    """The trials that are shipped."""
    path = resources.files("halobind.forcefields") / "data" / "calibration.toml"
    return Trials(**tomllib.loads(path.read_text(encoding="utf-8")))


def trial_pack(
    pack: Pack, trial: Trial, trials: Trials, lattice_nm: dict[str, float] | None = None
) -> Pack:
    """A pack with the numbers of a trial.

    Args:
        pack: The pack to change.
        trial: The trial.
        trials: The file that it is from.
        lattice_nm: Lattice constants in nm that the trial has been measured to have.

    Raises:
        ValueError: The pack has no bond increments, or one of the pairs is missing.
    """
    buckingham = [table for table in pack.table if table.form == "buckingham"]
    missing = set(trials.source_A) - {pair for table in buckingham for pair in table.pairs}
    if not isinstance(pack.charges, BondIncrement) or missing:
        pairs = ", ".join(sorted(missing or trials.source_A))
        raise ValueError(
            f"force field {pack.name!r} has no bond increments or no Buckingham row {pairs}, so"
            " there is nothing to calibrate"
        )
    repulsion = {pair: A * trial.repulsion.get(pair, 1.0) for pair, A in trials.source_A.items()}
    tables = []
    for table in pack.table:
        pairs_of_table = {
            pair: (repulsion.get(pair, row[0]), *row[1:]) for pair, row in table.pairs.items()
        }
        tables.append(table.model_copy(update={"pairs": pairs_of_table}))
    charges = pack.charges.model_copy(update={"charge_scale": trial.charge_scale})
    lattice = {**pack.lattice_nm, **(lattice_nm or {})}
    return pack.model_copy(
        update={"charges": charges, "table": tuple(tables), "lattice_nm": lattice}
    )


def bulk_part(pack: Pack) -> list[Check]:
    """The checks of the bulk of every perovskite: its lattice constant has to be known first."""
    return [check for perovskite in pack.lattice_nm for check in bulk_checks(perovskite, True)]


def surface_part(pack: Pack) -> list[Check]:
    """The checks of what is built at the trial's own lattice constants.

    These are slabs, heads, and the free energies of the heads from pocket to solvent.
    """
    surfaces = [check for check in checks(pack, True) if check.name in ("integrity", "heads")]
    return surfaces + [pocket_pmf(head, SOLVENT) for head in heads_of(pack)]
