"""ddG is dG0 less that of the crystal's own ion, only where that was sampled the same way."""

import json
import math
from dataclasses import replace

from halobind.pipeline.free_energy.quantity import Quantity
from halobind.pipeline.results.own_ion import ddG_against, own_ion, site_label
from halobind.pipeline.results.table_rows import ligand_rows
from halobind.pipeline.results.table_text import binding_json, binding_markdown
from tests.pipeline.results.rows import BLOCKS, OVERLAP, bound


def test_the_difference_with_errors_in_quadrature() -> None:
    ddG = ddG_against(Quantity(-40.0, 3.0), Quantity(-25.0, 4.0))
    assert (ddG.value, ddG.error) == (-15.0, 5.0)
    assert math.isnan(ddG_against(Quantity(-40.0, math.nan), Quantity(-25.0, 4.0)).error)


def test_the_own_ion_of_each_site() -> None:
    assert own_ion("CsPbBr3", "cation") == "Cs"
    assert own_ion("MAPbBr3", "cation") == "MA"
    assert own_ion("CsPbBr3", "anion") == "Br"
    assert own_ion("CsPbBr3", "donor") == own_ion("CsPbBr3", "zwitterion") == ""
    assert own_ion("somebody's crystal", "cation") == ""
    assert site_label("zwitterion") == "A+X" and site_label("") == ""


def test_only_rows_under_the_same_conditions_are_compared() -> None:
    cesium = bound("Cs", -25.0, 4.0)
    ligand = bound("DA", -40.0, 3.0)
    elsewhere = bound("DDA", -50.0, 3.0, solvent="toluene")
    anion = bound("oleate", -30.0, 3.0, mode="anion")
    rows = {row.ligand: row for row in ligand_rows([cesium, ligand, elsewhere, anion])}
    comparison = rows["DA"].own_ion
    assert comparison is not None and comparison.ion == "Cs" and comparison.converged
    assert comparison.ddG_kJ_mol.value == -15.0 and comparison.ddG_kJ_mol.error == 5.0
    assert rows["Cs"].own_ion is rows["DDA"].own_ion is rows["oleate"].own_ion is None


def test_the_column_is_there_only_with_the_own_ion() -> None:
    rows = [bound("DA", -40.0, 3.0), bound("DDA", -30.0, 3.0, solvent="toluene")]
    assert "ddG against own ion" not in binding_markdown(rows)
    text = binding_markdown([*rows, bound("Cs", -25.0, 4.0)])
    table = text.split("\n\n")[2]
    assert "ddG against own ion (kJ/mol)" in table
    assert table.index("ddG") < table.index("dG0 (kJ/mol)")
    cells = {line.split("|")[1].strip(): line.split("|")[4].strip() for line in table.split("\n")}
    assert cells["DA"] == "-15 ± 5" and cells["DDA"] == cells["Cs"] == "-"


def test_a_poor_own_ion_is_told() -> None:
    ion = replace(bound("Cs", -25.0, 4.0), notes=(OVERLAP, BLOCKS))
    text = binding_markdown([bound("DA", -40.0, 3.0), ion])
    assert "-15 ± ≥5 (Cs not converged)" in text
    records = json.loads(binding_json([bound("DA", -40.0, 3.0), ion]))["ligands"]
    by_ligand = {record["ligand"]: record for record in records}
    assert by_ligand["DA"]["ddG_own_ion_kJ_mol"] == -15.0
    assert by_ligand["DA"]["own_ion"] == "Cs" and by_ligand["DA"]["site"] == "A"
    assert by_ligand["Cs"]["ddG_own_ion_kJ_mol"] is None
