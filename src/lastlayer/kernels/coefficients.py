"""The coefficients a_j of −log p_j where there is one for every class: soft targets, smoothing.

What they add to a row's sums, a block at a time; and whether soft targets are any.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types

from lastlayer.contract import LARGEST
from lastlayer.kernels.ahead import ask, far_ahead
from lastlayer.kernels.effective import ANY, NEAR, all_within, effect
from lastlayer.kernels.jit import by_dtype, inner, kernel
from lastlayer.kernels.lanes import fold_sum, total_of
from lastlayer.kernels.memory import first_lanes, lane_count, load, load_up_to, pointer
from lastlayer.kernels.processor import ABREAST
from lastlayer.kernels.simd import (
    abreast,
    at_least,
    bits,
    const,
    equal,
    fill,
    fma,
    greater,
    negative,
    where,
)

PORTION = 1 << 12  # numbers that are looked at in one go


# The lanes beyond are masked here, not in what is computed from it: LLVM 22 would make one masked
# multiply-add of `where(mask, fma(load_first(...), ...), 0)` and load what load_first leaves alone.
@by_dtype
def _share(n: Any, mix: Any, like: Any) -> Any:
    """What smoothing gives each of the n classes that are left, 0 in the lanes beyond."""

    def whole(n: Any, mix: Any, like: Any) -> Any:
        return fill(mix[1], like)

    def any_count(n: Any, mix: Any, like: Any) -> Any:
        share, zero = fill(mix[1], like), fill(0.0, like)
        return share if n >= lane_count(like) else where(first_lanes(n, like), share, zero)

    return whole if isinstance(n, types.NoneType) else any_count


@by_dtype
def _targets(t: Any, at: Any, n: Any, mix: Any, like: Any) -> Any:
    def smoothed_index(t: Any, at: Any, n: Any, mix: Any, like: Any) -> Any:
        return _share(n, mix, like)

    def distribution(t: Any, at: Any, n: Any, mix: Any, like: Any) -> Any:
        part = load_up_to(t, at, n, 0.0, like)
        return fma(part, fill(mix[0], like), _share(n, mix, like))

    return smoothed_index if isinstance(t, types.NoneType) else distribution


@by_dtype
def _weighted(a: Any, weights: Any, at: Any, n: Any, like: Any) -> Any:
    def alike(a: Any, weights: Any, at: Any, n: Any, like: Any) -> Any:
        return a

    def by_class(a: Any, weights: Any, at: Any, n: Any, like: Any) -> Any:
        return a * load_up_to(weights, at, n, 0.0, like)

    return alike if isinstance(weights, types.NoneType) else by_class


@inner
def coefficients(t: Any, at: Any, weights: Any, block: Any, n: Any, mix: Any, like: Any) -> Any:
    """a_j = w_j ((1 − ε) t_j + ε / C) of the vector at t[at], weights[block].

    mix is (1 − ε, ε / C). Without targets (None), what a smoothed index gives every class; without
    weights (None), w_j = 1. 0 in the lanes beyond the n classes that are left; None for enough.
    """
    return _weighted(_targets(t, at, n, mix, like), weights, block, n, like)


@inner
def highest(t: Any, before: Any) -> Any:
    """The bits of a vector of soft targets, or those before where they are above them.

    As whole numbers without a sign those of none (negative, NaN, too large) are above all others;
    and so are those of −0, which is worth being asked about.
    """
    numbers = bits(t)
    return where(greater(numbers, before), numbers, before)


@inner
def faults(most: Any, like: Any) -> Any:
    """In how many lanes `highest` has found what is no soft target, or may be none."""
    fit = at_least(bits(fill(LARGEST, like)), most)
    return np.float64(total_of(where(fit, fill(0.0, like), fill(1.0, like))))


@inner
def block_faults(t: Any, at: Any, n: Any, like: Any) -> Any:
    """The same of a block of soft targets."""
    lanes, j, s = lane_count(like), 0, abreast(like)
    most, rest = bits(s), bits(fill(0.0, like))
    while j + ABREAST * lanes <= n:
        most = highest(load(t, at + j, s), most)
        j += ABREAST * lanes
    while j < n:
        rest = highest(load_up_to(t, at + j, n - j, 0.0, like), rest)
        j += lanes
    return faults(most, s) + faults(rest, like)


@inner
def block_distance(x: Any, at: Any, n: Any, m: Any, about: Any, like: Any) -> Any:
    """Σ (top − z_j) of a block."""
    lanes, most, zero = lane_count(like), fill(m, like), fill(0.0, like)
    a, b, j = zero, zero, 0
    while j + 2 * lanes <= n:
        v, w = load(x, at + j, like), load(x, at + j + lanes, like)
        a = where(equal(v, most), a, a - effect(v, about, ANY)[1])
        b = where(equal(w, most), b, b - effect(w, about, ANY)[1])
        j += 2 * lanes
    while j < n:
        v = load_up_to(x, at + j, n - j, m, like)
        a = where(equal(v, most), a, a - effect(v, about, ANY)[1])
        j += lanes
    return total_of(a + b)


@inner
def block_coefficients(x: Any, at: Any, n: Any, t: Any, t_at: Any, weights: Any, block: Any,
                       mix: Any, m: Any, about: Any, like: Any) -> Any:  # fmt: skip
    """(Σ a_j (top − z_j), Σ a_j below m, Σ a_j at m) of a block; 0 · ∞ is 0.

    m is None where it is known that none is at it.
    """
    lanes, j, zero, s = lane_count(like), 0, fill(0.0, like), abreast(like)
    four_sums, sums = (s, s, s), (zero, zero, zero)
    while j + ABREAST * lanes <= n:
        v = load(x, at + j, s)
        if not all_within(v * v, about):
            break
        ask_for_targets(t, t_at + j, lanes)
        a = coefficients(t, t_at + j, weights, block + j, None, mix, s)
        four_sums = _added(four_sums, a, v, m, about, NEAR)
        j += ABREAST * lanes
    while j < n:
        w = load_up_to(x, at + j, n - j, 0.0, like)
        b = coefficients(t, t_at + j, weights, block + j, n - j, mix, like)
        sums = _added(sums, b, w, m, about, ANY)
        j += lanes
    behind, below, above = sums
    return (
        total_of(behind + fold_sum(four_sums[0])), total_of(below + fold_sum(four_sums[1])),
        total_of(above + fold_sum(four_sums[2])),
    )  # fmt: skip


@by_dtype
def _added(sums: Any, a: Any, v: Any, m: Any, about: Any, near: Any) -> Any:
    """The sums of `block_coefficients` with those of more logits v and coefficients a."""

    def all_below(sums: Any, a: Any, v: Any, m: Any, about: Any, near: Any) -> Any:
        behind, below, above = sums
        distance = negative(effect(v, about, near)[1])
        behind = where(equal(a, const(0.0, a)), behind, fma(a, distance, behind))
        return behind, below + a, above

    def some_at(sums: Any, a: Any, v: Any, m: Any, about: Any, near: Any) -> Any:
        behind, below, above = sums
        at_m, distance = equal(v, const(m, v)), negative(effect(v, about, near)[1])
        behind = where(at_m | equal(a, const(0.0, a)), behind, fma(a, distance, behind))
        return behind, where(at_m, below, below + a), where(at_m, above + a, above)

    return all_below if isinstance(m, types.NoneType) else some_at


@by_dtype
def ask_for_targets(t: Any, at: Any, lanes: Any) -> Any:
    """Ask for the memory of the next block of soft targets, while one of logits is added."""

    def nothing(t: Any, at: Any, lanes: Any) -> None:
        pass

    def four_vectors(t: Any, at: Any, lanes: Any) -> None:
        ask(t, at + far_ahead(t), lanes)

    return nothing if isinstance(t, types.NoneType) else four_vectors


@kernel
def faults_between(lo: Any, hi: Any, targets: Any, t_like: Any, like: Any) -> Any:
    """Above 0 where some numbers of a flat array of soft targets are none."""
    found, t = 0.0, pointer(targets, t_like)
    for at in range(lo, hi, PORTION):
        found += block_faults(t, at, min(PORTION, hi - at), like)
    return found
