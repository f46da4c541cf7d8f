"""What happens, in order: every product of a run, and the few lines that make it.

A product is a directory published by rename. Products of one chain follow each other; the chain
`prepare` comes before every window.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import zip_longest
from pathlib import Path

import numpy as np

from halobind.forcefields.hamiltonian.dispersion_tail import tail_pressure_bar
from halobind.pipeline.campaign.run_directory import DamagedError, Run, derived_seed, reading
from halobind.pipeline.campaign.settings import (
    Campaign,
    CampaignError,
    MetadynamicsSection,
    RunSpec,
    SamplingSection,
    WindowsSection,
)
from halobind.pipeline.free_energy.hills import Hills
from halobind.pipeline.free_energy.samples import Window
from halobind.pipeline.sampling.md_leg import Leg, MDState
from halobind.pipeline.sampling.metadynamics import run_walk
from halobind.pipeline.sampling.model_and_system import make_build, make_parametrize
from halobind.pipeline.sampling.rounds import Round, centers_between
from halobind.pipeline.sampling.segment_files import (
    Workshop,
    base_leg,
    built_model,
    coordinate_of,
    end_state,
    ended_at,
    frame_atoms,
    judged,
    load_system,
    read_record,
    run_here,
    slab_of,
    write_json,
    write_leg,
)
from halobind.pipeline.sampling.start_states import Norm, StartError, damage, fit_start, outside

PREPARE = "prepare"
COLD_K = 50.0
SETUP_PS = 1.0  # what building or parametrising counts for in progress and cost


@dataclass(frozen=True)
class Product:
    """One directory to publish: its path inside the run, the chain it belongs to, its cost in ps,
    and who makes it.
    """

    name: str
    chain: str
    cost_ps: float
    make: Callable[[Workshop, Path], None]


def equilibrate_products(spec: RunSpec) -> list[Product]:
    """Warm-up, constant pressure along the normal, constant volume at the mean height: each piece
    starts where the last ended.
    """
    e = spec.equilibrate
    pieces = [("warm", e.warm_ps)]
    for kind, total in (("npt", e.npt_ps), ("nvt", e.nvt_ps)):
        count = max(
            2 if kind == "npt" else 1, round(total / e.piece_ps)
        )  # the mean height comes from all but the last
        pieces += [(kind, total / count)] * count
    products = []
    for number, (kind, length) in enumerate(pieces):
        name = f"equilibrate/{number:02d}-{kind}"
        before = products[-1].name if products else None
        settle = kind == "npt" and pieces[number + 1][0] == "nvt"
        products.append(
            Product(name, PREPARE, length, _Equilibrate(name, kind, length, before, settle))
        )
    return products


@dataclass(frozen=True)
class _Equilibrate:
    name: str
    kind: str
    length_ps: float
    before: str | None
    settle: bool

    def __call__(self, shop: Workshop, out: Path) -> None:
        spec, run = shop.run.spec, shop.run
        warm = spec.simulation.temperature_K
        leg = replace(
            base_leg(spec, run, self.name),
            duration_ps=self.length_ps,
            center_nm=(spec.pull.from_nm,) * 2,
            k=spec.pull.k_kJ_mol_nm2,
        )
        if self.kind == "warm":
            leg = replace(
                leg,
                minimise=True,
                temperature_K=(COLD_K, warm),
                timestep_fs=spec.simulation.timestep_fs / 2,
            )
        if self.kind == "npt":
            pressure = spec.simulation.pressure_bar - tail_pressure_bar(
                spec.model.recipe, spec.forcefield.cutoff_nm
            )
            leg = replace(
                leg, pressure_bar=pressure, settle_box_nm=_mean_height(run) if self.settle else None
            )
        start = _built_state(run) if self.before is None else end_state(run, self.before)
        write_leg(shop, out, leg, run_here(shop, start, leg, out), {})


def _mean_height(run: Run) -> float | None:
    """Mean box height (nm) over the later two thirds of the constant-pressure pieces so far; None
    when there is none yet.
    """
    found = []
    for folder in sorted((run.folder / "equilibrate").glob("[0-9]*-npt")):
        with reading(folder):
            found.append(np.load(folder / "box_z.npy"))
    if not found:
        return None
    heights = np.concatenate(found)
    return float(heights[len(heights) // 3 :].mean())


def steps_out(spec: RunSpec) -> int:
    """How many steps the pulled path has from `from_nm` to `to_nm`."""
    return round((spec.pull.to_nm - spec.pull.from_nm) / spec.pull.step_nm)


def pull_heights(run: Run) -> np.ndarray:
    """Centres (nm) of the pulled path, from `from_nm` to `to_nm` in equal steps of about `step_nm`,
    and on to where rounds lengthen it.
    """
    p, count = run.spec.pull, steps_out(run.spec)
    heights = np.round(np.linspace(p.from_nm, p.to_nm, count + 1), 3).tolist()
    for one in rounds_of(run):
        if one.to_nm is not None and one.to_nm > heights[-1]:
            heights += centers_between(heights[-1], one.to_nm, (p.to_nm - p.from_nm) / count)
    return np.array(heights)


def comes_back(spec: RunSpec) -> bool:
    """Whether the windows and walkers of a run start on the way back into the pocket, not on the
    way out: those of every second replica.
    """
    return spec.replica % 2 == 1


def pull_products(run: Run, before: str) -> list[Product]:
    """One step a height: the umbrella centre moves there from the last height and a start state is
    published.

    The path leads out; where it comes back, from `to_nm` back in; and then on from `to_nm` to where
    rounds lengthen it.
    """
    heights = [float(h) for h in pull_heights(run)]
    names = [f"pull/{number:03d}-z{height:+.3f}" for number, height in enumerate(heights)]
    steps = list(zip(names, heights[:1] + heights, heights, [before, *names], strict=False))
    if comes_back(run.spec):
        end = steps_out(run.spec)
        back = [
            f"pull/back-{number:03d}-z{heights[number]:+.3f}" for number in reversed(range(end))
        ]
        steps[end + 1 : end + 1] = zip(
            back, heights[end:0:-1], heights[:end][::-1], [names[end], *back], strict=False
        )
    return [
        Product(name, PREPARE, run.spec.pull.step_ps, _Pull(name, origin, height, start))
        for name, origin, height, start in steps
    ]


def pulled_states(run: Run) -> dict[float, str]:
    """The products that windows and walkers may start from, by height (nm), from the lowest: on the
    way back in, where the path has one.
    """
    found = {step.make.height_nm: step.name for step in pull_products(run, "")}
    return dict(sorted(found.items()))


@dataclass(frozen=True)
class _Pull:
    name: str
    origin_nm: float
    height_nm: float
    before: str

    def __call__(self, shop: Workshop, out: Path) -> None:
        spec, run = shop.run.spec, shop.run
        leg = replace(
            base_leg(spec, run, self.name), duration_ps=spec.pull.step_ps, k=spec.pull.k_kJ_mol_nm2
        )
        leg = replace(leg, center_nm=(self.origin_nm, self.height_nm))
        write_leg(shop, out, leg, run_here(shop, end_state(run, self.before), leg, out), {})


def grid_windows(spec: RunSpec, settings: WindowsSection) -> tuple[Window, ...]:
    """Umbrella windows from the first to the last pulled height, in equal steps of about
    `spacing_nm`.
    """
    p = spec.pull
    count = round((p.to_nm - p.from_nm) / settings.spacing_nm) + 1
    return tuple(
        Window(float(c), settings.k_kJ_mol_nm2)
        for c in np.round(np.linspace(p.from_nm, p.to_nm, max(2, count)), 3)
    )


def rounds_of(run: Run) -> tuple[Round, ...]:
    """What was decided so far for the run and its replicas. Raises CampaignError for one that
    cannot be read.
    """
    return tuple(_read_round(folder) for folder in run.rounds())


@lru_cache(maxsize=10_000)
def _read_round(folder: Path) -> Round:
    try:
        with reading(folder):
            return Round.from_dict(json.loads((folder / "round.json").read_text(encoding="utf-8")))
    except DamagedError as error:
        raise CampaignError(f"{error}, with every round after it") from error


def write_round(out: Path, decided: Round) -> None:
    """Write a round into the directory that is to be published."""
    write_json(out / "round.json", decided.as_dict())


def windows_of(run: Run, campaign: Campaign) -> dict[Window, int]:
    """The windows of a run by height, each with the number of segments asked for: by the campaign
    file and by every round.
    """
    asked = dict.fromkeys(grid_windows(run.spec, campaign.windows), campaign.sampling.segments)
    for one in rounds_of(run):
        for wish in one.wishes:
            if wish.run_id == run.id:
                asked[wish.window] = max(asked.get(wish.window, 0), wish.segments)
    return dict(sorted(asked.items(), key=lambda item: (item[0].center_nm, item[0].k)))


def window_chain(window: Window) -> str:
    """A window is named by what it is."""
    return f"windows/z{window.center_nm:+.3f}-k{window.k:.12g}"


def window_products(
    run: Run, window: Window, segments: int, sampling: SamplingSection
) -> list[Product]:
    """The first `segments` segments of one window: the first starts from a pulled state, each other
    where the last one ended.
    """
    chain, before, products = window_chain(window), None, []
    for number in range(segments):
        name = f"{chain}/seg-{number:03d}"
        products.append(
            Product(name, chain, sampling.segment_ps, _Segment(name, window, sampling, before))
        )
        before = name
    return products


@dataclass(frozen=True)
class _Segment:
    name: str
    window: Window
    sampling: SamplingSection
    before: str | None

    def leg(self, run: Run) -> Leg:
        s = self.sampling
        leg = replace(
            base_leg(run.spec, run, self.name),
            duration_ps=s.segment_ps,
            record_ps=s.record_ps,
            k=self.window.k,
        )
        atoms = frame_atoms(built_model(run.path("build")), s)
        return replace(
            leg, center_nm=(self.window.center_nm,) * 2, frame_ps=s.frame_ps, frame_atoms=atoms
        )

    def start(self, shop: Workshop, out: Path) -> "Start":
        """Where the segment starts; `out` is for what settling writes. Raises StartError,
        DamagedError.
        """
        if self.before is None:
            return _pulled_start(shop, self, out)
        return Start(
            end_state(shop.run, self.before),
            {},
            read_record(shop.run, self.before).get("exchange", {}).get("walker"),
        )

    def __call__(self, shop: Workshop, out: Path) -> None:
        start, leg = self.start(shop, out), self.leg(shop.run)
        write_leg(shop, out, leg, run_here(shop, start.state, leg, out), start.record)


@dataclass(frozen=True, eq=False)
class Start:
    """A state to start a segment from, what its record says of it, and the exchanging walker that
    it belongs to, if any.
    """

    state: MDState
    record: dict
    walker: str | None = None


def _pulled_start(shop: Workshop, segment: _Segment, out: Path) -> Start:
    """The nearest pulled state that is fit; where that lies outside the window it settles there
    first, and is looked at again.
    """
    run, window = shop.run, segment.window
    pulled = [ended_at(run, name, height) for height, name in pulled_states(run).items()]
    spec, n_atoms = run.spec, built_model(run.path("build")).n_atoms
    norm = Norm(
        [e.energy_kJ_mol for e in pulled],
        n_atoms,
        spec.simulation.temperature_K,
        spec.model.shape == "slab",
    )
    good, why = fit_start(pulled, window, norm)
    record = {"from": good.name, "settled_ps": 0.0}
    if not why:
        return Start(end_state(run, good.name), {"start": record})
    leg = replace(
        base_leg(run.spec, run, f"{segment.name}/move"),
        duration_ps=run.spec.pull.step_ps,
        k=window.k,
    )
    moved = run_here(
        shop,
        end_state(run, good.name),
        replace(leg, center_nm=(good.height_nm, window.center_nm)),
        out,
    )
    rest = replace(
        leg, seed=derived_seed(run.id, segment.name, "rest"), center_nm=(window.center_nm,) * 2
    )
    result = run_here(shop, moved.state, rest, out)
    settled = judged(good.name, window.center_nm, result, slab_of(run, result.state))
    wrong = damage(settled, norm) or outside(settled.z, window, norm.temperature_K, settled=True)
    if wrong:
        raise StartError(
            f"no fit state to start from: {why}; after settling from {good.name}: {wrong}; raise"
            " k_kJ_mol_nm2"
        )
    return Start(
        result.state, {"start": record | {"settled_ps": 2 * run.spec.pull.step_ps, "why": why}}
    )


def walker_chain(walker: int, settings: MetadynamicsSection) -> str:
    """A walker is named by its number and by how its bias grows, so that other settings make other
    walkers.
    """
    s = settings
    parts = {
        "b": s.bias_factor,
        "h": s.height_kJ_mol,
        "w": s.width_nm,
        "d": s.deposit_ps,
        "k": s.wall_kJ_mol_nm2,
    }
    return f"metadynamics/walker-{walker}-" + "-".join(
        f"{key}{value:.12g}" for key, value in parts.items()
    )


def walker_start(walker: int) -> float:
    """Where on the path (0 to 1) a walker starts, whatever their number: 0, 1, 1/2, 1/4, 3/4, 1/8,
    ... (van der Corput).
    """
    if walker < 2:
        return float(walker)
    bits = f"{walker - 1:b}"
    return int(bits[::-1], 2) / 2 ** len(bits)


def walker_products(run: Run, walker: int, campaign: Campaign) -> list[Product]:
    """The segments of one walker: the first starts from a pulled state without bias, each other
    where the last one ended, with its bias.
    """
    before, products = (
        list(pulled_states(run).values())[round(walker_start(walker) * steps_out(run.spec))],
        [],
    )
    chain, sampling = walker_chain(walker, campaign.metadynamics), campaign.sampling
    for number in range(sampling.segments):
        name = f"{chain}/seg-{number:03d}"
        products.append(
            Product(
                name,
                chain,
                sampling.segment_ps,
                _WalkerSegment(name, sampling, campaign.metadynamics, before),
            )
        )
        before = name
    return products


@dataclass(frozen=True)
class _WalkerSegment:
    name: str
    sampling: SamplingSection
    settings: MetadynamicsSection
    before: str

    def __call__(self, shop: Workshop, out: Path) -> None:
        run, s = shop.run, self.sampling
        bias = read_bias(run.path(self.before)) if self.before.startswith("metadynamics/") else None
        model, hills = built_model(run.path("build")), hills_of(run.spec, self.settings, bias)
        leg = replace(
            base_leg(run.spec, run, self.name), duration_ps=s.segment_ps, record_ps=s.record_ps
        )
        leg = replace(leg, frame_ps=s.frame_ps, frame_atoms=frame_atoms(model, s))
        engine, start = (coordinate_of(run.spec, model), shop.choice), end_state(run, self.before)
        result, push, grown = run_walk(
            load_system(run.path("system")), start, (leg, hills), engine, out, shop.tick
        )
        np.save(out / "bias.npy", grown)
        np.save(out / "push.npy", push)
        write_leg(shop, out, leg, result, {"metadynamics": self.settings.model_dump()})


def hills_of(
    spec: RunSpec, settings: MetadynamicsSection, start: np.ndarray | None = None
) -> Hills:
    """How the bias of a run grows, from `start` on."""
    s, path = settings, (spec.pull.from_nm, spec.pull.to_nm)
    every = round(s.deposit_ps / (spec.simulation.timestep_fs / 1000))
    return Hills(s.bias_factor, s.height_kJ_mol, s.width_nm, every, path, s.wall_kJ_mol_nm2, start)


def read_bias(segment: Path) -> np.ndarray:
    """What the bias (n,) in kJ/mol had grown to at the end of a published segment of a walker.
    Raises DamagedError.
    """
    return _read_row(segment, "bias.npy")


def read_push(segment: Path) -> np.ndarray:
    """The force of the bias (records,) in kJ/mol/nm at each record of a published segment of a
    walker. Raises DamagedError.
    """
    return _read_row(segment, "push.npy")


def _read_row(segment: Path, name: str) -> np.ndarray:
    with reading(segment):
        row = np.load(segment / name, allow_pickle=False)
        if row.ndim != 1 or not np.all(np.isfinite(row)):
            raise ValueError(f"{name} of shape {row.shape} is not a row of finite numbers")
        return row


def prepare_products(run: Run) -> list[Product]:
    """Everything before the windows, in order."""
    products = [
        Product("build", PREPARE, SETUP_PS, make_build),
        Product("system", PREPARE, SETUP_PS, make_parametrize),
    ]
    products += equilibrate_products(run.spec)
    return products + pull_products(run, products[-1].name)


def sampling_chains(run: Run, campaign: Campaign) -> list[list[Product]]:
    """The segments of every window, or of every walker, of a run."""
    if campaign.sampling.method == "metadynamics":
        return [
            walker_products(run, walker, campaign)
            for walker in range(campaign.metadynamics.walkers)
        ]
    return [
        window_products(run, window, segments, campaign.sampling)
        for window, segments in windows_of(run, campaign).items()
    ]


def all_products(run: Run, campaign: Campaign) -> list[Product]:
    """Every product of a run for the amount of sampling that campaign and rounds ask for, in the
    order they are best made.
    """
    levels = zip_longest(*sampling_chains(run, campaign))
    return prepare_products(run) + [
        segment for level in levels for segment in level if segment is not None
    ]


def _built_state(run: Run) -> MDState:
    model = built_model(run.path("build"))
    return MDState(model.positions, None, model.box)
