"""The statistics of rows that are probabilities already, as `row_statistics` has them of logits."""

from __future__ import annotations

import math
from typing import Any

from lastlayer.kernels.jit import inner, kernel

NOT_PROBABILITY, NOT_ONE = 1, 2


@inner
def _of(value: Any) -> Any:
    """A probability, which may have been rounded to a little more than 1."""
    p = float(value)
    return 1.0 if p > 1.0 else p


@kernel
def probability_rows(p: Any, labels: Any, ignore: Any, tolerance: Any, columns: Any) -> Any:
    """Fill the columns (N,) from rows p (N, C); the first row that is no distribution, and why.

    (−1, 0) where all are. A probability of 0 is 0, and the loss of such a label infinite. A row
    with a NaN has NaN in every column, and −1 in those of whole numbers.
    """
    loss, prediction, confidence, doubt, rank, brier, entropy = columns
    for i in range(p.shape[0]):
        label, total, nats, most, place = labels[i], 0.0, 0.0, -1.0, -1
        for j in range(p.shape[1]):
            value = _of(p[i, j])
            if value < 0.0 or p[i, j] > 1.0 + tolerance:
                return i, NOT_PROBABILITY
            total += value
            if value > 0.0:
                nats -= value * math.log(value)
            if value > most:
                most, place = value, j
        if math.isnan(total):
            loss[i] = confidence[i] = doubt[i] = brier[i] = entropy[i] = math.nan
            prediction[i] = rank[i] = -1
            continue
        if abs(total - 1.0) > tolerance:
            return i, NOT_ONE
        prediction[i], confidence[i], doubt[i], entropy[i] = place, most, 1.0 - most, nats
        loss[i], brier[i], rank[i] = 0.0, 0.0, -1
        if label != ignore:
            own, before, squares = _of(p[i, label]), 0, 0.0
            for j in range(p.shape[1]):
                before += p[i, j] > p[i, label] or (p[i, j] == p[i, label] and j < label)
                squares += _of(p[i, j]) ** 2 if j != label else (1.0 - own) ** 2
            loss[i] = -math.log(own) if own > 0.0 else math.inf
            brier[i], rank[i] = squares, before
    return -1, 0
