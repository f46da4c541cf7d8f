"""What the page says, in the order in which it says it; no HTML here."""

import base64
import math
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from halobind.forcefields.packs.pack import load_pack
from halobind.pipeline.campaign.run_directory import CampaignRuns, DamagedError
from halobind.pipeline.campaign.versions import versions
from halobind.pipeline.report.bound_state import read_bound_state
from halobind.pipeline.report.bound_state_plot import bound_state_plot
from halobind.pipeline.report.citations import bibtex
from halobind.pipeline.report.convergence_plots import convergence_plots, needed_sampling_ns
from halobind.pipeline.report.curve_plots import curves_plot, replicas_plot, row_name
from halobind.pipeline.report.flag_advice import ADVICE, FAILED, PENDING, Advice
from halobind.pipeline.report.observable_plots import observable_plots
from halobind.pipeline.report.plots import Plot
from halobind.pipeline.report.run_results import RunResults, read_results
from halobind.pipeline.results.energy_unit import EnergyUnit
from halobind.pipeline.results.own_ion import site_label
from halobind.pipeline.results.provenance import SEED_RULE, campaign_text, sampling_provenance
from halobind.pipeline.results.summary_cells import (
    ROUNDING_RULE,
    SITE,
    label_cell,
    label_names,
    summary_columns,
)
from halobind.pipeline.results.table_rows import LABELS, TableRow, ligand_rows, ordered
from halobind.pipeline.results.table_text import shared_labels
from halobind.pipeline.results.text_tables import EMPTY, rounded
from halobind.pipeline.sampling.run_context import built_model
from halobind.structures.models.picture import draw_model

MAX_VIEWS = 6
"""Three-dimensional views in a page: browsers draw no more than about eight."""
MAX_CONVERGENCE_RUNS = 60
"""Runs whose convergence is shown."""
GOOD = "good"
WARN = "warn"
BAD = "bad"
WAIT = "wait"
MARKS = {GOOD: "✓", WARN: "!", BAD: "✕", WAIT: "…"}
"""Signs that say the same as the colours."""
LABEL_TITLES = {"forcefield": "force field", "temperature_K": "temperature", SITE: "site"}


@dataclass(frozen=True)
class Head:
    """The head of a column."""

    title: str
    unit: str = ""
    meaning: str = ""


@dataclass(frozen=True)
class Line:
    """A row of a table, its status apart."""

    labels: list[str]
    """What the row is about."""
    status: str
    kind: str
    """GOOD, WARN, BAD or WAIT."""
    numbers: list[str]
    """The cells after the status."""

    @property
    def mark(self) -> str:
        """A sign for the kind."""
        return MARKS[self.kind]


@dataclass(frozen=True)
class TableContent:
    """A table of numbers; the status stands after the labels, where nobody overlooks it."""

    heads: list[Head]
    lines: list[Line]


@dataclass(frozen=True)
class Verdict:
    """Whether the numbers can be used, in one sentence."""

    kind: str
    text: str

    @property
    def mark(self) -> str:
        """A sign for the kind."""
        return MARKS[self.kind]


@dataclass(frozen=True)
class ReasonItem:
    """One row that a reason concerns."""

    name: str
    text: str


@dataclass(frozen=True)
class Reason:
    """One flaw and all rows that have it."""

    advice: Advice
    items: list[ReasonItem] = field(default_factory=list)


@dataclass(frozen=True)
class Action:
    """Something to do, and the reasons that it answers."""

    remedy: str
    reasons: list[Reason] = field(default_factory=list)


@dataclass(frozen=True)
class PlotGroup:
    """Figures of one run."""

    name: str
    plots: list[Plot]
    note: str = ""


@dataclass(frozen=True)
class ObservableLine:
    """One measured quantity in every run."""

    quantity: str
    cells: list[str]


@dataclass(frozen=True)
class ObservableContent:
    """What was measured."""

    runs: list[str]
    lines: list[ObservableLine]
    groups: list[PlotGroup]


@dataclass(frozen=True)
class View:
    """The bound state and the model of one ligand."""

    name: str
    caption: str
    plot: Plot | None
    picture: str
    """The model as a data: URI; empty where it is not drawn."""


@dataclass(frozen=True)
class RunFacts:
    """Where each run was sampled."""

    heads: list[str]
    lines: list[list[str]]


@dataclass(frozen=True)
class PageContent:
    """Everything the page shows."""

    title: str
    conditions: str
    """What all rows share."""
    verdict: Verdict
    table: TableContent
    runs_table: TableContent | None
    """The runs, where a ligand has several."""
    rounding: str
    actions: list[Action]
    """What to do, that which answers most reasons first."""
    needs: list[list[str]]
    """For each ligand what is sampled and what smaller errors would take, as cells."""
    curves: Plot | None
    replicas: Plot | None
    convergence: list[PlotGroup]
    observables: ObservableContent | None
    views: list[View]
    views_left_out: str
    method: list[str]
    facts: list[tuple[str, str]]
    sources: list[str]
    """Where the numbers of the force fields come from."""
    run_facts: RunFacts
    campaign_text: str
    bibtex: str
    version: str

    @property
    def n_reasons(self) -> int:
        """Kinds of reason on the page."""
        return sum(len(action.reasons) for action in self.actions)

    @property
    def contents(self) -> list[tuple[str, str]]:
        """The sections that there are: id and text of the link."""
        sections = [
            ("results", "Results", True),
            ("reasons", "What to do", bool(self.actions)),
            ("curves", "Curves", True),
            ("convergence", "Convergence", bool(self.convergence)),
            ("observables", "What the ligand does", self.observables is not None),
            ("models", "Bound state", bool(self.views)),
            ("how", "How it was computed", True),
            ("cite", "Cite", True),
        ]
        return [(key, text) for key, text, is_there in sections if is_there]


def page_content(campaign: CampaignRuns, rows: Sequence[TableRow], unit: EnergyUnit) -> PageContent:
    """Gather everything the page shows.

    Args:
        campaign: the campaign.
        rows: the row of each of its runs, in the same order.
        unit: of the energies.
    """
    results = sorted(
        read_results(campaign, rows), key=lambda result: ordered(rows).index(result.row)
    )
    ligands = ligand_rows(rows)
    names = label_names(ligands)
    shared = [name for name in LABELS if name not in names]
    conditions = shared_labels(ligands[0], shared) if ligands else []
    if ligands and SITE not in names and site_label(ligands[0].mode):
        conditions.append(f"{site_label(ligands[0].mode)} site")
    views, left_out = _views(results)
    has_repeats = len(rows) > len(ligands)
    return PageContent(
        title=campaign.folder.resolve().name,
        conditions=", ".join(conditions),
        verdict=_verdict(ligands),
        table=_table(ligands, names, unit),
        runs_table=_table(ordered(rows), [*names, "replica", "path"], unit, ONLY_OF_LIGANDS)
        if has_repeats
        else None,
        rounding=ROUNDING_RULE,
        actions=_actions(_reasons(ligands, rows, names)),
        needs=_needs(ligands, names),
        curves=curves_plot(results, unit),
        replicas=replicas_plot(results, ligands, unit),
        convergence=_convergence(results, unit),
        observables=_observables(results),
        views=views,
        views_left_out=left_out,
        method=_method(campaign),
        facts=_facts(campaign),
        sources=_sources(campaign),
        run_facts=_run_facts(results),
        campaign_text=campaign_text(campaign.folder) or "",
        bibtex=bibtex(campaign.settings, versions()["halobind"]),
        version=versions()["halobind"],
    )


def kind_of(row: TableRow) -> str:
    """GOOD, WARN, BAD or WAIT."""
    if row.error:
        return BAD
    if row.pending or row.binding is None:
        return WAIT
    return WARN if row.problems else GOOD


def _verdict(ligands: Sequence[TableRow]) -> Verdict:
    """How many rows can be used."""
    kinds = [kind_of(row) for row in ligands]
    n_good = kinds.count(GOOD)
    if not kinds:
        return Verdict(WAIT, "This campaign has no runs.")
    if n_good == len(kinds):
        return Verdict(GOOD, f"All {n_good} rows are converged.")
    parts = [
        f"{kinds.count(kind)} {text}"
        for kind, text in (
            (GOOD, "converged"),
            (WARN, "not converged"),
            (BAD, "failed"),
            (WAIT, "not finished"),
        )
        if kinds.count(kind)
    ]
    text = f"Of {len(kinds)} rows: {', '.join(parts)}."
    if WARN in kinds:
        text += (
            " A number that is not converged shows the way, not the result: read below what is"
            " missing before you use it."
        )
    return Verdict(BAD if n_good == 0 and WARN not in kinds and BAD in kinds else WARN, text)


ONLY_OF_LIGANDS = ("ddG", "model_error")
"""Columns that are empty in the row of a run."""


def _table(
    rows: Sequence[TableRow],
    names: Sequence[str],
    unit: EnergyUnit,
    left_out: Sequence[str] = (),
) -> TableContent:
    """The rows with the columns that lead a table; the status is the first of them."""
    columns = summary_columns(unit)
    numbers = [column for column in columns if column.key not in ("status", *left_out)]
    (status,) = (column for column in columns if column.key == "status")
    heads = [
        Head(LABEL_TITLES.get(name, name), "K" if name == "temperature_K" else "") for name in names
    ]
    heads += [Head(column.title, column.unit, column.meaning) for column in (status, *numbers)]
    lines = [
        Line(
            [label_cell(row, name) for name in names],
            status.read(row),
            kind_of(row),
            [column.read(row) for column in numbers],
        )
        for row in rows
    ]
    return TableContent(heads, lines)


def _reasons(
    ligands: Sequence[TableRow], runs: Sequence[TableRow], names: Sequence[str]
) -> list[Reason]:
    """Every flaw once, with the rows that have it; what failed and what is pending first."""
    failed = Reason(FAILED)
    pending = Reason(PENDING)
    by_kind: dict[str, Reason] = {}
    for row in ordered(runs):
        if row.error:
            name = f"{row_name(row, names)}, replica {row.replica}"
            failed.items.append(ReasonItem(name, " ".join(row.error.split())))
    for row in ligands:
        name = row_name(row, names)
        if row.pending:
            pending.items.append(ReasonItem(name, row.pending))
        for flag in row.problems:
            reason = by_kind.setdefault(flag.kind, Reason(ADVICE[flag.kind]))
            reason.items.append(ReasonItem(name, flag.text))
    ranked = [by_kind[kind] for kind in ADVICE if kind in by_kind]
    return [reason for reason in (failed, pending, *ranked) if reason.items]


def _actions(reasons: Sequence[Reason]) -> list[Action]:
    """The reasons by what is to be done: failures first, then what answers most of them."""
    actions: dict[str, Action] = {}
    for reason in reasons:
        remedy = reason.advice.remedy
        actions.setdefault(remedy, Action(remedy)).reasons.append(reason)
    first = (FAILED.remedy, PENDING.remedy)
    return sorted(
        actions.values(),
        key=lambda action: (action.remedy not in first, -len(action.reasons)),
    )


def _need_cell(need_ns: float, sampled_ns: float) -> str:
    """Sampling that an error needs (ns), with two digits."""
    if math.isnan(need_ns):
        return EMPTY
    if need_ns <= sampled_ns:
        return "met"
    return rounded_to_two(need_ns)


def rounded_to_two(value: float) -> str:
    """A positive number with two significant digits and no power of ten: 0.012, 9.4, 380, 1500."""
    decimals = 1 - math.floor(math.log10(value))
    return f"{round(value, decimals):.{max(0, decimals)}f}"


def _needs(ligands: Sequence[TableRow], names: Sequence[str]) -> list[list[str]]:
    """What is sampled of each ligand and what smaller errors would take, as cells."""
    lines = []
    for row in ligands:
        if row.has_dG0:
            binding = row.known_binding
            needs = needed_sampling_ns(binding.dG0_kJ_mol, binding.sampling_ns)
            cells = [_need_cell(need, binding.sampling_ns) for need in needs]
            lines.append([row_name(row, names), f"{binding.sampling_ns:.3g}", *cells])
    return lines


def _convergence(results: Sequence[RunResults], unit: EnergyUnit) -> list[PlotGroup]:
    """The figures of every run that has some."""
    groups = []
    names = label_names([result.row for result in results])
    for number, result in enumerate(results[:MAX_CONVERGENCE_RUNS]):
        plots = convergence_plots(result, number, unit)
        if plots:
            note = f"{result.row.known_binding.sampling_ns:.3g} ns sampled"
            name = f"{row_name(result.row, names)}, replica {result.row.replica}"
            groups.append(PlotGroup(name, plots, note))
    return groups


def _observables(results: Sequence[RunResults]) -> ObservableContent | None:
    """Averages of every run that was measured; None where none was."""
    measured = [result for result in results if result.averages or result.profiles]
    if not measured:
        return None
    quantities = dict.fromkeys(
        average.quantity for result in measured for average in result.averages
    )
    lines = []
    for quantity in quantities:
        cells = [_average_cell(result, quantity) for result in measured]
        if any(cell != EMPTY for cell in cells):
            lines.append(ObservableLine(_words(quantity), cells))
    groups = [
        PlotGroup(result.name, plots)
        for number, result in enumerate(measured)
        if (plots := observable_plots(result, number))
    ]
    return ObservableContent([result.name for result in measured], lines, groups)


def _average_cell(result: RunResults, quantity: str) -> str:
    for average in result.averages:
        if average.quantity == quantity:
            if abs(average.value) + abs(average.error) < NEGLIGIBLE:
                return "0"
            return rounded(average.value, average.error)
    return EMPTY


NEGLIGIBLE = 1e-4
"""Averages below it are shown as 0: rare states that carry next to no weight."""
UNIT_ENDINGS = {"_nm": " (nm)", "_deg": " (°)"}


def _words(quantity: str) -> str:
    """The name of a column as words with its unit."""
    for ending, unit in UNIT_ENDINGS.items():
        if quantity.endswith(ending):
            return quantity.removesuffix(ending).replace("_", " ") + unit
    return quantity.replace("_", " ")


def _views(results: Sequence[RunResults]) -> tuple[list[View], str]:
    """The first replica of every ligand in its site; what is left out is said."""
    names = label_names([result.row for result in results])
    first: dict[str, RunResults] = {}
    for result in results:
        first.setdefault(row_name(result.row, names), result)
    views = []
    built = [(name, result) for name, result in first.items() if result.run.has("build")]
    for number, (name, result) in enumerate(built[:MAX_VIEWS]):
        try:
            views.append(_view(result, name, number))
        except (DamagedError, ValueError, OSError) as error:
            views.append(View(name, f"cannot be shown: {error}", None, ""))
    n_left_out = len(built) - len(views)
    note = f"{n_left_out} more are not shown, so that the page stays small." if n_left_out else ""
    return views, note


def _view(result: RunResults, name: str, number: int) -> View:
    binding = result.row.binding
    z_min_nm = binding.z_min_nm.value if binding else None
    state = read_bound_state(result.run, z_min_nm)
    plot = bound_state_plot(state, f"view-{number}", name) if state else None
    caption = f"Replica {result.row.replica}, {state.source}." if state else ""
    return View(name, caption, plot, _picture(result))


def _picture(result: RunResults) -> str:
    """A picture of the built model as a data: URI."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.png"
        draw_model(built_model(result.run.path("build")), path)
        content = base64.b64encode(path.read_bytes()).decode("ascii")
    return f"data:image/png;base64,{content}"


def _method(campaign: CampaignRuns) -> list[str]:
    """How the numbers come about, for somebody who has never seen halobind."""
    settings = campaign.settings
    sampling = settings.sampling
    paragraphs = [
        "Every run is molecular dynamics of all atoms: a slab or cluster of the crystal, the ligand"
        " and the solvent in a periodic box. The coordinate is the height of the anchor over the"
        " plane of its site, along the outward normal; a cylinder keeps the anchor near the axis of"
        " the site, so that the free ligand has a known volume."
    ]
    if sampling.method == "metadynamics":
        paragraphs.append(
            "Walkers fill the curve with small hills of energy (well-tempered metadynamics), and"
            " the curve follows from the mean force they measured; errors come from comparing"
            " walkers and blocks of time."
        )
    else:
        paragraphs.append(
            "The anchor is held near one height after the other by a spring (umbrella windows);"
            " MBAR joins the windows to one curve. Errors come from resampling blocks of time and,"
            " over replicas, from their scatter where that is larger. The beginning of every window"
            " is left out as equilibration."
        )
    paragraphs.append(
        "ΔG° = −kT ln(K 0.6022 nm⁻³) with K the area of the cylinder times the integral of"
        " exp(−W/kT) over the bound region of the curve W, zero on the plateau."
    )
    return paragraphs


def _facts(campaign: CampaignRuns) -> list[tuple[str, str]]:
    """What holds for all runs."""
    settings = campaign.settings
    sampling = settings.sampling
    packs = dict.fromkeys(spec.forcefield.pack for spec in settings.specs)
    facts = [("force field", f"{name}: {load_pack(name).title}") for name in packs]
    facts += [
        ("method", sampling.method),
        (
            "sampling asked for",
            f"{sampling.segments} segments of {sampling.segment_ps:g} ps a window or walker,"
            f" {sampling.replicas} replica{'s' * (sampling.replicas != 1)}",
        ),
        (
            "estimate",
            ", ".join(f"{key} = {value}" for key, value in settings.estimate.model_dump().items()),
        ),
        ("versions here", ", ".join(f"{name} {text}" for name, text in versions().items())),
        ("random seeds", SEED_RULE),
        ("rounding", ROUNDING_RULE),
        ("full numbers for scripts", "halobind table CAMPAIGN --json"),
    ]
    return facts


def _sources(campaign: CampaignRuns) -> list[str]:
    """Where the numbers of each force-field pack come from, in the words of the pack."""
    names = dict.fromkeys(spec.forcefield.pack for spec in campaign.settings.specs)
    sources = []
    for pack in map(load_pack, names):
        texts = [
            pack.charges.source,
            *(table.source for table in pack.table),
            pack.mixing.source,
            pack.lattice_source,
        ]
        sources += [f"{pack.name}: {text}" for text in dict.fromkeys(texts)]
    return sources


def _run_facts(results: Sequence[RunResults]) -> RunFacts:
    lines = []
    for result in results:
        facts = sampling_provenance(result.run)
        lines.append(
            [
                result.run.id,
                result.row.path,
                f"{facts['sampled_ns']:.3g}",
                f"{facts['wall_hours']:.2g}",
                _counted(facts["segments_by_platform"]),
                _counted(facts["segments_by_openmm"]),
                result.row.estimate or EMPTY,
            ]
        )
    heads = ["run", "path", "sampled (ns)", "computing (h)", "platform", "OpenMM", "estimate"]
    return RunFacts(heads, lines)


def _counted(counts: object) -> str:
    """The names of a count, the number of segments behind each where there are several."""
    if not isinstance(counts, dict) or not counts:
        return EMPTY
    if len(counts) == 1:
        return str(next(iter(counts)))
    return ", ".join(f"{name} ({number})" for name, number in counts.items())
