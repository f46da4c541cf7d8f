"""A number with its standard error, and the factor that few values need for theirs."""

import math
from dataclasses import dataclass

from scipy.special import stdtrit

ONE_SIGMA = 0.8413447460685429
"""Probability of a normal variable to lie below one standard deviation."""


@dataclass(frozen=True)
class Quantity:
    """A number with its standard error. Over replicas the error is the larger of `sem` (their
    scatter) and `propagated` (their errors).
    """

    value: float
    error: float
    sem: float = math.nan
    propagated: float = math.nan


def student_factor(n: int, probability: float = ONE_SIGMA) -> float:
    """Student's t: how many standard errors stand for one sigma when n values give the error.

    Args:
        n: Degrees of freedom: the number of values less the number of means.
        probability: One-sided; by default that of one standard deviation.
    """
    return float(stdtrit(n, probability))
