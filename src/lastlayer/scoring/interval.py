"""How far a mean loss may be off: a bootstrap over blocks of consecutive rows."""

from __future__ import annotations

import math

import numpy as np

from lastlayer.contract import Floats, Indices

RESAMPLES = 1000
SHARE = 0.95


def draws(blocks: int) -> Indices:
    """Which blocks each resample has. (RESAMPLES, blocks)

    From a fixed key, and not to change from one version of NumPy to the next.
    """
    raw = np.random.Philox(key=0).random_raw(RESAMPLES * blocks)
    drawn = (raw >> np.uint64(32)) * np.uint64(blocks) >> np.uint64(32)
    return drawn.astype(np.int64).reshape(RESAMPLES, blocks)


def middle(values: Floats) -> tuple[float, float]:
    """Between which 95 % of the resamples lie; NaN where one of them is infinite or NaN."""
    if not np.isfinite(values).all():
        return math.nan, math.nan
    low, high = np.quantile(values, [(1 - SHARE) / 2, (1 + SHARE) / 2])
    return float(low), float(high)


def bootstrap_interval(sums: Floats) -> tuple[float, float]:
    """The 95 % percentile interval of the mean loss, blocks drawn with replacement.

    From the loss, right rows and rows of each block (B, 3). NaN where there are not two blocks with
    rows, or a loss is infinite.
    """
    sums = sums[sums[:, 2] > 0]
    if len(sums) < 2 or not np.isfinite(sums).all():
        return math.nan, math.nan
    drawn = draws(len(sums))
    return middle(sums[drawn, 0].sum(axis=1) / sums[drawn, 2].sum(axis=1))
