"""The readable tables as a piece of HTML that needs nothing besides itself, for notebooks."""

from collections.abc import Sequence
from html import escape

from halobind.pipeline.results.table_text import TITLE, ReadableTables, RowNote

CELL_STYLE = "text-align: left; white-space: nowrap; padding: 2px 10px"


def tables_html(tables: ReadableTables) -> str:
    """The first table with its reasons open, the others folded.

    Colours are left to the page, so that it can be light or dark.
    """
    if not tables.sections:
        return f"<p><b>{TITLE}</b>: there are no runs.</p>"
    first, *others = tables.sections
    parts = [f"<p><b>{TITLE}</b>: {escape(tables.subject)}</p>", rows_html(first.rows)]
    if tables.notes:
        parts.append(_folded("Notes", _notes_html(tables.notes)))
    for section in others:
        note = f"<p>{escape(section.note)}</p>" if section.note else ""
        parts.append(_folded(section.title, rows_html(section.rows) + note))
    return f"<div>{''.join(parts)}</div>"


def _folded(title: str, content: str) -> str:
    """A part that opens when its title is clicked."""
    return f"<details><summary>{escape(title)}</summary>{content}</details>"


def lines_html(lines: Sequence[str]) -> str:
    """Lines of text, each on a line of its own."""
    return f"<p>{'<br>'.join(escape(line) for line in lines)}</p>"


def rows_html(rows: Sequence[dict[str, str]]) -> str:
    """A table of rows that have the same columns."""
    head = "".join(f'<th style="{CELL_STYLE}">{escape(name)}</th>' for name in rows[0])
    body = "".join(f"<tr>{_cells_html(row)}</tr>" for row in rows)
    return (
        '<div style="overflow-x: auto"><table>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _cells_html(row: dict[str, str]) -> str:
    return "".join(f'<td style="{CELL_STYLE}">{escape(cell)}</td>' for cell in row.values())


def _notes_html(notes: Sequence[RowNote]) -> str:
    """A list of rows, each with the list of its reasons."""
    return f"<ul>{''.join(_note_html(note) for note in notes)}</ul>"


def _note_html(note: RowNote) -> str:
    reasons = "".join(f"<li>{escape(reason)}</li>" for reason in note.reasons)
    below = f"<ul>{reasons}</ul>" if reasons else ""
    return f"<li>{escape(note.name)}: {escape(note.status)}{below}</li>"
