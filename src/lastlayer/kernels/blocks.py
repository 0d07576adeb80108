"""What the kernels for many classes do with one block of a row, held in the L1 cache.

A block's maximum, its sums, its gradient; and the copies that bring other layouts, dtypes and
options into the plain form that these work on.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types

from lastlayer.kernels.jit import by_dtype, inner, summing, widest_vectors
from lastlayer.kernels.memory import as_like, gather, pointer, scatter
from lastlayer.kernels.row import capped, capped_slope, label_weight
from lastlayer.kernels.vecmath import bits, exp_negative, exp_scaled, from_bits

BLOCK = 2048  # logits summed in the working precision before float64 takes over

_F64 = np.float64(0)


@by_dtype
def block_max(x: Any, at: Any, n: Any) -> Any:
    """The largest of x[at : at + n], as ordered integers: vectorised without losing NaN."""

    def single(x: Any, at: Any, n: Any) -> Any:
        widest_vectors()
        best = np.int32(-0x80000000)
        for j in range(n):
            b = bits(x[at + j])
            key = np.int32(b ^ np.int32((b >> np.int32(31)) & np.int32(0x7FFFFFFF)))
            best = key if key > best else best
        return from_bits(np.int32(best ^ np.int32((best >> np.int32(31)) & np.int32(0x7FFFFFFF))))

    def double(x: Any, at: Any, n: Any) -> Any:
        widest_vectors()
        best = np.int64(-0x8000000000000000)
        for j in range(n):
            b = bits(x[at + j])
            key = b ^ ((b >> np.int64(63)) & np.int64(0x7FFFFFFFFFFFFFFF))
            best = key if key > best else best
        return from_bits(best ^ ((best >> np.int64(63)) & np.int64(0x7FFFFFFFFFFFFFFF)))

    return single if x.dtype == types.float32 else double


@inner
def exp_shifted(x: Any, m: Any, rate: Any) -> Any:
    """exp_scaled of the difference, which is exact where it matters; apart from the sum's flags."""
    return exp_scaled(x - m, rate)


@summing
def block_sum(x: Any, at: Any, n: Any, m: Any, rate: Any) -> Any:
    """(Σ exp_scaled over what is not m, how many are m) of a block. A NaN is not m."""
    widest_vectors()
    zero, one = as_like(0.0, m), as_like(1.0, m)
    total, ties = zero, zero
    for j in range(n):
        v = x[at + j]
        e = exp_shifted(v, m, rate)
        total += zero if v == m else e
        ties += one if v == m else zero
    return total, ties


@summing
def block_coefficients(x: Any, at: Any, n: Any, a: Any, frm: Any, m: Any) -> Any:
    """(Σ a_j (m − x_j), Σ a_j below m, Σ a_j at m) of a block; 0 · ∞ is 0."""
    widest_vectors()
    zero = as_like(0.0, m)
    behind, below, top = zero, zero, zero
    for j in range(n):
        v, c = x[at + j], a[frm + j]
        distance = zero if v == m else m - v
        behind += zero if c == zero else c * distance
        below += zero if v == m else c
        top += c if v == m else zero
    return behind, below, top


@inner
def block_exp(x: Any, at: Any, n: Any, m: Any, rate: Any, factor: Any, g: Any, to: Any) -> None:
    """g_j = factor · exp((x_j − m) / T)."""
    widest_vectors()
    for j in range(n):
        g[to + j] = exp_negative(x[at + j] - m, rate) * factor


@inner
def block_gradient(x: Any, at: Any, n: Any, a: Any, frm: Any, m: Any, rate: Any, factor: Any,
                   share: Any, single: Any, alone: Any, g: Any, to: Any) -> None:  # fmt: skip
    """g_j = factor · exp((x_j − m) / T) − share · a_j, and `alone` at a single maximum."""
    widest_vectors()
    for j in range(n):
        v = x[at + j]
        plain = exp_negative(v - m, rate) * factor - share * a[frm + j]
        g[to + j] = alone if single and v == m else plain


@inner
def block_log(x: Any, at: Any, n: Any, m: Any, log_s: Any, g: Any, to: Any) -> None:
    """g_j = (x_j − m) − log S."""
    widest_vectors()
    for j in range(n):
        g[to + j] = (x[at + j] - m) - log_s


# --------------------------------------------------------------------------- staging


@inner
def stage(layout: Any, at: Any, block: Any, n: Any, tile: Any, buffer: Any) -> None:
    """Copy classes [block, block + n) of `tile` rows into rows of a buffer, of stride BLOCK."""
    si, sc = layout[2], layout[3]
    at += block * sc
    if tile > 1 and si == 1:
        gather(layout, at, sc, si, buffer, 0, 1, BLOCK, n, tile)
    else:
        gather(layout, at, si, sc, buffer, 0, BLOCK, 1, tile, n)


@inner
def unstage(buffer: Any, layout: Any, at: Any, block: Any, n: Any, tile: Any) -> None:
    """The reverse of `stage`."""
    si, sc = layout[2], layout[3]
    at += block * sc
    if tile > 1 and si == 1:
        scatter(buffer, 0, 1, BLOCK, layout, at, sc, si, n, tile)
    else:
        scatter(buffer, 0, BLOCK, 1, layout, at, si, sc, tile, n)


@inner
def cap_block(buffer: Any, slope: Any, n: Any, tile: Any, cap: Any, want_slope: Any) -> None:
    """x → cap · tanh(x / cap) in the buffer, and with `want_slope` its derivative beside it."""
    for r in range(tile):
        at = r * BLOCK
        if want_slope:
            for j in range(n):
                slope[at + j] = capped_slope(buffer[at + j], cap)
        for j in range(n):
            buffer[at + j] = capped(buffer[at + j], cap)


@inner
def stage_coefficients(targets: Any, at: Any, block: Any, n: Any, tile: Any, row: Any, indices: Any,
                       classes: Any, count: Any, smoothing: Any, buffer: Any) -> None:  # fmt: skip
    """a_j = w_j ((1 − ε) t_j + ε / C) of a block, t from an array or a class index."""
    uniform = smoothing / count
    if targets[0] != 0:
        stage(targets, at, block, n, tile, buffer)
    for r in range(tile):
        o = r * BLOCK
        if targets[0] != 0:
            for j in range(n):
                buffer[o + j] = (1.0 - smoothing) * buffer[o + j] + uniform
        else:
            for j in range(n):
                buffer[o + j] = uniform
            label = label_weight(row + r, 0, indices)[0] - block
            if 0 <= label < n:
                buffer[o + label] = (1.0 - smoothing) + uniform
        if classes != 0:
            weights = pointer(classes, _F64)
            for j in range(n):
                buffer[o + j] = buffer[o + j] * weights[block + j]
