"""Read frames of a DCD file as sampling/dcd_writer.py writes it.

mdtraj's own reader says "dcdplugin) ..." on standard output for every file that is opened, and
takes a file that was cut short for a shorter one; this one maps the file and checks every record
marker.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

NM_PER_ANGSTROM = np.float32(0.1)
HEADER_WORDS = 20  # of the first record, after its four letters
CELL_LENGTHS = (0, 2, 5)  # a, b and c among the six numbers of a box


@dataclass(frozen=True, eq=False)
class Frames:
    """An open DCD file."""

    content: np.ndarray
    """Its frames (n_frames,), mapped."""

    @property
    def n_frames(self) -> int:
        """How many there are."""
        return len(self.content)

    @property
    def n_atoms(self) -> int:
        """Atoms of a frame."""
        return int(self.content.dtype["x"].shape[0])

    def read(self, start: int, stop: int) -> tuple[np.ndarray, np.ndarray]:
        """Read frames [start, stop).

        Args:
            start: The first frame.
            stop: The frame after the last one.

        Returns:
            Positions (n, n_atoms, 3) and box lengths (n, 3) in nm, single precision.

        Raises:
            ValueError: A frame is damaged.
        """
        part = self.content[start:stop]
        size = {"cell": 48} | dict.fromkeys("xyz", 4 * self.n_atoms)
        for name, length in size.items():
            if not (
                (part[f"before_{name}"] == length).all() and (part[f"after_{name}"] == length).all()
            ):
                raise ValueError(f"frames {start} to {stop} are damaged (record of {name})")
        xyz = np.stack([part[name] for name in "xyz"], axis=2) * NM_PER_ANGSTROM
        lengths = part["cell"][:, CELL_LENGTHS].astype(np.float32) * NM_PER_ANGSTROM
        if not (np.isfinite(xyz).all() and np.isfinite(lengths).all() and (lengths > 0).all()):
            raise ValueError(
                f"frames {start} to {stop} hold numbers that are not finite, or no box"
            )
        return xyz, lengths


def open_dcd(path: Path) -> Frames:
    """Open a DCD file.

    Raises:
        ValueError: It is not one with boxes, or does not end with its last frame.
    """
    head = np.fromfile(path, "<i4", 2 + HEADER_WORDS)
    if len(head) < 2 + HEADER_WORDS or head[0] != 84 or head[1:2].tobytes() != b"CORD":
        raise ValueError("it does not begin as a DCD file does")
    if head[12] != 1:
        raise ValueError("it has no box")
    title = int(np.fromfile(path, "<i4", 1, offset=92)[0])
    begin = 92 + 8 + title
    atoms = np.fromfile(path, "<i4", 3, offset=begin) if title >= 0 else np.zeros(0)
    if len(atoms) < 3 or atoms[0] != 4 or atoms[2] != 4 or atoms[1] < 1:
        raise ValueError("its header is damaged")
    fields = []
    for name, kind, count in (
        ("cell", "<f8", 6),
        *((axis, "<f4", int(atoms[1])) for axis in "xyz"),
    ):
        fields += [(f"before_{name}", "<i4"), (name, kind, (count,)), (f"after_{name}", "<i4")]
    frame = np.dtype(fields)
    n_frames, rest = divmod(path.stat().st_size - begin - 12, frame.itemsize)
    if rest or n_frames != head[2]:
        raise ValueError(
            f"it holds {n_frames} frames and {rest} bytes, where its header says {head[2]} frames"
        )
    return Frames(np.memmap(path, frame, "r", begin + 12, (n_frames,)))
