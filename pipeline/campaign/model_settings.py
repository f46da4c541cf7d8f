"""What a campaign file says of the model: the sections [model] and [ligands.NAME].

They become the settings of the builder.
"""

import math
from collections.abc import Callable, Iterable
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
    check_ion_ligand,
)
from halobind.structures.molecules.limits import check_size, shown
from halobind.structures.molecules.user_ligands import any_isomer, check_format, ligand_from_file

VACUUM = "vacuum"
MAX_UNIT_CELLS = 100_000
MAX_DISSOLVED = 10_000


class Section(BaseModel):
    """A section of a campaign file: no unknown keys, no conversion of types, no change later."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


def name_check(registry: Iterable[str]) -> Callable[[str], str]:
    """A validator that takes the names of `registry` only."""
    names = tuple(registry)

    def check(value: str) -> str:
        if value not in names:
            raise ValueError(f"there is no {shown(value)}; choose one of {', '.join(names)}")
        return value

    return check


class LigandSection(Section):
    """A ligand of the user, [ligands.NAME]: give either `smiles` or `file`."""

    smiles: str | None = None
    """The molecule as SMILES."""
    file: str | None = None
    """A mol2 or sdf file, beside the campaign file; order and names of its atoms are kept."""
    mode: Literal["cation", "anion", "donor", "zwitterion"]
    """How it binds, a key of MODES."""
    charge: int
    """Its charge (e)."""
    heads: list[str] = Field(default_factory=list)
    """SMARTS patterns of the groups that bind; empty for those of the mode."""
    stereo: Literal["any"] | None = None
    """Set to "any" to take the first stereoisomer where the structure does not say which it is."""

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

    def ligand(self, name: str, folder: Path) -> Ligand:
        """The ligand as the builder takes it.

        Args:
            name: its name in the campaign file.
            folder: where `file` is looked up.

        Raises:
            ValueError, OSError: the file is bad or missing.
        """
        heads = tuple(self.heads)
        if self.file is not None:
            ligand = ligand_from_file(folder / self.file, self.mode, self.charge, heads)
        elif self.smiles is not None:
            check_format(self.smiles)
            ligand = Ligand(self.smiles, self.mode, self.charge, name, heads)
        else:
            raise ValueError("give either smiles or file")
        return any_isomer(name, ligand) if self.stereo == "any" else ligand


class LigandRecord(Section):
    """A ligand of the user as a run records it: everything the builder needs, no files."""

    smiles: str
    mode: str
    charge: int
    heads: list[str]
    molblock: str
    """The molecule as a MOL block, where it came from a file."""
    names: list[str]
    """Names of its atoms, where it came from a file."""

    @property
    def ligand(self) -> Ligand:
        """The ligand as the builder takes it."""
        return Ligand(
            self.smiles,
            self.mode,
            self.charge,
            self.smiles,
            tuple(self.heads),
            self.molblock,
            tuple(self.names),
        )


def ligand_record(ligand: Ligand) -> LigandRecord:
    """What a run records of a ligand of the user."""
    return LigandRecord(
        smiles=ligand.smiles,
        mode=ligand.mode,
        charge=ligand.charge,
        heads=list(ligand.heads),
        molblock=ligand.molblock,
        names=list(ligand.names),
    )


class ModelSection(Section):
    """What is in the box."""

    perovskite: str
    """The crystal, a key of PEROVSKITES."""
    shape: str = "slab"
    """Slab, cuboid or molecular, one of SHAPES."""
    cells: str = Field(pattern=r"^[1-9]\d{0,2}x[1-9]\d{0,2}x[1-9]\d{0,2}$")
    """Unit cells along x, y and z, for example "4x4x3"."""
    termination: str = "AX"
    """The layer at the faces of the crystal, one of TERMINATIONS."""
    vacancies: str = "corner"
    """Kind of A site that a cuboid empties first where it has too many, one of KINDS."""
    ligand: str | None = None
    """The ligand that is sampled, or the A cation of the crystal, which then leaves its site."""
    site: str = "face"
    """Kind of site that it binds to, one of KINDS."""
    faces: Literal[1, 2] = 1
    """Number of faces of a slab that carry a sampled ligand."""
    coating: dict[str, dict[str, int | float]] = Field(default_factory=dict)
    """Other ligands: kind of site -> name -> number, or fraction of the sites."""
    pattern: str = "uniform"
    """How the coating is spread over its sites, one of PATTERNS."""
    solvent: str | dict[str, float]
    """Name of a solvent, "vacuum", or the volume fraction of each solvent of a mixture."""
    dissolved: dict[str, int] = Field(default_factory=dict)
    """Molecules and ions in the solvent: name -> number."""
    gap_nm: Annotated[float, Field(gt=0, le=50, allow_inf_nan=False)]
    """Room for the solvent along the normal (nm)."""

    @field_validator("cells")
    @classmethod
    def _size(cls, value: str) -> str:
        n_cells = math.prod(int(n) for n in value.split("x"))
        check_size(f"{n_cells} unit cells", n_cells, MAX_UNIT_CELLS, "HALOBIND_MAX_UNIT_CELLS")
        return value

    @field_validator("dissolved")
    @classmethod
    def _amount(cls, value: dict[str, int]) -> dict[str, int]:
        count = sum(value.values())
        check_size(f"{count} dissolved", count, MAX_DISSOLVED, "HALOBIND_MAX_DISSOLVED")
        return value

    _perovskite = field_validator("perovskite")(name_check(PEROVSKITES))
    _shape = field_validator("shape")(name_check(SHAPES))
    _termination = field_validator("termination")(name_check(TERMINATIONS))
    _vacancies = field_validator("vacancies")(name_check(KINDS))
    _site = field_validator("site")(name_check(KINDS))
    _pattern = field_validator("pattern")(name_check(PATTERNS))

    @field_validator("solvent")
    @classmethod
    def _solvent(cls, value: str | dict[str, float]) -> str | dict[str, float]:
        if isinstance(value, str):
            name_check((*SOLVENTS, VACUUM))(value)
            return value
        for name in value:
            name_check(SOLVENTS)(name)
        return value

    @property
    def cells_xyz(self) -> tuple[int, int, int]:
        """Unit cells along x, y and z."""
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
        if isinstance(self.solvent, str):
            return self.solvent
        return "+".join(f"{name}{part:g}" for name, part in sorted(self.solvent.items()))

    @property
    def ligand_names(self) -> tuple[str, ...]:
        """Every ligand of the model, the sampled one first; dissolved ions are not among them."""
        coats = [name for kind in self.coating.values() for name in kind]
        names = [*([self.ligand] if self.ligand else []), *coats, *self.dissolved]
        return tuple(dict.fromkeys(name for name in names if name not in ION_CHARGES))

    @property
    def label(self) -> str:
        """The name of the model: perovskite, shape, ligand or "bare" or "coated", solvent."""
        ligand = self.ligand or ("coated" if self.coating else "bare")
        return f"{self.perovskite}-{self.shape}-{ligand}-{self.solvent_label}"

    def spec(
        self, lattice_nm: float, user_ligands: dict[str, Ligand], seed: int, leaving: str
    ) -> ModelSpec:
        """The settings of the builder.

        Args:
            lattice_nm: lattice constant of the force-field pack (nm).
            user_ligands: the ligands of the user by name; those that the model names are taken.
            seed: seed of everything that the builder draws.
            leaving: how the ligand leaves, see CoordinateSection.
        """
        crystal = CrystalSpec(
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
            for kind, amounts in self.coating.items()
            for name, amount in amounts.items()
        )
        return ModelSpec(
            crystal=crystal,
            ligand=self.ligand,
            site=self.site,
            solvent=tuple(self.recipe.items()),
            gap_nm=self.gap_nm,
            coating=coats,
            pattern=self.pattern,
            dissolved=tuple(self.dissolved.items()),
            user_ligands=tuple(
                (name, ligand) for name, ligand in user_ligands.items() if name in self.ligand_names
            ),
            faces=self.faces,
            leaving=leaving,
        )


def unknown_ligand(section: ModelSection, user_ligands: dict[str, Ligand]) -> str | None:
    """A sentence on the first ligand of the model that cannot be one; None where there is none.

    Args:
        section: the model.
        user_ligands: the ligands of the user by name; the catalogue is known too.
    """
    if section.ligand in ION_CHARGES:
        try:
            check_ion_ligand(section.ligand, section.perovskite)
        except ValueError as error:
            return f"ligand = {section.ligand!r}: {error}"
    known = (*LIGANDS, *user_ligands)
    for name in section.ligand_names:
        if name not in known:
            return (
                f"{_key_of(section, name)} = {shown(name)}: there is no {shown(name)};"
                " choose one of"
                f" {', '.join(known)}, or give its SMILES in [ligands.{shown(name)[1:-1]}]"
            )
    return None


def _key_of(section: ModelSection, name: str) -> str:
    """The key of the section under which a ligand stands."""
    if name == section.ligand:
        return "ligand"
    return "dissolved" if name in section.dissolved else "coating"
