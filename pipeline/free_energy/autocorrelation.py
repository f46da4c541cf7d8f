"""How many samples of a series are worth one independent sample."""

import numpy as np

MIN_LAG = 3
"""Lags that are always summed, as in Chodera et al., J. Chem. Theory Comput. 2007, 3, 26."""


def inefficiency(series: np.ndarray) -> float:
    """Statistical inefficiency of one series: 1 + 2 sum_t (1 - t/N) C(t), summed to the first C(t)
    <= 0 after three lags.

    C(t) is the normalised autocorrelation (Chodera et al., JCTC 2007, 3, 26), here by FFT. A
    constant series of N gives N.
    """
    n = len(series)
    delta = series - np.mean(series)
    variance = float(np.mean(delta**2))
    if n < 2 or variance == 0.0:
        return float(n)
    spectrum = np.fft.rfft(delta, 2 * n)
    lag = np.arange(1, n)
    correlation = np.fft.irfft(np.abs(spectrum) ** 2, 2 * n)[1:n] / ((n - lag) * variance)
    negative = np.flatnonzero((correlation <= 0) & (lag > MIN_LAG))
    stop = negative[0] if len(negative) else n - 1
    return float(min(n, max(1.0, 1 + 2 * np.sum(((1 - lag / n) * correlation)[:stop]))))
