"""The commonest call by the shortest way: class indices and no option, rows as NumPy makes them.

A batch of 32 rows takes a kernel 2 µs, and the general way from a call to a kernel twenty times
that. For large batches the labels are looked at once, where NumPy needs a pass for each question.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from lastlayer.contract import Array
from lastlayer.kernels import layout, threads
from lastlayer.kernels.column import BLOCK, FEW_BLOCKS, add_blocks, totals_of
from lastlayer.kernels.jit import kernel
from lastlayer.kernels.lanes import total_of
from lastlayer.kernels.launch import kernels_for, past_cache, scratch, spread
from lastlayer.kernels.memory import lane_count, load_up_to, pointer
from lastlayer.kernels.simd import at_least, differ, fill, where

_Arrays = tuple[Array, Array, Array, Array]  # logits, labels, losses, and a gradient or anything

_F64, _I64 = np.float64(0), np.int64(0)

_MANY = FEW_BLOCKS * BLOCK  # rows that are worth being looked at, and added up, by several threads
_CHUNK = 1 << 20  # bytes of logits and labels that stay in a cache while that is done


@kernel
def survey(x: Any, labels: Any, loss: Any, g: Any, lo: Any, hi: Any, ignore: Any) -> Any:
    """Addresses of the four arrays, and how many of labels[lo:hi] count; −1 if one is no class."""
    at, lanes = np.int64(labels.ctypes.data), lane_count(_I64)
    y, left_out, classes = pointer(at, _I64), fill(ignore, _I64), fill(x.shape[1], _I64)
    zero, one = fill(0.0, _F64), fill(1.0, _F64)
    counted, wrong = zero, zero
    for n in range(lo, hi, lanes):
        label = load_up_to(y, n, hi - n, ignore, _I64)
        counts = differ(label, left_out)
        counted = where(counts, counted + one, counted)
        wrong = where(counts & at_least(label, classes), one, wrong)
    found = -1.0 if total_of(wrong) > 0.0 else total_of(counted)
    return (
        np.int64(x.ctypes.data), at, np.int64(loss.ctypes.data), np.int64(g.ctypes.data),
        np.int64(found),
    )  # fmt: skip


def cross_entropy(
    x: Array, labels: Array, gradient: Array | None, ignore: int, mean: bool
) -> float | None:
    """The mean or sum of the losses, and its gradient into `gradient` where given.

    None where the call is not for here: the general way knows why, and what is to be said of it.
    Shapes are (N, C) and (N,); all arrays are contiguous, labels int64; the gradient is x itself
    or lies apart from it.
    """
    rows, count = x.shape
    loss, many = np.empty(rows, x.dtype), rows >= _MANY
    place = x if gradient is None else gradient
    at_x, at_labels, at_loss, at_g, counted = survey(
        x, labels, loss, place, 0, 0 if many else rows, ignore
    )
    if many and gradient is not None:  # how many labels count is in every gradient
        counted = _survey_by_threads((x, labels, loss, place), ignore)
    if counted <= 0 and not (many and gradient is None):
        return None
    kernel_of, like = kernels_for(x).loss_rows, loss.dtype.type(0)
    g = None if gradient is None else (at_g, 0, count, 1)
    past = past_cache(x, gradient)
    numbers = (0.0, 1.0, 1.0, 1.0 / counted if mean and counted else 1.0)

    def run(lo: int, hi: int) -> None:
        kernel_of(
            lo, hi, rows, count, (at_x, 0, count, 1), g, past, None, layout.NOTHING, None, 0,
            at_labels, 0, 0, ignore, numbers, None, None, at_loss, *scratch.addresses, like, like,
            None, None,
        )  # fmt: skip

    total: float
    if many:
        totals = totals_of(rows)
        found = _in_chunks(run, (x, labels, loss, place), gradient is None, ignore, totals)
        counted = counted if gradient is not None else found
        if counted <= 0:
            return None
        total = add_blocks(rows, rows, loss, totals)
    else:
        if x.nbytes < threads.WORTHWHILE:
            run(0, rows)
        else:
            spread(run, rows, count, x.itemsize, (x, labels, loss, place))
        total = add_blocks(0, rows, loss, scratch.totals)
    return total / counted if mean else total


def _survey_by_threads(arrays: _Arrays, ignore: int) -> int:
    """How many labels count; −1 if one is no class."""
    counts: list[int] = []

    def look(lo: int, hi: int) -> None:
        counts.append(survey(*arrays, lo, hi, ignore)[4])

    threads.spread(look, len(arrays[1]), arrays[1].itemsize, BLOCK, arrays)
    return -1 if min(counts) < 0 else sum(counts)


def _in_chunks(
    run: Callable[[int, int], None], arrays: _Arrays, ask: bool, ignore: int, totals: Array
) -> int:
    """Losses, and the sums of their blocks; how many labels count, −1 if one is no class.

    Unless they have been asked before, labels are asked when their rows' turn has come, so that
    they, and the losses, are read from the cache the second time.
    """
    x, labels, loss, _ = arrays
    row_bytes = x.itemsize * x.shape[1]
    step = max(1, _CHUNK // (row_bytes + labels.itemsize) // BLOCK) * BLOCK
    counts = [0]

    def work(lo: int, hi: int) -> None:
        for start in range(lo, hi, step):
            end = min(start + step, hi)
            if ask:
                counted = survey(*arrays, start, end, ignore)[4]
                counts.append(counted)
                if counted < 0:
                    return
            run(start, end)
            add_blocks(start, end, loss, totals)

    threads.spread(work, len(x), row_bytes, BLOCK, arrays)
    return -1 if min(counts) < 0 else sum(counts)
