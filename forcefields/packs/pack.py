"""Force-field packs: one readable TOML file each, checked when it is loaded."""

import hashlib
import io
import json
import tomllib
from functools import lru_cache
from importlib import resources
from typing import Annotated, Any, Literal
from xml.etree import ElementTree

from pydantic import BaseModel, ConfigDict, Field, model_validator

from halobind.forcefields.packs.molecule_library import SHIPPED_MOLECULES, MoleculeLibrary

KJ_PER_EV = 96.48533212
KJ_PER_KCAL = 4.184
ENERGY = {"eV": KJ_PER_EV, "kcal/mol": KJ_PER_KCAL, "kJ/mol": 1.0}
LENGTH = {"angstrom": 0.1, "nm": 1.0}

PACKS_FOLDER = resources.files("halobind.forcefields") / "data" / "packs"
FORCEFIELDS = tuple(
    sorted(
        item.name.removesuffix(".toml")
        for item in PACKS_FOLDER.iterdir()
        if item.name.endswith(".toml")
    )
)


PACK_PROSE: dict[str, Any] = {  # fields of a pack that are for readers, as pydantic excludes them
    "title": True,
    "organics": True,
    "lattice_source": True,
    "charges": {"source": True},
    "table": {"__all__": {"source": True}},
    "mixing": {"source": True},
}


class _PackPart(BaseModel):
    """A part of a pack file; keys that it does not know are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class BondIncrement(_PackPart):
    """The charge rule by which ions get their charge from bonds."""

    rule: Literal["bond-increment"]
    """Name of the rule."""
    t: float = Field(ge=0, lt=0.5)
    """Charge in e that a halide gets and a metal loses by each bond, before scaling."""
    charge_scale: float = Field(gt=0, le=1)
    """Factor of all charges of ions and of charged molecules."""
    bond_nm: float = Field(gt=0.2, lt=0.5)
    """Distance in nm below which a metal and a halide are bonded."""
    source: str
    """Where the numbers come from."""


class Fixed(_PackPart):
    """The charge rule by which every ion has the charge of its element."""

    rule: Literal["fixed"]
    """Name of the rule."""
    ions: dict[str, float]
    """Charge in e of each element."""
    molecules: dict[str, dict[str, float]] = Field(default_factory=dict)
    """Charges in e of molecules, by molecule and by the atom names of its force-field file."""
    charge_scale: float = Field(gt=0, le=1)
    """Factor of the charges of all other charged molecules."""
    source: str
    """Where the numbers come from."""


class Validity(_PackPart):
    """What the numbers of a pack were made for."""

    shapes: tuple[Literal["bulk", "slab AX", "slab BX2", "cuboid", "molecular"], ...]
    """Shapes of the crystal."""
    modes: tuple[Literal["cation", "anion", "donor", "zwitterion"], ...]
    """Ways in which a ligand binds."""
    heads: dict[str, str] = Field(default_factory=dict)
    """The only positively charged groups that a ligand may have, name to SMARTS; none: any."""


class PairTable(_PackPart):
    """Pair parameters of one form, in the units of their source."""

    form: Literal["buckingham", "lennard-jones"]
    """The form of the potential."""
    energy: Literal["eV", "kcal/mol", "kJ/mol"]
    """Unit of energies."""
    length: Literal["angstrom", "nm"]
    """Unit of lengths."""
    source: str
    """Where the numbers come from."""
    pairs: dict[str, tuple[float, ...]]
    """(A, rho, C) or (epsilon, sigma) of each pair, named "ION-ION" or "ION-CLASS"."""

    @model_validator(mode="after")
    def _check_columns(self) -> "PairTable":
        columns = {"buckingham": 3, "lennard-jones": 2}[self.form]
        for key, values in self.pairs.items():
            if len(values) != columns:
                raise ValueError(f"{key} = {list(values)}: a {self.form} row has {columns} numbers")
        return self


class Mixing(_PackPart):
    """Lennard-Jones numbers of ions, for pairs that no table lists."""

    energy: Literal["eV", "kcal/mol", "kJ/mol"]
    """Unit of epsilon."""
    length: Literal["angstrom", "nm"]
    """Unit of sigma."""
    source: str
    """Where the numbers come from."""
    ions: dict[str, tuple[float, float]]
    """(epsilon, sigma) of each element."""


class Pack(_PackPart):
    """One force field for perovskite, ligand and solvent, every number with its source."""

    name: str
    """Name of the pack and of its file."""
    title: str
    """What it is, in a line."""
    organics: str
    """What describes ligands and solvents, in a line."""
    halides: tuple[str, ...]
    """Elements of the halides."""
    metals: tuple[str, ...]
    """Elements of the metals."""
    lattice_source: str
    """Where the lattice constants come from."""
    validity: Validity
    """What the numbers were made for."""
    charges: Annotated[BondIncrement | Fixed, Field(discriminator="rule")]
    """The charge rule."""
    formal: dict[str, int]
    """Formal charge in e of each ion."""
    lattice_nm: dict[str, float]
    """Lattice constant in nm of each perovskite that the pack has."""
    organic_class: dict[str, str]
    """Class in the pair tables of GAFF types."""
    table: tuple[PairTable, ...]
    """The listed pairs."""
    mixing: Mixing
    """Numbers for all other pairs with an ion."""

    @model_validator(mode="after")
    def _check_names(self) -> "Pack":
        charged = self.charges.ions if isinstance(self.charges, Fixed) else self.formal
        if not set(self.formal) == set(charged) == set(self.mixing.ions):
            raise ValueError("formal, mixing.ions and charges.ions must name the same ions")
        keys = [key for table in self.table for key in table.pairs]
        partners = {partner for key in keys for partner in key.split("-")} - set(self.formal)
        classes = set(self.organic_class.values())
        if partners != classes:
            raise ValueError(
                "organic_class and the pair tables differ in the classes"
                f" {', '.join(sorted(partners ^ classes))}"
            )
        if len({frozenset(key.split("-")) for key in keys}) != len(keys):
            raise ValueError("a pair is listed twice")
        return self

    @property
    def terminations(self) -> tuple[str, ...]:
        """The faces of the slabs that the pack is for."""
        return tuple(
            shape.removeprefix("slab ")
            for shape in self.validity.shapes
            if shape.startswith("slab ")
        )


def load_pack(name: str) -> Pack:
    """The pack of that name.

    Raises:
        KeyError: There is none.
        pydantic.ValidationError: Its file is broken.

    Examples:
        >>> halobind.load_pack("bond-increment").metals
        ('Pb',)
    """
    if name not in FORCEFIELDS:
        raise KeyError(f"no force field {name!r}; there are {', '.join(FORCEFIELDS)}")
    return Pack(**tomllib.loads((PACKS_FOLDER / f"{name}.toml").read_text(encoding="utf-8")))


def checksums(
    pack: str, molecules: tuple[str, ...], library: MoleculeLibrary = SHIPPED_MOLECULES
) -> dict[str, str]:
    """sha256 of the numbers of a pack and of each molecule.

    They are part of the identity of a run: comments, sentences and layout are not in them.
    """
    text = (PACKS_FOLDER / f"{pack}.toml").read_text(encoding="utf-8")
    return {f"packs/{pack}.toml": _pack_checksum(text)} | molecule_checksums(molecules, library)


def molecule_checksums(
    molecules: tuple[str, ...], library: MoleculeLibrary = SHIPPED_MOLECULES
) -> dict[str, str]:
    """sha256 of the numbers of each molecule file."""
    return {
        f"molecules/{name}.xml": _molecule_checksum(library.path(name).read_bytes())
        for name in molecules
    }


def pack_numbers(pack: Pack) -> str:
    """Everything of a pack that a force follows from, as JSON: no titles and no sources."""
    return json.dumps(pack.model_dump(mode="json", exclude=PACK_PROSE), sort_keys=True)


def molecule_numbers(content: bytes) -> str:
    """Everything of a molecule file that a force follows from, as canonical XML.

    <Info>, which tells how the file was made, is left out, and so are comments and white space.
    """
    return ElementTree.canonicalize(
        from_file=io.BytesIO(content), strip_text=True, exclude_tags={"Info"}
    )


@lru_cache(maxsize=64)
def _pack_checksum(text: str) -> str:
    """sha256 of the numbers of a pack file; cached, as every run of a campaign asks for it."""
    return _sha256(pack_numbers(Pack(**tomllib.loads(text))))


@lru_cache(maxsize=256)
def _molecule_checksum(content: bytes) -> str:
    """sha256 of the numbers of a molecule file; cached, as every run of a campaign asks for it."""
    return _sha256(molecule_numbers(content))


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
