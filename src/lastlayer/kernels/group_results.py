"""Where the results of a group of rows go: turned back into rows, through the caches or past them.

A group's rows side by side are a run of whole lines but for its ends, and in images a vector of
rows is a line of each class.
"""

from __future__ import annotations

from typing import Any

from lastlayer.kernels.group import AHEAD, LINES_AHEAD, MOST_NEAR
from lastlayer.kernels.jit import inner, one_by_one
from lastlayer.kernels.memory import (
    address_at,
    lane_count,
    load,
    prefetch_to_write,
    store,
    store_first,
    stream,
    width,
    write,
)
from lastlayer.kernels.processor import ABREAST
from lastlayer.kernels.simd import BYTES, abreast
from lastlayer.kernels.turn import pairs_out, side, triples_out, turn_out


@inner
def goes_past(past: Any, layout: Any, start: Any, memory: Any, count: Any, tile: Any,
              like: Any) -> Any:  # fmt: skip
    """Whether a group's results are written past the caches, of those that may be."""
    rows, classes, size, lanes = layout[2], layout[3], width(memory[0]), lane_count(like)
    if rows == 1:
        lines = (address_at(memory, start) | (classes * size)) % BYTES == 0
    else:
        lines = rows == count and classes == 1 and count > MOST_NEAR
    # rounding halves takes longer than what is gained
    return past and lines and tile == lanes and lanes * size == BYTES


@inner
def results_ahead(layout: Any, start: Any, memory: Any, count: Any, past: Any, spare: Any,
                  like: Any) -> Any:  # fmt: skip
    """As `lines_ahead` for `ask_to_write`; what goes past the caches is not asked for."""
    if past:
        return spare, 0, 0
    rows, classes, size = layout[2], layout[3], width(memory[0])
    if rows == 1 and classes * size % BYTES != 0:  # else they may share a set of a cache
        return memory, start + LINES_AHEAD // size, classes
    beside = classes == 1 and count <= rows < 2 * count
    step = lane_count(like) * rows // count if beside else 0
    return memory, start + (AHEAD // size if beside else 0), step


@inner
def ask_to_write(results: Any, j: Any) -> None:
    """Ask for the line of class j, to write it."""
    memory, place, step = results
    prefetch_to_write(memory, place + j * step)


@inner
def store_group(g: Any, layout: Any, start: Any, memory: Any, count: Any, tile: Any, past: Any,
                spare: Any, like: Any) -> None:  # fmt: skip
    """A group's results to where they belong; rows that go `past` the caches by way of `spare`."""
    lanes, rows, classes = lane_count(like), layout[2], layout[3]
    if rows == 1:
        for j in range(count):
            at, r = start + j * classes, load(g, j * lanes, like)
            if past:
                stream(memory, at, r)
            elif tile == lanes:
                store(memory, at, r)
            else:
                store_first(memory, at, tile, r)
    elif classes == 1 and tile == lanes and count >= side(like):
        last, target, at = count - side(like), memory, start
        if past:  # there too at the same place in a line
            target, at = spare, address_at(memory, start) % BYTES // width(memory[0])
        for j in range(0, count, side(like)):
            k = min(j, last)
            turn_out(g, k * lanes, target, at + k, rows, like)
        if past:
            _stream_run(spare, at, memory, start, count * lanes, like)
    elif classes == 1 and tile == lanes and rows == count and 1 < count <= 3:
        if count == 2:
            pairs_out(g, memory, start, like)
        else:
            triples_out(g, memory, start, like)
    else:
        for j in range(count):
            for r in range(tile):
                one_by_one()
                write(memory, start + r * rows + j * classes, g[j * lanes + r])


@inner
def _stream_run(source: Any, at: Any, target: Any, to: Any, n: Any, like: Any) -> None:
    """target[to : to + n] = source[at : at + n] past the caches, lines of both being alike.

    But for the lines at both ends: the rest of them is others'.
    """
    lanes = lane_count(like)
    j = -at % lanes
    store_first(target, to, j, load(source, at, like))
    while j + ABREAST * lanes <= n:
        stream(target, to + j, load(source, at + j, abreast(like)))
        j += ABREAST * lanes
    while j + lanes <= n:
        stream(target, to + j, load(source, at + j, like))
        j += lanes
    if j < n:
        store_first(target, to + j, n - j, load(source, at + j, like))
