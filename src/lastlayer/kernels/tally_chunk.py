"""What a chunk of rows adds to a tally, worked out side by side in vectors."""

from __future__ import annotations

from typing import Any

import numpy as np

from lastlayer.kernels import exact_sum
from lastlayer.kernels.jit import inner, widest_vectors
from lastlayer.kernels.simd import bits
from lastlayer.kernels.tally_words import (
    BINS,
    CORRECT,
    ENTROPY_BINS,
    ENTROPY_CELLS,
    FINE,
    FINE_BITS,
    LOSS,
    LOSS_CELLS,
    LOWEST,
    PAIR,
    RANK_CELLS,
    RANKS,
    SIDE,
    TALLIED,
    UNIT,
)

# where the quarters begin within a power, as the lower bits of a float
_QUARTER, _HALF, _THREE = (
    int(np.float64(2.0 ** (n / 4)).view(np.int64)) & ((1 << 52) - 1) for n in (1, 2, 3)
)


@inner
def _loss_cell(value: Any) -> Any:
    """Four for each power of 2."""
    n = bits(value)
    part = n & ((1 << 52) - 1)
    quarter = np.int64(part >= _QUARTER) + np.int64(part >= _HALF) + np.int64(part >= _THREE)
    return ((n >> 52) << 2) + quarter


@inner
def add_large(words: Any, value: Any) -> None:
    """Add a loss of 2^20 or more to digits."""
    if value >= 2.0**60:
        words[4] += 1
        return
    top = np.int64(value * 2.0**-20)
    d1, d2, d3 = _digits(value - top * 2.0**20)
    words[0] += top
    words[1] += d1
    words[2] += d2
    words[3] += d3


@inner
def _digits(value: Any) -> Any:
    """A value below 2^20 in units of 2^−16, 2^−48 and 2^−80."""
    value = value * 2.0**16
    high = np.int64(value)
    value = (value - high) * 2.0**32
    middle = np.int64(value)
    return high, middle, np.int64((value - middle) * 2.0**32)


@inner
def _fine_cell(confidence: Any, doubt: Any) -> Any:
    """Which cell of the fine scale, in order of confidence."""
    low = confidence <= doubt
    part = np.float32(confidence if low else doubt)
    cell: Any = np.int64(bits(part) >> (23 - FINE_BITS)) - LOWEST
    cell = cell if cell > 0 else 0
    return cell if low else 2 * SIDE - 1 - cell


@inner
def _bin(confidence: Any, edges: Any) -> Any:
    """Which bin (lo, hi] of equal width; 0 is in the first."""
    count = edges.size - 1
    found = np.int64(confidence * count)
    found = found if found < count else count - 1
    # the product may have been rounded across an edge, and is on it where the edge is meant
    found -= np.int64((confidence <= edges[found]) & (found > 0))
    return found + np.int64(confidence > edges[found + 1])


# What is worked out: places among the words, and what is added there.
CHUNK = 256
(COUNTS, RIGHT, POWER, LOW, HIGH, CELL, D1, D2, D3, SHARE, FINE_AT, BIN_AT, ENTROPY_AT, RANK_AT,
 SCRATCH) = (CHUNK * n for n in range(15))  # fmt: skip


@inner
def count_rows(chunk: Any, prediction: Any, labels: Any, ignore: Any) -> None:
    """Which rows count, and which of them are right."""
    widest_vectors()
    for k in range(labels.size):
        counts = np.int64(labels[k] != ignore) & np.int64(prediction[k] >= 0)
        chunk[COUNTS + k] = counts
        chunk[RIGHT + k] = counts & np.int64(prediction[k] == labels[k])


@inner
def split_losses(chunk: Any, loss: Any) -> Any:
    """Where and what losses add to; whether one is 2^20 or more."""
    widest_vectors()
    large: Any = 0
    for k in range(loss.size):
        # and not −0.0
        value = loss[k] if (chunk[COUNTS + k] != 0) & (loss[k] > 0.0) else 0.0
        at, low, high = exact_sum.parts(value)
        chunk[POWER + k] = LOSS + at
        chunk[LOW + k] = low
        chunk[HIGH + k] = high
        chunk[CELL + k] = LOSS_CELLS + _loss_cell(value)
        large |= np.int64(value >= 2.0**20)
        value = value if value < 2.0**20 else 0.0
        d1, d2, d3 = _digits(value)
        chunk[D1 + k] = d1
        chunk[D2 + k] = d2
        chunk[D3 + k] = d3
    return large


@inner
def place_confidences(chunk: Any, confidence: Any, doubt: Any, edges: Any) -> None:
    """Where confidences are counted, and as what they are added."""
    widest_vectors()
    for k in range(confidence.size):
        p = confidence[k] if chunk[COUNTS + k] != 0 else 0.0
        chunk[SHARE + k] = np.int64(p * UNIT + 0.5)
        chunk[FINE_AT + k] = FINE + _fine_cell(p, doubt[k]) * PAIR + 2 * chunk[RIGHT + k]
    near: Any = 0
    count = edges.size - 1
    for k in range(confidence.size):
        p = confidence[k] if chunk[COUNTS + k] != 0 else 0.0
        at = p * count
        found = np.int64(at)
        off = at - np.rint(at)
        near |= np.int64((off < 1e-6) & (off > -1e-6) & (p > 0.0) & (p < 1.0))
        found = found if found < count else count - 1
        chunk[BIN_AT + k] = BINS + found * PAIR + 2 * chunk[RIGHT + k]
    if near:  # an edge is looked up, which takes five times as long
        for k in range(confidence.size):
            p = confidence[k] if chunk[COUNTS + k] != 0 else 0.0
            chunk[BIN_AT + k] = BINS + _bin(p, edges) * PAIR + 2 * chunk[RIGHT + k]


@inner
def place_rest(chunk: Any, entropy: Any, rank: Any, entropy_scale: Any) -> None:
    """Where entropies and ranks are counted."""
    widest_vectors()
    for k in range(rank.size):
        value = entropy[k] if (chunk[COUNTS + k] != 0) & (entropy[k] > 0.0) else 0.0
        cell = np.int64(value * entropy_scale)
        chunk[ENTROPY_AT + k] = ENTROPY_CELLS + (cell if cell < ENTROPY_BINS else ENTROPY_BINS - 1)
        chunk[RANK_AT + k] = RANK_CELLS + (rank[k] if rank[k] < RANKS else RANKS)


@inner
def add_means(words: Any, at: Any, values: Any, chunk: Any) -> None:
    """Add the values of the rows that count."""
    widest_vectors()
    high, middle, low = 0, 0, 0
    for k in range(values.size):
        value = values[k] if (chunk[COUNTS + k] != 0) & (values[k] > 0.0) else 0.0
        d1, d2, d3 = _digits(value)
        high, middle, low = high + d1, middle + d2, low + d3
    words[at + 1] += high
    words[at + 2] += middle
    words[at + 3] += low


@inner
def add_block(block: Any, chunk: Any, n: Any) -> Any:
    """Add the losses of a chunk to its block; how many rows count."""
    widest_vectors()
    d1, d2, d3, counted, right = 0, 0, 0, 0, 0
    for k in range(n):
        d1 += chunk[D1 + k]
        d2 += chunk[D2 + k]
        d3 += chunk[D3 + k]
        counted += chunk[COUNTS + k]
        right += chunk[RIGHT + k]
    block[1] += d1
    block[2] += d2
    block[3] += d3
    block[TALLIED] += counted
    block[CORRECT] += right
    return counted
