"""Every flaw that a row can have is told in plain words, with something to do."""

from halobind.pipeline.free_energy.flags import FlagKind
from halobind.pipeline.report.flag_advice import ADVICE


def test_every_kind_has_words() -> None:
    assert set(ADVICE) == set(FlagKind)
    for advice in ADVICE.values():
        assert advice.title and advice.meaning.endswith(".") and advice.remedy.endswith(".")


def test_titles_tell_the_kinds_apart() -> None:
    assert len({advice.title for advice in ADVICE.values()}) == len(ADVICE)
