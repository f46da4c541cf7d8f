"""Estimates are read where they are published, and made again where they are damaged."""

import shutil
from pathlib import Path

import pytest

from halobind.pipeline.campaign.run_directory import Run
from halobind.pipeline.results.collect import collect_windows
from halobind.pipeline.results.estimate_files import read_estimate
from halobind.pipeline.results.estimates import ensure_estimate, estimate_folder
from tests.pipeline.results.synthetic import campaign
from tests.pipeline.tiny import put


@pytest.mark.parametrize("name", ["pmf.csv", "binding.json"])
def test_a_damaged_estimate_is_reported_and_made_again(
    name: str,
    published: tuple[Path, list[Run], str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    source = published[1][0]
    shutil.copytree(source.folder, tmp_path / "runs" / source.id)
    run = Run(tmp_path / "runs" / source.id, source.spec)
    settings = campaign().estimate
    samples = collect_windows(run)
    assert samples is not None
    folder = estimate_folder(run, samples, settings)
    whole = {path.name: path.read_bytes() for path in folder.iterdir()}
    (folder / name).write_text("z_nm\n{")
    with pytest.raises((OSError, ValueError, KeyError, TypeError)):
        read_estimate(folder)
    assert folder.is_dir()  # reading removes nothing
    binding = ensure_estimate(run, samples, settings)
    assert f"{folder} is damaged" in capsys.readouterr().err
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == whole
    assert read_estimate(folder) == binding
    ensure_estimate(run, samples, settings)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("kind", ["pipe", "directory", "loop"])
def test_an_estimate_that_would_be_waited_for_is_made_again(
    kind: str,
    published: tuple[Path, list[Run], str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    source = published[1][0]
    shutil.copytree(source.folder, tmp_path / "runs" / source.id)
    run = Run(tmp_path / "runs" / source.id, source.spec)
    settings = campaign().estimate
    samples = collect_windows(run)
    assert samples is not None
    folder = estimate_folder(run, samples, settings)
    put(folder / "binding.json", kind)
    binding = ensure_estimate(run, samples, settings)
    assert f"{folder} is damaged" in capsys.readouterr().err
    assert read_estimate(folder) == binding
