"""Logits as the softmax sees them: exp((z − top) / T), z being x, or cap · tanh(x / cap).

With a cap float32 has t = (z − top) / (T ln 2) in one of five ways, and 2^t as power.py has it:

- **near** logits in one step, t = x w((x / cap)²) + start, w = tanh(a) / (a T ln 2) a polynomial.
  What start loses of −top / (T ln 2) is the same for all logits of a row, and added to their sum.
  w is rounded: near are those up to 14 T or so, and half the cap.
- **middle** ones in the same step, with a longer polynomial: those up to 1.15 cap, where the cap is
  at most 34 T, and elsewhere up to 22 T or so. What t has lost is a number of its own.
- under a larger cap those **within reach**, 0.75 cap or less, as
      z − top = (x − top) + x h((x / cap)²),    h(a²) = tanh(a) / a − 1 = a² (H_1 + H_2 a² + …),
  a sum of two numbers, and what it has lost. The second part is at most 10 T.
- of **outer** ones z is what is left of a cap up to 34 T, and the tanh of the rest is computed in
  float64; t as a sum of two numbers again.

Which it is depends on nothing but the logit and its row's maximum, and so then does the result.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types

from lastlayer.kernels.jit import by_dtype, inner
from lastlayer.kernels.lanes import all_of, doubled, fold_largest, halved
from lastlayer.kernels.memory import lane_count, load, store
from lastlayer.kernels.power import LOWEST, is_swift, power_of, power_of_sum, power_scaled
from lastlayer.kernels.row import PICKED, ROWS, SLOPE, TOP, M
from lastlayer.kernels.simd import const, equal, fma, less, maximum, negative, where
from lastlayer.kernels.softcap import capped_and_slope
from lastlayer.kernels.softcap_call import (
    CAP,
    DECAY,
    END_32,
    END_LACKS,
    LACKS,
    MIDDLE,
    MINUS_SHARE,
    OUTER,
    RATE,
    RATE_32,
    UNIT,
    near_series,
    series,
)
from lastlayer.kernels.softcap_row import BEYOND, about_rows
from lastlayer.kernels.vecmath import exp_scaled

# 1 / (1 + E) up to E = exp(−2.3), off by at most 1.6e-8: `benchmarks/tanh_polynomial.py`
_I0, _I1, _I2 = 0.9999999844627904, -0.9999922359510182, 0.9993739573262967
_I3, _I4 = -0.9821068892819688, 0.7852787770300791

# --------------------------------------------------------------------------- a vector of logits


@inner
def _near(v: Any, about: Any) -> Any:
    """(t, dz/dx) of near logits."""
    cap, s = about[0], v * v
    w = fma(near_series(s, cap), s, const(cap[RATE_32], v))
    return fma(v, w, const(about[1], v)), slope_of(v * w, cap)


@inner
def slope_of(y: Any, cap: Any) -> Any:
    """dz/dx = 1 − tanh² of y = RATE · z."""
    return fma(y * y, const(cap[MINUS_SHARE], y), const(1.0, y))


@inner
def _near_or_middle(v: Any, s: Any, about: Any) -> Any:
    """(t, what it has lost, dz/dx) of logits, whose squares are s: as `_near`, or up to MIDDLE."""
    cap, high, near = about[0], const(about[1], v), less(s, const(about[4], v))
    q = where(near, near_series(s, cap), series(s, cap))
    w = fma(q, s, const(cap[RATE_32], v))
    t = fma(v, w, high)
    return t, where(near, const(0.0, v), fma(v, w, high - t)), slope_of(v * w, cap)


@inner
def _in_one(first: Any, second: Any) -> Any:
    """The sum of two numbers, and what its rounding has lost."""
    t = first + second
    return t, (first - t) + second


@inner
def _outer(v: Any, about: Any) -> Any:
    """(t, what it has lost, dz/dx) of logits between 1.15 and 41 times a cap of at most 34 T.

    z = ±cap (1 − 2 E / (1 + E)), E = exp(−2 |x| / cap): what is taken from the cap is at most a
    fifth of it, and float32 has the digits for that. 1 / (1 + E) is a polynomial.
    """
    cap, high = about[0], const(about[1], v)
    below, end = less(v, const(0.0, v)), const(cap[END_32], v)
    e = power_of(where(below, negative(v), v) * const(cap[DECAY], v), 2.0**-64)
    inverse = fma(fma(const(_I4, v), e, const(_I3, v)), e, const(_I2, v))
    inverse = fma(fma(inverse, e, const(_I1, v)), e, const(_I0, v))
    ratio = e * inverse
    rest = fma(ratio, const(-2.0 * cap[CAP] * cap[RATE], v), const(cap[END_LACKS], v))
    end, rest = where(below, negative(end), end), where(below, negative(rest), rest)
    first = end + high
    t, lost = _in_one(first, rest + ((end - first) + high))
    return t, lost, const(4.0, v) * (ratio * inverse)


@inner
def _together(v: Any, about: Any) -> Any:
    """The same of logits that may go together, see softcap_row.py, near ones as `_near`."""
    s = v * v
    found, within = _near_or_middle(v, s, about), less(s, const(about[3], v))
    if not all_of(within):
        found = _choose(within, found, _outer(v, about))
    return found


@inner
def _choose(mask: Any, a: Any, b: Any) -> Any:
    return where(mask, a[0], b[0]), where(mask, a[1], b[1]), where(mask, a[2], b[2])


@inner
def _far(v: Any, about: Any) -> Any:
    """The same of any finite logits, by way of float64."""
    cap, high = about[0], const(about[1], v)
    (v_a, v_b), (h_a, h_b) = doubled(v), doubled(high)
    z_a, slope_a = capped_and_slope(v_a, cap[CAP])
    z_b, slope_b = capped_and_slope(v_b, cap[CAP])
    (l_a, l_b), rate = doubled(where(_beyond(high), const(about[2], v), const(0.0, v))), cap[RATE]
    t_a, t_b = fma(z_a, const(rate, z_a), h_a) + l_a, fma(z_b, const(rate, z_b), h_b) + l_b
    t = halved(t_a, t_b)
    f_a, f_b = doubled(t)
    return t, halved(t_a - f_a, t_b - f_b), halved(slope_a, slope_b)


@inner
def _beyond(high: Any) -> Any:
    """Where a row's top is so large that all its logits are far, and no factor of a sum is left."""
    return less(const(BEYOND, high), maximum(high, negative(high)))


@inner
def _whichever(v: Any, about: Any) -> Any:
    """The same of all logits; t is −inf, and the slope 1, for −inf."""
    cap, minus_inf, zero = about[0], const(-np.inf, v), const(0.0, v)
    masked = equal(v, minus_inf)
    x = where(masked, zero, v)
    # what is masked is within any limit, also within that of a row that is none
    s = where(masked, const(-1.0, v), x * x)
    found, within = _near_or_middle(x, x * x, about), less(s, const(about[3], v))
    middle = within & less(s, const(cap[MIDDLE], v))
    if not all_of(middle):
        h = fma(series(s, cap), s, const(cap[LACKS], v))
        far, lost = _in_one(fma(x, const(cap[RATE_32], v), const(about[1], v)), x * h)
        found = _choose(middle, found, (far, lost, found[2]))
        if not all_of(within):
            outer = less(s, const(cap[OUTER], v)) | within
            found = _choose(within, found, _outer(x, about))
            if not all_of(outer):
                found = _choose(outer, found, _far(x, about))
    t, lost, slope = found
    t = where(masked, minus_inf, t)
    lost = where(less(t, const(LOWEST, v)), zero, lost)
    return t, lost, where(masked, const(1.0, v), slope)


# How far out logits are known to be, for `effect`: near; where vectors may go together, see
# softcap_row.py; or anywhere.
NEAR, TOGETHER, ANY = None, 0.0, 0


@by_dtype
def all_within(squares: Any, about: Any) -> Any:
    """Whether logits of at most these squares are NEAR; all of a row's, or none, without a cap."""

    def yes(squares: Any, about: Any) -> Any:
        return True

    def unshifted(squares: Any, about: Any) -> Any:
        return about[4] == 0.0

    def compared(squares: Any, about: Any) -> Any:
        most = fold_largest(squares)
        return all_of(less(most, const(about[4], most)))

    if in_two(about):
        return compared
    return unshifted if _swift(about) else yes


@by_dtype
def near_alone(squares: Any, about: Any) -> Any:
    """The same of a single vector; no without a cap, where ANY is the same and compiled anyway."""

    def no(squares: Any, about: Any) -> Any:
        return False

    def compared(squares: Any, about: Any) -> Any:
        return all_of(less(squares, const(about[4], squares)))

    return compared if in_two(about) else no


def in_two(about: Any) -> bool:
    """Whether there is a cap in float32."""
    return isinstance(about, types.BaseTuple) and isinstance(about[0], types.BaseTuple)


def _swift(about: Any) -> bool:
    return isinstance(about, types.BaseTuple) and len(about) == 5 and is_swift(about[2])


@by_dtype
def effect(v: Any, about: Any, near: Any) -> Any:
    """(`exp_scaled` of z − top, z − top, dz/dx) of logits; the last is None without a cap.

    The first lacks a factor, `scale_of` the row, in float32 with a cap or at a temperature of 1.
    """

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

    def all_near(v: Any, about: Any, near: Any) -> Any:
        t, slope = _near(v, about)
        gap = (t + const(about[2], v)) * const(about[0][UNIT], v)
        return power_of(t, 1.0), gap, slope

    def together(v: Any, about: Any, near: Any) -> Any:
        t, lost, slope = _together(v, about)
        gap = (t + (lost + const(about[2], v))) * const(about[0][UNIT], v)
        return power_of_sum(t, lost), gap, slope

    def anywhere(v: Any, about: Any, near: Any) -> Any:
        t, lost, slope = _whichever(v, about)
        low = where(_beyond(const(about[1], t)), const(0.0, t), const(about[2], t))
        gap = (t + (lost + low)) * const(about[0][UNIT], t)
        return power_of_sum(maximum(const(LOWEST, t), t), lost), gap, slope

    if in_two(about):
        if isinstance(near, types.NoneType):
            return all_near
        return together if isinstance(near, types.Float) else anywhere
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
