"""The page in a browser: nothing is asked of the network, nothing fails, figures are drawn and turn.

Skipped where there is no Chromium (apt-get install chromium) or no plotly.
"""

import asyncio
import shutil
from pathlib import Path

import pytest

pytest.importorskip("plotly", reason="the extra `report` is not installed")
pytest.importorskip("jinja2", reason="the extra `report` is not installed")
pytest.importorskip(
    "tornado", reason="the extra `hpc`, whose tornado talks to Chromium, is missing"
)

from halobind.pipeline.commands.cli import main
from tests.pipeline import tiny
from tests.pipeline.report import chromium

pytestmark = pytest.mark.skipif(
    chromium.program() is None, reason="there is no Chromium here: apt-get install chromium"
)
DRAWN = "document.querySelectorAll('.plot').length"
CAMERA = "JSON.stringify(document.getElementById('view-0').layout.scene.camera.eye)"
BOX = "(r => [r.x, r.y, r.width, r.height])(document.getElementById('view-0').getBoundingClientRect())"
HIDDEN_FROM_READER = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


@pytest.fixture(scope="module")
def report(reference: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of the tiny campaign in a directory with an odd name."""
    campaign = tiny.copy(reference, tmp_path_factory.mktemp("report") / "a <b>c & 'ü'")
    assert main(["report", str(campaign)]) == 0
    (path,) = (campaign / "tables").glob("report.html")
    return Path(shutil.copy(path, tmp_path_factory.mktemp("elsewhere") / "report.html"))


def test_it_is_whole_draws_everything_and_turns(report: Path) -> None:
    asyncio.run(_examine(report))


async def _examine(report: Path) -> None:
    async with chromium.open_page(report) as page:
        assert "a <b>c & 'ü'" in await page.evaluate("document.title")
        await page.evaluate("halobindDrawAll()")
        await page.until(f"document.querySelectorAll('.plot .main-svg').length >= {DRAWN}")
        assert await page.evaluate(DRAWN) >= 5
        await page.until("document.querySelectorAll('#view-0 canvas').length > 0")
        await page.until("document.querySelectorAll('.has-image').length > 0")
        await page.evaluate("document.documentElement.style.scrollBehavior = 'auto'")
        await page.evaluate("document.getElementById('view-0').scrollIntoView({block: 'center'})")
        before = await page.evaluate(CAMERA)
        x, y, width, height = await page.evaluate(BOX)
        middle = (x + width / 2, y + 0.6 * height)
        await page.drag(middle, (middle[0] + 120, middle[1] + 40))
        await page.until(f"{CAMERA} != {before!r}")
        await page.prefer("dark")
        await page.until("getComputedStyle(document.body).backgroundColor == 'rgb(20, 23, 28)'")
        await page.resize(390, mobile=True)
        await page.until(f"{HIDDEN_FROM_READER} <= 0")
        assert page.errors == [] and page.requests == []
        assert [load for load in page.loads if load.startswith("file:")] == [
            report.resolve().as_uri()[:120]
        ]
