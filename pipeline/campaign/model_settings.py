"""What a campaign file says of the model: the sections [model] and [ligands.NAME], and the
builder's settings they become.
"""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from halobind.structures.assembly.build import ModelSpec
from halobind.structures.crystals.coating import PATTERNS, Coat
from halobind.structures.crystals.crystal import KINDS, SHAPES, TERMINATIONS, CrystalSpec
from halobind.structures.molecules.catalogue import (
    ION_CHARGES,
    LIGANDS,
    MODES,
    PEROVSKITES,
    SOLVENTS,
    Ligand,
)
from halobind.structures.molecules.user_ligands import ligand_from_file

VACUUM = "vacuum"


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


def row_of(registry: object):
    names = tuple(registry)

    def check(value: str) -> str:
        if value not in names:
            raise ValueError(f"there is no {value!r}; choose one of {', '.join(names)}")
        return value

    return check


class LigandSection(Section):
    """A ligand of the campaign's own: `smiles`, or `file` (mol2, sdf; atom order and names are
    kept), how it binds, its charge in e.
    """

    smiles: str | None = None
    file: str | None = None
    mode: Literal["cation", "anion", "donor", "zwitterion"]
    charge: int
    heads: list[str] = Field(default_factory=list)

    @model_validator(mode="after")
    def _one_source(self) -> "LigandSection":
        if (self.smiles is None) == (self.file is None):
            raise ValueError("give either smiles or file")
        if self.heads and len(self.heads) != len(MODES[self.mode].heads):
            raise ValueError(
                f"heads = {self.heads}: a {self.mode} has {len(MODES[self.mode].heads)}, one SMARTS"
                " pattern each"
            )
        return self

    def row(self, name: str, folder: Path) -> Ligand:
        """The ligand as the builder takes it; a file is looked up from `folder`. Raises ValueError
        and OSError for a bad file.
        """
        if self.file is not None:
            return ligand_from_file(folder / self.file, self.mode, self.charge, tuple(self.heads))
        return Ligand(self.smiles, self.mode, self.charge, name, tuple(self.heads))


class OwnLigand(Section):
    """A ligand of the campaign's own as a run records it: everything the builder needs, no files."""

    smiles: str
    mode: str
    charge: int
    heads: list[str]
    molblock: str
    names: list[str]

    @property
    def row(self) -> Ligand:
        return Ligand(
            self.smiles,
            self.mode,
            self.charge,
            self.smiles,
            tuple(self.heads),
            self.molblock,
            tuple(self.names),
        )


def own_ligand(row: Ligand) -> OwnLigand:
    return OwnLigand(
        smiles=row.smiles,
        mode=row.mode,
        charge=row.charge,
        heads=list(row.heads),
        molblock=row.molblock,
        names=list(row.names),
    )


class ModelSection(Section):
    """What is in the box."""

    perovskite: str
    shape: str = "slab"
    cells: str = Field(pattern=r"^[1-9]\d{0,2}x[1-9]\d{0,2}x[1-9]\d{0,2}$")
    termination: str = "AX"
    vacancies: str = "corner"
    ligand: str | None = None
    site: str = "face"
    faces: Literal[1, 2] = 1
    coating: dict[str, dict[str, int | float]] = Field(default_factory=dict)
    pattern: str = "uniform"
    solvent: str | dict[str, float]
    dissolved: dict[str, int] = Field(default_factory=dict)
    gap_nm: Annotated[float, Field(gt=0, le=50, allow_inf_nan=False)]

    _perovskite = field_validator("perovskite")(row_of(PEROVSKITES))
    _shape = field_validator("shape")(row_of(SHAPES))
    _termination = field_validator("termination")(row_of(TERMINATIONS))
    _vacancies = field_validator("vacancies")(row_of(KINDS))
    _site = field_validator("site")(row_of(KINDS))
    _pattern = field_validator("pattern")(row_of(PATTERNS))

    @field_validator("solvent")
    @classmethod
    def _solvent(cls, value: str | dict[str, float]) -> str | dict[str, float]:
        for name in [value] if isinstance(value, str) else value:
            row_of((*SOLVENTS, VACUUM) if isinstance(value, str) else SOLVENTS)(name)
        return value

    @property
    def cells_xyz(self) -> tuple[int, int, int]:
        nx, ny, nz = (int(n) for n in self.cells.split("x"))
        return nx, ny, nz

    @property
    def recipe(self) -> dict[str, float]:
        """Volume fraction of each solvent; empty for vacuum."""
        if isinstance(self.solvent, str):
            return {} if self.solvent == VACUUM else {self.solvent: 1.0}
        return dict(self.solvent)

    @property
    def solvent_label(self) -> str:
        """The solvent in one word: "toluene", "vacuum", "acetone0.2+toluene0.8"."""
        return (
            self.solvent
            if isinstance(self.solvent, str)
            else "+".join(f"{name}{part:g}" for name, part in sorted(self.solvent.items()))
        )

    @property
    def ligand_names(self) -> tuple[str, ...]:
        """Every ligand the model names, the one that is sampled first; ions dissolved in the
        solvent are not among them.
        """
        coats = [name for kind in self.coating.values() for name in kind]
        names = [*([self.ligand] if self.ligand else []), *coats, *self.dissolved]
        return tuple(dict.fromkeys(name for name in names if name not in ION_CHARGES))

    @property
    def label(self) -> str:
        """What a run of this model is called: perovskite, shape, ligand or "bare" or "coated",
        solvent.
        """
        ligand = self.ligand or ("coated" if self.coating else "bare")
        return f"{self.perovskite}-{self.shape}-{ligand}-{self.solvent_label}"

    def spec(self, lattice_nm: float, own: dict[str, Ligand], seed: int, leaving: str) -> ModelSpec:
        """The builder's settings; the lattice constant comes from the force-field pack, how the
        ligand leaves from the coordinate.
        """
        cut = CrystalSpec(
            self.perovskite,
            self.shape,
            self.cells_xyz,
            self.termination,
            lattice_nm,
            self.vacancies,
            seed,
        )
        coats = tuple(
            Coat(kind, name, amount)
            for kind, found in self.coating.items()
            for name, amount in found.items()
        )
        return ModelSpec(
            crystal=cut,
            ligand=self.ligand,
            site=self.site,
            solvent=tuple(self.recipe.items()),
            gap_nm=self.gap_nm,
            coating=coats,
            pattern=self.pattern,
            dissolved=tuple(self.dissolved.items()),
            user_ligands=tuple(
                (name, row) for name, row in own.items() if name in self.ligand_names
            ),
            faces=self.faces,
            leaving=leaving,
        )


def unknown_ligand(section: ModelSection, own: dict[str, Ligand]) -> str | None:
    """One sentence on the first ligand of the model that is neither a row nor the campaign's own;
    None when there is none.
    """
    known = (*LIGANDS, *own)
    for name in section.ligand_names:
        if name not in known:
            key = (
                "ligand"
                if name == section.ligand
                else "dissolved"
                if name in section.dissolved
                else "coating"
            )
            return (
                f"{key} = {name!r}: there is no {name!r}; choose one of {', '.join(known)}, or give"
                f" its SMILES in [ligands.{name}]"
            )
    return None
