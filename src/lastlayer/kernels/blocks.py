"""What the kernels for many classes do with a row, or with the part of it that a buffer holds.

The maximum, the sums and the gradient, a vector at a time, four of them side by side so that
none waits for another. What is read lies in memory or in a buffer, in the dtype of the logits.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types

from lastlayer.kernels.coefficients import coefficients
from lastlayer.kernels.jit import by_dtype, inner
from lastlayer.kernels.memory import (
    address_at,
    lane_count,
    load,
    load_up_to,
    prefetch,
    store,
    store_first,
    stream,
    width,
)
from lastlayer.kernels.simd import equal, fill, largest_of, maximum, total_of, where
from lastlayer.kernels.softcap import capped, capped_slope
from lastlayer.kernels.vecmath import exp_scaled, times

BLOCK = 512  # logits summed in the working precision before float64 takes over
AHEAD = 4096  # bytes: how far before its use memory is asked for; the hardware stops at each page

# --------------------------------------------------------------------------- sums


@inner
def ask(x: Any, at: Any, lanes: Any) -> None:
    """Ask for the memory AHEAD of four vectors."""
    ahead = at + AHEAD // width(x[0])
    prefetch(x, ahead)
    prefetch(x, ahead + 2 * lanes)
    if lanes * width(x[0]) > 32:  # else two vectors lie in a cache line
        prefetch(x, ahead + lanes)
        prefetch(x, ahead + 3 * lanes)


@inner
def block_max(x: Any, at: Any, n: Any, like: Any) -> Any:
    """The largest of x[at : at + n]. A NaN is passed over: the sum will have it."""
    lanes, end, j = lane_count(like), at + n, at
    a = fill(-np.inf, like)
    b, c, d = a, a, a
    while j + 4 * lanes <= end:
        ask(x, j, lanes)
        a = maximum(load(x, j, like), a)
        b = maximum(load(x, j + lanes, like), b)
        c = maximum(load(x, j + 2 * lanes, like), c)
        d = maximum(load(x, j + 3 * lanes, like), d)
        j += 4 * lanes
    while j < end:
        a = maximum(load_up_to(x, j, end - j, -np.inf, like), a)
        j += lanes
    return largest_of(maximum(maximum(a, b), maximum(c, d)))


@inner
def block_below(x: Any, at: Any, n: Any, top: Any, rate: Any, cap: Any, like: Any) -> Any:
    """Σ exp_scaled(z_j − top) of a block in which no logit is the maximum."""
    lanes, end, j = lane_count(like), at + n, at
    t = fill(top, like)
    a = fill(0.0, like)
    b, c, d = a, a, a
    while j + 4 * lanes <= end:
        ask(x, j, lanes)
        a = a + exp_scaled(capped(load(x, j, like), cap) - t, rate)
        b = b + exp_scaled(capped(load(x, j + lanes, like), cap) - t, rate)
        c = c + exp_scaled(capped(load(x, j + 2 * lanes, like), cap) - t, rate)
        d = d + exp_scaled(capped(load(x, j + 3 * lanes, like), cap) - t, rate)
        j += 4 * lanes
    while j < end:
        a = a + exp_scaled(capped(load_up_to(x, j, end - j, -np.inf, like), cap) - t, rate)
        j += lanes
    return total_of((a + b) + (c + d))


@inner
def block_sum(x: Any, at: Any, n: Any, m: Any, top: Any, rate: Any, cap: Any, like: Any) -> Any:
    """(Σ exp_scaled(z_j − top) over what is not m, how many are m) of a block. A NaN is not m."""
    lanes, end, j = lane_count(like), at + n, at
    t, most, one = fill(top, like), fill(m, like), fill(1.0, like)
    a = fill(0.0, like)
    b, c, d, ties = a, a, a, a
    while j + 4 * lanes <= end:
        ask(x, j, lanes)
        v, w = load(x, j, like), load(x, j + lanes, like)
        at_v, at_w = equal(v, most), equal(w, most)
        a = where(at_v, a, a + exp_scaled(capped(v, cap) - t, rate))
        b = where(at_w, b, b + exp_scaled(capped(w, cap) - t, rate))
        ties = where(at_v, ties + one, ties)
        ties = where(at_w, ties + one, ties)
        v, w = load(x, j + 2 * lanes, like), load(x, j + 3 * lanes, like)
        at_v, at_w = equal(v, most), equal(w, most)
        c = where(at_v, c, c + exp_scaled(capped(v, cap) - t, rate))
        d = where(at_w, d, d + exp_scaled(capped(w, cap) - t, rate))
        ties = where(at_v, ties + one, ties)
        ties = where(at_w, ties + one, ties)
        j += 4 * lanes
    while j < end:
        v = load_up_to(x, j, end - j, -np.inf, like)
        at_v = equal(v, most)
        a = where(at_v, a, a + exp_scaled(capped(v, cap) - t, rate))
        ties = where(at_v, ties + one, ties)
        j += lanes
    return total_of((a + b) + (c + d)), total_of(ties)


# --------------------------------------------------------------------------- results

# What becomes of a vector v of logits, n of whose lanes are left. Each takes what it needs of the
# row as a tuple.


@inner
def scaled_exp(v: Any, j: Any, n: Any, row: Any, like: Any) -> Any:
    """factor · exp((z_j − top) / T) · dz_j/dx_j."""
    top, rate, factor, cap = row
    e = exp_scaled(capped(v, cap) - fill(top, like), rate)
    return _sloped(times(e, fill(factor, like)), v, cap)


@inner
def minus_coefficients(v: Any, j: Any, n: Any, row: Any, like: Any) -> Any:
    """factor · exp((z_j − top) / T) − share · a_j, `alone` at a single maximum; times dz_j/dx_j."""
    m, top, rate, factor, cap, share, single, alone, t, t_at, weights, block, mix = row
    e = times(exp_scaled(capped(v, cap) - fill(top, like), rate), fill(factor, like))
    a = coefficients(t, t_at + j, weights, block + j, n, mix, like)
    plain = e - fill(share, like) * a
    if single:
        plain = where(equal(v, fill(m, like)), fill(alone, like), plain)
    return _sloped(plain, v, cap)


@by_dtype
def _sloped(g: Any, v: Any, cap: Any) -> Any:
    def as_is(g: Any, v: Any, cap: Any) -> Any:
        return g

    def times_slope(g: Any, v: Any, cap: Any) -> Any:
        return g * capped_slope(v, cap)

    return as_is if isinstance(cap, types.NoneType) else times_slope


@inner
def logarithm(v: Any, j: Any, n: Any, row: Any, like: Any) -> Any:
    """(x_j − m) − log S."""
    top, log_s = row
    return (v - fill(top, like)) - fill(log_s, like)


@inner
def nothing(v: Any, j: Any, n: Any, row: Any, like: Any) -> Any:
    """0, whatever the logits hold."""
    return fill(0.0, like)


@inner
def _emit(value: Any, row: Any, x: Any, at: Any, j: Any, n: Any, label: Any, own: Any, spare: Any,
          g: Any, to: Any, aligned: Any, like: Any) -> None:  # fmt: skip
    """One vector of the result, of `n` lanes at most, with the label's own entry where it is."""
    lanes = lane_count(like)
    r = value(load_up_to(x, at + j, n, 0.0, like), j, n, row, like)
    if j <= label < j + min(n, lanes):
        store(spare, 0, r)
        spare[label - j] = own
        r = load(spare, 0, like)
    if n < lanes:
        store_first(g, to + j, n, r)
    elif aligned:
        stream(g, to + j, r)
    else:
        store(g, to + j, r)


@inner
def emit(value: Any, row: Any, x: Any, at: Any, n: Any, label: Any, own: Any, spare: Any, g: Any,
         to: Any, past_cache: Any, like: Any) -> None:  # fmt: skip
    """g[to + j] = value(x[at + j]) for j < n, but `own` at the label; past the cache if asked."""
    lanes, j = lane_count(like), 0
    if past_cache:  # up to where a vector is aligned
        bytes_a_vector = lanes * width(g[0])
        head = -address_at(g, to) % bytes_a_vector // width(g[0])
        if head > 0:
            j = min(head, n)
            _emit(value, row, x, at, 0, j, label, own, spare, g, to, False, like)
    while j < n:
        if j + 4 * lanes <= n and not j <= label < j + 4 * lanes:
            left = n - j
            a = value(load(x, at + j, like), j, left, row, like)
            k = j + lanes
            b = value(load(x, at + k, like), k, left - lanes, row, like)
            k += lanes
            c = value(load(x, at + k, like), k, left - 2 * lanes, row, like)
            k += lanes
            d = value(load(x, at + k, like), k, left - 3 * lanes, row, like)
            k = to + j
            if past_cache:
                stream(g, k, a)
                stream(g, k + lanes, b)
                stream(g, k + 2 * lanes, c)
                stream(g, k + 3 * lanes, d)
            else:
                store(g, k, a)
                store(g, k + lanes, b)
                store(g, k + 2 * lanes, c)
                store(g, k + 3 * lanes, d)
            j += 4 * lanes
        else:
            _emit(value, row, x, at, j, n - j, label, own, spare, g, to, past_cache, like)
            j += lanes
