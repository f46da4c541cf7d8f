"""What each flaw of a row means, and what to do about it, for people who do not know halobind."""

from dataclasses import dataclass

from halobind.pipeline.free_energy.flags import FlagKind


@dataclass(frozen=True)
class Advice:
    """One flaw in plain words."""

    title: str
    """The flaw as a heading."""
    meaning: str
    """What it means for the numbers."""
    remedy: str
    """What to do about it."""


_MORE_SAMPLING = (
    "Sample longer: halobind extend CAMPAIGN --segments N, or --target-kJ-mol 4 to go on until ΔG°"
    " is that sure."
)
_CLOSER_WINDOWS = (
    "Put windows closer (spacing_nm in [windows]), or let rounds add them (max_rounds in"
    " [sampling]); then halobind run."
)
_CHECK_MODEL = (
    "Look at the trajectories (halobind export) and at the model; keep the walls about the crystal"
    " (intact_nm in [coordinate]), use more cells, or another pack."
)
_MORE_REPLICAS = "Set replicas = 4 in [sampling], then halobind run."

ADVICE = {
    FlagKind.LOW_OVERLAP: Advice(
        "Neighbouring windows share too few samples",
        "The free energy between two neighbouring windows rests on few common heights, so that its"
        " error is large and hard to estimate.",
        _CLOSER_WINDOWS,
    ),
    FlagKind.UNCONNECTED_WINDOWS: Advice(
        "The windows do not join",
        "Between two neighbouring windows there are next to no common samples: the curve has a step"
        " there that nothing measures, and the true error is larger than the stated one.",
        _CLOSER_WINDOWS,
    ),
    FlagKind.FEW_INDEPENDENT_SAMPLES: Advice(
        "Few independent samples",
        "Samples that follow each other closely are nearly the same; what is left after counting"
        " that is too little for an error that can be trusted.",
        _MORE_SAMPLING,
    ),
    FlagKind.SHORT_TIME_BLOCKS: Advice(
        "The blocks behind the error are short",
        "Errors come from comparing blocks of time; these blocks are shorter than the memory of the"
        " motion, so that the true error is larger than the stated one.",
        _MORE_SAMPLING,
    ),
    FlagKind.LATE_EQUILIBRATION: Advice(
        "A window settles late",
        "In some windows the heights still drift over the first half of the time or longer: what is"
        " averaged is partly the way to equilibrium.",
        _MORE_SAMPLING,
    ),
    FlagKind.GAPS: Advice(
        "The curve has gaps",
        "At some heights there are no samples at all, so that the two sides of the gap are not"
        " joined by data.",
        _CLOSER_WINDOWS,
    ),
    FlagKind.WELL_AT_EDGE: Advice(
        "The well lies at the edge",
        "The lowest point of the curve is at the end of the sampled range: the true minimum may lie"
        " deeper.",
        "Begin the path deeper (lower from_nm in [pull]), then halobind run.",
    ),
    FlagKind.NO_PLATEAU: Advice(
        "The curve does not level off",
        "Far from the surface the curve should be flat; it is not, so that ΔG° is a bound at best.",
        "Pull further out (larger to_nm in [pull], with room in gap_nm of [model]), use a larger"
        " cell, and sample the outer windows longer.",
    ),
    FlagKind.UNRESOLVED_PLATEAU: Advice(
        "Whether the curve levels off cannot be told",
        "The change over the outer end of the curve is within its error, but this error is large.",
        _MORE_SAMPLING,
    ),
    FlagKind.HALF_WITHOUT_NUMBER: Advice(
        "Half of the data gives no number",
        "The first or the second half of the data alone is too little for an estimate, so that"
        " drift cannot be tested.",
        _MORE_SAMPLING,
    ),
    FlagKind.HALVES_DIFFER: Advice(
        "The first and the second half disagree",
        "The number drifts with time by more than its error explains: it has not settled.",
        _MORE_SAMPLING,
    ),
    FlagKind.ESTIMATOR_WITHOUT_NUMBER: Advice(
        "An independent estimator gives no number",
        "The second method that checks the first has too little data.",
        _MORE_SAMPLING,
    ),
    FlagKind.ESTIMATORS_DIFFER: Advice(
        "Independent estimators disagree",
        "Two methods that should give the same from the same data do not; usually windows are too"
        " far apart or too short.",
        f"{_CLOSER_WINDOWS} {_MORE_SAMPLING}",
    ),
    FlagKind.FEW_CROSSINGS: Advice(
        "The walkers rarely cross",
        "A walker has to go from the well to the solution and back several times before the bias"
        " tells a free energy.",
        _MORE_SAMPLING,
    ),
    FlagKind.ONE_WALKER: Advice(
        "One walker",
        "The error comes from comparing walkers; with one there is nothing to compare.",
        "Set walkers = 4 or more in [metadynamics], then halobind run.",
    ),
    FlagKind.FACE_WITHOUT_NUMBER: Advice(
        "One face gives no number",
        "Each face of the slab is a measurement of its own; one of them has too little data.",
        _MORE_SAMPLING,
    ),
    FlagKind.FACES_DIFFER: Advice(
        "The two faces disagree",
        "Both faces of the slab measure the same and differ by more than their errors explain.",
        f"{_MORE_SAMPLING} {_MORE_REPLICAS}",
    ),
    FlagKind.ONE_REPLICA: Advice(
        "One replica",
        "All start structures come from one path out of the pocket: whether another path, or the"
        " way back in, gives the same number was not tested.",
        "Set replicas = 2 or more in [sampling], then halobind run: every second replica is pulled"
        " back in.",
    ),
    FlagKind.REPLICAS_FAILED: Advice(
        "A replica failed",
        "One of the independent repeats gave no number; the mean is over the others.",
        "Read its error in the table of runs, put it right, then halobind run CAMPAIGN --retry.",
    ),
    FlagKind.REPLICAS_SCATTER: Advice(
        "The replicas disagree",
        "Independent repeats differ by much more than the error of each: some slow motion is not"
        " sampled within any of them.",
        f"{_MORE_SAMPLING} {_MORE_REPLICAS}",
    ),
    FlagKind.HYSTERESIS: Advice(
        "Out and back disagree",
        "Replicas that start on the way out of the pocket and replicas that start on the way back"
        " in give different numbers: the result still depends on how the structures were made.",
        f"{_MORE_SAMPLING} Pull more slowly (step_ps in [pull]).",
    ),
    FlagKind.UNDER_CRYSTAL: Advice(
        "The ligand was under the crystal",
        "The anchor slipped behind the first metal layer: the path does not lead from the pocket to"
        " the solution.",
        "Begin the path higher (from_nm in [pull]) and use a stiffer umbrella (k_kJ_mol_nm2).",
    ),
    FlagKind.OUTSIDE_CYLINDER: Advice(
        "The anchor left its cylinder",
        "The anchor is kept near the axis over its site; it was found outside, where the standard"
        " state is not the one that ΔG° counts.",
        "Use a stiffer wall (wall_kJ_mol_nm2 in [coordinate]) or a shorter timestep_fs.",
    ),
    FlagKind.UNEXPLORED_CYLINDER: Advice(
        "The free ligand has not explored its space",
        "ΔG° takes for granted that the unbound anchor is spread evenly over the cylinder; it has"
        " not had the time.",
        _MORE_SAMPLING,
    ),
    FlagKind.DISPLACED_AT_SITE: Advice(
        "Ions at the site moved",
        "Ions around the pocket left their places: the ligand does not leave alone, or the pocket"
        " closes behind it.",
        _CHECK_MODEL,
    ),
    FlagKind.DISPLACED_ELSEWHERE: Advice(
        "The crystal did not stay whole",
        "Ions away from the pocket left their places: the number is not about the surface that was"
        " built.",
        _CHECK_MODEL,
    ),
    FlagKind.SHORT_OF_HALIDES: Advice(
        "A metal lost halides",
        "A metal has fewer halides around it than it was built with: the crystal reacts.",
        _CHECK_MODEL,
    ),
    FlagKind.LEANS_ON_WALL: Advice(
        "An ion leans on the wall that keeps it",
        "Without its wall an ion beside the pocket would move away, so that ΔG° depends on where"
        " the wall is.",
        "Compare with another intact_nm in [coordinate] (0.15 and 0.25, say).",
    ),
    FlagKind.SOLVENT_EXCHANGE_UNSAMPLED: Advice(
        "Where solvent takes the pocket was not sampled",
        "In some windows solvent is always in the pocket and in the others never, and in no window"
        " does one become the other: the height of the change is that of the pulled path, and ΔG°"
        " may be off by tens of kJ/mol.",
        f"{_MORE_SAMPLING} {_MORE_REPLICAS}",
    ),
    FlagKind.ION_PAIR_UNSAMPLED: Advice(
        "Where the ion pair lets go was not sampled",
        "The ion that leaves with the ligand is away in some windows and in place in the others,"
        " and never changes within one.",
        f"{_MORE_SAMPLING} {_MORE_REPLICAS}",
    ),
    FlagKind.OWN_IMAGE: Advice(
        "The ligand feels its own image",
        "The simulated box repeats itself; the ligand came within reach of its copy.",
        "Use more cells in [model], or a larger gap_nm.",
    ),
    FlagKind.NEEDS_WINDOW: Advice(
        "A window is missing",
        "The samples ask for one more window than rounds were allowed to add.",
        "Raise max_rounds in [sampling], then halobind run.",
    ),
    FlagKind.NEEDS_LONGER_PATH: Advice(
        "The path is too short",
        "The samples ask for a path that leads further out.",
        "Raise max_rounds in [sampling] or to_nm in [pull], then halobind run.",
    ),
    FlagKind.WINDOWS_CANNOT_BE_CLOSER: Advice(
        "Windows cannot be put closer",
        "Windows overlap poorly although they are as close as they are allowed to be: something"
        " other than the height changes between them.",
        f"{_MORE_SAMPLING} Use a smaller k_kJ_mol_nm2 in [windows].",
    ),
    FlagKind.PATH_ENDS_WITH_BOX: Advice(
        "The box ends before the plateau",
        "The path would have to lead further out than the box allows.",
        "Use a larger gap_nm in [model]: this is a new campaign.",
    ),
    FlagKind.ROUNDS_SPENT: Advice(
        "All rounds are used up",
        "The samples still ask for more than the rounds were allowed to add.",
        "Raise max_rounds in [sampling], then halobind run.",
    ),
    FlagKind.NO_PLAN: Advice(
        "No plan for further sampling",
        "From what is sampled it could not be decided what to sample next.",
        _MORE_SAMPLING,
    ),
    FlagKind.UNCLASSIFIED: Advice(
        "Another flaw",
        "It is told by the sentence below.",
        "Follow the sentence.",
    ),
}
"""The words for every kind of flaw."""

FAILED = Advice(
    "The run failed",
    "There is no number; the message below says what happened, and failures/ in the run's directory"
    " holds the whole record.",
    "Put it right, then halobind run CAMPAIGN --retry.",
)
PENDING = Advice(
    "Not finished",
    "Part of what the campaign asks for is not sampled yet.",
    "Go on with halobind run CAMPAIGN; it continues where it stopped.",
)
