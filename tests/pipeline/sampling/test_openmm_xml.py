"""State and System files: read exactly, and never as code."""

from pathlib import Path

import numpy as np
import openmm as mm
import pytest

from halobind.pipeline.campaign.run_directory import DamagedError, reading
from halobind.pipeline.campaign.settings import CampaignError
from halobind.pipeline.sampling.md_leg import MDState
from halobind.pipeline.sampling.openmm_xml import read_state, read_system, write_state


class Bomb:
    """A function of forces that leaves a file behind when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __call__(self, state: mm.State) -> tuple[float, np.ndarray]:
        return 0.0, np.zeros((1, 3))

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return (Path.touch, (self.mark,))


def python_force(mark: Path) -> mm.System:
    system = mm.System()
    system.addParticle(1.0)
    system.addForce(mm.PythonForce(Bomb(mark)))
    return system


def plain_system() -> mm.System:
    system = mm.System()
    system.addParticle(1.0)
    force = mm.CustomNonbondedForce("f(0, 0)")
    force.addTabulatedFunction("f", mm.Discrete2DFunction(1, 1, [1.0]))
    force.addParticle([])
    system.addForce(force)
    return system


def test_a_state_is_read_as_openmm_reads_it_to_the_last_bit(tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    state = MDState(
        random.normal(size=(50, 3)), 1e-3 * random.normal(size=(50, 3)), random.uniform(2, 5, 3)
    )
    write_state(state, tmp_path / "state.xml")
    back = read_state(tmp_path / "state.xml")
    theirs = mm.XmlSerializer.deserialize((tmp_path / "state.xml").read_text())
    assert np.array_equal(back.positions, state.positions)
    assert np.array_equal(back.velocities, state.velocities)
    assert np.array_equal(back.box, state.box)
    assert np.array_equal(back.positions, theirs.getPositions(asNumpy=True)._value)
    assert np.array_equal(back.velocities, theirs.getVelocities(asNumpy=True)._value)


def test_a_system_of_halobind_is_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "system.xml"
    text = mm.XmlSerializer.serialize(plain_system())
    path.write_text(text)
    assert mm.XmlSerializer.serialize(read_system(path)) == text


@pytest.mark.skipif(not hasattr(mm, "PythonForce"), reason="this OpenMM has no PythonForce")
def test_a_system_that_carries_code_is_refused_before_the_code_runs(tmp_path: Path) -> None:
    path = tmp_path / "system" / "system.xml"
    path.parent.mkdir()
    mark = tmp_path / "ran"
    path.write_text(mm.XmlSerializer.serialize(python_force(mark)))
    with pytest.raises(DamagedError, match=r"system\.xml holds a PythonForce.*remove"):
        read_system(path)
    assert not mark.exists()
    mm.XmlSerializer.deserialize(path.read_text())  # that the file is what it claims to be
    assert mark.exists()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('type="Discrete2DFunction"', 'type="PythonForce"'),
        ('type="Discrete2DFunction"', 'type="Python&#70;orce"'),
        ('type="CustomNonbondedForce"', 'type="CMMotionRemover"'),
    ],
)
def test_a_type_that_halobind_does_not_write_is_refused_anywhere(
    tmp_path: Path, old: str, new: str
) -> None:
    path = tmp_path / "system.xml"
    text = mm.XmlSerializer.serialize(plain_system())
    assert old in text
    path.write_text(text.replace(old, new))
    with pytest.raises(DamagedError, match="holds a (PythonForce|CMMotionRemover), which halobind"):
        read_system(path)


@pytest.mark.parametrize("read", [read_state, read_system])
@pytest.mark.parametrize(
    "text",
    [
        '<?xml version="1.0" ?>\n<State type="PythonForce" version="1"></State>',
        '<?xml version="1.0" ?>\n<Force type="PythonForce" version="1" function="00"/>',
        '<?xml version="1.0" ?>\n<!DOCTYPE State [<!ENTITY a "b">]><State type="State"/>',
        '<?xml version="1.0" ?>\n<State type="State" version="1"></State>',
        "<State",
        "",
    ],
)
def test_another_thing_than_what_is_expected_is_damage(tmp_path: Path, read, text: str) -> None:
    path = tmp_path / "state.xml"
    path.write_text(text)
    with pytest.raises(DamagedError, match="is damaged"), reading(tmp_path):
        read(path)


def test_a_file_of_a_newer_openmm_is_named_and_not_called_damaged(tmp_path: Path) -> None:
    path = tmp_path / "state.xml"
    write_state(MDState(np.zeros((1, 3)), None, np.ones(3)), path)
    version = mm.__version__
    newer = path.read_text().replace(f'openmmVersion="{version}"', 'openmmVersion="99.1"')
    path.write_text(newer.replace('type="State" version="1"', 'type="State" version="7"'))
    with pytest.raises(CampaignError, match=r"written by OpenMM 99\.1") as error, reading(tmp_path):
        read_state(path)
    assert "damaged" not in str(error.value)
    path = tmp_path / "system.xml"
    text = mm.XmlSerializer.serialize(plain_system()).replace(version, "99.1")
    path.write_text(text.replace('type="System" version="1"', 'type="System" version="7"'))
    with pytest.raises(CampaignError, match=r"written by OpenMM 99\.1"), reading(tmp_path):
        read_system(path)
