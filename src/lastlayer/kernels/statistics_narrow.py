"""The statistics of rows of few classes: a group of rows at a time, vectorised across the rows."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types

from lastlayer.kernels.chunks import first_of_chunk, hand_on
from lastlayer.kernels.gather import gather_at
from lastlayer.kernels.group import G, X, ask, lines_ahead, load_group
from lastlayer.kernels.integers import labels_as_floats, one_a_lane
from lastlayer.kernels.jit import by_dtype, inner, kernel
from lastlayer.kernels.lanes import all_of
from lastlayer.kernels.memory import (
    lane_count,
    load,
    load_up_to,
    pointer,
    store,
)
from lastlayer.kernels.row import LANES, PICKED, REST, SAMPLE, TIES, M
from lastlayer.kernels.simd import (
    at_least,
    bits,
    const,
    differ,
    element_of,
    equal,
    fill,
    fma,
    from_bits,
    less,
    maximum,
    where,
)
from lastlayer.kernels.statistics_blocks import distance, second_scale, second_start, with_second
from lastlayer.kernels.statistics_row import BEFORE, FIRST, PLACE, SECOND, finish, give
from lastlayer.kernels.vecmath import exp_scaled, rate_of, unscale
from lastlayer.kernels.whole import plus

_F64, _I64 = np.float64(0), np.int64(0)

# Σ (TAG + j) over the classes j below the maximum says how many they are, and what their numbers
# come to, less than half a TAG; where all but one are, which one. A whole number that float32 has:
# below 2^24.
TAG = 65536.0


@by_dtype
def _nearest(v: Any) -> Any:
    """The nearest whole numbers."""
    magic = 12582912.0 if element_of(v) == types.float32 else 6755399441055744.0

    def body(v: Any) -> Any:
        return (v + const(magic, v)) - const(magic, v)

    return body


@inner
def pick(d: Any, x: Any, indices: Any, row: Any, tile: Any, ignore: Any, labels: Any, picked: Any,
         like: Any) -> None:  # fmt: skip
    """The labels of a group's rows, as floats, and their logits; which rows count."""
    zero, one, left_out = fill(0.0, _F64), fill(1.0, _F64), fill(ignore, _I64)
    for r in range(0, lane_count(like), LANES):
        label = load_up_to(indices, row + r, tile - r, ignore, _I64)
        counts = differ(label, left_out)
        value = gather_at(x, one_a_lane(label, lane_count(like), r), counts, _F64)
        store(labels, r, where(counts, labels_as_floats(label), zero))
        store(picked, r, value)
        store(d, PICKED + r, value)
        store(d, SAMPLE + r, where(counts, one, zero))


@inner
def _just_above(v: Any) -> Any:
    """The next larger number in each lane, of what is no NaN."""
    zero = const(0.0, v)
    n = bits(v + zero)  # 0 for −0
    return from_bits(where(less(v, zero), n - const(1, n), plus(n, const(1, n))))


@inner
def sum_group(d: Any, x: Any, labels: Any, picked: Any, count: Any, rate: Any, variance: Any,
              ahead: Any, like: Any) -> None:  # fmt: skip
    """The maximum, its place and the sums of each lane, and what comes before the label.

    `labels` and `picked` are vectors of the lanes' labels, as floats, and of their logits. Asks
    for the lines `ahead`.
    """
    lanes, zero, one = lane_count(like), fill(0.0, like), fill(1.0, like)
    m, j = load(x, 0, like), 0
    while j < count:  # as the loss: a NaN is passed over, unless it is the first
        if j + 4 <= count:
            v, w = load(x, j * lanes, like), load(x, (j + 1) * lanes, like)
            y, z = load(x, (j + 2) * lanes, like), load(x, (j + 3) * lanes, like)
            m = maximum(maximum(maximum(v, w), maximum(y, z)), m)
            j += 4
        else:
            m = maximum(load(x, j * lanes, like), m)
            j += 1
    sums, first, second = (zero, zero, zero, zero), zero, second_start(like, variance, rate)
    below, before, tag, from_label = zero, zero, fill(TAG, like), labels + fill(TAG, like)
    above = _just_above(picked)
    for j in range(count):
        v = load(x, j * lanes, like)
        ask(ahead, j)
        under = differ(v, m)
        e, u = exp_scaled(v - m, rate), distance(v - m, rate)
        total, first = sums[0], fma(e, u, first)
        # four by turns, as the loss has them
        sums = sums[1], sums[2], sums[3], where(under, total + e, total)
        second = where(under, with_second(second, e, u, variance, rate), second)
        below = where(under, below + tag, below)
        if variance is None:
            # those as large come before the label where their index is lower
            level = where(less(tag, from_label), picked, above)
            before = where(at_least(v, level), before + one, before)
            tag = tag + one
    others = _nearest(below * fill(1.0 / TAG, like))
    ties = fill(count, like) - others
    place = fill(count * (count - 1) // 2, like) - (below - others * fill(TAG, like))
    if variance is None and not all_of(equal(ties, one)):
        for j in range(count - 1, -1, -1):
            place = where(equal(load(x, j * lanes, like), m), fill(j, like), place)
    store(d, M, m)
    store(d, REST, (sums[0] + sums[2]) + (sums[1] + sums[3]))
    store(d, TIES, ties)
    store(d, FIRST, zero - first)
    store(d, SECOND, second)
    store(d, PLACE, place)
    store(d, BEFORE, before)


@kernel
def statistics_rows(lo: Any, hi: Any, inner_count: Any, count: Any, x: Any, staged: Any,
                    indices: Any, ignore: Any, numbers: Any, temperature: Any, variance: Any,
                    columns: Any, taker: Any, scratch: Any, states: Any, like: Any,
                    x_like: Any) -> None:  # fmt: skip
    """As `statistics_wide.statistics_rows`, for at most 160 classes, 112 in float64."""
    d, memory = pointer(states, _F64), pointer(x[0], x_like)
    logits = pointer(scratch + X, like)
    labels, picked = pointer(scratch + G, like), pointer(scratch + G + 64, like)
    lanes, scales = lane_count(like), (unscale(like), unscale(like) * second_scale(like, variance))
    rate = rate_of(temperature, like)

    row, first = lo, first_of_chunk(taker, lo)
    while row < hi:
        outer, position = row // inner_count, row % inner_count
        tile = min(lanes, inner_count - position, hi - row)
        start = outer * x[1] + position * x[2]
        load_group(x, start, memory, count, tile, logits, like)
        ahead = lines_ahead(x, start, memory, count, like)
        pick(d, logits, pointer(indices, _I64), row, tile, ignore, labels, picked, like)
        sum_group(d, logits, load(labels, 0, like), load(picked, 0, like), count, rate, variance,
                  ahead, like)  # fmt: skip
        finish(d, numbers, rate, scales, variance, like)
        give(d, columns, row - first, tile, variance, like)
        row += tile
        first = hand_on(taker, first, row, hi)
