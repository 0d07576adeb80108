"""Logits as the softmax sees them: exp((z − top) / T), z being x, or cap · tanh(x / cap).

Two large z rounded to float32 would differ by more than is promised, so with a cap float32 has
y = (z − top) / (T ln 2) as a sum of two numbers:

    z − top = (x − top) + x h((x / cap)²),    h(a²) = tanh(a) / a − 1 = a² (H_1 + H_2 a² + …).

The first part is rounded as x − m of logits without a cap is. The second is at most 10 T, right to
1e-6 T, for a logit within the REACH of its cap: 0.96 cap, and less where the cap is above 34 T. Of
outer ones z is what is left of a cap up to 34 T, and the tanh of the rest is computed in float64.
Which it is depends on nothing but the logit and its row's maximum, and so then does the result.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types

from lastlayer.kernels.jit import by_dtype, inner
from lastlayer.kernels.lanes import all_of, doubled, fold_largest, halved
from lastlayer.kernels.memory import lane_count, load, store
from lastlayer.kernels.power import is_swift, power_scaled
from lastlayer.kernels.row import PICKED, ROWS, SLOPE, TOP, M
from lastlayer.kernels.simd import const, equal, fma, less, maximum, negative, where
from lastlayer.kernels.softcap import capped_and_slope
from lastlayer.kernels.softcap_row import (
    CAP,
    DECAY,
    END_32,
    END_LACKS,
    LACKS,
    OUTER,
    RATE,
    RATE_32,
    SHARE,
    UNIT,
    about_rows,
    series,
)
from lastlayer.kernels.vecmath import exp_scaled, lifted, lifted_power

_MAGIC, _LN2 = 12582912.0, 0.6931471805599453
_Q0, _Q1 = 0.49999229194055206, 0.16667113435392655  # as in vecmath.py, of 4 terms
_Q2, _Q3 = 0.041890443645344326, 0.008312701878940143
_LOWEST = -189.0  # 2^y of a lower y is that of it: nothing beside the 1 of a maximum

# --------------------------------------------------------------------------- a vector of logits


@inner
def _exp2_scaled(high: Any, low: Any) -> Any:
    """2^64 · 2^(high + low) in float32, for a sum in [−190, 0] of which `low` is a small part.

    Q of 4 terms is off by 1e-7, half of what `low` may be.
    """
    k = (high + low) + const(_MAGIC, high)
    n = k - const(_MAGIC, high)
    r = (high - n) + low
    q = fma(lifted(_Q3 * _LN2**5, r), r, lifted(_Q2 * _LN2**4, r))
    q = fma(fma(q, r, lifted(_Q1 * _LN2**3, r)), r, lifted(_Q0 * _LN2**2, r))
    q = fma(q, r, lifted(_LN2, r))
    return lifted_power(fma(q, r, lifted(1.0, r)), k, n)


@inner
def _near(v: Any, about: Any) -> Any:
    """(y in two parts, dz/dx) of logits within reach."""
    cap, high, low = about[0], const(about[1], v), const(about[2], v)
    s, share = v * v, const(cap[SHARE], v)
    first = fma(v, const(cap[RATE_32], v), high)
    second = fma(v, fma(series(s, cap), s, const(cap[LACKS], v)), low)
    t = fma(first + second, share, negative(high * share))
    return first, second, fma(negative(t), t, const(1.0, v))


@inner
def _outer(v: Any, about: Any) -> Any:
    """The same of logits between 0.96 and 41 times a cap of at most 34 T.

    z = ±cap (1 − 2 E / (1 + E)), E = exp(−2 |x| / cap): what is taken from the cap is at most a
    quarter of it, and float32 has the digits for that.
    """
    cap, high, low = about[0], const(about[1], v), const(about[2], v)
    one, zero, end = const(1.0, v), const(0.0, v), const(cap[END_32], v)
    below = less(v, zero)
    exponent = where(below, v, negative(v)) * const(cap[DECAY], v)
    e = _exp2_scaled(maximum(const(-125.0, v), exponent), zero) * const(2.0**-64, v)
    inverse = one / (one + e)
    ratio = e * inverse
    rest = fma(ratio, const(-2.0 * cap[CAP] * cap[RATE], v), const(cap[END_LACKS], v))
    first = where(below, negative(end), end) + high
    return first, where(below, negative(rest), rest) + low, const(4.0, v) * (ratio * inverse)


@inner
def _choose(mask: Any, a: Any, b: Any) -> Any:
    return where(mask, a[0], b[0]), where(mask, a[1], b[1]), where(mask, a[2], b[2])


@inner
def _far(v: Any, about: Any) -> Any:
    """The same of any finite logits, by way of float64."""
    cap, high, low = about[0], const(about[1], v), const(about[2], v)
    (v_a, v_b), (h_a, h_b), (l_a, l_b) = doubled(v), doubled(high), doubled(low)
    z_a, slope_a = capped_and_slope(v_a, cap[CAP])
    z_b, slope_b = capped_and_slope(v_b, cap[CAP])
    y_a = fma(z_a, const(cap[RATE], z_a), h_a) + l_a
    y_b = fma(z_b, const(cap[RATE], z_b), h_b) + l_b
    first = halved(y_a, y_b)
    f_a, f_b = doubled(first)
    return first, halved(y_a - f_a, y_b - f_b), halved(slope_a, slope_b)


@inner
def _whichever(v: Any, about: Any) -> Any:
    """The same of all logits; y is −inf, and the slope 1, for −inf."""
    minus_inf = const(-np.inf, v)
    masked = equal(v, minus_inf)
    x = where(masked, const(0.0, v), v)
    # what is masked is within any limit, also within that of a row that is none
    square = where(masked, const(-1.0, v), x * x)
    within, found = less(square, const(about[3], v)), _near(x, about)
    if not all_of(within):
        others = _outer(x, about)
        outer = less(square, const(about[0][OUTER], v))
        if not all_of(outer):
            others = _choose(outer, others, _far(x, about))
        found = _choose(within, found, others)
    first, second, slope = found
    first = where(masked, minus_inf, first)
    lost = less(first, const(_LOWEST, v))
    return first, where(lost, const(0.0, v), second), where(masked, const(1.0, v), slope)


# How far out logits are known to be, for `effect`: within reach; that, or outer ones; anywhere.
NEAR, OUTER_TOO, ANY = None, True, 0


@by_dtype
def largest_square(v: Any, squares: Any, cap: Any) -> Any:
    """The larger of v² and the squares before, for `all_within`. A NaN is passed over."""

    def unasked(v: Any, squares: Any, cap: Any) -> Any:
        return squares

    def larger(v: Any, squares: Any, cap: Any) -> Any:
        return maximum(v * v, squares)

    return larger if isinstance(cap, types.BaseTuple) else unasked


@by_dtype
def all_within(squares: Any, about: Any) -> Any:
    """Whether logits of at most these squares are NEAR; all of a row's, or none, without a cap."""

    def yes(squares: Any, about: Any) -> Any:
        return True

    def unshifted(squares: Any, about: Any) -> Any:
        return about[4] == 0.0

    def compared(squares: Any, about: Any) -> Any:
        most = fold_largest(squares)
        return all_of(less(most, const(about[3], most)))

    if _in_two(about):
        return compared
    return unshifted if _swift(about) else yes


@by_dtype
def all_outer(squares: Any, about: Any) -> Any:
    """Whether they are NEAR or OUTER_TOO; asked where not all are NEAR."""

    def no(squares: Any, about: Any) -> Any:
        return False

    def compared(squares: Any, about: Any) -> Any:
        most = fold_largest(squares)
        return all_of(less(most, const(about[0][OUTER], most)))

    return compared if _in_two(about) else no


@by_dtype
def beyond_near(about: Any) -> Any:
    """OUTER_TOO, or NEAR where all are: nothing is then compiled for the others."""

    def alike(about: Any) -> Any:
        return NEAR

    def outer(about: Any) -> Any:
        return OUTER_TOO

    return outer if _in_two(about) else alike


def _in_two(about: Any) -> bool:
    return isinstance(about, types.BaseTuple) and isinstance(about[0], types.BaseTuple)


def _swift(about: Any) -> bool:
    return isinstance(about, types.BaseTuple) and len(about) == 5 and is_swift(about[2])


@by_dtype
def effect(v: Any, about: Any, near: Any) -> Any:
    """(`exp_scaled` of z − top, z − top, dz/dx) of logits; the last is None without a cap."""

    def plain(v: Any, about: Any, near: Any) -> Any:
        gap = v - const(about[1], v)
        return exp_scaled(gap, about[2]), gap, None

    def unshifted(v: Any, about: Any, near: Any) -> Any:
        return power_scaled(v, about[3]), v - const(about[1], v), None

    def shifted(v: Any, about: Any, near: Any) -> Any:
        return power_scaled(v - const(about[4], v), about[3]), v - const(about[1], v), None

    def direct(v: Any, about: Any, near: Any) -> Any:
        z, slope = capped_and_slope(v, about[0])
        gap = z - const(about[1], v)
        return exp_scaled(gap, about[2]), gap, slope

    def within(v: Any, about: Any, near: Any) -> Any:
        first, second, slope = _near(v, about)
        return _exp2_scaled(first, second), (first + second) * const(about[0][UNIT], v), slope

    def not_far(v: Any, about: Any, near: Any) -> Any:
        mask = less(v * v, const(about[3], v))
        first, second, slope = _choose(mask, _near(v, about), _outer(v, about))
        return _exp2_scaled(first, second), (first + second) * const(about[0][UNIT], v), slope

    def anywhere(v: Any, about: Any, near: Any) -> Any:
        first, second, slope = _whichever(v, about)
        e = _exp2_scaled(maximum(const(_LOWEST, v), first), second)
        return e, (first + second) * const(about[0][UNIT], v), slope

    if _in_two(about):
        if isinstance(near, types.NoneType):
            return within
        return not_far if isinstance(near, types.Boolean) else anywhere
    if _swift(about):
        return unshifted if isinstance(near, types.NoneType) else shifted
    return plain if isinstance(about[0], types.NoneType) else direct


@by_dtype
def sloped(g: Any, slope: Any) -> Any:
    """The derivative by x from that by z."""

    def same(g: Any, slope: Any) -> Any:
        return g

    def times_slope(g: Any, slope: Any) -> Any:
        return g * slope

    return same if isinstance(slope, types.NoneType) else times_slope


@by_dtype
def pick(d: Any, rate: Any, cap: Any, like: Any) -> Any:
    """Of the labels' logits at PICKED, what they are behind the cap, and the SLOPE there."""

    def same(d: Any, rate: Any, cap: Any, like: Any) -> None:
        pass

    def each(d: Any, rate: Any, cap: Any, like: Any) -> None:
        for r in range(0, ROWS, lane_count(like)):
            v, about = load(d, PICKED + r, like), about_rows(d, r, rate, cap, like)
            _, gap, slope = effect(v, about, ANY)
            store(d, PICKED + r, where(equal(v, load(d, M + r, like)), const(0.0, v), gap))
            store(d, SLOPE + r, slope)
        for r in range(ROWS):
            d[PICKED + r] += d[TOP + r]

    return same if isinstance(cap, types.NoneType) else each
