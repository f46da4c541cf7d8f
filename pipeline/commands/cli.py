"""The command line: the verbs and what each is for; only the verb that runs is imported."""

import argparse
import io
import os
import sys
from collections.abc import Iterable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn, Protocol, cast

from halobind.jobs.stop import Stopped

VERBS = {
    "new": "write a commented campaign file into a new directory",
    "plan": "show what would run: boxes, windows, cost, disk; computes nothing",
    "run": "do what is pending, here; interrupt it at any moment and run it again",
    "status": "one row a run, one column a stage, what is left",
    "table": "estimate what is sampled and write the binding-energy tables",
    "report": (
        "write one HTML page of what is sampled: table, reasons and what to do, curves,"
        " convergence, the bound state in three dimensions, provenance; opens without a network"
    ),
    "build": (
        "build the structures of a campaign, or of a file with a [model] section; simulates nothing"
    ),
    "parametrize": (
        "make the force-field files of a campaign's own ligands, or of one ligand given as a SMILES"
        " or a file"
    ),
    "validate": (
        "hold a force-field pack against experiment and reference calculations; interrupt it and go"
        " on with the same command"
    ),
    "reference": (
        "compute energies of heads in the pocket by density functional theory, which packs are held"
        " against; interrupt it and go on with the same command"
    ),
    "extend": (
        "sample more: so many segments for every window, or until the error of each dG0 is at a"
        " target; shows the plan, then runs it"
    ),
    "observe": (
        "measure the observables of every published segment and write a table a run; only new"
        " segments are measured again"
    ),
    "export": (
        "write the frames of a campaign or a run as DCD with a topology, for mdtraj, MDAnalysis,"
        " VMD or OVITO"
    ),
    "submit": (
        "do what is pending through a batch scheduler, and go on until nothing is left; clusters"
        " are in ~/.config/halobind/clusters.toml"
    ),
    "cancel": "cancel the queued and running jobs of a campaign",
    "doctor": "platforms, versions and a short self-test of this installation",
}
MAX_LINE_CHARACTERS = 4000
"""Of a line of an error message that has more, only the start and the end are printed."""
WITHOUT_DESCRIPTION = ("new", "doctor")  # their usage says it all


class Verb(Protocol):
    """What a module `halobind.pipeline.commands.<verb>` offers; importing it imports little."""

    def add_arguments(self, parser: argparse.ArgumentParser, /) -> None:
        """Declare the arguments of the verb."""

    def run(self, options: argparse.Namespace, /) -> int:
        """Run the verb with parsed options; returns the exit code."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a verb; returns the exit code.

    Args:
        arguments: The command line after "halobind"; None takes this process's.

    Returns:
        0: done. 1: something failed or was refused. 130: interrupted.
    """
    _open_streams()
    arguments = sys.argv[1:] if arguments is None else arguments
    for text in (*arguments, str(Path.cwd())):
        if not is_utf8(text):
            return _end(
                f"{os.fsencode(text)!r} is not UTF-8, which scripts, records and tables are written"
                " in: rename the file or directory",
                1,
            )
    options = parser().parse_args(arguments)
    try:
        return verb_of(options.verb).run(options)
    except Stopped as stopped:
        return _end(
            f"stopped ({stopped}); what was published is kept, the same command goes on from there",
            130,
        )
    except KeyboardInterrupt:
        return _end("interrupted", 130)
    except BrokenPipeError:
        return 1
    except OSError as error:
        return _end(str(error), 1)
    except (ValueError, RuntimeError) as error:
        return _end(message_of(error), 1)


def _end(message: str, code: int) -> int:
    lines = [_shortened(line) for line in message.splitlines()]
    print("halobind: " + "\n".join(lines), file=sys.stderr)
    return code


def _shortened(line: str) -> str:
    """A line of a message without the middle of what is far too long to read."""
    if len(line) <= MAX_LINE_CHARACTERS:
        return line
    half = MAX_LINE_CHARACTERS // 2
    return f"{line[:half]} ... ({len(line):,} characters) ... {line[-half:]}"


def is_utf8(text: str) -> bool:
    """Whether an argument or path holds only characters, no bytes that are none."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def message_of(error: Exception) -> str:
    """What a user is told of an error that says what to do; any other error is raised again."""
    # these modules need OpenMM and RDKit; whatever raised their errors has imported them already
    from halobind.jobs.batch import BatchError  # noqa: PLC0415
    from halobind.pipeline.campaign.run_directory import DamagedError  # noqa: PLC0415
    from halobind.pipeline.campaign.settings import CampaignError  # noqa: PLC0415
    from halobind.pipeline.sampling.platforms import PlatformError  # noqa: PLC0415
    from halobind.pipeline.workflow.worker import WorkError  # noqa: PLC0415

    if isinstance(error, WorkError):
        return f"{error}\nwhat was published is kept: put it right and give the same command again"
    if isinstance(error, CampaignError | DamagedError | PlatformError | BatchError):
        return str(error)
    raise error


def _open_streams() -> None:
    """Make the streams take "±" also where the locale is ASCII; a closed one (>&-) goes nowhere.

    A message that the standard error stream does not take, as on a full disk, stops no work.
    """
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115 (for as long as the process lives)
        elif hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors="replace")
    process_stream = sys.__stderr__
    if process_stream is not None and sys.stderr is process_stream:
        sys.stderr = io.TextIOWrapper(
            io.BufferedWriter(_Messages(process_stream.fileno())),
            encoding="utf-8",
            errors="replace",
            line_buffering=True,
        )


class _Messages(io.RawIOBase):
    """The standard error stream; what cannot be written there is lost.

    Only a reader that went away (a pipe that is closed) is an error, as it is anywhere.
    """

    def __init__(self, handle: int) -> None:
        """Write to an open file descriptor, which stays open."""
        self._handle = handle

    def writable(self) -> bool:
        """Whether it can be written to: yes."""
        return True

    def fileno(self) -> int:
        """The file descriptor."""
        return self._handle

    def isatty(self) -> bool:
        """Whether it is a terminal."""
        return os.isatty(self._handle)

    def write(self, data: Any, /) -> int:
        """Write bytes, or lose them; returns how many went."""
        try:
            return os.write(self._handle, data)
        except BrokenPipeError:
            raise
        except OSError:
            return len(data)


def verb_of(name: str) -> Verb:
    """The module of a verb."""
    return cast(Verb, import_module(f"halobind.pipeline.commands.{name}"))


def parser() -> argparse.ArgumentParser:
    """The argument parser; each verb declares its arguments when it is asked for."""
    top = argparse.ArgumentParser(
        prog="halobind",
        description="Binding free energies of ligands on halide-perovskite surfaces.",
    )
    top.add_argument(
        "--version",
        action=_Version,
        nargs=0,
        help="show program's version number and exit",
    )
    verbs = top.add_subparsers(required=True, metavar="verb", parser_class=_VerbParser)
    for name, text in VERBS.items():
        description = None if name in WITHOUT_DESCRIPTION else text
        verbs.add_parser(name, help=text, description=description).set_defaults(verb=name)
    return top


class _VerbParser(argparse.ArgumentParser):
    """The parser of one verb, which gets its arguments from the verb's module when it parses."""

    def parse_known_args(  # type: ignore[override]  # ours is always a Namespace
        self, args: Iterable[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> tuple[argparse.Namespace, list[str]]:
        verb_of(self.get_default("verb")).add_arguments(self)
        return super().parse_known_args(args, namespace)


class _Version(argparse.Action):
    """Print the version of the installed package and exit."""

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> NoReturn:
        from importlib import metadata  # noqa: PLC0415 (slow to import, and for this option only)

        print(f"halobind {metadata.version('halobind')}")
        parser.exit()


if __name__ == "__main__":
    sys.exit(main())
