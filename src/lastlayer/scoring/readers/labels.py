"""Labels from files: beside the predictions, or in files of their own, cut to the same blocks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from lastlayer.contract import Array
from lastlayer.files import FileFormatError
from lastlayer.labels import LabelError
from lastlayer.scoring.readers import columns
from lastlayer.scoring.readers.ahead import ahead
from lastlayer.scoring.readers.source import COPIED, Column, Source
from lastlayer.scoring.text import clean


@dataclass(frozen=True)
class Labels:
    """Files of labels, one after the other.

    Attributes
    ----------
    sources : sequence of (source, column)
        The files, and which of their columns.
    width : int
        C for distributions, 0 for class indices.
    counts : sequence of int or None
        How many each file has; None where unknown beforehand.
    first : int
        How many of the first file come before.
    """

    sources: Sequence[tuple[Source, str]]
    width: int
    counts: Sequence[int | None]
    first: int = 0

    @property
    def rows(self) -> int | None:
        """How many the files have; None where unknown beforehand."""
        return total(self.counts)

    @property
    def row(self) -> int:
        """Bytes of a row in the first file."""
        source, name = self.sources[0]
        return source.columns[name].dtype.itemsize * (self.width or 1)

    @property
    def held(self) -> int:
        """Bytes of addresses that a row of the first file takes, with what `as_labels` makes."""
        source, name = self.sources[0]
        dtype = source.columns[name].dtype
        if self.width:
            return self.row + (4 * self.width if dtype.kind in "biu" else 0)
        return self.row + {"i": 0, "u": 0, "b": 8}.get(dtype.kind, 24)

    def __str__(self) -> str:
        files = [str(source.file) for source, _ in self.sources]
        return files[0] if len(files) == 1 else f"{files[0]} to {files[-1]}"

    def blocks(self, rows: int) -> Iterator[Array]:
        """All of them, so many at a time where the file is mapped."""
        first = self.first
        for source, name in self.sources:
            limit = COPIED
            if source.mapped:
                limit = max(limit, rows * self.row)
            blocks = source.read({name: self.width}, limit, first)
            for (block,) in blocks if source.mapped else ahead(blocks):
                yield as_labels(block, source, name, first)
                first += len(block)
                del block
            first = 0


def kind_of(found: Sequence[tuple[Source, str, Column]], classes: int, rows: int | None) -> int:
    """Whether labels are distributions over C classes (C) or class indices (0).

    Numbers of the shape (rows, C) are distributions, one-hot or soft; else every number is a label.
    """
    shapes = [column for _, _, column in found]
    if all(len(column.shape) > 1 and column.width == classes for column in shapes):
        known = total(column.rows(-1) for column in shapes)
        if rows is None or known is None or known == rows:
            return classes
    if rows is not None and total(column.rows() for column in shapes) == rows:
        return 0
    for source, name, column in found:
        if len(column.shape) > 1 and column.width != 1:
            title = f"{source.file}[{clean(name, 40)!r}]" if name else str(source.file)
            raise FileFormatError(
                f"{title}: labels of shape {columns.shape(column)}, expected "
                f"({'rows' if rows is None else rows},) or, for distributions, "
                f"({'rows' if rows is None else rows}, {classes}) as there are {classes} classes"
            )
    return 0


def as_labels(block: Array, source: Source, name: str, first: int) -> Array:
    """Class indices as integers, distributions as floating numbers."""
    if block.ndim == 2:
        return block if block.dtype.kind not in "biu" else block.astype(np.float32)
    if block.dtype.kind in "iu":
        return block
    if block.dtype.kind == "b":
        return block.astype(np.int64)
    with np.errstate(invalid="ignore"):
        numbers = block.astype(np.float64)
        bad = ~((numbers == np.rint(numbers)) & (np.abs(numbers) < 2**53))
    if bad.any():
        row = int(np.argmax(bad))
        title = f"{source.file}[{clean(name, 40)!r}]" if name else str(source.file)
        raise LabelError(
            f"{title}: row {first + row}: expected the number of a class, found {numbers[row]:g}"
        )
    return numbers.astype(np.int64)


class Cut:
    """A stream of labels from which blocks of any length are taken."""

    def __init__(self, labels: Labels, rows: int) -> None:
        self.name = str(labels.sources[-1][0].file)
        self._blocks = labels.blocks(rows)
        self._rest: Array | None = None

    def take(self, count: int) -> Array:
        """The next labels: as many as asked for, fewer at the end."""
        parts: list[Array] = []
        while count:
            if self._rest is None or not len(self._rest):
                self._rest = None  # and with it its part of the file, before the next
                following = next(self._blocks, None)
                if following is None:
                    break
                self._rest = following
            part, self._rest = self._rest[:count], self._rest[count:]
            parts.append(part)
            count -= len(part)
        if len(parts) == 1:
            return parts[0]
        return np.concatenate(parts) if parts else np.empty(0, np.int64)


def total(counts: Iterable[int | None]) -> int | None:
    """The sum, None where one of them is unknown."""
    known = list(counts)
    return None if None in known else sum(filter(None, known))
