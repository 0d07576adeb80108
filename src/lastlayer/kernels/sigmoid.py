"""The kernel for independent sigmoid outputs: one element at a time, vectorised along them."""

from __future__ import annotations

from typing import Any

import numpy as np

from lastlayer.kernels.jit import inner, kernel
from lastlayer.kernels.log1p import log1p
from lastlayer.kernels.memory import as_like
from lastlayer.kernels.vecmath import exp_negative, rate_of


@inner
def element(x: Any, target: Any, positive: Any, smoothing: Any, inv_t: Any, rate: Any) -> Any:
    """(loss in nats, derivative) of one output: both sums of terms of one sign; 0 · ∞ is 0."""
    one, size = as_like(1.0, x), abs(x)
    yes = positive * ((1.0 - smoothing) * target + 0.5 * smoothing)
    no = (1.0 - smoothing) * (1.0 - target) + 0.5 * smoothing
    e = exp_negative(-size, rate)
    wide = np.float64(e)
    behind = yes if x < 0 else no  # the side on which the output is wrong
    loss = (0.0 if behind == 0.0 else behind * size * inv_t) + (yes + no) * log1p(
        wide, 1.0 / (1.0 + wide)
    )
    share, rest = e / (one + e), one / (one + e)
    p, q = (share, rest) if x < 0 else (rest, share)
    return loss, no * p - yes * q


@kernel
def binary_range(lo: Any, hi: Any, x: Any, targets: Any, positive: Any, samples: Any, numbers: Any,
                 loss: Any, gradient: Any) -> None:  # fmt: skip
    """Loss, and where `gradient` is not None the gradient, of outputs [lo, hi) of flat arrays.

    `positive` and `samples` are None where not given; numbers are the smoothing, 1 / temperature,
    1 / log base and the gradient's scale.
    """
    smoothing, inv_t, inv_log, scale = numbers
    rate = rate_of(1.0 / inv_t, x[0])
    for k in range(lo, hi):
        weight, sample = 1.0, 1.0
        if positive is not None:
            weight = positive[k]
        if samples is not None:
            sample = samples[k]
        value, slope = element(x[k], np.float64(targets[k]), weight, smoothing, inv_t, rate)
        loss[k] = sample * value * inv_log if sample > 0.0 else 0.0
        if gradient is not None:
            factor = sample * scale * inv_t * inv_log
            gradient[k] = slope * factor if sample > 0.0 else 0.0
