"""The arithmetic of `explain` for a block of rows, and for all rows block by block."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from lastlayer import reference
from lastlayer.contract import Floats
from lastlayer.learning.explain_softmax import Softmax, in_base, weighted
from lastlayer.problem import Problem

Mask = NDArray[np.bool_]
KEPT = 2**20  # numbers an array of the steps may hold: more rows than that are left out of it
SHOWN_ROWS = 8


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Everything that is computed for some rows, in its order."""

    labels: Floats  # (n, C) one-hot or soft; a row of 0 where ignored
    ignored: Mask  # (n,)
    softmax: Softmax
    shifted: Floats  # (n, C)
    p: Floats  # (n, C): the softmax, or the probabilities that were given
    logs: Floats  # (n, C)
    entries: Floats  # (n, 1): what the labels pick of the logs
    losses: Floats  # (n, 1)
    binary: Floats  # (n, 1): the losses of the binary form
    gradient: Floats  # (n, C), of the mean over all rows
    moved: Softmax  # after the step
    losses_after: Floats  # (n, 1)

    @classmethod
    def of(cls, problem: Problem, given: Floats | None, rate: float) -> Rows:
        """Work out the rows of `problem`; `given` are their probabilities, if it began there."""
        labels = reference.distribution(problem)
        ignored = np.zeros(len(labels), dtype=np.bool_)
        if problem.indices is not None:
            ignored = problem.indices == problem.ignore_index
        softmax = Softmax.of(problem.logits.astype(np.float64, copy=False))
        shifted = softmax.shifted()
        if given is None:
            p, logs, log_others = softmax.p, softmax.logs(shifted), softmax.log_others()
        else:
            with np.errstate(divide="ignore"):
                p, logs, log_others = given, np.log(given), np.log1p(-given)
        in_base(logs, problem.base)
        entries = weighted(labels, logs)
        losses = _counted(0.0 - entries, ignored)  # not −entries: a loss of 0 has no sign
        binary = losses - weighted(1 - labels, in_base(log_others, problem.base))
        gradient = softmax.gradient(labels, problem.reduce.scale / math.log(problem.base))
        gradient[ignored] = 0.0
        moved = Softmax.of(softmax.z - rate * gradient)
        after = weighted(labels, in_base(moved.logs(moved.shifted()), problem.base))
        return cls(
            labels=labels,
            ignored=ignored,
            softmax=softmax,
            shifted=shifted,
            p=p,
            logs=logs,
            entries=entries,
            losses=losses,
            binary=_counted(binary, ignored),
            gradient=gradient,
            moved=moved,
            losses_after=_counted(0.0 - after, ignored),
        )


@dataclass(frozen=True, slots=True, eq=False)
class Totals:
    """Columns and means over all N rows, however few of them the steps hold."""

    top: Floats  # (N, 1): each row's maximum
    ignored: Mask  # (N,)
    losses: Floats  # (N, 1)
    mean: float
    mean_binary: float
    mean_after: float


def work(problem: Problem, given: Floats | None, rate: float) -> tuple[Rows, Totals]:
    """The first rows in full, as many as `KEPT` allows, and the columns of all rows."""
    first: Rows | None = None
    columns: list[tuple[Floats, ...]] = []
    for block, probabilities in _blocks(problem, given):
        rows = Rows.of(block, probabilities, rate)
        first = rows if first is None else first
        ignored = rows.ignored[:, None].astype(np.float64)
        columns.append((rows.softmax.m, ignored, rows.losses, rows.binary, rows.losses_after))
    assert first is not None  # there is a block of no rows where there are no rows
    top, left_out, losses, binary, after = map(np.concatenate, zip(*columns, strict=True))
    mean, mean_binary, mean_after = (
        float(problem.reduce(column[:, 0])) for column in (losses, binary, after)
    )
    return first, Totals(top, left_out[:, 0] > 0, losses, mean, mean_binary, mean_after)


def _blocks(problem: Problem, given: Floats | None) -> Iterator[tuple[Problem, Floats | None]]:
    classes = problem.logits.shape[-1]
    logits = problem.logits.reshape(-1, classes)
    targets = None if problem.targets is None else problem.targets.reshape(-1, classes)
    size = max(SHOWN_ROWS, KEPT // classes)
    for start in range(0, max(len(logits), 1), size):
        part = slice(start, start + size)
        block = replace(
            problem,
            logits=logits[part],
            indices=None if problem.indices is None else problem.indices[part],
            targets=None if targets is None else targets[part],
        )
        yield block, None if given is None else given[part]


def _counted(column: Floats, ignored: Mask) -> Floats:
    column[ignored] = 0.0
    return column
