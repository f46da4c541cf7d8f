"""Force-field packs: one readable TOML file each, checked when loaded and turned into one unit system (nm, kJ/mol, e)."""

import hashlib
import tomllib
from collections.abc import Iterable
from importlib import resources
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

KJ_PER_EV = 96.48533212
KJ_PER_KCAL = 4.184
ENERGY = {"eV": KJ_PER_EV, "kcal/mol": KJ_PER_KCAL, "kJ/mol": 1.0}
LENGTH = {"angstrom": 0.1, "nm": 1.0}

PACKS_FOLDER = resources.files("forcefields") / "packs"
MOLECULES_FOLDER = resources.files("forcefields") / "molecules"
FORCEFIELDS = tuple(sorted(item.name.removesuffix(".toml") for item in PACKS_FOLDER.iterdir() if item.name.endswith(".toml")))


class _Row(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ChargeRule(_Row):
    """How ions get their charge: increment `t` (e) a bond, bonds shorter than `bond_nm`, everything charged times `charge_scale`."""

    rule: Literal["bond-increment"]
    t: float = Field(ge=0, lt=0.5)
    charge_scale: float = Field(gt=0, le=1)
    bond_nm: float = Field(gt=0.2, lt=0.5)
    source: str


class PairTable(_Row):
    """Pair parameters in the units of their source; buckingham: (A, rho, C), lennard-jones: (epsilon, sigma)."""

    form: Literal["buckingham", "lennard-jones"]
    energy: Literal["eV", "kcal/mol", "kJ/mol"]
    length: Literal["angstrom", "nm"]
    source: str
    pairs: dict[str, tuple[float, ...]]


class Mixing(_Row):
    """Ion Lennard-Jones (epsilon, sigma) for pairs that no table lists."""

    energy: Literal["eV", "kcal/mol", "kJ/mol"]
    length: Literal["angstrom", "nm"]
    source: str
    ions: dict[str, tuple[float, float]]


class Pack(_Row):
    """One force field for perovskite, ligand and solvent, every number with its source."""

    name: str
    title: str
    organics: str
    halides: tuple[str, ...]
    metals: tuple[str, ...]
    a_sites: tuple[str, ...]
    terminations: tuple[str, ...]
    modes: tuple[str, ...]
    charges: ChargeRule
    formal: dict[str, int]
    lattice_nm: dict[str, float]
    organic_class: dict[str, str]
    table: tuple[PairTable, ...]
    mixing: Mixing

    def check_covers(self, perovskite: str, termination: str, mode: str) -> None:
        """Raise ValueError naming what this pack has no parameters for."""
        if perovskite not in self.lattice_nm:
            raise ValueError(f"force field {self.name!r} has no parameters for {perovskite}; it has {', '.join(self.lattice_nm)}")
        if termination not in self.terminations:
            raise ValueError(f"force field {self.name!r} is not made for {termination} surfaces; it is for {', '.join(self.terminations)}")
        if mode not in self.modes:
            raise ValueError(f"force field {self.name!r} is not made for a ligand bound as {mode}; it is for {', '.join(self.modes)}")

    def check_ions(self, names: Iterable[str]) -> None:
        """Raise ValueError naming the first ion (element) that this pack does not know."""
        for name in names:
            if name not in self.formal:
                raise ValueError(f"force field {self.name!r} has no parameters for the ion {name}; it has {', '.join(self.formal)}")


def load_pack(name: str) -> Pack:
    """The pack of that name. Raises KeyError for an unknown name and pydantic's ValidationError for a broken file."""
    if name not in FORCEFIELDS:
        raise KeyError(f"no force field {name!r}; there are {', '.join(FORCEFIELDS)}")
    return Pack(**tomllib.loads((PACKS_FOLDER / f"{name}.toml").read_text(encoding="utf-8")))


def molecule_file(name: str, own: Path | None = None) -> Path:
    """The OpenMM ForceField XML of a molecule: the shipped one of a row, otherwise that in `own`, the folder of a campaign's own ligands.

    Raises FileNotFoundError naming it when there is none.
    """
    path = Path(str(MOLECULES_FOLDER / f"{name}.xml"))
    if path.is_file():
        return path
    if own is not None and (own / f"{name}.xml").is_file():
        return own / f"{name}.xml"
    raise FileNotFoundError(f"no force-field file for {name!r} ({path.name}); make it with: python -m forcefields.parametrize {name}")


def checksums(pack: str, molecules: tuple[str, ...], own: Path | None = None) -> dict[str, str]:
    """sha256 of the pack file and of each molecule file (see molecule_file): they are part of the identity of a run."""
    files = {f"packs/{pack}.toml": Path(str(PACKS_FOLDER / f"{pack}.toml"))}
    files |= {f"molecules/{name}.xml": molecule_file(name, own) for name in molecules}
    return {label: hashlib.sha256(path.read_bytes()).hexdigest() for label, path in files.items()}
