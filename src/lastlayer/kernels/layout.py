"""How an array of any shape and strides is cut into rows that a kernel can walk.

A kernel walks rows with two strides (outer and inner) and classes with a third. Leading axes that
lie one behind the other in all arrays of a call are merged; where more than two remain, the first
of them are walked here, in Python. Nothing is copied, but for arrays in another byte order or not
aligned to their elements, some rows at a time.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from lastlayer.contract import Array, address, dtype_name

SINGLE, DOUBLE, HALF, BFLOAT = range(4)
KINDS = {"float32": SINGLE, "float64": DOUBLE, "float16": HALF, "bfloat16": BFLOAT}
NOTHING = (0, 0, 0, 1)

Layout = tuple[int, int, int, int]  # address, strides (outer, inner, class) in elements


# of few: with more the rows that lie beside each other are as fast; in float64, and in the others,
# which have the bits of float32
MOST_DOUBLE, MOST_SINGLE = 112, 160
LANES = 64  # rows that a kernel for few classes takes together
ADJACENT = 16  # bytes of a class in adjacent rows that one for many classes loads as a vector
BLOCK_ELEMENTS = 1 << 18  # of what is copied at a time


@dataclass(frozen=True, slots=True)
class Rows:
    """Part of a call: outer · inner rows with a layout for each array.

    In a `turned` part outer and inner have changed places, so that the axis along which kernels
    take rows together is the longer one, and so has the order of the rows.
    """

    first: int
    outer: int
    inner: int
    layouts: tuple[Layout | None, ...]
    turned: bool

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return self.outer * self.inner

    def take(self, column: Array | None) -> Array | None:
        """The part's share of a column of values a row, in the order of its rows."""
        if column is None:
            return None
        share = column[self.first : self.first + self.rows]
        return share.reshape(self.inner, self.outer).T.reshape(-1) if self.turned else share

    def space(self, column: Array) -> Array:
        """Where to write a share for `put`: the column itself where its order allows."""
        if self.turned:
            return np.empty(self.rows, column.dtype)
        return column[self.first : self.first + self.rows]

    def put(self, share: Array, column: Array) -> None:
        """The reverse of `take`."""
        place = column[self.first : self.first + self.rows]
        if np.may_share_memory(share, place):
            return
        if self.turned:
            place.reshape(self.inner, self.outer)[...] = share.reshape(self.outer, self.inner).T
        else:
            place[...] = share


def few(array: Array) -> bool:
    """Whether an array's classes are few, whose rows are taken together, or taken row by row."""
    most = MOST_DOUBLE if array.itemsize == 8 else MOST_SINGLE
    return int(array.shape[-1]) <= most


def walk(arrays: tuple[Array | None, ...]) -> Iterator[Rows]:
    """The parts into which arrays of one shape (..., C) are cut."""
    present = [a for a in arrays if a is not None]
    shape = present[0].shape[:-1]
    if 0 in shape:
        return
    if all(a.flags.c_contiguous for a in present):  # a batch of some rows feels what is beyond
        classes, rows = present[0].shape[-1], math.prod(shape)
        side_by_side = tuple([a if a is None else (address(a), 0, classes, 1) for a in arrays])
        yield Rows(0, 1, rows, side_by_side, False)
        return
    groups = _groups(shape, [a.strides for a in present])
    lengths = [n for n, _ in groups]
    outer, inner = ([1, 1, *lengths])[-2:]
    leading = lengths[:-2]
    steps = groups[-1][1] if groups else ()
    lines = all(s == a.itemsize for a, s in zip(present, steps, strict=False))
    enough = ADJACENT // present[0].itemsize if lines and not few(present[0]) else LANES
    count = 0
    for position in itertools.product(*map(range, leading)):
        layouts: list[Layout | None] = []
        number = 0
        for array in arrays:
            if array is None:
                layouts.append(None)
                continue
            strides = [0, 0, *(s[number] for _, s in groups)]
            number += 1
            offset = sum(
                i * s for i, s in zip(position, strides[2 : 2 + len(leading)], strict=True)
            )
            size = array.itemsize
            layouts.append(
                (
                    address(array) + offset,
                    strides[-2] // size,
                    strides[-1] // size,
                    array.strides[-1] // size if array.shape[-1] > 1 else 1,
                )
            )
        if inner < min(enough, outer):
            turned = tuple(a and (a[0], a[2], a[1], a[3]) for a in layouts)
            yield Rows(count, inner, outer, turned, True)
        else:
            yield Rows(count, outer, inner, tuple(layouts), False)
        count += outer * inner


def _groups(
    shape: tuple[int, ...], strides: list[tuple[int, ...]]
) -> list[tuple[int, tuple[int, ...]]]:
    """Leading axes merged where every array allows it: (length, a stride for each array)."""
    groups: list[tuple[int, tuple[int, ...]]] = []
    for axis in range(len(shape) - 1, -1, -1):
        length, steps = shape[axis], tuple(s[axis] for s in strides)
        if length == 1:
            continue
        if groups and all(
            step == groups[0][0] * below for step, below in zip(steps, groups[0][1], strict=True)
        ):
            groups[0] = (groups[0][0] * length, groups[0][1])
        else:
            groups.insert(0, (length, steps))
    return groups


def kind(array: Array) -> int:
    """Which of the four dtypes an array has."""
    return KINDS[dtype_name(array.dtype)]


def walkable(array: Array) -> bool:
    """Native byte order, aligned, and strides that are whole numbers of elements."""
    return (
        array.dtype.isnative
        and array.flags.aligned
        and all(s % array.itemsize == 0 for s in array.strides)
    )


def row_blocks(
    shape: tuple[int, ...], elements: int = BLOCK_ELEMENTS
) -> Iterator[tuple[tuple[Any, ...], slice]]:
    """Indices that cut an array (..., C) into blocks of rows, each with its flat range of rows."""
    rows, classes = shape[:-1], shape[-1]
    want = max(1, elements // max(classes, 1))
    # the first axes are stepped through, one is sliced, the last ones are taken whole
    axis, whole = len(rows), 1
    while axis > 0 and whole * rows[axis - 1] <= want:
        axis -= 1
        whole *= rows[axis]
    if axis == 0:
        yield (), slice(0, math.prod(rows))
        return
    step = max(1, want // whole)
    first = 0
    for position in np.ndindex(*rows[: axis - 1]):
        for lo in range(0, rows[axis - 1], step):
            hi = min(lo + step, rows[axis - 1])
            yield (*position, slice(lo, hi)), slice(first, first + (hi - lo) * whole)
            first += (hi - lo) * whole
