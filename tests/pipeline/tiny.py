"""A tiny real campaign (18 products, seconds each), the command line that does it, and what it
published.
"""

import contextlib
import io
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from halobind.pipeline.commands.cli import main
from halobind.pipeline.free_energy.samples import Window
from halobind.structures.models.integrity import Integrity

HALOBIND = [sys.executable, "-m", "halobind"]
PATIENCE_S = 900
"""Until a command on a machine that others use too is taken for one that hangs."""
SEGMENT_PS = os.environ.get("HALOBIND_TEST_PS", "0.2")
CAMPAIGN = """
[model]
perovskite = "CsPbBr3"
cells = "3x3x1"
ligand = "DA"
solvent = "acetone"
gap_nm = 2.5
[forcefield]
cutoff_nm = 0.8
[equilibrate]
warm_ps = 0.1
npt_ps = 0.2
nvt_ps = 0.1
piece_ps = 0.1
[pull]
from_nm = 0.0
to_nm = 0.3
step_nm = 0.1
step_ps = 0.15
k_kJ_mol_nm2 = 50000.0
[windows]
spacing_nm = 0.1
k_kJ_mol_nm2 = 50000.0
[sampling]
segments = 2
segment_ps = 0.2
record_ps = 0.02
frame_ps = 0.1
max_rounds = 0
[estimate]
discard_fraction = 0.0
bin_nm = 0.02
plateau_nm = 0.1
n_bootstrap = 20
""".replace("segment_ps = 0.2", f"segment_ps = {SEGMENT_PS}")


def edited(*changes: tuple[str, str]) -> str:
    """CAMPAIGN with other words; each must be there."""
    text = CAMPAIGN
    for before, after in changes:
        assert before in text, before
        text = text.replace(before, after)
    return text


def halobind(*arguments: str, **options: object) -> subprocess.CompletedProcess:
    """A command line in a process of its own.

    Args:
        arguments: What follows "halobind".
        options: Of `subprocess.run`.
    """
    return subprocess.run(
        [*HALOBIND, *arguments], capture_output=True, text=True, timeout=PATIENCE_S, **options
    )


def halobind_here(*arguments: str) -> subprocess.CompletedProcess:
    """A command line in this process, which has imported everything; what it starts are processes."""
    out = io.StringIO()
    err = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), kept_signals():
        code = main(list(arguments))
    return subprocess.CompletedProcess(arguments, code, out.getvalue(), err.getvalue())


@contextlib.contextmanager
def kept_signals() -> Iterator[None]:
    """Put back the handlers of the signals that a command catches."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    handlers = [signal.getsignal(number) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, handlers, strict=True):
            signal.signal(number, handler)


def new(folder: Path, text: str = CAMPAIGN) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "campaign.toml").write_text(text)
    return folder


def segment_record(window: Window, record_ps: float, **more: object) -> dict:
    """What a segment.json says where nothing is wrong: the crystal whole, solvent in the pocket;
    and `more`.
    """
    whole = Integrity(0, 0, 0, 0, 0.1, (), (0.1,), ()).as_dict()
    about = {
        "center_nm": [window.center_nm] * 2,
        "k_kJ_mol_nm2": window.k,
        "record_ps": record_ps,
        "versions": {"openmm": "8"},
    }
    return about | {"image_nm": 2.0, "solvent_nm": [0.1], "slab": whole} | more


def products(campaign: Path) -> dict[str, int]:
    """Every published product of the campaign's runs, with its inode."""
    found = {}
    for path in campaign.glob("runs/*/**/"):
        name = str(path.relative_to(campaign))
        if (
            path.is_dir()
            and "/." not in name
            and any(
                (path / f).exists()
                for f in ("state.xml", "system.xml", "model.cif", "binding.json")
            )
        ):
            found[name] = path.stat().st_ino
    return found


def series(campaign: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(campaign)): path.read_bytes()
        for path in campaign.glob("runs/*/**/cv.npy")
    }


def logs(campaign: Path) -> str:
    return "".join(path.read_text() for path in (campaign / "jobs").glob("*.log"))


def tables(campaign: Path) -> dict[str, str]:
    return {
        path.name: path.read_text()
        for path in (campaign / "tables").iterdir()
        if path.suffix != ".png"
    }


def copy(campaign: Path, folder: Path) -> Path:
    return Path(shutil.copytree(campaign, folder, copy_function=shutil.copy2))


def copy_prepared(campaign: Path, folder: Path, text: str = CAMPAIGN) -> Path:
    """A copy that has everything up to the pull, and no window, log or table."""
    prepared = copy(campaign, folder)
    for run in (prepared / "runs").iterdir():
        for sampled in (run / "windows", *run.glob("estimate-*")):
            shutil.rmtree(sampled)
    for name in ("jobs", "tables"):
        shutil.rmtree(prepared / name)
    return new(prepared, text)


def put(path: Path, kind: str) -> None:
    """Put something odd where a file or a directory is expected, in place of what is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
    if kind == "directory":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "loop":
        path.symlink_to(path.name)
    elif kind == "dangling link":
        path.symlink_to("nowhere")
    else:
        path.write_text("")
