"""What a group is to the kernels for few classes: a vector of rows, each lane a row of its own.

A group of rows is turned into a buffer of (classes, lanes): class by class, the same operation for
all of its rows. Images with the class axis first lie like that already. Lanes beyond the last row
are computed and dropped, so that a row's result never depends on its neighbours, nor on where in
a group it lies.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types

from lastlayer.kernels.effective import ANY, NEAR, effect
from lastlayer.kernels.jit import by_dtype, called, inner, one_by_one
from lastlayer.kernels.lanes import all_of
from lastlayer.kernels.layout import MOST_SINGLE
from lastlayer.kernels.memory import (
    lane_count,
    load,
    load_up_to,
    prefetch,
    prefetch_into_l2,
    read,
    store,
    width,
)
from lastlayer.kernels.row import LOW, REST, TIES, M
from lastlayer.kernels.simd import differ, fill, less, maximum, plus_where, where
from lastlayer.kernels.softcap_group import (
    is_near,
    near_start,
    numbers,
    scale_group,
    set_near_tops,
    set_tops,
)
from lastlayer.kernels.softcap_row import about_rows
from lastlayer.kernels.turn import (
    pairs_in,
    side,
    triples_in,
    turn_in,
)

_F64 = np.float64(0)

# bytes: how far before its use memory is asked for, into L1; and groups of more classes into L2;
# of each class where its rows lie side by side and few lines are, which may share a cache's set
AHEAD, FAR_AHEAD, MOST_NEAR, LINES_AHEAD = 4096, 16384, 32, 128

# working memory, in bytes: logits, results and coefficients, of a soft-cap z − top and dz/dx,
# (classes, lanes) each. A cache line lies between two of them: addresses with the same last 12
# bits hinder each other.
_GROUP = -(-MOST_SINGLE * 64 // 4096) * 4096 + 64
X, G, A, GAPS, SLOPES = (n * _GROUP for n in range(5))
SCRATCH = 5 * _GROUP


@inner
def load_group(x: Any, start: Any, memory: Any, count: Any, tile: Any, buffer: Any,
               like: Any) -> None:  # fmt: skip
    """Rows as lanes of `buffer`, (classes, lanes)."""
    lanes, rows, classes = lane_count(like), x[2], x[3]
    if rows == 1:
        for j in range(count):
            store(buffer, j * lanes, load_up_to(memory, start + j * classes, tile, 0.0, like))
    elif classes == 1 and tile == lanes and count >= side(like):
        last = count - side(like)  # whose classes overlap with those before
        for j in range(0, count, side(like)):
            k = min(j, last)
            turn_in(memory, start + k, rows, buffer, k * lanes, like)
    elif classes == 1 and tile == lanes and rows == count and 1 < count <= 3:
        if count == 2:
            pairs_in(memory, start, buffer, like)
        else:
            triples_in(memory, start, buffer, like)
    else:
        for j in range(count):
            store(buffer, j * lanes, fill(0.0, like))
            for r in range(tile):
                one_by_one()
                buffer[j * lanes + r] = read(memory, start + r * rows + j * classes, like)


@inner
def lines_ahead(layout: Any, start: Any, memory: Any, count: Any, like: Any) -> Any:
    """What `ask` is given for a group of rows from `start` on: the lines ahead of it, a class each.

    They are asked for one after the other while there is something to compute, not all while a
    group is loaded: the processor waits for no more than sixteen lines at a time. Of rows that lie
    far apart it is the same line again.
    """
    far, rows, lanes, size = count > MOST_NEAR, layout[2], lane_count(like), width(memory[0])
    if rows == 1 and not far:
        return memory, start + LINES_AHEAD // size, layout[3], far
    beside = layout[3] == 1 and count <= rows < 2 * count
    distance = (FAR_AHEAD if far else AHEAD) if beside else 0
    return memory, start + distance // size, lanes * rows // count if beside else 0, far


@inner
def ask(ahead: Any, j: Any) -> None:
    """Ask for the line of class j, to read it: soon, or a few groups later."""
    memory, place, step, far = ahead
    if far:
        prefetch_into_l2(memory, place + j * step)
    else:
        prefetch(memory, place + j * step)


@inner
def largest_of_group(x: Any, count: Any, like: Any) -> Any:
    """The largest logit of each lane.

    A NaN is passed over, unless it is the first: the sum will have it.
    """
    lanes, j = lane_count(like), 0
    m = load(x, 0, like)
    while j < count:
        if j + 4 <= count:  # four together, of which none waits for another
            v, w = load(x, j * lanes, like), load(x, (j + 1) * lanes, like)
            y, z = load(x, (j + 2) * lanes, like), load(x, (j + 3) * lanes, like)
            m = maximum(maximum(maximum(v, w), maximum(y, z)), m)
            j += 4
        else:
            v = load(x, j * lanes, like)
            m = maximum(v, m)
            j += 1
    return m


@by_dtype
def sum_group(d: Any, x: Any, g: Any, gaps: Any, slopes: Any, count: Any, rate: Any, cap: Any,
              mix: Any, ahead: Any, like: Any) -> Any:  # fmt: skip
    """Maximum, sum and ties of each lane; exp_scaled of each logit into `g`.

    Asks for the lines `ahead`. Under a soft-cap, z − top into `gaps` and dz/dx into `slopes`,
    unless they are None; exp_scaled is multiplied by the latter where nothing is added to it later,
    with `mix` None. Of near logits nothing is left then but that; whether they are is returned.
    """

    def alike(d: Any, x: Any, g: Any, gaps: Any, slopes: Any, count: Any, rate: Any, cap: Any,
              mix: Any, ahead: Any, like: Any) -> Any:  # fmt: skip
        m = largest_of_group(x, count, like)
        store(d, M, m)
        set_tops(d, m, m, cap)
        about = about_rows(d, 0, rate, cap, like)
        sum_classes(d, x, g, gaps, slopes, count, m, about, ANY, mix, ahead, like)
        scale_group(d, cap, False, lane_count(like), like)
        return False

    def either(d: Any, x: Any, g: Any, gaps: Any, slopes: Any, count: Any, rate: Any, cap: Any,
               mix: Any, ahead: Any, like: Any) -> Any:  # fmt: skip
        m = largest_of_group(x, count, like)
        store(d, M, m)
        start, near = near_start(m, cap), all_of(is_near(m, cap))
        if near:
            low = start
            if mix is not None:
                set_near_tops(d, start)
                low = load(d, LOW, like)
            about = cap, start, low, start, start
            least = sum_classes(d, x, g, gaps, slopes, count, m, about, NEAR, mix, ahead, like)
            near = all_of(is_near(least, cap))  # rarely are the smallest alone not
            if mix is None:  # while the sums' logarithm is waited for
                set_near_tops(d, start)
        if not near:
            _sum_anywhere(d, x, g, gaps, slopes, count, m, start, mix, ahead, like)
        scale_group(d, cap, near, lane_count(like), like)
        return near

    return either if isinstance(cap, types.BaseTuple) else alike


@inner
def _sum_anywhere(d: Any, x: Any, g: Any, gaps: Any, slopes: Any, count: Any, m: Any, start: Any,
                  mix: Any, ahead: Any, like: Any) -> None:  # fmt: skip
    called()
    cap = numbers(d)
    set_tops(d, m, start, cap)
    about = about_rows(d, 0, None, cap, like)
    sum_classes(d, x, g, gaps, slopes, count, m, about, ANY, mix, ahead, like)


@inner
def sum_classes(d: Any, x: Any, g: Any, gaps: Any, slopes: Any, count: Any, m: Any, about: Any,
                near: Any, mix: Any, ahead: Any, like: Any) -> Any:  # fmt: skip
    """The sums of `sum_group` and the smallest logits; `near` as in effective.py."""
    lanes, buffers, j = lane_count(like), (g, gaps, slopes), 0
    others, least, other = fill(0.0, like), m, m
    # of the classes j four sums by j mod 4: one would be off by what 159 additions round alike
    total = odd = total_2 = odd_2 = others
    while j + 2 <= count:  # two together: every number that exp needs is fetched once for both
        k = j * lanes
        ask(ahead, j)
        ask(ahead, j + 1)
        total, others = _with_class(x, buffers, k, m, about, near, mix, total, others, like)
        odd, others = _with_class(x, buffers, k + lanes, m, about, near, mix, odd, others, like)
        least = _smaller(load(x, k, like), least)
        other = _smaller(load(x, k + lanes, like), other)
        total, odd, total_2, odd_2 = total_2, odd_2, total, odd
        j += 2
    if j < count:
        k = j * lanes
        ask(ahead, j)
        total, others = _with_class(x, buffers, k, m, about, near, mix, total, others, like)
        least = _smaller(load(x, k, like), least)
    store(d, REST, (total + total_2) + (odd + odd_2))
    store(d, TIES, fill(count, like) - others)
    return _smaller(least, other)


@inner
def _smaller(a: Any, b: Any) -> Any:
    """The smaller of two, b where either is NaN."""
    return where(less(a, b), a, b)


@inner
def _with_class(x: Any, buffers: Any, k: Any, m: Any, about: Any, near: Any, mix: Any, total: Any,
                others: Any, like: Any) -> Any:  # fmt: skip
    """Σ exp below the maximum, and how many are below it, with those of the class at k."""
    v = load(x, k, like)
    e, gap, slope = effect(v, about, near)
    store(buffers[0], k, _left(e, slope, buffers[2], mix))
    _keep(buffers[1], k, gap, near, mix)
    _keep(buffers[2], k, slope, near, mix)
    below = differ(v, m)
    return plus_where(total, below, e), plus_where(others, below, fill(1.0, like))


@by_dtype
def _left(e: Any, slope: Any, slopes: Any, mix: Any) -> Any:
    def alone(e: Any, slope: Any, slopes: Any, mix: Any) -> Any:
        return e

    def steeply(e: Any, slope: Any, slopes: Any, mix: Any) -> Any:
        return e * slope

    plain = isinstance(slopes, types.NoneType) or not isinstance(mix, types.NoneType)
    return alone if plain else steeply


@by_dtype
def _keep(values: Any, at: Any, value: Any, near: Any, mix: Any) -> Any:
    def nothing(values: Any, at: Any, value: Any, near: Any, mix: Any) -> None:
        pass

    def kept(values: Any, at: Any, value: Any, near: Any, mix: Any) -> None:
        store(values, at, value)

    unused = isinstance(near, types.NoneType) and isinstance(mix, types.NoneType)
    return nothing if unused or isinstance(values, types.NoneType) else kept
