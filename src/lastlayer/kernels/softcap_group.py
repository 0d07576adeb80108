"""What a soft-cap comes to for a group of rows of few classes, and for their labels.

Where all logits of a group are near, as most are, the exponentials wait for no more than `start`, a
product in float32. What it lacks, the rows' tops and their labels come from the same polynomial in
float64, meanwhile.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from lastlayer.kernels.effective import slope_of
from lastlayer.kernels.gather import gather_at
from lastlayer.kernels.jit import by_dtype, inner
from lastlayer.kernels.memory import lane_count, load, store
from lastlayer.kernels.row import (
    FACTOR,
    HIGH,
    LIMIT,
    LOW,
    NEAR_LIMIT,
    NUMBERS,
    PICKED,
    REST,
    ROWS,
    SLOPE,
    TOP,
    M,
)
from lastlayer.kernels.simd import const, equal, fill, fma, less, negative, where
from lastlayer.kernels.softcap import capped_and_slope
from lastlayer.kernels.softcap_call import COUNT, NEAR_TO, RATE, UNIT, near_series
from lastlayer.kernels.softcap_row import lacked, starts_of, top_of
from lastlayer.kernels.vecmath import unscale

_F64, _LN2 = np.float64(0), 0.6931471805599453
_GRID = 96.0  # 32 more or less has the last place 2^-17 in float32


@inner
def _product(v: Any, cap: Any) -> Any:
    """RATE · z of near logits, of vectors of either precision."""
    s = v * v
    return v * fma(near_series(s, cap), s, const(cap[RATE], v))


@intrinsic
def keep_numbers(typingctx: Any, d: Any, cap: Any) -> Any:
    """Those of a soft-cap in float32, if there is one, where `numbers` finds them.

    What is done once a group takes them from there, and no registers from what is done for each
    class; nor have they to be handed to a function.
    """

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        if isinstance(cap, types.BaseTuple):
            for k in range(COUNT):
                builder.store(builder.extract_value(args[1], k), _place(builder, args[0], k))
        return context.get_dummy_value()

    return types.void(d, cap), codegen


def _place(builder: Any, d: Any, k: int) -> Any:
    return builder.gep(d, [ir.IntType(64)(NUMBERS + k)])


@intrinsic
def numbers(typingctx: Any, d: Any) -> Any:
    """Those that `keep_numbers` kept, as it was given them."""
    result = types.UniTuple(types.float64, COUNT)

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        found = [builder.load(_place(builder, args[0], k)) for k in range(COUNT)]
        return context.make_tuple(builder, result, found)

    return result(d), codegen


@inner
def is_near(v: Any, cap: Any) -> Any:
    """Which logits are near those of float32, as effective.py has it of a row whose top is."""
    return less(v * v, const(cap[NEAR_TO] * cap[NEAR_TO], v))


@inner
def near_start(m: Any, cap: Any) -> Any:
    """About −RATE · top of rows whose largest logits m, float32, are near: a multiple of 2^-17.

    What is left of it less a t is then a float32, see effective.py.
    """
    grid = const(_GRID, m)
    return (grid - _product(m, cap)) - grid


@inner
def set_near_tops(d: Any, start: Any) -> None:
    """Tops of rows whose largest logits, at M, are near; what `start` is, and lacks."""
    cap = numbers(d)
    store(d, HIGH, start)
    for r in range(0, ROWS, lane_count(_F64)):
        y = _product(load(d, M + r, _F64), cap)
        store(d, TOP + r, y * const(cap[UNIT], y))
        store(d, LOW + r, negative(y) - load(d, HIGH + r, _F64))


@by_dtype
def set_tops(d: Any, m: Any, start: Any, cap: Any) -> Any:
    """What the largest logits of rows, a vector m and at M, come to behind the cap.

    `start` is `near_start` of them; a row that has it has it whatever its neighbours hold.
    """

    def same(d: Any, m: Any, start: Any, cap: Any) -> None:
        store(d, TOP, m)

    def direct(d: Any, m: Any, start: Any, cap: Any) -> None:
        store(d, TOP, capped_and_slope(m, cap)[0])

    def in_two(d: Any, m: Any, start: Any, cap: Any) -> None:
        set_near_tops(d, start)
        zero = fill(0.0, _F64)
        store(d, NEAR_LIMIT, where(is_near(m, cap), const(1.0, m), const(0.0, m)))
        for r in range(0, ROWS, lane_count(_F64)):
            near = less(zero, load(d, NEAR_LIMIT + r, _F64))
            top = where(near, load(d, TOP + r, _F64), top_of(load(d, M + r, _F64), cap))
            high, low, within, near_by = starts_of(top, cap)
            store(d, TOP + r, top)
            store(d, HIGH + r, where(near, load(d, HIGH + r, _F64), high))
            store(d, LOW + r, where(near, load(d, LOW + r, _F64), low))
            store(d, LIMIT + r, within)
            store(d, NEAR_LIMIT + r, near_by)

    if isinstance(cap, types.NoneType):
        return same
    return in_two if isinstance(cap, types.BaseTuple) else direct


@by_dtype
def scale_group(d: Any, cap: Any, near: Any, lanes: Any, like: Any) -> Any:
    """The sums of as many rows as lanes times what they lack, which LOW is from here on."""

    def alike(d: Any, cap: Any, near: Any, lanes: Any, like: Any) -> None:
        for r in range(0, lanes, lane_count(_F64)):
            store(d, REST + r, load(d, REST + r, _F64) * fill(unscale(like), _F64))

    def in_two(d: Any, cap: Any, near: Any, lanes: Any, like: Any) -> None:
        for r in range(0, lanes, lane_count(_F64)):
            rest, low = load(d, REST + r, _F64) * fill(unscale(like), _F64), load(d, LOW + r, _F64)
            if near:  # none is known to be BEYOND
                y = low * const(_LN2, low)
                lacks = fma(y, fma(y, const(0.5, y), const(1.0, y)), const(1.0, y))
            else:
                lacks = lacked(load(d, HIGH + r, _F64), low)
            store(d, REST + r, rest * lacks)
            store(d, LOW + r, lacks)

    return in_two if isinstance(cap, types.BaseTuple) else alike


@by_dtype
def scale_group_factors(d: Any, cap: Any, tile: Any) -> Any:
    """The factors of exp in the results, multiplied by the same."""

    def alike(d: Any, cap: Any, tile: Any) -> None:
        pass

    def in_two(d: Any, cap: Any, tile: Any) -> None:
        for r in range(0, tile, lane_count(_F64)):
            store(d, FACTOR + r, load(d, FACTOR + r, _F64) * load(d, LOW + r, _F64))

    return in_two if isinstance(cap, types.BaseTuple) else alike


# --------------------------------------------------------------------------- labels


@by_dtype
def pick_group(d: Any, r: Any, x: Any, gaps: Any, slopes: Any, places: Any, counts: Any, cap: Any,
               near: Any, mix: Any) -> Any:  # fmt: skip
    """The labels' logits behind the cap, of rows from r on, whose labels are at `places`.

    The top where they are it; and for `slope_own` dz/dx there. `near` as `sum_group` gave it.
    """  # fmt: skip

    def plain(d: Any, r: Any, x: Any, gaps: Any, slopes: Any, places: Any, counts: Any, cap: Any,
              near: Any, mix: Any) -> None:  # fmt: skip
        store(d, PICKED + r, gather_at(x, places, counts, _F64))

    def kept(d: Any, r: Any, x: Any, gaps: Any, slopes: Any, places: Any, counts: Any, cap: Any,
             near: Any, mix: Any) -> None:  # fmt: skip
        gap = gather_at(gaps, places, counts, _F64)
        at_top = equal(gather_at(x, places, counts, _F64), load(d, M + r, _F64))
        gap = where(at_top, fill(0.0, _F64), gap)
        store(d, PICKED + r, load(d, TOP + r, _F64) + gap)
        if slopes is not None and mix is None:
            store(d, SLOPE + r, gather_at(slopes, places, counts, _F64))

    def either(d: Any, r: Any, x: Any, gaps: Any, slopes: Any, places: Any, counts: Any, cap: Any,
               near: Any, mix: Any) -> None:  # fmt: skip
        v, m, top = gather_at(x, places, counts, _F64), load(d, M + r, _F64), load(d, TOP + r, _F64)
        known, at_top = numbers(d), equal(v, m)
        y = _product(v, known)
        z, slope = y * const(known[UNIT], y), slope_of(y, known)
        if not near:  # one that is, of a row whose top is, is the same whatever others are
            both = is_near(v, known) & is_near(m, known)
            z = where(both, z, top + gather_at(gaps, places, counts, _F64))
            if slopes is not None:
                slope = where(both, slope, gather_at(slopes, places, counts, _F64))
        store(d, PICKED + r, where(at_top, top, z))
        if slopes is not None:
            store(d, SLOPE + r, slope)

    if isinstance(cap, types.NoneType):
        return plain
    return either if isinstance(cap, types.BaseTuple) and isinstance(mix, types.NoneType) else kept
