"""What happens, in order: every product of a run, and the few lines that make it.

A product is a directory published by rename. Products of one chain follow each other; the chain `prepare` comes before every window.
"""

import hashlib
import json
import socket
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import openmm as mm

from forcefields.audit import audit
from forcefields.coordinate import Coordinate
from forcefields.packs import load_pack
from forcefields.system import SystemSettings, make_system
from forcefields.tail import tail_pressure_bar
from forcefields.validity import planning_lattice
from pipeline.campaign import Campaign, MetadynamicsSection, RunSpec, SamplingSection, WindowsSection
from pipeline.metadynamics import Hills
from pipeline.platforms import Choice
from pipeline.run import Run, derived_seed, own_molecules_folder, reading
from pipeline.samples import Window
from pipeline.simulate import Leg, LegResult, MDState, load_state, run_leg, save_state
from pipeline.versions import versions
from structures.build import ModelSpec, build
from structures.integrity import check_slab, image_distance
from structures.model import Model, read_model, write_model

PREPARE = "prepare"
COLD_K = 50.0
PULL_RECORD_PS = 0.1
SETUP_PS = 1.0  # what building or parametrising counts for in progress and cost


@dataclass(frozen=True)
class Product:
    """One directory to publish: its path inside the run, the chain it belongs to, its cost in ps, and who makes it."""

    name: str
    chain: str
    cost_ps: float
    make: Callable[["Workshop", Path], None]


@dataclass(frozen=True)
class Workshop:
    """What making a product needs: the run, the platform, and what to call after every record (it may raise to stop)."""

    run: Run
    choice: Choice
    tick: Callable[[float], None]


def run_model_spec(spec: RunSpec, run_id: str) -> ModelSpec:
    """The builder's settings of a run; the lattice constant comes from the force-field pack."""
    lattice = planning_lattice(load_pack(spec.forcefield.pack), spec.model.perovskite)
    return spec.model.spec(lattice, {name: own.row for name, own in spec.ligands.items()}, derived_seed(run_id, "build"))


def make_build(shop: Workshop, out: Path) -> None:
    model, check = build(run_model_spec(shop.run.spec, shop.run.id))
    write_model(model, out)
    _write_json(out / "check.json", asdict(check))


def make_parametrize(shop: Workshop, out: Path) -> None:
    spec, model = shop.run.spec, built_model(shop.run.path("build"))
    pack, own = load_pack(spec.forcefield.pack), own_molecules_folder(shop.run.campaign)
    system = make_system(model, pack, SystemSettings(spec.forcefield.cutoff_nm, spec.forcefield.restraint_kJ_mol_nm2), own)
    found = audit(system, model, pack, own)
    coordinate_of(spec, model).add_to(system)
    text = mm.XmlSerializer.serialize(system)
    (out / "system.xml").write_text(text, encoding="ascii")
    _write_json(out / "audit.json", {"sha256": hashlib.sha256(text.encode()).hexdigest(), **asdict(found)})


def equilibrate_products(spec: RunSpec) -> list[Product]:
    """Warm-up, constant pressure along the normal, constant volume at the mean height: each piece starts where the last ended."""
    e = spec.equilibrate
    pieces = [("warm", e.warm_ps)]
    for kind, total in (("npt", e.npt_ps), ("nvt", e.nvt_ps)):
        count = max(2 if kind == "npt" else 1, round(total / e.piece_ps))  # the mean height comes from all but the last
        pieces += [(kind, total / count)] * count
    products = []
    for number, (kind, length) in enumerate(pieces):
        name = f"equilibrate/{number:02d}-{kind}"
        before = products[-1].name if products else None
        settle = kind == "npt" and pieces[number + 1][0] == "nvt"
        products.append(Product(name, PREPARE, length, _Equilibrate(name, kind, length, before, settle)))
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
            base_leg(spec, run, self.name), duration_ps=self.length_ps, center_nm=(spec.pull.from_nm,) * 2, k=spec.pull.k_kJ_mol_nm2
        )
        if self.kind == "warm":
            leg = replace(leg, minimise=True, temperature_K=(COLD_K, warm), timestep_fs=spec.simulation.timestep_fs / 2)
        if self.kind == "npt":
            pressure = spec.simulation.pressure_bar - tail_pressure_bar(spec.model.recipe, spec.forcefield.cutoff_nm)
            leg = replace(leg, pressure_bar=pressure, settle_box_nm=_mean_height(run) if self.settle else None)
        start = _built_state(run) if self.before is None else end_state(run, self.before)
        _run_and_write(shop, out, leg, start)


def _mean_height(run: Run) -> float | None:
    """Mean box height (nm) over the later two thirds of the constant-pressure pieces so far; None when there is none yet."""
    found = []
    for folder in sorted((run.folder / "equilibrate").glob("[0-9]*-npt")):
        with reading(folder):
            found.append(np.load(folder / "box_z.npy"))
    if not found:
        return None
    heights = np.concatenate(found)
    return float(heights[len(heights) // 3 :].mean())


def pull_heights(spec: RunSpec) -> np.ndarray:
    """Centres (nm) of the pulled path, from `from_nm` to `to_nm` in equal steps of about `step_nm`."""
    p = spec.pull
    return np.round(np.linspace(p.from_nm, p.to_nm, round((p.to_nm - p.from_nm) / p.step_nm) + 1), 3)


def pull_products(spec: RunSpec, before: str) -> list[Product]:
    """One step a height: the umbrella centre moves there from the last height and a start state is published."""
    heights = [float(h) for h in pull_heights(spec)]
    products = []
    for number, height in enumerate(heights):
        name = f"pull/{number:03d}-z{height:+.3f}"
        origin = heights[max(0, number - 1)]
        products.append(Product(name, PREPARE, spec.pull.step_ps, _Pull(name, origin, height, before)))
        before = name
    return products


@dataclass(frozen=True)
class _Pull:
    name: str
    origin_nm: float
    height_nm: float
    before: str

    def __call__(self, shop: Workshop, out: Path) -> None:
        spec, run = shop.run.spec, shop.run
        leg = replace(base_leg(spec, run, self.name), duration_ps=spec.pull.step_ps, k=spec.pull.k_kJ_mol_nm2)
        leg = replace(leg, center_nm=(self.origin_nm, self.height_nm))
        _run_and_write(shop, out, leg, end_state(run, self.before))


def windows_of(spec: RunSpec, settings: WindowsSection) -> tuple[Window, ...]:
    """Umbrella windows from the first to the last pulled height, in equal steps of about `spacing_nm`."""
    p = spec.pull
    count = round((p.to_nm - p.from_nm) / settings.spacing_nm) + 1
    return tuple(Window(float(c), settings.k_kJ_mol_nm2) for c in np.round(np.linspace(p.from_nm, p.to_nm, max(2, count)), 3))


def window_chain(window: Window) -> str:
    """A window is named by what it is."""
    return f"windows/z{window.center_nm:+.3f}-k{window.k:.12g}"


def window_products(spec: RunSpec, window: Window, sampling: SamplingSection) -> list[Product]:
    """The segments of one window: the first starts from the nearest pulled state, each other where the last one ended."""
    heights = pull_heights(spec)
    nearest = int(np.argmin(np.abs(heights - window.center_nm)))
    before = f"pull/{nearest:03d}-z{heights[nearest]:+.3f}"
    chain, products = window_chain(window), []
    for number in range(sampling.segments):
        name = f"{chain}/seg-{number:03d}"
        products.append(Product(name, chain, sampling.segment_ps, _Segment(name, window, sampling, before)))
        before = name
    return products


@dataclass(frozen=True)
class _Segment:
    name: str
    window: Window
    sampling: SamplingSection
    before: str

    def __call__(self, shop: Workshop, out: Path) -> None:
        run, s = shop.run, self.sampling
        leg = replace(base_leg(run.spec, run, self.name), duration_ps=s.segment_ps, record_ps=s.record_ps, k=self.window.k)
        leg = replace(
            leg, center_nm=(self.window.center_nm,) * 2, frame_ps=s.frame_ps, frame_atoms=frame_atoms(built_model(run.path("build")), s)
        )
        _run_and_write(shop, out, leg, end_state(run, self.before))


def walker_chain(walker: int, settings: MetadynamicsSection) -> str:
    """A walker is named by its number and by how its bias grows, so that other settings make other walkers."""
    s = settings
    parts = {"b": s.bias_factor, "h": s.height_kJ_mol, "w": s.width_nm, "d": s.deposit_ps, "k": s.wall_kJ_mol_nm2}
    return f"metadynamics/walker-{walker}-" + "-".join(f"{key}{value:.12g}" for key, value in parts.items())


def walker_start(walker: int) -> float:
    """Where on the path (0 to 1) a walker starts, whatever their number: 0, 1, 1/2, 1/4, 3/4, 1/8, ... (van der Corput)."""
    if walker < 2:
        return float(walker)
    bits = f"{walker - 1:b}"
    return int(bits[::-1], 2) / 2 ** len(bits)


def walker_products(spec: RunSpec, walker: int, campaign: Campaign) -> list[Product]:
    """The segments of one walker: the first starts from a pulled state without bias, each other where the last one ended, with its bias."""
    heights, chain, products = pull_heights(spec), walker_chain(walker, campaign.metadynamics), []
    nearest = round(walker_start(walker) * (len(heights) - 1))
    before = f"pull/{nearest:03d}-z{heights[nearest]:+.3f}"
    for number in range(campaign.sampling.segments):
        name = f"{chain}/seg-{number:03d}"
        products.append(Product(name, chain, campaign.sampling.segment_ps, _WalkerSegment(name, campaign, before)))
        before = name
    return products


@dataclass(frozen=True)
class _WalkerSegment:
    name: str
    campaign: Campaign
    before: str

    def __call__(self, shop: Workshop, out: Path) -> None:
        run, s = shop.run, self.campaign.sampling
        start = read_bias(run.path(self.before))[1] if self.before.startswith("metadynamics/") else None
        leg = replace(base_leg(run.spec, run, self.name), duration_ps=s.segment_ps, record_ps=s.record_ps, frame_ps=s.frame_ps)
        leg = replace(leg, frame_atoms=frame_atoms(built_model(run.path("build")), s))
        _run_and_write(shop, out, replace(leg, hills=hills_of(run.spec, self.campaign.metadynamics, start)), end_state(run, self.before))


def hills_of(spec: RunSpec, settings: MetadynamicsSection, start: np.ndarray | None = None) -> Hills:
    """How the bias of a run grows, from `start` on."""
    s, path = settings, (spec.pull.from_nm, spec.pull.to_nm)
    every = round(s.deposit_ps / (spec.simulation.timestep_fs / 1000))
    return Hills(s.bias_factor, s.height_kJ_mol, s.width_nm, every, path, s.wall_kJ_mol_nm2, start)


def read_bias(segment: Path) -> np.ndarray:
    """The mean and the last bias (2, n) in kJ/mol of a published segment of a walker. Raises DamagedError."""
    with reading(segment):
        bias = np.load(segment / "bias.npy", allow_pickle=False)
        if bias.ndim != 2 or len(bias) != 2 or not np.all(np.isfinite(bias)):
            raise ValueError(f"bias.npy of shape {bias.shape} is not two rows of finite numbers")
        return bias


def frame_atoms(model: Model, sampling: SamplingSection) -> np.ndarray:
    """Indices of the atoms whose frames are written."""
    if sampling.frames == "none":
        return np.zeros(0, dtype=int)
    if sampling.frames == "all":
        return np.arange(model.n_atoms)
    return np.concatenate([model.groups[name] for name in ("core", "ligand", "coating", "counterion")])


def prepare_products(spec: RunSpec) -> list[Product]:
    """Everything before the windows, in order."""
    products = [Product("build", PREPARE, SETUP_PS, make_build), Product("system", PREPARE, SETUP_PS, make_parametrize)]
    products += equilibrate_products(spec)
    return products + pull_products(spec, products[-1].name)


def sampling_chains(spec: RunSpec, campaign: Campaign) -> list[list[Product]]:
    """The segments of every window, or of every walker, of a run."""
    if campaign.sampling.method == "metadynamics":
        return [walker_products(spec, walker, campaign) for walker in range(campaign.metadynamics.walkers)]
    return [window_products(spec, window, campaign.sampling) for window in windows_of(spec, campaign.windows)]


def all_products(run: Run, campaign: Campaign) -> list[Product]:
    """Every product of a run for the amount of sampling the campaign asks for, in the order they are best made."""
    chains = sampling_chains(run.spec, campaign)
    return prepare_products(run.spec) + [segment for level in zip(*chains, strict=True) for segment in level]


def base_leg(spec: RunSpec, run: Run, name: str) -> Leg:
    """A leg of one record at the run's temperature, without bias, with the seed of product `name`: what every stage starts from."""
    s = spec.simulation
    return Leg(
        seed=derived_seed(run.id, name),
        duration_ps=PULL_RECORD_PS,
        record_ps=PULL_RECORD_PS,
        timestep_fs=s.timestep_fs,
        friction_per_ps=s.friction_per_ps,
        temperature_K=(s.temperature_K, s.temperature_K),
        center_nm=(0.0, 0.0),
        k=0.0,
    )


def coordinate_of(spec: RunSpec, model: Model) -> Coordinate:
    """The binding coordinate of a run: a head for each face that carries a ligand."""
    c = spec.coordinate
    return Coordinate(model.groups["anchor"], model.site_points, model.site_normals, c.radius_nm, c.wall_kJ_mol_nm2)


def _built_state(run: Run) -> MDState:
    model = built_model(run.path("build"))
    return MDState(model.positions, None, model.box)


def end_state(run: Run, product: str) -> MDState:
    """Where a published piece of MD ended. Raises DamagedError."""
    with reading(run.path(product)):
        return load_state(run.path(product) / "state.xml")


@lru_cache(maxsize=2)
def built_model(folder: Path) -> Model:
    """The published model of a run. Raises DamagedError."""
    with reading(folder):
        return read_model(folder)


@lru_cache(maxsize=2)
def load_system(folder: Path) -> mm.System:
    """The published System of a run. Raises DamagedError."""
    with reading(folder):
        return mm.XmlSerializer.deserialize((folder / "system.xml").read_text(encoding="ascii"))


def _run_and_write(shop: Workshop, out: Path, leg: Leg, start: MDState) -> None:
    run = shop.run
    model = built_model(run.path("build"))
    system = load_system(run.path("system"))
    result = run_leg(system, start, leg, (coordinate_of(run.spec, model), shop.choice), out, shop.tick)
    save_state(result.state, out / "state.xml")
    np.save(out / "cv.npy", result.cv)
    if leg.pressure_bar is not None:
        np.save(out / "box_z.npy", result.box_z)
    if result.bias is not None:
        np.save(out / "bias.npy", result.bias)
    _write_json(out / "segment.json", _segment_record(shop, leg, result, model))


def _segment_record(shop: Workshop, leg: Leg, result: LegResult, model: Model) -> dict:
    pack = load_pack(shop.run.spec.forcefield.pack)
    slab = check_slab(model, result.state.positions, result.state.box, pack.metals, pack.halides)
    image = image_distance(result.state.positions[model.groups["ligand"]], result.state.box)
    return {
        "seed": leg.seed,
        "duration_ps": result.duration_ps,
        "record_ps": leg.record_ps,
        "center_nm": leg.center_nm,
        "k_kJ_mol_nm2": leg.k,
        "barostat_bar": leg.pressure_bar,
        "energy_kJ_mol": result.energies,
        "temperature_K": result.temperature_K,
        "box_nm": [float(x) for x in result.state.box],
        "slab": slab.as_dict(),
        "image_nm": round(image, 4),
        "platform": shop.choice.name,
        "host": socket.gethostname(),
        "wall_s": round(result.wall_s, 3),
        "versions": versions(),
    }


def _write_json(path: Path, content: dict) -> None:
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
