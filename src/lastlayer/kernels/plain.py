"""The commonest calls by the shortest way: class indices, and rows as NumPy makes them.

A batch of 32 rows takes a kernel 2 µs, and the general way from a call to a kernel twenty times
that. For large batches the labels are looked at once, where NumPy needs a pass for each question.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from lastlayer.contract import Array, Floats, address
from lastlayer.kernels import layout, threads
from lastlayer.kernels.column import (
    MANY_ROWS,
    add_blocks,
    in_chunks,
    weight_between,
    weight_of_labels,
)
from lastlayer.kernels.jit import kernel
from lastlayer.kernels.launch import (
    MANY_WEIGHTS,
    bytes_moved,
    kernels_for,
    past_cache,
    scratch,
    settings,
    spread,
)
from lastlayer.kernels.memory import pointer
from lastlayer.problem import Options

_I64 = np.int64(0)


@kernel
def survey(x: Any, labels: Any, loss: Any, g: Any, lo: Any, hi: Any, ignore: Any) -> Any:
    """Addresses of the four arrays, and how many of labels[lo:hi] count; −1 if one is no class."""
    at = np.int64(labels.ctypes.data)
    found = weight_between(pointer(at, _I64), lo, hi, x.shape[1], ignore, None, None)
    return (
        np.int64(x.ctypes.data), at, np.int64(loss.ctypes.data), np.int64(g.ctypes.data),
        np.int64(found),
    )  # fmt: skip


def cross_entropy(
    x: Array,
    labels: Array,
    gradient: Array | None,
    ignore: int,
    mean: bool,
    options: Options | None,
    weights: Floats | None,
) -> float | None:
    """The mean or sum of the losses, and its gradient into `gradient` where given.

    None where the call is not for here: the general way knows why, and what is to be said of it.
    Shapes are (N, C), (N,) and (C,) of `weights`, by class; all arrays are contiguous, labels
    int64, weights float64; the gradient is x itself or lies apart from it.
    """
    rows, count = x.shape
    if weights is not None and count >= MANY_WEIGHTS:
        return None
    loss, many = np.empty(rows, x.dtype), rows >= MANY_ROWS
    place = x if gradient is None else gradient
    here = 0 if many or weights is not None else rows
    at_x, at_labels, at_loss, at_g, counted = survey(x, labels, loss, place, 0, here, ignore)
    later = many and gradient is None and weights is None
    if not (here or later):  # the weight that counts is in every gradient
        counted = weight_of_labels(labels, count, ignore, weights, None)
    if counted <= 0 and not later:
        return None
    kernel_of, like = kernels_for(x).loss_rows, loss.dtype.type(0)
    g = None if gradient is None else (at_g, 0, count, 1)
    past = past_cache(x, gradient)
    scale = 1.0 / counted if mean and counted else 1.0
    numbers, mix, temperature, cap = (0.0, 1.0, 1.0, scale), None, None, None
    if options is not None:
        numbers, mix, temperature, cap = settings(options, math.e, scale, False, count, like)
    at_weights = 0 if weights is None else address(weights)
    kept = x, labels, loss, place, weights

    def run(lo: int, hi: int) -> None:
        kernel_of(
            lo, hi, rows, count, (at_x, 0, count, 1), g, past, None, layout.NOTHING, mix, 0,
            at_labels, at_weights, 0, ignore, numbers, temperature, cap, at_loss,
            *scratch.addresses, like, like, None, None,
        )  # fmt: skip

    total: float
    moved = bytes_moved(count, x.itemsize, gradient)
    if many:
        look = (labels, count, ignore) if later else None
        total, found = in_chunks(run, moved, loss, kept, look)
        counted = found if look else counted
        if counted <= 0:
            return None
    else:
        if rows * moved < threads.WORTHWHILE_IN_A_LOOP:  # for which asking takes too long
            run(0, rows)
        else:
            spread(run, rows, moved, kept)
        total = add_blocks(0, rows, loss, scratch.totals)
    return total / counted if mean else total
