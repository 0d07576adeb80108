"""The gradient of a group of rows, from the exponentials that its sums have left behind."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types

from lastlayer.kernels.effective import sloped
from lastlayer.kernels.group import ask_to_write
from lastlayer.kernels.jit import by_dtype, inner
from lastlayer.kernels.lanes import all_of
from lastlayer.kernels.memory import lane_count, load, store
from lastlayer.kernels.row import ALONE, COUNTS, FACTOR, LABEL, LACK, LEADS, OWN, SHARE, TIES, M
from lastlayer.kernels.simd import at_least, equal, fill, fma, less, maximum, negative, where
from lastlayer.kernels.vecmath import LIFT, times


@by_dtype
def borders(like: Any) -> Any:
    """What takes the lift of `exp_scaled` back, and the smallest normal number, lifted."""
    unlift = 2.0 ** -LIFT[like]
    least = 2.0**-62 if LIFT[like] == 64 else 2.0**-510

    def body(like: Any) -> Any:
        return unlift, least * (1.0 + 2.0**-20)  # what is rounded on the way

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


@by_dtype
def _all_normal(g: Any, factor: Any, count: Any, mix: Any, cap: Any, like: Any) -> Any:
    """Whether the products of exp_scaled with a factor, without the lift, are normal numbers or 0.

    One multiplication then gives the bits of `times`. Not asked where more is made of them.
    """

    def asked(g: Any, factor: Any, count: Any, mix: Any, cap: Any, like: Any) -> Any:
        size, (_, border) = maximum(factor, negative(factor)), borders(like)
        normal = at_least(size, fill(border, like))
        normal = normal & at_least(_least(g, count, like) * size, fill(border, like))
        return all_of(normal | equal(size, fill(0.0, like)))

    def no(g: Any, factor: Any, count: Any, mix: Any, cap: Any, like: Any) -> Any:
        return False

    plain = isinstance(mix, types.NoneType) and isinstance(cap, types.NoneType)
    return asked if plain else no


@by_dtype
def _product(e: Any, factor: Any, normal: Any) -> Any:
    def one(e: Any, factor: Any, normal: Any) -> Any:
        return e * factor

    def careful(e: Any, factor: Any, normal: Any) -> Any:
        return times(e, factor)

    return careful if isinstance(normal, types.NoneType) else one


@by_dtype
def _slope(slopes: Any, at: Any, cap: Any, like: Any) -> Any:
    def nothing(slopes: Any, at: Any, cap: Any, like: Any) -> None:
        return None

    def kept(slopes: Any, at: Any, cap: Any, like: Any) -> Any:
        return load(slopes, at, like)

    return nothing if isinstance(cap, types.NoneType) else kept


@inner
def give_group(d: Any, x: Any, g: Any, slopes: Any, a: Any, t: Any, weights: Any, count: Any,
               indexed: Any, mix: Any, cap: Any, ahead: Any, like: Any) -> None:  # fmt: skip
    """From exp_scaled in `g` to the gradient; asks for the lines `ahead` to write them."""
    factor = load(d, FACTOR, like)
    if _all_normal(g, factor, count, mix, cap, like):
        factor = factor * fill(borders(like)[0], like)
        _give_classes(d, x, g, slopes, a, t, weights, count, indexed, mix, cap, factor, True,
                      ahead, like)  # fmt: skip
    else:
        _give_classes(d, x, g, slopes, a, t, weights, count, indexed, mix, cap, factor, None,
                      ahead, like)  # fmt: skip


@inner
def _give_classes(d: Any, x: Any, g: Any, slopes: Any, a: Any, t: Any, weights: Any, count: Any,
                  indexed: Any, mix: Any, cap: Any, factor: Any, normal: Any, ahead: Any,
                  like: Any) -> None:  # fmt: skip
    lanes, zero, one = lane_count(like), fill(0.0, like), fill(1.0, like)
    counts = less(zero, load(d, COUNTS, like))
    class_, label = zero, fill(-1.0, like)
    if indexed:
        label = load(d, LABEL, like)
    # at the label e − LACK, or OWN where it leads: one multiply-add, which keeps the sign of a zero
    leads = less(zero, load(d, LEADS, like))
    share_of_e = where(leads, negative(zero), one)
    own = where(leads, load(d, OWN, like), negative(load(d, LACK, like)))
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
        r = where(equal(class_, label), fma(e, share_of_e, own), r)
        r = sloped(r, _slope(slopes, k, cap, like))
        store(g, k, where(counts, r, zero))  # left out: 0, whatever the logits hold
        class_ = class_ + one
