"""Files that hold arrays as they lie in memory: their rows as views of the file."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, BinaryIO

import numpy as np

from lastlayer.contract import Array
from lastlayer.scoring.readers.file import File
from lastlayer.scoring.readers.source import Column, rows_within


@dataclass(frozen=True)
class Stored:
    """Where in its file an array lies."""

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    offset: int
    fortran: bool = False  # the first dimension varies fastest

    @property
    def column(self) -> Column:
        """What it is, apart from where."""
        return Column(self.dtype, self.shape)


@dataclass
class Arrays:
    """A file of arrays; see `Source`."""

    file: File
    stored: Mapping[str, Stored]
    position: int = field(default=0, init=False)
    starts: None = field(default=None, init=False)

    @property
    def columns(self) -> Mapping[str, Column]:
        """Its arrays by name."""
        return {name: stored.column for name, stored in self.stored.items()}

    @property
    def mapped(self) -> bool:
        """Whether its blocks are views of the file."""
        return self.file.remote is None and not any(s.fortran for s in self.stored.values())

    def read(self, widths: Mapping[str, int], limit: int, first: int = 0) -> Iterator[list[Array]]:
        """Blocks of rows of the arrays, side by side."""
        total, row = 0, 0
        for name, width in widths.items():
            stored = self.stored[name]
            total = math.prod(stored.shape) // (width or 1)
            row += (width or 1) * stored.dtype.itemsize
        step = rows_within(limit, row)
        with self.file.open() as handle:
            for first in range(first, total, step):  # noqa: B020, PLR1704
                self.position = self.file.size * min(total, first + step) // total
                yield [
                    self._rows(handle, self.stored[name], width, first, min(step, total - first))
                    for name, width in widths.items()
                ]

    def _rows(self, handle: BinaryIO, stored: Stored, width: int, first: int, count: int) -> Array:
        """Some rows of an array seen as (N, width), or as (N,) where the width is 0."""
        item = stored.dtype.itemsize
        if stored.fortran and len(stored.shape) > 1:
            return self._strided(handle, stored, first, count)
        length = count * (width or 1)
        start = stored.offset + first * (width or 1) * item
        block = self.file.array(handle, start, stored.dtype, length)
        self.file.expect(handle, start + length * item, length * item)
        return block.reshape(count, width) if width else block

    def _strided(self, handle: BinaryIO, stored: Stored, first: int, count: int) -> Array:
        """Some rows of a matrix that lies column by column: a piece of each column."""
        rows, columns = stored.shape
        item = stored.dtype.itemsize
        block = np.empty((columns, count), stored.dtype)
        for column, piece in enumerate(block):
            handle.seek(stored.offset + (column * rows + first) * item)
            piece.view(np.uint8)[:] = np.frombuffer(
                self.file.exactly(handle, count * item), np.uint8
            )
        return block.T
