"""Results of a tile whose rows lie side by side, written past the caches as one run.

Where a row ends within a cache line, writing row by row past the caches would have that line read
from memory, twice. So the rows are put together in a buffer first, which costs nothing beside that.
"""

from __future__ import annotations

from typing import Any

from lastlayer.kernels.jit import inner, one_by_one
from lastlayer.kernels.memory import address_at, lane_count, load, pointer, stream, width
from lastlayer.kernels.simd import four

LINE = 64  # bytes


@inner
def is_run(past: Any, staged: Any, layout: Any, tile: Any, count: Any) -> Any:
    """Whether the rows of a tile are to be put together."""
    return staged is None and past and tile > 1 and layout[2] == count


@inner
def after_line(g: Any, to: Any) -> Any:
    """How many elements after the beginning of a cache line g[to] lies."""
    return address_at(g, to) % LINE // width(g[0])


@inner
def write_run(buffer: Any, at: Any, g: Any, to: Any, n: Any, like: Any) -> None:
    """g[to : to + n] = buffer[at : at + n], both as far from a cache line."""
    lanes, a_line = lane_count(like), LINE // width(g[0])
    head = min(n, -at % a_line)
    for j in range(head):
        one_by_one()
        g[to + j] = buffer[at + j]
    lines = (n - head) // a_line
    # whole lines as numbers of the arithmetic, whatever they hold
    source = pointer(address_at(buffer, at + head), like)
    target = pointer(address_at(g, to + head), like)
    end, k = lines * lanes, 0
    while k + 4 * lanes <= end:
        stream(target, k, load(source, k, four(like)))
        k += 4 * lanes
    while k < end:
        stream(target, k, load(source, k, like))
        k += lanes
    for j in range(head + lines * a_line, n):
        one_by_one()
        g[to + j] = buffer[at + j]
