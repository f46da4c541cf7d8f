"""The processes that `halobind run` starts on this machine: how many, where each of them computes,
and how they ended.
"""

import contextlib
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

from halobind.jobs.gpus import MPSError, has_mps, seats, shared_gpus, visible_gpus
from halobind.jobs.local import run_side_by_side
from halobind.pipeline.campaign.paths import absolute_path
from halobind.pipeline.campaign.run_directory import CampaignRuns, logs_folder
from halobind.pipeline.campaign.settings import Campaign
from halobind.pipeline.sampling.platforms import MDPlatform, PlatformError, cores
from halobind.pipeline.workflow.progress import Display, chart_of, measure
from halobind.pipeline.workflow.worker import WorkError

# small systems leave most of a GPU idle; tests/benchmarks/gpu_packing.py measures 1, 2, 4 and 8
PER_GPU_WITH_MPS = 4


def side_by_side(
    opened: CampaignRuns,
    choice: MDPlatform,
    asked: int | None,
    flags: list[str],
    *,
    progress: bool = True,
) -> None:
    """Make what is pending in `asked` processes of `halobind run` with `flags`, or as many as suit
    the machine, with a progress display.

    Raises Stopped, WorkError, PlatformError.
    """
    folder = opened.folder
    campaign = opened.settings
    runs = opened.runs
    with contextlib.ExitStack() as stack:
        places, how = stack.enter_context(_places(choice, campaign, asked))
        count = len(places)
        names = (
            f"{len(runs)} run{'s' * (len(runs) != 1)}",
            f"{count} process{'es' * (count != 1)}{how}",
        )
        command = [
            sys.executable,
            "-P",
            "-m",
            "halobind",
            "run",
            str(absolute_path(folder)),
            "--platform",
            choice.name,
            *flags,
        ]
        tick = _no_tick
        if progress:
            print(
                f"{names[0]} on {choice.name}, {names[1]}; logs in {logs_folder(folder)}",
                file=sys.stderr,
            )
            display = Display(lambda: chart_of(runs, campaign))
            stack.callback(display.close)
            tick = display.tick
        codes = run_side_by_side(command, places, logs_folder(folder), tick)
    broken = [how_it_ended(log, code) for log, code in codes.items() if code]
    amount = measure(chart_of(runs, campaign))
    if broken and (amount.done < amount.total or len(broken) == count):
        raise WorkError("\n".join(broken))
    for text in broken if progress else ():
        print(f"halobind: {text}; the other processes did its work", file=sys.stderr)


def _no_tick() -> None:
    """Show no progress."""


@contextlib.contextmanager
def _places(
    choice: MDPlatform, campaign: Campaign, asked: int | None
) -> Iterator[tuple[list[dict[str, str]], str]]:
    """The environment of each process, and a few words on how they share the machine.

    On CUDA every GPU gets as many processes as the others; more than one of them go through the
    Multi-Process Service where it is.
    """
    resources = campaign.resources
    count = asked or resources.processes
    if choice.name != "CUDA":
        yield [{}] * (count or (1 if choice.is_gpu else max(1, cores() // resources.threads))), ""
        return
    try:
        gpus = visible_gpus()
    except RuntimeError as error:
        raise PlatformError(str(error)) from None
    each = (
        -(-count // len(gpus))
        if count
        else resources.processes_per_gpu or (PER_GPU_WITH_MPS if has_mps() else 1)
    )
    with contextlib.ExitStack() as stack:
        shared, how = {}, f" on {len(gpus)} GPU{'s' * (len(gpus) != 1)}"
        if each > 1 and has_mps():
            try:
                shared, how = stack.enter_context(shared_gpus(each)), f"{how} with MPS"
            except MPSError as error:
                if not count and not resources.processes_per_gpu:
                    each = 1
                print(
                    f"halobind: no Multi-Process Service ({error}); {each} a GPU without it",
                    file=sys.stderr,
                )
        places = seats(gpus, each)
        yield [place | shared for place in places[: count or len(places)]], how


def how_it_ended(log: Path, code: int) -> str:
    """One sentence on a process that ended with an error: its own last words, or the signal that
    killed it.
    """
    if code < 0:
        return (
            f"a process was killed by {signal.Signals(-code).name} (out of memory, or by somebody;"
            f" its log is {log})"
        )
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    if not lines:
        return f"a process could write nothing, not even its log {log}: is the disk full?"
    return f"{lines[-1].removeprefix('halobind: ')} (see {log})"
