"""The tables and the progress bars in a terminal."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from lastlayer.bench.measure import Progress
from lastlayer.bench.overview import Block, blocks
from lastlayer.bench.results import Entry, Row, cells, columns, left_out, limit_text

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.progress import Progress as Bars

LEGEND = "of limit: a row's speed as a part of the limit's; speed-up: lastlayer's over the row."
MANY_LEGEND = (
    "GB/s: of logits. of limit: of reading them once for a loss, else of copying them once. "
    "×: how many times faster lastlayer is. peak: memory beyond the inputs, in sizes of the logits."
)
STYLES = {"lastlayer": "bold", "threads": "", "peer": "", "limit": "dim"}


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


def overview(entries: Sequence[Entry], title: str, width: int) -> RenderableType:
    """Many cases, a line each: one table where it fits into the width, else several."""
    from rich.console import Group
    from rich.text import Text

    labels, *others = blocks(entries)
    parts: list[list[Block]] = []
    room = 0
    for block in others:
        if block.width > room:
            parts.append([labels])
            room = width - labels.width
        parts[-1].append(block)
        room -= block.width
    reasons: dict[str, int] = {}
    for line in (line for entry in entries for line in left_out(entry)):
        reasons[line] = reasons.get(line, 0) + 1
    notes = [
        Text(f"left out · {line}" + (f" ({count} cases)" if count > 1 else ""), style="yellow")
        for line, count in reasons.items()
    ]
    tables = [line for part in parts for line in (_joined(part), "")]
    return Group(Text(title, style="bold"), *tables, *notes, "" if notes else Text(end=""))


def _joined(parts: Sequence[Block]) -> RenderableType:
    from rich.table import Table
    from rich.text import Text

    view = Table(box=None, padding=(0, 1), header_style="dim")
    for number, block in enumerate(parts):
        for head in block.heads:
            view.add_column(
                head,
                justify="right" if number and head != "best\npeer" else "left",
                vertical="bottom",
                no_wrap=True,
            )
    for line in zip(*(block.rows for block in parts), strict=True):
        view.add_row(*(Text(word) for words in line for word in words))
    return view


class Watch:
    """How far a run is: a bar over its cases, where there are several, and one over the turns."""

    def __init__(self, bars: Bars, cases: int) -> None:
        self._bars, self._cases = bars, cases
        self._run = bars.add_task("", total=cases, title="all cases", visible=cases > 1)
        self._case = bars.add_task("", total=None, title="")

    def case(self, number: int, title: str) -> Progress:
        """Begins a case; what it gives is told how far the case is."""
        self._bars.update(
            self._run, completed=number, description=f"case {number + 1} of {self._cases}"
        )
        self._bars.reset(self._case, total=None, title=title, description="")

        def tick(what: str, done: int, total: int) -> None:
            count = f" {done}/{total}" if total else ""
            self._bars.update(
                self._case, description=what + count, completed=done, total=total or None
            )

        return tick

    @contextlib.contextmanager
    def aside(self) -> Iterator[None]:
        """Takes the bars away while something is printed."""
        self._bars.stop()
        try:
            yield
        finally:
            self._bars.start()


@contextlib.contextmanager
def progress(console: Console, cases: int) -> Iterator[Watch]:
    """Bars over a run; nothing at all where the output is no terminal."""
    from rich.progress import BarColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    parts = (
        TextColumn("{task.fields[title]}"),
        BarColumn(bar_width=16),
        TextColumn("[dim]{task.description}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Bars(
        *parts,
        console=console,
        transient=True,
        disable=not console.is_terminal,
        speed_estimate_period=3600,  # seconds: cases are few, and each takes long
    ) as bars:
        yield Watch(bars, cases)
