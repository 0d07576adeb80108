"""The coefficients of a group's rows where there is one for every class; see `coefficients`."""

from __future__ import annotations

from typing import Any

from numba import types

from lastlayer.kernels.coefficients import faults, highest
from lastlayer.kernels.group import ask, lines_ahead, load_group
from lastlayer.kernels.jit import by_dtype, inner
from lastlayer.kernels.memory import lane_count, load, store
from lastlayer.kernels.row import AT_TOP, BEHIND, BELOW, FAULTS, TIES, TOP, M
from lastlayer.kernels.simd import bits, equal, fill, fma, where


@inner
def load_coefficients(d: Any, targets: Any, start: Any, t: Any, weights: Any, mix: Any,
                      count: Any, tile: Any, a: Any, like: Any) -> None:  # fmt: skip
    """a_j = w_j ((1 − ε) t_j + ε / C) as lanes; without targets, what every class is given."""
    if t is None and weights is None:
        return
    lanes, most = lane_count(like), bits(fill(0.0, like))
    if t is not None:
        load_group(targets, start, t, count, tile, a, like)
        ahead = lines_ahead(targets, start, t, count, like)
    for j in range(count):
        part = fill(mix[1], like)
        if t is not None:
            given = load(a, j * lanes, like)
            ask(ahead, j)
            most = highest(given, most)
            part = fma(given, fill(mix[0], like), part)
        if weights is not None:
            part = part * fill(weights[j], like)
        store(a, j * lanes, part)
    if t is not None:
        d[FAULTS] += faults(most, like)


@inner
def sum_coefficients(d: Any, x: Any, gaps: Any, a: Any, t: Any, weights: Any, mix: Any, count: Any,
                     cap: Any, like: Any) -> None:  # fmt: skip
    """Σ a_j (top − z_j), Σ a_j below the maximum and at it, of each lane; 0 · ∞ is 0."""
    lanes, zero = lane_count(like), fill(0.0, like)
    m, top = load(d, M, like), load(d, TOP, like)
    behind, below, above = zero, zero, zero
    if t is None and weights is None:  # the same for every class
        share, ties = fill(mix[1], like), load(d, TIES, like)
        j, besides = 0, zero
        while j + 2 <= count:  # two sums, of which neither waits for the other
            behind = behind + _distance(x, gaps, j * lanes, m, top, cap, like)
            besides = besides + _distance(x, gaps, (j + 1) * lanes, m, top, cap, like)
            j += 2
        if j < count:
            behind = behind + _distance(x, gaps, j * lanes, m, top, cap, like)
        behind, above = (behind + besides) * share, ties * share
        below = (fill(count, like) - ties) * share
    else:
        for j in range(count):
            v, c = load(x, j * lanes, like), load(a, j * lanes, like)
            at_m, distance = equal(v, m), _distance(x, gaps, j * lanes, m, top, cap, like)
            behind = where(equal(c, zero), behind, fma(c, distance, behind))
            below, above = where(at_m, below, below + c), where(at_m, above + c, above)
    store(d, BEHIND, behind)
    store(d, BELOW, below)
    store(d, AT_TOP, above)


@by_dtype
def _distance(x: Any, gaps: Any, at: Any, m: Any, top: Any, cap: Any, like: Any) -> Any:
    """top − z, 0 at the maximum; NaN where that is infinite, whose row is NaN."""

    def plain(x: Any, gaps: Any, at: Any, m: Any, top: Any, cap: Any, like: Any) -> Any:
        return top - load(x, at, like)

    def kept(x: Any, gaps: Any, at: Any, m: Any, top: Any, cap: Any, like: Any) -> Any:
        zero = fill(0.0, like)
        return where(equal(load(x, at, like), m), zero, zero - load(gaps, at, like))

    return plain if isinstance(cap, types.NoneType) else kept
