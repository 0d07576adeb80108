"""The statistics of rows of many classes: a row at a time, vectorised along its classes.

As `wide`, a row is read once, in blocks that stay in the L1 cache: the block's maximum; then the
sums relative to the largest logit so far, merged into the row's in float64. Meanwhile a bit is
noted of every logit that comes before the label's, which is known beforehand.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from lastlayer.kernels.ahead import far_ahead
from lastlayer.kernels.chunks import first_of_chunk, hand_on
from lastlayer.kernels.jit import inner, kernel
from lastlayer.kernels.lanes import all_of, largest_of, total_of, totals_across
from lastlayer.kernels.largest import block_max
from lastlayer.kernels.layout import NOTHING
from lastlayer.kernels.memory import as_like, lane_count, pointer, read, store
from lastlayer.kernels.power import swift_rate
from lastlayer.kernels.row import (
    BLOCK,
    HIGH,
    INVERSE_TEMPERATURE,
    LIMIT,
    LONGEST,
    PICKED,
    REST,
    SAMPLE,
    TIES,
    M,
    describe,
)
from lastlayer.kernels.simd import fill, fma, less, next_up
from lastlayer.kernels.softcap_row import about_row, set_top
from lastlayer.kernels.statistics_blocks import (
    WORDS,
    block_sums,
    clear,
    distances,
    marked,
    marked_before,
    scales,
    ties_before,
)
from lastlayer.kernels.statistics_row import BEFORE, FIRST, PLACE, SECOND, finish, give
from lastlayer.kernels.tile import (
    KEPT,
    SPARE,
    TILE,
    X_BUFFER,
    begin,
    find_largest,
    visit,
    whole_rows,
)
from lastlayer.kernels.vecmath import rate_of

_F64, _I64 = np.float64(0), np.int64(0)

# classes from which on rows are taken by turns, as `tile` does: with more to compute than for the
# loss it pays later
BY_TURNS = 768

# working memory where no exponentials are kept: of rows that are a block each three vectors, and
# the marks of each row
SUMS = KEPT
MARKS = SUMS + 3 * TILE * 64


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
    (d, whole, by_turns, step, tile, row, indices, rate, inv_t, variance, totals, marks, bounds,
     like) = extra  # fmt: skip
    first, after, ahead = whole_rows(step, r, tile, by_turns)
    if whole and r == 0:
        find_largest(d, x, at, step, n, first, rate, None, totals, like)
    label, picked = -1, as_like(d[PICKED + r], like)
    if variance is None and d[SAMPLE + r] > 0.0:
        label = pointer(indices, _I64)[row + r] - block
        if 0 <= label < n:
            d[BEFORE + r] += np.float64(ties_before(x, at, label, picked, like))
    bounds[0], bounds[1] = next_up(picked), picked
    if not whole:
        after, ahead = 0, far_ahead(x)
    merge(d, r, block, x, at, n, ahead, whole, after, label, bounds, rate, inv_t, variance, totals,
          marks, like)  # fmt: skip
    if whole and r == tile - 1:
        add_totals(d, tile, rate, variance, totals, marks, like)


@inner
def merge(d: Any, r: Any, block: Any, x: Any, at: Any, n: Any, ahead: Any, known: Any, after: Any,
          label: Any, bounds: Any, rate: Any, inv_t: Any, variance: Any, totals: Any, marks: Any,
          like: Any) -> None:  # fmt: skip
    """Add a block to a row's maximum and sums.

    As `tile.merge`: where the maximum is `known` the sums go to `add_totals`, and the maximum of
    the next row is taken meanwhile, if there is one.
    """
    reached, rises, to = True, False, 16 * WORDS * r if known else 0
    if not known:
        # rarely in a long row: known without comparing one lane with another
        most = block_max(x, at, n, as_like(d[M + r], like), like)
        reached = not all_of(less(most, fill(as_like(d[M + r], like), like)))
        if reached:
            m = np.float64(largest_of(most))
            rises = m > d[M + r]
            if rises:
                rise(d, r, m, inv_t, variance)
                set_top(d, r, m, rate, None)
    about, level = about_row(d, r, rate, None, like), as_like(d[M + r], like)
    clear(marks, to)
    if reached:
        total, first, second, larger = block_sums(
            x, at, n, ahead, after, level, about, label, bounds, rate, variance, marks, to, like
        )
        if known:
            lanes = lane_count(like)
            store(totals, r * lanes, total)
            store(totals, (TILE + r) * lanes, first)
            store(totals, (2 * TILE + r) * lanes, second)
            if after != 0:
                d[M + r + 1] = np.float64(largest_of(larger))
                set_top(d, r + 1, d[M + r + 1], rate, None)
            return
        ties, place = marked(marks, to, like)
        d[TIES + r] += np.float64(ties)
        if rises:
            d[PLACE + r] = block + place
    else:
        total, first, second, _ = block_sums(
            x, at, n, ahead, None, None, about, label, bounds, rate, variance, marks, to, like
        )
    if variance is None:
        d[BEFORE + r] += np.float64(marked_before(marks, to))
    scale, second_scale = scales(d, r, rate, variance, like)
    more, away = np.float64(total_of(total)), np.float64(total_of(first))
    d[REST + r] = fma(more, scale, d[REST + r])
    d[FIRST + r] += scale * distances(away, more, d[M + r], d[HIGH + r], d[LIMIT + r], rate)
    d[SECOND + r] += np.float64(total_of(second)) * second_scale


@inner
def add_totals(d: Any, tile: Any, rate: Any, variance: Any, totals: Any, marks: Any,
               like: Any) -> None:  # fmt: skip
    """The sums of all rows from what `merge` left of them."""
    lanes = lane_count(like)
    for r in range(0, TILE, lanes):
        store(d, REST + r, totals_across(totals, r * lanes))
        store(d, FIRST + r, totals_across(totals, (TILE + r) * lanes))
        store(d, SECOND + r, totals_across(totals, (2 * TILE + r) * lanes))
    for r in range(TILE):
        total, (scale, second_scale) = d[REST + r], scales(d, r, rate, variance, like)
        d[FIRST + r] = scale * distances(
            d[FIRST + r], total, d[M + r], d[HIGH + r], d[LIMIT + r], rate
        )
        d[SECOND + r] *= second_scale
        d[REST + r] = total * scale
    for r in range(tile):
        ties, place = marked(marks, 16 * WORDS * r, like)
        d[TIES + r], d[PLACE + r] = ties, place
        if variance is None:
            d[BEFORE + r] += marked_before(marks, 16 * WORDS * r)


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
    d, marks = pointer(states, _F64), pointer(scratch + MARKS, _I64)
    totals, bounds = pointer(scratch + SUMS, like), pointer(scratch + SPARE, like)
    memory, buffer = pointer(x[0], x_like), pointer(scratch + X_BUFFER, x_like)
    rate, label_rate = swift_rate(temperature, like), rate_of(temperature, like)

    whole = count <= LONGEST
    by_turns = whole and count >= BY_TURNS
    size = LONGEST if whole else BLOCK
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
        step = x[2] if staged is None else LONGEST
        sums = (d, whole, by_turns, step, tile, row, indices, rate, numbers[INVERSE_TEMPERATURE],
                variance, totals, marks, bounds, like)  # fmt: skip
        visit(add_block, sums, staged, size, count, tile, x, start, memory, buffer, NOTHING, 0,
              None, None, NOTHING, 0, memory, buffer, False, like)  # fmt: skip
        finish(d, numbers, label_rate, (1.0, 1.0), variance, like)
        give(d, columns, row - first, tile, variance, like)
        row += tile
        first = hand_on(taker, first, row, hi)
