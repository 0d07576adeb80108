"""Kernels for few classes: a group of rows at a time, vectorised across the rows."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types

from lastlayer.kernels.group import (
    GAPS,
    HALVES,
    PLACES,
    SLOPES,
    A,
    G,
    X,
    give_group,
    load_coefficients,
    load_group,
    normalise_group,
    plan_turn,
    store_group,
    sum_coefficients,
    sum_group,
)
from lastlayer.kernels.jit import by_dtype, kernel
from lastlayer.kernels.memory import lane_count, pointer
from lastlayer.kernels.row import (
    FAULTS,
    OWN,
    PICKED,
    SAMPLE,
    TOP,
    M,
    describe,
    finish_coefficients,
    finish_index,
    finish_normaliser,
    give,
)
from lastlayer.kernels.vecmath import rate_of

_F64, _I64, _I32 = np.float64(0), np.int64(0), np.int32(0)


@by_dtype
def _pointer_if(a: Any, b: Any, address: Any, like: Any) -> Any:
    """A pointer where neither a nor b is None, else None."""

    def nothing(a: Any, b: Any, address: Any, like: Any) -> None:
        return None

    def place(a: Any, b: Any, address: Any, like: Any) -> Any:
        return pointer(address, like)

    return nothing if types.none in (a, b) else place


@by_dtype
def _pick(d: Any, r: Any, x: Any, gaps: Any, at: Any, cap: Any) -> Any:
    """What the label's logit of a row, at x[at], is behind the cap; the top where it is it."""

    def plain(d: Any, r: Any, x: Any, gaps: Any, at: Any, cap: Any) -> None:
        d[PICKED + r] = np.float64(x[at])

    def kept(d: Any, r: Any, x: Any, gaps: Any, at: Any, cap: Any) -> None:
        gap = 0.0 if x[at] == d[M + r] else np.float64(gaps[at])
        d[PICKED + r] = d[TOP + r] + gap

    return plain if isinstance(cap, types.NoneType) else kept


@kernel
def loss_rows(lo: Any, hi: Any, inner_count: Any, count: Any, x: Any, g: Any, past: Any,
              staged: Any, targets: Any, mix: Any, weights: Any, indices: Any, classes: Any,
              samples: Any, ignore: Any, numbers: Any, temperature: Any, cap: Any, loss: Any,
              scratch: Any, states: Any, like: Any, x_like: Any, t_like: Any,
              w_like: Any) -> Any:  # fmt: skip
    """As `wide.loss_rows`, for at most 64 classes.

    All layouts are alike here, so `staged` is None; results are never written past the caches.
    """
    d, losses = pointer(states, _F64), pointer(loss, like)
    memory, w = pointer(x[0], x_like), pointer(weights, w_like)
    t = pointer(targets[0], t_like)
    logits, result = pointer(scratch + X, like), pointer(scratch + G, like)
    a, halves = pointer(scratch + A, like), pointer(scratch + HALVES, like)
    places, lanes = pointer(scratch + PLACES, _I32), lane_count(like)
    gaps = _pointer_if(cap, cap, scratch + GAPS, like)
    slopes = _pointer_if(cap, g, scratch + SLOPES, like)
    rate, rate_64 = rate_of(temperature, like), rate_of(temperature, _F64)
    plan_turn(places, count, like)
    d[FAULTS] = 0.0

    row = lo
    while row < hi:
        outer, position = row // inner_count, row % inner_count
        tile = min(lanes, inner_count - position, hi - row)
        load_group(x, outer * x[1] + position * x[2], memory, count, tile, halves, logits, like)
        sum_group(d, logits, result, gaps, slopes, count, rate, cap, like)
        describe(d, row, tile, indices, classes, samples, ignore)
        if mix is not None:
            load_coefficients(d, targets, outer * targets[1] + position * targets[2], t, w, mix,
                              count, tile, halves, a, like)  # fmt: skip
            sum_coefficients(d, logits, gaps, a, t, w, mix, count, cap, like)
        if indices != 0:
            for r in range(tile):
                if d[SAMPLE + r] > 0.0:
                    label = pointer(indices, _I64)[row + r]
                    _pick(d, r, logits, gaps, label * lanes + r, cap)
        if mix is None:
            finish_index(d, numbers, rate_64, g)
        else:
            finish_coefficients(d, numbers, rate_64, mix, indices != 0, g)
        give(d, losses, row, tile)

        if g is not None:
            give_group(d, logits, result, slopes, a, t, w, count, mix, cap, like)
            if indices != 0:
                for r in range(tile):
                    if d[SAMPLE + r] > 0.0:
                        k = pointer(indices, _I64)[row + r] * lanes + r
                        if cap is not None:
                            d[OWN + r] *= np.float64(slopes[k])
                        result[k] = d[OWN + r]
            store_group(result, g, outer * g[1] + position * g[2], pointer(g[0], x_like), places,
                        count, tile, like)  # fmt: skip
        row += tile
    return d[FAULTS]


@kernel
def normalise_rows(lo: Any, hi: Any, inner_count: Any, count: Any, x: Any, y: Any, past: Any,
                   staged: Any, logarithms: Any, lse: Any, scratch: Any, states: Any, like: Any,
                   x_like: Any) -> None:  # fmt: skip
    """As `wide.normalise_rows`, for at most 64 classes."""
    d, memory = pointer(states, _F64), pointer(x[0], x_like)
    logits, result = pointer(scratch + X, like), pointer(scratch + G, like)
    halves, lanes = pointer(scratch + HALVES, like), lane_count(like)
    places = pointer(scratch + PLACES, _I32)
    plan_turn(places, count, like)

    row = lo
    while row < hi:
        outer, position = row // inner_count, row % inner_count
        tile = min(lanes, inner_count - position, hi - row)
        load_group(x, outer * x[1] + position * x[2], memory, count, tile, halves, logits, like)
        sum_group(d, logits, result, None, None, count, None, None, like)
        finish_normaliser(d)
        if y is None:
            give(d, pointer(lse, like), row, tile)
        else:
            normalise_group(d, logits, result, count, logarithms, like)
            store_group(result, y, outer * y[1] + position * y[2], pointer(y[0], x_like), places,
                        count, tile, like)  # fmt: skip
        row += tile
