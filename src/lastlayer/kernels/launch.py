"""From a checked problem to kernel calls: which kernel, on which memory, in which threads."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from typing import Any, Literal

import numpy as np

from lastlayer.contract import Array, address, loss_dtype
from lastlayer.kernels import blocks, layout, narrow, threads, wide
from lastlayer.problem import Problem

_SCRATCH = max(wide.BUFFERS * wide.TILE * blocks.BLOCK, narrow.SCRATCH)
_STATES = max(wide.TILE * wide.STATES, narrow.STATES)


class _Scratch(threading.local):
    """Working memory of a thread, made at its first call and kept. About a megabyte."""

    def __init__(self) -> None:
        self._buffers = (np.zeros(_SCRATCH + 8), np.zeros(_STATES + 8))  # float64, the larger
        self.addresses = tuple(-(-address(b) // 64) * 64 for b in self._buffers)


_scratch = _Scratch()


def _address(array: Array | None) -> int:
    return 0 if array is None else address(array)


def cross_entropy(problem: Problem, gradient: Array | None = None) -> Array:
    """Each row's loss (N,), and the scaled gradient into `gradient` where given. (..., C)"""
    x, targets = problem.logits, problem.targets
    loss = np.empty(math.prod(x.shape[:-1]), problem.loss_dtype)
    if not all(a is None or layout.walkable(a) for a in (x, targets, gradient)):
        return _in_pieces(problem, gradient, loss)
    numbers = (
        problem.label_smoothing,
        problem.z_loss,
        problem.softcap,
        1.0 / problem.temperature,
        1.0 / math.log(problem.base),
        problem.reduce.scale,
    )
    # softcap · tanh(x / softcap), rounded to float32, would be off by more than is promised
    like = np.float64(0) if problem.softcap else loss.dtype.type(0)
    count = x.shape[-1]
    kernel: Any = narrow.loss_rows if count <= narrow.MOST_CLASSES else wide.loss_rows
    apart = gradient is None or not np.may_share_memory(x, gradient)
    classes = problem.class_weight

    for part in layout.walk((x, gradient, targets)):
        of_x, of_g, of_targets = part.layouts
        assert of_x is not None
        direct = apart and not problem.softcap and layout.is_direct(of_x, like.dtype)
        direct_g = of_g is not None and of_x[3] == 1 and layout.is_direct(of_g, like.dtype)
        if of_targets is None and problem.label_smoothing:
            of_targets = layout.NOTHING
        indices, samples = part.take(problem.indices), part.take(problem.sample_weight)
        losses = part.space(loss, like.dtype)

        def work(
            lo: int,
            hi: int,
            arguments: tuple[Any, ...] = (
                part.inner, count, of_x, direct, of_g, direct_g, of_targets, _address(indices),
                _address(classes), _address(samples), problem.ignore_index, numbers,
                address(losses),
            ),
        ) -> None:  # fmt: skip
            kernel(lo, hi, *arguments, *_scratch.addresses, like)

        # arrays are named to be kept: a kernel has nothing but their addresses
        kept = (x, gradient, targets, indices, samples, classes, losses)
        _spread(work, part.rows, count, like.itemsize, kept)
        part.put(losses, loss)
    return loss


def _spread(
    work: Callable[[int, int], None], rows: int, count: int, size: int, kept: tuple[Any, ...]
) -> None:
    unit = layout.LANES if count <= narrow.MOST_CLASSES else wide.TILE
    threads.spread(work, rows, count * size, unit if rows > 4 * unit else 1, kept)


def _in_pieces(problem: Problem, gradient: Array | None, loss: Array) -> Array:
    """Arrays that no kernel can walk (byte order, alignment), copied some rows at a time."""
    from dataclasses import replace

    for block, rows in layout.row_blocks(problem.logits.shape):
        part = replace(
            problem,
            logits=_native(problem.logits[block]),
            targets=None if problem.targets is None else _native(problem.targets[block]),
            indices=None if problem.indices is None else problem.indices[rows],
            sample_weight=None if problem.sample_weight is None else problem.sample_weight[rows],
        )
        if gradient is None:
            loss[rows] = cross_entropy(part)
        else:
            piece = np.empty(part.logits.shape, part.logits.dtype)
            loss[rows] = cross_entropy(part, piece)
            gradient[block] = piece
    return loss


def _native(array: Array) -> Array:
    return array.astype(array.dtype.newbyteorder("="), order="C")


def normalise(x: Array, out: Array, kind: Literal["softmax", "log_softmax"]) -> None:
    """softmax or log_softmax over the last axis of `x`, into `out` of its shape and dtype."""
    if not (layout.walkable(x) and layout.walkable(out)):
        for block, _ in layout.row_blocks(x.shape):
            piece = _native(x[block])
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
            result[rows] = logsumexp(_native(x[block]))
    return result


def _normalise(x: Array, out: Array | None, logarithm: bool, lse: Array | None) -> None:
    like, count = loss_dtype(x).type(0), x.shape[-1]
    kernel: Any = narrow.normalise_rows if count <= narrow.MOST_CLASSES else wide.normalise_rows
    apart = out is None or not np.may_share_memory(x, out)

    for part in layout.walk((x, out)):
        of_x, of_y = part.layouts
        assert of_x is not None
        direct = apart and layout.is_direct(of_x, like.dtype)
        direct_y = of_y is not None and of_x[3] == 1 and layout.is_direct(of_y, like.dtype)
        results = None if lse is None else part.space(lse, like.dtype)

        def work(
            lo: int,
            hi: int,
            arguments: tuple[Any, ...] = (
                part.inner, count, of_x, direct, of_y, direct_y, logarithm, _address(results),
            ),
        ) -> None:  # fmt: skip
            kernel(lo, hi, *arguments, *_scratch.addresses, like)

        _spread(work, part.rows, count, like.itemsize, (x, out, results))
        if lse is not None and results is not None:
            part.put(results, lse)
