"""A slab with a ligand on both faces: two samples of one curve, and whether they agree."""

import math
from collections.abc import Sequence
from dataclasses import replace

from halobind.pipeline.free_energy.binding import Binding, compute_binding
from halobind.pipeline.free_energy.flags import Flag, FlagKind, about
from halobind.pipeline.free_energy.samples import EstimateError, Samples
from halobind.pipeline.free_energy.settings import EstimateSettings
from halobind.pipeline.free_energy.umbrella_pmf import estimate_pmf

# combined errors between the two faces above which they are said to differ, where that is above kT
DIFFERENCE_ERRORS = 3
COLUMNS = ("face", "dG0_kJ_mol", "dG0_error_kJ_mol", "well_depth_kJ_mol", "well_depth_error_kJ_mol")


def face_samples(samples: Samples, heads: int) -> tuple[Samples, ...]:
    """The samples of each head alone; `samples` holds the series of a window one after the other,
    head by head.
    """
    return tuple(
        replace(
            samples,
            windows=samples.windows[h::heads],
            z=samples.z[h::heads],
            groups=samples.groups[h::heads],
        )
        for h in range(heads)
    )


def compare_faces(
    faces: Sequence[Samples], settings: EstimateSettings, seed: int
) -> tuple[list[tuple[float, ...]], tuple[Flag, ...]]:
    """A row of COLUMNS for each face estimated alone, and a flag for each quantity in which the
    first two differ.

    They differ when they are further apart than max(3 combined errors, kT). A face that gives no
    number is a flag too.
    """
    rows: list[tuple[float, ...]] = []
    bindings: list[Binding] = []
    for number, samples in enumerate(faces, start=1):
        try:
            alone = compute_binding(
                estimate_pmf(samples, settings, seed + number), samples, settings
            )
        except EstimateError as failure:
            text = f"face {number} alone gives no number: {failure}"
            return rows, (Flag(FlagKind.FACE_WITHOUT_NUMBER, text, subject=failure.cause),)
        bindings.append(alone)
        dG0 = alone.dG0_kJ_mol
        depth = alone.well_depth_kJ_mol
        rows.append((number, dG0.value, dG0.error, depth.value, depth.error))
    flags: list[Flag] = []
    for name, key in (("dG0", "dG0_kJ_mol"), ("well depth", "well_depth_kJ_mol")):
        first = getattr(bindings[0], key)
        second = getattr(bindings[1], key)
        apart = abs(first.value - second.value)
        error = math.hypot(first.error, second.error)
        if not apart <= max(DIFFERENCE_ERRORS * error, faces[0].kT):
            flags.append(
                Flag(
                    FlagKind.FACES_DIFFER,
                    f"the two faces differ by {apart:.1f} kJ/mol in {name} where their errors"
                    f" give ± {error:.1f}",
                    subject=about(name, error),
                )
            )
    return rows, tuple(flags)
