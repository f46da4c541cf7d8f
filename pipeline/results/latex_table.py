"""The binding table as LaTeX: two booktabs tables, to be pasted or \\input into a paper."""

import re
import unicodedata
from collections.abc import Sequence

from halobind.pipeline.results.energy_unit import KJ_PER_MOL, EnergyUnit
from halobind.pipeline.results.own_ion import site_label
from halobind.pipeline.results.summary_cells import (
    BINDING_PART,
    KINETICS_PART,
    PARTS,
    ROUNDING_RULE,
    SITE,
    SummaryColumn,
    label_cell,
    label_names,
    summary_columns,
)
from halobind.pipeline.results.table_rows import LABELS, TableRow, ligand_rows
from halobind.pipeline.results.table_text import shared_labels

SPECIAL = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"$<$",
    ">": r"$>$",
    "|": r"$|$",
    "±": r"$\pm$",
    "≥": r"$\geq$",
    "≤": r"$\leq$",
    "°": r"$^\circ$",
    "−": r"$-$",
    "·": r"$\cdot$",
    "×": r"$\times$",
}
"""What pdfLaTeX needs for characters that it reads otherwise, or has not in its fonts."""
SIGNED_NUMBER = re.compile(r"(?<![\w.])-(?=[\d])")
CAPTIONS = {
    BINDING_PART: (
        "Standard binding free energies $\\Delta G^\\circ$ at 1~mol/L and their errors by sampling"
        " and by the force field"
    ),
    KINETICS_PART: (
        "Barriers over the well (off) and over the plateau (on), mean depth of the anchor below its"
        " site plane, residence time, sampled time and smallest overlap of two windows"
    ),
}
HEAD = """\
% Needs \\usepackage{{booktabs}}. Write the tables where they belong with \\input{{binding.tex}}.
% {rule}
% >= before an error: it is known to be too small.
"""


def binding_latex(runs: Sequence[TableRow], unit: EnergyUnit = KJ_PER_MOL) -> str:
    """binding.tex: a row for each ligand over its replicas, failed and unfinished ones included.

    The reasons of rows that are not converged follow as comments.

    Args:
        runs: the rows of the runs.
        unit: of the energies.
    """
    ligands = ligand_rows(runs)
    text = HEAD.format(rule=ROUNDING_RULE)
    if not ligands:
        return text + "% There are no runs.\n"
    columns = summary_columns(unit)
    tables = [
        _table(ligands, [column for column in columns if column.part == part], part)
        for part in PARTS
    ]
    reasons = [f"% {_one_line(row)}" for row in ligands if row.status != "converged"]
    return "\n".join([text, *tables, *reasons]) + "\n"


def latex_text(text: str) -> str:
    """A text in which every character is printed by pdfLaTeX as it stands, where its fonts have it.

    Subscripts and Greek letters become commands; letters of other alphabets stay (LuaLaTeX and
    XeLaTeX print them).
    """
    return "".join(_latex_character(character) for character in " ".join(text.split()))


def _latex_character(character: str) -> str:
    if character in SPECIAL:
        return SPECIAL[character]
    name = unicodedata.name(character, "")
    for position, command in (("SUBSCRIPT", "textsubscript"), ("SUPERSCRIPT", "textsuperscript")):
        if name.startswith(f"{position} "):
            plain = unicodedata.normalize("NFKC", character).replace("−", "-")
            return f"\\{command}{{{plain}}}"
    greek = re.fullmatch(r"GREEK (SMALL|CAPITAL) LETTER (\w+)", name)
    if greek:
        return _greek(greek[2].lower(), is_capital=greek[1] == "CAPITAL")
    return character


def _greek(letter: str, *, is_capital: bool) -> str:
    """The command of a Greek letter by its name in Unicode; Latin letters where TeX has none."""
    name = {"lamda": "lambda", "final sigma": "varsigma"}.get(letter, letter)
    same_as_latin = {"alpha": "A", "beta": "B", "epsilon": "E", "zeta": "Z", "eta": "H"}
    same_as_latin |= {"iota": "I", "kappa": "K", "mu": "M", "nu": "N", "rho": "P", "tau": "T"}
    same_as_latin["chi"] = "X"
    if name == "omicron":
        return "O" if is_capital else "o"
    if is_capital and name in same_as_latin:
        return same_as_latin[name]
    return f"$\\{name.capitalize() if is_capital else name}$"


def _table(rows: Sequence[TableRow], columns: Sequence[SummaryColumn], part: str) -> str:
    """One floating table of some columns."""
    names = label_names(rows)
    alignment = "l" * len(names) + "".join("l" if c.key == "status" else "r" for c in columns)
    titles = [latex_text(name.removesuffix("_K")) for name in names]
    titles += [latex_text(column.title) for column in columns]
    units = ["(K)" if name == "temperature_K" else "" for name in names]
    units += [latex_text(f"({column.unit})") if column.unit else "" for column in columns]
    lines = [
        "\\begin{table}",
        "\\centering",
        "\\footnotesize",
        "\\setlength{\\tabcolsep}{3pt}",
        f"\\caption{{{CAPTIONS[part]}: {_conditions(rows, names)}.}}",
        f"\\label{{tab:halobind-{part.replace(' ', '-')}}}",
        f"\\begin{{tabular}}{{{alignment}}}",
        "\\toprule",
        " & ".join(titles) + r" \\",
        " & ".join(units) + r" \\",
        "\\midrule",
    ]
    for row in rows:
        cells = [latex_text(label_cell(row, name)) for name in names]
        cells += [_number_cell(column.read(row)) for column in columns]
        lines.append(" & ".join(cells) + r" \\")
    lines += ["\\bottomrule", "\\end{tabular}", "\\end{table}", ""]
    return "\n".join(lines)


def _number_cell(text: str) -> str:
    """A cell with numbers, their signs as minus signs."""
    return SIGNED_NUMBER.sub("$-$", latex_text(text))


def _conditions(rows: Sequence[TableRow], names: Sequence[str]) -> str:
    """What all rows share, for the caption."""
    shared = [name for name in LABELS if name not in names]
    texts = shared_labels(rows[0], shared)
    site = site_label(rows[0].mode)
    if SITE not in names and site:
        texts.append(f"{site} site")
    return latex_text(", ".join(texts))


def _one_line(row: TableRow) -> str:
    """The ligand and its status on one line, for a comment."""
    return " ".join(f"{row.ligand}, {row.solvent}, {row.forcefield}: {row.status}".split())
