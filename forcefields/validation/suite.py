"""Which checks a pack gets: everything for the perovskites and surfaces it claims, and a row that
says so for what it does not.
"""

import hashlib
import json
from dataclasses import asdict
from functools import partial

from halobind.forcefields.packs.pack import Pack, molecule_checksums, pack_numbers
from halobind.forcefields.packs.validity import ligand_problem
from halobind.forcefields.validation.check_rows import REFERENCE, UNCLAIMED, Check, Row, told
from halobind.forcefields.validation.crystals import elastic_check, lattice_check
from halobind.forcefields.validation.dynamics import Sampling
from halobind.forcefields.validation.pocket import heads_of, pocket_check
from halobind.forcefields.validation.pocket_pmf import BOX_NM, pocket_pmf_check, standard
from halobind.forcefields.validation.solvents import solvent_check
from halobind.forcefields.validation.surfaces import Setup, heads_check, integrity_check
from halobind.structures.molecules.catalogue import ION_CHARGES, LIGANDS, PEROVSKITES, SOLVENTS

PAIRS = (
    ("MA", "tetramethylammonium"),
    ("DA", "DMDDA"),
)  # primary and quaternary heads that are held against each other; quick: the first
NAMES = ("lattice", "elastic", "integrity", "heads", "pocket", "pocket-pmf", "solvent")
REVISION = 2  # raise it when a check measures something else under the same settings
LIQUID_K = 298.15


def checks(pack: Pack, quick: bool) -> list[Check]:
    """Every check that applies to the pack; `quick`: CsPbBr3 (or the one perovskite there is) and
    acetone only, little sampling.
    """
    claimed = [name for name in PEROVSKITES if name in pack.lattice_nm]
    claimed = claimed[:1] if quick else claimed
    found: list[Check] = []
    for perovskite in claimed:
        found += bulk_checks(perovskite, quick)
        found += _surfaces(perovskite, pack, quick)
    if "AX" in pack.terminations and {"Cs", "Pb", "Br"} <= set(pack.formal):
        found.append(
            Check(
                "pocket",
                "Pb4Br20Cs11",
                {"heads": list(heads_of(pack))},
                heads_of(pack),
                pocket_check,
            )
        )
        found += (
            []
            if quick
            else [
                pocket_pmf(head, solvent)
                for head in heads_of(pack)
                for solvent in ("acetone", "toluene")
            ]
        )
    if pack.terminations:
        for name in ("acetone",) if quick else SOLVENTS:
            found.append(_solvent(name, quick))
    return sorted(found, key=lambda check: NAMES.index(check.name))


def unclaimed(pack: Pack, quick: bool) -> list[Row]:
    """A row for each perovskite and surface that is not claimed (a quick table leaves out what
    quick does not look at).
    """
    rows = []
    for perovskite in PEROVSKITES:
        if perovskite not in pack.lattice_nm:
            rows.append(
                told(
                    ("lattice", perovskite, "all"),
                    UNCLAIMED,
                    f"pack {pack.name} has no {perovskite}",
                )
            )
    for perovskite in pack.lattice_nm:
        for termination in ("AX", "BX2"):
            if termination not in pack.terminations:
                what = f"{perovskite} {termination} slab"
                rows.append(
                    told(
                        ("integrity", what, "all"),
                        UNCLAIMED,
                        f"pack {pack.name} is not for {termination} surfaces",
                    )
                )
    if "AX" not in pack.terminations:
        rows += [
            told((name, "all", "all"), UNCLAIMED, f"pack {pack.name} is for the bulk")
            for name in ("heads", "pocket", "solvent")
        ]
    else:
        for name in dict.fromkeys(
            name for pair in (PAIRS[:1] if quick else PAIRS) for name in pair
        ):
            reason = ligand_problem(pack, name, LIGANDS[name])
            rows += (
                [told(("heads", name, "all"), UNCLAIMED, f"pack {pack.name} {reason}")]
                if reason
                else []
            )
    return (
        rows
        if not quick
        else [
            row for row in rows if "MAPbBr3" not in row.system or "CsPbBr3" not in pack.lattice_nm
        ]
    )


def _taken(pack: Pack, names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(name for name in names if ligand_problem(pack, name, LIGANDS[name]) is None)


def _of_a_site(perovskite: str) -> tuple[str, ...]:
    a_site = PEROVSKITES[perovskite].a_site
    return () if a_site in ION_CHARGES else (a_site,)


def bulk_checks(perovskite: str, quick: bool) -> list[Check]:
    """Lattice constants and, for crystals without molecules, elastic constants."""
    settle, measure, count = (4.0, 24.0, 120) if quick else (50.0, 500.0, 1000)
    cells = 4 if quick else 5
    molecules = _of_a_site(perovskite)
    how = tuple(Sampling(kelvin, settle, measure, count, "xyz") for kelvin in (300.0, 425.0))
    settings = {"cells": cells, "sampling": [asdict(item) for item in how]}
    found = [
        Check(
            "lattice",
            perovskite,
            settings,
            molecules,
            partial(lattice_check, perovskite, how, cells),
        )
    ]
    if (
        not molecules
    ):  # with molecules on the A sites the static energy has many minima, and no target
        found.append(
            Check("elastic", perovskite, {"cells": 5}, (), partial(elastic_check, perovskite, 5))
        )
    return found


def _surfaces(perovskite: str, pack: Pack, quick: bool) -> list[Check]:
    found, solvents = [], ("acetone",) if quick else ("acetone", "toluene")
    molecules = _of_a_site(perovskite)
    how = Sampling(300.0, 4.0, 10.0, 50, "z") if quick else Sampling(300.0, 50.0, 300.0, 600, "z")
    setups = [
        Setup(perovskite, "slab", kind, (4, 4, 3), s, 2.0 if quick else 3.0)
        for kind in pack.terminations
        for s in solvents
    ]
    if "cuboid" in pack.validity.shapes and not quick:
        setups += [Setup(perovskite, "cuboid", "AX", (4, 4, 4), s, 2.0) for s in solvents]  # 2.4 nm
    for setup in setups:
        sampling = (
            how
            if setup.shape == "slab"
            else Sampling(how.temperature_K, how.settle_ps, how.measure_ps, how.frames)
        )
        settings = {"setup": asdict(setup), "sampling": asdict(sampling)}
        run = partial(integrity_check, setup, sampling)
        found.append(Check("integrity", setup.label, settings, (*molecules, setup.solvent), run))
    if "AX" not in pack.terminations or "cation" not in pack.validity.modes:
        return found
    how = Sampling(300.0, 4.0, 12.0, 60, "z") if quick else Sampling(300.0, 100.0, 500.0, 1000, "z")
    for pair in (_taken(pack, pair) for pair in (PAIRS[:1] if quick else PAIRS)):
        setup = Setup(
            perovskite, "slab", "AX", (4, 4, 1 if quick else 3), "acetone", 2.2 if quick else 4.5
        )
        settings = {"setup": asdict(setup), "ligands": pair, "sampling": asdict(how)}
        label = f"{' and '.join(pair)} on {setup.label}"
        found.append(
            Check(
                "heads",
                label,
                settings,
                (*molecules, *pair, setup.solvent),
                partial(heads_check, setup, pair, how),
            )
        )
    return found


def pocket_pmf(head: str, solvent: str) -> Check:
    """The check of one head in one solvent."""
    how, where = standard(), (head, solvent)
    settings = {"box_nm": BOX_NM, "sampling": asdict(how)}
    return Check(
        "pocket-pmf", f"{head} in {solvent}", settings, where, partial(pocket_pmf_check, where, how)
    )


def _solvent(name: str, quick: bool) -> Check:
    liquid = (
        Sampling(LIQUID_K, 4.0, 24.0, 120, "xyz")
        if quick
        else Sampling(LIQUID_K, 50.0, 1000.0, 2000, "xyz")
    )
    gas = (
        Sampling(LIQUID_K, 20.0, 1000.0, 2000)
        if quick
        else Sampling(LIQUID_K, 100.0, 10000.0, 20000)
    )
    settings = {"sampling": [asdict(liquid), asdict(gas)]}
    return Check("solvent", name, settings, (name,), partial(solvent_check, name, (liquid, gas)))


def key(pack: Pack, check: Check) -> str:
    """16 hex digits over all that the outcome depends on: check, settings, the pack's numbers,
    molecule files, reference tables.
    """
    mine = (
        "pocket" if check.name == "pocket" else "targets"
    )  # a new pocket curve costs nobody else a new run
    files = sorted(
        (path for path in REFERENCE.iterdir() if path.name.startswith(mine)),
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
