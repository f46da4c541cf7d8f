"""What a campaign would run: the size, cost and disk of every run, and of them all."""

from collections.abc import Sequence
from dataclasses import dataclass

from halobind.forcefields.hamiltonian.image_charges import image_energy, pair_energy
from halobind.forcefields.molecule_parameters.molecule_xml import source_of
from halobind.forcefields.packs.pack import load_pack
from halobind.forcefields.packs.validity import provenance
from halobind.pipeline.campaign.run_directory import CampaignRuns, user_molecules_folder
from halobind.pipeline.campaign.settings import Campaign
from halobind.pipeline.campaign.text import duration
from halobind.pipeline.results.table_html import lines_html, rows_html
from halobind.pipeline.results.text_tables import markdown_table
from halobind.pipeline.workflow.checks import binding_mode
from halobind.pipeline.workflow.cost import SECONDS_PER_DAY, RunPlan, format_bytes, plan_run
from halobind.pipeline.workflow.status import rounds_due
from halobind.structures.molecules.catalogue import SOLVENTS

CHARGED_MODES = ("cation", "anion")
"""Ligands that leave a charged site behind when they leave alone."""
RUN_COLUMN = "run"
"""The column with the id of the run."""


@dataclass(frozen=True, eq=False, repr=False)
class CampaignPlan:
    """What a campaign would run; in a notebook it shows itself as a table.

    Examples:
        >>> plan = halobind.plan_campaign(halobind.open_campaign("mycampaign"))
        >>> plan.left_bytes
        0
    """

    campaign: CampaignRuns
    """The campaign."""
    runs: tuple[RunPlan, ...]
    """Size and cost of each run."""

    @property
    def left_ps(self) -> float:
        """What is to be simulated still."""
        return sum(plan.left_ps for plan in self.runs)

    @property
    def left_s(self) -> float:
        """How long one process takes for the rest."""
        return sum(plan.left_days * SECONDS_PER_DAY for plan in self.runs)

    @property
    def left_bytes(self) -> int:
        """What the rest will write."""
        return sum(plan.left_bytes for plan in self.runs)

    @property
    def title(self) -> str:
        """The directory, and how many runs there are."""
        n_runs = len(self.runs)
        return f"{self.campaign.folder}: {n_runs} run{'s' * (n_runs != 1)}"

    @property
    def rows(self) -> list[dict[str, str]]:
        """The size and cost of each run as text, under the names of the columns."""
        method = self.campaign.settings.sampling.method
        chains = {"umbrella": "windows", "metadynamics": "walkers", "alchemical": "states"}[method]
        return [_row(plan, chains) for plan in self.runs]

    @property
    def notes(self) -> list[str]:
        """Where the force-field numbers come from, and what is left of it all, as lines."""
        campaign = self.campaign
        packs = dict.fromkeys(run.spec.forcefield.pack for run in campaign.runs)
        lines = [line for name in packs for line in provenance(load_pack(name))]
        for name in dict.fromkeys(name for run in campaign.runs for name in run.spec.ligands):
            path = user_molecules_folder(campaign.folder) / f"{name}.xml"
            lines.append(f"ligand {name}: {source_of(path)}")
        lines += finite_size_lines(self.runs)
        lines.append(
            f"left: {self.left_ps / 1000:.3g} ns, {duration(self.left_s)} of one process,"
            f" {format_bytes(self.left_bytes)}"
        )
        if rounds_due(campaign.runs, campaign.settings):
            lines.append(not_counted(campaign.settings))
        return lines

    def __repr__(self) -> str:
        cells = [list(row.values()) for row in self.rows]
        table = markdown_table(list(self.rows[0]), cells)
        return "\n".join([self.title, "", table, "", *self.notes])

    def _repr_html_(self) -> str:
        """The table and its notes, for notebooks."""
        return lines_html([self.title]) + rows_html(self.rows) + lines_html(self.notes)


def plan_campaign(campaign: CampaignRuns) -> CampaignPlan:
    """What a campaign would run, as `halobind plan` shows it; nothing is computed or written.

    Examples:
        >>> campaign = halobind.open_campaign("mycampaign")
        >>> plan = halobind.plan_campaign(campaign)
        >>> plan.runs[0].n_chains
        4
    """
    return CampaignPlan(campaign, tuple(plan_run(run, campaign.settings) for run in campaign.runs))


def _row(plan: RunPlan, chains: str) -> dict[str, str]:
    """The cells of one run; `chains` is what its windows or walkers are called."""
    return {
        RUN_COLUMN: plan.run.id,
        "atoms": f"{plan.n_atoms}",
        "box (nm)": " x ".join(f"{length:.2f}" for length in plan.box_nm),
        chains: f"{plan.n_chains}",
        "sampling (ns)": f"{plan.total_ps / 1000:.3g}",
        "left (ns)": f"{plan.left_ps / 1000:.3g}",
        "ns/day": f"{plan.speed_ns_day:.0f}" + ("" if plan.measured else " (guess)"),
        "disk left": format_bytes(plan.left_bytes),
    }


def not_counted(campaign: Campaign) -> str:
    """One sentence on what rounds may add to what is asked for."""
    sampling = campaign.sampling
    parts = []
    if sampling.max_rounds:
        parts.append("windows where neighbours overlap too little and a longer path")
    if sampling.target_kJ_mol is not None:
        budget_ns = sampling.budget_ns
        most = "as much again" if budget_ns is None else f"{budget_ns:g} ns"
        parts.append(
            f"sampling to {sampling.target_kJ_mol:g} kJ/mol in dG0 (at most {most} for each ligand)"
        )
    return (
        "not counted: what rounds may add when this is sampled:"
        f" {' and '.join(parts) or 'what halobind extend ordered'}"
    )


def finite_size_lines(plans: Sequence[RunPlan]) -> list[str]:
    """One line for each kind of box in which a lone ion leaves: what its images and the rest of the
    way to infinity would change, in a uniform medium.
    """
    lines = []
    for plan in plans:
        spec = plan.run.spec
        if spec.coordinate.leaving != "cation" or binding_mode(spec) not in CHARGED_MODES:
            continue
        permittivity = sum(
            fraction * SOLVENTS[name].permittivity for name, fraction in spec.model.recipe.items()
        )
        z_nm = min(spec.pull.to_nm, plan.box_nm[2] / 2)
        box = " x ".join(f"{length:.2f}" for length in plan.box_nm)
        images = image_energy(plan.box_nm, z_nm, permittivity)
        rest = pair_energy(z_nm, permittivity)
        after = f"from {z_nm:g} nm to infinity {rest:+.1f} kJ/mol are left out"
        lines.append(
            f"finite size, box {box} nm: images of the charge and of its empty site change dG0 by"
            f" {-images:+.1f} kJ/mol, and {after}"
            f" (permittivity {permittivity:.3g} everywhere); both drop out of ddG"
        )
    return list(dict.fromkeys(lines))
