"""What a soft-cap comes to for a call: the numbers that kernels in float32 are given for it.

They are a tuple. In float64 a kernel is given the cap itself, and without one None; `effective.py`
tells what the numbers are for. The polynomials: `benchmarks/tanh_polynomial.py`.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np

from lastlayer.kernels.jit import inner
from lastlayer.kernels.simd import const, fma

# H_1 … H_8 for a cap of at most 34 T, with which tanh is off by at most 1.6e-9 up to 1.15, and for
# others, off by at most 3e-11 a³ up to 0.75: cap · tanh(x / cap) is off by at most 6e-8 T.
_FARTHEST = 1.15
_H = (-0.33333287263677824, 0.1333239443459056, -0.05389702755058169, 0.021592349210976382,
      -0.00823302245916759, 0.002697229355369676, -0.0006300634368267145,
      7.361759305362738e-05)  # fmt: skip
_H_WIDE = (-0.3333333333048092, 0.13333332667132644, -0.05396799815298851, 0.021865729284144302,
           -0.00883586001962857, 0.0034819666585007426, -0.0012012245326938774,
           0.0002554178538663109)  # fmt: skip

# The same of near logits: off by at most 4.3e-9 up to 0.5, and by 2.2e-7 a³.
_NEAR = -0.3333305020834852, 0.13323939433361165, -0.05292435471539951, 0.017005966011630107
_NEAR_WIDE = -0.3333331211289081, 0.13330550001107078, -0.05339492474914403, 0.018009539351516134

_OUTERMOST = 41.0  # times the cap: farther out exp(−2 |x| / cap) is no normal number of float32

# what z / T of a near logit may be off by for rounding w, see effective.py, and of others
_ROUNDED, _ROUNDED_FARTHER = 0.95e-6, 1.5e-6
# x by odd powers from x³ on, up to 1, off by at most 1/17: that and T_17(x) / 17 are x together
_WITHOUT_FIRST = 48, -672, 4224, -14080, 26624, -28672, 16384, -65536 / 17

# What stands in a tuple, all float64: the cap; 1 / (T ln 2), the same in float32, and what that
# lacks; the reciprocal; −1 / (CAP · RATE)²; up to where logits are within reach and near; T;
# CAP · RATE in float32 and what that lacks; −2 / (CAP ln 2); the squares up to which a logit is an
# outer one and a middle one; what SERIES starts from; then RATE · h in x², and that of near logits.
(CAP, RATE, RATE_32, LACKS, UNIT, MINUS_SHARE, REACH, NEAR_TO, T, END_32, END_LACKS, DECAY, OUTER,
 MIDDLE, START, SERIES) = range(16)  # fmt: skip
_NEAR_SERIES = SERIES + 8
COUNT = _NEAR_SERIES + 4


@lru_cache(maxsize=64)
def constants(cap: float, temperature: float) -> tuple[float, ...]:
    """What kernels in float32 need of a soft-cap and a temperature."""
    rate = 1.0 / (temperature * math.log(2.0))
    rate_32 = float(np.float32(rate))
    tight = cap <= 34.0 * temperature
    reach = _FARTHEST * cap
    if not tight:
        reach = min(0.75 * cap, math.cbrt(30.0 * temperature * cap * cap))
    # what RATE_32 lacks is made up for by the powers of x², but not where x goes far beyond T
    made_up = rate - rate_32 if tight else 0.0
    extra = [made_up * c * reach ** (-2.0 * k) for k, c in enumerate(_WITHOUT_FIRST, 1)]
    series, reach = _coefficients(_H if tight else _H_WIDE, extra, reach, rate, cap)
    # only where those within reach go up to there: what lies between is by float64
    outer = _OUTERMOST * cap if reach == _FARTHEST * cap else 0.0
    # w is off by half a unit in its last place, and by what RATE_32 lacks
    rounded = temperature / (2.0**-24 + abs(1.0 - rate_32 / rate))
    near = min(reach, cap * math.atanh(min(_ROUNDED * rounded / cap, math.tanh(0.5))))
    none = [0.0] * len(_NEAR)
    near_series, near = _coefficients(_NEAR if tight else _NEAR_WIDE, none, near, rate, cap)
    # a number of float32: its square, rounded, then tells the same numbers apart as it does
    near = float(np.float32(near))
    middle = reach
    if not tight:
        middle = min(reach, cap * math.atanh(min(_ROUNDED_FARTHER * rounded / cap, 0.75)))
    share, end_32 = 1.0 / (cap * rate), float(np.float32(cap * rate))
    return (cap, rate, rate_32, rate - rate_32, 1.0 / rate, -share * share, reach, near,
            temperature, end_32, cap * rate - end_32, -2.0 / (cap * math.log(2.0)), outer * outer,
            middle * middle, rate_32 if tight else rate, *series, *near_series)  # fmt: skip


def _coefficients(
    terms: tuple[float, ...], extra: list[float], reach: float, rate: float, cap: float
) -> tuple[list[float], float]:
    """RATE · h in x² and `extra`, and up to which x float32 holds them: `reach`, or 0."""
    pairs = enumerate(zip(terms, extra, strict=True), 1)
    series = [rate * h * cap ** (-2.0 * k) + more for k, (h, more) in pairs]
    for k, c in enumerate(series, 1):
        small = abs(c) < 1e-37  # not to be held as a normal number
        if abs(c) > 1e37 or (small and abs(c) * reach ** (2 * k + 1) > 1e-8):
            reach = 0.0  # no logit is within it
        if reach == 0.0 or small:
            series[k - 1] = 0.0
    return series, reach


@inner
def series(s: Any, cap: Any) -> Any:
    """RATE · h of s = x², without a factor of s."""
    q = fma(const(cap[SERIES + 7], s), s, const(cap[SERIES + 6], s))
    q = fma(fma(q, s, const(cap[SERIES + 5], s)), s, const(cap[SERIES + 4], s))
    q = fma(fma(q, s, const(cap[SERIES + 3], s)), s, const(cap[SERIES + 2], s))
    return fma(fma(q, s, const(cap[SERIES + 1], s)), s, const(cap[SERIES], s))


@inner
def near_series(s: Any, cap: Any) -> Any:
    """The same for near logits."""
    q = fma(const(cap[_NEAR_SERIES + 3], s), s, const(cap[_NEAR_SERIES + 2], s))
    return fma(fma(q, s, const(cap[_NEAR_SERIES + 1], s)), s, const(cap[_NEAR_SERIES], s))


@inner
def series_in_pairs(s: Any, cap: Any) -> Any:
    """`series` in half as many steps one after the other: the logits wait for them."""
    square = s * s
    q = fma(const(cap[SERIES + 5], s), s, const(cap[SERIES + 4], s))
    q = fma(fma(const(cap[SERIES + 7], s), s, const(cap[SERIES + 6], s)), square, q)
    r = fma(const(cap[SERIES + 3], s), s, const(cap[SERIES + 2], s))
    p = fma(const(cap[SERIES + 1], s), s, const(cap[SERIES], s))
    return fma(fma(q, square, r), square, p)
