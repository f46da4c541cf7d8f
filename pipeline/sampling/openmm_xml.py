"""States and Systems as OpenMM's XML files, read so that a file can bring no code with it.

OpenMM builds whatever class an element's `type` names, and a PythonForce is unpickled, which runs
what its author likes. A state is therefore read here without OpenMM, and a System is handed to
OpenMM only when every type in it is one that halobind writes.
"""

import re
from pathlib import Path
from xml.etree import ElementTree
from xml.parsers import expat

import numpy as np
import openmm as mm

from halobind.pipeline.campaign.run_directory import DamagedError
from halobind.pipeline.campaign.settings import CampaignError
from halobind.pipeline.sampling.md_leg import MDState, set_box

STATE_VERSION = "1"  # of the format of a State that this module reads
SYSTEM_TYPES = frozenset(
    {
        "System",
        "HarmonicBondForce",
        "HarmonicAngleForce",
        "PeriodicTorsionForce",
        "RBTorsionForce",
        "NonbondedForce",
        "CustomNonbondedForce",
        "CustomBondForce",
        "CustomExternalForce",
        "Discrete2DFunction",
    }
)


def write_state(state: MDState, path: Path) -> None:
    """Write a state as a portable OpenMM State file."""
    system = mm.System()
    for _ in range(len(state.positions)):
        system.addParticle(1.0)
    context = mm.Context(
        system, mm.VerletIntegrator(0.001), mm.Platform.getPlatformByName("Reference")
    )
    set_box(context, state.box)
    context.setPositions(state.positions)
    if state.velocities is not None:
        context.setVelocities(state.velocities)
    whole = context.getState(getPositions=True, getVelocities=True)
    path.write_text(mm.XmlSerializer.serialize(whole), encoding="ascii")


def read_state(path: Path) -> MDState:
    """Read positions, velocities and box of an OpenMM State file.

    Raises:
        CampaignError: A newer OpenMM wrote it in a format that is not known here.
        ValueError: It is not a State, or a number is missing.
    """
    root = ElementTree.fromstring(_plain_text(path))
    if root.tag != "State" or root.get("type") != "State":
        raise ValueError(f"{path.name} holds a {root.get('type', root.tag)}, not a State")
    if root.get("version") != STATE_VERSION:
        raise _newer_error(path, root.get("openmmVersion"))
    box = np.diag(_vectors(root, "PeriodicBoxVectors"))
    return MDState(_vectors(root, "Positions"), _vectors(root, "Velocities"), box)


def read_system(path: Path) -> mm.System:
    """Read an OpenMM System file of halobind's.

    Raises:
        CampaignError: A newer OpenMM wrote it in a format that this one does not know.
        DamagedError: It holds a type of object that halobind does not write.
        ValueError: It is not a System, or not XML.
    """
    text = _plain_text(path)
    header = _check_types(text, path)
    try:
        return mm.XmlSerializer.deserializeSystem(text)
    except mm.OpenMMException as error:
        written_by = header.get("openmmVersion")
        if _numbers(written_by) > _numbers(mm.__version__):
            raise _newer_error(path, written_by) from error
        raise


def _plain_text(path: Path) -> str:
    """The text of an XML file of elements only: no comments, entities or declarations."""
    text = path.read_text(encoding="ascii")
    if "<!" in text:
        raise ValueError(f"{path.name} holds a comment or declaration, which OpenMM does not write")
    return text


def _check_types(text: str, path: Path) -> dict[str, str]:
    """The attributes of the first element of a System file whose types are all known.

    Raises:
        DamagedError: Some element has another type.
        ValueError: It is not a System.
    """
    header: dict[str, str] = {}

    def start(tag: str, attributes: dict[str, str]) -> None:
        kind = attributes.get("type")
        if not header:
            if tag != "System" or kind != "System":
                raise ValueError(f"{path.name} holds a {kind or tag}, not a System")
            header.update(attributes)
        if kind is not None and kind not in SYSTEM_TYPES:
            raise DamagedError(
                f"{path} holds a {kind}, which halobind never writes and which could run code of"
                f" whoever wrote it: remove {path.parent}, then: halobind run --retry"
            )

    parser = expat.ParserCreate()
    parser.StartElementHandler = start
    parser.Parse(text, True)
    return header


def _vectors(root: ElementTree.Element, name: str) -> np.ndarray:
    """The (n, 3) numbers of a list of vectors. Raises ValueError when there is none."""
    rows = root.find(name)
    if rows is None or len(rows) == 0:
        raise ValueError(f"it has no {name.lower()}")
    return np.array([_vector(row) for row in rows])


def _vector(row: ElementTree.Element) -> list[float]:
    """The three numbers of one vector."""
    return [float(row.attrib[axis]) for axis in "xyz"]


def _newer_error(path: Path, version: str | None) -> CampaignError:
    return CampaignError(
        f"{path} was written by OpenMM {version or '(version not said)'}, whose format OpenMM"
        f" {mm.__version__} here does not know: install that version or a later one"
    )


def _numbers(version: str | None) -> list[int]:
    """The numbers of a version: [8, 6, 1] of "8.6.1"; none of None."""
    return [int(number) for number in re.findall(r"\d+", version or "")[:3]]
