"""From a checked problem to kernel calls: which kernel, on which memory, in which threads."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from typing import Any, Literal

import numpy as np

from lastlayer.contract import Array, address, loss_dtype
from lastlayer.kernels import gathered, group, layout, narrow, row, threads, tile, wide
from lastlayer.kernels.coefficients import PORTION, faults_between
from lastlayer.kernels.column import BLOCK, FEW_BLOCKS, totals_of
from lastlayer.kernels.dtypes import KIND_LIKES
from lastlayer.kernels.softcap_call import constants
from lastlayer.problem import Problem

_SCRATCH = max(tile.SCRATCH, group.SCRATCH)
_STATES = row.STATES * 8
MANY_WEIGHTS = 2048  # classes from which on their weights are looked up before a kernel runs
PAST_CACHE = 1 << 24  # bytes of a result that is not expected to be read again from the caches


class _Scratch(threading.local):
    """Working memory of a thread, made at its first call and kept: 960 kB, touched where used.

    What kernels that copy whole rows need, 9 MB, is made at the first of their calls.
    """

    def __init__(self) -> None:
        self._buffers = [np.zeros(_SCRATCH + 64, np.uint8), np.zeros(_STATES + 64, np.uint8)]
        self.addresses = tuple(-(-address(b) // 64) * 64 for b in self._buffers)
        self.totals = totals_of(FEW_BLOCKS * BLOCK)
        self._for_staged: tuple[int, ...] | None = None

    def of(self, kernels: Any) -> tuple[int, ...]:
        """The addresses for one of the kernels of a module."""
        if kernels is not gathered:
            return self.addresses
        if self._for_staged is None:
            self._buffers.append(np.zeros(gathered.SCRATCH + 64, np.uint8))
            self._for_staged = -(-address(self._buffers[-1]) // 64) * 64, self.addresses[1]
        return self._for_staged


scratch = _Scratch()


def _address(array: Array | None) -> int:
    return 0 if array is None else address(array)


def _like(array: Array | None) -> Any:
    """A number of the type that kernels know the array's dtype by."""
    return None if array is None else KIND_LIKES[layout.kind(array)]


def cross_entropy(problem: Problem, gradient: Array | None = None) -> Array:
    """Each row's loss (N,), and the scaled gradient into `gradient` where given. (..., C)"""
    x, targets, classes = problem.logits, problem.targets, problem.class_weight
    loss = np.empty(math.prod(x.shape[:-1]), problem.loss_dtype)
    if not all(a is None or layout.walkable(a) for a in (x, targets, gradient)):
        return _in_pieces(problem, gradient, loss)
    count, smoothing = x.shape[-1], problem.label_smoothing
    numbers = (
        problem.z_loss,
        1.0 / problem.temperature,
        1.0 / math.log(problem.base),
        problem.reduce.scale,
    )
    like, cap = loss.dtype.type(0), _cap(problem, loss.dtype)
    mix = (1.0 - smoothing, smoothing / count) if targets is not None or smoothing else None
    # None in place of an option gives a kernel without the code for it: compiled when it is called
    # for. A temperature of 1 is worth that, but with a soft-cap, which has the same steps anyway.
    plain = problem.temperature == 1.0 and cap is None
    temperature = None if plain else problem.temperature
    weights = None if classes is None or mix is None else classes.astype(like.dtype)
    past = past_cache(x, gradient)
    likes = (like, _like(x), _like(targets), _like(weights))
    row_weights, classes = _weights_of_rows(problem, mix)

    wrong: list[int] = []

    for part in layout.walk((x, gradient, targets)):
        of_x, of_g, of_targets = part.layouts
        kernels, staged = _kernels(part, x, like)
        indices, samples = part.take(problem.indices), part.take(row_weights)
        losses = part.space(loss)
        arguments = (
            part.inner, count, of_x, of_g, past, staged, of_targets or layout.NOTHING, mix,
            _address(weights), _address(indices), _address(classes), _address(samples),
            problem.ignore_index, numbers, temperature, cap, address(losses),
        )  # fmt: skip

        def work(
            lo: int,
            hi: int,
            kernels: Any = kernels,
            arguments: tuple[Any, ...] = arguments,
        ) -> None:
            if kernels.loss_rows(lo, hi, *arguments, *scratch.of(kernels), *likes):
                wrong.append(lo)

        # arrays are named to be kept: a kernel has nothing but their addresses
        kept = (x, gradient, targets, indices, samples, classes, weights, losses)
        spread(work, part.rows, count, like.itemsize, kept)
        part.put(losses, loss)
    if wrong:  # only now, and only then, is it worth asking which they are
        problem.check_targets()
    return loss


def _weights_of_rows(problem: Problem, mix: Any) -> tuple[Array | None, Array | None]:
    """The samples' weights and the classes', or as one where that is the same and saves time.

    A kernel that looks up the weights of labels among thousands waits for each, beside its logits.
    A row of weight 0 would be left out, and its z-loss weighted.
    """
    samples, classes = problem.sample_weight, problem.class_weight
    if classes is None or problem.indices is None or mix is not None or problem.z_loss:
        return samples, classes
    if classes.size < MANY_WEIGHTS or not classes.all():
        return samples, classes
    of_labels = classes.take(problem.indices, mode="clip")  # of those that are ignored, any
    return of_labels if samples is None else of_labels * samples, None


def _cap(problem: Problem, dtype: Any) -> tuple[float, ...] | float | None:
    """The soft-cap as kernels know it."""
    if not problem.softcap:
        return None
    single = dtype == np.float32
    return constants(problem.softcap, problem.temperature) if single else problem.softcap


def targets_fit(targets: Array) -> bool:
    """Whether soft targets are known to be such; False too where NumPy must look at them."""
    if not (layout.walkable(targets) and targets.flags.forc):
        return False
    wrong: list[int] = []
    likes, at = (_like(targets), loss_dtype(targets).type(0)), address(targets)

    def work(lo: int, hi: int) -> None:
        if faults_between(lo, hi, at, *likes):
            wrong.append(lo)

    threads.spread(work, targets.size, targets.itemsize, PORTION, (targets,))
    return not wrong


def _kernels(part: layout.Rows, x: Array, like: Any) -> tuple[Any, int | None]:
    """The kernels for a part, and the rows copied at a time: None where none are.

    None are where the classes of all arrays lie side by side, or a kernel has one way for all.
    """
    count = x.shape[-1]
    beside = all(a is None or a[3] == 1 for a in part.layouts)
    if beside or layout.few(x):
        return kernels_for(x), None
    together = gathered.rows_together(count, x.itemsize, like.itemsize)
    return (gathered, together) if together else (wide, tile.TILE)


def kernels_for(x: Array) -> Any:
    """The kernels for as many classes as the logits have."""
    return narrow if layout.few(x) else wide


def past_cache(x: Array, result: Array | None) -> bool:
    """Whether a result is better written past the caches: large, and not over its own input."""
    if result is None or result.nbytes < PAST_CACHE:
        return False
    return not np.may_share_memory(x, result)


def spread(
    work: Callable[[int, int], None], rows: int, count: int, size: int, kept: tuple[Any, ...]
) -> None:
    """`work` over all rows of `count` classes, in whole tiles where there are enough of them."""
    threads.spread(work, rows, count * size, row.ROWS if rows > 4 * row.ROWS else 1, kept)


def _in_pieces(problem: Problem, gradient: Array | None, loss: Array) -> Array:
    """Arrays that no kernel can walk (byte order, alignment), copied some rows at a time."""
    problem.check_targets()
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


def _normalise(x: Array, out: Array | None, logarithms: bool, lse: Array | None) -> None:
    like, count = loss_dtype(x).type(0), x.shape[-1]
    past = past_cache(x, out)

    for part in layout.walk((x, out)):
        of_x, of_y = part.layouts
        kernels, staged = _kernels(part, x, like)
        results = None if lse is None else part.space(lse)
        arguments = (
            part.inner, count, of_x, of_y, past, staged, logarithms, _address(results),
        )  # fmt: skip

        def work(
            lo: int,
            hi: int,
            kernels: Any = kernels,
            arguments: tuple[Any, ...] = arguments,
        ) -> None:
            kernels.normalise_rows(lo, hi, *arguments, *scratch.of(kernels), like, _like(x))

        spread(work, part.rows, count, like.itemsize, (x, out, results))
        if lse is not None and results is not None:
            part.put(results, lse)
