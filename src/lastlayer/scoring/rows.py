"""From logits or probabilities to what is known of each row."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from lastlayer import contract
from lastlayer.contract import Array, Indices
from lastlayer.labels import LabelError, are_indices, check_targets
from lastlayer.problem import Problem
from lastlayer.reduction import Reducer
from lastlayer.scoring.settings import Settings

TOLERANCE = 1e-3  # by which the probabilities of a row may miss 1: three decimals
HALF_TOLERANCE = 3e-2  # in float16 and bfloat16


@dataclass(frozen=True, slots=True)
class Block:
    """Consecutive rows, checked but for the values of labels and probabilities."""

    logits: Array  # (N, C)
    indices: Array | None  # (N,), of any integer dtype
    targets: Array | None  # (N, C)

    def __len__(self) -> int:
        return len(self.logits)

    def __getitem__(self, rows: slice) -> Block:
        return Block(
            self.logits[rows],
            None if self.indices is None else self.indices[rows],
            None if self.targets is None else self.targets[rows],
        )


class Fault(Exception):  # noqa: N818
    """What is wrong with a row; the row is counted within its block."""

    def __init__(self, row: int, what: str, kind: type[ValueError] = ValueError) -> None:
        super().__init__(what)
        self.row, self.what, self.kind = row, what, kind


def blocks_of(logits: Any, labels: Any, settings: Settings) -> list[Block]:
    """Logits (..., C) and their labels as blocks (N, C), whose memory is the caller's."""
    name = "probabilities" if settings.probabilities else "logits"
    names = contract.Names(logits=name)
    x, axis = contract.as_logits(logits, -1, names)
    array = contract.as_array(labels, "labels")
    dtype = contract.dtype_name(array.dtype)
    whole = are_indices(dtype, array.dtype, array.shape, x.shape, axis, names)
    if whole and dtype in contract.FLOATING:
        array = array.astype(np.int64)  # nothing, as NumPy makes it: of float64
    return list(_flat(x, array, whole))


def _flat(x: Array, labels: Array, whole: bool) -> Any:
    if x.ndim > 2 and not (x.flags.c_contiguous and labels.flags.c_contiguous):
        for part, its_labels in zip(x, labels, strict=True):
            yield from _flat(part, its_labels, whole)
        return
    rows = x.reshape(-1, x.shape[-1])
    if whole:
        yield Block(rows, labels.reshape(-1), None)
    else:
        yield Block(rows, None, labels.reshape(rows.shape))


def statistics(block: Block, labels: Indices, settings: Settings) -> tuple[Array, ...]:
    """The columns of `RowStatistics`, the loss in float64; `labels` are those of `labels_of`."""
    from lastlayer.kernels.statistics import row_statistics

    if settings.probabilities:
        columns = _of_probabilities(block, labels, settings)
        if settings.temperature == 1.0:
            return columns
        block = logarithms(block)
    found = row_statistics(problem_of(block, labels, settings))
    loss = found.loss.astype(np.float64)
    return (loss, found.prediction, found.confidence, found.doubt, found.rank, found.brier,
            found.entropy)  # fmt: skip


def problem_of(block: Block, labels: Indices, settings: Settings) -> Problem:
    """A block as the kernels take it."""
    soft = block.targets is not None
    return Problem(
        logits=block.logits,
        axis=1,
        indices=None if soft else labels,
        targets=block.targets,
        class_weight=None,
        sample_weight=None,
        ignore_index=ignored(block, settings),
        label_smoothing=0.0,
        z_loss=0.0,
        softcap=0.0,
        temperature=settings.temperature,
        base=math.e,
        reduce=Reducer("none", 1.0, "nan", (len(block),)),
    )


def logarithms(block: Block) -> Block:
    """Logits, in float64, whose softmax the probabilities of a block are."""
    with np.errstate(divide="ignore"):
        logits = np.log(block.logits.astype(np.float64))
    return Block(logits, block.indices, block.targets)


def ignored(block: Block, settings: Settings) -> int:
    """The label to leave out, as int64 labels have it; none of a distribution's is −1."""
    return -1 if block.targets is not None else contract.as_stored(settings.ignore_index)


def labels_of(block: Block, settings: Settings) -> Indices:
    """Labels as int64, all of which name a class or are ignored; a Fault for the first other.

    Of a distribution, its most probable class.
    """
    from lastlayer.kernels.tally import first_outside

    if block.targets is not None:
        try:
            check_targets(block.targets)
        except LabelError:
            with np.errstate(invalid="ignore"):
                wide = block.targets.astype(np.float64)
                bad = ~((wide >= 0) & (wide <= contract.LARGEST)).all(axis=1)
            row = int(bad.argmax())
            raise Fault(row, "a soft label that is negative, infinite or NaN", LabelError) from None
        modes: Indices = block.targets.argmax(axis=1)
        return modes
    assert block.indices is not None  # one of the two is always there
    labels = np.require(block.indices, np.int64, ["C", "A", "W"])  # one type for the kernels
    classes = block.logits.shape[1]
    row = first_outside(labels, classes, ignored(block, settings))
    if row >= 0:
        raise Fault(
            row,
            f"label {block.indices[row]} is outside [0, {classes}) and is not ignore_index "
            f"({settings.ignore_index})",
            LabelError,
        )
    return labels


def _of_probabilities(block: Block, labels: Indices, settings: Settings) -> tuple[Array, ...]:
    from lastlayer.kernels.probability_rows import NOT_PROBABILITY, probability_rows

    p = block.logits
    tolerance = TOLERANCE if p.dtype.itemsize > 2 else HALF_TOLERANCE
    if p.dtype.itemsize == 2:
        p = p.astype(np.float32)
    p = np.require(p, p.dtype.newbyteorder("="), ["C", "A", "W"])
    count = len(p)
    kinds = (float, int, float, float, int, float, float)
    columns = tuple(np.empty(count, kind) for kind in kinds)
    row, fault = probability_rows(p, labels, ignored(block, settings), tolerance, columns)
    if row >= 0 and fault == NOT_PROBABILITY:
        bad = p[row][(p[row] < 0) | (p[row] > 1 + tolerance)][0]
        raise Fault(row, f"{bad:g} is no probability")
    if row >= 0:
        total = float(p[row].sum(dtype=np.float64))
        raise Fault(row, f"its probabilities sum to {total:.6g}, not to 1 within {tolerance:g}")
    if block.targets is not None:
        t = block.targets.astype(np.float64)
        q = np.minimum(p.astype(np.float64), 1.0)
        with np.errstate(divide="ignore", invalid="ignore"):
            terms = np.where(t > 0, -t * np.log(q), 0.0)
        known = columns[1] >= 0
        columns[0][...] = np.where(known, terms.sum(axis=1), np.nan)
        columns[5][...] = np.where(known, ((q - t) ** 2).sum(axis=1), np.nan)
    return columns
