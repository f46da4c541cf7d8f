"""binding.tex: no row is lost, every name is printed as it stands, and LaTeX takes it."""

import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from halobind.pipeline.results.energy_unit import KCAL_PER_MOL
from halobind.pipeline.results.latex_table import binding_latex, latex_text
from tests.pipeline.results.rows import BLOCKS, OVERLAP, bound, mixed, row, simple

needs_latex = pytest.mark.skipif(
    shutil.which("pdflatex") is None, reason="there is no pdflatex here"
)
ODD_NAMES = ("50%_{CF₃} & $β^2$~#", r"a\b|<c>", "Σ-ω", "µ±")


def tabulars(text: str) -> list[list[list[str]]]:
    """The cells of the rows between the rules of each table."""
    bodies = re.findall(r"\\midrule\n(.*?)\\bottomrule", text, flags=re.DOTALL)
    return [
        [line.removesuffix(r" \\").split(" & ") for line in body.strip().split("\n")]
        for body in bodies
    ]


def test_every_ligand_has_a_row_in_both_tables_also_failed_ones() -> None:
    text = binding_latex([*mixed(), row("broken", error="OpenMMException: 100% NaN_{x}")])
    first, second = tabulars(text)
    names = ["4-CF\\textsubscript{3}-cinnamate$|$$\\beta$", "DA", "DDA", "DMDDA", "broken"]
    assert [cells[0] for cells in first] == [cells[0] for cells in second] == names
    by_name = {cells[0]: cells for cells in first}
    assert by_name["broken"][-1] == "Error" and by_name["broken"][2] == "-"
    assert by_name["DDA"][-1] == "pending: 12 of 28 segments"
    assert "% broken, acetone, bond-increment: Error: OpenMMException: 100% NaN_{x}\n" in text
    for name in ("toprule", "midrule", "bottomrule"):
        assert text.count(f"\\{name}\n") == 2


def test_the_error_stands_apart_and_decides_the_digits() -> None:
    runs = [bound("Cs", -25.0, 4.0), replace(bound("DA", -40.0, 3.0), notes=(BLOCKS,))]
    first, _ = tabulars(binding_latex(runs))
    cesium, ligand = first
    assert cesium[1:5] == ["-", "$-$25", "4", "-"]
    assert ligand[1:4] == [r"$-$15 $\pm$ $\geq$5", "$-$40", r"$\geq$3"]
    (kcal, _), _ = tabulars(binding_latex(runs, KCAL_PER_MOL))
    assert kcal[2:4] == ["$-$6.0", "1.0"]


def test_what_all_rows_share_is_in_the_caption() -> None:
    text = binding_latex([bound("DA", -40.0), bound("DDA", -30.0, solvent="toluene")])
    captions = re.findall(r"\\caption\{(.*)\}", text)
    assert all("CsPbBr3, AX 4x4x2" in caption for caption in captions)
    assert all("acetone" not in caption and "A site" in caption for caption in captions)
    assert tabulars(text)[0][1][:2] == ["DDA", "toluene"]


def test_there_are_no_runs() -> None:
    assert "There are no runs" in binding_latex([])


def compiled(text: str, folder: Path) -> str:
    """What pdfLaTeX prints about the tables on a page of A4 with margins of 2 cm."""
    (folder / "binding.tex").write_text(text, encoding="utf-8")
    (folder / "paper.tex").write_text(
        "\\documentclass[a4paper]{article}\\usepackage[margin=2cm]{geometry}\\usepackage{booktabs}"
        "\\begin{document}\\input{binding.tex}\\end{document}\n"
    )
    done = subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "paper.tex"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:]
    return done.stdout


@needs_latex
def test_pdflatex_takes_every_name(tmp_path: Path) -> None:
    names = [bound(name, -30.0 - k) for k, name in enumerate(ODD_NAMES)]
    compiled(binding_latex([*mixed(), *names, row("two\nlines", binding=simple())]), tmp_path)


@needs_latex
def test_the_tables_fit_on_a_page(tmp_path: Path) -> None:
    poor = replace(bound("dimethyldidodecyl", -120.4, 13.0), notes=(BLOCKS, OVERLAP))
    pending = replace(row("DDA", pending="12 of 28 segments"), temperature_K="300", mode="cation")
    runs = [bound("Cs", -25.0, 4.0), poor, pending, bound("DA", -34.2, solvent="toluene")]
    assert "Overfull" not in compiled(binding_latex(runs), tmp_path)


def test_characters_that_latex_reads_otherwise() -> None:
    assert latex_text(ODD_NAMES[0]) == (
        r"50\%\_\{CF\textsubscript{3}\} \& \$$\beta$\textasciicircum{}2\$\textasciitilde{}\#"
    )
    assert latex_text("Σω\n") == r"$\Sigma$$\omega$"
