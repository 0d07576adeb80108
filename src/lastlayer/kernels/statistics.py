"""What scoring needs of every row, from one read of the logits."""

from __future__ import annotations

import math
from dataclasses import replace

from lastlayer import kernels, reference
from lastlayer.contract import Floats
from lastlayer.problem import Problem
from lastlayer.reference import RowStatistics

__all__ = ["RowStatistics", "row_statistics", "temperature_sums"]


def row_statistics(problem: Problem) -> RowStatistics:
    """Loss (the bits of `cross_entropy`), prediction, confidence, rank, Brier score and entropy.

    Parameters
    ----------
    problem : Problem
        Logits, labels, `ignore_index` and temperature; a ValueError for any other option.

    Returns
    -------
    RowStatistics
        Arrays (N,), rows in order.
    """
    _check(problem)
    return replace(reference.row_statistics(problem), loss=kernels.cross_entropy(problem))


def temperature_sums(problem: Problem, temperature: float) -> tuple[Floats, Floats, Floats]:
    """Each row's loss at a temperature, and its two derivatives by β = 1 / T. (N,)

    The problem's own temperature plays no part; rows that are ignored have 0 for all three.
    """
    _check(problem)
    return reference.temperature_sums(problem, temperature)


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
