"""Rows that do not lie side by side, copied into a buffer where they do, and results back."""

from __future__ import annotations

from typing import Any

from lastlayer.kernels.jit import inner, one_by_one
from lastlayer.kernels.memory import address_at, lane_count, prefetch_to_write, read, width, write
from lastlayer.kernels.simd import BYTES
from lastlayer.kernels.square import turn_square, turn_square_past


@inner
def copy(source: Any, at: Any, s0: Any, s1: Any, target: Any, to: Any, t0: Any, t1: Any,
         n0: Any, n1: Any, like: Any) -> None:  # fmt: skip
    """target[to + a·t0 + b·t1] = source[at + a·s0 + b·s1] for a < n0, b < n1."""
    for a in range(n0):
        i, o = at + a * s0, to + a * t0
        for b in range(n1):
            one_by_one()
            write(target, o + b * t1, read(source, i + b * s1, like))


@inner
def stage(layout: Any, x: Any, at: Any, n: Any, tile: Any, buffer: Any, pitch: Any,
          like: Any) -> None:  # fmt: skip
    """Copy n classes of `tile` rows, from x[at] on, into rows of a buffer, `pitch` apart.

    The buffer has room for whole vectors of rows.
    """
    rows, classes, lanes = layout[2], layout[3], lane_count(like)
    if rows != 1 or n < lanes:
        copy(x, at, rows, classes, buffer, 0, pitch, 1, tile, n, like)
        return
    whole = tile - tile % lanes
    for j in range(0, n, lanes):
        c = min(j, n - lanes)  # the last square overlaps with the one before
        first = at + c * classes
        for r in range(0, whole, lanes):
            turn_square(x, first + r, classes, None, lanes * classes, buffer, r * pitch + c, pitch,
                        None, like)  # fmt: skip
        if whole < tile:
            turn_square(x, first + whole, classes, tile - whole, None, buffer, whole * pitch + c,
                        pitch, None, like)  # fmt: skip


@inner
def unstage(layout: Any, g: Any, at: Any, n: Any, tile: Any, buffer: Any, pitch: Any, past: Any,
            like: Any) -> None:  # fmt: skip
    """The reverse of `stage`; past the caches where that is asked for and whole lines allow it."""
    rows, classes, lanes = layout[2], layout[3], lane_count(like)
    if rows != 1 or n < lanes:
        copy(buffer, 0, pitch, 1, g, at, rows, classes, tile, n, like)
        return
    whole, line = tile - tile % lanes, BYTES // width(g[0])
    lines = 0
    if past and classes % line == 0 and address_at(g, at) % BYTES == 0:
        lines = tile - tile % line
    for j in range(0, n, lanes):
        c = min(j, n - lanes)
        first = at + c * classes
        if lines == 0 and c == j:
            for k in range(c + lanes, c + 2 * lanes):
                for r in range(0, tile + line, line):
                    prefetch_to_write(g, at + k * classes + r)
        for r in range(0, lines, line):
            turn_square_past(buffer, r * pitch + c, pitch, None, None, g, first + r, classes, None,
                             like)  # fmt: skip
        for r in range(lines, whole, lanes):
            turn_square(buffer, r * pitch + c, pitch, None, None, g, first + r, classes, None,
                        like)  # fmt: skip
        if whole < tile:
            turn_square(buffer, whole * pitch + c, pitch, None, None, g, first + whole, classes,
                        tile - whole, like)  # fmt: skip


@inner
def up_to_a_line(x: Any, g: Any, outer: Any, position: Any, size: Any, most: Any) -> Any:
    """How many of `most` rows are taken: fewer where the next then begins a line of every class.

    Of the result's lines where there is one: those are written whole.
    """
    if g is None:
        return _up_to_a_line(x, outer * x[1] + position * x[2], size, most)
    return _up_to_a_line(g, outer * g[1] + position * g[2], size, most)


@inner
def _up_to_a_line(layout: Any, at: Any, size: Any, most: Any) -> Any:
    line = BYTES // size
    before = -(layout[0] // size + at) % line
    return before if layout[2] == 1 and layout[3] % line == 0 and 0 < before < most else most
