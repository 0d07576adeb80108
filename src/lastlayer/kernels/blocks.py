"""What the kernels for many classes do with a row, or with the part of it that a buffer holds.

The maximum, the sums and the gradient, a vector at a time, some of them abreast so that none waits
for another. What is read lies in memory or in a buffer, in the dtype of the logits.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from lastlayer.kernels.ahead import ask, ask_early
from lastlayer.kernels.coefficients import coefficients
from lastlayer.kernels.effective import (
    ANY,
    NEAR,
    all_within,
    effect,
    near_alone,
    sloped,
)
from lastlayer.kernels.halves import (
    fold_abreast,
    load_abreast,
)
from lastlayer.kernels.jit import inner
from lastlayer.kernels.kept import keep, less_share
from lastlayer.kernels.lanes import fold_largest
from lastlayer.kernels.memory import (
    address_at,
    first_lanes,
    lane_count,
    load,
    load_up_to,
    prefetch,
    prefetch_into_l2,
    store,
    store_first,
    stream,
    width,
)
from lastlayer.kernels.processor import ABREAST
from lastlayer.kernels.simd import (
    abreast,
    const,
    differ,
    equal,
    fill,
    maximum,
    plus_where,
    where,
)
from lastlayer.kernels.softcap_blocks import sum_together
from lastlayer.kernels.vecmath import times

# --------------------------------------------------------------------------- sums


@inner
def _all_near(x: Any, at: Any, about: Any, like: Any) -> Any:
    """Whether the vectors abreast at x[at] may be taken as NEAR; a NaN may, it stays one."""
    v = load(x, at, abreast(like))
    return all_within(v * v, about)


@inner
def block_below(x: Any, at: Any, n: Any, ahead: Any, about: Any, kept: Any, to: Any,
                like: Any) -> Any:  # fmt: skip
    """Σ exp_scaled(z_j − top), lane by lane, of a block in which no logit is the maximum.

    Each of them goes to kept[to] and on, unless that is None. The memory `ahead` elements further
    on is asked for meanwhile.
    """
    lanes, end, j, shift = lane_count(like), at + n, at, to - at
    s = abreast(like)
    while j + ABREAST * lanes <= end:
        v = load_abreast(x, j, kept, s)
        if not all_within(v * v, about):
            break
        ask(x, j + ahead, lanes)
        e, _, slope = effect(v, about, NEAR)
        keep(kept, shift + j, None, sloped(e, slope))
        s = s + e
        j += ABREAST * lanes
    j, a, _ = sum_together(x, j, end, ahead, np.nan, about, kept, shift, like)
    while j < end:
        prefetch(x, j + ahead)
        w = load_up_to(x, j, end - j, -np.inf, like)
        f, _, slope_1 = effect(w, about, ANY)
        keep(kept, shift + j, end - j, sloped(f, slope_1))
        a = a + f
        j += lanes
    return a + fold_abreast(x, kept, s)


@inner
def block_sum(x: Any, at: Any, n: Any, ahead: Any, after: Any, m: Any, about: Any, kept: Any,
              to: Any, like: Any) -> Any:  # fmt: skip
    """(Σ exp_scaled(z_j − top) over what is not m, how many are m) in each lane. A NaN is not m.

    The third is `block_max` of as many logits that begin `after` elements further on, unless that
    is None: they come from memory while the exponentials keep the processor busy.
    """
    lanes, end, j, shift = lane_count(like), at + n, at, to - at
    a, s = fill(0.0, like), abreast(like)
    others, several = a, s
    b, most = fill(-np.inf, like), fill(-np.inf, s)
    while j + ABREAST * lanes <= end:
        v = load_abreast(x, j, kept, s)
        if not all_within(v * v, about):
            break
        ask_early(x, j + ahead, lanes)
        if after is not None:
            most = maximum(load_abreast(x, j + after, kept, s), most)
        below = differ(v, fill(m, s))
        e, _, slope = effect(v, about, NEAR)
        keep(kept, shift + j, None, sloped(e, slope))
        s = plus_where(s, below, e)
        several = plus_where(several, below, fill(1.0, s))
        j += ABREAST * lanes
    while j < end < j + ABREAST * lanes:
        w, real = load_up_to(x, j, end - j, 0.0, like), first_lanes(end - j, like)
        if not near_alone(w * w, about):
            break
        if after is not None:
            b = maximum(load_up_to(x, j + after, end - j, -np.inf, like), b)
        at_m = equal(w, fill(m, like)) & real
        f, _, slope_1 = effect(w, about, NEAR)
        keep(kept, shift + j, end - j, sloped(f, slope_1))
        a = where(real, where(at_m, a, a + f), a)
        others = where(at_m, others, others + fill(1.0, like))
        j += lanes
    begin = j
    j, more, beside = sum_together(x, j, end, ahead, m, about, kept, shift, like)
    a, others = a + more, others + beside
    if after is not None:
        while begin < j:
            b = maximum(load_up_to(x, begin + after, end - begin, -np.inf, like), b)
            begin += lanes
    while j < end:
        prefetch_into_l2(x, j + ahead)
        w = load_up_to(x, j, end - j, -np.inf, like)
        if after is not None:
            b = maximum(load_up_to(x, j + after, end - j, -np.inf, like), b)
        beside = differ(w, fill(m, like))
        f, _, slope_1 = effect(w, about, ANY)
        keep(kept, shift + j, end - j, sloped(f, slope_1))
        a = plus_where(a, beside, f)
        others = plus_where(others, beside, fill(1.0, like))
        j += lanes
    ties = fill((n + lanes - 1) // lanes, like) - (others + fold_abreast(x, kept, several))
    return a + fold_abreast(x, kept, s), ties, maximum(b, fold_largest(most))


# --------------------------------------------------------------------------- results

# What becomes of a vector v of logits, n of whose lanes are left, None for enough. Each takes what
# it needs of the row; `near` as in effective.py.


@inner
def scaled_exp(v: Any, j: Any, n: Any, about: Any, row: Any, near: Any, like: Any) -> Any:
    """factor · exp((z_j − top) / T) · dz_j/dx_j."""
    e, _, slope = effect(v, about, near)
    return times(sloped(e, slope), fill(row, like))


@inner
def scaled_exp_less(v: Any, j: Any, n: Any, about: Any, row: Any, near: Any, like: Any) -> Any:
    """factor · exp((z_j − top) / T) − share · a_j; see `less_share`."""
    e = effect(v, about, near)[0]
    return less_share(e, j, n, times(e, fill(row[0], like)), row[1], like)


@inner
def minus_coefficients(v: Any, j: Any, n: Any, about: Any, row: Any, near: Any, like: Any) -> Any:
    """The same under a soft-cap, `alone` at a single maximum; times dz_j/dx_j."""
    m, factor, share, single, alone, t, t_at, weights, block, mix = row
    e, _, slope = effect(v, about, near)
    a = coefficients(t, t_at + j, weights, block + j, n, mix, like)
    plain = times(e, fill(factor, like)) - fill(share, like) * a
    if single:
        plain = where(equal(v, fill(m, like)), fill(alone, like), plain)
    return sloped(plain, slope)


@inner
def logarithm(v: Any, j: Any, n: Any, about: Any, row: Any, near: Any, like: Any) -> Any:
    """(x_j − m) − log S."""
    return (v - const(about[1], v)) - fill(row, like)


@inner
def nothing(v: Any, j: Any, n: Any, about: Any, row: Any, near: Any, like: Any) -> Any:
    """0, whatever the logits hold."""
    return fill(0.0, like)


@inner
def _put(g: Any, at: Any, r: Any, past_cache: Any) -> None:
    if past_cache:
        stream(g, at, r)
    else:
        store(g, at, r)


@inner
def emit(value: Any, about: Any, row: Any, x: Any, at: Any, n: Any, label: Any, own: Any, g: Any,
         to: Any, past: Any, like: Any) -> None:  # fmt: skip
    """g[to + j] = value(x[at + j]) for j < n, but `own` at the label.

    `past` is (whether past the caches, a line, from, end): g[from : end] is all written one piece
    after the other, and where one ends within a vector the line keeps it for the next. Written by
    themselves the two would have the processor read what is there from memory, twice.
    """
    past_cache, line, begin, end = past
    lanes, j, after = lane_count(like), 0, 0
    if past_cache:  # how far behind a place where a vector is aligned
        after = address_at(g, to) % (lanes * width(g[0])) // width(g[0])
    while j < n:
        whole = after == 0 and j + ABREAST * lanes <= n and not j <= label < j + ABREAST * lanes
        if whole and _all_near(x, at + j, about, like):
            v = load(x, at + j, abreast(like))
            if width(g[0]) == 2:  # else writing takes longer than reading what was kept from L2
                ask(x, at + j + 16 * lanes, lanes)
            _put(g, to + j, value(v, j, None, about, row, NEAR, v), past_cache)
            j += ABREAST * lanes
        else:
            m = min(lanes - after, n - j)
            r = value(load_up_to(x, at + j, m, 0.0, like), j, m, about, row, ANY, like)
            if j <= label < j + m:
                up_to, through = first_lanes(label - j, like), first_lanes(label - j + 1, like)
                r = where(up_to, r, where(through, fill(own, like), r))
            if m == lanes:
                _put(g, to + j, r, past_cache)
            elif past_cache and to + j - after >= begin:
                store_first(line, after, m, r)
                if after + m == lanes:
                    stream(g, to + j - after, load(line, 0, like))
                elif to + j + m == end:
                    store_first(g, to + j - after, after + m, load(line, 0, like))
            else:
                store_first(g, to + j, m, r)
            j, after = j + m, 0
