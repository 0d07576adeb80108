"""What one row comes to, once its maximum and its sums are known: loss and gradient factors.

Shared by the kernels for many and for few classes; the formulas are those of `reference.py`.
All in float64, per row and not per logit. R is the sum of exp(z − m) without one maximum.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from lastlayer.kernels.jit import inner
from lastlayer.kernels.memory import as_like, pointer
from lastlayer.kernels.vecmath import exp_negative, log1p, rate_of, sech2, tanh

_F64, _I64 = np.float64(0), np.int64(0)

# the numbers that every row of a call shares, in this order
SMOOTHING, Z_LOSS, SOFTCAP, INVERSE_TEMPERATURE, INVERSE_LOG_BASE, SCALE = range(6)


@inner
def capped(x: Any, cap: Any) -> Any:
    """cap · tanh(x / cap); a masked class, −inf, stays one, and +inf stays what makes a row NaN."""
    return x if abs(x) == np.inf else cap * tanh(x / cap)


@inner
def capped_slope(x: Any, cap: Any) -> Any:
    """Its derivative."""
    return sech2(x / cap) if abs(x) != np.inf else as_like(1.0, x)


@inner
def finite_rest(m: Any, rest: Any, ties: Any) -> Any:
    """R from the sum below the maximum and the number of logits at it; NaN where m is no number."""
    return rest + (ties - 1.0) if -np.inf < m < np.inf else np.nan


@inner
def limit(m: Any, summed: Any, value: Any) -> Any:
    """The value of logsumexp, −inf or +inf where m is and no NaN was summed."""
    unbounded = abs(m) == np.inf and not np.isnan(summed)
    return m if unbounded else value


@inner
def normaliser(lse: Any, z_loss: Any) -> Any:
    """The z-loss and its derivative by logsumexp; without it 0, be logsumexp infinite or not."""
    return (z_loss * lse * lse, 2.0 * z_loss * lse) if z_loss > 0.0 else (0.0, 0.0)


@inner
def from_index(m: Any, picked: Any, rest: Any, weight: Any, sample: Any, numbers: Any) -> Any:
    """(loss, factor of exp(z_j − m) in the gradient, the label's own gradient) for a class index.

    `picked` is the label's logit. −R / S where it is the maximum; elsewhere p_y ≤ ½ and p_y − 1
    has nothing to lose.
    """
    inv_t, inv_log = numbers[INVERSE_TEMPERATURE], numbers[INVERSE_LOG_BASE]
    total = 1.0 + rest
    log_s = log1p(rest)
    behind = 0.0 if weight == 0.0 else weight * (m - picked) * inv_t
    lse = m * inv_t + log_s
    penalty, slope = normaliser(lse, numbers[Z_LOSS])
    loss = sample * ((behind + weight * log_s) * inv_log + penalty)
    factor = sample * numbers[SCALE] * inv_t
    p = exp_negative(picked - m, rate_of(inv_t, m)) / total
    own = -rest / total if picked == m else p - 1.0
    weight *= inv_log
    return loss, factor * (weight + slope) / total, factor * (weight * own + slope * p)


@inner
def from_coefficients(m: Any, rest: Any, behind: Any, below: Any, top: Any, sample: Any,
                      numbers: Any) -> Any:  # fmt: skip
    """(loss, factor of exp(z_j − m), factor of a_j, gradient at a lone maximum) for Σ a_j log p_j.

    `behind` is Σ a_j (m − z_j), `below` and `top` are Σ a_j below and at the maximum.
    """
    inv_t, inv_log = numbers[INVERSE_TEMPERATURE], numbers[INVERSE_LOG_BASE]
    total = 1.0 + rest
    log_s = log1p(rest)
    weight = below + top
    lse = m * inv_t + log_s
    penalty, slope = normaliser(lse, numbers[Z_LOSS])
    loss = sample * ((behind * inv_t + weight * log_s) * inv_log + penalty)
    factor = sample * numbers[SCALE] * inv_t
    alone = factor * (inv_log * (below - weight * rest / total) + slope / total)
    return loss, factor * (weight * inv_log + slope) / total, factor * inv_log, alone


@inner
def sample_weight(row: Any, samples: Any, indices: Any, ignore: Any) -> Any:
    """The row's weight; 0 where it is left out. Addresses of 0 stand for arrays not given."""
    if indices != 0 and pointer(indices, _I64)[row] == ignore:
        return 0.0
    return pointer(samples, _F64)[row] if samples != 0 else 1.0


@inner
def label_weight(row: Any, classes: Any, indices: Any) -> Any:
    """(label, its class weight)."""
    label = pointer(indices, _I64)[row]
    return label, pointer(classes, _F64)[label] if classes != 0 else 1.0
