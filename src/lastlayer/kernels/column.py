"""Sums of a column, losses or weights of labels: in float64, in one order for every way here.

What labels weigh is how many there are, where no weights are given.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from lastlayer.contract import Array, Floats, Indices, address
from lastlayer.kernels import threads
from lastlayer.kernels.gather import gather_at
from lastlayer.kernels.jit import inner, kernel
from lastlayer.kernels.lanes import total_of as total_of_lanes
from lastlayer.kernels.memory import (
    lane_count,
    load,
    load_first,
    load_up_to,
    pointer,
)
from lastlayer.kernels.simd import at_least, differ, fill, less, where
from lastlayer.labels import weight_of_labels as weight_of_few

BLOCK = 1024  # rows whose losses are summed before the sums are

MANY_ROWS = 1 << 16  # that are worth being looked at, and added up, by several threads
_CHUNK = 1 << 20  # bytes of rows that stay in a cache while their losses are added up

_F64, _I64 = np.float64(0), np.int64(0)


@kernel
def add_blocks(lo: Any, hi: Any, column: Any, totals: Any) -> Any:
    """Sums of the blocks of [lo, hi) into their places in `totals`; at the end that of all.

    `lo` is a multiple of BLOCK, `hi` too or the end of the column; only there are the blocks
    added up, elsewhere 0 is returned. A block is summed as sixteen columns side by side.
    """
    x, lanes = pointer(np.int64(column.ctypes.data), column[0]), lane_count(_F64)
    for start in range(lo, hi, BLOCK):
        a, b, k = fill(0.0, _F64), fill(0.0, _F64), start
        end = min(start + BLOCK, hi)
        while k + 2 * lanes <= end:
            a, b = a + load(x, k, _F64), b + load(x, k + lanes, _F64)
            k += 2 * lanes
        a = a + load_first(x, k, end - k, 0.0, _F64)
        b = b + load_first(x, k + lanes, end - k - lanes, 0.0, _F64)
        totals[start // BLOCK] = total_of_lanes(a + b)
    total = 0.0
    if hi < column.size:  # for every part of a long column it would take longer than the part
        return total
    for block in range(-(-hi // BLOCK)):
        total += totals[block]
    return total


def totals_of(rows: int) -> Array:
    """A place for the sums of a column's blocks."""
    return np.empty(-(-rows // BLOCK))


def total_of(column: Array) -> float:
    """Σ column (N,), float32 or float64, its numbers side by side."""
    rows = column.size
    return float(add_blocks(0, rows, column, totals_of(rows))) if rows else 0.0


@inner
def weight_between(y: Any, lo: Any, hi: Any, classes: Any, ignore: Any, w: Any, s: Any) -> Any:
    """Σ s[n] · w[y[n]] over labels y[lo:hi] not `ignore`; −1.0 where one of them names no class.

    Without weights (None) they are 1.
    """
    left_out, many = fill(ignore, _I64), fill(classes, _I64)
    zero, one = fill(0.0, _F64), fill(1.0, _F64)
    total, wrong = zero, zero
    for n in range(lo, hi, lane_count(_I64)):
        label = load_up_to(y, n, hi - n, ignore, _I64)
        counts = differ(label, left_out)
        wrong = where(counts & at_least(label, many), one, wrong)
        weight = one
        if w is not None:
            weight = gather_at(w, label, counts & less(label, many), _F64)
        if s is not None:
            weight = weight * load_up_to(s, n, hi - n, 0.0, _F64)
        total = where(counts, total + weight, total)
    return -1.0 if total_of_lanes(wrong) > 0.0 else total_of_lanes(total)


@kernel
def count_labels(lo: Any, hi: Any, labels: Any, classes: Any, ignore: Any) -> Any:
    """How many of labels[lo:hi], at an address, are not ignored; −1 where one is no class."""
    return weight_between(pointer(labels, _I64), lo, hi, classes, ignore, None, None)


@kernel
def weigh_blocks(lo: Any, hi: Any, labels: Any, classes: Any, ignore: Any, class_weight: Any,
                 sample_weight: Any, totals: Any) -> None:  # fmt: skip
    """`weight_between` of the blocks of labels in [lo, hi), each into its place in `totals`.

    All at addresses, those of weights 0 where there are none.
    """
    y, w, s = pointer(labels, _I64), pointer(class_weight, _F64), pointer(sample_weight, _F64)
    places = pointer(totals, _F64)
    for start in range(lo, hi, BLOCK):
        end = min(start + BLOCK, hi)
        if class_weight != 0 and sample_weight != 0:
            weight = weight_between(y, start, end, classes, ignore, w, s)
        elif class_weight != 0:
            weight = weight_between(y, start, end, classes, ignore, w, None)
        elif sample_weight != 0:
            weight = weight_between(y, start, end, classes, ignore, None, s)
        else:
            weight = weight_between(y, start, end, classes, ignore, None, None)
        places[start // BLOCK] = weight


def weight_of_labels(
    labels: Indices,
    classes: int,
    ignore_index: int,
    class_weight: Floats | None,
    sample_weight: Floats | None,
) -> float:
    """As `labels.weight_of_labels`: the weight of those not ignored; −1 where one is no class."""
    rows = labels.size
    if rows < MANY_ROWS:  # for which NumPy's way needs no compiling
        return weight_of_few(labels, classes, ignore_index, class_weight, sample_weight)
    totals = totals_of(rows)
    w, s = (0 if a is None else address(a) for a in (class_weight, sample_weight))

    def work(lo: int, hi: int) -> None:
        weigh_blocks(lo, hi, address(labels), classes, ignore_index, w, s, address(totals))

    kept = (labels, class_weight, sample_weight, totals)
    threads.spread(work, rows, labels.itemsize, BLOCK, kept)
    return -1.0 if totals.min() < 0 else float(totals.sum())


def in_chunks(
    run: Callable[[int, int], None],
    row_bytes: int,
    column: Array,
    kept: tuple[Any, ...],
    labels: tuple[Indices, int, int] | None = None,
) -> tuple[float, float]:
    """Σ column, which `run` writes between two rows, some of them at a time in each thread.

    What is read or written once a row is in a cache still when their losses are added up. Where
    labels are given, with the number of classes and what is ignored, they are looked at before
    `run` reads them, and how many count is returned too; −1 where one of them names no class.
    """
    step, totals = max(1, _CHUNK // row_bytes // BLOCK) * BLOCK, totals_of(column.size)
    counts: list[float] = []
    wrong: list[float] = []

    def work(lo: int, hi: int) -> None:
        for start in range(lo, hi, step):
            end = min(start + step, hi)
            if labels is not None:
                y, classes, ignore = labels
                found = count_labels(start, end, address(y), classes, ignore)
                (wrong if found < 0 else counts).append(found)
            if wrong:
                return
            run(start, end)
            add_blocks(start, end, column, totals)

    threads.spread(work, column.size, row_bytes, BLOCK, (column, totals, labels, *kept))
    total = float(add_blocks(column.size, column.size, column, totals))
    return total, -1.0 if wrong else sum(counts)
