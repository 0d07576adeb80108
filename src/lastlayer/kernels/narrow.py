"""Kernels for few classes: many rows at a time, vectorised across them.

A tile of rows is copied, transposed, into a buffer of (classes, LANES): class by class, the same
operation for all rows of the tile. Images with the class axis first lie like that already. Lanes
beyond the last row are computed and dropped, so that a row's result never depends on its
neighbours, nor on where in a tile it lies.

All working memory is addressed from two pointers, one a precision, with offsets known to the
compiler: it then knows that the parts do not overlap, and vectorises without a check.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from lastlayer.kernels.jit import inner, kernel, widest_vectors
from lastlayer.kernels.layout import LANES
from lastlayer.kernels.memory import as_like, gather, pointer, scatter
from lastlayer.kernels.row import (
    INVERSE_TEMPERATURE,
    SMOOTHING,
    SOFTCAP,
    capped,
    capped_slope,
    finite_rest,
    from_coefficients,
    from_index,
    label_weight,
    limit,
    sample_weight,
)
from lastlayer.kernels.vecmath import exp_negative, exp_scaled, log1p, rate_of, unscale

MOST_CLASSES = 64

# working precision: four tiles, then a number a lane
_SIZE = MOST_CLASSES * LANES
X, G, A, SLOPE = 0, _SIZE, 2 * _SIZE, 3 * _SIZE  # logits, gradient, coefficients, soft-cap's slope
_LANES_AT = 4 * _SIZE
TOP, TOTAL, TIES, FACTOR, SHARE, OWN, RESULT = (_LANES_AT + k * LANES for k in range(7))
SCRATCH = _LANES_AT + 7 * LANES

# float64, a number a lane
BEHIND, BELOW, AT_TOP, SAMPLE, WEIGHT, PICKED = (k * LANES for k in range(6))
STATES = 6 * LANES

_F64 = np.float64(0)


@inner
def load(layout: Any, at: Any, count: Any, tile: Any, w: Any, to: Any) -> None:
    """Copy `tile` rows into columns of a buffer, reading in the order of memory."""
    if layout[2] == 1:
        gather(layout, at, layout[3], 1, w, to, LANES, 1, count, tile)
    else:
        gather(layout, at, layout[3], layout[2], w, to, LANES, 1, count, tile)


@inner
def store(w: Any, layout: Any, at: Any, count: Any, tile: Any) -> None:
    """The reverse of `load`, from the gradient's buffer."""
    if layout[2] == 1:
        scatter(w, G, LANES, 1, layout, at, layout[3], 1, count, tile)
    else:
        scatter(w, G, 1, LANES, layout, at, layout[2], layout[3], tile, count)


@inner
def clear(w: Any, count: Any) -> None:
    """Anything finite, for the lanes without a row."""
    for k in range(count * LANES):
        w[X + k] = 0.0
        w[A + k] = 0.0


@inner
def lane_max(w: Any, count: Any) -> None:
    """The maximum of each lane; a NaN is passed over, the sum will have it."""
    widest_vectors()
    for r in range(LANES):
        w[TOP + r] = w[X + r]
    for j in range(1, count):
        for r in range(LANES):
            v = w[X + j * LANES + r]
            w[TOP + r] = v if v > w[TOP + r] else w[TOP + r]


@inner
def lane_sum(w: Any, count: Any, rate: Any) -> None:
    """Σ exp_scaled over what is below each lane's maximum, and how many are at it."""
    widest_vectors()
    zero, one = as_like(0.0, rate[0]), as_like(1.0, rate[0])
    for r in range(LANES):
        w[TOTAL + r], w[TIES + r] = zero, zero
    for j in range(count):
        for r in range(LANES):
            v, m = w[X + j * LANES + r], w[TOP + r]
            e = exp_scaled(v - m, rate)
            w[TOTAL + r] += zero if v == m else e
            w[TIES + r] += one if v == m else zero


@inner
def lane_coefficients(w: Any, d: Any, count: Any) -> None:
    """Σ a_j (m − x_j), Σ a_j below m and Σ a_j at m of each lane, in float64; 0 · ∞ is 0."""
    widest_vectors()
    for r in range(LANES):
        d[BEHIND + r], d[BELOW + r], d[AT_TOP + r] = 0.0, 0.0, 0.0
    for j in range(count):
        for r in range(LANES):
            v, m = np.float64(w[X + j * LANES + r]), np.float64(w[TOP + r])
            c = np.float64(w[A + j * LANES + r])
            distance = 0.0 if v == m else m - v
            d[BEHIND + r] += 0.0 if c == 0.0 else c * distance
            d[BELOW + r] += 0.0 if v == m else c
            d[AT_TOP + r] += c if v == m else 0.0


@inner
def load_coefficients(targets: Any, at: Any, count: Any, tile: Any, row: Any, indices: Any,
                      classes: Any, smoothing: Any, w: Any) -> None:  # fmt: skip
    """a_j = w_j ((1 − ε) t_j + ε / C) of a tile, t from an array or a class index."""
    uniform = smoothing / count
    if targets[0] != 0:
        load(targets, at, count, tile, w, A)
        for k in range(count * LANES):
            w[A + k] = (1.0 - smoothing) * w[A + k] + uniform
    else:
        for k in range(count * LANES):
            w[A + k] = uniform
        for r in range(tile):
            label = label_weight(row + r, 0, indices)[0]
            if 0 <= label < count:
                w[A + label * LANES + r] = (1.0 - smoothing) + uniform
    if classes != 0:
        weights = pointer(classes, _F64)
        for j in range(count):
            for r in range(LANES):
                w[A + j * LANES + r] = w[A + j * LANES + r] * weights[j]


@inner
def lane_labels(w: Any, d: Any, row: Any, tile: Any, classes: Any, indices: Any) -> None:
    """The label's logit and class weight of each lane."""
    for r in range(LANES):
        d[WEIGHT + r], d[PICKED + r] = 1.0, 0.0
    for r in range(tile):
        if d[SAMPLE + r] > 0.0:
            label, weight = label_weight(row + r, classes, indices)
            d[WEIGHT + r] = weight
            d[PICKED + r] = w[X + label * LANES + r]


@inner
def lane_exp(w: Any, count: Any, rate: Any) -> None:
    """The gradient's buffer: factor · exp((x_j − m) / T)."""
    widest_vectors()
    for j in range(count):
        for r in range(LANES):
            e = exp_negative(w[X + j * LANES + r] - w[TOP + r], rate)
            w[G + j * LANES + r] = e * w[FACTOR + r]


@kernel
def loss_rows(lo: Any, hi: Any, inner_count: Any, count: Any, x: Any, direct: Any, g: Any,
              direct_g: Any, targets: Any, indices: Any, classes: Any, samples: Any, ignore: Any,
              numbers: Any, loss: Any, scratch: Any, state_address: Any,
              like: Any) -> None:  # fmt: skip
    """As `wide.loss_rows`, for at most 64 classes; every row is copied, `direct` says nothing."""
    losses = pointer(loss, like)
    w, d = pointer(scratch, like), pointer(state_address, _F64)
    cap = as_like(numbers[SOFTCAP], like)
    rate = rate_of(numbers[INVERSE_TEMPERATURE], like)
    clear(w, count)

    row = lo
    while row < hi:
        outer, position = row // inner_count, row % inner_count
        tile = min(LANES, inner_count - position, hi - row)
        load(x, outer * x[1] + position * x[2], count, tile, w, X)
        if cap > 0:
            if g is not None:
                for k in range(count * LANES):
                    w[SLOPE + k] = capped_slope(w[X + k], cap)
            for k in range(count * LANES):
                w[X + k] = capped(w[X + k], cap)
        lane_max(w, count)
        lane_sum(w, count, rate)

        for r in range(LANES):
            d[SAMPLE + r] = sample_weight(row + r, samples, indices, ignore) if r < tile else 0.0
        if targets is not None:
            load_coefficients(targets, outer * targets[1] + position * targets[2], count, tile, row,
                              indices, classes, numbers[SMOOTHING], w)  # fmt: skip
            lane_coefficients(w, d, count)
        else:
            lane_labels(w, d, row, tile, classes, indices)
        for r in range(LANES):
            m, sample = np.float64(w[TOP + r]), d[SAMPLE + r]
            summed = np.float64(w[TOTAL + r]) * unscale(like)
            rest = finite_rest(m, summed, np.float64(w[TIES + r]))
            if targets is not None:
                value, factor, share, own = from_coefficients(
                    m, rest, d[BEHIND + r], d[BELOW + r], d[AT_TOP + r], sample, numbers
                )
                w[SHARE + r] = share
            else:
                value, factor, own = from_index(
                    m, d[PICKED + r], rest, d[WEIGHT + r], sample, numbers
                )
            w[RESULT + r] = value if sample > 0.0 else 0.0
            w[FACTOR + r], w[OWN + r] = factor, own
        for r in range(tile):
            losses[row + r] = w[RESULT + r]

        if g is not None:
            lane_exp(w, count, rate)
            if targets is not None:
                for j in range(count):
                    for r in range(LANES):
                        k = j * LANES + r
                        plain = w[G + k] - w[SHARE + r] * w[A + k]
                        alone = w[X + k] == w[TOP + r] and w[TIES + r] == 1
                        w[G + k] = w[OWN + r] if alone else plain
            if targets is None:
                for r in range(tile):
                    if d[SAMPLE + r] > 0.0:
                        w[G + label_weight(row + r, 0, indices)[0] * LANES + r] = w[OWN + r]
            if cap > 0:
                for k in range(count * LANES):
                    w[G + k] *= w[SLOPE + k]
            for r in range(tile):
                if d[SAMPLE + r] <= 0.0:  # left out, whatever its logits held
                    for j in range(count):
                        w[G + j * LANES + r] = 0.0
            store(w, g, outer * g[1] + position * g[2], count, tile)
        row += tile


@kernel
def normalise_rows(lo: Any, hi: Any, inner_count: Any, count: Any, x: Any, direct: Any, y: Any,
                   direct_y: Any, logarithm: Any, lse: Any, scratch: Any, state_address: Any,
                   like: Any) -> None:  # fmt: skip
    """As `wide.normalise_rows`, for at most 64 classes; every row is copied."""
    w = pointer(scratch, like)
    rate = rate_of(1.0, like)
    clear(w, count)

    row = lo
    while row < hi:
        outer, position = row // inner_count, row % inner_count
        tile = min(LANES, inner_count - position, hi - row)
        load(x, outer * x[1] + position * x[2], count, tile, w, X)
        lane_max(w, count)
        lane_sum(w, count, rate)
        for r in range(LANES):
            m = np.float64(w[TOP + r])
            summed = np.float64(w[TOTAL + r]) * unscale(like)
            rest = finite_rest(m, summed, np.float64(w[TIES + r]))
            log_s = log1p(rest)
            w[RESULT + r] = limit(m, summed, m + log_s)
            w[FACTOR + r] = log_s if logarithm else 1.0 / (1.0 + rest)
        if y is None:
            for r in range(tile):
                pointer(lse, like)[row + r] = w[RESULT + r]
        else:
            if logarithm:
                for j in range(count):
                    for r in range(LANES):
                        k = j * LANES + r
                        w[G + k] = (w[X + k] - w[TOP + r]) - w[FACTOR + r]
            else:
                lane_exp(w, count, rate)
            store(w, y, outer * y[1] + position * y[2], count, tile)
        row += tile
