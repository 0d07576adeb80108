"""The tables and the progress bar in a terminal."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from lastlayer.bench.measure import Progress
from lastlayer.bench.results import Entry, Row, cells, columns, left_out, limit_text

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

LEGEND = "of limit: a row's speed as a part of the limit's; speed-up: lastlayer's over the row."
STYLES = {"lastlayer": "bold", "peer": "", "limit": "dim"}


def table(entry: Entry) -> RenderableType:
    """One case: who took part, what they reached, and who did not and why."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    view = Table(
        title=entry.measured.case.title,
        title_justify="left",
        title_style="bold",
        caption=f"limit: {limit_text(entry)}",
        caption_justify="left",
        box=None,
        padding=(0, 1),
        header_style="dim",
    )
    for number, column in enumerate(columns(entry)):
        view.add_column(column, justify="right" if number else "left", no_wrap=True)
    for row in entry.rows:
        words = [Text(word) for word in cells(row, entry)]
        words[0] = Text(row.title, style=_style(row))
        view.add_row(*words, style=STYLES[row.kind])
    notes = [Text(f"left out · {line}", style="yellow") for line in left_out(entry)]
    return Group(view, *notes, "")


def _style(row: Row) -> str:
    return "bold cyan" if row.kind == "lastlayer" else STYLES[row.kind]


@contextlib.contextmanager
def progress(console: Console, title: str) -> Iterator[Progress]:
    """A bar over the rounds of a case; nothing at all where the output is no terminal."""
    from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bars

    parts = (
        TextColumn("{task.fields[title]}"),
        BarColumn(bar_width=20),
        TextColumn("[dim]{task.description}"),
        TimeElapsedColumn(),
    )
    with Bars(*parts, console=console, transient=True, disable=not console.is_terminal) as bars:
        task = bars.add_task("", total=None, title=title)

        def tick(what: str, done: int, total: int) -> None:
            count = f" {done}/{total}" if total else ""
            bars.update(task, description=what + count, completed=done, total=total or None)

        yield tick
