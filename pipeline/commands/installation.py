"""`halobind doctor`: what this installation can do, and a self-test against known numbers."""

import shutil
import sys

import numpy as np
import openmm as mm
from openmm import unit

from halobind.forcefields.packs.pack import FORCEFIELDS, load_pack
from halobind.pipeline.campaign.versions import versions
from halobind.pipeline.sampling.platforms import PLATFORM_NAMES, POCL, choose, cores, probe
from halobind.structures.assembly.packmol import packmol_program

COULOMB = 138.935457644  # kJ mol-1 nm e-2, CODATA 2018


def examine_installation() -> int:
    """Print versions, platforms and the self-test; returns 0 when a campaign can run here."""
    print(f"Python {sys.version.split()[0]}, {cores()} cores")
    for name, version in versions().items():
        print(f"  {name:10s} {version}")
    for name in PLATFORM_NAMES:
        works, text = probe(name)
        note = " (PoCL: never chosen automatically)" if works and POCL in text else ""
        print(
            f"platform {name:10s}"
            f" {'works' if works else 'does not work'}{': ' + text if text else ''}{note}"
        )
    print(f"packmol    {packmol_program()}")
    for name in FORCEFIELDS:
        print(f"force field {load_pack(name).name}: {load_pack(name).title}")
    print(f"disk       {shutil.disk_usage('.').free / 1e9:.1f} GB free here")
    choice = choose("auto")
    error = madelung_error(choice.name)
    passed = error < 1e-3
    print(
        f"self-test  rock-salt Madelung constant on {choice.name}: relative error {error:.1e}"
        f" {'(ok)' if passed else '(WRONG: above 1e-3)'}"
    )
    return 0 if passed else 1


def madelung_error(platform: str) -> float:
    """Relative error of the PME energy of rock salt against its Madelung constant 1.7475646.

    The constant is that of Borwein et al., 1985.
    """
    cells = 4
    spacing = 0.28  # nm
    system = mm.System()
    force = mm.NonbondedForce()
    positions = []
    n = 2 * cells
    for i, j, k in np.ndindex(n, n, n):
        system.addParticle(1.0)
        force.addParticle((-1.0) ** (i + j + k), 0.1, 0.0)
        positions.append(mm.Vec3(i, j, k) * spacing)
    edge = n * spacing
    system.setDefaultPeriodicBoxVectors(
        mm.Vec3(edge, 0, 0), mm.Vec3(0, edge, 0), mm.Vec3(0, 0, edge)
    )
    force.setNonbondedMethod(mm.NonbondedForce.PME)
    force.setCutoffDistance(1.0)
    force.setEwaldErrorTolerance(1e-5)
    system.addForce(force)
    context = mm.Context(
        system, mm.VerletIntegrator(0.001), mm.Platform.getPlatformByName(platform)
    )
    context.setPositions(positions)
    energy = (
        context.getState(getEnergy=True).getPotentialEnergy().value_in_unit(unit.kilojoule_per_mole)
    )
    expected = -0.5 * n**3 * COULOMB * 1.7475645946 / spacing
    return float(abs(energy / expected - 1))
