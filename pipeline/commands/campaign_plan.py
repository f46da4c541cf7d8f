"""`halobind plan`: the size, cost and disk of every run, shown as a table."""

from pathlib import Path

from rich.markup import escape
from rich.table import Table

from halobind.forcefields.molecule_parameters.molecule_xml import source_of
from halobind.forcefields.packs.pack import load_pack
from halobind.forcefields.packs.validity import provenance
from halobind.pipeline.campaign.run_directory import user_molecules_folder
from halobind.pipeline.campaign.settings import Campaign
from halobind.pipeline.campaign.text import duration
from halobind.pipeline.commands.console import tell_older_runs, wide_console
from halobind.pipeline.workflow.checks import open_campaign
from halobind.pipeline.workflow.cost import SECONDS_PER_DAY, check_disk, format_bytes, plan_run
from halobind.pipeline.workflow.status import rounds_due


def show_plan(folder: Path) -> int:
    """Print what would run; refuse what `run` would refuse."""
    opened = open_campaign(folder)
    campaign = opened.settings
    runs = opened.runs
    tell_older_runs(folder)
    plans = [plan_run(run, campaign) for run in runs]
    table = Table(
        title=f"{escape(str(folder))}: {len(runs)} run{'s' * (len(runs) != 1)}",
        title_justify="left",
    )
    chains = {"umbrella": "windows", "metadynamics": "walkers", "alchemical": "states"}[
        campaign.sampling.method
    ]
    for column in (
        "run",
        "atoms",
        "box (nm)",
        chains,
        "sampling (ns)",
        "left (ns)",
        "ns/day",
        "disk left",
    ):
        table.add_column(column, justify="left" if column == "run" else "right", overflow="fold")
    for plan in plans:
        box = " x ".join(f"{length:.2f}" for length in plan.box_nm)
        speed = f"{plan.speed_ns_day:.0f}" + ("" if plan.measured else " (guess)")
        sizes = (
            f"{plan.n_atoms}",
            box,
            f"{plan.n_chains}",
            f"{plan.total_ps / 1000:.3g}",
            f"{plan.left_ps / 1000:.3g}",
            speed,
        )
        table.add_row(plan.run.id, *sizes, format_bytes(plan.left_bytes))
    wide_console().print(table)
    for name in dict.fromkeys(run.spec.forcefield.pack for run in runs):
        print("\n".join(provenance(load_pack(name))))
    for name in dict.fromkeys(name for run in runs for name in run.spec.ligands):
        print(f"ligand {name}: {source_of(user_molecules_folder(folder) / f'{name}.xml')}")
    nanoseconds, count = (
        sum(plan.left_ps for plan in plans) / 1000,
        sum(plan.left_bytes for plan in plans),
    )
    seconds = sum(plan.left_days * SECONDS_PER_DAY for plan in plans)
    print(f"left: {nanoseconds:.3g} ns, {duration(seconds)} of one process, {format_bytes(count)}")
    if rounds_due(runs, campaign):
        print(not_counted(campaign))
    check_disk(plans, folder)
    return 0


def not_counted(campaign: Campaign) -> str:
    """One sentence on what rounds may add to what is asked for."""
    s, parts = campaign.sampling, []
    if s.max_rounds:
        parts.append("windows where neighbours overlap too little and a longer path")
    if s.target_kJ_mol is not None:
        most = "as much again" if s.budget_ns is None else f"{s.budget_ns:g} ns"
        parts.append(
            f"sampling to {s.target_kJ_mol:g} kJ/mol in dG0 (at most {most} for each ligand)"
        )
    return (
        "not counted: what rounds may add when this is sampled:"
        f" {' and '.join(parts) or 'what halobind extend ordered'}"
    )
