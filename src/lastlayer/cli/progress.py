"""A bar over files that are read: rows a second and time left."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

    from lastlayer.scoring.readers import Block, Predictions

Watch = Callable[["Predictions", str], "Iterator[Block]"]


@contextmanager
def progress(log: Console) -> Iterator[Watch]:
    """A function that gives the blocks of predictions and shows how far they have come.

    Nothing is shown where there is no terminal.
    """
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        TextColumn("{task.percentage:3.0f}%"),
        TextColumn("{task.fields[speed]}"),
        TimeRemainingColumn(),
    )
    shown = not log.quiet and log.is_terminal
    with Progress(*columns, console=log, disable=not shown, transient=True) as bar:

        def watch(predictions: Predictions, title: str) -> Iterator[Block]:
            task = bar.add_task(title, total=predictions.bytes, speed="")
            rows = 0
            for block in predictions.blocks():
                yield block
                rows += len(block.logits)
                del block  # and with it its part of the file, before the next
                seconds = bar.tasks[-1].elapsed or 1e-9
                bar.update(
                    task, completed=predictions.position, speed=f"{rows / seconds:,.0f} rows/s"
                )
            bar.refresh()
            bar.remove_task(task)

        yield watch
