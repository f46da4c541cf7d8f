"""Sizes above which a command stops at once, or a message shows only the start of a value."""

import os

MAX_SHOWN_CHARACTERS = 200
"""A value of more is shown in a message by its start and its length."""


def check_size(counted: str, size: int, limit: int, variable: str) -> None:
    """Refuse a size above its limit.

    Args:
        counted: The thing that is counted, as a message names it: "the grid makes 4096 runs".
        size: How many there are.
        limit: How many there may be where the environment says nothing.
        variable: The environment variable that sets another limit.

    Raises:
        ValueError: There are too many; the message names the limit and the variable.
    """
    text = os.environ.get(variable, "")
    if text.isdecimal() and len(text) <= 18:
        limit = int(text)
    if size > limit:
        raise ValueError(
            f"{counted}, more than the limit of {limit:,}: make it smaller, or raise the limit with"
            f" {variable}={size} in the environment"
        )


def shown(value: object) -> str:
    """A value as a message shows it: as Python writes it, but for the rest of a long one."""
    text = repr(value)
    if len(text) <= MAX_SHOWN_CHARACTERS:
        return text
    return f"{text[: MAX_SHOWN_CHARACTERS // 2]}... ({len(text):,} characters)"
