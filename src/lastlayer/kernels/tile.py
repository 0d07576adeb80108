"""What a tile is to the kernels for many classes: some rows whose sums are finished together.

Its rows are visited block by block, in place or in buffers, and a block is added to a row's sums.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import types

from lastlayer.kernels.ahead import far_ahead
from lastlayer.kernels.blocks import block_below, block_sum
from lastlayer.kernels.coefficients import block_coefficients, block_distance, block_faults
from lastlayer.kernels.jit import by_dtype, inner
from lastlayer.kernels.kept import ROOM, kept_at, note
from lastlayer.kernels.lanes import all_of, largest_across, largest_of, total_of, totals_across
from lastlayer.kernels.largest import block_max
from lastlayer.kernels.memory import as_like, lane_count, store
from lastlayer.kernels.row import (
    AT_TOP,
    BEHIND,
    BELOW,
    FAULTS,
    HIGH,
    LIMIT,
    LONGEST,
    LOW,
    NEAR_LIMIT,
    REST,
    ROWS,
    TIES,
    TOP,
    M,
)
from lastlayer.kernels.simd import fill, fma, less
from lastlayer.kernels.softcap_row import about_row, scale_of, set_all_tops, set_top
from lastlayer.kernels.staging import stage, unstage

TILE = ROWS  # rows whose sums are finished together
TILE_LOGITS = 1 << 12  # no more rows than have these together: they are read again from the cache
BY_TURNS = 384  # classes from which on a row's maximum is taken while the row before is summed

# working memory, in bytes: rows of logits, of targets and of results, a line or what it is good
# for, of rows that are a block each two vectors, and exponentials
_BUFFER = TILE * LONGEST * 8
X_BUFFER, T_BUFFER, G_BUFFER, SPARE = 0, _BUFFER, 2 * _BUFFER, 3 * _BUFFER
TOTALS = SPARE + 128
KEPT = TOTALS + 2 * TILE * 64  # see kept.py
SCRATCH = KEPT + ROOM


@inner
def begin(d: Any) -> None:
    """Empty sums for the rows of a tile."""
    for r in range(TILE):
        d[M + r], d[TOP + r] = -np.inf, -np.inf
        d[REST + r], d[TIES + r] = 0.0, 0.0
        d[BEHIND + r], d[BELOW + r], d[AT_TOP + r] = 0.0, 0.0, 0.0
        d[HIGH + r], d[LOW + r], d[LIMIT + r], d[NEAR_LIMIT + r] = 0.0, 1.0, 0.0, 0.0


@inner
def rise(d: Any, r: Any, m: Any, rate: Any, inv_t: Any, cap: Any) -> None:
    """A row's sums relative to a larger maximum than before."""
    before = d[TOP + r]
    set_top(d, r, m, rate, cap)
    top = d[TOP + r]
    lowered = math.exp((before - top) * inv_t)  # exp(−inf) = 0 at the first block
    d[REST + r] = (d[REST + r] + d[TIES + r]) * lowered
    d[TIES + r] = 0.0
    if d[BELOW + r] + d[AT_TOP + r] > 0.0:
        d[BEHIND + r] += (d[BELOW + r] + d[AT_TOP + r]) * (top - before)
    d[BELOW + r] += d[AT_TOP + r]
    d[AT_TOP + r] = 0.0
    d[M + r] = m


@inner
def merge(d: Any, r: Any, x: Any, at: Any, n: Any, ahead: Any, known: Any, after: Any, rate: Any,
          inv_t: Any, cap: Any, totals: Any, kept: Any, to: Any, like: Any) -> Any:  # fmt: skip
    """Add a block to a row's maximum, sum and ties; its exponentials to kept[to] and on.

    Where the maximum is `known` the sums go to `add_totals`; and if the next row's logits begin
    `after` elements further on (neither 0 nor None), its maximum is taken meanwhile. Returned is
    whether a logit may be the row's maximum.
    """
    reached = True
    if not known:
        # rarely in a long row: known without comparing one lane with another
        most = block_max(x, at, n, as_like(d[M + r], like), like)
        reached = not all_of(less(most, fill(as_like(d[M + r], like), like)))
        if reached:
            m = np.float64(largest_of(most))
            if m > d[M + r]:
                rise(d, r, m, rate, inv_t, cap)
    about, scale = about_row(d, r, rate, cap, like), scale_of(d, r, rate, cap, like)
    if reached:
        level = as_like(d[M + r], like)
        total, ties, most = block_sum(x, at, n, ahead, after, level, about, kept, to, like)
        if known:
            store(totals, r * lane_count(like), total)
            store(totals, (TILE + r) * lane_count(like), ties)
            if after is not None and after != 0:
                d[M + r + 1] = np.float64(largest_of(most))
                set_top(d, r + 1, d[M + r + 1], rate, cap)
        else:
            d[REST + r] = fma(np.float64(total_of(total)), scale, d[REST + r])
            d[TIES + r] += np.float64(total_of(ties))
    else:
        total = block_below(x, at, n, ahead, about, kept, to, like)
        d[REST + r] = fma(np.float64(total_of(total)), scale, d[REST + r])
    return reached


# Rows of at most a block: steps between lanes are taken for sixteen of them together.


@inner
def find_largest(d: Any, x: Any, at: Any, step: Any, n: Any, tile: Any, rate: Any, cap: Any,
                 totals: Any, like: Any) -> None:  # fmt: skip
    """The maxima of rows of n logits that begin `step` apart."""
    lanes = lane_count(like)
    for r in range(tile):
        store(totals, r * lanes, block_max(x, at + r * step, n, as_like(-np.inf, like), like))
    for r in range(0, TILE, lanes):
        store(d, M + r, largest_across(totals, r * lanes))
    set_all_tops(d, rate, cap)


@inner
def add_totals(d: Any, n: Any, rate: Any, cap: Any, t: Any, weights: Any, mix: Any, totals: Any,
               like: Any) -> None:  # fmt: skip
    """The sums of all rows from what `merge` left of them."""
    lanes = lane_count(like)
    for r in range(0, TILE, lanes):
        store(d, REST + r, totals_across(totals, r * lanes))
        store(d, TIES + r, totals_across(totals, (TILE + r) * lanes))
    for r in range(TILE):
        d[REST + r] *= scale_of(d, r, rate, cap, like)
    if mix is not None and t is None and weights is None:
        for r in range(TILE):
            share_alike(d, r, n, mix)


# Where the rows of a tile are found: in place, or block by block in buffers. That is known when a
# kernel is compiled, by the type of `staged`, since the one has no use for the code of the other.


@inner
def visit(each: Any, extra: Any, staged: Any, size: Any, count: Any, tile: Any, x: Any,
          start: Any, memory: Any, buffer: Any, targets: Any, t_start: Any, t_memory: Any,
          t_buffer: Any, g: Any, g_start: Any, g_memory: Any, result: Any,
          past: Any, like: Any) -> None:  # fmt: skip
    """each(extra, r, block, n, logits, at, targets, at, gradient, to) for every block of a tile.

    Where the classes of all arrays lie side by side (`staged` is None) row by row, in place; else
    block by block, with what lies otherwise copied for the whole tile before, and the gradient
    after. g is NOTHING where none is asked for.
    """
    if staged is None:
        for r in range(tile):
            at, t_at, to = start + r * x[2], t_start + r * targets[2], g_start + r * g[2]
            for block in range(0, count, size):
                n = min(size, count - block)
                each(extra, r, block, n, memory, at + block, t_memory, t_at + block, g_memory,
                     to + block)  # fmt: skip
    else:
        portion = min(size, LONGEST)
        for block in range(0, count, portion):
            n = min(portion, count - block)
            stage(x, memory, start + block * x[3], n, tile, buffer, LONGEST, like)
            if t_memory is not None:
                stage(targets, t_memory, t_start + block * targets[3], n, tile, t_buffer, LONGEST,
                      like)  # fmt: skip
            for r in range(tile):
                at = r * LONGEST
                each(extra, r, block, n, buffer, at, t_buffer, at, result, at)
            if g[0] != 0:
                unstage(g, g_memory, g_start + block * g[3], n, tile, result, LONGEST, past,
                        like)  # fmt: skip


@by_dtype
def rows_by_turns(count: Any, g: Any, cap: Any) -> Any:
    """Whether a row's maximum is taken while the row before it is summed; None for never.

    A gradient under a soft-cap leaves no time for it.
    """

    def never(count: Any, g: Any, cap: Any) -> Any:
        return None

    def of_some(count: Any, g: Any, cap: Any) -> Any:
        return BY_TURNS <= count <= LONGEST

    return of_some if types.none in (g, cap) else never


@by_dtype
def whole_rows(step: Any, r: Any, tile: Any, by_turns: Any) -> Any:
    """Of rows of one block: how many maxima to find before the first is summed; how far on the row
    lies whose maximum is taken with row r, 0 for none and None for never; and what to ask for.
    """  # fmt: skip

    def together(step: Any, r: Any, tile: Any, by_turns: Any) -> Any:
        return tile, None, tile * step

    def either(step: Any, r: Any, tile: Any, by_turns: Any) -> Any:
        if by_turns:
            return 1, step if r + 1 < tile else 0, 2 * step
        return tile, 0, tile * step

    return together if isinstance(by_turns, types.NoneType) else either


@inner
def add_block(extra: Any, r: Any, block: Any, n: Any, x: Any, at: Any, t: Any, t_at: Any, g: Any,
              to: Any) -> None:  # fmt: skip
    """The sums of a block, for `visit`."""
    (d, whole, by_turns, step, tile, rate, inv_t, cap, weights, mix, totals, count, kept, bases,
     like) = extra  # fmt: skip
    first, after, ahead = whole_rows(step, r, tile, by_turns)
    if whole and r == 0:
        find_largest(d, x, at, step, n, first, rate, cap, totals, like)
    ahead, to_kept = ahead if whole else far_ahead(x), kept_at(r, block, count, like)
    reached = merge(d, r, x, at, n, ahead, whole, after, rate, inv_t, cap, totals, kept, to_kept,
                    like)  # fmt: skip
    note(bases, r, block, n, d[TOP + r], like)
    add_coefficients(d, r, block, n, x, at, t, t_at, reached, rate, cap, weights, mix, like)
    if whole and r == tile - 1:
        add_totals(d, n, rate, cap, t, weights, mix, totals, like)


# An option is looked for (`mix is None`) where it is an argument: Numba then leaves out what can't
# be reached, which it does not for what comes out of a tuple.


@inner
def share_alike(d: Any, r: Any, count: Any, mix: Any) -> None:
    """The coefficients below and at the maximum of so many classes that have the same."""
    d[BELOW + r] = mix[1] * (count - d[TIES + r])
    d[AT_TOP + r] = mix[1] * d[TIES + r]


@inner
def add_coefficients(d: Any, r: Any, block: Any, n: Any, x: Any, at: Any, t: Any, t_at: Any,
                     reached: Any, rate: Any, cap: Any, weights: Any, mix: Any,
                     like: Any) -> None:  # fmt: skip
    """The sums of a block's coefficients, where there are any."""
    if mix is not None:
        m, about = as_like(d[M + r], like), about_row(d, r, rate, cap, like)
        if t is None and weights is None:  # the same for every class
            distance = np.float64(block_distance(x, at, n, m, about, like))
            d[BEHIND + r] += mix[1] * distance
            share_alike(d, r, block + n, mix)
        else:
            if reached:
                behind, below, above = block_coefficients(
                    x, at, n, t, t_at, weights, block, mix, m, about, like
                )
            else:
                behind, below, above = block_coefficients(
                    x, at, n, t, t_at, weights, block, mix, None, about, like
                )
            d[BEHIND + r] += np.float64(behind)
            d[BELOW + r] += np.float64(below)
            d[AT_TOP + r] += np.float64(above)
        if t is not None:
            d[FAULTS] += block_faults(t, t_at, n, like)
