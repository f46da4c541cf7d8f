"""Arguments that a verb refuses."""

import pytest

from halobind.pipeline.commands.cli import main


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0/2", "K must be between"),
        ("3/2", "K must be"),
        ("two", "like 2/4"),
        ("1/2/3", "like 2/4"),
    ],
)
def test_bad_parts_are_refused(text: str, expected: str, capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(SystemExit):
        main(["run", "nowhere", "--part", text])
    assert expected in capsys.readouterr().err
