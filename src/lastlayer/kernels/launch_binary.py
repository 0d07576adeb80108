"""Binary cross-entropy in blocks: each is copied, whatever its dtype and layout, and computed."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from lastlayer.contract import Array
from lastlayer.kernels import sigmoid, threads
from lastlayer.kernels.layout import BLOCK_ELEMENTS, row_blocks
from lastlayer.problem import BinaryProblem


def binary_cross_entropy(problem: BinaryProblem, gradient: Array | None = None) -> Any:
    """The reduced loss, and the scaled gradient into `gradient` where given.

    Beside the result it needs the memory of some blocks, a few megabytes.
    """
    x, reduce, working = problem.logits, problem.reduce, problem.loss_dtype
    keep = np.empty(x.shape, working) if reduce.reduction == "none" else None
    numbers = (
        problem.label_smoothing,
        1.0 / problem.temperature,
        1.0 / math.log(problem.base),
        reduce.scale,
    )
    # one space for every block: a thread that is late holds on to nothing of the last one
    space = np.empty((3 if gradient is None else 4, min(x.size, BLOCK_ELEMENTS)), working)
    total = 0.0
    for block, flat in row_blocks((*x.shape, 1)):  # every output a row of its own
        shape = x[block].shape
        z, t, loss, *slopes = space[:, : math.prod(shape)]
        np.copyto(z.reshape(shape), x[block])
        np.copyto(t.reshape(shape), problem.targets[block], casting="unsafe")
        slope = slopes[0] if slopes else None
        positive = samples = None
        if problem.pos_weight is not None:
            columns = problem.pos_weight[_columns(block, x.ndim)]
            positive = np.array(np.broadcast_to(columns, shape or (1,))).reshape(-1)
        if problem.sample_weight is not None:
            samples = problem.sample_weight[flat]

        def work(
            lo: int,
            hi: int,
            arrays: tuple[Any, ...] = (z, t, positive, samples, numbers, loss, slope),
        ) -> None:
            sigmoid.binary_range(lo, hi, *arrays)

        threads.spread(work, z.size, 4 * working.itemsize)
        total += float(np.add.reduce(loss, dtype=np.float64))
        if keep is not None:
            keep[block] = loss.reshape(shape)
        if gradient is not None and slope is not None:
            with np.errstate(over="ignore"):  # what float16 cannot hold is infinite
                gradient[block] = slope.reshape(shape)
    return keep[()] if keep is not None else reduce.finish(total)


def _columns(block: tuple[Any, ...], ndim: int) -> Any:
    """Which outputs of the last axis a block holds."""
    return block[-1] if block and len(block) == ndim else slice(None)
