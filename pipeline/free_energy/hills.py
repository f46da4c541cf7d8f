"""How the bias of a metadynamics walker grows; the symbols are in the table of
sampling/metadynamics.py.
"""

from dataclasses import dataclass

import numpy as np

WALL_TOP_KJ_MOL = 200.0  # where the grid ends: the tabulated bias is 0 beyond it
NODES_PER_WIDTH = 5


@dataclass(frozen=True, eq=False)
class Hills:
    """How a bias grows, on which path, and `start`, what it has grown to before (n,) kJ/mol on
    `grid`, None for nothing.

    `every` is the number of steps between two hills; the other symbols are in the table above.
    """

    bias_factor: float
    height: float
    width_nm: float
    every: int
    path_nm: tuple[float, float]
    wall_k: float
    start: np.ndarray | None = None

    @property
    def grid(self) -> np.ndarray:
        """Heights (n,) nm of the nodes of the bias: the path, and beyond each end up to where the
        wall costs 200 kJ/mol.
        """
        bottom, top = self.path_nm
        margin = np.sqrt(2 * WALL_TOP_KJ_MOL / self.wall_k)
        count = int(np.ceil(NODES_PER_WIDTH * (top - bottom + 2 * margin) / self.width_nm)) + 1
        return np.linspace(bottom - margin, top + margin, count)
