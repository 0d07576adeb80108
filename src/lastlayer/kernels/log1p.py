"""log1p without a branch, a call or a table, in float64, of vectors and plain numbers.

After fdlibm; for losses that are rounded to float32 a polynomial, whose coefficients are from
`benchmarks/log1p_polynomial.py`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types

from lastlayer.kernels.integers import shifted
from lastlayer.kernels.jit import by_dtype, inner
from lastlayer.kernels.simd import bits, const, fma, from_bits, greater, less, minus, where

_LN2, _LN2_HIGH, _LN2_LOW = 0.6931471805599453, 0.6931471803691238, 1.9082149292705877e-10
_MAGIC = 6755399441055744.0  # 1.5 · 2^52: adding it leaves a whole number in the low bits
_SQRT_HALF = np.int64(0x3FE6A09E00000000)
_ONE_BITS = np.int64(0x3FF0000000000000)
_MANTISSA = np.int64(0x000FFFFFFFFFFFFF)
_MAGIC_BITS = np.int64(0x4338000000000000)
_SQRT_2 = 1.4142131805419922  # twice the number whose bits are _SQRT_HALF
_L1, _L2, _L3, _L4 = 0.6666666666666735, 0.3999999999940942, 0.2857142874366239, 0.22222198432149784
_L5, _L6, _L7 = 0.1818357216161805, 0.15313837699209373, 0.14798198605116586
_P0, _P1, _P2 = -0.49999988381257576, 0.33333325687674886, -0.2500157887988637
_P3, _P4, _P5 = 0.20001968765416261, -0.16609181849658528, 0.14182013367759846
_P6, _P7, _P8 = -0.13242361719066148, 0.129028843406518, -0.07621312687909222


@inner
def _halves(u: Any) -> Any:
    """k and f for which u = 2^k (1 + f), f in [√½ − 1, √2 − 1)."""
    n = minus(bits(u), const(_SQRT_HALF - _ONE_BITS, bits(u)))
    exponent = minus(shifted(n, 52), const(np.int64(1023) - _MAGIC_BITS, n))
    mantissa = minus(n & const(_MANTISSA, n), const(-_SQRT_HALF, n))
    return from_bits(exponent) - const(_MAGIC, u), from_bits(mantissa) - const(1.0, u)


@inner
def log1p(x: Any, inverse: Any) -> Any:
    """log(1 + x) for finite x ≥ 0 with 1 / (1 + x), which callers have; NaN stays NaN.

    u = 1 + x rounds, and c is what it lost: log(u) + c / u. For tiny x, u = 1 and c = x.
    """
    one = const(1.0, x)
    u = one + x
    c = where(less(x, one), x - (u - one), one - (u - x))
    k, f = _halves(u)
    s = f / (const(2.0, x) + f)
    z = s * s
    w = z * z
    odd = fma(fma(fma(w, const(_L7, x), const(_L5, x)), w, const(_L3, x)), w, const(_L1, x))
    even = fma(fma(w, const(_L6, x), const(_L4, x)), w, const(_L2, x))
    half = const(0.5, x) * f * f
    poly = fma(w, even, z * odd)
    tail = fma(s, half + poly, fma(k, const(_LN2_LOW, x), c * inverse))
    return fma(k, const(_LN2_HIGH, x), f - (half - tail))


@inner
def _log1p_short(x: Any) -> Any:
    """log(1 + x) for finite x ≥ 0, off by at most 4.1e-9 of it; NaN stays NaN."""
    zero, one = const(0.0, x), const(1.0, x)
    large = greater(x, const(_SQRT_2 - 1.0, x))  # NaN isn't
    k, f = _halves(one + x)
    k, f = where(large, k, zero), where(large, f, x)
    q = fma(fma(const(_P8, x), f, const(_P7, x)), f, const(_P6, x))
    q = fma(fma(q, f, const(_P5, x)), f, const(_P4, x))
    q = fma(fma(q, f, const(_P3, x)), f, const(_P2, x))
    q = fma(fma(q, f, const(_P1, x)), f, const(_P0, x))
    return fma(k, const(_LN2, x), fma(q * f, f, f))


@by_dtype
def log_of(rest: Any, inverse: Any, like: Any) -> Any:
    """log(1 + rest) as exactly as numbers of the precision of `like` need it."""

    def single(rest: Any, inverse: Any, like: Any) -> Any:
        return _log1p_short(rest)

    def double(rest: Any, inverse: Any, like: Any) -> Any:
        return log1p(rest, inverse)

    return single if like == types.float32 else double
