"""What a soft-cap comes to for a row, before its logits are looked at; see `softcap_call.py`."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types

from lastlayer.kernels.jit import by_dtype, inner
from lastlayer.kernels.lanes import all_of, first_of
from lastlayer.kernels.memory import as_like, lane_count, load, store
from lastlayer.kernels.power import is_swift, power_scaled, start_of
from lastlayer.kernels.row import FACTOR, HIGH, LIMIT, LOW, NEAR_LIMIT, ROWS, TOP, M
from lastlayer.kernels.simd import (
    bits,
    const,
    fill,
    fma,
    from_bits,
    less,
    maximum,
    negative,
    where,
)
from lastlayer.kernels.softcap import capped_and_slope
from lastlayer.kernels.softcap_call import (
    CAP,
    MIDDLE,
    NEAR_TO,
    OUTER,
    RATE,
    REACH,
    START,
    UNIT,
    T,
    series_in_pairs,
)
from lastlayer.kernels.vecmath import unscale

_F64, _LN2 = np.float64(0), 0.6931471805599453
_FARTHEST = 88.0  # (top − x) / T from which on RATE (x − top) would be rounded too coarsely
# Adding it rounds to multiples of 2^-18: what is left of one less a t that is one is a float32.
_GRID = 1.5 * 2.0**34
BEYOND = 2.0**14  # from which on RATE · top has lost too much as a float32

# --------------------------------------------------------------------------- a row's maximum


@inner
def top_of(m: Any, cap: Any) -> Any:
    """cap · tanh(m / cap) of vectors of float64."""
    s, reach = m * m, const(cap[REACH], m)
    top = m * fma(series_in_pairs(s, cap), s, const(cap[START], m)) * const(cap[UNIT], m)
    within = less(s, reach * reach)
    if not all_of(within):
        top = where(within, top, capped_and_slope(m, cap[CAP])[0])
    return top


@inner
def starts_of(top: Any, cap: Any) -> Any:
    """Of rows with such a top, −RATE · top in two parts, of which the first is a float32, and the
    squares up to which logits are within reach and near. Of vectors of float64 and numbers.
    """  # fmt: skip
    zero, infinite = const(0.0, top), const(np.inf, top)
    finite = less(top, infinite) & less(negative(infinite), top)
    y = where(finite, top, zero) * const(cap[RATE], top)
    grid = (y + const(_GRID, y)) - const(_GRID, y)
    high = from_bits(bits(grid) & const(-1 << 29, bits(y)))
    reach = _least(const(cap[REACH], top), const(_FARTHEST * cap[T], top) - top)
    near_by = finite & less(maximum(y, negative(y)), const(BEYOND, y))
    reach = where(near_by, maximum(reach, zero), zero)
    near = _least(const(cap[NEAR_TO], top), reach)
    return negative(high), high - y, reach * reach, near * near


@inner
def _least(a: Any, b: Any) -> Any:
    return where(less(a, b), a, b)


@inner
def lacked(high: Any, low: Any) -> Any:
    """2^low, what a start that is `high` has lost, 2^-10 at most; 1 where it is BEYOND."""
    known = less(maximum(high, negative(high)), const(BEYOND, high))
    x = where(known, low * const(_LN2, low), const(0.0, low))
    return fma(x, fma(x, const(0.5, x), const(1.0, x)), const(1.0, x))


@by_dtype
def set_top(d: Any, r: Any, m: Any, rate: Any, cap: Any) -> Any:
    """What m, the largest logit of row r, comes to behind the cap."""

    def same(d: Any, r: Any, m: Any, rate: Any, cap: Any) -> None:
        d[TOP + r] = m

    def swiftly(d: Any, r: Any, m: Any, rate: Any, cap: Any) -> None:
        d[TOP + r] = m
        d[LIMIT + r], d[HIGH + r], d[LOW + r] = start_of(m)

    def direct(d: Any, r: Any, m: Any, rate: Any, cap: Any) -> None:
        d[TOP + r] = capped_and_slope(m, cap)[0]

    def in_two(d: Any, r: Any, m: Any, rate: Any, cap: Any) -> None:
        d[TOP + r] = first_of(top_of(fill(m, _F64), cap))
        d[HIGH + r], d[LOW + r], d[LIMIT + r], d[NEAR_LIMIT + r] = starts_of(d[TOP + r], cap)

    if isinstance(cap, types.NoneType):
        return swiftly if is_swift(rate) else same
    return in_two if isinstance(cap, types.BaseTuple) else direct


@by_dtype
def set_all_tops(d: Any, rate: Any, cap: Any) -> Any:
    """The same of all rows, whose largest logits are at M."""

    def same(d: Any, rate: Any, cap: Any) -> None:
        for r in range(0, ROWS, lane_count(_F64)):
            store(d, TOP + r, load(d, M + r, _F64))

    def swiftly(d: Any, rate: Any, cap: Any) -> None:
        for r in range(0, ROWS, lane_count(_F64)):
            m = load(d, M + r, _F64)
            shift, start, lost = start_of(m)
            store(d, TOP + r, m)
            store(d, LIMIT + r, shift)
            store(d, HIGH + r, start)
            store(d, LOW + r, lost)

    def direct(d: Any, rate: Any, cap: Any) -> None:
        for r in range(0, ROWS, lane_count(_F64)):
            store(d, TOP + r, capped_and_slope(load(d, M + r, _F64), cap)[0])

    def in_two(d: Any, rate: Any, cap: Any) -> None:
        for r in range(0, ROWS, lane_count(_F64)):
            top = top_of(load(d, M + r, _F64), cap)
            high, low, within, near = starts_of(top, cap)
            store(d, TOP + r, top)
            store(d, HIGH + r, high)
            store(d, LOW + r, low)
            store(d, LIMIT + r, within)
            store(d, NEAR_LIMIT + r, near)

    if isinstance(cap, types.NoneType):
        return swiftly if is_swift(rate) else same
    return in_two if isinstance(cap, types.BaseTuple) else direct


@by_dtype
def scale_of(d: Any, r: Any, rate: Any, cap: Any, like: Any) -> Any:
    """What the sums of row r are to be multiplied by, in float64."""

    def alike(d: Any, r: Any, rate: Any, cap: Any, like: Any) -> Any:
        return unscale(like)

    def swiftly(d: Any, r: Any, rate: Any, cap: Any, like: Any) -> Any:
        return d[LOW + r] * unscale(like)

    def in_two(d: Any, r: Any, rate: Any, cap: Any, like: Any) -> Any:
        return lacked(d[HIGH + r], d[LOW + r]) * unscale(like)

    if isinstance(cap, types.BaseTuple):
        return in_two
    return swiftly if is_swift(rate) else alike


@by_dtype
def scale_factors(d: Any, rate: Any, cap: Any) -> Any:
    """The factors of exp in the results of all rows, multiplied by the same, but for the lift."""

    def alike(d: Any, rate: Any, cap: Any) -> None:
        pass

    def swiftly(d: Any, rate: Any, cap: Any) -> None:
        for r in range(ROWS):
            d[FACTOR + r] *= d[LOW + r]

    def in_two(d: Any, rate: Any, cap: Any) -> None:
        for r in range(0, ROWS, lane_count(_F64)):
            scale = lacked(load(d, HIGH + r, _F64), load(d, LOW + r, _F64))
            store(d, FACTOR + r, load(d, FACTOR + r, _F64) * scale)

    if isinstance(cap, types.BaseTuple):
        return in_two
    return swiftly if is_swift(rate) else alike


# What logits are compared with: (cap, top, rate of exp), or (cap, HIGH, LOW, LIMIT, NEAR_LIMIT,
# and up to where several vectors of a row go together).
# For the sums of power.py (None, top, rate, start, shift).


@by_dtype
def about_base(base: Any, top: Any, rate: Any, cap: Any, like: Any) -> Any:
    """(`about_row` of a row whose top were `base`, what exp is multiplied by).

    The latter beside that of a row whose maximum is `top`.
    """

    def alike(base: Any, top: Any, rate: Any, cap: Any, like: Any) -> Any:
        return (cap, as_like(base, like), rate), 1.0

    def in_two(base: Any, top: Any, rate: Any, cap: Any, like: Any) -> Any:
        high, low, within, near = starts_of(base, cap)
        scale = 1.0
        if base != top:
            of_top = starts_of(top, cap)
            scale = lacked(high, low) / lacked(of_top[0], of_top[1])
        return (
            cap, as_like(high, like), as_like(low, like), as_like(within, like),
            as_like(near, like), as_like(maximum(cap[OUTER], _least(cap[MIDDLE], within)), like),
        ), scale  # fmt: skip

    def swiftly(base: Any, top: Any, rate: Any, cap: Any, like: Any) -> Any:
        shift, start, lost = start_of(base)
        about = None, as_like(base, like), rate, as_like(start, like), as_like(shift, like)
        return about, 1.0 if base == top else lost / start_of(top)[2]

    if isinstance(cap, types.BaseTuple):
        return in_two
    return swiftly if is_swift(rate) else alike


@by_dtype
def about_row(d: Any, r: Any, rate: Any, cap: Any, like: Any) -> Any:
    """That of row r, for a vector of its logits."""

    def direct(d: Any, r: Any, rate: Any, cap: Any, like: Any) -> Any:
        return cap, as_like(d[TOP + r], like), rate

    def swiftly(d: Any, r: Any, rate: Any, cap: Any, like: Any) -> Any:
        return (
            cap, as_like(d[TOP + r], like), rate, as_like(d[HIGH + r], like),
            as_like(d[LIMIT + r], like),
        )  # fmt: skip

    def in_two(d: Any, r: Any, rate: Any, cap: Any, like: Any) -> Any:
        return (
            cap, as_like(d[HIGH + r], like), as_like(d[LOW + r], like),
            as_like(d[LIMIT + r], like), as_like(d[NEAR_LIMIT + r], like),
            as_like(maximum(cap[OUTER], _least(cap[MIDDLE], d[LIMIT + r])), like),
        )  # fmt: skip

    if isinstance(cap, types.BaseTuple):
        return in_two
    return swiftly if is_swift(rate) else direct


@by_dtype
def exp_of_top(d: Any, r: Any, rate: Any, cap: Any, like: Any) -> Any:
    """What `effect` gives for the maximum of row r, without a soft-cap: about 1, lifted."""

    def exactly(d: Any, r: Any, rate: Any, cap: Any, like: Any) -> Any:
        return as_like(1.0 / unscale(like), like)

    def swiftly(d: Any, r: Any, rate: Any, cap: Any, like: Any) -> Any:
        shifted = fill(d[M + r] - d[LIMIT + r], like)
        return first_of(power_scaled(shifted, as_like(d[HIGH + r], like)))

    return swiftly if is_swift(rate) else exactly


@by_dtype
def about_rows(d: Any, r: Any, rate: Any, cap: Any, like: Any) -> Any:
    """That of row r and those after it, one a lane."""

    def direct(d: Any, r: Any, rate: Any, cap: Any, like: Any) -> Any:
        return cap, load(d, TOP + r, like), rate

    def in_two(d: Any, r: Any, rate: Any, cap: Any, like: Any) -> Any:
        return (
            cap, load(d, HIGH + r, like), load(d, LOW + r, like), load(d, LIMIT + r, like),
            load(d, NEAR_LIMIT + r, like),
        )  # fmt: skip

    return in_two if isinstance(cap, types.BaseTuple) else direct
