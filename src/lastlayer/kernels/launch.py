"""From a checked problem to kernel calls: which kernel, on which memory, in which threads.

The losses and gradients; `launch_softmax.py` and others launch what else there is.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from typing import Any

import numpy as np

from lastlayer.contract import Array, address, loss_dtype
from lastlayer.kernels import gathered, group, layout, narrow, row, threads, tile, wide
from lastlayer.kernels.coefficients import PORTION, faults_between
from lastlayer.kernels.column import MANY_ROWS, in_chunks, total_of, totals_of
from lastlayer.kernels.dtypes import KIND_LIKES
from lastlayer.kernels.softcap_call import constants
from lastlayer.problem import Options, Problem

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
        self.totals = totals_of(MANY_ROWS)
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


def address_of(array: Array | None) -> int:
    """The address of an array's first element, 0 for none."""
    return 0 if array is None else address(array)


def like_of(array: Array | None) -> Any:
    """A number of the type that kernels know the array's dtype by."""
    return None if array is None else KIND_LIKES[layout.kind(array)]


def bytes_moved(count: int, size: int, result: Array | None) -> int:
    """Of a row of `count` numbers: what is read, and written where there is a result."""
    return count * size * (1 if result is None else 2)


def spread(
    work: Callable[[int, int], None], rows: int, row_bytes: int, kept: tuple[Any, ...]
) -> None:
    """`work` over all rows, in whole tiles where there are enough of them."""
    threads.spread(work, rows, row_bytes, row.ROWS if rows > 4 * row.ROWS else 1, kept)


def cross_entropy(problem: Problem, gradient: Array | None = None) -> Any:
    """The reduced loss, and the scaled gradient into `gradient` where given. (..., C)"""
    reduce, rows = problem.reduce, math.prod(problem.logits.shape[:-1])
    loss = np.empty(rows, problem.loss_dtype)
    if reduce.reduction == "none" or rows < MANY_ROWS or not _in_one(problem, gradient):
        fill_losses(problem, loss, gradient)
        return reduce(loss) if reduce.reduction == "none" else reduce.finish(total_of(loss))
    total = 0.0

    def add_up(
        work: Callable[[int, int], None], rows: int, row_bytes: int, kept: tuple[Any, ...]
    ) -> None:
        nonlocal total
        total, _ = in_chunks(work, row_bytes, loss, kept)

    fill_losses(problem, loss, gradient, add_up)
    return reduce.finish(total)


def losses(problem: Problem) -> Array:
    """Each row's loss (N,)."""
    loss = np.empty(math.prod(problem.logits.shape[:-1]), problem.loss_dtype)
    fill_losses(problem, loss)
    return loss


def _in_one(problem: Problem, gradient: Array | None) -> bool:
    """Whether the rows of all arrays lie side by side, so that they are one part of `layout`."""
    arrays = problem.logits, problem.targets, gradient
    return all(a is None or (a.flags.c_contiguous and layout.walkable(a)) for a in arrays)


def fill_losses(
    problem: Problem,
    loss: Array,
    gradient: Array | None = None,
    over: Callable[..., None] = spread,
) -> None:
    """Each row's loss into `loss` (N,), and the gradient where given.

    `over` takes the rows of each part, as `spread` does.
    """
    x, targets, classes = problem.logits, problem.targets, problem.class_weight
    if not all(a is None or layout.walkable(a) for a in (x, targets, gradient)):
        _in_pieces(problem, loss, gradient)
        return
    count, like = x.shape[-1], loss.dtype.type(0)
    options = problem.label_smoothing, problem.z_loss, problem.softcap, problem.temperature
    numbers, mix, temperature, cap = settings(
        options, problem.base, problem.reduce.scale, targets is not None, count, like
    )
    weights = None if classes is None or mix is None else classes.astype(like.dtype)
    past = past_cache(x, gradient)
    likes = (like, like_of(x), like_of(targets), like_of(weights))
    row_weights, classes = _weights_of_rows(problem, mix)
    moved = bytes_moved(count, like.itemsize, gradient)

    wrong: list[int] = []

    for part in layout.walk((x, gradient, targets)):
        of_x, of_g, of_targets = part.layouts
        kernels, staged = kernels_of(part, x, like)
        indices, samples = part.take(problem.indices), part.take(row_weights)
        losses = part.space(loss)
        arguments = (
            part.inner, count, of_x, of_g, past, staged, of_targets or layout.NOTHING, mix,
            address_of(weights), address_of(indices), address_of(classes), address_of(samples),
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
        over(work, part.rows, moved, kept)
        part.put(losses, loss)
    if wrong:  # only now, and only then, is it worth asking which they are
        problem.check_targets()


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


def settings(
    options: Options, base: float, scale: float, soft: bool, count: int, like: Any
) -> tuple[Any, ...]:
    """What a kernel is given for options: numbers, mix, temperature and soft-cap."""
    smoothing, z_loss, softcap, temperature = options
    mix = (1.0 - smoothing, smoothing / count) if soft or smoothing else None
    cap: Any = None
    if softcap:
        cap = constants(softcap, temperature) if isinstance(like, np.float32) else softcap
    # None in place of an option gives a kernel without the code for it: compiled when it is called
    # for. A temperature of 1 is worth that, but with a soft-cap, which has the same steps anyway.
    alone = temperature == 1.0 and cap is None
    numbers = z_loss, 1.0 / temperature, 1.0 / math.log(base), scale
    return numbers, mix, None if alone else temperature, cap


def targets_fit(targets: Array) -> bool:
    """Whether soft targets are known to be such; False too where NumPy must look at them."""
    if not (layout.walkable(targets) and targets.flags.forc):
        return False
    wrong: list[int] = []
    likes, at = (like_of(targets), loss_dtype(targets).type(0)), address(targets)

    def work(lo: int, hi: int) -> None:
        if faults_between(lo, hi, at, *likes):
            wrong.append(lo)

    threads.spread(work, targets.size, targets.itemsize, PORTION, (targets,))
    return not wrong


def kernels_of(part: layout.Rows, x: Array, like: Any) -> tuple[Any, int | None]:
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


def _in_pieces(problem: Problem, loss: Array, gradient: Array | None) -> None:
    """Arrays that no kernel can walk (byte order, alignment), copied some rows at a time."""
    problem.check_targets()
    from dataclasses import replace

    for block, rows in layout.row_blocks(problem.logits.shape):
        logits = native(problem.logits[block])
        part = replace(
            problem,
            logits=logits,
            axis=logits.ndim - 1,
            targets=None if problem.targets is None else native(problem.targets[block]),
            indices=None if problem.indices is None else problem.indices[rows],
            sample_weight=None if problem.sample_weight is None else problem.sample_weight[rows],
        )
        piece = None if gradient is None else np.empty(part.logits.shape, part.logits.dtype)
        fill_losses(part, loss[rows], piece)
        if gradient is not None:
            gradient[block] = piece


def native(array: Array) -> Array:
    """A copy that a kernel can walk."""
    return array.astype(array.dtype.newbyteorder("="), order="C")
