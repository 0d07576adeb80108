"""What a tile is to the kernels for many classes: some rows whose sums are finished together.

Its rows are visited block by block, in place or in buffers, and a block is added to a row's sums.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from lastlayer.kernels.blocks import block_below, block_max, block_sum
from lastlayer.kernels.coefficients import block_coefficients, block_distance, block_faults
from lastlayer.kernels.jit import inner, one_by_one
from lastlayer.kernels.kept import ROOM, kept_at, note
from lastlayer.kernels.memory import as_like
from lastlayer.kernels.row import AT_TOP, BEHIND, BELOW, BLOCK, FAULTS, REST, ROWS, TIES, TOP, M
from lastlayer.kernels.softcap_row import about_row, set_top
from lastlayer.kernels.vecmath import unscale

TILE = ROWS  # rows whose sums are finished together
TILE_LOGITS = 1 << 13  # no more rows than have these together: they are read again from the cache

# working memory, in bytes: rows of logits, of targets and of results, a line or what it
# is good for, and exponentials
_BUFFER = TILE * BLOCK * 8
X_BUFFER, T_BUFFER, G_BUFFER, SPARE = 0, _BUFFER, 2 * _BUFFER, 3 * _BUFFER
KEPT = SPARE + 64  # see kept.py
SCRATCH = KEPT + ROOM


@inner
def begin(d: Any) -> None:
    """Empty sums for the rows of a tile."""
    for r in range(TILE):
        d[M + r], d[TOP + r] = -np.inf, -np.inf
        d[REST + r], d[TIES + r] = 0.0, 0.0
        d[BEHIND + r], d[BELOW + r], d[AT_TOP + r] = 0.0, 0.0, 0.0


@inner
def merge(d: Any, r: Any, x: Any, at: Any, n: Any, rate: Any, inv_t: Any, cap: Any,
          kept: Any, to: Any, like: Any) -> None:  # fmt: skip
    """Add a block to a row's maximum, sum and ties; its exponentials to kept[to] and on."""
    found = block_max(x, at, n, like)
    m = np.float64(found)
    if m > d[M + r]:
        before = d[TOP + r]
        set_top(d, r, m, cap)
        top = d[TOP + r]
        lowered = math.exp((before - top) * inv_t)  # exp(−inf) = 0 at the first block
        d[REST + r] = (d[REST + r] + d[TIES + r]) * lowered
        d[TIES + r] = 0.0
        if d[BELOW + r] + d[AT_TOP + r] > 0.0:
            d[BEHIND + r] += (d[BELOW + r] + d[AT_TOP + r]) * (top - before)
        d[BELOW + r] += d[AT_TOP + r]
        d[AT_TOP + r] = 0.0
        d[M + r] = m
    about = about_row(d, r, rate, cap, like)
    if m < d[M + r]:
        total = block_below(x, at, n, about, kept, to, like)
        d[REST + r] += np.float64(total) * unscale(like)
    else:
        total, ties = block_sum(x, at, n, as_like(d[M + r], like), about, kept, to, like)
        d[REST + r] += np.float64(total) * unscale(like)
        d[TIES + r] += np.float64(ties)


@inner
def copy(source: Any, at: Any, s0: Any, s1: Any, target: Any, to: Any, t0: Any, t1: Any,
         n0: Any, n1: Any) -> None:  # fmt: skip
    """target[to + a·t0 + b·t1] = source[at + a·s0 + b·s1] for a < n0, b < n1, of one dtype."""
    for a in range(n0):
        i, o = at + a * s0, to + a * t0
        for b in range(n1):
            one_by_one()
            target[o + b * t1] = source[i + b * s1]


@inner
def stage(layout: Any, x: Any, at: Any, n: Any, tile: Any, buffer: Any) -> None:
    """Copy n classes of `tile` rows, from x[at] on, into rows of a buffer."""
    rows, classes = layout[2], layout[3]
    if rows == 1:
        copy(x, at, classes, 1, buffer, 0, 1, BLOCK, n, tile)
    else:
        copy(x, at, rows, classes, buffer, 0, BLOCK, 1, tile, n)


@inner
def unstage(layout: Any, g: Any, at: Any, n: Any, tile: Any, buffer: Any) -> None:
    """The reverse of `stage`."""
    rows, classes = layout[2], layout[3]
    if rows == 1:
        copy(buffer, 0, 1, BLOCK, g, at, classes, 1, n, tile)
    else:
        copy(buffer, 0, BLOCK, 1, g, at, rows, classes, tile, n)


# Where the rows of a tile are found: in place, or block by block in buffers. That is known when a
# kernel is compiled, by the type of `staged`, since the one has no use for the code of the other.


@inner
def visit(each: Any, extra: Any, staged: Any, size: Any, count: Any, tile: Any, x: Any,
          start: Any, memory: Any, buffer: Any, targets: Any, t_start: Any, t_memory: Any,
          t_buffer: Any, g: Any, g_start: Any, g_memory: Any, result: Any) -> None:  # fmt: skip
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
        for block in range(0, count, BLOCK):
            n = min(BLOCK, count - block)
            stage(x, memory, start + block * x[3], n, tile, buffer)
            if t_memory is not None:
                stage(targets, t_memory, t_start + block * targets[3], n, tile, t_buffer)
            for r in range(tile):
                at = r * BLOCK
                each(extra, r, block, n, buffer, at, t_buffer, at, result, at)
            if g[0] != 0:
                unstage(g, g_memory, g_start + block * g[3], n, tile, result)


@inner
def add_block(extra: Any, r: Any, block: Any, n: Any, x: Any, at: Any, t: Any, t_at: Any, g: Any,
              to: Any) -> None:  # fmt: skip
    """The sums of a block, for `visit`."""
    d, rate, inv_t, cap, weights, mix, count, kept, bases, like = extra
    merge(d, r, x, at, n, rate, inv_t, cap, kept, kept_at(r, block, count, like), like)
    note(bases, r, block, d[TOP + r], like)
    add_coefficients(d, r, block, n, x, at, t, t_at, rate, cap, weights, mix, like)


# An option is looked for (`mix is None`) where it is an argument: Numba then leaves out what can't
# be reached, which it does not for what comes out of a tuple.


@inner
def add_coefficients(d: Any, r: Any, block: Any, n: Any, x: Any, at: Any, t: Any, t_at: Any,
                     rate: Any, cap: Any, weights: Any, mix: Any, like: Any) -> None:  # fmt: skip
    """The sums of a block's coefficients, where there are any."""
    if mix is not None:
        m, about = as_like(d[M + r], like), about_row(d, r, rate, cap, like)
        if t is None and weights is None:  # the same for every class
            distance = np.float64(block_distance(x, at, n, m, about, like))
            d[BEHIND + r] += mix[1] * distance
            d[BELOW + r] = mix[1] * (block + n - d[TIES + r])
            d[AT_TOP + r] = mix[1] * d[TIES + r]
        else:
            behind, below, above = block_coefficients(
                x, at, n, t, t_at, weights, block, mix, m, about, like
            )
            d[BEHIND + r] += np.float64(behind)
            d[BELOW + r] += np.float64(below)
            d[AT_TOP + r] += np.float64(above)
        if t is not None:
            d[FAULTS] += np.float64(block_faults(t, t_at, n, like))
