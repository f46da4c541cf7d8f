"""Blocks of time of every window, and the errors that resampling them gives."""

from dataclasses import dataclass

import numpy as np

from halobind.pipeline.free_energy.samples import Samples

MIN_BLOCKS = 5
"""Time blocks of a window at least, where it has as many samples."""
MAX_BLOCKS = 20
"""Time blocks of a window at most."""


@dataclass(frozen=True)
class Blocks:
    """Time blocks of each window: inefficiency g (samples), block length (samples), number of
    blocks, and `weight`, (K,) each.

    The weight of a window is what its mean force adds to the variance of a curve, k^2 var(z) g / N.
    `together` are the series (indices) that are resampled alike: walkers that exchanged carry their
    slow motions through all windows of their group.
    """

    g: np.ndarray
    length: np.ndarray
    number: np.ndarray
    weight: np.ndarray
    together: tuple[np.ndarray, ...]

    def draw(self, random: np.random.Generator) -> np.ndarray:
        """How often each block is taken in one resample, window after window."""
        times: list[np.ndarray] = [np.zeros(0)] * len(self.number)
        for own in self.together:
            number = self.number[own[0]]
            drawn = random.multinomial(number, np.full(number, 1 / number)).astype(float)
            for series in own:
                times[series] = drawn
        return np.concatenate(times)

    @property
    def short(self) -> np.ndarray:
        """Which windows have blocks shorter than 2 g, so that their errors are lower bounds."""
        return self.length < 2 * self.g * 0.999

    @property
    def factor(self) -> float:
        """What a spread over block resamples is multiplied by, because blocks are few and their
        neighbours correlated.

        Resampling B blocks loses 1/B of the variance; blocks of length L of an AR(1) series lose (g
        - 1/g)/(2 L) of it (held at one half, where L < g and the flag says that the error is a
        lower bound). Windows count by their weight: the slow and soft ones lose most, and have most
        of the error.
        """
        kept = (1 - 1 / self.number) * (
            1 - np.minimum(0.5, (self.g - 1 / self.g) / (2 * self.length))
        )
        return float(np.sqrt(np.average(1 / kept, weights=self.weight)))

    def error(self, values: np.ndarray) -> np.ndarray:
        """Standard error of numbers from each resample, (B, ...): `factor` times their spread; NaN
        where under half are finite.
        """
        return spread_error(values, self.factor)


def spread_error(values: np.ndarray, factor: float = 1.0) -> np.ndarray:
    """`factor` times the standard deviation of numbers (B, ...) over their B resamples; NaN where
    under half are finite.
    """
    known = np.isfinite(values)
    number = known.sum(axis=0)
    mean = np.where(known, values, 0.0).sum(axis=0) / np.maximum(number, 1)
    square = np.where(known, values - mean, 0.0) ** 2
    spread = np.sqrt(square.sum(axis=0) / np.maximum(number - 1, 1))
    return np.where(number >= max(2, len(values) / 2), spread * factor, np.nan)


def make_blocks(samples: Samples) -> Blocks:
    """Blocks of the windows of one run; a window weighs what its mean force adds to the variance of
    a curve, k^2 var(z) g / N.
    """
    variance = np.array(
        [(w.k * z.std()) ** 2 for w, z in zip(samples.windows, samples.z, strict=True)]
    )
    return cut_blocks(samples.counts, samples.inefficiencies(), samples.groups, variance)


def cut_blocks(
    counts: np.ndarray, g: np.ndarray, groups: tuple[int, ...], variance: np.ndarray
) -> Blocks:
    """Blocks of at least 2 g samples, 5 to 20 a series; where the data are too few for 5 such
    blocks they are shorter.

    Series that exchanged have the same blocks of time, so as many as the slowest of them allows.

    Args:
        counts: Samples of each series, (K,).
        g: Their statistical inefficiencies, (K,).
        groups: A number for each series, equal for those that exchanged; empty: none did.
        variance: Of what each series adds to the result, (K,); with g / N it is its weight.
    """
    number = np.clip(
        np.floor(counts / (2 * g)).astype(int), np.minimum(MIN_BLOCKS, counts), MAX_BLOCKS
    )
    labels = np.array(groups or range(len(counts)))
    together = tuple(np.flatnonzero(labels == label) for label in dict.fromkeys(labels.tolist()))
    for own in together:
        number[own] = number[own].min()
    weight = variance * g / counts
    return Blocks(
        g, counts / number, number, weight if weight.sum() > 0 else np.ones(len(g)), together
    )
