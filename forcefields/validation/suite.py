"""Which checks a pack gets, and a row for each perovskite and surface that it does not claim."""

import hashlib
import json
from dataclasses import asdict, replace
from functools import partial

from halobind.forcefields.packs.pack import Pack, molecule_checksums, pack_numbers
from halobind.forcefields.packs.validity import ligand_problem
from halobind.forcefields.validation.check_rows import (
    REFERENCE,
    UNCLAIMED,
    Check,
    CheckRow,
    RowName,
    make_row,
)
from halobind.forcefields.validation.crystals import elastic_check, lattice_check
from halobind.forcefields.validation.dynamics import Sampling
from halobind.forcefields.validation.permittivity import permittivity_check
from halobind.forcefields.validation.pocket import heads_of, pocket_check
from halobind.forcefields.validation.pocket_pmf import BOX_NM, pocket_pmf_check, standard_sampling
from halobind.forcefields.validation.solvents import solvent_check
from halobind.forcefields.validation.surfaces import Setup, heads_check, integrity_check
from halobind.structures.molecules.catalogue import ION_CHARGES, LIGANDS, PEROVSKITES, SOLVENTS

# Primary and quaternary heads that are held against each other; quick: the first pair.
HEAD_PAIRS = (("MA", "tetramethylammonium"), ("DA", "DMDDA"))
NAMES = (
    "lattice",
    "elastic",
    "integrity",
    "heads",
    "pocket",
    "pocket-pmf",
    "solvent",
    "permittivity",
)
REVISION = 2  # raise it when a check measures something else under the same settings
LIQUID_K = 298.15


def checks(pack: Pack, quick: bool) -> list[Check]:
    """Every check that applies to a pack.

    Args:
        pack: The force field.
        quick: Only CsPbBr3 (or the one perovskite that the pack has), only acetone, and short runs.
    """
    perovskites = [name for name in PEROVSKITES if name in pack.lattice_nm]
    applicable: list[Check] = []
    for perovskite in perovskites[:1] if quick else perovskites:
        applicable += bulk_checks(perovskite, quick)
        applicable += _surface_checks(perovskite, pack, quick)
    if "AX" in pack.terminations and {"Cs", "Pb", "Br"} <= set(pack.formal):
        heads = heads_of(pack)
        settings = {"heads": list(heads)}
        applicable.append(Check("pocket", "Pb4Br20Cs11", settings, heads, pocket_check))
        if not quick:
            for head in heads:
                applicable += [pocket_pmf(head, solvent) for solvent in ("acetone", "toluene")]
    if pack.terminations:
        for name in ("acetone",) if quick else SOLVENTS:
            applicable.append(_solvent_check(name, quick))
            applicable.append(_permittivity_check(name, quick))
    return sorted(applicable, key=lambda check: NAMES.index(check.name))


def unclaimed(pack: Pack, quick: bool) -> list[CheckRow]:
    """A row for each perovskite, surface and head that a pack does not claim.

    Args:
        pack: The force field.
        quick: Leave out what quick checks do not look at.
    """
    rows = []
    for perovskite in PEROVSKITES:
        if perovskite not in pack.lattice_nm:
            rows.append(_unclaimed_row("lattice", perovskite, pack, f"has no {perovskite}"))
    for perovskite in pack.lattice_nm:
        for termination in ("AX", "BX2"):
            if termination not in pack.terminations:
                slab = f"{perovskite} {termination} slab"
                reason = f"is not for {termination} surfaces"
                rows.append(_unclaimed_row("integrity", slab, pack, reason))
    if "AX" not in pack.terminations:
        for name in ("heads", "pocket", "solvent", "permittivity"):
            rows.append(_unclaimed_row(name, "all", pack, "is for the bulk"))
    else:
        pairs = HEAD_PAIRS[:1] if quick else HEAD_PAIRS
        for ligand in dict.fromkeys(ligand for pair in pairs for ligand in pair):
            problem = ligand_problem(pack, ligand, LIGANDS[ligand])
            if problem:
                rows.append(_unclaimed_row("heads", ligand, pack, problem))
    if quick and "CsPbBr3" in pack.lattice_nm:
        rows = [row for row in rows if "MAPbBr3" not in row.system]
    return rows


def _unclaimed_row(check: str, system: str, pack: Pack, reason: str) -> CheckRow:
    """The row of a system that a pack is not for; the reason is the rest of a sentence."""
    return make_row(RowName(check, system, "all"), UNCLAIMED, f"pack {pack.name} {reason}")


def _claimed(pack: Pack, ligands: tuple[str, ...]) -> tuple[str, ...]:
    """Those of the ligands that a pack takes."""
    return tuple(name for name in ligands if ligand_problem(pack, name, LIGANDS[name]) is None)


def _a_site_molecules(perovskite: str) -> tuple[str, ...]:
    """The molecule on the A sites of a perovskite; empty when it is an ion."""
    a_site = PEROVSKITES[perovskite].a_site
    return () if a_site in ION_CHARGES else (a_site,)


def bulk_checks(perovskite: str, quick: bool) -> list[Check]:
    """Lattice constants and, for crystals without molecules, elastic constants."""
    cells = 4 if quick else 5
    if quick:
        colder = Sampling(300.0, settle_ps=4.0, measure_ps=24.0, frames=120, barostat="xyz")
    else:
        colder = Sampling(300.0, settle_ps=50.0, measure_ps=500.0, frames=1000, barostat="xyz")
    warmer = replace(colder, temperature_K=425.0)
    molecules = _a_site_molecules(perovskite)
    lattice = Check(
        name="lattice",
        system=perovskite,
        settings={"cells": cells, "sampling": [asdict(colder), asdict(warmer)]},
        molecules=molecules,
        run=partial(
            lattice_check, perovskite=perovskite, cells=cells, colder=colder, warmer=warmer
        ),
    )
    if molecules:  # their static energy has many minima, and no target
        return [lattice]
    run = partial(elastic_check, perovskite=perovskite, cells=5)
    return [lattice, Check("elastic", perovskite, {"cells": 5}, (), run)]


def _surface_checks(perovskite: str, pack: Pack, quick: bool) -> list[Check]:
    """Integrity of each surface that a pack claims, and its heads on the AX surface."""
    surface_checks = _integrity_checks(perovskite, pack, quick)
    if "AX" not in pack.terminations or "cation" not in pack.validity.modes:
        return surface_checks
    if quick:
        sampling = Sampling(300.0, settle_ps=4.0, measure_ps=12.0, frames=60, barostat="z")
        setup = Setup(perovskite, "slab", "AX", (4, 4, 1), "acetone", gap_nm=2.2)
    else:
        sampling = Sampling(300.0, settle_ps=100.0, measure_ps=500.0, frames=1000, barostat="z")
        setup = Setup(perovskite, "slab", "AX", (4, 4, 3), "acetone", gap_nm=4.5)
    for pair in HEAD_PAIRS[:1] if quick else HEAD_PAIRS:
        ligands = _claimed(pack, pair)
        check = Check(
            name="heads",
            system=f"{' and '.join(ligands)} on {setup.label}",
            settings={"setup": asdict(setup), "ligands": ligands, "sampling": asdict(sampling)},
            molecules=(*_a_site_molecules(perovskite), *ligands, setup.solvent),
            run=partial(heads_check, setup=setup, ligands=ligands, sampling=sampling),
        )
        surface_checks.append(check)
    return surface_checks


def _integrity_checks(perovskite: str, pack: Pack, quick: bool) -> list[Check]:
    """Whether the ions of each shape that a pack claims stay, in one solvent or two."""
    solvents = ("acetone",) if quick else ("acetone", "toluene")
    gap_nm = 2.0 if quick else 3.0
    setups = [
        Setup(perovskite, "slab", termination, (4, 4, 3), solvent, gap_nm)
        for termination in pack.terminations
        for solvent in solvents
    ]
    if "cuboid" in pack.validity.shapes and not quick:  # of 2.4 nm
        setups += [
            Setup(perovskite, "cuboid", "AX", (4, 4, 4), solvent, 2.0) for solvent in solvents
        ]
    if quick:
        slab = Sampling(300.0, settle_ps=4.0, measure_ps=10.0, frames=50, barostat="z")
    else:
        slab = Sampling(300.0, settle_ps=50.0, measure_ps=300.0, frames=600, barostat="z")
    integrity_checks = []
    for setup in setups:
        sampling = slab if setup.shape == "slab" else replace(slab, barostat="")
        check = Check(
            name="integrity",
            system=setup.label,
            settings={"setup": asdict(setup), "sampling": asdict(sampling)},
            molecules=(*_a_site_molecules(perovskite), setup.solvent),
            run=partial(integrity_check, setup=setup, sampling=sampling),
        )
        integrity_checks.append(check)
    return integrity_checks


def pocket_pmf(head: str, solvent: str) -> Check:
    """The check of the free energy of a head from pocket to solvent."""
    sampling = standard_sampling()
    return Check(
        name="pocket-pmf",
        system=f"{head} in {solvent}",
        settings={"box_nm": BOX_NM, "sampling": asdict(sampling)},
        molecules=(head, solvent),
        run=partial(pocket_pmf_check, head=head, solvent=solvent, how=sampling),
    )


def _solvent_check(name: str, quick: bool) -> Check:
    """The check of density and heat of vaporisation of a solvent."""
    if quick:
        liquid = Sampling(LIQUID_K, settle_ps=4.0, measure_ps=24.0, frames=120, barostat="xyz")
        gas = Sampling(LIQUID_K, settle_ps=20.0, measure_ps=1000.0, frames=2000)
    else:
        liquid = Sampling(LIQUID_K, settle_ps=50.0, measure_ps=1000.0, frames=2000, barostat="xyz")
        gas = Sampling(LIQUID_K, settle_ps=100.0, measure_ps=10000.0, frames=20000)
    return Check(
        name="solvent",
        system=name,
        settings={"sampling": [asdict(liquid), asdict(gas)]},
        molecules=(name,),
        run=partial(solvent_check, name=name, liquid=liquid, gas=gas),
    )


def _permittivity_check(name: str, quick: bool) -> Check:
    liquid = (
        Sampling(LIQUID_K, 4.0, 24.0, 120, "xyz")
        if quick
        else Sampling(LIQUID_K, 100.0, 3000.0, 6000, "xyz")
    )
    run = partial(permittivity_check, name=name, how=liquid)
    return Check("permittivity", name, {"sampling": asdict(liquid)}, (name,), run)


def key(pack: Pack, check: Check) -> str:
    """16 hex digits over all that the outcome of a check depends on.

    These are the check, its settings, the numbers of the pack and of molecules, and the reference
    tables.
    """
    # A new pocket curve makes no other check run anew.
    prefix = "pocket" if check.name == "pocket" else "targets"
    files = sorted(
        (path for path in REFERENCE.iterdir() if path.name.startswith(prefix)),
        key=lambda path: path.name,
    )
    tables = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
    content = [
        REVISION,
        check.name,
        check.system,
        check.settings,
        pack_numbers(pack),
        molecule_checksums(tuple(sorted(set(check.molecules)))),
        tables,
    ]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]
