"""Notes that keep a row from being called converged: a cylinder that is not explored, images,
displaced ions.
"""

import tomllib
from dataclasses import replace

import numpy as np
import pytest

from halobind.pipeline.campaign.load import parse_campaign
from halobind.pipeline.campaign.settings import Campaign
from halobind.pipeline.commands.new import TEMPLATES
from halobind.pipeline.free_energy.anchor_checks import anchor_flags, cylinder_flags
from halobind.pipeline.free_energy.flags import Flag, FlagKind
from halobind.pipeline.free_energy.samples import Samples, Window
from halobind.pipeline.free_energy.settings import EstimateSettings
from halobind.pipeline.results.run_rows import physics_flags
from halobind.pipeline.results.segment_reader import RunSamples, SegmentReport, TwoStates

SETTINGS = EstimateSettings(discard_fraction=0.0)
RADIUS, WALL, COUNT = 0.55, 5000.0, 4000


def sampled(lateral: list[np.ndarray]) -> RunSamples[Samples]:
    windows = tuple(Window(0.1 * k, 2000.0) for k in range(len(lateral)))
    samples = Samples(
        windows,
        tuple(np.full(len(r), w.center_nm) for w, r in zip(windows, lateral, strict=True)),
        0.2,
        300.0,
        RADIUS,
        WALL,
    )
    report = SegmentReport(closest_image_nm=1.5, openmm_versions=("8",))
    return RunSamples(samples, tuple(lateral), "", report)


def reported(**changes: object) -> RunSamples[Samples]:
    """Samples without flaws whose segments say so much besides."""
    good = sampled([uniform(k) for k in range(6)])
    return replace(good, report=replace(good.report, **changes))


def uniform(seed: int) -> np.ndarray:
    """Exact draws of r from the cylinder with its soft wall, by rejection."""
    random = np.random.default_rng(seed)
    xy = random.uniform(-0.8, 0.8, (20 * COUNT, 2))
    r = np.hypot(*xy.T)
    kept = random.random(len(r)) < np.exp(
        -0.5 * WALL * np.maximum(0, r - RADIUS) ** 2 / (8.314462618e-3 * 300)
    )
    return r[kept][:COUNT]


def explored(lateral: list[np.ndarray]) -> list[Flag]:
    found = sampled(lateral)
    return cylinder_flags(found.samples, found.lateral, SETTINGS)


def test_an_even_cylinder_is_fine() -> None:
    assert explored([uniform(k) for k in range(6)]) == []


@pytest.mark.parametrize(
    "wrong", [np.full(COUNT, 0.5), np.abs(np.random.default_rng(1).normal(0.1, 0.05, COUNT))]
)
def test_an_anchor_that_stays_somewhere_is_noticed(wrong: np.ndarray) -> None:
    found = explored([uniform(k) for k in range(5)] + [wrong])
    text = "the unbound head has not explored its cylinder in 1 of 3 plateau windows"
    assert found == [Flag(FlagKind.UNEXPLORED_CYLINDER, text)]
    assert explored([wrong] + [uniform(k) for k in range(5)]) == []  # in the pocket it may


def campaign(replicas: int) -> Campaign:
    raw = tomllib.loads((TEMPLATES / "demo.toml").read_text(encoding="utf-8"))
    return parse_campaign(raw | {"sampling": {"replicas": replicas}}, "demo")


def test_notes_say_what_and_how_often() -> None:
    good = sampled([uniform(k) for k in range(6)])
    assert physics_flags(good, campaign(3)) == ()
    alone = (
        "one replica, from a path pulled outwards: hysteresis is not tested, use replicas = 2 or"
        " more"
    )
    assert physics_flags(good, campaign(1)) == (Flag(FlagKind.ONE_REPLICA, alone),)
    bad = reported(
        displaced_at_site=2,
        displaced_elsewhere=1,
        near_image=3,
        short_of_halides=4,
        leaning_on_wall=5,
        closest_image_nm=0.456,
    )
    text = " | ".join(flag.text for flag in physics_flags(bad, campaign(3)))
    assert "ions around the pocket moved more than 0.30 nm in 2 of 6 windows" in text
    assert (
        "the crystal did not stay whole: ions away from the pocket moved more than 0.30 nm from"
        " every site of theirs in 1 of 6" in text
    )
    assert "its own image in 3 of 6 windows (closest 0.46 nm): use more cells" in text
    assert "a metal stayed short of halides that it was built with in 4 of 6 windows" in text
    (flag,) = physics_flags(reported(solvent_in_pocket=TwoStates(4, 2)), campaign(3))
    assert flag.text.startswith(
        "solvent fills the pocket in 4 of 6 windows and never enters it in 2: "
    )
    (flag,) = physics_flags(reported(partner_away=TwoStates(5, 1)), campaign(3))
    assert flag.text.startswith(
        "the ion that leaves with the head is out of its place in 5 of 6 windows and stays there"
        " in 1: "
    )
    for fine in (TwoStates(4, 1, 1), TwoStates(6, 0), TwoStates(0, 6), TwoStates()):
        fine_samples = reported(solvent_in_pocket=fine, partner_away=fine)
        assert physics_flags(fine_samples, campaign(3)) == ()
    assert (
        "an ion beside the pocket leaned on the wall that keeps it there in 5 of 6 windows: dG0"
        " depends on intact_nm" in text
    )


def texts(samples: Samples, lateral: list[np.ndarray]) -> list[str]:
    return [flag.text for flag in anchor_flags(samples, lateral)]


def test_an_anchor_under_the_crystal_or_outside_its_cylinder_is_noticed() -> None:
    found = sampled([uniform(k) for k in range(6)])
    s, r = found.samples, list(found.lateral)
    assert anchor_flags(s, r) == []
    sunk = replace(
        s, z=(*s.z[:2], np.where(np.arange(COUNT) < 0.02 * COUNT, -0.6, s.z[2]), *s.z[3:])
    )
    assert texts(sunk, r) == [
        "the ligand was under the crystal in 1 of 6 windows (anchor down to -0.60 nm): the path is"
        " wrong"
    ]
    brief = replace(
        s, z=(*s.z[:2], np.where(np.arange(COUNT) < 0.005 * COUNT, -0.6, s.z[2]), *s.z[3:])
    )
    assert anchor_flags(brief, r) == []
    deep = replace(
        s, windows=(Window(-0.4, 2000.0), *s.windows[1:]), z=(np.full(COUNT, -0.5), *s.z[1:])
    )
    assert anchor_flags(deep, r) == []  # a window that is meant to be there
    r[3] = np.where(np.arange(COUNT) < 0.02 * COUNT, 0.7, r[3])
    assert texts(s, r) == [
        "the anchor was outside its cylinder in 1 of 6 windows (0.70 nm from the axis, where the"
        " wall ends at 0.64): use a stiffer wall or shorter steps"
    ]
    both = replace(s, windows=s.windows * 2, z=s.z * 2)
    assert texts(both, r * 2)[0].startswith(
        "the anchor was outside its cylinder in 1 of 6 windows"
    )  # two faces of one window
