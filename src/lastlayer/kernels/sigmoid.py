"""The kernel for independent sigmoid outputs: one element at a time, vectorised along them."""

from __future__ import annotations

from typing import Any

import numpy as np

from lastlayer.kernels.jit import inner, kernel
from lastlayer.kernels.memory import as_like
from lastlayer.kernels.vecmath import exp_negative, log1p


@inner
def element(z: Any, target: Any, positive: Any, smoothing: Any) -> Any:
    """(loss in nats, derivative) of one output: both sums of terms of one sign; 0 · ∞ is 0."""
    one, zero = as_like(1.0, z), as_like(0.0, z)
    t = np.float64(target) * (1.0 - smoothing) + 0.5 * smoothing
    yes, no = t * positive, 1.0 - t
    e = exp_negative(-abs(z))
    log_sum = log1p(np.float64(e))
    behind, ahead = -np.float64(z if z < zero else zero), np.float64(z if z > zero else zero)
    loss = (0.0 if yes == 0.0 else yes * behind) + (0.0 if no == 0.0 else no * ahead)
    loss += (yes + no) * log_sum
    share = e / (one + e)
    rest = one / (one + e)
    p, q = (share, rest) if z < zero else (rest, share)
    return loss, no * p - yes * q


@kernel
def binary_range(lo: Any, hi: Any, x: Any, targets: Any, positive: Any, samples: Any, numbers: Any,
                 loss: Any, gradient: Any) -> None:  # fmt: skip
    """Loss, and where `gradient` is not None the gradient, of outputs [lo, hi) of flat arrays.

    `positive` and `samples` are None where not given; numbers are the smoothing, 1 / temperature,
    1 / log base and the gradient's scale.
    """
    smoothing, inv_t, inv_log, scale = numbers
    for k in range(lo, hi):
        weight, sample = 1.0, 1.0
        if positive is not None:
            weight = positive[k]
        if samples is not None:
            sample = samples[k]
        value, slope = element(x[k] * as_like(inv_t, x[k]), targets[k], weight, smoothing)
        loss[k] = sample * value * inv_log if sample > 0.0 else 0.0
        if gradient is not None:
            factor = sample * scale * inv_t * inv_log
            gradient[k] = slope * factor if sample > 0.0 else 0.0
