"""Both faces, ion pairs and clusters as campaigns: refused before any computing, and tiny ones from
the file to the table.
"""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import openmm as mm
import pytest

from halobind.forcefields.packs.pack import load_pack
from halobind.pipeline.campaign.load import load_campaign
from halobind.pipeline.campaign.run_directory import runs_of
from halobind.pipeline.campaign.settings import CampaignError
from halobind.pipeline.commands.cli import main
from halobind.pipeline.sampling.openmm_xml import read_state
from halobind.pipeline.sampling.start_states import EndState, UsualState, why_damaged
from halobind.pipeline.workflow.checks import check_runs
from halobind.structures.models.model import Model, read_model

SLAB = """
[model]
perovskite = "CsPbBr3"
cells = "4x4x2"
ligand = "MA"
solvent = "toluene"
faces = 2
gap_nm = 2.2
[forcefield]
cutoff_nm = 0.8
[equilibrate]
warm_ps = 0.1
npt_ps = 0.2
nvt_ps = 0.1
piece_ps = 0.1
[coordinate]
leaving = "ion_pair"
[pull]
from_nm = 0.0
to_nm = 0.3
step_nm = 0.1
step_ps = 0.2
k_kJ_mol_nm2 = 50000.0
[windows]
spacing_nm = 0.3
k_kJ_mol_nm2 = 50000.0
[sampling]
segments = 1
segment_ps = 0.2
max_rounds = 0
record_ps = 0.02
frame_ps = 0.2
[estimate]
bin_nm = 0.02
plateau_nm = 0.1
discard_fraction = 0.0
n_bootstrap = 20
"""
IONS = (
    SLAB.replace('"MA"', '["MA", "Cs"]')
    .replace("4x4x2", "4x4x1")
    .replace("faces = 2\n", "")
    .replace('"toluene"', '"acetone"')
    .replace('leaving = "ion_pair"', "")
)
CUBE = (
    SLAB.replace(
        'cells = "4x4x2"',
        'shape = "cuboid"\ncells = "2x2x2"\nvacancies = "edge"\nsite = ["face", "edge", "corner"]',
    )
    .replace("faces = 2\ngap_nm = 2.2", "gap_nm = 1.4")
    .replace('"toluene"', '"acetone"')
    .replace('leaving = "ion_pair"', "")
)


NORMALS = {"face": [0.0, 0.0, 1.0], "edge": [0.0, 0.707, 0.707], "corner": [0.577, 0.577, 0.577]}


def refusal(text: str, folder: Path) -> str:
    (folder / "campaign.toml").write_text(text)
    with pytest.raises(CampaignError) as error:
        campaign = load_campaign(folder / "campaign.toml")
        check_runs(runs_of(folder, campaign), campaign)
    return str(error.value)


def sampled(folder: Path, text: str) -> list[Path]:
    """Run a campaign; the run directories."""
    (folder / "campaign.toml").write_text(text)
    assert main(["run", str(folder), "--platform", "CPU", "--processes", "1"]) == 0
    return sorted((folder / "runs").iterdir())


@pytest.mark.parametrize(
    ("text", "old", "new", "expected"),
    [
        (
            SLAB,
            'leaving = "ion_pair"',
            "",
            (
                "toluene (relative permittivity 2.4, ions pair below 10): its curve has no plateau"
                " there"
            ),
        ),
        (SLAB, '"toluene"', "{ hexane = 0.6, acetone = 0.4 }\n[coordinate]", None),
        (SLAB, "faces = 2", "faces = 3", "[model] faces = 3"),
        (SLAB, "gap_nm = 2.2", "gap_nm = 1.5", "faces = 2: the ligands reach 0.4"),
        (
            SLAB,
            "4x4x2",
            "4x4x1",
            (
                "are 0.58 nm apart across the slab, within cutoff_nm = 0.8: use more cells along z,"
                " or faces = 1"
            ),
        ),
        (SLAB, '"MA"', '"octylamine"', "octylamine of +0 e is neutral and leaves alone"),
        (SLAB, '"ion_pair"', '"pair"', "[coordinate] leaving = 'pair'"),
        (SLAB, '"ion_pair"', '"ion_pair"\npair_nm = 5.0', "[coordinate] pair_nm = 5.0"),
        (
            SLAB,
            '"ion_pair"',
            '"ion_pair"\nintact_nm = 0.05',
            "[coordinate] intact_nm = 0.05: thermal motion goes that far: give 0.1",
        ),
        (CUBE, "gap_nm", "faces = 2\ngap_nm", "faces = 2 needs a slab, and this is a cuboid"),
        (
            CUBE,
            'vacancies = "edge"',
            'vacancies = "corner"\ncoating.all = { MA = 0.0 }',
            'with vacancies = "edge" elsewhere',
        ),
        (CUBE, "gap_nm = 1.4", "gap_nm = 0.9", "set gap_nm to 1.2 or more"),
        (CUBE, '"cuboid"', '"molecular"', "only slabs and cuboids can be sampled"),
    ],
)
def test_what_cannot_be_sampled_is_refused(
    text: str, old: str, new: str, expected: str | None, tmp_path: Path
) -> None:
    assert old in text
    if expected is None:
        text, expected = (
            text.replace('leaving = "ion_pair"', ""),
            "cannot leave alone into hexane + acetone (relative permittivity 9.5",
        )
        new = new.removesuffix("\n[coordinate]")
    if "corner" in new:
        text = text.replace('["face", "edge", "corner"]', '"corner"').replace('"2x2x2"', '"3x3x3"')
    assert expected in refusal(text.replace(old, new), tmp_path)


def test_ions_that_change_places_are_damage_to_a_slab_but_not_to_a_cluster() -> None:
    ended = EndState("pull/000-z+0.000", 0.0, np.array([0.0]), -1000.0, 300.0, 2)
    norm = UsualState([-1000.0, -1001.0], 2000, 300.0)
    assert (
        why_damaged(ended, norm) == "2 ions of its slab away from the pocket have left their places"
    )
    assert why_damaged(ended, replace(norm, slab=False)) == ""
    assert why_damaged(replace(ended, energy_kJ_mol=1e5), replace(norm, slab=False)).startswith(
        "its energy is +101000 kJ/mol"
    )


def halides_at(model: Model, positions: np.ndarray) -> dict[int, int]:
    """How many bromides that do not leave are within 0.4 nm of each lead, by all pairs."""
    core = [int(i) for i in model.groups["core"] if i not in model.groups["partner"]]
    bromides = positions[[i for i in core if model.elements[i] == "Br"]]
    found = {}
    for metal in (i for i in core if model.elements[i] == "Pb"):
        apart = bromides - positions[metal]
        found[metal] = int(
            (np.linalg.norm(apart - model.box * np.round(apart / model.box), axis=1) < 0.4).sum()
        )
    return found


def test_a_slab_with_a_pair_on_each_face_from_file_to_table(tmp_path: Path) -> None:
    (run,) = sampled(tmp_path, SLAB)
    model, pack = read_model(run / "build"), load_pack("bond-increment")
    assert len(model.groups["anchor"]) == len(model.groups["partner"]) == 2
    system = mm.XmlSerializer.deserialize((run / "system" / "system.xml").read_text())
    nonbonded = next(force for force in system.getForces() if isinstance(force, mm.NonbondedForce))
    for partner in model.groups["partner"]:
        assert nonbonded.getParticleParameters(int(partner))[0]._value == pytest.approx(
            -pack.charges.charge_scale
        )
    pair = next(force for force in system.getForces() if force.getName() == "ion pair")
    assert pair.getNumBonds() == 2 and pair.usesPeriodicBoundaryConditions()
    walls = next(force for force in system.getForces() if force.getName() == "surface walls")
    held = {walls.getParticleParameters(k)[0] for k in range(walls.getNumParticles())}
    assert held == set(model.groups["core"]) - set(model.groups["frozen"]) - set(
        model.groups["partner"]
    )
    pulled = [np.load(path / "cv.npy") for path in sorted((run / "pull").iterdir())]
    assert [part.shape[1] for part in pulled] == [4] * 4
    for height, part in zip((0.0, 0.1, 0.2, 0.3), pulled, strict=True):
        assert part[-1, ::2] == pytest.approx(
            [height] * 2, abs=0.06
        )  # both faces go outwards together
    for path in run.glob("windows/*/seg-000"):
        assert np.load(path / "cv.npy").shape == (10, 4)
        slab, state = (
            json.loads((path / "segment.json").read_text())["slab"],
            read_state(path / "state.xml"),
        )
        assert slab["displaced"] == 0 and len(slab["partner_shift_nm"]) == 2
        now, built = (
            halides_at(model, xyz) for xyz in (state.positions, model.positions)
        )  # thermally one may be short of a halide
        assert slab["short_metals"] == [metal for metal in built if now[metal] < built[metal]]
    text = (tmp_path / "tables" / "binding.md").read_text()
    assert (
        "Error" not in text
        and "slab AX 4x4x2 intact" in text
        and list(run.glob("estimate-*/faces.csv"))
    )


@pytest.mark.parametrize(
    "sites", [["corner"], pytest.param(["face", "edge", "corner"], marks=pytest.mark.rows)]
)
def test_a_cluster_has_a_path_outwards_from_face_edge_and_corner(
    sites: list[str], tmp_path: Path
) -> None:
    runs = sampled(tmp_path, CUBE.replace(json.dumps(list(NORMALS)), json.dumps(sites)))
    components = []
    for run in runs:
        model = read_model(run / "build")
        assert (
            "surface walls" not in (run / "system" / "system.xml").read_text()
        )  # they would keep it from turning
        components.append(sorted(np.abs(model.site_normal).round(3).tolist()))
        pulled = [np.load(path / "cv.npy")[-1, 0] for path in sorted((run / "pull").iterdir())]
        assert pulled == pytest.approx([0.0, 0.1, 0.2, 0.3], abs=0.06)
        assert (
            np.linalg.norm(model.site_point)
            < np.linalg.norm(model.site_point + 0.3 * model.site_normal) - 0.29
        )
    assert sorted(components) == sorted(NORMALS[site] for site in sites)
    text = (tmp_path / "tables" / "binding.md").read_text()
    assert all(f"cuboid AX 2x2x2 {site}" in text for site in sites) and "Error" not in text


def test_the_cation_of_the_crystal_from_file_to_table_and_observables(tmp_path: Path) -> None:
    run = next(path for path in sampled(tmp_path, IONS) if "-Cs-" in path.name)
    model = read_model(run / "build")
    (atom,) = model.groups["ligand"]
    check = json.loads((run / "build" / "check.json").read_text())
    assert check["formal_charge"] == 0 and check["anchor_height_nm"] == 0.0
    audit = json.loads((run / "system" / "audit.json").read_text())
    assert audit["charge_e"]["ligand"] == pytest.approx(0.75)
    system = mm.XmlSerializer.deserialize((run / "system" / "system.xml").read_text())
    walls = next(force for force in system.getForces() if force.getName() == "surface walls")
    held = {walls.getParticleParameters(k)[0] for k in range(walls.getNumParticles())}
    assert held == set(model.groups["core"]) - set(model.groups["frozen"])
    pulled = [np.load(path / "cv.npy")[-1, 0] for path in sorted((run / "pull").iterdir())]
    assert pulled == pytest.approx([0.0, 0.1, 0.2, 0.3], abs=0.06)
    for path in run.glob("windows/*/seg-000"):
        record = json.loads((path / "segment.json").read_text())
        assert record["slab"]["displaced"] == 0 and not record["slab"]["partner_shift_nm"]
        assert record["image_nm"] == pytest.approx(min(model.box[:2]))
        assert len(record["solvent_nm"]) == 1
    assert main(["observe", str(tmp_path)]) == 0
    text = (tmp_path / "tables" / "binding.md").read_text()
    assert "| Cs " in text and "Error" not in text and atom not in model.groups["core"]
