"""Record what halobind computes and says, as text files that two versions of the code can be
compared by.

    python tests/benchmarks/behaviour.py OUT [--halobind PATH_TO_COMMAND]
    diff -r OUT_BEFORE OUT_AFTER

Only the command line is used, so any two versions can be compared. Every campaign runs on one CPU
thread with its derived seeds: with the same OpenMM on the same machine the files are the same byte
for byte. What cannot repeat (times, speeds, hosts, the scratch directory) is replaced by a word.
About six minutes.
"""

import argparse
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

BASE = """
[model]
perovskite = "CsPbBr3"
cells = "4x4x1"
ligand = "DA"
solvent = "acetone"
gap_nm = 2.5
[forcefield]
cutoff_nm = 0.9
[equilibrate]
warm_ps = 0.2
npt_ps = 0.4
nvt_ps = 0.2
piece_ps = 0.2
[pull]
from_nm = 0.0
to_nm = 0.3
step_nm = 0.1
step_ps = 0.3
k_kJ_mol_nm2 = 50000.0
[windows]
spacing_nm = 0.1
k_kJ_mol_nm2 = 50000.0
[sampling]
segments = 2
segment_ps = 0.8
record_ps = 0.04
frame_ps = 0.2
max_rounds = 0
[estimate]
discard_fraction = 0.0
bin_nm = 0.02
plateau_nm = 0.1
n_bootstrap = 20
"""


def edited(*changes: tuple[str, str]) -> str:
    """BASE with other words; each must be there."""
    text = BASE
    for before, after in changes:
        assert before in text, before
        text = text.replace(before, after)
    return text


CAMPAIGNS = {
    "demo": edited(
        ('ligand = "DA"', 'ligand = ["DA", "DMDDA"]'),
        ("max_rounds = 0", "max_rounds = 1\nreplicas = 2"),
        ("k_kJ_mol_nm2 = 50000.0\n[sampling]", "k_kJ_mol_nm2 = 20000.0\n[sampling]"),
    ),
    "metadynamics": edited(
        ("max_rounds = 0", 'max_rounds = 0\nmethod = "metadynamics"'),
        (
            "[estimate]",
            "[metadynamics]\nwalkers = 2\ndeposit_ps = 0.08\nheight_kJ_mol = 2.0\n[estimate]",
        ),
    ),
    "exchange": edited(("max_rounds = 0", "max_rounds = 0\nexchange_group = 2")),
    "mapbbr3": edited(
        ('perovskite = "CsPbBr3"', 'perovskite = "MAPbBr3"'),
        ('ligand = "DA"', 'ligand = "DA"\nfaces = 2'),
        ('cells = "4x4x1"', 'cells = "4x4x2"'),
        ("gap_nm = 2.5", "gap_nm = 5.2"),
        ("segments = 2", "segments = 1"),
    ),
}

REFUSED = {
    "unknown-key": edited(('solvent = "acetone"', 'solvent = "acetone"\nsolvnet = "water"')),
    "ligand": edited(('ligand = "DA"', 'ligand = "DAX"')),
    "perovskite": edited(('"CsPbBr3"', '"CsPbI3"')),
    "solvent": edited(('"acetone"', '"acetona"')),
    "pack": edited(("[forcefield]", '[forcefield]\npack = "nothing"')),
    "myp-slab": edited(("[forcefield]", '[forcefield]\npack = "myp"')),
    "pascazio-quaternary": edited(
        ("[forcefield]", '[forcefield]\npack = "pascazio-primary"'), ('"DA"', '"DMDDA"')
    ),
    "cells": edited(("4x4x1", "4x4")),
    "small-cells": edited(("4x4x1", "2x2x1")),
    "huge-cells": edited(("4x4x1", "99x99x9")),
    "cutoff": edited(("cutoff_nm = 0.9", "cutoff_nm = 1.6")),
    "type": edited(("segments = 2", 'segments = "2"')),
    "negative": edited(("segments = 2", "segments = -2")),
    "nan": edited(("warm_ps = 0.2", "warm_ps = nan")),
    "path-backwards": edited(("to_nm = 0.3", "to_nm = -0.3")),
    "path-too-long": edited(("to_nm = 0.3", "to_nm = 3.0")),
    "record": edited(("record_ps = 0.04", "record_ps = 0.07")),
    "frames": edited(("frame_ps = 0.2", "frame_ps = 0.3")),
    "plateau": edited(("plateau_nm = 0.1", "plateau_nm = 0.03")),
    "bad-toml": edited(("[pull]", "[pull")),
    "method": edited(("max_rounds = 0", 'max_rounds = 0\nmethod = "magic"')),
    "exchange-one": edited(("max_rounds = 0", "max_rounds = 0\nexchange_group = 1")),
    "own-ligand": (
        edited(('"DA"', '"mine"'))
        + '\n[ligands.mine]\nsmiles = "CC[NH3+]"\nhead = "N"\nmode = "A"\n'
    ),
    "own-without-file": edited(('"DA"', '"mine"')) + '\n[ligands.mine]\nsmiles = "CCCC[NH3+]"\n',
    "own-bad-smiles": edited(('"DA"', '"mine"')) + '\n[ligands.mine]\nsmiles = "CC(C[NH3+]"\n',
    "anion-on-A": edited(('"DA"', '"oleate"'), ("[forcefield]", 'mode = "A"\n[forcefield]')),
    "coverage": edited(("[forcefield]", "coverage = 1.5\n[forcefield]")),
    "two-methods": edited(
        ("[sampling]", '[sampling]\nmethod = "umbrella"\nmethod = "metadynamics"')
    ),
    "huge-grid": edited(('"DA"', '["DA", "DDA", "DA"]')),
    "empty-list": edited(('"DA"', "[]")),
    "temperature": edited(("[forcefield]", "[simulation]\ntemperature_K = 10000.0\n[forcefield]")),
    "timestep": edited(("[forcefield]", "[simulation]\ntimestep_fs = 40.0\n[forcefield]")),
    "empty": "",
}

CLUSTERS = """
[slurm]
scheduler = "slurm"
queue = "cpu"
walltime = "01:00:00"
cpus = 2
[pbs]
scheduler = "pbs"
queue = "cpu"
walltime = "01:00:00"
cpus = 2
[lsf]
scheduler = "lsf"
queue = "cpu"
walltime = "01:00:00"
cpus = 2
"""

VERBS = (
    ("--help",), ("plan", "--help"), ("run", "--help"), ("status", "--help"), ("table", "--help"), ("build", "--help"),
    ("parametrize", "--help"), ("validate", "--help"), ("extend", "--help"), ("observe", "--help"), ("submit", "--help"),
    ("cancel", "--help"), ("doctor", "--help"), ("new", "--help"), ("submit", "--example"), ("run",), ("walk",), ("plan", "nowhere"),
    ("run", "nowhere"), ("table", "nowhere"), ("status", "nowhere"), ("observe", "nowhere"), ("extend", "nowhere"),
    ("build", "nowhere"), ("cancel", "nowhere"), ("submit", "nowhere", "--cluster", "slurm"), ("validate", "nothing"),
    ("validate", "bond-increment", "--only", "nothing"), ("parametrize", "CC(C[NH3+]", "--name", "x"),
    ("parametrize", "CCCC", "--name", "x"), ("parametrize", "nowhere.sdf"),
)  # fmt: skip

KEPT = ("binding.csv", "binding.md", "binding.json", "exchange.csv", "enthalpy.csv", "coverage.csv")
RUN_FILES = (
    "cv.npy",
    "push.npy",
    "bias.npy",
    "frames.dcd",
    "state.xml",
    "system.xml",
    "model.cif",
    "groups.json",
    "round.json",
)
TIMES = (
    (r"\b\d+(\.\d+)? ns/day\b", "SPEED ns/day"),
    (r"(?m)^.*\bns/day\b.*$", "SPEED"),
    (r"\b\d+:\d\d(:\d\d)?\b", "TIME"),
    (r"\b\d+(\.\d+)? (s|min|h|d|ms|GB|MB|kB|hours|days|minutes|seconds)\b", "AMOUNT"),
    (r"\b[0-9a-f]{64}\b", "SHA256"),
    (r"halobind-[0-9a-f]{8}", "halobind-JOB"),
    (r"\bpid \d+\b", "PID"),
)


def cleaned(text: str, scratch: Path) -> str:
    """`text` without what differs from run to run."""
    text = (
        text.replace(str(scratch.resolve()), "SCRATCH")
        .replace(str(scratch), "SCRATCH")
        .replace(sys.prefix, "PREFIX")
    )
    for pattern, word in TIMES:
        text = re.sub(pattern, word, text)
    return text


class Recorder:
    """Runs the command in a scratch directory and keeps what it said and made under `out`."""

    def __init__(self, command: str, out: Path, scratch: Path) -> None:
        self.command, self.out, self.scratch = command, out, scratch
        self.environment = os.environ | {
            "OMP_NUM_THREADS": "1", "OPENMM_CPU_THREADS": "1", "COLUMNS": "120", "HOME": str(scratch), "XDG_CONFIG_HOME": str(scratch / "config"),
            "NO_COLOR": "1",
        }  # fmt: skip
        (scratch / "config" / "halobind").mkdir(parents=True)
        (scratch / "config" / "halobind" / "clusters.toml").write_text(CLUSTERS)

    def say(self, name: str, *arguments: str) -> int:
        """Run `halobind ARGUMENTS` and keep its exit code, output and errors as NAME.txt."""
        done = subprocess.run(
            [self.command, *arguments],
            cwd=self.scratch,
            env=self.environment,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
        )
        text = (
            f"$ halobind {' '.join(arguments)}\nexit {done.returncode}\n---"
            f" stdout\n{done.stdout}--- stderr\n{done.stderr}"
        )
        target = self.out / f"{name}.txt"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(cleaned(text, self.scratch))
        return done.returncode

    def keep(self, name: str, campaign: Path) -> None:
        """Keep the tables, a checksum of every file of the runs that holds numbers, and the tables
        of observables.
        """
        target = self.out / name
        for path in sorted((campaign / "tables").glob("*")):
            if path.suffix in (".csv", ".md", ".json"):
                (target / path.name).write_text(cleaned(path.read_text(), self.scratch))
        sums = []
        for path in sorted((campaign / "runs").rglob("*")):
            inside = str(path.relative_to(campaign))
            if path.name in RUN_FILES and "/." not in inside:
                sums.append(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {inside}")
            if path.suffix in (".csv", ".json") and (
                "/observe-" in inside or "/estimate-" in inside
            ):
                short = re.sub(r"-[0-9a-f]{8,}/", "/", inside).replace("/", "__")
                (target / short).write_text(cleaned(path.read_text(), self.scratch))
        (target / "sha256.txt").write_text("\n".join(sums) + "\n")


def main() -> None:
    """Record everything into the directory that is named."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path)
    parser.add_argument("--halobind", default=str(Path(sys.executable).with_name("halobind")))
    parser.add_argument("--only", nargs="+", default=[*CAMPAIGNS, "refusals", "verbs"])
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix="halobind-behaviour-"))
    recorder = Recorder(options.halobind, options.out.resolve(), scratch)
    if "verbs" in options.only:
        for arguments in VERBS:
            recorder.say(
                "verbs/"
                + "_".join(word.strip("-") or "x" for word in arguments).replace("/", "")[:40],
                *arguments,
            )
    if "refusals" in options.only:
        for name, text in REFUSED.items():
            (scratch / name).mkdir()
            (scratch / name / "campaign.toml").write_text(text)
            recorder.say(f"refusals/{name}", "plan", name)
    for name, text in CAMPAIGNS.items():
        if name not in options.only:
            continue
        (scratch / name).mkdir()
        (scratch / name / "campaign.toml").write_text(text)
        recorder.say(f"{name}/plan", "plan", name)
        for cluster in ("slurm", "pbs", "lsf"):
            recorder.say(
                f"{name}/submit-{cluster}", "submit", name, "--cluster", cluster, "--dry-run"
            )
        recorder.say(f"{name}/run", "run", name, "--processes", "1", "--platform", "CPU")
        recorder.say(f"{name}/table", "table", name)
        recorder.say(f"{name}/observe", "observe", name)
        recorder.say(f"{name}/status", "status", name)
        recorder.say(f"{name}/extend", "extend", name, "--segments", "1", "--dry-run")
        recorder.say(f"{name}/build", "build", name, "--format", "pdb")
        recorder.keep(name, scratch / name)
    shutil.rmtree(scratch)


if __name__ == "__main__":
    main()
