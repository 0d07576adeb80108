"""The sum of a column of losses, in float64 and in one order, however the column came about."""

from __future__ import annotations

from typing import Any

import numpy as np

from lastlayer.contract import Array
from lastlayer.kernels.jit import kernel
from lastlayer.kernels.lanes import total_of as total_of_lanes
from lastlayer.kernels.memory import lane_count, load, load_first, pointer
from lastlayer.kernels.simd import fill

BLOCK = 1024  # rows whose losses are summed before the sums are
FEW_BLOCKS = 64  # for so many each thread keeps a place for the sums

_F64 = np.float64(0)


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
