"""The statistics of rows of many classes: a row at a time, vectorised along its classes.

As `wide`, a row is read once, in blocks that stay in the L1 cache: the block's maximum; the sums
relative to the largest logit so far, merged into the row's in float64; and how many logits come
before the label's, which is known before and lets most blocks be passed over.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from lastlayer.kernels.blocks import block_max
from lastlayer.kernels.chunks import first_of_chunk, hand_on
from lastlayer.kernels.jit import inner, kernel
from lastlayer.kernels.lanes import largest_of
from lastlayer.kernels.layout import NOTHING
from lastlayer.kernels.memory import as_like, pointer, read
from lastlayer.kernels.power import swift_rate
from lastlayer.kernels.row import (
    BLOCK,
    INVERSE_TEMPERATURE,
    LONGEST,
    PICKED,
    REST,
    SAMPLE,
    TIES,
    M,
    describe,
)
from lastlayer.kernels.simd import fma
from lastlayer.kernels.softcap_row import about_row, scale_of, set_top
from lastlayer.kernels.statistics_blocks import (
    block_max_before,
    block_sums,
    marked,
    second_scale,
)
from lastlayer.kernels.statistics_row import BEFORE, FIRST, PLACE, SECOND, finish, give
from lastlayer.kernels.tile import SPARE, TILE, X_BUFFER, begin, visit
from lastlayer.kernels.vecmath import rate_of

_F64, _I64 = np.float64(0), np.int64(0)


@inner
def rise(d: Any, r: Any, m: Any, inv_t: Any, variance: Any) -> None:
    """A row's sums relative to a larger maximum than before."""
    u = (m - d[M + r]) * inv_t
    lowered = math.exp(-u)  # 0 at the first block
    if d[M + r] > -np.inf:
        terms = d[REST + r] + d[TIES + r]
        if variance is None:
            d[SECOND + r] = (d[SECOND + r] + d[TIES + r]) * lowered * lowered
        else:
            d[SECOND + r] = (d[SECOND + r] + u * (2.0 * d[FIRST + r] + u * terms)) * lowered
        d[FIRST + r] = (d[FIRST + r] + u * terms) * lowered
    d[REST + r] = (d[REST + r] + d[TIES + r]) * lowered
    d[TIES + r] = 0.0
    d[M + r] = m


@inner
def add_block(extra: Any, r: Any, block: Any, n: Any, x: Any, at: Any, t: Any, t_at: Any, g: Any,
              to: Any) -> None:  # fmt: skip
    """The sums of a block, for `visit`."""
    d, row, indices, rate, inv_t, variance, marks, like = extra
    if variance is None:
        label = -1
        if d[SAMPLE + r] > 0.0:
            label = pointer(indices, _I64)[row + r] - block
        found, before = block_max_before(x, at, n, label, as_like(d[PICKED + r], like), like)
        d[BEFORE + r] += np.float64(before)
    else:
        found = largest_of(block_max(x, at, n, as_like(d[M + r], like), like))
    m = np.float64(found)
    rises = m > d[M + r]
    if rises:
        rise(d, r, m, inv_t, variance)
        set_top(d, r, m, rate, None)
    top, scale = as_like(d[M + r], like), scale_of(d, r, rate, like)
    about = about_row(d, r, rate, None, like)
    if m < d[M + r]:
        total, first, second = block_sums(x, at, n, None, about, rate, variance, marks, like)
    else:
        for k in range(LONGEST // 64):
            marks[k] = 0
        total, first, second = block_sums(x, at, n, top, about, rate, variance, marks, like)
        ties, place = marked(marks)
        d[TIES + r] += np.float64(ties)
        if rises:
            d[PLACE + r] = block + place
    d[REST + r] = fma(np.float64(total), scale, d[REST + r])
    d[FIRST + r] += np.float64(first) * scale
    d[SECOND + r] += np.float64(second) * (scale * second_scale(like, variance))


@kernel
def statistics_rows(lo: Any, hi: Any, inner_count: Any, count: Any, x: Any, staged: Any,
                    indices: Any, ignore: Any, numbers: Any, temperature: Any, variance: Any,
                    columns: Any, taker: Any, scratch: Any, states: Any, like: Any,
                    x_like: Any) -> None:  # fmt: skip
    """The statistics of rows [lo, hi).

    Parameters as those of `wide.loss_rows`, and:

    variance : None or int
        None for what `RowStatistics` has, else the loss and its derivatives by 1 / T.
    columns : tuple of int
        Addresses of the results, in the order of `RowStatistics`; or loss and two derivatives.
    taker : None or tuple of int
        None, or who takes the rows from the columns, a chunk at a time (chunks.py).
    """
    d, marks = pointer(states, _F64), pointer(scratch + SPARE, _I64)
    memory, buffer = pointer(x[0], x_like), pointer(scratch + X_BUFFER, x_like)
    rate, rate_64 = swift_rate(temperature, like), rate_of(temperature, _F64)

    size = LONGEST if count <= LONGEST else BLOCK
    row, first = lo, first_of_chunk(taker, lo)
    while row < hi:
        outer, position = row // inner_count, row % inner_count
        start = outer * x[1] + position * x[2]
        tile = min(TILE, inner_count - position, hi - row)
        begin(d)
        describe(d, row, tile, indices, 0, 0, ignore)
        for r in range(tile):
            d[BEFORE + r], d[PLACE + r] = 0.0, 0.0
            if d[SAMPLE + r] > 0.0:
                label = pointer(indices, _I64)[row + r]
                d[PICKED + r] = read(memory, start + r * x[2] + label * x[3], _F64)
        sums = (d, row, indices, rate, numbers[INVERSE_TEMPERATURE], variance, marks, like)
        visit(add_block, sums, staged, size, count, tile, x, start, memory, buffer, NOTHING, 0,
              None, None, NOTHING, 0, memory, buffer, False, like)  # fmt: skip
        finish(d, numbers, rate_64, (1.0, 1.0), variance, like)
        give(d, columns, row - first, tile, variance, like)
        row += tile
        first = hand_on(taker, first, row, hi)
