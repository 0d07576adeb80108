"""Softmax of a group of rows, and its logarithm.

A probability is exp(v − m) / S with S the sum of all of a row's exponentials: nothing is taken
from it, so that it needs neither R nor the ties at the maximum, nor float64, nor a logarithm. An
infinite maximum and a NaN make a NaN of the exponential that they meet, and so of S.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from lastlayer.kernels.group import ask
from lastlayer.kernels.group_gradient import borders
from lastlayer.kernels.group_results import ask_to_write
from lastlayer.kernels.jit import inner
from lastlayer.kernels.lanes import all_of, fold_least, fold_sum, repeated
from lastlayer.kernels.memory import lane_count, load, store
from lastlayer.kernels.processor import ABREAST
from lastlayer.kernels.row import SHARE, M
from lastlayer.kernels.simd import abreast, at_least, fill, less, where
from lastlayer.kernels.vecmath import exp_scaled, times


@inner
def softmax_group(x: Any, g: Any, m: Any, count: Any, ahead: Any, results: Any,
                  like: Any) -> None:  # fmt: skip
    """From logits in `x`, whose maxima are m, to probabilities in `g`.

    Asks for the lines `ahead` to read them and for those of `results` to write them.
    """
    lanes, most = lane_count(like), repeated(m)
    sums, smallest, j = abreast(like), fill(np.inf, abreast(like)), 0
    while j + ABREAST <= count:
        e = exp_scaled(load(x, j * lanes, sums) - most, None)
        for i in range(ABREAST):
            ask(ahead, j + i)
        store(g, j * lanes, e)
        sums, smallest = sums + e, where(less(e, smallest), e, smallest)
        j += ABREAST
    total, least = fold_sum(sums), fold_least(smallest)
    while j < count:
        e = exp_scaled(load(x, j * lanes, like) - m, None)
        ask(ahead, j)
        store(g, j * lanes, e)
        total, least = total + e, where(less(e, least), e, least)
        j += 1

    unlift, border, _ = borders(like)
    factor = fill(1.0, like) / (total * fill(unlift, like))
    if all_of(at_least(least * factor, fill(border, like))):
        # all are normal numbers: one multiplication gives the bits of `times`
        factor = factor * fill(unlift, like)
        for j in range(count):
            ask_to_write(results, j)
            store(g, j * lanes, load(g, j * lanes, like) * factor)
    else:
        for j in range(count):
            store(g, j * lanes, times(load(g, j * lanes, like), factor))


@inner
def log_softmax_group(d: Any, x: Any, g: Any, count: Any, results: Any,
                      like: Any) -> None:  # fmt: skip
    """From logits in `x` to the logarithms of probabilities in `g`."""
    lanes, top, log_s = lane_count(like), load(d, M, like), load(d, SHARE, like)
    for j in range(count):
        ask_to_write(results, j)
        store(g, j * lanes, (load(x, j * lanes, like) - top) - log_s)
