"""What the statistics of one row come to, once its sums are known; `row` has those of its loss.

In float64, per row and not per logit. R is the sum of exp((x − m) / T) without one maximum.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types

from lastlayer.kernels.jit import by_dtype, inner, widest_vectors
from lastlayer.kernels.log1p import log_of
from lastlayer.kernels.memory import lane_count, load, pointer, store, store_first
from lastlayer.kernels.row import (
    ALONE,
    AT_TOP,
    BEHIND,
    BELOW,
    COUNTS,
    FACTOR,
    INVERSE_TEMPERATURE,
    LOSS,
    OWN,
    PICKED,
    REST,
    ROWS,
    SAMPLE,
    SHARE,
    TIES,
    WEIGHT,
    M,
    finite_rest,
    give_run,
    index_loss,
)
from lastlayer.kernels.simd import bits, fill
from lastlayer.kernels.vecmath import exp_scaled, unscale

# What is known of a tile's rows, in runs of `row` that a loss without options leaves free
FIRST, SECOND = BEHIND, BELOW  # Σ e u; Σ e² or Σ e u², both without the maximum
PLACE, BEFORE = AT_TOP, WEIGHT  # of the first maximum; how many classes come before the label
OF_LABEL = COUNTS  # exp of the label's logit, lifted
# and what comes of it
CONFIDENCE, DOUBT, BRIER, ENTROPY = FACTOR, SHARE, ALONE, OWN
SLOPE, CURVATURE = FACTOR, SHARE

_F64, _I64 = np.float64(0), np.int64(0)
_MAGIC = 6755399441055744.0  # 1.5 · 2^52: added to a whole number, leaves it in the low bits


@by_dtype
def negligible(like: Any) -> Any:
    """What R is 0 below: masked classes leave some 1e-55 each in a float32 sum."""
    least = 2.0**-150 if like == types.float32 else 0.0

    def body(like: Any) -> Any:
        return least

    return body


@by_dtype
def finish(d: Any, numbers: Any, rate: Any, scales: Any, variance: Any, like: Any) -> Any:
    """A tile's results from its sums: those of `RowStatistics`, or loss and two derivatives.

    `scales` are for the sums that are still lifted: R and Σ e u, and the third.
    """

    def statistics(d: Any, numbers: Any, rate: Any, scales: Any, variance: Any, like: Any) -> None:
        widest_vectors()
        scale, second = scales
        for r in range(0, ROWS, lane_count(like)):  # beside 1, or a square beside those in `second`
            gap = load(d, PICKED + r, like) - load(d, M + r, like)
            store(d, OF_LABEL + r, exp_scaled(gap, rate))
        for r in range(ROWS):
            m, picked, sample = d[M + r], d[PICKED + r], d[SAMPLE + r]
            rest = finite_rest(m, d[REST + r] * scale, d[TIES + r])
            value = index_loss(m, picked, rest, 1.0, sample, numbers, like)
            d[LOSS + r] = value if sample > 0.0 else 0.0
            inverse = 1.0 / (1.0 + rest)
            log_s = log_of(rest, inverse, like)
            nothing = rest < negligible(like)
            doubt = 0.0 if nothing else rest * inverse
            squares = 0.0 if nothing else d[SECOND + r] * second + (d[TIES + r] - 1.0)
            e = d[OF_LABEL + r] * unscale(like)
            wrong, others = 1.0 - e * inverse, 1.0 + (squares - e * e)
            at_top = picked == m
            wrong, others = doubt if at_top else wrong, squares if at_top else others
            brier = wrong * wrong + others * (inverse * inverse)
            known = not np.isnan(rest)
            d[CONFIDENCE + r], d[DOUBT + r] = inverse, doubt
            d[BRIER + r] = brier if sample > 0.0 else 0.0
            d[ENTROPY + r] = 0.0 if nothing else log_s + d[FIRST + r] * scale * inverse
            d[PLACE + r] = d[PLACE + r] if known else -1.0
            d[BEFORE + r] = d[BEFORE + r] if known and sample > 0.0 else -1.0

    def derivatives(d: Any, numbers: Any, rate: Any, scales: Any, variance: Any, like: Any) -> None:
        widest_vectors()
        temperature, scale, second = 1.0 / numbers[INVERSE_TEMPERATURE], scales[0], scales[1]
        for r in range(ROWS):
            m, picked, sample = d[M + r], d[PICKED + r], d[SAMPLE + r]
            rest = finite_rest(m, d[REST + r] * scale, d[TIES + r])
            value = index_loss(m, picked, rest, 1.0, sample, numbers, like)
            inverse = 1.0 / (1.0 + rest)
            mean, square = d[FIRST + r] * scale * inverse, d[SECOND + r] * second * inverse
            slope = (m - picked) - temperature * mean
            curvature = temperature * temperature * (square - mean * mean)
            d[LOSS + r] = value if sample > 0.0 else 0.0
            d[SLOPE + r] = slope if sample > 0.0 else 0.0
            d[CURVATURE + r] = curvature if sample > 0.0 else 0.0

    return statistics if isinstance(variance, types.NoneType) else derivatives


@by_dtype
def give(d: Any, columns: Any, row: Any, tile: Any, variance: Any, like: Any) -> Any:
    """Store a tile's results; `columns` are the addresses of what they go to."""

    def statistics(d: Any, columns: Any, row: Any, tile: Any, variance: Any, like: Any) -> None:
        loss, prediction, confidence, doubt, rank, brier, entropy = columns
        give_run(d, LOSS, pointer(loss, like), row, tile)
        _give_whole(d, PLACE, pointer(prediction, _I64), row, tile)
        give_run(d, CONFIDENCE, pointer(confidence, _F64), row, tile)
        give_run(d, DOUBT, pointer(doubt, _F64), row, tile)
        _give_whole(d, BEFORE, pointer(rank, _I64), row, tile)
        give_run(d, BRIER, pointer(brier, _F64), row, tile)
        give_run(d, ENTROPY, pointer(entropy, _F64), row, tile)

    def derivatives(d: Any, columns: Any, row: Any, tile: Any, variance: Any, like: Any) -> None:
        loss, slope, curvature = columns
        give_run(d, LOSS, pointer(loss, _F64), row, tile)
        give_run(d, SLOPE, pointer(slope, _F64), row, tile)
        give_run(d, CURVATURE, pointer(curvature, _F64), row, tile)

    return statistics if isinstance(variance, types.NoneType) else derivatives


@inner
def _give_whole(d: Any, source: Any, target: Any, row: Any, tile: Any) -> None:
    lanes, magic = lane_count(_F64), fill(_MAGIC, _F64)
    for r in range(0, tile, lanes):
        v = bits(load(d, source + r, _F64) + magic) - bits(magic)
        if tile - r >= lanes:
            store(target, row + r, v)
        else:
            store_first(target, row + r, tile - r, v)
