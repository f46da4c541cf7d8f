"""Colours that people with colour blindness can tell apart (Okabe and Ito, 2008)."""

OKABE_ITO = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8a8a8a")
"""Blue, vermillion, green, purple, orange, sky blue, and a grey: seen on white and on black."""


def colours_of(names: list[str]) -> dict[str, str]:
    """A colour for each different name, in order; from the start again where there are more."""
    return {name: OKABE_ITO[k % len(OKABE_ITO)] for k, name in enumerate(dict.fromkeys(names))}


def transparent(colour: str, opacity: float) -> str:
    """A colour "#rrggbb" with an opacity of 0 to 1."""
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},{opacity:g})"
