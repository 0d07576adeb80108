"""What the statistics of a row need of a block of its logits, beside what the loss does.

With e = exp((x_j − m) / T) the loss takes Σ e. Here Σ e u comes with it, u = (m − x_j) / T, for the
entropy, and either Σ e² for the Brier score or Σ e u² for a temperature's second derivative. The
sum of e is taken lane by lane in the order of `blocks`, and has its bits.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types

from lastlayer.kernels.ahead import ask, ask_early
from lastlayer.kernels.effective import ANY, NEAR, all_within, effect
from lastlayer.kernels.jit import by_dtype, inner
from lastlayer.kernels.lanes import fold_largest, fold_products, fold_sum
from lastlayer.kernels.masks import PLANE, bits_of, bits_set, first_bit, store_marks
from lastlayer.kernels.memory import lane_count, load, load_first, load_up_to, store
from lastlayer.kernels.power import RATE, exponent, is_swift, power_of
from lastlayer.kernels.processor import ABREAST
from lastlayer.kernels.row import LONGEST
from lastlayer.kernels.simd import (
    abreast,
    at_least,
    const,
    differ,
    element_of,
    equal,
    fill,
    fma,
    maximum,
    where,
)
from lastlayer.kernels.softcap_row import scale_of
from lastlayer.kernels.vecmath import LIFT, LOWEST_32, LOWEST_64
from lastlayer.kernels.whole import plus, sum_of

_F64, _I64 = np.float64(0), np.int64(0)

# e has the lift of `exp_scaled`, and e² would overflow: e · SQUARE has not, where the smallest e is
# kept a normal number by adding BIAS, since the processor takes 150 cycles for a subnormal one.
# Σ e² has an error of e · BIAS then, which nobody sees: e is e² · 1e-15 below 1e-60.
# By power.py e is LOWER from the beginning, as it is never below 2^−183 of the largest.
SQUARE = {types.float32: (2.0**-24, 2.0**-100), types.float64: (2.0**-200, 2.0**-900)}
LOWER = 2.0**-6


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
def with_second(second: Any, e: Any, u: Any, variance: Any, rate: Any) -> Any:
    """Add e² to a sum, lifted and scaled, or e u², of one vector or of those abreast."""
    factor, bias = SQUARE[element_of(e)]

    def squares(second: Any, e: Any, u: Any, variance: Any, rate: Any) -> Any:
        return fold_products(e, fma(e, const(factor, e), const(bias, e)), second)

    def squares_at_once(second: Any, e: Any, u: Any, variance: Any, rate: Any) -> Any:
        return fold_products(e, e, second)

    def squared_distances(second: Any, e: Any, u: Any, variance: Any, rate: Any) -> Any:
        return fold_products(e * u, u, second)

    if not isinstance(variance, types.NoneType):
        return squared_distances
    return squares_at_once if is_swift(rate) else squares


@by_dtype
def second_start(like: Any, variance: Any, rate: Any) -> Any:
    """What the sum of `with_second` begins at: 0, or as little as keeps it a normal number."""
    start = SQUARE[element_of(like)][1] * 2.0**-20
    if not isinstance(variance, types.NoneType):
        start = 0.0

    def body(like: Any, variance: Any, rate: Any) -> Any:
        return fill(start, like)

    return body


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
def scales(d: Any, r: Any, rate: Any, variance: Any, like: Any) -> Any:
    """What the sums of row r are to be multiplied by, and the third of them, in float64."""

    def alike(d: Any, r: Any, rate: Any, variance: Any, like: Any) -> Any:
        scale = scale_of(d, r, rate, None, like)
        return scale, scale * second_scale(like, variance)

    def swiftly(d: Any, r: Any, rate: Any, variance: Any, like: Any) -> Any:
        scale = scale_of(d, r, rate, None, like) * (1.0 / LOWER)
        return scale, scale * scale

    return swiftly if is_swift(rate) else alike


# What is not the maximum, and what comes before the label, is noted as a bit a logit.
WORDS = LONGEST // 64  # int64 of marks that a block has room for, of each of the two


@by_dtype
def effect_and_distance(v: Any, about: Any, near: Any, rate: Any) -> Any:
    """(`exp_scaled` of what lies below the maximum, how far: see `distances`)."""
    lowest = -np.finfo(str(element_of(v))).max

    def apart(v: Any, about: Any, near: Any, rate: Any) -> Any:
        # of nothing but −inf so far: any number, or its distance to itself would be NaN
        top = max(about[1], lowest)
        return effect(v, about, near)[0], distance(v - const(top, v), rate)

    def at_once(v: Any, about: Any, near: Any, rate: Any) -> Any:
        t = exponent(v, about[3])
        return power_of(t, LOWER), t

    def shifted(v: Any, about: Any, near: Any, rate: Any) -> Any:
        t = exponent(v - const(about[4], v), about[3])
        return power_of(t, LOWER), t

    if not is_swift(rate):
        return apart
    return at_once if isinstance(near, types.NoneType) else shifted


@by_dtype
def distances(first: Any, total: Any, m: Any, start: Any, shift: Any, rate: Any) -> Any:
    """Σ e u of a row whose maximum is m, from what was summed and Σ e; all float64.

    That is −Σ e u, or by power.py Σ e t, where t is −u log₂e and what was lost of m log₂e.
    """

    def as_is(first: Any, total: Any, m: Any, start: Any, shift: Any, rate: Any) -> Any:
        return -first

    def of_powers(first: Any, total: Any, m: Any, start: Any, shift: Any, rate: Any) -> Any:
        lost = (m - shift) * RATE + start if m > -np.inf else 0.0
        return (lost * total - first) * (1.0 / RATE)

    return of_powers if is_swift(rate) else as_is


@by_dtype
def _below(e: Any, v: Any, most: Any) -> Any:
    """e, but 0 where the logit is the maximum; None stands for a block that is all below it."""

    def as_is(e: Any, v: Any, most: Any) -> Any:
        return e

    def masked(e: Any, v: Any, most: Any) -> Any:
        return where(differ(v, fill(most, v)), e, const(0.0, e))

    return as_is if isinstance(most, types.NoneType) else masked


@by_dtype
def _ask(x: Any, ahead: Any, lanes: Any, most: Any) -> Any:
    """Ask for memory: as the loss, for what is needed next or, of rows of a block, later."""

    def soon(x: Any, ahead: Any, lanes: Any, most: Any) -> None:
        ask(x, ahead, lanes)

    def later(x: Any, ahead: Any, lanes: Any, most: Any) -> None:
        ask_early(x, ahead, lanes)

    return soon if isinstance(most, types.NoneType) else later


@inner
def block_sums(x: Any, at: Any, n: Any, ahead: Any, after: Any, most: Any, about: Any, label: Any,
               bounds: Any, rate: Any, variance: Any, marks: Any, to: Any,
               like: Any) -> Any:  # fmt: skip
    """(Σ e, Σ e u, Σ e² or Σ e u²) of a block in each lane, without what is `most`.

    The sums are lifted; `distances` and `second_scale` say what more they are. `most` None stands
    for a block that is all below the maximum. The marks begin at the byte `to`: what is not `most`;
    and what comes before the label, which stands at `label`, in the block or outside: what is at
    least the second of `bounds` before its group of vectors, at least the first from there on.
    The fourth result and `after` are as in `blocks.block_sum`.
    """
    lanes, end, j = lane_count(like), at + n, at
    group, label = ABREAST * lanes - 1, label + at
    together = end if all_within(None, about) else at  # as `blocks` takes them, or one by one
    a, s = fill(0.0, like), abreast(like)
    first, second, larger = a, second_start(like, variance, rate), fill(-np.inf, like)
    while j + ABREAST * lanes <= together:
        _ask(x, j + ahead, lanes, most)
        v = load(x, j, s)
        if after is not None:
            larger = maximum(fold_largest(load(x, j + after, s)), larger)
        e, u = effect_and_distance(v, about, NEAR, rate)
        e = _below(e, v, most)
        s, first = s + e, fold_products(e, u, first)
        second = with_second(second, e, u, variance, rate)
        if most is not None:
            store_marks(marks, to, j - at, differ(v, fill(most, v)), like)
        if variance is None:
            bound = fill(bounds[np.int64(j + group < label)], v)
            store_marks(marks, to + 4 * PLANE, j - at, at_least(v, bound), like)
        j += ABREAST * lanes
    while j < end:
        w = load_up_to(x, j, end - j, -np.inf, like)
        if after is not None:
            larger = maximum(load_up_to(x, j + after, end - j, -np.inf, like), larger)
        f, t = effect_and_distance(w, about, ANY, rate)
        f = _below(f, w, most)
        a, first = a + f, fold_products(f, t, first)
        second = with_second(second, f, t, variance, rate)
        if most is not None:
            store_marks(marks, to, j - at, differ(w, fill(most, w)), like)
        if variance is None:
            bound = fill(bounds[np.int64(((j - at) | group) + at < label)], w)
            store_marks(marks, to + 4 * PLANE, j - at, at_least(w, bound), like)
        j += lanes
    return a + fold_sum(s), first, second, larger


@inner
def ties_before(x: Any, at: Any, label: Any, picked: Any, like: Any) -> Any:
    """How many logits of the label's group of vectors abreast are as large and come before it."""
    lanes, found = lane_count(like), 0
    group = label // (ABREAST * lanes) * (ABREAST * lanes)
    for j in range(group, group + ABREAST * lanes, lanes):
        v = load_first(x, at + j, label - j, np.nan, like)
        found += bits_set(bits_of(equal(v, fill(picked, like))))
    return found


@inner
def clear(marks: Any, to: Any) -> None:
    """The marks of a block of nothing: all lies below the maximum, none before the label."""
    for k in range(to // 8, to // 8 + WORDS, lane_count(_F64)):
        store(marks, k, fill(-1, _I64))
        store(marks, k + WORDS, fill(0, _I64))


@inner
def marked(marks: Any, to: Any, like: Any) -> Any:
    """How many logits of a block are not marked as below the maximum, and which is the first."""
    at, lanes, below = to // 8, lane_count(like), fill(-1, _I64)
    some = bits_of(differ(load(marks, at, _I64), below))
    some |= bits_of(differ(load(marks, at + 8, _I64), below)) << 8
    count, first = 0, LONGEST
    while some != 0:
        k = first_bit(some)
        word = ~marks[at + k]
        # of plane k // 4, of which a word has as many groups as vectors
        vector = k % 4 * (64 // lanes) + first_bit(word) // lanes
        place = (4 * vector + k // 4) * lanes + first_bit(word) % lanes
        count, first = count + bits_set(word), min(first, place)
        some &= some - 1
    return count, first


@inner
def marked_before(marks: Any, to: Any) -> Any:
    """How many of those are set of what comes before the label."""
    at = to // 8 + WORDS
    more = bits_set(load(marks, at + 8, _I64))
    return sum_of(plus(bits_set(load(marks, at, _I64)), more))
