"""Which cases of a test over every ligand, solvent or shape the default ring takes."""

from collections.abc import Collection, Iterable

import pytest


def one_of_each_kind(cases: Iterable[object], *, default: Collection[object]) -> list:
    """Parameters of a test: those of `default` in the default ring, the others in the ring `rows`.

    Args:
        cases: All parameters.
        default: One of each kind; each must be among the cases.

    Returns:
        All cases in their order.
    """
    cases = list(cases)
    unknown = [case for case in default if case not in cases]
    assert not unknown, f"no such cases: {unknown}"
    return [
        case if case in default else pytest.param(case, marks=pytest.mark.rows) for case in cases
    ]
