"""The wall that keeps a pocket dry: its energy, where it begins and ends, and that dG0 does not know of it."""

from types import SimpleNamespace

import numpy as np
import openmm as mm
import pytest
from openmm import unit

from forcefields.coordinate import Coordinate
from forcefields.dry import BEGINS_NM, DRY_K, add_dry_wall
from structures.build import ModelSpec, build
from structures.crystal import CrystalSpec
from structures.model import Model

SPEC = ModelSpec(CrystalSpec("CsPbBr3", "slab", (4, 4, 2), "AX", 0.586, seed=3), "MA", "face", (("acetone", 1.0),), 1.8, faces=2)
RADIUS, TO = 0.3, 0.8
BEGINS = RADIUS + BEGINS_NM


@pytest.fixture(scope="module")
def model() -> Model:
    return build(SPEC)[0]


def coordinate_of(model: Model) -> Coordinate:
    return Coordinate(model.groups["anchor"], model.site_points, model.site_normals, 0.55, 5000.0)


def walled(model: Model | SimpleNamespace, coordinate: Coordinate) -> mm.Context:
    system = mm.System()
    system.setDefaultPeriodicBoxVectors(*(mm.Vec3(*row) for row in np.diag(model.box)))
    for _ in model.elements:
        system.addParticle(1.0)
    add_dry_wall(system, model, coordinate, RADIUS, TO)
    context = mm.Context(system, mm.VerletIntegrator(0.001), mm.Platform.getPlatformByName("Reference"))
    assert len(context.getMolecules()) == len(model.elements)  # a barostat still moves every molecule for itself
    return context


def energy(context: mm.Context, positions: np.ndarray) -> float:
    context.setPositions(positions)
    return context.getState(getEnergy=True).getPotentialEnergy().value_in_unit(unit.kilojoule_per_mole)


def test_it_is_harmonic_inside_its_radius_and_fades_as_its_own_head_goes_away(model: Model) -> None:
    context, places = walled(model, coordinate_of(model)), model.positions.copy()
    carbon = next(i for i in model.groups["solvent"] if model.elements[i] == "C")
    hydrogen = next(i for i in model.groups["solvent"] if model.elements[i] == "H")
    assert energy(context, places) == 0.0  # as built the heads are in their pockets, and solvent is not
    places[hydrogen] = model.site_points[0]
    assert energy(context, places) == 0.0
    head, other = (int(i) for i in model.groups["anchor"])
    for distance in (0.31, 0.29, 0.1):
        places[carbon] = model.site_points[0] + np.array([0.0, 0.6, 0.8]) * distance + model.box * (1, 0, -1)  # across images too
        inside = 0.5 * DRY_K * max(0.0, RADIUS - distance) ** 2
        for height, strength in ((-0.1, 1.0), (BEGINS, 1.0), (0.5 * (BEGINS + TO), 0.25), (TO - 0.1, 0.0625), (TO, 0.0), (1.1, 0.0)):
            places[head] = model.site_points[0] + height * model.site_normals[0]
            for away in (0.0, 1.2):  # where the other head is, is of no matter
                places[other] = model.site_points[1] + away * model.site_normals[1]
                assert energy(context, places) == pytest.approx(inside * strength, rel=1e-5, abs=1e-9)


def test_forces_are_the_slope_of_the_energy(model: Model) -> None:
    context, places = walled(model, coordinate_of(model)), model.positions.copy()
    carbon, head = next(i for i in model.groups["solvent"] if model.elements[i] == "C"), int(model.groups["anchor"][0])
    places[carbon] = model.site_points[0] + (0.05, -0.1, 0.12)
    places[head] = model.site_points[0] + 0.55 * model.site_normals[0] + (0.1, 0.05, 0.0)
    context.setPositions(places)
    forces = context.getState(getForces=True).getForces(asNumpy=True).value_in_unit(unit.kilojoule_per_mole / unit.nanometer)
    assert set(np.flatnonzero(np.abs(forces).max(axis=1) > 1e-6)) == {carbon, head}
    for atom, axis in [(carbon, k) for k in range(3)] + [(head, k) for k in range(3)]:
        ends = [places.copy(), places.copy()]
        ends[0][atom, axis] -= 1e-4
        ends[1][atom, axis] += 1e-4
        slope = (energy(context, ends[1]) - energy(context, ends[0])) / 2e-4
        assert forces[atom, axis] == pytest.approx(-slope, rel=1e-4, abs=1e-4)


def test_the_free_energy_between_its_ends_is_the_same_with_it() -> None:
    """A head on a line and one atom of solvent on the same line, which attract the site and repel each other: exact sums over both."""
    model = SimpleNamespace(elements=["N", "C"], groups={"solvent": [1]}, box=np.full(3, 6.0))
    context = walled(model, Coordinate(np.array([0]), np.zeros((1, 3)), np.array([[0.0, 0.0, 1.0]]), 0.55, 5000.0))
    heights, kT = np.arange(-0.1, 1.205, 0.02), 2.494
    solvent = np.arange(-0.2, 2.0, 0.02)
    z, s = np.meshgrid(heights, solvent, indexing="ij")
    own = -40 * np.exp(-(z**2) / 0.02) - 15 * np.exp(-(s**2) / 0.01) + 60 * np.exp(-((z - s) ** 2) / 0.08)
    wall = np.array([[energy(context, np.array([[0, 0, a], [0, 0, b]])) for b in solvent] for a in heights])
    free, dry = (-kT * np.log(np.exp(-u / kT).sum(axis=1)) for u in (own, own + wall))
    bound, between, unbound = heights < 0.15, (heights > 0.3) & (heights < 0.6), heights > TO
    depths = [-kT * np.log(np.exp(-w[bound] / kT).mean() / np.exp(-w[unbound] / kT).mean()) for w in (free, dry)]
    assert depths[1] == pytest.approx(depths[0], abs=0.05) and depths[0] < -5
    assert (dry - free)[between].max() > 5  # the path is another one


def test_what_cannot_be_is_refused(model: Model) -> None:
    vacuum = SimpleNamespace(elements=["N"], groups={"solvent": []})
    with pytest.raises(ValueError, match="there is no solvent to keep out of a pocket: set dry_nm = 0"):
        add_dry_wall(mm.System(), vacuum, coordinate_of(model), RADIUS, TO)
    with pytest.raises(ValueError, match=r"begins to fade at 0.4 nm: set dry_to_nm above it"):
        add_dry_wall(mm.System(), model, coordinate_of(model), RADIUS, 0.4)
