"""What one row comes to, once its maximum and its sums are known: loss and gradient factors.

Shared by the kernels for many and for few classes; the formulas are those of `reference.py`.
All in float64, per row and not per logit. R is the sum of exp(z − m) without one maximum.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from lastlayer.kernels.jit import inner, widest_vectors
from lastlayer.kernels.log1p import log1p
from lastlayer.kernels.memory import pointer, write
from lastlayer.kernels.vecmath import exp_negative

_F64, _I64 = np.float64(0), np.int64(0)

# the numbers that every row of a call shares, in this order
Z_LOSS, INVERSE_TEMPERATURE, INVERSE_LOG_BASE, SCALE = range(4)

BLOCK = 512  # logits of a row summed in the working precision before float64 takes over

# What is known of a tile's rows, float64, a run of ROWS numbers each:
ROWS = 16
M, TOP = 0 * ROWS, 1 * ROWS  # the largest logit, and it behind the soft-cap
REST, TIES = 2 * ROWS, 3 * ROWS  # Σ exp below the maximum, how many are at it
BEHIND, BELOW, AT_TOP = 4 * ROWS, 5 * ROWS, 6 * ROWS  # Σ a (m − z), Σ a below m, Σ a at m
SAMPLE, WEIGHT, PICKED = 7 * ROWS, 8 * ROWS, 9 * ROWS  # weights of row and label, the label's logit
# what comes of it: loss, factors of exp and of a, gradients at a lone maximum and at the label
LOSS, FACTOR, SHARE, ALONE, OWN = 10 * ROWS, 11 * ROWS, 12 * ROWS, 13 * ROWS, 14 * ROWS
COUNTS = 15 * ROWS  # 1 where the row's weight is above 0, which float32 may round to
HIGH, LOW, LIMIT, SLOPE = 16 * ROWS, 17 * ROWS, 18 * ROWS, 19 * ROWS  # see softcap_row.py
FAULTS = 20 * ROWS  # a number for the whole call: soft targets that are none
STATES = 21 * ROWS


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
def index_loss(m: Any, picked: Any, rest: Any, weight: Any, sample: Any, numbers: Any) -> Any:
    """The loss for a class index whose logit is `picked`."""
    inv_t = numbers[INVERSE_TEMPERATURE]
    log_s = log1p(rest, 1.0 / (1.0 + rest))
    behind = 0.0 if weight == 0.0 else weight * (m - picked) * inv_t
    penalty, _ = normaliser(m * inv_t + log_s, numbers[Z_LOSS])
    return sample * ((behind + weight * log_s) * numbers[INVERSE_LOG_BASE] + penalty)


@inner
def index_gradient(m: Any, picked: Any, rest: Any, weight: Any, sample: Any, numbers: Any,
                   rate: Any) -> Any:  # fmt: skip
    """(factor of exp(z_j − m) in the gradient, the label's own gradient) for a class index.

    −R / S where the label is the maximum; elsewhere p_y ≤ ½ and p_y − 1 has nothing to lose.
    """
    inv_t = numbers[INVERSE_TEMPERATURE]
    inverse = 1.0 / (1.0 + rest)
    _, slope = normaliser(m * inv_t + log1p(rest, inverse), numbers[Z_LOSS])
    factor = sample * numbers[SCALE] * inv_t
    p = exp_negative(picked - m, rate) * inverse
    own = -rest * inverse if picked == m else p - 1.0
    weight *= numbers[INVERSE_LOG_BASE]
    return factor * (weight + slope) * inverse, factor * (weight * own + slope * p)


@inner
def from_coefficients(m: Any, rest: Any, behind: Any, below: Any, top: Any, sample: Any,
                      numbers: Any) -> Any:  # fmt: skip
    """(loss, factor of exp(z_j − m), factor of a_j, gradient at a lone maximum) for Σ a_j log p_j.

    `behind` is Σ a_j (m − z_j), `below` and `top` are Σ a_j below and at the maximum.
    """
    inv_t, inv_log = numbers[INVERSE_TEMPERATURE], numbers[INVERSE_LOG_BASE]
    inverse = 1.0 / (1.0 + rest)
    log_s = log1p(rest, inverse)
    weight = below + top
    lse = m * inv_t + log_s
    penalty, slope = normaliser(lse, numbers[Z_LOSS])
    loss = sample * ((behind * inv_t + weight * log_s) * inv_log + penalty)
    factor = sample * numbers[SCALE] * inv_t
    alone = factor * (inv_log * (below - weight * rest * inverse) + slope * inverse)
    return loss, factor * (weight * inv_log + slope) * inverse, factor * inv_log, alone


@inner
def sample_weight(row: Any, samples: Any, indices: Any, ignore: Any) -> Any:
    """The row's weight; 0 where it is left out. Addresses of 0 stand for arrays not given."""
    if indices != 0 and pointer(indices, _I64)[row] == ignore:
        return 0.0
    return pointer(samples, _F64)[row] if samples != 0 else 1.0


@inner
def describe(d: Any, row: Any, tile: Any, indices: Any, classes: Any, samples: Any,
             ignore: Any) -> None:  # fmt: skip
    """The weights of a tile's rows and labels; rows beyond the tile are left out."""
    for r in range(ROWS):
        d[SAMPLE + r], d[WEIGHT + r], d[PICKED + r], d[COUNTS + r] = 0.0, 1.0, -np.inf, 0.0
    for r in range(tile):
        d[SAMPLE + r] = sample_weight(row + r, samples, indices, ignore)
        d[COUNTS + r] = 1.0 if d[SAMPLE + r] > 0.0 else 0.0
        if classes != 0 and indices != 0 and d[SAMPLE + r] > 0.0:
            d[WEIGHT + r] = pointer(classes, _F64)[pointer(indices, _I64)[row + r]]


@inner
def finish_index(d: Any, numbers: Any, rate: Any, g: Any) -> None:
    """Losses of a tile's rows, class indices; gradient factors unless g is None."""
    widest_vectors()
    for r in range(ROWS):
        rest = finite_rest(d[M + r], d[REST + r], d[TIES + r])
        top, picked, weight, sample = d[TOP + r], d[PICKED + r], d[WEIGHT + r], d[SAMPLE + r]
        value = index_loss(top, picked, rest, weight, sample, numbers)
        d[LOSS + r] = value if sample > 0.0 else 0.0
        if g is not None:
            d[FACTOR + r], d[OWN + r] = index_gradient(
                top, picked, rest, weight, sample, numbers, rate
            )


@inner
def finish_coefficients(d: Any, numbers: Any, rate: Any, mix: Any, indexed: Any,
                        g: Any) -> None:  # fmt: skip
    """As `finish_index`, for distributions and smoothed indices.

    A smoothed index has a coefficient beyond that of every class, which is added here.
    """
    widest_vectors()
    for r in range(ROWS):
        rest = finite_rest(d[M + r], d[REST + r], d[TIES + r])
        top, picked, sample = d[TOP + r], d[PICKED + r], d[SAMPLE + r]
        weight = d[WEIGHT + r] if indexed else 0.0
        own = mix[0] * weight
        at_top = picked == top
        above = d[AT_TOP + r] + (own if at_top else 0.0)
        below = d[BELOW + r] + (0.0 if at_top else own)
        behind = d[BEHIND + r] + (0.0 if at_top or own == 0.0 else own * (top - picked))
        value, factor, share, alone = from_coefficients(
            top, rest, behind, below, above, sample, numbers
        )
        d[LOSS + r] = value if sample > 0.0 else 0.0
        d[FACTOR + r], d[SHARE + r], d[ALONE + r] = factor, share, alone
        if g is not None:
            e = exp_negative(picked - top, rate)
            apart = factor * e - share * weight * (mix[0] + mix[1])
            d[OWN + r] = alone if at_top and d[TIES + r] == 1.0 else apart


@inner
def finish_normaliser(d: Any) -> None:
    """1 / S into FACTOR, log S into SHARE and logsumexp into LOSS."""
    widest_vectors()
    for r in range(ROWS):
        m = d[M + r]
        rest = finite_rest(m, d[REST + r], d[TIES + r])
        inverse = 1.0 / (1.0 + rest)
        log_s = log1p(rest, inverse)
        d[LOSS + r] = limit(m, d[REST + r], m + log_s)
        d[FACTOR + r], d[SHARE + r] = inverse, log_s


@inner
def give(d: Any, losses: Any, row: Any, tile: Any) -> None:
    """Store the tile's losses, rounded once."""
    for r in range(tile):
        write(losses, row + r, d[LOSS + r])
