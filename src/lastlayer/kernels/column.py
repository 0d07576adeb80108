"""The sum of a column of losses, in float64 and in one order, however the column came about."""

from __future__ import annotations

from typing import Any

import numpy as np

from lastlayer.kernels.jit import kernel

LANES = 16


@kernel
def total_of(column: Any) -> Any:
    """Σ column: sixteen sums side by side, of every sixteenth number each, then their sum."""
    sums = np.zeros(LANES)
    whole = column.size // LANES * LANES
    for k in range(0, whole, LANES):
        for lane in range(LANES):
            sums[lane] += column[k + lane]
    for k in range(whole, column.size):
        sums[k - whole] += column[k]
    total = 0.0
    for lane in range(LANES):
        total += sums[lane]
    return total
