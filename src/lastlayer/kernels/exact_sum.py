"""Sums without rounding: the same to the last bit in whatever order and parts they are taken.

A float is a whole number of 53 bits times a power of 2. The whole numbers that share a power are
added as integers, in two halves so that nothing can overflow: 2¹¹ powers, 32 kB. Sums of parts
are added cell by cell. Only reading the total rounds, once.

After Neal, "Fast exact summation using small and large superaccumulators", arXiv 1505.05571.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from lastlayer.contract import Indices
from lastlayer.kernels.jit import inner, kernel
from lastlayer.kernels.simd import bits

POWERS = 1 << 11
CELLS = 2 * POWERS  # int64: the lower 27 bits, the upper 26
HALF = 27
# Of the last power, that of infinity and NaN, the cells count instead: +inf, and −inf or NaN.
INFINITE, NOT_NUMBERS = CELLS - 2, CELLS - 1
# Numbers that can be added to an empty sum before a cell overflows; more are for who carries.
MOST = 1 << 36


@inner
def parts(value: Any) -> Any:
    """Where in the cells a float64 goes, and what is added there and to the next cell."""
    n = bits(value)
    power = (n >> 52) & (POWERS - 1)
    whole = n & ((1 << 52) - 1)
    finite = power < POWERS - 1
    whole |= np.int64(power > 0) << 52  # subnormal: without the leading 1, the same unit
    power += np.int64(power == 0)
    whole = -whole if n < 0 else whole
    low = whole & ((1 << HALF) - 1) if finite else np.int64(value > 0.0)
    high = whole >> HALF if finite else np.int64(not value > 0.0)
    return 2 * power, low, high


@kernel
def add_all(sums: Any, values: Any) -> None:
    """Add an array of floats. (CELLS,) and (N,)"""
    for k in range(values.size):
        at, low, high = parts(np.float64(values[k]))
        sums[at] += low
        sums[at + 1] += high


def ratio(sums: Indices, divisor: int = 1) -> float:
    """The sum divided by a whole number above 0, rounded once; NaN where −inf or NaN was added."""
    if sums[NOT_NUMBERS]:
        return math.nan
    if sums[INFINITE]:
        return math.inf
    cells = sums[:INFINITE].reshape(-1, 2)
    total = 0  # in units of the smallest float, 2^−1074
    for power in np.flatnonzero(cells.any(axis=1)).tolist():
        low, high = cells[power].tolist()
        total += ((high << HALF) + low) << (power - 1)
    try:
        return total / (divisor << 1074)  # of whole numbers, which Python rounds correctly
    except OverflowError:
        return math.inf if total > 0 else -math.inf
