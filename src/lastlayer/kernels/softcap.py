"""The soft-cap, cap · tanh(x / cap), and its derivative, in float64, of vectors and numbers."""

from __future__ import annotations

from typing import Any

import numpy as np

from lastlayer.kernels.jit import inner
from lastlayer.kernels.simd import const, less, maximum, negative, where
from lastlayer.kernels.vecmath import expm1_and_exp


@inner
def _tanh_and_slope(a: Any) -> Any:
    """tanh(a) = −w / (w + 2) and its derivative 4 (w + 1) / (w + 2)², w = expm1(−2|a|).

    Right also where tanh is nearly a, and its derivative where tanh rounds to 1.
    """
    zero = const(0.0, a)
    double = negative(maximum(a, zero - a) * const(2.0, a))
    w, e = expm1_and_exp(maximum(const(-750.0, a), double))
    inverse = const(1.0, a) / (w + const(2.0, a))
    ratio = w * inverse
    return where(less(a, zero), ratio, negative(ratio)), const(4.0, a) * (e * inverse * inverse)


@inner
def capped_and_slope(x: Any, cap: Any) -> Any:
    """cap · tanh(x / cap) and its derivative in float64; x and 1 for ±inf.

    A masked class, −inf, stays one, and +inf stays what makes a row NaN.
    """
    within = less(maximum(x, const(0.0, x) - x), const(np.inf, x))
    t, slope = _tanh_and_slope(x * const(1.0 / cap, x))
    return where(within, const(cap, x) * t, x), where(within, slope, const(1.0, x))
