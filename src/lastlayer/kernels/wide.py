"""Kernels for many classes: a row at a time, vectorised along its classes.

A row is read in blocks that stay in the L1 cache: the block's maximum, then its sum of
exponentials relative to the largest logit so far, merged into the row's (m, R) in float64. That
is one read of memory for the loss; the gradient reads the row once more, from cache unless the
row is larger than it, and writes once. Where the classes of a row do not lie side by side they
are first copied into a buffer: whole rows (`gathered.py`), or of rows too long for that a block of
some at a time.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from lastlayer.kernels.effective import pick
from lastlayer.kernels.give import give_gradient, give_softmax, side_by_side
from lastlayer.kernels.jit import kernel
from lastlayer.kernels.kept import room, worthwhile
from lastlayer.kernels.layout import NOTHING
from lastlayer.kernels.memory import pointer, read, width
from lastlayer.kernels.power import swift_rate
from lastlayer.kernels.row import (
    BLOCK,
    FAULTS,
    INVERSE_TEMPERATURE,
    LONGEST,
    LOSS,
    OWN,
    PICKED,
    SAMPLE,
    SLOPE,
    describe,
    finish_coefficients,
    finish_index,
    finish_labels,
    finish_normaliser,
    give_run,
)
from lastlayer.kernels.softcap_row import scale_factors
from lastlayer.kernels.staging import up_to_a_line
from lastlayer.kernels.tile import (
    G_BUFFER,
    KEPT,
    SPARE,
    T_BUFFER,
    TILE,
    TILE_LOGITS,
    TOTALS,
    X_BUFFER,
    add_block,
    begin,
    rows_by_turns,
    visit,
)
from lastlayer.kernels.vecmath import rate_of

_F64, _I64 = np.float64(0), np.int64(0)


@kernel
def loss_rows(lo: Any, hi: Any, inner_count: Any, count: Any, x: Any, g: Any, past: Any,
              staged: Any, targets: Any, mix: Any, weights: Any, indices: Any, classes: Any,
              samples: Any, ignore: Any, numbers: Any, temperature: Any, cap: Any, loss: Any,
              scratch: Any, states: Any, like: Any, x_like: Any, t_like: Any,
              w_like: Any) -> Any:  # fmt: skip
    """Loss, and where `g` is not None the gradient, of rows [lo, hi).

    Parameters
    ----------
    lo, hi, inner_count, count : int
        Rows, how many of them are one inner stride apart, and classes.
    x, g, targets : tuple of int
        Address and strides (outer, inner, class) in elements; g None for the loss alone.
    past : bool
        Whether the gradient, which must lie apart from x, is written past the caches.
    staged : None or int
        None where the classes of all arrays lie side by side; else rows copied at a time.
    mix : tuple of float or None
        (1 − ε, ε / C) where there is a coefficient for every class, from `targets` or a smoothed
        index; None for plain class indices.
    weights, indices, classes, samples, loss, scratch, states : int
        Addresses, 0 of arrays that are not given. `classes` and `weights` are the class weights,
        in float64 and of the type of `w_like`.
    numbers, temperature, cap : tuple of float, float or None, float or tuple of float or None
        See `row`; the temperature; the soft-cap, see `softcap_call`. None where they do nothing.
    like, x_like, t_like, w_like : numbers
        Of the types of the arithmetic and the losses, of logits and gradient, targets, and class
        weights (None where there are none).

    Returns
    -------
    float
        Above 0 where soft targets may be none: negative, NaN or too large.
    """
    d, losses = pointer(states, _F64), pointer(loss, like)
    memory, buffer = pointer(x[0], x_like), pointer(scratch + X_BUFFER, x_like)
    result, line = pointer(scratch + G_BUFFER, x_like), pointer(scratch + SPARE, x_like)
    t_memory, t_buffer = pointer(targets[0], t_like), pointer(scratch + T_BUFFER, t_like)
    w = pointer(weights, w_like)
    rate, rate_64 = swift_rate(temperature, like), rate_of(temperature, _F64)
    per_t = numbers[INVERSE_TEMPERATURE]
    kept, bases = room(scratch + KEPT, worthwhile(g, mix, cap), staged, like)
    totals, whole = pointer(scratch + TOTALS, like), count <= LONGEST
    size = LONGEST if whole else BLOCK
    by_turns = rows_by_turns(count, g, cap)
    most = max(1, min(TILE, TILE_LOGITS // count)) if staged is None else TILE
    if g is None:
        most = TILE
    d[FAULTS] = 0.0

    row = lo
    while row < hi:
        outer, position = row // inner_count, row % inner_count
        start = outer * x[1] + position * x[2]
        t_start = outer * targets[1] + position * targets[2]
        tile = min(most, inner_count - position, hi - row)
        if staged is not None:
            tile = up_to_a_line(x, g, outer, position, width(x_like), tile)
        begin(d)
        describe(d, row, tile, indices, classes, samples, ignore)
        step = x[2] if staged is None else LONGEST
        sums = (d, whole, by_turns, step, tile, rate, per_t, cap, w, mix, totals, count, kept,
                bases, like)  # fmt: skip
        visit(add_block, sums, staged, size, count, tile, x, start, memory, buffer, targets,
              t_start, t_memory, t_buffer, NOTHING, 0, memory, result, False, like)  # fmt: skip
        if indices != 0:
            for r in range(tile):
                if d[SAMPLE + r] > 0.0:
                    label = pointer(indices, _I64)[row + r]
                    d[PICKED + r] = read(memory, start + r * x[2] + label * x[3], _F64)
            pick(d, rate, cap, like)
        if mix is None:
            finish_index(d, numbers, g, tile, like)
        else:
            finish_coefficients(d, numbers, mix, indices != 0, g, tile, like)
        give_run(d, LOSS, losses, row, tile)

        if g is not None:
            if indices != 0:
                finish_labels(d, rate_64, tile)
            scale_factors(d, rate, cap)
            if indices != 0 and cap is not None:
                for r in range(tile):
                    d[OWN + r] *= d[SLOPE + r]
            place = outer * g[1] + position * g[2]
            run = past and staged is None, line, *side_by_side(g, count, inner_count, row, lo, hi)
            known = (d, row, indices, rate, per_t, cap, w, mix, count, kept, bases, run, like)
            visit(give_gradient, known, staged, count, count, tile, x, start,
                  memory, buffer, targets, t_start, t_memory, t_buffer, g, place,
                  pointer(g[0], x_like), result, past, like)  # fmt: skip
        row += tile
    return d[FAULTS]


@kernel
def normalise_rows(lo: Any, hi: Any, inner_count: Any, count: Any, x: Any, y: Any, past: Any,
                   staged: Any, logarithms: Any, lse: Any, scratch: Any, states: Any, like: Any,
                   x_like: Any) -> None:  # fmt: skip
    """softmax or its logarithm of rows [lo, hi) into `y`; with y None, logsumexp into `lse`.

    Parameters as those of `loss_rows`.
    """
    d = pointer(states, _F64)
    memory, buffer = pointer(x[0], x_like), pointer(scratch + X_BUFFER, x_like)
    result, line = pointer(scratch + G_BUFFER, x_like), pointer(scratch + SPARE, x_like)
    kept, bases = room(scratch + KEPT, worthwhile(y, None, None), staged, like)
    totals, whole = pointer(scratch + TOTALS, like), count <= LONGEST
    size = LONGEST if whole else BLOCK
    most = max(1, min(TILE, TILE_LOGITS // count)) if staged is None else TILE

    row = lo
    while row < hi:
        outer, position = row // inner_count, row % inner_count
        start = outer * x[1] + position * x[2]
        tile = min(most, inner_count - position, hi - row)
        if staged is not None:
            tile = up_to_a_line(x, y, outer, position, width(x_like), tile)
        begin(d)
        step = x[2] if staged is None else LONGEST
        sums = (d, whole, None, step, tile, None, 1.0, None, None, None, totals, count, kept,
                bases, like)  # fmt: skip
        visit(add_block, sums, staged, size, count, tile, x, start, memory, buffer, NOTHING,
              0, None, None, NOTHING, 0, memory, result, False,
              like)  # fmt: skip
        finish_normaliser(d, tile, like)
        if y is None:
            give_run(d, LOSS, pointer(lse, like), row, tile)
        else:
            place = outer * y[1] + position * y[2]
            run = past and staged is None, line, *side_by_side(y, count, inner_count, row, lo, hi)
            known = (d, logarithms, count, kept, bases, run, like)
            visit(give_softmax, known, staged, count, count, tile, x, start,
                  memory, buffer, NOTHING, 0, None, None, y, place, pointer(y[0], x_like),
                  result, past, like)  # fmt: skip
        row += tile
