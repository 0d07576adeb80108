"""What a chunk of rows adds to a tally, worked out side by side in vectors."""

from __future__ import annotations

from typing import Any

import numpy as np

from lastlayer.kernels.chunks import CHUNK
from lastlayer.kernels.exact_sum import HALF
from lastlayer.kernels.integers import as_floats
from lastlayer.kernels.jit import inner
from lastlayer.kernels.lanes import largest_of
from lastlayer.kernels.memory import lane_count, load, load_up_to, store
from lastlayer.kernels.simd import (
    at_least,
    bits,
    const,
    equal,
    fill,
    from_bits,
    less,
    maximum,
    where,
)
from lastlayer.kernels.tally_words import (
    BINS,
    BRIER,
    CORRECT,
    COUNT,
    ENTROPY,
    ENTROPY_BINS,
    ENTROPY_CELLS,
    FINE,
    FINE_BITS,
    LOSS,
    LOSS_CELLS,
    LOWEST,
    PAIR,
    RANK_CELLS,
    RANK_SUM,
    RANKS,
    SIDE,
    TALLIED,
    UNIT,
)
from lastlayer.kernels.whole import (
    down,
    larger,
    only,
    plus,
    product,
    single_bits,
    smaller,
    store_by_turns,
    sum_of,
    truncated,
    up,
    whole,
)

# where the quarters begin within a power, as the lower bits of a float
_QUARTER, _MIDDLE, _THREE = (
    int(np.float64(2.0 ** (n / 4)).view(np.int64)) & ((1 << 52) - 1) for n in (1, 2, 3)
)
_MANTISSA, _LEADING, _LOWER = (1 << 52) - 1, 1 << 52, (1 << HALF) - 1
_MAGIC = 6755399441055744.0  # 1.5 · 2^52: added to a number and taken away, rounds it

# Working memory, in runs of a number a row. There lie the columns of `RowStatistics` for a chunk,
# the loss in float64 or float32, with room for a vector that begins at the last row:
RUN = CHUNK + 8
(LOSS_IN, PREDICTION_IN, CONFIDENCE_IN, DOUBT_IN, RANK_IN, BRIER_IN,
 ENTROPY_IN) = (RUN * n for n in range(7))  # fmt: skip
COLUMNS_IN = 7
# and what is worked out: losses in float64, places, and what is added there, of SPLIT and SHARES
# two numbers a row, of DIGITS four
(VALUES, LEFT_OUT, RIGHT, POWER, CELL, FINE_AT, BIN_AT, ENTROPY_AT, RANK_AT, MATRIX_AT, SPLIT, _,
 SHARES, _, DIGITS, _, _, _, DUE_AT, SCRATCH) = (RUN * n for n in range(7, 27))  # fmt: skip


@inner
def _split(v: Any) -> Any:
    """Values from 0 to 2^20 in units of 2^−16, 2^−48 and 2^−80."""
    v = v * const(2.0**16, v)
    high = truncated(v)
    v = (v - as_floats(high)) * const(2.0**32, v)
    middle = truncated(v)
    return high, middle, truncated((v - as_floats(middle)) * const(2.0**32, v))


@inner
def _place_losses(chunk: Any, k: Any, v: Any) -> Any:
    """Where and what losses are added to: `exact_sum.parts` of numbers that are not negative."""
    n = bits(v)
    power, part, one = down(n, const(52, n)), n & const(_MANTISSA, n), const(1, n)
    number = where(equal(power, n - n), part, part | const(_LEADING, n))
    low, high = number & const(_LOWER, n), down(number, const(HALF, n))
    infinite = equal(power, const(2047, n))
    low, high = where(infinite, one, low), only(infinite, high)
    store(chunk, POWER + k, plus(const(LOSS, n), up(larger(power, one), one)))
    store_by_turns(chunk, SPLIT + 2 * k, (low, high))
    cell = plus(up(power, const(2, n)), const(LOSS_CELLS, n))
    cell = where(at_least(part, const(_QUARTER, n)), plus(cell, one), cell)
    cell = where(at_least(part, const(_MIDDLE, n)), plus(cell, one), cell)
    cell = where(at_least(part, const(_THREE, n)), plus(cell, one), cell)
    store(chunk, CELL + k, cell)


@inner
def _place_confidences(chunk: Any, k: Any, p: Any, doubt: Any, right: Any, count: Any) -> Any:
    """Where confidences are counted; which of them may be on an edge of the bins."""
    share = truncated(p * const(UNIT, p) + const(0.5, p))
    one = const(1, share)
    store_by_turns(chunk, SHARES + 2 * k, (one, share))
    outcome = up(right, one)
    low = at_least(doubt, p)
    cell = down(single_bits(where(low, p, doubt)), const(23 - FINE_BITS, one))
    cell = larger(cell - const(LOWEST, one), one - one)
    cell = where(low, cell, const(2 * SIDE - 1, one) - cell)
    fine = plus(product(cell, const(PAIR, one)), plus(outcome, const(FINE, one)))
    store(chunk, FINE_AT + k, fine)
    at = p * as_floats(count)
    found = smaller(truncated(at), count - one)
    store(chunk, BIN_AT + k, plus(product(found, const(PAIR, one)),
                                  plus(outcome, const(BINS, one))))  # fmt: skip
    off = at - ((at + const(_MAGIC, p)) - const(_MAGIC, p))
    # whatever is around 0 is in the first bin, around 1 in the last
    half = const(0.5, p)
    return less(off * off, const(1e-12, p)) & less(half, at) & less(at, as_floats(count) - half)


@inner
def work_out(chunk: Any, memory: Any, start: Any, n: Any, label: Any, ignore: Any, many: Any,
             bins: Any, entropy_scale: Any, words: Any, block: Any, block_at: Any,
             like: Any) -> Any:  # fmt: skip
    """Where rows [start, start + n) of a chunk are to be added, and as what; sums of them, at once.

    `chunk` and `memory` are the working memory as int64 and as float64, `label` the rows' labels
    as bits of float64. Returns how many rows count, the largest loss, and whether a confidence may
    be on an edge.
    """
    zero = fill(0.0, like)
    none, most, edge = bits(zero), zero, bits(zero)
    one, skip = const(1, none), const(ignore, none)
    b1, b2, b3, e1, e2, e3, d1, d2, d3 = none, none, none, none, none, none, none, none, none
    counted, correct, ranks = none, none, none
    count, classes = const(bins, none), const(many, none)
    for k in range(0, n, lane_count(like)):
        at = start + k
        y = bits(load_up_to(label, k, n - k, from_bits(ignore), like))
        guess = whole(memory, PREDICTION_IN + at, like)
        left_out = equal(y, skip) | equal(guess, none - one)
        right = only(left_out, where(equal(y, guess), one, none))
        store(chunk, LEFT_OUT + k, where(left_out, one, none))
        store(chunk, RIGHT + k, right)
        store(chunk, MATRIX_AT + k, plus(product(y, classes), guess))
        counted, correct = plus(counted, only(left_out, one)), plus(correct, right)

        v = maximum(where(left_out, zero, load(memory, VALUES + k, like)), zero)  # 0, and not −0
        _place_losses(chunk, k, v)
        most = maximum(v, most)
        high, middle, low = _split(where(less(v, const(2.0**20, v)), v, zero))
        store_by_turns(chunk, DIGITS + 4 * k, (none, high, middle, low))
        d1, d2, d3 = plus(d1, high), plus(d2, middle), plus(d3, low)

        p = where(left_out, zero, load(memory, CONFIDENCE_IN + at, like))
        near = _place_confidences(chunk, k, p, load(memory, DOUBT_IN + at, like), right, count)
        edge = where(near, one, edge)

        v = maximum(where(left_out, zero, load(memory, BRIER_IN + at, like)), zero)
        high, middle, low = _split(v)
        b1, b2, b3 = plus(b1, high), plus(b2, middle), plus(b3, low)
        v = maximum(where(left_out, zero, load(memory, ENTROPY_IN + at, like)), zero)
        high, middle, low = _split(v)
        e1, e2, e3 = plus(e1, high), plus(e2, middle), plus(e3, low)
        cell = smaller(truncated(v * fill(entropy_scale, like)), const(ENTROPY_BINS - 1, none))
        store(chunk, ENTROPY_AT + k, plus(cell, const(ENTROPY_CELLS, none)))
        rank = only(left_out, whole(memory, RANK_IN + at, like))
        ranks = plus(ranks, rank)
        store(chunk, RANK_AT + k, plus(smaller(rank, const(RANKS, none)),
                                       const(RANK_CELLS, none)))  # fmt: skip
    total = sum_of(counted)
    words[COUNT] += total
    words[RANK_SUM] += sum_of(ranks)
    words[BRIER + 1] += sum_of(b1)
    words[BRIER + 2] += sum_of(b2)
    words[BRIER + 3] += sum_of(b3)
    words[ENTROPY + 1] += sum_of(e1)
    words[ENTROPY + 2] += sum_of(e2)
    words[ENTROPY + 3] += sum_of(e3)
    block[block_at + 1] += sum_of(d1)
    block[block_at + 2] += sum_of(d2)
    block[block_at + 3] += sum_of(d3)
    block[block_at + TALLIED] += total
    block[block_at + CORRECT] += sum_of(correct)
    return total, largest_of(most), sum_of(edge) > 0


@inner
def bin_of(confidence: Any, edges: Any, count: Any) -> Any:
    """Which bin (lo, hi] of equal width; 0 is in the first."""
    found = np.int64(confidence * count)
    found = found if found < count else count - 1
    # the product may have been rounded across an edge, and is on it where the edge is meant
    found -= np.int64((confidence <= edges[found]) & (found > 0))
    return found + np.int64(confidence > edges[found + 1])


@inner
def add_large(words: Any, at: Any, value: Any) -> None:
    """Add a loss of 2^20 or more to the digits at words[at]."""
    if value >= 2.0**60:
        words[at + 4] += 1
        return
    top = np.int64(value * 2.0**-20)
    value = (value - top * 2.0**20) * 2.0**16
    high = np.int64(value)
    value = (value - high) * 2.0**32
    middle = np.int64(value)
    words[at] += top
    words[at + 1] += high
    words[at + 2] += middle
    words[at + 3] += np.int64((value - middle) * 2.0**32)
