"""How times are written for a person, and how often a log gets a line."""

LINE_EVERY_S = 15.0
"""Time between two lines of progress in a log (s)."""


def duration(seconds: float) -> str:
    """ "3 h 05 min", "4 min 10 s" or "12 s"."""
    seconds = max(0, round(seconds))
    if seconds >= 3600:
        return f"{seconds // 3600} h {seconds % 3600 // 60:02d} min"
    return f"{seconds // 60} min {seconds % 60:02d} s" if seconds >= 60 else f"{seconds} s"
