"""What a tile's rows give once their sums are finished: gradients, probabilities, their logarithms.

Each a block of a row, for `tile.visit`.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import types

from lastlayer.kernels.blocks import (
    emit,
    logarithm,
    minus_coefficients,
    nothing,
    scaled_exp,
    scaled_exp_less,
)
from lastlayer.kernels.jit import by_dtype, inner
from lastlayer.kernels.kept import (
    FAR,
    common_base,
    holds,
    kept_at,
    kept_less,
    kept_times,
    products,
)
from lastlayer.kernels.memory import as_like, pointer, write
from lastlayer.kernels.row import ALONE, FACTOR, OWN, REST, SAMPLE, SHARE, TIES, TOP, M
from lastlayer.kernels.softcap_row import about_base, about_row, exp_of_top

_I64 = np.int64(0)
_FAR = 1 << 62
# R up to which a lone maximum's entry is what the other classes have, not what is left of its own:
# another logit's exp can't be the same then, by which it is found
APART = 0.75


@inner
def side_by_side(g: Any, count: Any, inner_count: Any, row: Any, lo: Any, hi: Any) -> Any:
    """Where the rows of [lo, hi) that lie side by side with a row begin and end in g.

    Out of reach of any place where the row does not touch its neighbours.
    """
    if g[2] != count:
        return _FAR, _FAR
    outer = row // inner_count
    first = outer * inner_count
    start = outer * g[1] - first * count
    return start + max(lo, first) * count, start + min(hi, first + inner_count) * count


@inner
def give_gradient(extra: Any, r: Any, block: Any, n: Any, x: Any, at: Any, t: Any, t_at: Any,
                  g: Any, to: Any) -> None:  # fmt: skip
    """The gradient of a block."""
    d, row, indices, rate, inv_t, cap, weights, mix, count, kept, bases, past, like = extra
    if d[SAMPLE + r] <= 0.0:  # left out, whatever its logits hold
        emit(nothing, (None,), None, x, at, n, -1, as_like(0.0, like), g, to, past, like)
        return
    label = pointer(indices, _I64)[row + r] - block if indices != 0 else -1
    # what lies in a cache has it written afterwards
    within = label if past[0] else -1
    give_row(d, r, block, n, x, at, t, t_at, within, g, to, rate, inv_t, cap, weights, mix, count,
             kept, bases, past, like)  # fmt: skip
    if 0 <= label < n and not past[0]:
        write(g, to + label, as_like(d[OWN + r], like))


@inner
def give_row(d: Any, r: Any, block: Any, n: Any, x: Any, at: Any, t: Any, t_at: Any,
             label: Any, g: Any, to: Any, rate: Any, inv_t: Any, cap: Any, weights: Any,
             mix: Any, count: Any, kept: Any, bases: Any, past: Any,
             like: Any) -> None:  # fmt: skip
    """The gradient of a block of a row that counts, but for the label's own entry."""
    if mix is None:
        give_scaled(d, r, block, n, x, at, label, g, to, rate, inv_t, cap, None, count, kept, bases,
                    past, like)  # fmt: skip
    elif bases is not None:
        apart = d[TIES + r] == 1.0 and d[REST + r] < APART
        one = exp_of_top(d, r, rate, cap, like) if apart else as_like(np.nan, like)
        share, of_classes = _shares(d[SHARE + r], t, t_at, weights, block, mix)
        smoothed = as_like(share, like), as_like(d[ALONE + r], like), one, of_classes
        give_scaled(d, r, block, n, x, at, label, g, to, rate, inv_t, cap, smoothed, count, kept,
                    bases, past, like)  # fmt: skip
    else:
        about, factor = about_row(d, r, rate, cap, like), as_like(d[FACTOR + r], like)
        share, alone = as_like(d[SHARE + r], like), as_like(d[ALONE + r], like)
        m, single = as_like(d[M + r], like), d[TIES + r] == 1.0
        several = (m, factor, share, single, alone, t, t_at, weights, block, mix)
        own = as_like(d[OWN + r], like)
        emit(minus_coefficients, about, several, x, at, n, label, own, g, to, past, like)


@inner
def give_softmax(extra: Any, r: Any, block: Any, n: Any, x: Any, at: Any, t: Any, t_at: Any,
                 g: Any, to: Any) -> None:  # fmt: skip
    """A block of probabilities or their logarithms."""
    d, logarithms, count, kept, bases, past, like = extra
    if logarithms:
        about, log_s = about_row(d, r, None, None, like), as_like(d[SHARE + r], like)
        emit(logarithm, about, log_s, x, at, n, -1, log_s, g, to, past, like)
    else:
        give_scaled(d, r, block, n, x, at, -1, g, to, None, 1.0, None, None, count, kept, bases,
                    past, like)  # fmt: skip


@by_dtype
def give_scaled(d: Any, r: Any, block: Any, n: Any, x: Any, at: Any, label: Any,
                g: Any, to: Any, rate: Any, inv_t: Any, cap: Any, smoothed: Any, count: Any,
                kept: Any, bases: Any, past: Any, like: Any) -> Any:  # fmt: skip
    """FACTOR · exp((z_j − top) / T) of a block, `smoothed` as for `less_share` or None."""

    def at_once(d: Any, r: Any, block: Any, n: Any, x: Any, at: Any, label: Any,
                g: Any, to: Any, rate: Any, inv_t: Any, cap: Any, smoothed: Any, count: Any,
                kept: Any, bases: Any, past: Any, like: Any) -> None:  # fmt: skip
        about, factor = about_row(d, r, rate, cap, like), as_like(d[FACTOR + r], like)
        own = as_like(d[OWN + r], like)
        emit(scaled_exp, about, factor, x, at, n, label, own, g, to, past, like)

    def by_base(d: Any, r: Any, block: Any, n: Any, x: Any, at: Any, label: Any,
                g: Any, to: Any, rate: Any, inv_t: Any, cap: Any, smoothed: Any, count: Any,
                kept: Any, bases: Any, past: Any, like: Any) -> None:  # fmt: skip
        j, top = 0, d[TOP + r]
        while j < n:
            base, end = common_base(bases, r, block + j, block + n, top, like)
            lowered, factor = (base - top) * inv_t, d[FACTOR + r]
            near = lowered >= FAR
            if not near:  # also where either is infinite
                base = top
            elif lowered < 0.0:
                factor *= math.exp(lowered)
            m, (about, scale) = end - block - j, about_base(base, top, rate, cap, like)
            less = _from(smoothed, j, base == top, like)
            give_part(near, d, r, block + j, m, x, at + j, label - j, g, to + j, about,
                      factor * scale, less, count, kept, past, like)  # fmt: skip
            j += m

    return at_once if isinstance(bases, types.NoneType) else by_base


@by_dtype
def give_part(near: Any, d: Any, r: Any, block: Any, n: Any, x: Any, at: Any, label: Any,
              g: Any, to: Any, about: Any, factor: Any, smoothed: Any, count: Any, kept: Any,
              past: Any, like: Any) -> Any:  # fmt: skip
    """The same of classes whose exponentials, if they are `near`, are relative to one base."""
    plain = isinstance(smoothed, types.NoneType)
    computed, product = (scaled_exp, kept_times) if plain else (scaled_exp_less, kept_less)

    def anew(near: Any, d: Any, r: Any, block: Any, n: Any, x: Any, at: Any, label: Any,
             g: Any, to: Any, about: Any, factor: Any, smoothed: Any, count: Any, kept: Any,
             past: Any, like: Any) -> None:  # fmt: skip
        own, row = as_like(d[OWN + r], like), _beside(as_like(factor, like), smoothed)
        emit(computed, about, row, x, at, n, label, own, g, to, past, like)

    def as_kept(near: Any, d: Any, r: Any, block: Any, n: Any, x: Any, at: Any, label: Any,
             g: Any, to: Any, about: Any, factor: Any, smoothed: Any, count: Any, kept: Any,
             past: Any, like: Any) -> None:  # fmt: skip
        own = as_like(d[OWN + r], like)
        if near and holds(block, like):
            e_at, row = kept_at(r, block, count, like), _beside(products(factor, like), smoothed)
            emit(product, (None,), row, kept, e_at, n, label, own, g, to, past, like)
        else:
            row = _beside(as_like(factor, like), smoothed)
            emit(computed, about, row, x, at, n, label, own, g, to, past, like)

    return anew if isinstance(kept, types.NoneType) else as_kept


@by_dtype
def _beside(factor: Any, smoothed: Any) -> Any:
    def alone(factor: Any, smoothed: Any) -> Any:
        return factor

    def both(factor: Any, smoothed: Any) -> Any:
        return factor, smoothed

    return alone if isinstance(smoothed, types.NoneType) else both


@by_dtype
def _shares(share: Any, t: Any, t_at: Any, weights: Any, block: Any, mix: Any) -> Any:
    """What is taken from each class, and times which coefficients; None where all are alike."""

    def alike(share: Any, t: Any, t_at: Any, weights: Any, block: Any, mix: Any) -> Any:
        return share * mix[1], None

    def own(share: Any, t: Any, t_at: Any, weights: Any, block: Any, mix: Any) -> Any:
        return share, (t, t_at, weights, block, mix)

    return alike if t == weights == types.none else own


@by_dtype
def _from(smoothed: Any, j: Any, at_top: Any, like: Any) -> Any:
    """`smoothed` for classes from j on; only relative to the top is an exp of 1 the maximum's."""

    def nothing(smoothed: Any, j: Any, at_top: Any, like: Any) -> None:
        return None

    def alike(smoothed: Any, j: Any, at_top: Any, like: Any) -> Any:
        share, alone, one, of_classes = smoothed
        return share, alone, one if at_top else as_like(np.nan, like), of_classes

    def own(smoothed: Any, j: Any, at_top: Any, like: Any) -> Any:
        share, alone, one, (t, t_at, weights, block, mix) = smoothed
        one = one if at_top else as_like(np.nan, like)
        return share, alone, one, (t, t_at + j, weights, block + j, mix)

    if isinstance(smoothed, types.NoneType):
        return nothing
    return alike if smoothed[3] == types.none else own
