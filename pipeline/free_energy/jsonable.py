"""Numbers in JSON, which knows neither NaN nor infinity: both become null."""

import math

Json = dict[str, "Json"] | list["Json"] | str | int | float | bool | None


def jsonable(content: object) -> Json:
    """Nested dicts and lists as JSON takes them, with None for every float that is not finite.

    Raises:
        TypeError: something else than a dict, list, tuple, string, number, bool or None is in it.
    """
    if isinstance(content, dict):
        return {str(key): jsonable(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [jsonable(value) for value in content]
    if isinstance(content, float):
        return content if math.isfinite(content) else None
    if content is None or isinstance(content, str | int):
        return content
    raise TypeError(f"{content!r} cannot be written as JSON")


def float_or_nan(value: float | None) -> float:
    """A number as it was before `jsonable`: NaN for None."""
    return math.nan if value is None else value
