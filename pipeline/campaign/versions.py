"""Versions of what computed a number: they go into run.json, every segment and the table."""

from importlib import metadata

PACKAGES = ("halobind", "openmm", "numpy", "pymbar", "mdtraj", "rdkit", "ase")


def versions() -> dict[str, str]:
    """Installed version of each of PACKAGES ("not installed" for a missing one)."""
    installed = {}
    for name in PACKAGES:
        try:
            installed[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            installed[name] = "not installed"
    return installed
