"""The report as one HTML file that opens from disk and asks nothing of any other computer."""

from importlib import resources

import jinja2
from plotly.offline import get_plotlyjs

from halobind.pipeline.report.page_content import PageContent

FILES = resources.files("halobind.pipeline.report")


def render(content: PageContent) -> str:
    """The page. Every text is escaped by the template; figures are data in script elements."""
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    template = environment.from_string(_text("report.html"))
    return template.render(
        page=content, style=_text("report.css"), plotly=_plotly(), script=_text("report.js")
    )


def _text(name: str) -> str:
    return (FILES / name).read_text(encoding="utf-8")


def _plotly() -> str:
    """The script of plotly, which no "</script" ends too early."""
    return str(get_plotlyjs()).replace("</script", "<\\/script")
