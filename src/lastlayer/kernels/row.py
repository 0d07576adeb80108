"""What one row comes to, once its maximum and its sums are known: loss and gradient factors.

Shared by the kernels for many and for few classes; the formulas are those of `reference.py`.
All in float64, per row and not per logit. R is the sum of exp(z − m) without one maximum.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from lastlayer.kernels.gather import gather_at
from lastlayer.kernels.jit import inner
from lastlayer.kernels.log1p import log_of
from lastlayer.kernels.memory import (
    first_lanes,
    load,
    load_up_to,
    pointer,
    store,
    store_first,
)
from lastlayer.kernels.simd import const, differ, equal, fill, fma, less, negative, where
from lastlayer.kernels.vecmath import exp_negative

_F64, _I64 = np.float64(0), np.int64(0)

# the numbers that every row of a call shares, in this order
Z_LOSS, INVERSE_TEMPERATURE, INVERSE_LOG_BASE, SCALE = range(4)

BLOCK = 512  # logits of a long row summed in the working precision before float64 takes over
LONGEST = 1024  # rows of at most as many are a block each

# What is known of a tile's rows, float64, a run of ROWS numbers each:
ROWS, LANES = 16, 8  # LANES of them are finished at once
M, TOP = 0 * ROWS, 1 * ROWS  # the largest logit, and it behind the soft-cap
REST, TIES = 2 * ROWS, 3 * ROWS  # Σ exp below the maximum, how many are at it
BEHIND, BELOW, AT_TOP = 4 * ROWS, 5 * ROWS, 6 * ROWS  # Σ a (m − z), Σ a below m, Σ a at m
SAMPLE, WEIGHT, PICKED = 7 * ROWS, 8 * ROWS, 9 * ROWS  # weights of row and label, the label's logit
# what comes of it: loss, factors of exp and of a, gradients at a lone maximum and at the label; the
# last where it LEADS, and is 1, and elsewhere what the label's entry lacks to that of other classes
LOSS, FACTOR, SHARE, ALONE, OWN = 10 * ROWS, 11 * ROWS, 12 * ROWS, 13 * ROWS, 14 * ROWS
COUNTS = 15 * ROWS  # 1 where the row's weight is above 0, which float32 may round to
HIGH, LOW, LIMIT, SLOPE = 16 * ROWS, 17 * ROWS, 18 * ROWS, 19 * ROWS  # see softcap_row.py
LACK, LEADS, LABEL = 20 * ROWS, 21 * ROWS, 22 * ROWS  # the label of a row that counts, or −1
FAULTS = 23 * ROWS  # a number for the whole call: above 0 where soft targets are none
NEAR_LIMIT = 24 * ROWS  # see softcap_row.py
NUMBERS = 25 * ROWS  # those of a soft-cap, for the whole call too, see softcap_group.py
STATES = 27 * ROWS


@inner
def finite_rest(m: Any, rest: Any, ties: Any) -> Any:
    """R from the sum below the maximum and the number of logits at it; NaN where m is no number."""
    finite = less(const(-np.inf, m), m) & less(m, const(np.inf, m))
    return where(finite, rest + (ties - const(1.0, m)), const(np.nan, m))


@inner
def limit(m: Any, summed: Any, value: Any) -> Any:
    """The value of logsumexp, −inf or +inf where m is and no NaN was summed."""
    unbounded = equal(m, const(-np.inf, m)) | equal(m, const(np.inf, m))
    return where(unbounded & equal(summed, summed), m, value)


@inner
def normaliser(m: Any, log_s: Any, numbers: Any) -> Any:
    """The z-loss and its derivative by logsumexp; without it 0, be logsumexp infinite or not."""
    z_loss = numbers[Z_LOSS]
    if z_loss > 0.0:
        lse = fma(m, const(numbers[INVERSE_TEMPERATURE], m), log_s)
        slope = const(z_loss, m) * lse
        return slope * lse, slope + slope
    return const(0.0, m), const(0.0, m)


# Products that are added to something are multiply-adds by name: whatever calls these functions,
# with vectors or with plain numbers, gets the same bits.


@inner
def index_loss(m: Any, picked: Any, rest: Any, weight: Any, sample: Any, numbers: Any,
               like: Any) -> Any:  # fmt: skip
    """The loss for a class index whose logit is `picked`."""
    one = const(1.0, m)
    log_s = log_of(rest, one / (one + rest), like)
    behind = where(equal(weight, const(0.0, m)), weight, weight * (m - picked))
    penalty, _ = normaliser(m, log_s, numbers)
    value = fma(behind, const(numbers[INVERSE_TEMPERATURE], m), weight * log_s)
    return sample * fma(value, const(numbers[INVERSE_LOG_BASE], m), penalty)


@inner
def index_gradient(m: Any, rest: Any, weight: Any, sample: Any, numbers: Any,
                   like: Any) -> Any:  # fmt: skip
    """For a class index, the factor of exp(z_j − m) in the gradient and the label's own entry.

    The latter as what it is where the label is the maximum, −R / S, and as what is taken from the
    entry of any class elsewhere: there p_y ≤ ½, and p_y − 1 has nothing to lose.
    """
    one = const(1.0, m)
    inverse = one / (one + rest)
    _, slope = normaliser(m, log_of(rest, inverse, like), numbers)
    factor = sample * const(numbers[SCALE] * numbers[INVERSE_TEMPERATURE], m)
    weight = weight * const(numbers[INVERSE_LOG_BASE], m)
    own = factor * inverse * fma(negative(weight), rest, slope)
    return factor * (weight + slope) * inverse, own, factor * weight


@inner
def from_coefficients(m: Any, rest: Any, behind: Any, below: Any, top: Any, sample: Any,
                      numbers: Any, like: Any) -> Any:  # fmt: skip
    """(loss, factor of exp(z_j − m), factor of a_j, gradient at a lone maximum) for Σ a_j log p_j.

    `behind` is Σ a_j (m − z_j), `below` and `top` are Σ a_j below and at the maximum.
    """
    inv_t, inv_log = numbers[INVERSE_TEMPERATURE], const(numbers[INVERSE_LOG_BASE], m)
    one = const(1.0, m)
    inverse = one / (one + rest)
    log_s = log_of(rest, inverse, like)
    weight = below + top
    penalty, slope = normaliser(m, log_s, numbers)
    loss = sample * fma(fma(behind, const(inv_t, m), weight * log_s), inv_log, penalty)
    factor = sample * const(numbers[SCALE] * inv_t, m)
    lost = fma(negative(weight) * rest, inverse, below)
    of_exp, share = factor * fma(weight, inv_log, slope) * inverse, factor * inv_log
    # of many classes alike `lost` would be the small difference of two sums over all of them
    direct = fma(negative(share), top, of_exp)
    alone = where(less(rest, one), factor * fma(inv_log, lost, slope * inverse), direct)
    return loss, of_exp, share, alone


@inner
def describe(d: Any, row: Any, tile: Any, indices: Any, classes: Any, samples: Any,
             ignore: Any) -> None:  # fmt: skip
    """The weights of a tile's rows and labels; rows beyond the tile are left out.

    Addresses of 0 stand for arrays not given.
    """
    zero, one, whole = fill(0.0, _F64), fill(1.0, _F64), fill(ignore, _I64)
    for r in range(0, ROWS, LANES):
        counts, labels = first_lanes(tile - r, _F64), whole
        sample, weight = one, one
        if samples != 0:
            sample = load_up_to(pointer(samples, _F64), row + r, tile - r, 0.0, _F64)
        if indices != 0:
            labels = load_up_to(pointer(indices, _I64), row + r, tile - r, ignore, _I64)
            counts = counts & differ(labels, whole)
        sample = where(counts, sample, zero)
        counts = less(zero, sample)
        if classes != 0 and indices != 0:
            weight = where(counts, gather_at(pointer(classes, _F64), labels, counts, _F64), one)
        store(d, SAMPLE + r, sample)
        store(d, COUNTS + r, where(counts, one, zero))
        store(d, WEIGHT + r, weight)
        store(d, PICKED + r, fill(-np.inf, _F64))


@inner
def finish_index(d: Any, numbers: Any, g: Any, tile: Any, like: Any) -> None:
    """Losses of a tile's rows, class indices; gradient factors unless g is None."""
    zero = fill(0.0, _F64)
    for r in range(0, tile, LANES):
        m, top, picked = load(d, M + r, _F64), load(d, TOP + r, _F64), load(d, PICKED + r, _F64)
        rest = finite_rest(m, load(d, REST + r, _F64), load(d, TIES + r, _F64))
        weight, sample = load(d, WEIGHT + r, _F64), load(d, SAMPLE + r, _F64)
        value = index_loss(top, picked, rest, weight, sample, numbers, like)
        store(d, LOSS + r, where(less(zero, sample), value, zero))
        if g is not None:
            factor, own, lack = index_gradient(top, rest, weight, sample, numbers, like)
            store(d, FACTOR + r, factor)
            store(d, OWN + r, own)
            store(d, LACK + r, lack)
            store(d, LEADS + r, where(equal(picked, top), fill(1.0, _F64), zero))


@inner
def finish_coefficients(d: Any, numbers: Any, mix: Any, indexed: Any, g: Any, tile: Any,
                        like: Any) -> None:  # fmt: skip
    """As `finish_index`, for distributions and smoothed indices.

    A smoothed index has a coefficient beyond that of every class, which is added here.
    """
    zero, one = fill(0.0, _F64), fill(1.0, _F64)
    for r in range(0, tile, LANES):
        m, top, picked = load(d, M + r, _F64), load(d, TOP + r, _F64), load(d, PICKED + r, _F64)
        ties, sample = load(d, TIES + r, _F64), load(d, SAMPLE + r, _F64)
        rest = finite_rest(m, load(d, REST + r, _F64), ties)
        weight = zero
        if indexed:
            weight = load(d, WEIGHT + r, _F64)
        own = weight * fill(mix[0], _F64)
        at_top, none = equal(picked, top), equal(own, zero)
        above = load(d, AT_TOP + r, _F64) + where(at_top, own, zero)
        below = load(d, BELOW + r, _F64) + where(at_top, zero, own)
        distance = where(at_top | none, zero, own * (top - picked))
        behind = load(d, BEHIND + r, _F64) + distance
        value, factor, share, alone = from_coefficients(
            top, rest, behind, below, above, sample, numbers, like
        )
        store(d, LOSS + r, where(less(zero, sample), value, zero))
        if g is not None:
            store(d, FACTOR + r, factor)
            store(d, SHARE + r, share)
            store(d, ALONE + r, alone)
            store(d, OWN + r, alone)
            store(d, LACK + r, share * weight * fill(mix[0] + mix[1], _F64))
            store(d, LEADS + r, where(at_top & equal(ties, one), one, zero))


@inner
def finish_labels(d: Any, rate: Any, tile: Any) -> None:
    """The labels' own entries of the gradient, into OWN, where no logit's exp is at hand."""
    for r in range(0, tile, LANES):
        e = exp_negative(load(d, PICKED + r, _F64) - load(d, TOP + r, _F64), rate)
        apart = fma(load(d, FACTOR + r, _F64), e, negative(load(d, LACK + r, _F64)))
        leads = less(fill(0.0, _F64), load(d, LEADS + r, _F64))
        store(d, OWN + r, where(leads, load(d, OWN + r, _F64), apart))


@inner
def finish_normaliser(d: Any, tile: Any, like: Any) -> None:
    """1 / S into FACTOR, log S into SHARE and logsumexp into LOSS."""
    one = fill(1.0, _F64)
    for r in range(0, tile, LANES):
        m, summed = load(d, M + r, _F64), load(d, REST + r, _F64)
        rest = finite_rest(m, summed, load(d, TIES + r, _F64))
        inverse = one / (one + rest)
        log_s = log_of(rest, inverse, like)
        store(d, LOSS + r, limit(m, summed, m + log_s))
        store(d, FACTOR + r, inverse)
        store(d, SHARE + r, log_s)


@inner
def give_run(d: Any, source: Any, column: Any, row: Any, tile: Any) -> None:
    """Store a run of a tile's numbers, rounded once."""
    for r in range(0, tile, LANES):
        value = load(d, source + r, _F64)
        if tile - r >= LANES:
            store(column, row + r, value)
        else:
            store_first(column, row + r, tile - r, value)
