"""A bar over files that are read: rows a second and time left."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress

    from lastlayer.scoring.readers import Block, Predictions

STEP = 32 << 20  # bytes of logits after which a bar that is shown moves
Watch = Callable[["Predictions", str], "Iterator[Block]"]
Advance = Callable[[int, str], None]


@contextmanager
def progress(log: Console) -> Iterator[Watch]:
    """A function that gives the blocks of predictions and shows how far they have come.

    Nothing is shown where there is no terminal.
    """
    with _bars(log) as bar:

        def watch(predictions: Predictions, title: str) -> Iterator[Block]:
            task = bar.add_task(title, total=predictions.bytes, speed="")
            rows, before = 0, 0
            for block in predictions.blocks():
                length, after = len(block.logits), predictions.position
                step = length if bar.disable else _rows_a_step(block)
                for first in range(0, length, step):
                    yield _rows_of(block, first, first + step)
                    end = min(first + step, length)
                    bar.update(
                        task,
                        completed=before + (after - before) * end / length,
                        speed=_speed(rows + end, bar.tasks[-1].elapsed),
                    )
                rows, before = rows + length, after
                del block  # and with it its part of the file, before the next
            bar.refresh()
            bar.remove_task(task)

        yield watch


def _rows_a_step(block: Block) -> int:
    return max(1, STEP * len(block.logits) // max(1, block.logits.nbytes))


def _rows_of(block: Block, first: int, end: int) -> Block:
    return block._replace(
        logits=block.logits[first:end],
        labels=block.labels[first:end],
        first_row=block.first_row + first,
    )


@contextmanager
def progress_of_rows(log: Console, title: str, total: int | None) -> Iterator[Advance]:
    """A function that is told how many more rows are done, or why there are none.

    Nothing is shown where there is no terminal.
    """
    with _bars(log) as bar:
        task = bar.add_task(title, total=total, speed="")

        def advance(rows: int, words: str) -> None:
            done = bar.tasks[0]
            if done.finished:  # another pass over the same rows
                bar.reset(task)
            bar.advance(task, rows)
            bar.update(task, speed=words or (_speed(done.completed, done.elapsed) if rows else ""))

        yield advance


def _bars(log: Console) -> Progress:
    from rich.progress import (
        BarColumn,
        Progress,
        TaskProgressColumn,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        TaskProgressColumn("{task.percentage:3.0f}%"),
        TextColumn("{task.fields[speed]}"),
        TimeRemainingColumn(),
    )
    shown = not log.quiet and log.is_terminal
    return Progress(*columns, console=log, disable=not shown, transient=True)


def _speed(rows: float, seconds: float | None) -> str:
    return f"{rows / (seconds or 1e-9):,.0f} rows/s"
