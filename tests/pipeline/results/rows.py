"""Rows of the table that tests share."""

import math
from dataclasses import replace

from halobind.pipeline.free_energy.binding import QUANTITIES, Binding
from halobind.pipeline.free_energy.flags import Flag, FlagKind
from halobind.pipeline.free_energy.quantity import Quantity
from halobind.pipeline.results.table_rows import TableRow

OVERLAP = Flag(FlagKind.LOW_OVERLAP, "3 of 14 windows overlap below 0.03 with a neighbour")


EDGE = Flag(FlagKind.WELL_AT_EDGE, "well")


GAPS = Flag(FlagKind.GAPS, "sampled range has gaps")


PLATEAU = Flag(FlagKind.NO_PLATEAU, "no plateau")


BLOCKS = Flag(FlagKind.SHORT_TIME_BLOCKS, "error is a lower bound: why", error_is_bound=True)


def few(count):
    return Flag(FlagKind.FEW_INDEPENDENT_SAMPLES, f"only {count} samples")


def under(count):
    text = f"the ligand was under the crystal in {count} of 10 windows"
    return Flag(FlagKind.UNDER_CRYSTAL, text)


def simple(value=-34.24, error=1.26, flags=(), **changes):
    numbers = {name: Quantity(value + i, error) for i, name in enumerate(QUANTITIES)}
    rest = {
        "dG0_difference_kJ_mol": 0.3,
        "well_depth_difference_kJ_mol": -0.6,
        "has_barrier": False,
        "temperature_K": 300.0,
        "sampling_ns": 2.8,
        "n_windows": 14,
        "min_overlap": 0.12,
    }
    return Binding(**{**numbers, **rest, "flags": tuple(flags), **changes})


def row(ligand="DA", replica="0", **content):
    versions = {"openmm": "8.6.1", "halobind": "0.1.0", "pymbar": "4.0.3", "numpy": "2.4"}
    return TableRow(
        ligand,
        "CsPbBr3",
        "AX 4x4x2",
        "acetone",
        "bond-increment",
        replica,
        f"run-{ligand}-{replica}",
        versions=versions,
        **content,
    )


def mixed():
    return [
        row("DMDDA", "10", error="OpenMMException: Particle coordinate is NaN"),
        row("DMDDA", "9", binding=simple(-20.0)),
        row(
            "4-CF₃-cinnamate|β",
            binding=simple(math.nan, math.nan, [GAPS], min_overlap=math.nan),
        ),
        row("DDA", pending="12 of 28 segments"),
        row("DA", "0", binding=simple()),
        row("DA", "1", binding=simple(-36.0)),
    ]


def bound(ligand, dG0, error=1.0, kelvin=300.0, mode="cation", **labels):
    b = simple(0.0, error, temperature_K=kelvin)
    return replace(
        row(ligand, binding=replace(b, dG0_kJ_mol=Quantity(dG0, error))),
        temperature_K=f"{kelvin:g}",
        mode=mode,
        **labels,
    )
