"""Kernels for few classes: a group of rows at a time, vectorised across the rows."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types

from lastlayer.kernels.group import (
    GAPS,
    SLOPES,
    A,
    G,
    X,
    largest_of_group,
    lines_ahead,
    load_group,
    sum_group,
)
from lastlayer.kernels.group_coefficients import load_coefficients, sum_coefficients
from lastlayer.kernels.group_gradient import give_group, slope_own
from lastlayer.kernels.group_results import goes_past, results_ahead, store_group
from lastlayer.kernels.group_softmax import log_softmax_group, softmax_group
from lastlayer.kernels.integers import labels_as_floats, one_a_lane
from lastlayer.kernels.jit import by_dtype, kernel
from lastlayer.kernels.memory import (
    lane_count,
    load,
    load_up_to,
    pointer,
    store,
    width,
)
from lastlayer.kernels.row import (
    FAULTS,
    LABEL,
    LANES,
    LOSS,
    SAMPLE,
    describe,
    finish_coefficients,
    finish_index,
    finish_normaliser,
    give_run,
)
from lastlayer.kernels.simd import fill, less, where
from lastlayer.kernels.softcap_group import keep_numbers, pick_group, scale_group_factors
from lastlayer.kernels.staging import up_to_a_line
from lastlayer.kernels.vecmath import rate_of

_F64, _I64 = np.float64(0), np.int64(0)


@by_dtype
def _pointer_if(a: Any, b: Any, address: Any, like: Any) -> Any:
    """A pointer where neither a nor b is None, else None."""

    def nothing(a: Any, b: Any, address: Any, like: Any) -> None:
        return None

    def place(a: Any, b: Any, address: Any, like: Any) -> Any:
        return pointer(address, like)

    return nothing if types.none in (a, b) else place


@kernel
def loss_rows(lo: Any, hi: Any, inner_count: Any, count: Any, x: Any, g: Any, past: Any,
              staged: Any, targets: Any, mix: Any, weights: Any, indices: Any, classes: Any,
              samples: Any, ignore: Any, numbers: Any, temperature: Any, cap: Any, loss: Any,
              scratch: Any, states: Any, like: Any, x_like: Any, t_like: Any,
              w_like: Any) -> Any:  # fmt: skip
    """As `wide.loss_rows`, for at most 160 classes, 112 in float64.

    All layouts are alike here, so `staged` is None.
    """
    d, losses = pointer(states, _F64), pointer(loss, like)
    memory, w = pointer(x[0], x_like), pointer(weights, w_like)
    t = pointer(targets[0], t_like)
    logits, result = pointer(scratch + X, like), pointer(scratch + G, like)
    spare = pointer(scratch + X, x_like)  # where the logits were
    a, lanes, zero = pointer(scratch + A, like), lane_count(like), fill(0.0, _F64)
    gaps = _pointer_if(cap, cap, scratch + GAPS, like)
    slopes = _pointer_if(cap, g, scratch + SLOPES, like)
    rate = rate_of(temperature, like)
    d[FAULTS] = 0.0
    keep_numbers(d, cap)

    row = lo
    while row < hi:
        outer, position = row // inner_count, row % inner_count
        tile = min(lanes, inner_count - position, hi - row)
        if g is not None:  # whose lines are then written whole
            tile = up_to_a_line(x, g, outer, position, width(x_like), tile)
        start = outer * x[1] + position * x[2]
        load_group(x, start, memory, count, tile, logits, like)
        ahead = lines_ahead(x, start, memory, count, like)
        near = sum_group(d, logits, result, gaps, slopes, count, rate, cap, mix, ahead, like)
        describe(d, row, tile, indices, classes, samples, ignore)
        if mix is not None:
            load_coefficients(d, targets, outer * targets[1] + position * targets[2], t, w, mix,
                              count, tile, a, like)  # fmt: skip
            sum_coefficients(d, logits, gaps, a, t, w, mix, count, cap, like)
        if indices != 0:
            for r in range(0, tile, LANES):
                labels = load_up_to(pointer(indices, _I64), row + r, tile - r, 0, _I64)
                counts = less(zero, load(d, SAMPLE + r, _F64))
                places = one_a_lane(labels, lanes, r)
                store(d, LABEL + r, where(counts, labels_as_floats(labels), fill(-1.0, _F64)))
                pick_group(d, r, logits, gaps, slopes, places, counts, cap, near, mix)
        if mix is None:
            finish_index(d, numbers, g, tile, like)
        else:
            finish_coefficients(d, numbers, mix, indices != 0, g, tile, like)
        give_run(d, LOSS, losses, row, tile)

        if g is not None:
            start, place = outer * g[1] + position * g[2], pointer(g[0], x_like)
            scale_group_factors(d, cap, tile)
            slope_own(d, slopes, mix, tile)
            beyond = goes_past(past, g, start, place, count, tile, like)
            ahead = results_ahead(g, start, place, count, beyond, spare, like)
            give_group(d, logits, result, slopes, a, t, w, count, indices != 0, mix, ahead,
                       like)  # fmt: skip
            store_group(result, g, start, place, count, tile, beyond, spare, like)
        row += tile
    return d[FAULTS]


@kernel
def normalise_rows(lo: Any, hi: Any, inner_count: Any, count: Any, x: Any, y: Any, past: Any,
                   staged: Any, logarithms: Any, lse: Any, scratch: Any, states: Any, like: Any,
                   x_like: Any) -> None:  # fmt: skip
    """As `wide.normalise_rows`, for at most 160 classes, 112 in float64."""
    d, memory = pointer(states, _F64), pointer(x[0], x_like)
    logits, result = pointer(scratch + X, like), pointer(scratch + G, like)
    spare = pointer(scratch + X, x_like)  # where the logits were
    lanes = lane_count(like)

    row = lo
    while row < hi:
        outer, position = row // inner_count, row % inner_count
        tile = min(lanes, inner_count - position, hi - row)
        if y is not None:  # whose lines are then written whole
            tile = up_to_a_line(x, y, outer, position, width(x_like), tile)
        start = outer * x[1] + position * x[2]
        load_group(x, start, memory, count, tile, logits, like)
        ahead = lines_ahead(x, start, memory, count, like)
        if y is None or logarithms:
            sum_group(d, logits, result, None, None, count, None, None, None, ahead, like)
            finish_normaliser(d, tile, like)
        if y is None:
            give_run(d, LOSS, pointer(lse, like), row, tile)
        else:
            start, place = outer * y[1] + position * y[2], pointer(y[0], x_like)
            beyond = goes_past(past, y, start, place, count, tile, like)
            results = results_ahead(y, start, place, count, beyond, spare, like)
            if logarithms:
                log_softmax_group(d, logits, result, count, results, like)
            else:
                m = largest_of_group(logits, count, like)
                softmax_group(logits, result, m, count, ahead, results, like)
            store_group(result, y, start, place, count, tile, beyond, spare, like)
        row += tile
