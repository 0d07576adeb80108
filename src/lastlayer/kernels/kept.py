"""Exponentials that the sums of a row leave behind for its gradient: none is computed twice.

They lie in the thread's working memory, lifted as `exp_scaled` gives them, each relative to the
largest logit that was known when its block was summed, its base; under a soft-cap multiplied by
dz/dx. A gradient or probability is then one product. Where they do not fit, or the logits come
block by block through a buffer, the same is computed anew: what it is depends on the row alone.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types

from lastlayer.kernels.coefficients import coefficients
from lastlayer.kernels.jit import by_dtype, inner
from lastlayer.kernels.lanes import all_of, fold_least
from lastlayer.kernels.memory import as_like, lane_count, pointer, store, store_first, width
from lastlayer.kernels.row import BLOCK, ROWS
from lastlayer.kernels.simd import at_least, const, equal, fill, lanes_of, where
from lastlayer.kernels.vecmath import LIFT, TINY_32, TINY_64, times

_F64 = np.float64(0)
BYTES = 1 << 19  # of exponentials kept: a quarter of an L2 cache
_BASES = BYTES // 4 // BLOCK + 8  # blocks of a row that are kept, a cache line more
FAR = -40.0  # a base so far below the row's maximum is not used: its factor would lose digits
ROOM = BYTES + BLOCK * 8 + ROWS * _BASES * 8  # bytes of working memory


@inner
def holds(block: Any, like: Any) -> Any:
    """Whether the exponentials of a block are kept."""
    return block < BYTES // width(like)


@inner
def kept_at(row: Any, block: Any, count: Any, like: Any) -> Any:
    """Where the exponentials of a block go; those that are not kept have one place for all."""
    return row * count + block if holds(block, like) else BYTES // width(like)


@by_dtype
def worthwhile(result: Any, mix: Any, cap: Any) -> Any:
    """None where no exponential is computed twice, or more is made of it than a product.

    Under a soft-cap what coefficients give a class has a factor that was not kept.
    """

    def no(result: Any, mix: Any, cap: Any) -> Any:
        return None

    def yes(result: Any, mix: Any, cap: Any) -> Any:
        return True

    enough = types.none in (mix, cap)
    return yes if enough and result != types.none else no


@by_dtype
def room(address: Any, wanted: Any, staged: Any, like: Any) -> Any:
    """Pointers to the exponentials and to the bases of their blocks; None of what there is not.

    `wanted` is None where no exponentials will be.
    """

    def nothing(address: Any, wanted: Any, staged: Any, like: Any) -> Any:
        return None, None

    def only_bases(address: Any, wanted: Any, staged: Any, like: Any) -> Any:
        return None, pointer(address + BYTES + BLOCK * 8, _F64)

    def both(address: Any, wanted: Any, staged: Any, like: Any) -> Any:
        return pointer(address, like), pointer(address + BYTES + BLOCK * 8, _F64)

    if isinstance(wanted, types.NoneType):
        return nothing
    return both if isinstance(staged, types.NoneType) else only_bases


@by_dtype
def note(bases: Any, row: Any, block: Any, n: Any, base: Any, like: Any) -> Any:
    """What the exponentials of the n classes from `block` on are relative to."""

    def nowhere(bases: Any, row: Any, block: Any, n: Any, base: Any, like: Any) -> None:
        pass

    def kept(bases: Any, row: Any, block: Any, n: Any, base: Any, like: Any) -> None:
        for at in range(block, block + n, BLOCK):
            if holds(at, like):
                bases[row * _BASES + at // BLOCK] = base

    return nowhere if isinstance(bases, types.NoneType) else kept


@inner
def common_base(bases: Any, row: Any, first: Any, end: Any, top: Any, like: Any) -> Any:
    """(base, end) of the blocks from class `first` on that share one; that of others is `top`."""
    if not holds(first, like):
        return top, end
    at, until = row * _BASES, first + BLOCK
    base, end = bases[at + first // BLOCK], min(end, BYTES // width(like))
    while until < end and bases[at + until // BLOCK] == base:
        until += BLOCK
    return base, min(until, end)


@by_dtype
def keep(kept: Any, at: Any, n: Any, e: Any) -> Any:
    """Store a vector, of which n lanes count (None: all), to be read again; not to None."""

    def nowhere(kept: Any, at: Any, n: Any, e: Any) -> None:
        pass

    def whole(kept: Any, at: Any, n: Any, e: Any) -> None:
        store(kept, at, e)

    def first(kept: Any, at: Any, n: Any, e: Any) -> None:
        if n >= lane_count(e):
            store(kept, at, e)
        else:
            store_first(kept, at, n, e)

    if isinstance(kept, types.NoneType):
        return nowhere
    return whole if isinstance(n, types.NoneType) else first


@by_dtype
def kept_times(v: Any, j: Any, n: Any, about: Any, row: Any, near: Any, like: Any) -> Any:
    """factor · exp of exponentials that were kept; row as `products` gives it.

    Of several vectors also whether all are known to be normal numbers.
    """

    def one(v: Any, j: Any, n: Any, about: Any, row: Any, near: Any, like: Any) -> Any:
        return times(v, const(row[0], v))

    # most logits of most rows have a normal product: the one multiplication that it takes then
    # gives the bits of `times`
    def several(v: Any, j: Any, n: Any, about: Any, row: Any, near: Any, like: Any) -> Any:
        smallest = fold_least(v)
        if all_of(at_least(smallest, const(row[1], smallest))):
            return v * const(row[2], v), True
        return times(v, const(row[0], v)), False

    return several if v.lanes > lanes_of(v.dtype) else one


@by_dtype
def kept_less(v: Any, j: Any, n: Any, about: Any, row: Any, near: Any, like: Any) -> Any:
    """As `less_share` of what was kept; row is (`products`, what `less_share` is given)."""

    def one(v: Any, j: Any, n: Any, about: Any, row: Any, near: Any, like: Any) -> Any:
        return less_share(v, j, n, kept_times(v, j, n, about, row[0], near, like), row[1], like)

    def several(v: Any, j: Any, n: Any, about: Any, row: Any, near: Any, like: Any) -> Any:
        product = kept_times(v, j, n, about, row[0], near, like)[0]
        return less_share(v, j, n, product, row[1], like)

    return several if v.lanes > lanes_of(v.dtype) else one


@inner
def less_share(e: Any, j: Any, n: Any, product: Any, smoothed: Any, like: Any) -> Any:
    """The product less share · a_j, `alone` where exp is that of a maximum above one half.

    smoothed is (share, alone, the lifted exp of such a maximum, else NaN, the coefficients).
    """
    share, alone, one, of_classes = smoothed
    less = product - const(share, e) * each_class(of_classes, j, n, like)
    return where(equal(e, const(one, e)), const(alone, e), less)


@by_dtype
def each_class(of_classes: Any, j: Any, n: Any, like: Any) -> Any:
    """The coefficients of a vector of classes; of_classes is None where they are part of share."""

    def alike(of_classes: Any, j: Any, n: Any, like: Any) -> Any:
        return fill(1.0, like)

    def own(of_classes: Any, j: Any, n: Any, like: Any) -> Any:
        t, t_at, weights, block, mix = of_classes
        return coefficients(t, t_at + j, weights, block + j, n, mix, like)

    return alike if isinstance(of_classes, types.NoneType) else own


@by_dtype
def products(factor: Any, like: Any) -> Any:
    """Of a factor in float64: it, the least `exp_scaled` whose product is a normal number, and it
    with the lift taken back, all in the precision of `like`.
    """  # fmt: skip
    single = like == types.float32
    down = 2.0 ** -LIFT[like]
    border, tiny = (2.0**-62, TINY_32) if single else (2.0**-510, TINY_64)
    border *= 1.0 + 2.0**-20  # what is rounded on the way

    def body(factor: Any, like: Any) -> Any:
        size = abs(factor)
        # a smaller factor is no normal number without the lift, with a larger one `times` overflows
        least = max(border / size, tiny) if border < size < 1.0 / border else np.inf
        return as_like(factor, like), as_like(least, like), as_like(factor * down, like)

    return body
