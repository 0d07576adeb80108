"""Kernels for many classes that do not lie side by side: some rows at a time, side by side.

A buffer is filled with as many rows as have four cache lines of each class in Fortran order. They
are worked on there as rows that lie in memory are (`wide.py`), and the results copied to where they
belong. Rows of which not even sixteen fit come block by block (`tile.visit`).
"""

from __future__ import annotations

from typing import Any, cast

from numba import types

from lastlayer.kernels import wide
from lastlayer.kernels.jit import by_dtype, inner, kernel
from lastlayer.kernels.memory import pointer, width
from lastlayer.kernels.row import ROWS
from lastlayer.kernels.simd import BYTES
from lastlayer.kernels.staging import stage, unstage, up_to_a_line
from lastlayer.kernels.tile import SCRATCH as _ROWS_AT

ROOM = 1 << 22  # bytes of rows, and as many of soft targets
SCRATCH = _ROWS_AT + 2 * ROOM
TOGETHER = 256  # bytes of a class in adjacent rows: single lines are read half as fast

_loss_rows = inner(cast(Any, wide.loss_rows).py_func)
_normalise_rows = inner(cast(Any, wide.normalise_rows).py_func)


def rows_together(count: int, size: int, widened: int) -> int:
    """How many rows of `count` classes are taken at a time, 0 where not enough of them fit.

    `size` is the bytes of a logit, `widened` of a number in the working precision.
    """
    fit = ROOM // (_pitch(count, widened) * widened) // ROWS * ROWS
    return min(fit, TOGETHER // size)


def _pitch(count: int, width: int) -> int:
    """From a row in the buffer to the next: an odd number of lines, not to crowd a cache."""
    lanes = BYTES // width
    return (-(-count // lanes) | 1) * lanes


_pitch_of = inner(_pitch)


@by_dtype
def _like_given(given: Any, value: Any) -> Any:
    """`value`, but None where `given` is None."""

    def nothing(given: Any, value: Any) -> Any:
        return None

    def it(given: Any, value: Any) -> Any:
        return value

    return nothing if isinstance(given, types.NoneType) else it


@kernel
def loss_rows(lo: Any, hi: Any, inner_count: Any, count: Any, x: Any, g: Any, past: Any,
              staged: Any, targets: Any, mix: Any, weights: Any, indices: Any, classes: Any,
              samples: Any, ignore: Any, numbers: Any, temperature: Any, cap: Any, loss: Any,
              scratch: Any, states: Any, like: Any, x_like: Any, t_like: Any,
              w_like: Any) -> Any:  # fmt: skip
    """As `wide.loss_rows`, `staged` rows at a time."""
    pitch, faults = _pitch_of(count, width(like)), 0.0
    at, t_at = scratch + _ROWS_AT, scratch + _ROWS_AT + ROOM
    here, t_here = (at, 0, pitch, 1), (t_at, 0, pitch, 1)
    row = lo
    while row < hi:
        outer, position = row // inner_count, row % inner_count
        start = outer * x[1] + position * x[2]
        most = min(staged, inner_count - position, hi - row)
        index = indices + 8 * row if indices != 0 else 0
        sample = samples + 8 * row if samples != 0 else 0
        losses = loss + width(like) * row
        tile = up_to_a_line(x, g, outer, position, width(x_like), most)
        stage(x, pointer(x[0], x_like), start, count, tile, pointer(at, like), pitch, like)
        if t_like is not None:
            t_start = outer * targets[1] + position * targets[2]
            stage(targets, pointer(targets[0], t_like), t_start, count, tile, pointer(t_at, like),
                  pitch, like)  # fmt: skip
        faults += _loss_rows(
            0, tile, tile, count, here, _like_given(g, here), False, None,
            t_here, mix, weights, index, classes, sample, ignore, numbers, temperature, cap,
            losses, scratch, states, like, like, _like_given(t_like, like), w_like,
        )  # fmt: skip
        if g is not None:
            place = outer * g[1] + position * g[2]
            unstage(g, pointer(g[0], x_like), place, count, tile, pointer(at, like), pitch, past,
                    like)  # fmt: skip
        row += tile
    return faults


@kernel
def normalise_rows(lo: Any, hi: Any, inner_count: Any, count: Any, x: Any, y: Any, past: Any,
                   staged: Any, logarithms: Any, lse: Any, scratch: Any, states: Any, like: Any,
                   x_like: Any) -> None:  # fmt: skip
    """As `wide.normalise_rows`, `staged` rows at a time."""
    pitch, at = _pitch_of(count, width(like)), scratch + _ROWS_AT
    here = at, 0, pitch, 1
    row = lo
    while row < hi:
        outer, position = row // inner_count, row % inner_count
        start = outer * x[1] + position * x[2]
        most = min(staged, inner_count - position, hi - row)
        tile = up_to_a_line(x, y, outer, position, width(x_like), most)
        stage(x, pointer(x[0], x_like), start, count, tile, pointer(at, like), pitch, like)
        _normalise_rows(
            0, tile, tile, count, here, _like_given(y, here), False, None, logarithms,
            lse + width(like) * row, scratch, states, like, like,
        )  # fmt: skip
        if y is not None:
            place = outer * y[1] + position * y[2]
            unstage(y, pointer(y[0], x_like), place, count, tile, pointer(at, like), pitch, past,
                    like)  # fmt: skip
        row += tile
