"""How far a mean loss may be off: a bootstrap over blocks of consecutive rows."""

from __future__ import annotations

import math

import numpy as np

from lastlayer.contract import Floats, Indices

RESAMPLES = 1000
SHARE = 0.95


def bootstrap_interval(losses: Floats, counts: Indices) -> tuple[float, float]:
    """The 95 % percentile interval of Σ losses / Σ counts, blocks drawn with replacement. (B,)

    The draws come from a fixed key and do not change from one version of NumPy to the next. NaN
    where there are not two blocks, or a loss is infinite.
    """
    there = counts > 0
    losses, counts = losses[there], counts[there]
    blocks = len(counts)
    if blocks < 2 or not np.isfinite(losses).all():
        return math.nan, math.nan
    raw = np.random.Philox(key=0).random_raw(RESAMPLES * blocks)
    drawn = ((raw >> np.uint64(32)) * np.uint64(blocks) >> np.uint64(32)).astype(np.intp)
    drawn = drawn.reshape(RESAMPLES, blocks)
    means = losses[drawn].sum(axis=1) / counts[drawn].sum(axis=1)
    low, high = np.quantile(means, [(1 - SHARE) / 2, (1 + SHARE) / 2])
    return float(low), float(high)
