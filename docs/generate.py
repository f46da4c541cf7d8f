"""Reference pages that are made from the code when the documentation is built (a hook of mkdocs).

A page asks for a part with a comment, `<!-- generated: campaign -->`.
"""

import argparse
import inspect
import json
import re
from pathlib import Path
from typing import Any

import halobind
from halobind.pipeline.campaign.settings import Campaign, RunSpec
from halobind.pipeline.commands.cli import VERBS, verb_of

MARK = re.compile(r"<!-- generated: (\w+) -->")


def on_page_markdown(markdown: str, **_: object) -> str:
    """Put each generated part in the place of its mark. Raises KeyError for an unknown part."""
    return MARK.sub(lambda match: PARTS[match[1]](), markdown)


def campaign() -> str:
    """A table for each section of a campaign file: key, default, limits, meaning."""
    sections = {**RunSpec.model_fields, **Campaign.model_fields}
    parts = []
    for name, field in sections.items():
        model = field.annotation
        if not hasattr(model, "model_fields"):
            continue
        parts.append(f"## [{name}]\n\n{first_paragraph(model)}\n")
        parts.append("| key | default | limits | meaning |\n|---|---|---|---|")
        for key, setting in model.model_fields.items():
            meaning = " ".join((setting.description or "").split())
            parts.append(f"| `{key}` | {default(setting)} | {limits(setting)} | {meaning} |")
        parts.append("")
    return "\n".join(parts)


def default(setting: Any) -> str:
    """The default of a setting as it would be written in the file."""
    if setting.is_required():
        return "must be given"
    value = setting.get_default(call_default_factory=True)
    if value is None or value in ({}, ()):
        return "none"
    return f'`"{value}"`' if isinstance(value, str) else f"`{value}`"


def limits(setting: Any) -> str:
    """What values a setting takes."""
    words = []
    for item in setting.metadata:
        for name, sign in (("ge", "≥"), ("gt", ">"), ("le", "≤"), ("lt", "<")):
            if getattr(item, name, None) is not None:
                words.append(f"{sign} {getattr(item, name):g}")
    choices = getattr(setting.annotation, "__args__", ())
    if choices and all(isinstance(choice, str) for choice in choices):
        words.append(", ".join(f'`"{choice}"`' for choice in choices))
    return " ".join(words)


def first_paragraph(thing: object) -> str:
    """The first paragraph of a docstring on one line."""
    return " ".join((inspect.getdoc(thing) or "").split("\n\n")[0].split())


def commands() -> str:
    """Each verb with its arguments, as its --help says."""
    parts = []
    for verb, text in VERBS.items():
        parser = argparse.ArgumentParser(prog=f"halobind {verb}")
        verb_of(verb).add_arguments(parser)
        parts.append(f"## halobind {verb}\n\n{sentence(text)}.\n")
        parts.append("| argument | meaning |\n|---|---|")
        for action in parser._actions:
            if not isinstance(action, argparse._HelpAction):
                parts.append(f"| {spelling(action)} | {sentence(action.help or '')} |")
        parts.append("")
    return "\n".join(parts)


def spelling(action: argparse.Action) -> str:
    """An argument as it is typed."""
    value = action.metavar or (action.dest.upper() if action.nargs != 0 else "")
    text = " ".join(value) if isinstance(value, tuple) else value
    if action.choices:
        text = "{" + ",".join(str(choice) for choice in action.choices) + "}"
    if not action.option_strings:
        return f"`{action.dest}`"
    return f"`{action.option_strings[-1]}{' ' + text if text else ''}`"


def sentence(text: str) -> str:
    """A help text as a sentence of a table."""
    return (text[:1].upper() + text[1:]).replace("|", "\\|")


def python() -> str:
    """Every public name, functions first."""
    things = [getattr(halobind, name) for name in halobind.__all__]
    things.sort(key=inspect.isclass)
    return "\n".join(f"::: {thing.__module__}.{thing.__name__}\n" for thing in things)


def notebook() -> str:
    """The cells of the notebook, without results."""
    path = Path(__file__).with_name("notebook.ipynb")
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return "\n\n".join(cell_text(cell) for cell in cells)


def cell_text(cell: dict[str, Any]) -> str:
    """A cell of a notebook as Markdown."""
    source = "".join(cell["source"])
    return f"```python\n{source}\n```" if cell["cell_type"] == "code" else source


PARTS = {"campaign": campaign, "commands": commands, "notebook": notebook, "python": python}
