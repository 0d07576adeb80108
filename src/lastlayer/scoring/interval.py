"""How far a mean loss may be off: a bootstrap over blocks of consecutive rows."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import lru_cache

import numpy as np

from lastlayer.contract import Floats, Indices

RESAMPLES = 1000
TOGETHER = 20  # of which all numbers stay in the cache
SHARE = 0.95


def draws(blocks: int) -> Iterator[Indices]:
    """Which blocks each resample has, some resamples at a time. (TOGETHER, blocks) each

    From a fixed key, and not to change from one version of NumPy to the next.
    """
    key, half, many = np.random.Philox(key=0), np.uint64(32), np.uint64(blocks)
    for _ in range(RESAMPLES // TOGETHER):
        drawn = key.random_raw(TOGETHER * blocks)
        drawn >>= half
        drawn *= many
        drawn >>= half
        yield drawn.view(np.int64).reshape(TOGETHER, blocks)


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
    return _interval(sums[:, 0].tobytes(), sums[:, 2].tobytes())


@lru_cache(maxsize=8)  # the table, the JSON and the page ask for the same
def _interval(losses: bytes, counts: bytes) -> tuple[float, float]:
    loss, rows = np.frombuffer(losses), np.frombuffer(counts)
    means = [loss[drawn].sum(axis=1) / rows[drawn].sum(axis=1) for drawn in draws(loss.size)]
    return middle(np.concatenate(means))
