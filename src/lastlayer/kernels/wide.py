"""Kernels for many classes: one row at a time, vectorised along its classes.

A row is read in blocks that stay in the L1 cache: the block's maximum, then its sum of
exponentials relative to the largest logit so far, merged into the row's (m, R) in float64. That
is one read of memory for the loss; the gradient reads the row once more, from cache unless the
row is larger than it, and writes once. What is not plain, contiguous and of the working precision
is first copied, a block at a time, into a buffer: one compiled kernel serves all layouts and
dtypes, and does the same operations in the same order for each.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from lastlayer.kernels.blocks import (
    BLOCK,
    block_coefficients,
    block_exp,
    block_gradient,
    block_log,
    block_max,
    block_sum,
    cap_block,
    stage,
    stage_coefficients,
    unstage,
)
from lastlayer.kernels.jit import inner, kernel
from lastlayer.kernels.memory import as_like, pointer, prefetch, width
from lastlayer.kernels.row import (
    INVERSE_TEMPERATURE,
    SMOOTHING,
    SOFTCAP,
    finite_rest,
    from_coefficients,
    from_index,
    label_weight,
    limit,
    sample_weight,
)
from lastlayer.kernels.vecmath import log1p, rate_of, unscale

TILE = 16  # rows copied together where the classes of a row do not lie side by side
BUFFERS = 4  # of TILE · BLOCK each: logits, coefficients, soft-cap's slope, gradient
STRETCH = 512  # logits summed between two requests for the memory that follows the block
LINE = 16  # float32 in a cache line; for float64 every second one is left to the hardware
STATES = 8  # float64 a row of a tile

_F64 = np.float64(0)
_M, _REST, _TIES, _PICKED, _BEHIND, _BELOW, _TOP = range(7)
# what a row's state holds once its sums are used up, behind the maximum
_FACTOR, _SHARE, _OWN, _COUNT, _SAMPLE = range(1, 6)
_LOG_S = _SHARE


# --------------------------------------------------------------------------- rows


@inner
def first_block(states: Any, tile: Any) -> None:
    """Empty sums for the rows of a tile."""
    for r in range(tile):
        for k in range(STATES):
            states[r * STATES + k] = 0.0
        states[r * STATES + _M] = -np.inf


@inner
def merge_block(x: Any, at: Any, n: Any, rate: Any, state: Any, o: Any) -> Any:
    """Add a block to a row's maximum, sum and ties; returns the maximum so far."""
    found = block_max(x, at, n)
    m = state[o + _M]
    if found > m:
        raised = np.float64(found)
        lowered = math.exp((m - raised) * np.float64(rate[3]))  # exp(−inf) = 0 at the first block
        state[o + _REST] = (state[o + _REST] + state[o + _TIES]) * lowered
        state[o + _TIES] = 0.0
        if state[o + _BELOW] + state[o + _TOP] > 0.0:
            state[o + _BEHIND] += (state[o + _BELOW] + state[o + _TOP]) * (raised - m)
        state[o + _BELOW] += state[o + _TOP]
        state[o + _TOP] = 0.0
        state[o + _M] = raised
    reference = as_like(state[o + _M], found)
    # While a block is summed from the L1 cache nothing is read from memory, and the hardware's
    # own reading ahead comes to rest: so the block after it is asked for here.
    for part in range(0, n, STRETCH):
        length = min(STRETCH, n - part)
        for line in range(0, length, LINE):
            prefetch(x, at + n + part + line)
        total, ties = block_sum(x, at + part, length, reference, rate)
        state[o + _REST] += np.float64(total) * unscale(found)
        state[o + _TIES] += np.float64(ties)
    return reference


@kernel
def loss_rows(lo: Any, hi: Any, inner_count: Any, count: Any, x: Any, direct: Any, g: Any,
              direct_g: Any, targets: Any, indices: Any, classes: Any, samples: Any, ignore: Any,
              numbers: Any, loss: Any, scratch: Any, state_address: Any,
              like: Any) -> None:  # fmt: skip
    """Loss, and where `g` is not None the gradient, of rows [lo, hi).

    `targets` is None for plain class indices; otherwise coefficients are made from it, or from
    the indices where its address is 0 (label smoothing).
    """
    losses = pointer(loss, like)
    buffer = pointer(scratch, like)
    size = TILE * BLOCK * width(like)
    coefficients, slopes = pointer(scratch + size, like), pointer(scratch + 2 * size, like)
    result = pointer(scratch + 3 * size, like)
    states = pointer(state_address, _F64)
    cap = as_like(numbers[SOFTCAP], like)
    rate = rate_of(numbers[INVERSE_TEMPERATURE], like)
    memory = pointer(x[0], like)

    row = lo
    while row < hi:
        outer, position = row // inner_count, row % inner_count
        start = outer * x[1] + position * x[2]
        tile = 1 if x[3] == 1 else min(TILE, inner_count - position, hi - row)
        t_start = 0
        if targets is not None:
            t_start = outer * targets[1] + position * targets[2]

        first_block(states, tile)
        for block in range(0, count, BLOCK):
            n = min(BLOCK, count - block)
            if not direct:
                stage(x, start, block, n, tile, buffer)
                if cap > 0:
                    cap_block(buffer, slopes, n, tile, cap, False)
            if targets is not None:
                stage_coefficients(targets, t_start, block, n, tile, row, indices, classes, count,
                                   numbers[SMOOTHING], coefficients)  # fmt: skip
            for r in range(tile):
                source = memory if direct else buffer
                at = start + block if direct else r * BLOCK
                o = r * STATES
                m = merge_block(source, at, n, rate, states, o)
                if targets is not None:
                    behind, below, top = block_coefficients(
                        source, at, n, coefficients, r * BLOCK, m
                    )
                    states[o + _BEHIND] += np.float64(behind)
                    states[o + _BELOW] += np.float64(below)
                    states[o + _TOP] += np.float64(top)
                else:
                    label = label_weight(row + r, 0, indices)[0] - block
                    if 0 <= label < n:
                        states[o + _PICKED] = np.float64(source[at + label])

        for r in range(tile):
            o = r * STATES
            m, ties = states[o + _M], states[o + _TIES]
            rest = finite_rest(m, states[o + _REST], ties)
            sample = sample_weight(row + r, samples, indices, ignore)
            value, factor, share, own = 0.0, 0.0, 0.0, 0.0
            if sample > 0.0:
                if targets is not None:
                    value, factor, share, own = from_coefficients(
                        m, rest, states[o + _BEHIND], states[o + _BELOW], states[o + _TOP], sample,
                        numbers)  # fmt: skip
                else:
                    weight = label_weight(row + r, classes, indices)[1]
                    value, factor, own = from_index(
                        m, states[o + _PICKED], rest, weight, sample, numbers
                    )
            losses[row + r] = as_like(value, like)
            states[o + _FACTOR], states[o + _SHARE], states[o + _OWN] = factor, share, own
            states[o + _COUNT], states[o + _SAMPLE] = ties, sample

        if g is not None:
            g_start = outer * g[1] + position * g[2]
            g_memory = pointer(g[0], like)
            for block in range(0, count, BLOCK):
                n = min(BLOCK, count - block)
                if not direct:
                    stage(x, start, block, n, tile, buffer)
                    if cap > 0:
                        cap_block(buffer, slopes, n, tile, cap, True)
                if targets is not None:
                    stage_coefficients(targets, t_start, block, n, tile, row, indices, classes,
                                       count, numbers[SMOOTHING], coefficients)  # fmt: skip
                for r in range(tile):
                    source = memory if direct else buffer
                    at = start + block if direct else r * BLOCK
                    target = g_memory if direct_g else result
                    to = g_start + block if direct_g else r * BLOCK
                    o = r * STATES
                    if states[o + _SAMPLE] <= 0.0:
                        for j in range(n):
                            target[to + j] = as_like(0.0, like)
                        continue
                    m = as_like(states[o + _M], like)
                    factor = as_like(states[o + _FACTOR], like)
                    own = as_like(states[o + _OWN], like)
                    if targets is not None:
                        block_gradient(source, at, n, coefficients, r * BLOCK, m, rate, factor,
                                       as_like(states[o + _SHARE], like),
                                       states[o + _COUNT] == 1.0, own, target, to)  # fmt: skip
                    else:
                        block_exp(source, at, n, m, rate, factor, target, to)
                        label = label_weight(row + r, 0, indices)[0] - block
                        if 0 <= label < n:
                            target[to + label] = own
                    if cap > 0:
                        for j in range(n):
                            target[to + j] *= slopes[r * BLOCK + j]
                if not direct_g:
                    unstage(result, g, g_start, block, n, tile)
        row += tile


@kernel
def normalise_rows(lo: Any, hi: Any, inner_count: Any, count: Any, x: Any, direct: Any, y: Any,
                   direct_y: Any, logarithm: Any, lse: Any, scratch: Any, state_address: Any,
                   like: Any) -> None:  # fmt: skip
    """softmax or its logarithm of rows [lo, hi) into `y`; with y None, logsumexp into `lse`."""
    buffer = pointer(scratch, like)
    result = pointer(scratch + TILE * BLOCK * width(like), like)
    states = pointer(state_address, _F64)
    memory = pointer(x[0], like)
    rate = rate_of(1.0, like)

    row = lo
    while row < hi:
        outer, position = row // inner_count, row % inner_count
        start = outer * x[1] + position * x[2]
        tile = 1 if x[3] == 1 else min(TILE, inner_count - position, hi - row)
        first_block(states, tile)
        for block in range(0, count, BLOCK):
            n = min(BLOCK, count - block)
            if not direct:
                stage(x, start, block, n, tile, buffer)
            for r in range(tile):
                source = memory if direct else buffer
                at = start + block if direct else r * BLOCK
                merge_block(source, at, n, rate, states, r * STATES)

        for r in range(tile):
            o = r * STATES
            m = states[o + _M]
            rest = finite_rest(m, states[o + _REST], states[o + _TIES])
            log_s = log1p(rest)
            if y is None:
                value = limit(m, states[o + _REST], m + log_s)
                pointer(lse, like)[row + r] = as_like(value, like)
            states[o + _FACTOR], states[o + _LOG_S] = 1.0 / (1.0 + rest), log_s

        if y is not None:
            y_start = outer * y[1] + position * y[2]
            y_memory = pointer(y[0], like)
            for block in range(0, count, BLOCK):
                n = min(BLOCK, count - block)
                if not direct:
                    stage(x, start, block, n, tile, buffer)
                for r in range(tile):
                    source = memory if direct else buffer
                    at = start + block if direct else r * BLOCK
                    target = y_memory if direct_y else result
                    to = y_start + block if direct_y else r * BLOCK
                    o = r * STATES
                    m = as_like(states[o + _M], like)
                    if logarithm:
                        block_log(source, at, n, m, as_like(states[o + _LOG_S], like), target, to)
                    else:
                        factor = as_like(states[o + _FACTOR], like)
                        block_exp(source, at, n, m, rate, factor, target, to)
                if not direct_y:
                    unstage(result, y, y_start, block, n, tile)
        row += tile
