"""Sums of a column, losses or weights of labels: in float64, in one order for every way here."""

from __future__ import annotations

from typing import Any

import numpy as np

from lastlayer.contract import Array, Floats, Indices, address
from lastlayer.kernels import threads
from lastlayer.kernels.jit import kernel
from lastlayer.kernels.lanes import total_of as total_of_lanes
from lastlayer.kernels.memory import (
    gather_at,
    lane_count,
    load,
    load_first,
    load_up_to,
    pointer,
)
from lastlayer.kernels.simd import differ, fill

BLOCK = 1024  # rows whose losses are summed before the sums are
FEW_BLOCKS = 64  # for so many each thread keeps a place for the sums

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


@kernel
def add_weights(lo: Any, hi: Any, rows: Any, labels: Any, classes: Any, samples: Any, ignore: Any,
                totals: Any) -> None:  # fmt: skip
    """Sums of the weights of the labels in blocks [lo, hi) of `rows`; addresses, 0 for no samples.

    A label that is ignored is of weight 0.
    """
    y, w, s = pointer(labels, _I64), pointer(classes, _F64), pointer(samples, _F64)
    places, lanes = pointer(totals, _F64), lane_count(_I64)
    for block in range(lo, hi):
        total, end = fill(0.0, _F64), min((block + 1) * BLOCK, rows)
        for k in range(block * BLOCK, end, lanes):
            label = load_up_to(y, k, end - k, ignore, _I64)
            weight = gather_at(w, label, differ(label, fill(ignore, _I64)), _F64)
            if samples != 0:
                weight = weight * load_up_to(s, k, end - k, 0.0, _F64)
            total = total + weight
        places[block] = total_of_lanes(total)


def weight_of_labels(
    indices: Indices, class_weight: Floats, sample_weight: Floats | None, ignore_index: int
) -> float:
    """Σ sample_weight (N,) · class_weight (C,)[label] over the labels (N,) not ignored."""
    rows, totals = indices.size, totals_of(indices.size)
    samples = 0 if sample_weight is None else address(sample_weight)

    def work(lo: int, hi: int) -> None:
        add_weights(
            lo, hi, rows, address(indices), address(class_weight), samples, ignore_index,
            address(totals),
        )  # fmt: skip

    kept = (indices, class_weight, sample_weight, totals)
    threads.spread(work, totals.size, BLOCK * indices.itemsize, 1, kept)
    return float(totals.sum())
