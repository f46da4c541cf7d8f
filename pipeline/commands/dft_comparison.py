"""`halobind reference --compare`: packs beside the points of density functional theory."""

import math
import sys

from halobind.forcefields.validation.dft_comparison import (
    ComparedPoint,
    compared_points,
    has_gfn2,
)
from halobind.pipeline.results.text_tables import EMPTY, markdown_table


def compare_with_dft() -> int:
    """Print every shipped point by density functional theory, by the packs and by GFN2-xTB."""
    with_gfn2 = has_gfn2()
    if not with_gfn2:
        print(
            'without GFN2-xTB, which needs tblite: pip install -c constraints.txt ".[params]"',
            file=sys.stderr,
        )
    print(comparison_text(compared_points(with_gfn2)))
    return 0


def comparison_text(points: list[ComparedPoint]) -> str:
    """A Markdown table: one line a point, energies in kJ/mol and what each misses, in per cent."""
    names = list(points[0].energies_kJ_mol)
    columns = ["head", "height (nm)", "reference", "kJ/mol", *names]
    lines = [
        [
            point.head,
            f"{point.height_nm:g}",
            point.method,
            _cell(point.reference_kJ_mol, math.nan),
            *(_cell(point.energies_kJ_mol[name], point.reference_kJ_mol) for name in names),
        ]
        for point in sorted(points, key=lambda point: (point.head, point.height_nm))
    ]
    return (
        "Energy of a rigid head in the A vacancy of Pb4Br20Cs11 against separated fragments, gas"
        " phase; in brackets how much too strong (+) or too weak (-) it is.\n\n"
        + markdown_table(columns, lines)
        + "\n"
    )


def _cell(energy: float, reference: float) -> str:
    """The energy, and how much stronger than the reference it binds, in per cent of that."""
    if not math.isfinite(energy):
        return EMPTY
    if not math.isfinite(reference):
        return f"{energy:.0f}"
    return f"{energy:.0f} ({100 * (energy - reference) / reference:+.0f} %)"
