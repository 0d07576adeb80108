"""The soft-cap, cap · tanh(x / cap), and its derivative, in float64. tanh after Cephes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types

from lastlayer.kernels.jit import by_dtype, inner
from lastlayer.kernels.simd import const, fma, less, maximum, where
from lastlayer.kernels.vecmath import exp_negative

_P0, _P1, _P2 = -9.64399179425052238628e-1, -9.92877231001918586564e1, -1.61468768441708447952e3
_R0, _R1, _R2 = 1.12811678491632931402e2, 2.23548839060100448583e3, 4.84406305325125486048e3


@inner
def tanh(x: Any) -> Any:
    """tanh(x) in float64: odd polynomials near 0, (1 − E) / (1 + E), E = exp(−2|x|), beyond."""
    zero, one = const(0.0, x), const(1.0, x)
    size = maximum(x, zero - x)
    e = exp_negative(zero - (size + size), None)
    large = (one - e) / (one + e)
    z = x * x
    top = fma(fma(const(_P0, x), z, const(_P1, x)), z, const(_P2, x))
    ratio = top / fma(fma(z + const(_R0, x), z, const(_R1, x)), z, const(_R2, x))
    small = fma(x * z, ratio, x)
    return where(less(size, const(0.625, x)), small, where(less(x, zero), zero - large, large))


@inner
def sech2(x: Any) -> Any:
    """1 − tanh²(x) = 4 E / (1 + E)² in float64, right where tanh rounds to 1."""
    zero, one = const(0.0, x), const(1.0, x)
    size = maximum(x, zero - x)
    e = exp_negative(zero - (size + size), None)
    return const(4.0, x) * e / ((one + e) * (one + e))


@by_dtype
def capped(x: Any, cap: Any) -> Any:
    """cap · tanh(x / cap) in float64, a number or a vector; ±inf stays, x itself for None.

    A masked class, −inf, stays one, and +inf stays what makes a row NaN.
    """

    def identity(x: Any, cap: Any) -> Any:
        return x

    def bounded(x: Any, cap: Any) -> Any:
        within = less(maximum(x, const(0.0, x) - x), const(np.inf, x))
        return where(within, const(cap, x) * tanh(x / const(cap, x)), x)

    return identity if isinstance(cap, types.NoneType) else bounded


@inner
def capped_slope(x: Any, cap: Any) -> Any:
    """Its derivative, 1 for ±inf."""
    within = less(maximum(x, const(0.0, x) - x), const(np.inf, x))
    return where(within, sech2(x / const(cap, x)), const(1.0, x))
