"""A data set in parts that are scored apart, on other machines, and added up again.

A part is a range of rows. It begins where a block of the whole score's interval does, so that the
sum of the parts' scores has the bits of a score of all rows at once, the interval included.
"""

from __future__ import annotations

import bisect
import itertools
import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, cast

from lastlayer.contract import Indices
from lastlayer.files import FileFormatError
from lastlayer.scoring.readers import Predictions
from lastlayer.scoring.readers.source import Source
from lastlayer.scoring.readers.text import Csv
from lastlayer.scoring.score import Score
from lastlayer.scoring.settings import Settings
from lastlayer.scoring.sources import Sources
from lastlayer.scoring.tallies import BLOCKS, DENSE
from lastlayer.scoring.temperature import derivative_sums

LEAST = 64 << 20  # bytes of a part: reading them takes much longer than sending for them
MOST = 1024  # parts, where their size is not limited otherwise
STATES = 32  # times what a score is sent back in


# --------------------------------------------------------------------------- rows of every file


def uncounted(predictions: Predictions) -> list[tuple[Csv, str]]:
    """Files whose rows are counted only by reading them, each once, with a column of theirs."""
    named = [(part.source, part.logits) for part in predictions.parts if part.rows is None]
    if predictions.labels is not None:
        pairs = zip(predictions.labels.sources, predictions.labels.counts, strict=True)
        named += [source for source, count in pairs if count is None]
    return [(source, name) for source, name in named if isinstance(source, Csv)]


def counted(predictions: Predictions, counts: Sequence[int]) -> Predictions:
    """The same with the rows of the `uncounted` files.

    Raises
    ------
    FileFormatError
        There are no rows, or not as many labels.
    """
    found = iter(counts)
    parts = tuple(
        part._replace(rows=next(found)) if part.rows is None else part for part in predictions.parts
    )
    rows = sum(part.rows or 0 for part in parts)
    if not rows:
        raise FileFormatError(f"{parts[0].source.file}: has no rows")
    labels = predictions.labels
    if labels is not None:
        known = [next(found) if count is None else count for count in labels.counts]
        labels = replace(labels, counts=known)
        if labels.rows != rows:
            raise FileFormatError(
                f"{labels.sources[0][0].file}: has {labels.rows} labels, expected {rows}, the rows "
                f"of {parts[0].source.file}"
            )
    return replace(predictions, parts=parts, rows=rows, labels=labels)


# --------------------------------------------------------------------------- cutting


def cut(predictions: Predictions, least: int = LEAST) -> Iterator[Predictions]:
    """Parts of predictions whose rows are known, in order.

    Parameters
    ----------
    predictions : Predictions
        As `counted` gives them.
    least : int
        Bytes of files that a part has at least, but for the last one.

    Yields
    ------
    Predictions
        A range of rows, with no files but those that have them.
    """
    predictions = _located(predictions)
    rows = predictions.rows or 0
    counts = [part.rows or 0 for part in predictions.parts]
    begins = [0, *itertools.accumulate(counts)]
    classes = predictions.classes
    state = 64 * classes + (4 * classes**2 if classes <= DENSE else 0)
    size = max(least, STATES * state, predictions.bytes // MOST)
    step = max(1, size * rows // max(1, predictions.bytes))
    first = 0
    while first < rows:
        end = _cut_after(predictions, begins, first + step)
        yield _between(predictions, begins, first, end)
        first = end


def _cut_after(predictions: Predictions, begins: Sequence[int], row: int) -> int:
    """The first row from `row` on where reading may begin, and then a block of the interval."""
    rows = begins[-1]
    unit = 1
    while rows > BLOCKS * unit:
        unit *= 2
    for number in range(max(0, bisect.bisect_right(begins, row) - 1), len(predictions.parts)):
        starts, begin = predictions.parts[number].source.starts, begins[number]
        inside = max(0, row - begin)
        if starts is not None:
            at = bisect.bisect_left(starts, inside)
            if at == len(starts):
                continue
            inside = starts[at]
        return min(rows, -(-(begin + inside) // unit) * unit)
    return rows


def _between(predictions: Predictions, begins: Sequence[int], first: int, end: int) -> Predictions:
    """Some of the rows."""
    low, high = _files(begins, first, end)
    parts = predictions.parts[low:high]
    labels = predictions.labels
    if labels is not None:
        starts = [0, *itertools.accumulate(count or 0 for count in labels.counts)]
        lo, hi = _files(starts, first, end)
        labels = replace(
            labels,
            sources=labels.sources[lo:hi],
            counts=labels.counts[lo:hi],
            first=first - starts[lo],
        )
    return replace(
        predictions, rows=end - first, parts=parts, labels=labels, first=first - begins[low]
    )


def _files(begins: Sequence[int], first: int, end: int) -> tuple[int, int]:
    """From which to which file the rows are in."""
    return bisect.bisect_right(begins, first) - 1, bisect.bisect_left(begins, end)


def _located(predictions: Predictions) -> Predictions:
    """The same with files that are found from any folder."""
    here = os.getcwd()

    def there(source: Source) -> Source:
        return cast(Source, replace(cast(Any, source), file=source.file.in_folder(here)))

    labels = predictions.labels
    if labels is not None:
        labels = replace(labels, sources=[(there(s), name) for s, name in labels.sources])
    parts = tuple(part._replace(source=there(part.source)) for part in predictions.parts)
    return replace(predictions, parts=parts, labels=labels)


# --------------------------------------------------------------------------- what is done to a part


def score(part: Predictions, options: dict[str, Any]) -> Score:
    """Of the rows of a part; messages and the worst examples have their numbers in the files."""
    new = Score(**options)
    new._sources = Sources([(-part.first, str(part.parts[0].source.file))])
    for block in part.blocks():
        new.update(block.logits, block.labels, source=block.source)
    return new


def slopes(part: Predictions, settings: Settings, beta: float) -> tuple[Indices, int]:
    """For the temperature: see `derivative_sums`."""
    return derivative_sums(
        ((block.logits, block.labels) for block in part.blocks()), settings, beta
    )


def sources(part: Predictions) -> list[Source]:
    """The files of a part, those of the labels too."""
    labels = part.labels.sources if part.labels else ()
    return [*(one.source for one in part.parts), *(source for source, _ in labels)]
