"""The command line: each verb reads its arguments, calls one function and prints."""

import argparse
import os
import sys
from importlib import metadata, resources
from pathlib import Path

from halobind.jobs.batch import BatchError, seconds_of
from halobind.jobs.clusters import EXAMPLE
from halobind.jobs.stop import Stopped
from halobind.jobs.workplace import Reach
from halobind.pipeline.campaign.settings import CampaignError
from halobind.pipeline.commands.campaign_models import BuildOptions, build_models, known_formats
from halobind.pipeline.commands.campaign_observables import ObserveOptions, observe_campaign
from halobind.pipeline.commands.extension import ExtendOptions, extend
from halobind.pipeline.commands.installation import examine
from halobind.pipeline.commands.ligand_parameters import parametrize_ligands
from halobind.pipeline.commands.pack_calibration import calibrate
from halobind.pipeline.commands.pack_validation import ValidateOptions, known_pack, validate
from halobind.pipeline.commands.submission import SubmitOptions, cancel_campaign, submit_campaign
from halobind.pipeline.commands.verbs import (
    RunOptions,
    make_tables,
    new_campaign,
    run_campaign,
    show_plan,
    show_status,
)
from halobind.pipeline.sampling.platforms import ORDER, PlatformError
from halobind.pipeline.workflow.worker import WorkError

TEMPLATES = resources.files("halobind.pipeline.commands") / "campaigns"


def main(arguments: list[str] | None = None) -> int:
    """Run a verb; returns the exit code: 0 done, 1 something failed or was refused, 130
    interrupted.
    """
    _open_streams()
    options = parser().parse_args(arguments)
    try:
        return options.verb(options)
    except (CampaignError, PlatformError, BatchError) as error:
        print(f"halobind: {error}", file=sys.stderr)
        return 1
    except WorkError as error:
        print(
            f"halobind: {error}\nwhat was published is kept: put it right and give the same command"
            " again",
            file=sys.stderr,
        )
        return 1
    except Stopped as stopped:
        print(
            f"halobind: stopped ({stopped}); what was published is kept, the same command goes on"
            " from there",
            file=sys.stderr,
        )
        return 130
    except KeyboardInterrupt:
        print("halobind: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        return 1
    except OSError as error:
        print(f"halobind: {error}", file=sys.stderr)
        return 1


def _open_streams() -> None:
    """Streams that take "±" also where the locale knows only ASCII; a closed one (>&-) goes
    nowhere.
    """
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115 (for as long as the process lives)
        elif hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors="replace")


def parser() -> argparse.ArgumentParser:
    """The argument parser with every verb."""
    top = argparse.ArgumentParser(
        prog="halobind",
        description="Binding free energies of ligands on halide-perovskite surfaces.",
    )
    top.add_argument(
        "--version", action="version", version=f"halobind {metadata.version('halobind')}"
    )
    verbs = top.add_subparsers(required=True, metavar="verb")

    new = verbs.add_parser("new", help="write a commented campaign file into a new directory")
    new.add_argument("campaign", type=Path, help="directory to make")
    new.add_argument(
        "--from",
        dest="template",
        default="standard",
        choices=templates(),
        help="which campaign to start from",
    )
    new.set_defaults(verb=_new)

    for name, verb, text in (
        ("plan", _plan, "show what would run: boxes, windows, cost, disk; computes nothing"),
        ("run", _run, "do what is pending, here; interrupt it at any moment and run it again"),
        ("status", _status, "one row a run, one column a stage, what is left"),
        ("table", _table, "estimate what is sampled and write the binding-energy tables"),
    ):
        one = verbs.add_parser(name, help=text, description=text)
        one.add_argument(
            "campaign", type=Path, help="campaign directory (the one with campaign.toml)"
        )
        one.set_defaults(verb=verb)
        if name == "run":
            one.add_argument(
                "--part",
                type=part,
                metavar="K/N",
                help="take only part K of N of the windows (1/4 ... 4/4)",
            )
            one.add_argument(
                "--processes",
                type=positive,
                metavar="M",
                help="processes side by side on this machine",
            )
            one.add_argument(
                "--platform",
                choices=("auto", *ORDER),
                help="OpenMM platform, instead of the one in campaign.toml",
            )
            one.add_argument("--retry", action="store_true", help="try again what failed before")
            one.add_argument(
                "--prepare",
                action="store_true",
                help="only what comes before the windows; --part then deals out runs",
            )
            one.add_argument(
                "--walltime",
                type=seconds,
                metavar="H:MM:SS",
                help="stop by itself after this time; begin nothing longer",
            )

    text = (
        "build the structures of a campaign, or of a file with a [model] section; simulates nothing"
    )
    build = verbs.add_parser("build", help=text, description=text)
    build.add_argument(
        "campaign", type=Path, help="campaign directory, or a TOML file with at least [model]"
    )
    build.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="where the models go (default: models, beside the campaign file)",
    )
    build.add_argument(
        "--format",
        action="append",
        default=[],
        choices=known_formats(),
        help="also write this format; may be repeated",
    )
    build.add_argument(
        "--picture",
        action="store_true",
        help="also draw each model (picture.png: side and top view)",
    )
    build.add_argument(
        "--seed",
        type=positive,
        default=1,
        metavar="N",
        help="another seed gives other orientations and another packing",
    )
    build.set_defaults(verb=_build)

    text = (
        "make the force-field files of a campaign's own ligands, or of one ligand given as a SMILES"
        " or a file"
    )
    ligands = verbs.add_parser("parametrize", help=text, description=text)
    ligands.add_argument(
        "what",
        help=(
            "campaign directory (each [ligands.NAME] without a file yet), SMILES in quotes, or"
            " mol2, sdf or mol file"
        ),
    )
    ligands.add_argument(
        "--name",
        help="what the ligand is called; with a campaign directory: only this one of its ligands",
    )
    ligands.add_argument(
        "--campaign",
        type=Path,
        metavar="DIR",
        help="campaign that a SMILES or file is for (default: this directory)",
    )
    ligands.set_defaults(verb=_parametrize)

    text = (
        "hold a force-field pack against experiment and reference calculations; interrupt it and go"
        " on with the same command"
    )
    check = verbs.add_parser("validate", help=text, description=text)
    check.add_argument("pack", help="name of the force field")
    check.add_argument(
        "--quick",
        action="store_true",
        help="minutes instead of hours: CsPbBr3 and acetone, little sampling",
    )
    check.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="where the results and the table go (default: validation-PACK)",
    )
    check.add_argument(
        "--only",
        nargs="+",
        default=[],
        metavar="NAME",
        help="only these checks: lattice, elastic, ...",
    )
    check.add_argument(
        "--calibrate",
        action="store_true",
        help="hold trial packs (other charge scales and repulsions) against the same targets",
    )
    check.set_defaults(verb=_validate)

    text = (
        "sample more: so many segments for every window, or until the error of each dG0 is at a"
        " target; shows the plan, then runs it"
    )
    more = verbs.add_parser("extend", help=text, description=text)
    more.add_argument("campaign", type=Path, help="campaign directory (the one with campaign.toml)")
    more.add_argument(
        "--segments", type=positive, metavar="N", help="N more segments for every window"
    )
    more.add_argument(
        "--target-kJ-mol",
        type=float,
        metavar="X",
        help="until the error of dG0 of each ligand is at most X kJ/mol",
    )
    more.add_argument(
        "--budget-ns",
        type=float,
        metavar="X",
        help="add at most X ns for each ligand (default: as much again)",
    )
    more.add_argument("--dry-run", action="store_true", help="only show the plan")
    more.set_defaults(verb=_extend)

    text = (
        "measure the observables of every published segment and write a table a run; only new"
        " segments are measured again"
    )
    watch = verbs.add_parser("observe", help=text, description=text)
    watch.add_argument(
        "campaign", type=Path, help="campaign directory (the one with campaign.toml)"
    )
    watch.add_argument(
        "--where",
        default="serial",
        metavar="PLACE",
        help="serial, local (processes), slurm, pbs, lsf, tcp:// or tls://host:port",
    )
    watch.add_argument(
        "--workers",
        type=positive,
        default=0,
        metavar="N",
        help="processes (default: one a core, or those of one job)",
    )
    watch.add_argument(
        "--observable",
        nargs="+",
        default=[],
        metavar="NAME",
        help="only these (default: all that the frames allow)",
    )
    watch.add_argument(
        "--chunk",
        type=positive,
        default=0,
        metavar="FRAMES",
        help="frames in one task (default: 100, more if small)",
    )
    watch.add_argument(
        "--cluster", metavar="NAME", help="which cluster of ~/.config/halobind/clusters.toml"
    )
    watch.add_argument(
        "--tls",
        nargs=3,
        type=Path,
        metavar=("CA", "CERTIFICATE", "KEY"),
        help="files for tls://host:port",
    )
    watch.add_argument(
        "--insecure",
        action="store_true",
        help="allow tcp:// on another machine, without encryption",
    )
    watch.set_defaults(verb=_observe)

    text = (
        "do what is pending through a batch scheduler, and go on until nothing is left; clusters"
        " are in ~/.config/halobind/clusters.toml"
    )
    submit = verbs.add_parser("submit", help=text, description=text)
    submit.add_argument(
        "campaign", type=Path, nargs="?", help="campaign directory (the one with campaign.toml)"
    )
    submit.add_argument("--cluster", metavar="NAME", help="a table of clusters.toml")
    submit.add_argument(
        "--parts",
        type=positive,
        metavar="N",
        help="tasks of the job array (default: so many that each process of a job has a window)",
    )
    submit.add_argument(
        "--dry-run",
        action="store_true",
        help="print exactly the scripts that would run; submit and write nothing",
    )
    submit.add_argument("--retry", action="store_true", help="try again what failed before")
    submit.add_argument(
        "--example", action="store_true", help="print a clusters.toml to start from"
    )
    submit.set_defaults(verb=_submit)

    text = "cancel the queued and running jobs of a campaign"
    cancel = verbs.add_parser("cancel", help=text, description=text)
    cancel.add_argument("campaign", type=Path, help="campaign directory")
    cancel.set_defaults(verb=_cancel)

    doctor = verbs.add_parser(
        "doctor", help="platforms, versions and a short self-test of this installation"
    )
    doctor.set_defaults(verb=_doctor)
    return top


def templates() -> list[str]:
    """Names of the shipped campaigns."""
    return sorted(
        item.name.removesuffix(".toml")
        for item in TEMPLATES.iterdir()
        if item.name.endswith(".toml")
    )


def part(text: str) -> tuple[int, int]:
    """ "2/4" -> (1, 4). Raises argparse.ArgumentTypeError with the accepted form."""
    try:
        k, n = (int(item) for item in text.split("/"))
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not K/N with whole numbers, like 2/4"
        ) from None
    if not 1 <= k <= n:
        raise argparse.ArgumentTypeError(f"{text!r}: K must be between 1 and N")
    return k - 1, n


def seconds(text: str) -> int:
    """ "23:58:00" in seconds. Raises argparse.ArgumentTypeError with the accepted forms."""
    try:
        return seconds_of(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def positive(text: str) -> int:
    """A whole number of at least 1."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 1")
    return int(text)


def _new(options: argparse.Namespace) -> int:
    print(
        new_campaign(
            options.campaign, (TEMPLATES / f"{options.template}.toml").read_text(encoding="utf-8")
        )
    )
    return 0


def _plan(options: argparse.Namespace) -> int:
    return show_plan(options.campaign)


def _run(options: argparse.Namespace) -> int:
    how = RunOptions(
        options.part,
        options.processes,
        options.platform,
        options.retry,
        options.prepare,
        options.walltime,
    )
    return run_campaign(options.campaign, how)


def _status(options: argparse.Namespace) -> int:
    return show_status(options.campaign)


def _build(options: argparse.Namespace) -> int:
    return build_models(
        options.campaign,
        BuildOptions(options.out, tuple(options.format), options.picture, options.seed),
    )


def _parametrize(options: argparse.Namespace) -> int:
    return parametrize_ligands(options.what, options.name, options.campaign)


def _validate(options: argparse.Namespace) -> int:
    if options.calibrate:
        return calibrate(
            known_pack(options.pack), options.out or Path(f"calibration-{options.pack}")
        )
    return validate(ValidateOptions(options.pack, options.quick, options.out, tuple(options.only)))


def _observe(options: argparse.Namespace) -> int:
    reach = Reach(options.cluster, tuple(options.tls) if options.tls else None, options.insecure)
    how = ObserveOptions(
        options.where, options.workers, tuple(options.observable), options.chunk, reach
    )
    return observe_campaign(options.campaign, how)


def _table(options: argparse.Namespace) -> int:
    return make_tables(options.campaign)


def _extend(options: argparse.Namespace) -> int:
    return extend(
        options.campaign,
        ExtendOptions(options.segments, options.target_kJ_mol, options.budget_ns, options.dry_run),
    )


def _submit(options: argparse.Namespace) -> int:
    if options.example:
        print(EXAMPLE, end="")
        return 0
    if options.campaign is None or options.cluster is None:
        raise BatchError(
            "name the campaign and the cluster: halobind submit DIR --cluster NAME (or --example"
            " for a clusters.toml)"
        )
    return submit_campaign(
        options.campaign,
        SubmitOptions(options.cluster, options.parts, options.dry_run, options.retry),
    )


def _cancel(options: argparse.Namespace) -> int:
    return cancel_campaign(options.campaign)


def _doctor(_options: argparse.Namespace) -> int:
    return examine()


if __name__ == "__main__":
    sys.exit(main())
