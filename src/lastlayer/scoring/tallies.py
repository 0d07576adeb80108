"""The whole numbers that a score consists of, and how those of two parts are added."""

from __future__ import annotations

import numpy as np

from lastlayer.contract import Array, Indices
from lastlayer.kernels import tally_words as tally
from lastlayer.large_arrays import zeros
from lastlayer.scoring import carries

DENSE = 1000  # classes up to which every confusion has its own count
BLOCKS = 2048  # blocks of consecutive rows, for the interval
NO_ROW = np.iinfo(np.int64).max
_MOST = np.iinfo(np.uint32).max
_ROW = 1 << 40  # the most that a row adds to a word: the first digit of a loss below 2^60
_WORD = np.iinfo(np.int64).max


class Tally:
    """What one thread adds rows to. The layout of the arrays is that of kernels/tally_words.py.

    Attributes
    ----------
    words : ndarray of int64
        Counts and sums that do not grow with anything.
    blocks : ndarray of int64, shape (BLOCKS, COLUMNS)
        Loss and count of each block of consecutive rows.
    classes : ndarray of int64, shape (C, COLUMNS)
        Loss and counts of each class; the counts only where there is no matrix.
    recent : ndarray of uint32, shape (C, C) or (0, 0)
        [label, prediction]: what kernels count in, in half the memory of `matrix`.
    floats, numbers : ndarray, shapes (2, worst) and (3, worst)
        The worst examples, worst first; a loss of −1 where there are fewer.
    nan_rows : ndarray of int64, shape (NAMED,)
        The first rows that gave NaN, in order; NO_ROW where there are fewer.
    """

    def __init__(self, classes: int, bins: int, worst: int) -> None:
        dense = classes if classes <= DENSE else 0
        self.words = np.zeros(tally.size_with_carries(bins), np.int64)
        self.blocks = np.zeros((BLOCKS, tally.COLUMNS), np.int64)
        self.classes = zeros((classes, tally.COLUMNS), np.int64)
        self.recent = zeros((dense, dense), np.uint32)
        self._rows = 0  # that may be in `recent`
        self._matrix: Indices | None = None
        self._largest = 0  # that any word may be
        self.floats = np.full((2, worst), -1.0)
        self.numbers = np.full((3, worst), NO_ROW)
        self.nan_rows = np.full(tally.NAMED, NO_ROW)

    def expect(self, rows: int) -> None:
        """Make room for so many more rows, less than 2³², before they are added."""
        self._expect_confusions(rows)
        # slices have 2^17 rows at most; what was carried has room for 2^22
        if self._largest + rows * _ROW > _WORD:
            self.carry()
        self._largest += rows * _ROW

    def _expect_confusions(self, rows: int) -> None:
        if self._rows + rows > _MOST:
            _ = self.matrix
        self._rows += rows

    def measure(self) -> None:
        """Take note of numbers that were put into the arrays."""
        arrays = self.words, self.blocks, self.classes
        self._largest = max(int(array.max(initial=0)) for array in arrays)

    def carry(self) -> None:
        """Leave less than `carries.FULL` in each sum; then the same rows have the same words."""
        if self._largest >= carries.FULL:
            self.measure()
        if self._largest >= carries.FULL:
            carries.carry(self.words, self.blocks, self.classes)
            self.measure()

    @property
    def matrix(self) -> Indices:
        """[label, prediction] of all rows, with nothing left in `recent`. (C, C) or (0, 0)"""
        if self._matrix is None:
            self._matrix = np.zeros(self.recent.shape, np.int64)
        if self._rows:
            self._matrix += self.recent
            self.recent[...] = 0
            self._rows = 0
        return self._matrix

    def absorb(self, other: Tally) -> None:
        """Add another one, whose blocks and rows are numbered as here."""
        self.carry()
        other.carry()
        self._largest += other._largest
        self.words += other.words
        self.blocks += other.blocks
        self.classes += other.classes
        self._expect_confusions(other._rows)  # the words are in `_largest` already
        self.recent += other.recent
        if other._matrix is not None:
            total = self.matrix
            total += other._matrix
        floats = np.concatenate([self.floats, other.floats], axis=1)
        numbers = np.concatenate([self.numbers, other.numbers], axis=1)
        order = np.lexsort((numbers[tally.ROW_OF], -floats[tally.LOSS_OF]))
        order = order[: self.floats.shape[1]]
        self.floats[:], self.numbers[:] = floats[:, order], numbers[:, order]
        self.nan_rows = np.sort(np.concatenate([self.nan_rows, other.nan_rows]))[: tally.NAMED]

    def coarsen(self) -> None:
        """Make one block of every two."""
        self.carry()
        self._largest *= 2
        half = self.blocks.reshape(-1, 2, tally.COLUMNS).sum(axis=1)
        self.blocks = np.concatenate([half, np.zeros_like(half)])

    def shift(self, rows: int, blocks: int) -> None:
        """Number rows and blocks as what comes after so many of them."""
        self.blocks = np.roll(self.blocks, blocks, axis=0)
        there = self.floats[tally.LOSS_OF] >= 0
        self.numbers[tally.ROW_OF, there] += rows
        self.nan_rows[self.nan_rows < NO_ROW] += rows

    def copy(self) -> Tally:
        """Another one with the same numbers."""
        _ = self.matrix  # and nothing is left in `recent`
        new = object.__new__(Tally)
        for name, value in vars(self).items():
            setattr(new, name, value.copy() if isinstance(value, np.ndarray) else value)
        return new


class Tallies:
    """The tallies of all threads, and which rows have gone into them.

    Attributes
    ----------
    rows : int
        So many, the ignored and the NaN ones among them.
    place, level : int
        Where the next row goes in the line of blocks of 2^level places each. A merge leaves
        places free, so that no block holds rows of two parts.
    joins : list of (row, place)
        From where on rows lie side by side: the first row, and those after such a gap.
    """

    def __init__(self, classes: int, bins: int, worst: int) -> None:
        self._shape = classes, bins, worst
        self._free: list[Tally] = []
        self.rows = self.place = self.level = 0
        self.joins = [(0, 0)]

    @property
    def most(self) -> int:
        """How many threads may have one: 64 MB of them, or a single one."""
        classes, bins, _ = self._shape
        size = tally.size_with_carries(bins) + (BLOCKS + classes) * tally.COLUMNS
        size += classes**2 // 2 if classes <= DENSE else 0
        return max(1, (64 << 20) // (8 * size))

    def take(self) -> Tally:
        """A tally that no other thread uses until it is given back."""
        try:
            return self._free.pop()
        except IndexError:
            return Tally(*self._shape)

    def give(self, tally: Tally) -> None:
        """The reverse of `take`."""
        self._free.append(tally)

    def whole(self) -> Tally:
        """All of them as one."""
        first, *others = self._free or [Tally(*self._shape)]
        for other in others:
            first.absorb(other)
        first.carry()
        self._free = [first]
        return first

    @property
    def nan(self) -> int:
        """How many rows have given NaN."""
        return sum(int(one.words[tally.NAN]) for one in self._free)

    def make_room(self, rows: int) -> tuple[int, int]:
        """Have blocks for so many more rows, and count them; the first one's number and place."""
        first, place = self.rows, self.place
        while place + rows > BLOCKS << self.level:
            self._coarsen()
        self.rows += rows
        self.place += rows
        return first, place

    def _coarsen(self) -> None:
        self.level += 1
        for one in self._free:
            one.coarsen()

    def copy(self) -> Tallies:
        """Another one with the same numbers."""
        new = object.__new__(Tallies)
        vars(new).update(vars(self), _free=[self.whole().copy()], joins=self.joins.copy())
        return new

    def absorb(self, other: Tallies) -> None:
        """Add the rows of another one after those here."""
        other = other.copy()
        while self.level < other.level:
            self._coarsen()
        while other.level < self.level:
            other._coarsen()
        while self._blocks() + other._blocks() > BLOCKS:  # of one length, or too many are counted
            self._coarsen()
            other._coarsen()
        begin = self._blocks()
        added = other.whole()
        added.shift(self.rows, begin)
        self.whole().absorb(added)
        start = begin << self.level
        joins = [(self.rows + row, start + place) for row, place in other.joins]
        self.joins += joins if start > self.place else joins[1:]
        self.place = start + other.place
        self.rows += other.rows

    def _blocks(self) -> int:
        return -(-self.place >> self.level)


def digits(rows: Array) -> Array:
    """The sums that rows of digits stand for, inf where a value was too large. (..., ≥ DIGITS)"""
    units = np.array(tally.UNITS)
    total = (rows[..., :4] * units).sum(axis=-1)
    return np.where(rows[..., 4] > 0, np.inf, total)
