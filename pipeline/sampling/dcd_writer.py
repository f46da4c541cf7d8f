"""Write frames as a DCD file, as observables/dcd.py and mdtraj read it.

It is little-endian; every frame has a box and single-precision coordinates in angstrom.

mdtraj's own writer hands the path to a C library as ASCII, so that it fails in a directory whose
name has any other letter; and it writes the time of day and bytes of memory that nobody set into
the title. Header and frames are otherwise the same here, byte for byte.
"""

import struct
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

import numpy as np

ANGSTROM_PER_NM = 10
TITLE = (b"Created by halobind", b"REMARKS")
TITLE_BYTES = 80
FRAME_COUNTS_AT = (8, 20)  # offsets in the file of the two words that hold the number of frames
CHARMM_VERSION = 24


class DCDWriter:
    """A DCD file that grows frame by frame; a context manager. Without a frame there is no file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: BinaryIO | None = None
        self._n_frames = 0

    def __enter__(self) -> "DCDWriter":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def write(self, positions: np.ndarray, box: np.ndarray) -> None:
        """Add a frame.

        Args:
            positions: Positions (n_atoms, 3) in nm, the same number of atoms in every frame.
            box: Lengths (3,) of the rectangular box in nm.
        """
        if self._file is None:
            self._file = self._path.open("wb")
            self._file.write(_header(len(positions)))
        a, b, c = (ANGSTROM_PER_NM * box).astype(np.float32).astype("<f8")
        cosine = 0.0  # of the right angles between the box vectors
        self._file.write(_block(struct.pack("<6d", a, cosine, b, cosine, cosine, c)))
        xyz = (ANGSTROM_PER_NM * positions).astype("<f4")
        for axis in range(3):
            self._file.write(_block(xyz[:, axis].tobytes()))
        self._n_frames += 1

    def close(self) -> None:
        """Write the number of frames into the header and close the file."""
        if self._file is None:
            return
        try:
            for offset in FRAME_COUNTS_AT:
                self._file.seek(offset)
                self._file.write(struct.pack("<i", self._n_frames))
        finally:
            self._file.close()
            self._file = None


def _block(content: bytes) -> bytes:
    """A Fortran record: its length before and after it."""
    length = struct.pack("<i", len(content))
    return length + content + length


def _header(n_atoms: int) -> bytes:
    """The three records before the frames, of a file that has none yet."""
    words = [0] * 20
    words[2] = 1  # steps between two frames
    words[10] = 1  # every frame has a box
    words[19] = CHARMM_VERSION
    control = bytearray(b"CORD" + struct.pack("<20i", *words))
    control[40:44] = struct.pack("<f", 1.0)  # time step
    title = struct.pack("<i", len(TITLE)) + b"".join(t.ljust(TITLE_BYTES, b"\0") for t in TITLE)
    return _block(bytes(control)) + _block(title) + _block(struct.pack("<i", n_atoms))
