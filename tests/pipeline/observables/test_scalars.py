"""Observables of frames with known answers: hand-made geometry, mdtraj's own functions,
halobind.structures.models.integrity.
"""

from dataclasses import replace

import mdtraj as md
import numpy as np
import pytest
from rdkit.Chem.rdMolTransforms import SetDihedralDeg
from scipy.spatial.transform import Rotation

from halobind.pipeline.observables.registry import OBSERVABLES
from halobind.pipeline.observables.scalars import height, hydrogen_bonds
from halobind.pipeline.observables.scene import Chemistry, Scene, scenes_of
from halobind.structures.assembly.build import ModelSpec, build_model
from halobind.structures.crystals.crystal import CrystalSpec
from halobind.structures.models.integrity import check_integrity
from halobind.structures.models.model import GROUPS, Model, Residue
from halobind.structures.molecules.catalogue import LIGANDS, MODES
from halobind.structures.molecules.molecule import catalogue_molecule, rdkit_molecule

BOX = np.array([3.0, 3.2, 5.0])
SITE = np.array([1.5, 1.6, 2.0])
CORE = (
    "Br",
    "Br",
    "Br",
    "Br",
    "Pb",
    "Br",
    "Cs",
    "Br",
)  # a square of Br around the site, Pb below with one more, Cs and Br far below
CORE_XYZ = [
    (0.42, 0, 0),
    (-0.42, 0, 0),
    (0, 0.42, 0),
    (0, -0.42, 0),
    (0, 0, -0.3),
    (0, 0, -0.59),
    (0.9, 0.9, -1.0),
    (0.9, -0.9, -1.0),
]
SLAB = Chemistry(("Pb",), ("Br",), "A")


def small(name: str, solvent: str | None = "acetone") -> Model:
    """A ligand with its anchor on the site, over a few ions, and one molecule of solvent 1 nm above
    it.
    """
    ligand = catalogue_molecule(name)
    pieces = [
        ([e], [e], np.array([xyz], dtype=float), np.zeros((0, 2), dtype=int))
        for e, xyz in zip(CORE, CORE_XYZ, strict=True)
    ]
    pieces.append((ligand.elements, ligand.names, ligand.positions, ligand.bonds))
    if solvent:
        other = catalogue_molecule(solvent)
        pieces.append(
            (
                other.elements,
                other.names,
                other.positions - other.positions[0] + [0.0, 0.0, 1.0],
                other.bonds,
            )
        )
    starts = np.cumsum([0] + [len(piece[0]) for piece in pieces])
    total, core = int(starts[-1]), len(CORE)
    groups = {group: np.zeros(0, dtype=int) for group in GROUPS}
    groups |= {"core": np.arange(core), "surface": np.array([0, 1, 2, 3, 7]), "site": np.arange(4)}
    groups |= {
        "ligand": np.arange(core, core + ligand.n_atoms),
        "anchor": np.array([core + ligand.anchor]),
    }
    groups["solvent"] = np.arange(core + ligand.n_atoms, total)
    residues = [
        Residue(n, int(a), int(b))
        for n, a, b in zip([*CORE, name, solvent], starts[:-1], starts[1:], strict=False)
    ]
    return Model(
        elements=tuple(e for piece in pieces for e in piece[0]),
        names=tuple(n for piece in pieces for n in piece[1]),
        residues=tuple(residues),
        bonds=np.concatenate(
            [piece[3] + start for piece, start in zip(pieces, starts, strict=False)]
        ),
        positions=np.concatenate([piece[2] for piece in pieces]) + SITE,
        box=BOX,
        groups=groups,
        site_points=SITE[None],
        site_normals=np.array([[0.0, 0.0, 1.0]]),
    )


def scene(model: Model, chemistry: Chemistry = SLAB) -> Scene:
    (found,) = scenes_of(model, np.arange(model.n_atoms), chemistry)
    return found


def frames(one: Scene, xyz: np.ndarray, box: np.ndarray = BOX) -> md.Trajectory:
    """Positions (n, atoms, 3), or those of one frame, as a trajectory."""
    xyz = np.asarray(xyz, dtype=np.float32).reshape(-1, len(one.built), 3)
    found = md.Trajectory(xyz, one.topology)
    found.unitcell_lengths, found.unitcell_angles = (
        np.tile(box, (len(xyz), 1)),
        np.full((len(xyz), 3), 90.0),
    )
    return found


def measured(name: str, one: Scene, xyz: np.ndarray) -> list[float]:
    return OBSERVABLES[name].measure(frames(one, xyz), one)[0].tolist()


def moved(model: Model, atoms: np.ndarray, by: object) -> np.ndarray:
    xyz = model.positions.copy()
    xyz[atoms] += by
    return xyz


def test_an_ion_that_leaves_with_the_ligand_is_no_damage_and_hides_none() -> None:
    model = small("DA")
    model = replace(model, groups=model.groups | {"partner": np.array([0])})
    one = scene(model)
    assert one.face.tolist() == [1, 2, 3]
    gone = moved(model, np.append(model.groups["ligand"], 0), (0, 0, 1.0))
    assert measured("integrity", one, gone)[1:] == [0.0, 0.0, 0.0, pytest.approx(0.0, abs=1e-6)]
    gone[5, 2] -= 0.4  # and one that stays leaves its metal
    lost = check_integrity(model, gone, model.box, ("Pb",), ("Br",))
    assert measured("integrity", one, gone)[1:] == [
        lost.broken,
        lost.displaced,
        0.0,
        pytest.approx(lost.largest_displacement_nm, abs=1e-4),
    ]
    assert (lost.broken, lost.displaced) == (1, 1)


def test_height_lateral_distance_and_depth() -> None:
    model = small("DA")
    one = scene(model)
    assert one.face.tolist() == [0, 1, 2, 3]
    ligand = model.groups["ligand"]
    assert measured("height", one, moved(model, ligand, (0.03, 0.04, 0.2))) == pytest.approx(
        [0.2, 0.05, -0.2], abs=1e-6
    )
    assert measured("height", one, moved(model, ligand, (3.03, -3.16, 4.9))) == pytest.approx(
        [-0.1, 0.05, 0.1], abs=1e-6
    )
    raised = moved(model, ligand, (0, 0, 0.2))
    raised[:4, 2] += 0.25  # the outer halides rise over the head
    assert measured("height", one, raised) == pytest.approx([0.2, 0.0, 0.05], abs=1e-6)


def test_the_height_is_along_the_normal_of_the_site() -> None:
    normal = np.array([0.0, 0.6, 0.8])
    model = replace(small("MA"), site_normals=normal[None])
    z, r, _ = measured(
        "height", scene(model), moved(model, model.groups["ligand"], 0.3 * normal + [0.1, 0, 0])
    )
    assert (z, r) == pytest.approx((0.3, 0.1), abs=1e-6)


@pytest.mark.parametrize(
    ("length", "angle", "bonds"),
    [(0.25, 180.0, 1), (0.275, 130.0, 1), (0.285, 180.0, 0), (0.25, 110.0, 0)],
    ids=str,
)
def test_hydrogen_bonds_need_length_and_angle(length: float, angle: float, bonds: int) -> None:
    model = small("MA")
    one = scene(model)
    assert len(one.donors) == 3
    xyz = moved(model, model.groups["ligand"], (0, 0, 1.5))  # away from the crystal
    nitrogen, hydrogen = one.donors[0]
    towards = xyz[nitrogen] - xyz[hydrogen]
    towards /= np.linalg.norm(towards)
    turn = Rotation.from_rotvec(
        np.radians(angle)
        * np.cross(towards, [0.3, 0.5, 0.1])
        / np.linalg.norm(np.cross(towards, [0.3, 0.5, 0.1]))
    )
    xyz[7] = xyz[hydrogen] + length * turn.apply(towards) - [0, 0, BOX[2]]  # in the next box
    count, mean = measured("hydrogen_bonds", one, xyz)
    assert count == bonds
    assert mean == pytest.approx(angle, abs=0.05) if bonds else np.isnan(mean)


def test_no_hydrogen_bonds_without_hydrogens_on_nitrogen() -> None:
    for name in ("benzoate", "DMDDA"):
        one = scene(small(name))
        assert np.isnan(hydrogen_bonds(frames(one, one.built), one)).all()
    assert len(scene(small("FA")).donors) == 4  # the head is the carbon between the nitrogens


def test_shells_of_the_anchor() -> None:
    model = small("DA")
    found = measured(
        "coordination", scene(model), moved(model, model.groups["ligand"], (0, 0, 0.1))
    )
    assert found == pytest.approx([4, np.hypot(0.42, 0.1), 1, 0.4], abs=1e-6)
    found = measured(
        "coordination", scene(model), moved(model, model.groups["ligand"], (0, 0, 0.35))
    )
    assert found[0] == 0 and found[2] == 0
    none = measured("coordination", scene(model, Chemistry(("Sn",), ("I",), "A")), model.positions)
    assert none[0] == none[2] == 0 and np.isnan([none[1], none[3]]).all()


def test_who_sits_in_the_site() -> None:
    model = small("DA")
    ligand, one = model.groups["ligand"], scene(model)
    assert measured("occupancy", one, moved(model, ligand, (0, 0, 0.39))) == [1, 0]
    left = moved(model, ligand, (0, 0, 0.41))
    assert measured("occupancy", one, left) == [0, 0]
    left[6] = SITE + [3.1, 0, 0.3]  # Cs takes the place
    assert measured("occupancy", one, left) == [0, 1]
    acid = scene(small("benzoate"), replace(SLAB, role="X"))
    assert measured(
        "occupancy", acid, moved(small("benzoate"), np.array([7]), np.array([-0.9, 0.9, 1.1]))
    ) == [1, 1]


def test_a_straight_tail_turned_by_a_known_angle() -> None:
    model = small("DA")
    one, ligand = scene(model), model.groups["ligand"]
    assert len(one.tails) == 1 and len(one.dihedrals) == 10
    vector = model.positions[one.tails[0][-1]] - SITE
    length = np.linalg.norm(vector)
    onto = Rotation.align_vectors([[0, 0, 1]], [vector / length])[0]
    xyz = model.positions.copy()
    xyz[ligand] = SITE + Rotation.from_euler("y", 40, degrees=True).apply(
        onto.apply(xyz[ligand] - SITE)
    )
    assert measured("tail", one, xyz) == pytest.approx([40.0, length, 0.0], abs=0.01)
    xyz[ligand[5:]] += [BOX[0], 0, -BOX[2]]  # cut by the box
    assert measured("tail", one, xyz) == pytest.approx([40.0, length, 0.0], abs=0.01)


def test_gauche_dihedrals_are_counted() -> None:
    model = small("DA")
    one, ligand = scene(model), model.groups["ligand"]
    mol = rdkit_molecule(catalogue_molecule("DA"))
    for number, angle in ((3, 65.0), (7, -70.0), (8, 150.0)):
        SetDihedralDeg(
            mol.GetConformer(), *(int(i) for i in one.dihedrals[number] - ligand[0]), angle
        )
    xyz = model.positions.copy()
    xyz[ligand] = mol.GetConformer().GetPositions() / 10 + SITE
    assert measured("tail", one, xyz)[2] == pytest.approx(0.2)


@pytest.mark.parametrize(
    ("name", "tails", "dihedrals"),
    [
        ("DDA", 2, 20),
        ("DMDDA", 2, 20),
        ("MA", 1, 0),
        ("oleate", 1, 12),
        ("DPPA", 1, 2),
        ("benzoate", 1, 0),
    ],
)
def test_tails_and_their_rotatable_bonds(name: str, tails: int, dihedrals: int) -> None:
    one = scene(small(name))
    assert (len(one.tails), len(one.dihedrals)) == (tails, dihedrals)


def test_the_crystal_is_judged_as_structures_integrity_does(drawn) -> None:
    model, random = drawn.model, np.random.default_rng(3)
    one = scenes_of(model, np.arange(model.n_atoms), SLAB)[0]
    xyz = model.positions + random.normal(0, 0.015, (6, model.n_atoms, 3))
    xyz[1:, 5] += [0.5, 0, 0]
    xyz[3:, model.groups["core"][::7]] += [0, 0, 0.45]
    table = OBSERVABLES["integrity"].measure(frames(one, xyz, model.box), one)
    for row, positions in zip(table, xyz, strict=True):
        expected = check_integrity(model, positions, model.box, ("Pb",), ("Br",))
        assert row[1:4].tolist() == [expected.broken, expected.displaced, 0]
        assert row[4] == pytest.approx(expected.largest_displacement_nm, abs=1e-4)
    assert table[0, 0] == pytest.approx(6.0) and table[5, 2] > 10


def test_hops_on_a_cluster_are_told_from_displacements() -> None:
    """A caesium of a cube one cell further, at a vacant corner, in one frame; 0.4 nm off the
    crystal in the next.
    """
    model = build_model(
        ModelSpec(
            CrystalSpec("CsPbBr3", "cuboid", (2, 2, 2), "AX", 0.583, seed=3), "MA", "face", (), 3.0
        )
    )[0]
    (one,) = scenes_of(model, np.arange(model.n_atoms), SLAB)
    corner = min(model.vacant["CS"], key=lambda point: point[2])
    ion = int(np.argmin(np.linalg.norm(model.positions - corner - [0, 0, 0.583], axis=1)))
    xyz = np.array(
        [
            moved(model, [ion], by)
            for by in (np.zeros(3), [0, 0, -0.5], np.sign(corner) * [0.25, 0.25, 0])
        ]
    )
    table = OBSERVABLES["integrity"].measure(frames(one, xyz, model.box), one)
    assert model.elements[ion] == "Cs" and table[:, 2:4].tolist() == [[0, 0], [0, 1], [1, 0]]
    for row, positions in zip(table, xyz, strict=True):
        expected = check_integrity(model, positions, model.box, ("Pb",), ("Br",))
        assert row[1:4].tolist() == [expected.broken, expected.displaced, expected.hopped]


def test_solvent_around_the_head() -> None:
    model = small("MA")
    one = scene(model)
    solvent = model.groups["solvent"]
    heavy = one.species["solvent"]
    least = np.linalg.norm(model.positions[heavy] - SITE, axis=1).min()
    assert measured("solvent_shell", one, model.positions) == pytest.approx([0, least], abs=1e-6)
    nearer = moved(model, solvent, (0, 0, -0.6))
    assert measured("solvent_shell", one, nearer)[0] == 1
    without = scenes_of(model, np.arange(solvent[0]), SLAB)[0]
    assert not without.has_solvent


def test_densities_hold_every_atom(drawn) -> None:
    model = drawn.model
    one = scenes_of(model, np.arange(model.n_atoms), SLAB)[0]
    xyz = frames(
        one, model.positions + [0, 0, 7.3], model.box
    )  # wherever the box begins, heights are over the site
    shifted = replace(one, point=one.point + [0, 0, 7.3])
    row = OBSERVABLES["density"]
    found, grid = row.measure(xyz, shifted)[0], row.bins(shifted)
    solvent = OBSERVABLES["solvent_density"].measure(xyz, shifted)[0]
    volume = model.box[0] * model.box[1] * grid.width
    reach = (
        np.floor(model.box[2] / 2 / grid.width + 1e-6) * grid.width
    )  # bins that reach beyond the box are NaN
    heights = (model.positions[:, 2] - one.point[2] + model.box[2] / 2) % model.box[2] - model.box[
        2
    ] / 2
    for name, curve in zip((*row.columns, "solvent"), [*found, *solvent], strict=True):
        inside = int((np.abs(heights[one.species[name]]) < reach).sum())
        assert np.nansum(curve) * volume == pytest.approx(
            inside, abs=1.01 if name == "solvent" else 1e-3
        )  # one may lie on an edge
        assert inside == len(one.species[name]) or name == "solvent"
    top = grid.centres[np.nanargmax(np.where(grid.centres > -0.2, found[2], np.nan))]
    assert abs(top) < 0.05  # the outer Cs lie in the plane of the site


def test_radial_distributions_are_those_of_mdtraj(drawn) -> None:
    model, random = drawn.model, np.random.default_rng(5)
    one = scenes_of(model, np.arange(model.n_atoms), SLAB)[0]
    trajectory = frames(one, random.uniform(0, 1, (20, model.n_atoms, 3)) * model.box, model.box)
    found = OBSERVABLES["rdf"].measure(trajectory, one).mean(axis=0)
    for name, curve in zip(OBSERVABLES["rdf"].columns, found, strict=True):
        pairs = np.array([(one.anchor, j) for j in one.species[name]])
        r, g = md.compute_rdf(trajectory, pairs, r_range=(0, 1.0), bin_width=0.01)
        assert len(r) == len(curve)
        same = np.isclose(curve, g, rtol=1e-4)  # a pair on the edge of a bin may change sides
        assert same.mean() > 0.97 and curve.sum() == pytest.approx(g.sum(), rel=1e-3)
        assert curve[40:].mean() == pytest.approx(1.0, abs=0.15)


def test_a_wide_box_of_uniform_points_has_g_of_one() -> None:
    model = small("DA")
    one = replace(scene(model), species=scene(model).species | {"halide": np.arange(len(CORE))})
    random = np.random.default_rng(2)
    xyz = random.uniform(0, 1, (4000, model.n_atoms, 3)) * BOX
    curve = OBSERVABLES["rdf"].measure(frames(one, xyz), one)[:, 0].mean(axis=0)
    assert curve[50:].mean() == pytest.approx(1.0, abs=0.03)


@pytest.mark.parametrize(
    "ligand",
    ["DA", "DMDDA", "FA", "benzoate", "hydrogen-methylphosphonate", "butylamine", "phenylalanine"],
)
def test_every_observable_of_every_mode_has_its_shape(ligand: str) -> None:
    model = small(ligand)
    one = scene(model, replace(SLAB, role=MODES[LIGANDS[ligand].mode].sites[0]))
    xyz = np.stack([model.positions, model.positions + 0.01])
    for name, row in OBSERVABLES.items():
        found = row.measure(frames(one, xyz), one)
        assert found.shape == (2, len(row.columns), *([row.bins(one).n] if row.bins else [])), name
        assert np.isfinite(found).any() or name == "hydrogen_bonds"


def test_frames_without_atoms_of_the_crystal_are_refused() -> None:
    with pytest.raises(ValueError, match="lack atoms"):
        scenes_of(small("MA"), np.arange(2, 12), SLAB)


def test_rows_do_not_depend_on_the_other_frames(drawn) -> None:
    model, random = drawn.model, np.random.default_rng(6)
    one = scenes_of(model, np.arange(model.n_atoms), SLAB)[0]
    xyz = model.positions + random.normal(0, 0.02, (7, model.n_atoms, 3))
    for name, row in OBSERVABLES.items():
        whole = row.measure(frames(one, xyz, model.box), one)
        parts = [
            row.measure(frames(one, part, model.box), one) for part in (xyz[:1], xyz[1:4], xyz[4:])
        ]
        assert np.array_equal(whole, np.concatenate(parts), equal_nan=True), name
    assert height(frames(one, xyz, model.box), one).dtype == float
