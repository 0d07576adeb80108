"""The gradient of a group of rows, from the exponentials that its sums have left behind."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types

from lastlayer.kernels.effective import sloped
from lastlayer.kernels.group_results import ask_to_write
from lastlayer.kernels.jit import by_dtype, inner
from lastlayer.kernels.lanes import all_of
from lastlayer.kernels.memory import lane_count, load, store
from lastlayer.kernels.row import (
    ALONE,
    COUNTS,
    FACTOR,
    LABEL,
    LACK,
    LANES,
    LEADS,
    OWN,
    SHARE,
    SLOPE,
    TIES,
    M,
)
from lastlayer.kernels.simd import at_least, equal, fill, less, maximum, negative, where
from lastlayer.kernels.vecmath import LIFT, TINY_32, TINY_64, times

_F64 = np.float64(0)


@by_dtype
def borders(like: Any) -> Any:
    """What takes the lift of `exp_scaled` back; the smallest normal number, lifted; and from where
    on `times` takes what `exp_scaled` gave for more than 0.
    """  # fmt: skip
    unlift = 2.0 ** -LIFT[like]
    least, tiny = (2.0**-62, TINY_32) if LIFT[like] == 64 else (2.0**-510, TINY_64)

    def body(like: Any) -> Any:
        return unlift, least * (1.0 + 2.0**-20), tiny  # what is rounded on the way

    return body


@inner
def _least(g: Any, count: Any, like: Any) -> Any:
    """The smallest number of each lane; a NaN is passed over."""
    lanes, j = lane_count(like), 0
    a, b = fill(np.inf, like), fill(np.inf, like)
    while j + 2 <= count:
        v, w = load(g, j * lanes, like), load(g, (j + 1) * lanes, like)
        a, b = where(less(v, a), v, a), where(less(w, b), w, b)
        j += 2
    if j < count:
        v = load(g, j * lanes, like)
        a = where(less(v, a), v, a)
    return where(less(a, b), a, b)


@inner
def _all_normal(g: Any, factor: Any, count: Any, like: Any) -> Any:
    """Whether the products of exp_scaled with a factor, without the lift, are normal numbers or 0.

    One multiplication then gives the bits of `times`.
    """
    size, least = maximum(factor, negative(factor)), _least(g, count, like)
    _, border, tiny = borders(like)
    # with a larger factor `times` overflows, and what is smaller is 0 to it
    fits = at_least(size, fill(border, like)) & at_least(fill(1.0 / border, like), size)
    normal = at_least(least, fill(tiny, like)) & at_least(least * size, fill(border, like))
    return all_of((fits & normal) | equal(size, fill(0.0, like)))


@by_dtype
def _product(e: Any, factor: Any, normal: Any) -> Any:
    def one(e: Any, factor: Any, normal: Any) -> Any:
        return e * factor

    def careful(e: Any, factor: Any, normal: Any) -> Any:
        return times(e, factor)

    return careful if isinstance(normal, types.NoneType) else one


@by_dtype
def _slope(slopes: Any, at: Any, mix: Any, like: Any) -> Any:
    def nothing(slopes: Any, at: Any, mix: Any, like: Any) -> None:
        return None

    def kept(slopes: Any, at: Any, mix: Any, like: Any) -> Any:
        return load(slopes, at, like)

    return nothing if types.none in (slopes, mix) else kept


@by_dtype
def slope_own(d: Any, slopes: Any, mix: Any, tile: Any) -> Any:
    """The labels' own entries, and what they lack, times dz/dx there."""

    def nothing(d: Any, slopes: Any, mix: Any, tile: Any) -> None:
        pass

    def times_slope(d: Any, slopes: Any, mix: Any, tile: Any) -> None:
        for r in range(0, tile, LANES):  # others would become smaller with every group
            slope = load(d, SLOPE + r, _F64)
            store(d, OWN + r, load(d, OWN + r, _F64) * slope)
            store(d, LACK + r, load(d, LACK + r, _F64) * slope)

    return times_slope if _steep(slopes, mix) else nothing


def _steep(slopes: Any, mix: Any) -> bool:
    return isinstance(mix, types.NoneType) and not isinstance(slopes, types.NoneType)


@by_dtype
def give_group(d: Any, x: Any, g: Any, slopes: Any, a: Any, t: Any, weights: Any, count: Any,
               indexed: Any, mix: Any, ahead: Any, like: Any) -> Any:  # fmt: skip
    """From exp_scaled in `g` to the gradient; asks for the lines `ahead` to write them."""

    def careful(d: Any, x: Any, g: Any, slopes: Any, a: Any, t: Any, weights: Any, count: Any,
                indexed: Any, mix: Any, ahead: Any, like: Any) -> None:  # fmt: skip
        _give_classes(d, x, g, slopes, a, t, weights, count, indexed, mix,
                      load(d, FACTOR, like), None, ahead, like)  # fmt: skip

    def either(d: Any, x: Any, g: Any, slopes: Any, a: Any, t: Any, weights: Any, count: Any,
               indexed: Any, mix: Any, ahead: Any, like: Any) -> None:  # fmt: skip
        factor = load(d, FACTOR, like)
        if _all_normal(g, factor, count, like):
            factor = factor * fill(borders(like)[0], like)
            _give_classes(d, x, g, slopes, a, t, weights, count, indexed, mix, factor, True,
                          ahead, like)  # fmt: skip
        else:
            _give_classes(d, x, g, slopes, a, t, weights, count, indexed, mix, factor, None,
                          ahead, like)  # fmt: skip

    # where more is made of capped products it isn't worth asking, nor compiling twice
    return either if types.none in (slopes, mix) else careful


@inner
def _give_classes(d: Any, x: Any, g: Any, slopes: Any, a: Any, t: Any, weights: Any, count: Any,
                  indexed: Any, mix: Any, factor: Any, normal: Any, ahead: Any,
                  like: Any) -> None:  # fmt: skip
    lanes, zero, one = lane_count(like), fill(0.0, like), fill(1.0, like)
    counts = less(zero, load(d, COUNTS, like))
    class_, label = zero, fill(-1.0, like)
    if indexed:
        label = load(d, LABEL, like)
    # of an enormous weight e may be infinite where OWN, which the label has where it leads, is not
    leads, own, lack = less(zero, load(d, LEADS, like)), load(d, OWN, like), load(d, LACK, like)
    if mix is not None:
        share, alone = load(d, SHARE, like), load(d, ALONE, like)
        m, single = load(d, M, like), equal(load(d, TIES, like), one)
    for j in range(count):
        k = j * lanes
        ask_to_write(ahead, j)
        e = _product(load(g, k, like), factor, normal)
        r = e
        if mix is not None:
            if t is None and weights is None:
                r = r - share * fill(mix[1], like)
            else:
                r = r - share * load(a, k, like)
            r = where(single, where(equal(load(x, k, like), m), alone, r), r)
        r = where(equal(class_, label), where(leads, own, e - lack), r)
        r = sloped(r, _slope(slopes, k, mix, like))
        store(g, k, where(counts, r, zero))  # left out: 0, whatever the logits hold
        class_ = class_ + one
