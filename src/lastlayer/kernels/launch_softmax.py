"""From checked logits to the kernel calls of softmax, log-softmax and logsumexp."""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np

from lastlayer.contract import Array, loss_dtype
from lastlayer.kernels import layout
from lastlayer.kernels.launch import (
    address_of,
    bytes_moved,
    kernels_of,
    like_of,
    native,
    past_cache,
    scratch,
    spread,
)


def normalise(x: Array, out: Array, kind: Literal["softmax", "log_softmax"]) -> None:
    """softmax or log_softmax over the last axis of `x`, into `out` of its shape and dtype."""
    if not (layout.walkable(x) and layout.walkable(out)):
        for block, _ in layout.row_blocks(x.shape):
            piece = native(x[block])
            normalise(piece, piece, kind)
            out[block] = piece
        return
    _normalise(x, out, kind == "log_softmax", None)


def logsumexp(x: Array) -> Array:
    """logsumexp over the last axis, flat; float64 for float64, float32 otherwise."""
    result = np.empty(math.prod(x.shape[:-1]), loss_dtype(x))
    if layout.walkable(x):
        _normalise(x, None, False, result)
    else:
        for block, rows in layout.row_blocks(x.shape):
            result[rows] = logsumexp(native(x[block]))
    return result


def _normalise(x: Array, out: Array | None, logarithms: bool, lse: Array | None) -> None:
    like, count = loss_dtype(x).type(0), x.shape[-1]
    past = past_cache(x, out)

    for part in layout.walk((x, out)):
        of_x, of_y = part.layouts
        kernels, staged = kernels_of(part, x, like)
        results = None if lse is None else part.space(lse)
        arguments = (
            part.inner, count, of_x, of_y, past, staged, logarithms, address_of(results),
        )  # fmt: skip

        def work(
            lo: int,
            hi: int,
            kernels: Any = kernels,
            arguments: tuple[Any, ...] = arguments,
        ) -> None:
            kernels.normalise_rows(lo, hi, *arguments, *scratch.of(kernels), like, like_of(x))

        spread(work, part.rows, bytes_moved(count, like.itemsize, out), (x, out, results))
        if lse is not None and results is not None:
            part.put(results, lse)
