"""What the statistics of a row need of a block of its logits, beside what the loss does.

With e = exp((x_j − m) / T) the loss takes Σ e. Here Σ e u comes with it, u = (m − x_j) / T, for the
entropy, and either Σ e² for the Brier score or Σ e u² for a temperature's second derivative. The
sum of e is taken lane by lane in the order of `blocks`, and has its bits.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types

from lastlayer.kernels.blocks import AHEAD, ask, ask_early
from lastlayer.kernels.effective import ANY, NEAR, all_within, effect
from lastlayer.kernels.jit import by_dtype, inner
from lastlayer.kernels.lanes import largest_of, total_of
from lastlayer.kernels.masks import bits_set, first_bit, store_mask
from lastlayer.kernels.memory import as_like, lane_count, load, load_up_to, width
from lastlayer.kernels.row import LONGEST
from lastlayer.kernels.simd import (
    at_least,
    const,
    element_of,
    equal,
    fill,
    fma,
    maximum,
    next_up,
    where,
)
from lastlayer.kernels.vecmath import LIFT, LOWEST_32, LOWEST_64

# e has the lift of `exp_scaled`, and e² would overflow: e · SQUARE has not, where the smallest e is
# kept a normal number by adding BIAS, since the processor takes 150 cycles for a subnormal one.
# Σ e² has an error of e · BIAS then, which nobody sees: e is e² · 1e-15 below 1e-60.
SQUARE = {types.float32: (2.0**-24, 2.0**-100), types.float64: (2.0**-200, 2.0**-900)}


@by_dtype
def distance(d: Any, rate: Any) -> Any:
    """(x_j − m) / T as `exp_scaled` takes it: −inf, a class of probability 0, is a number."""
    single = element_of(d) == types.float32
    lowest = LOWEST_32 if single else LOWEST_64

    def plain(d: Any, rate: Any) -> Any:
        return maximum(const(lowest, d), d)

    def divided(d: Any, rate: Any) -> Any:
        return maximum(const(rate[4], d), d) * const(rate[3], d)

    return divided if isinstance(rate, types.BaseTuple) else plain


@by_dtype
def with_second(second: Any, e: Any, u: Any, variance: Any) -> Any:
    """Add e² to a sum, lifted and scaled, or e u²."""
    factor, bias = SQUARE[element_of(e)]

    def squares(second: Any, e: Any, u: Any, variance: Any) -> Any:
        return fma(e, fma(e, const(factor, e), const(bias, e)), second)

    def squared_distances(second: Any, e: Any, u: Any, variance: Any) -> Any:
        return fma(e * u, u, second)

    return squares if isinstance(variance, types.NoneType) else squared_distances


@by_dtype
def second_scale(like: Any, variance: Any) -> Any:
    """What undoes the scale of `with_second`, but for the lift of one factor, as float64."""
    scale = 1.0
    if isinstance(variance, types.NoneType):
        scale = 2.0 ** -LIFT[like] / SQUARE[like][0]

    def body(like: Any, variance: Any) -> Any:
        return scale

    return body


@by_dtype
def second_start(like: Any, variance: Any) -> Any:
    """What the sum of `with_second` begins at: 0, or as little as keeps it a normal number."""
    start = SQUARE[like][1] * 2.0**-20 if isinstance(variance, types.NoneType) else 0.0

    def body(like: Any, variance: Any) -> Any:
        return fill(start, like)

    return body


@by_dtype
def _below(e: Any, v: Any, most: Any) -> Any:
    """e, but 0 where the logit is the maximum; None stands for a block that is all below it."""

    def as_is(e: Any, v: Any, most: Any) -> Any:
        return e

    def masked(e: Any, v: Any, most: Any) -> Any:
        return where(equal(v, fill(most, most)), const(0.0, e), e)

    return as_is if isinstance(most, types.NoneType) else masked


@by_dtype
def _ask(x: Any, at: Any, lanes: Any, most: Any) -> Any:
    """Ask for memory: rows of one block, all of which hold their maximum, for more of it."""

    def next_block(x: Any, at: Any, lanes: Any, most: Any) -> None:
        ask(x, at + AHEAD // width(x[0]), lanes)

    def further(x: Any, at: Any, lanes: Any, most: Any) -> None:
        ask_early(x, at + 2 * AHEAD // width(x[0]), lanes)

    return next_block if isinstance(most, types.NoneType) else further


@by_dtype
def _mark(marks: Any, j: Any, v: Any, most: Any) -> Any:
    """Set the bits of a block that stand for the maximum."""

    def nothing(marks: Any, j: Any, v: Any, most: Any) -> None:
        pass

    def mask(marks: Any, j: Any, v: Any, most: Any) -> None:
        store_mask(marks, j, equal(v, fill(most, most)))

    return nothing if isinstance(most, types.NoneType) else mask


@inner
def marked(marks: Any) -> Any:
    """How many bits are set that stand for a block's logits, and which is the first."""
    count, first = 0, LONGEST
    for k in range(LONGEST // 64 - 1, -1, -1):
        word = marks[k]
        count += bits_set(word)
        first = 64 * k + first_bit(word) if word != 0 else first
    return count, first


@inner
def block_sums(x: Any, at: Any, n: Any, most: Any, about: Any, rate: Any, variance: Any,
               marks: Any, like: Any) -> Any:  # fmt: skip
    """(Σ e, Σ e u, Σ e² or Σ e u²) of a block, without what is `most`, which is marked.

    The sums are lifted; `second_scale` says how much more the third is. `most` None stands for a
    block that is all below the maximum.
    """
    # of nothing but −inf so far: any number, or its distance to itself would be NaN
    level = about[1] if about[1] > -np.inf else as_like(0.0, like)
    lanes, end, j, t = lane_count(like), at + n, at, fill(level, like)
    fours = end if all_within(None, about) else at  # as `blocks` takes them, or one by one
    a = fill(0.0, like)
    b, c, d, rest, first = a, a, a, a, a
    second = second_start(like, variance)
    while j + 4 * lanes <= fours:
        _ask(x, j, lanes, most)
        v = load(x, j, like)
        e, u = _below(effect(v, about, NEAR)[0], v, most), distance(v - t, rate)
        a, first, second = a + e, fma(e, u, first), with_second(second, e, u, variance)
        _mark(marks, j - at, v, most)
        j += lanes
        v = load(x, j, like)
        e, u = _below(effect(v, about, NEAR)[0], v, most), distance(v - t, rate)
        b, first, second = b + e, fma(e, u, first), with_second(second, e, u, variance)
        _mark(marks, j - at, v, most)
        j += lanes
        v = load(x, j, like)
        e, u = _below(effect(v, about, NEAR)[0], v, most), distance(v - t, rate)
        c, first, second = c + e, fma(e, u, first), with_second(second, e, u, variance)
        _mark(marks, j - at, v, most)
        j += lanes
        v = load(x, j, like)
        e, u = _below(effect(v, about, NEAR)[0], v, most), distance(v - t, rate)
        d, first, second = d + e, fma(e, u, first), with_second(second, e, u, variance)
        _mark(marks, j - at, v, most)
        j += lanes
    while j < end:
        v = load_up_to(x, j, end - j, -np.inf, like)
        e, u = _below(effect(v, about, ANY)[0], v, most), distance(v - t, rate)
        rest, first, second = rest + e, fma(e, u, first), with_second(second, e, u, variance)
        _mark(marks, j - at, v, most)
        j += lanes
    # as `blocks` folds four vectors that are one
    return total_of(rest + ((a + c) + (b + d))), -total_of(first), total_of(second)


@inner
def block_max_before(x: Any, at: Any, n: Any, label: Any, picked: Any, like: Any) -> Any:
    """(the largest logit of a block, how many come before the label).

    The label, of the logit `picked`, stands at `label`, in the block or outside. Logits of a lower
    index come before it where they are as large, those of a higher one not.
    """
    lanes, end, j = lane_count(like), at + n, at
    bound = fill(picked if label >= n else next_up(picked), like)
    one, zero, lowest = fill(1.0, like), fill(0.0, like), fill(-np.inf, like)
    a, b, c, d = lowest, lowest, lowest, lowest
    p, q, r, s = zero, zero, zero, zero
    while j + 4 * lanes <= end:
        ask(x, j + AHEAD // width(x[0]), lanes)
        v = load(x, j, like)
        a, p = maximum(v, a), where(at_least(v, bound), p + one, p)
        v = load(x, j + lanes, like)
        b, q = maximum(v, b), where(at_least(v, bound), q + one, q)
        v = load(x, j + 2 * lanes, like)
        c, r = maximum(v, c), where(at_least(v, bound), r + one, r)
        v = load(x, j + 3 * lanes, like)
        d, s = maximum(v, d), where(at_least(v, bound), s + one, s)
        j += 4 * lanes
    while j < end:
        v = load_up_to(x, j, end - j, -np.inf, like)  # less than the bound, even than -inf's
        a, p = maximum(v, a), where(at_least(v, bound), p + one, p)
        j += lanes
    if 0 <= label < n:  # where it stands itself, those as large and before it are still missing
        level, end, j = fill(picked, like), at + label, at
        while j + 4 * lanes <= end:
            p = where(equal(load(x, j, like), level), p + one, p)
            q = where(equal(load(x, j + lanes, like), level), q + one, q)
            r = where(equal(load(x, j + 2 * lanes, like), level), r + one, r)
            s = where(equal(load(x, j + 3 * lanes, like), level), s + one, s)
            j += 4 * lanes
        while j < end:
            v = load_up_to(x, j, end - j, np.nan, like)
            q = where(equal(v, level), q + one, q)
            j += lanes
    return largest_of(maximum(maximum(a, b), maximum(c, d))), total_of((p + q) + (r + s))
