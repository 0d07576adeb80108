"""The statistics of rows of few classes: a group of rows at a time, vectorised across the rows."""

from __future__ import annotations

from typing import Any

import numpy as np

from lastlayer.kernels.group import HALVES, G, X, load_group
from lastlayer.kernels.jit import inner, kernel
from lastlayer.kernels.memory import lane_count, load, pointer, store
from lastlayer.kernels.row import PICKED, REST, SAMPLE, TIES, M, describe
from lastlayer.kernels.simd import at_least, equal, fill, fma, greater, less, maximum, where
from lastlayer.kernels.statistics_blocks import distance, second_scale, second_start, with_second
from lastlayer.kernels.statistics_row import BEFORE, FIRST, PLACE, SECOND, finish, give
from lastlayer.kernels.vecmath import exp_scaled, rate_of, unscale

_F64, _I64 = np.float64(0), np.int64(0)


@inner
def sum_group(d: Any, x: Any, labels: Any, picked: Any, count: Any, rate: Any, variance: Any,
              like: Any) -> None:  # fmt: skip
    """The maximum, its place and the sums of each lane, and what comes before the label.

    `labels` and `picked` are vectors of the lanes' labels, as floats, and of their logits.
    """
    lanes, zero, one = lane_count(like), fill(0.0, like), fill(1.0, like)
    m, place = load(x, 0, like), zero
    for j in range(1, count):
        v = load(x, j * lanes, like)
        place = where(greater(v, m), fill(j, like), place)
        m = maximum(v, m)  # passes a NaN over: the sum will have it
    total, first, second, ties, before = zero, zero, second_start(like, variance), zero, zero
    for j in range(count):
        v = load(x, j * lanes, like)
        at_m = equal(v, m)
        e, u = where(at_m, zero, exp_scaled(v - m, rate)), distance(v - m, rate)
        total, first, second = total + e, fma(e, u, first), with_second(second, e, u, variance)
        ties = where(at_m, ties + one, ties)
        if variance is None:
            more = where(greater(v, picked), one, zero)
            level = where(at_least(v, picked), one, zero)
            before = before + where(less(fill(j, like), labels), level, more)
    store(d, M, m)
    store(d, REST, total)
    store(d, TIES, ties)
    store(d, FIRST, zero - first)
    store(d, SECOND, second)
    store(d, PLACE, place)
    store(d, BEFORE, before)
    scale = unscale(like)
    for r in range(lanes):
        d[REST + r] *= scale
        d[FIRST + r] *= scale
        d[SECOND + r] *= scale * second_scale(like, variance)


@kernel
def statistics_rows(lo: Any, hi: Any, inner_count: Any, count: Any, x: Any, staged: Any,
                    indices: Any, ignore: Any, numbers: Any, temperature: Any, variance: Any,
                    columns: Any, scratch: Any, states: Any, like: Any, x_like: Any,
                    loss_like: Any) -> None:  # fmt: skip
    """As `statistics_wide.statistics_rows`, for at most 64 classes."""
    d, memory = pointer(states, _F64), pointer(x[0], x_like)
    logits, halves = pointer(scratch + X, like), pointer(scratch + HALVES, like)
    labels, picked = pointer(scratch + G, like), pointer(scratch + G + 64, like)
    lanes = lane_count(like)
    rate, rate_64 = rate_of(temperature, like), rate_of(temperature, _F64)

    row = lo
    while row < hi:
        outer, position = row // inner_count, row % inner_count
        tile = min(lanes, inner_count - position, hi - row)
        load_group(x, outer * x[1] + position * x[2], memory, count, tile, halves, logits, like)
        describe(d, row, tile, indices, 0, 0, ignore)
        for r in range(tile):
            if d[SAMPLE + r] > 0.0:
                label = pointer(indices, _I64)[row + r]
                value = logits[label * lanes + r]
                labels[r], picked[r], d[PICKED + r] = label, value, value
        sum_group(d, logits, load(labels, 0, like), load(picked, 0, like), count, rate, variance,
                  like)  # fmt: skip
        finish(d, numbers, rate_64, variance, like)
        give(d, columns, row, tile, variance, loss_like)
        row += tile
