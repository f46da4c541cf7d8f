"""The files of a published piece of MD: read in one place, and named when they cannot be read."""

import json
from pathlib import Path

import numpy as np
import pytest

from halobind.pipeline.campaign.run_directory import DamagedError
from halobind.pipeline.free_energy.samples import Window
from halobind.pipeline.sampling.segment_files import (
    SegmentName,
    exchange_members,
    read_record,
    read_segment,
)
from tests.pipeline.tiny import put, segment_record


@pytest.fixture
def segment(tmp_path: Path) -> Path:
    """A segment of two records that exchanged with its neighbour."""
    folder = tmp_path / "seg-000"
    folder.mkdir()
    members = ["windows/z+0.000-k2000/seg-000", "windows/z+0.100-k2000/seg-000"]
    record = segment_record(Window(0.0, 2000.0), 0.1, exchange={"members": members})
    (folder / "segment.json").write_text(json.dumps(record))
    np.save(folder / "cv.npy", np.array([[0.1, 0.2], [0.3, 0.4]]))
    return folder


def test_a_segment_is_read_whole(segment: Path) -> None:
    content = read_segment(segment)
    assert content.record == read_record(segment) == json.loads(content.record_bytes)
    assert content.cv_bytes == (segment / "cv.npy").read_bytes()
    assert content.coordinate().tolist() == [[0.1, 0.2], [0.3, 0.4]]
    names = exchange_members(content.record)
    assert [name.chain for name in names] == ["windows/z+0.000-k2000", "windows/z+0.100-k2000"]


@pytest.mark.parametrize(
    "name", [SegmentName("windows", "z-0.050-k2000.5", 7), SegmentName("metadynamics", "w", 1234)]
)
def test_a_name_survives_its_text(name: SegmentName) -> None:
    assert SegmentName.parse(str(name)) == name


def test_segments_are_in_order_beyond_a_thousand() -> None:
    early, late = (SegmentName("windows", "z", number) for number in (999, 1000))
    assert early < late and str(early) > str(late)


@pytest.mark.parametrize("kind", ["directory", "pipe", "dangling link", "loop"])
@pytest.mark.parametrize("file", ["segment.json", "cv.npy"])
def test_what_is_no_file_is_named_with_what_to_remove(segment: Path, file: str, kind: str) -> None:
    put(segment / file, kind)
    expected = (
        rf"seg-000 is damaged \({file} is not a file\): remove this directory, then: halobind"
    )
    with pytest.raises(DamagedError, match=expected):
        read_segment(segment)


def test_an_exchange_with_what_is_no_segment_is_damage(segment: Path) -> None:
    text = (segment / "segment.json").read_text()
    (segment / "segment.json").write_text(text.replace("/seg-000", "/first"))
    with pytest.raises(DamagedError, match="is not the name of a segment"):
        read_record(segment)
