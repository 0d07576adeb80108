"""What scoring needs of every row, from one read of the logits."""

from __future__ import annotations

import math
from dataclasses import fields, replace
from typing import Any

import numpy as np

from lastlayer import kernels, reference
from lastlayer.contract import Array, Floats
from lastlayer.kernels import layout
from lastlayer.problem import Problem
from lastlayer.reference import RowStatistics

__all__ = ["RowStatistics", "row_statistics", "temperature_sums"]


def row_statistics(problem: Problem) -> RowStatistics:
    """Loss (the bits of `cross_entropy`), prediction, confidence, rank, Brier score and entropy.

    Parameters
    ----------
    problem : Problem
        Logits, labels, `ignore_index` and temperature; a ValueError for any other option. Class
        indices take the kernels; distributions are computed in NumPy, in float64.

    Returns
    -------
    RowStatistics
        Arrays (N,), rows in order.
    """
    _check(problem)
    kinds = (problem.loss_dtype, *(_KINDS[f.name] for f in fields(RowStatistics)[1:]))
    columns = _columns(problem, kinds, problem.temperature)
    if problem.targets is not None:
        columns[0][...] = kernels.losses(problem)
    return RowStatistics(*columns)


_KINDS = {
    "prediction": np.int64, "confidence": np.float64, "doubt": np.float64, "rank": np.int64,
    "brier": np.float64, "entropy": np.float64,
}  # fmt: skip


def temperature_sums(problem: Problem, temperature: float) -> tuple[Floats, Floats, Floats]:
    """Each row's loss at a temperature, and its two derivatives by β = 1 / T. (N,)

    The problem's own temperature plays no part; rows that are ignored have 0 for all three.
    """
    _check(problem)
    loss, slope, curvature = _columns(problem, (np.float64,) * 3, temperature)
    return loss, slope, curvature


def _columns(problem: Problem, kinds: tuple[Any, ...], temperature: float) -> tuple[Array, ...]:
    """The columns of `RowStatistics`, or of `temperature_sums` where three are asked for."""
    x = problem.logits
    columns = tuple(np.empty(math.prod(x.shape[:-1]), kind) for kind in kinds)
    if problem.targets is None and layout.walkable(x):
        kernels.fill_statistics(problem, temperature, columns)
        return columns
    problem.check_targets()
    for block, rows in layout.row_blocks(x.shape):
        part = replace(
            problem,
            logits=np.array(x[block], dtype=problem.loss_dtype, order="C"),
            targets=None if problem.targets is None else problem.targets[block],
            indices=None if problem.indices is None else problem.indices[rows],
        )
        pieces: Any
        if problem.targets is None:
            pieces = _columns(part, kinds, temperature)
        elif len(columns) == 3:
            pieces = reference.temperature_sums(part, temperature)
        else:
            found = reference.row_statistics(part)
            pieces = (getattr(found, field.name) for field in fields(RowStatistics))
        for column, piece in zip(columns, pieces, strict=True):
            column[rows] = piece
    return columns


def _check(problem: Problem) -> None:
    """Scores are of predictions as they are: what shapes a training's loss has no place in them."""
    asked = {
        "class_weight": problem.class_weight is not None,
        "sample_weight": problem.sample_weight is not None,
        "label_smoothing": problem.label_smoothing != 0,
        "z_loss": problem.z_loss != 0,
        "softcap": problem.softcap != 0,
        "base": problem.base != math.e,
    }
    for name, given in asked.items():
        if given:
            raise ValueError(f"{name} has no place in the statistics of a row")
