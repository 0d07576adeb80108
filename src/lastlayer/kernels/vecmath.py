"""exp, log1p and tanh that LLVM turns into vector instructions, for float32 and float64.

No branch, no call and no table, so that a loop over them runs eight or sixteen elements at a
time. Coefficients: `benchmarks/exp_polynomial.py`; log1p and tanh after fdlibm and Cephes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types
from numba.extending import intrinsic

from lastlayer.kernels.jit import by_dtype, inner

_INT = {types.float32: types.int32, types.float64: types.int64}


@intrinsic
def bits(typingctx: Any, x: Any) -> Any:
    """The bits of a float as an integer of its width."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.bitcast(args[0], context.get_value_type(signature.return_type))

    return _INT[x](x), codegen


@intrinsic
def from_bits(typingctx: Any, n: Any) -> Any:
    """The float with the bits of an integer of its width."""
    result = types.float32 if n == types.int32 else types.float64

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.bitcast(args[0], context.get_value_type(signature.return_type))

    return result(n), codegen


# --------------------------------------------------------------------------- exp

# exp(t) = 2^n exp(r), n the nearest integer to t / ln 2, |r| ≤ ½ ln 2, exp(r) = 1 + r + r² Q(r).
# Adding 1.5 · 2^23 (2^52) rounds t / ln 2 to an integer and leaves that integer in the low bits.
# ln 2 is split in two so that the product of n with the first part is exact.
# The results are scaled by 2^64 (2^512): exp of what is far below the maximum is still a normal
# number, and a sum of such terms keeps all its digits.

_LN2 = 0.6931471805599453
_MAGIC_32 = np.float32(12582912.0)
_LOW_32 = np.float32(-131.0)
_TINY_32 = np.float32(104.0 / 131.0)  # of it: exp is below half the smallest subnormal number
_SHIFT_32, _BIAS_32 = np.int32(23), np.int32((127 + 64) << 23)
_ZERO_32, _ONE_32 = np.float32(0.0), np.float32(1.0)
_Q0_32 = np.float32(0.4999999342555351)
_Q1_32 = np.float32(0.16666520336818613)
_Q2_32 = np.float32(0.04166839211997071)
_Q3_32 = np.float32(0.008368750888529428)
_Q4_32 = np.float32(0.001381447551951256)

_MAGIC_64 = 6755399441055744.0
_LN2_HIGH_64 = 0.6931471803691238
_LN2_LOW_64 = 1.9082149292705877e-10
_LOW_64 = -1000.0
_TINY_64 = 0.7452
_SHIFT_64, _BIAS_64 = np.int64(52), np.int64((1023 + 512) << 52)
_Q0_64 = 0.5000000000000011
_Q1_64 = 0.16666666666666413
_Q2_64 = 0.041666666666529684
_Q3_64 = 0.008333333333493993
_Q4_64 = 0.001388888894376982
_Q5_64 = 0.00019841269507932404
_Q6_64 = 2.4801492941547744e-05
_Q7_64 = 2.7557584853603355e-06
_Q8_64 = 2.7630308481394834e-07
_Q9_64 = 2.5000643021829808e-08

UNSCALE_32 = 2.0**-64
UNSCALE_64 = 2.0**-512
_UNSCALE_32 = np.float32(UNSCALE_32)


@by_dtype
def exp_scaled(d: Any, rate: Any) -> Any:
    """2^64 exp(d / T) in float32, 2^512 exp(d / T) in float64, for d ≤ 0; 0 below −131 (−1000).

    `rate` is `rate_of(1 / T)`. The temperature enters after the range reduction, where d / T would
    be rounded before it: n = round(d / (T ln 2)), r = d − n T ln 2, exp(r / T).
    """

    def single(d: Any, rate: Any) -> Any:
        log2e, high, low, inv_t, lowest = rate
        t = lowest if d < lowest else d
        k = t * log2e + _MAGIC_32
        n = k - _MAGIC_32
        r = t - n * high
        r = (r - n * low) * inv_t
        q = (((_Q4_32 * r + _Q3_32) * r + _Q2_32) * r + _Q1_32) * r + _Q0_32
        p = (q * r + _ONE_32) * r + _ONE_32
        e = p * from_bits(np.int32((bits(k) << _SHIFT_32) + _BIAS_32))
        return _ZERO_32 if t <= lowest else e

    def double(d: Any, rate: Any) -> Any:
        log2e, high, low, inv_t, lowest = rate
        t = lowest if d < lowest else d
        k = t * log2e + _MAGIC_64
        n = k - _MAGIC_64
        r = t - n * high
        r = (r - n * low) * inv_t
        q = (((_Q9_64 * r + _Q8_64) * r + _Q7_64) * r + _Q6_64) * r + _Q5_64
        q = ((((q * r + _Q4_64) * r + _Q3_64) * r + _Q2_64) * r + _Q1_64) * r + _Q0_64
        p = (q * r + 1.0) * r + 1.0
        e = p * from_bits((bits(k) << _SHIFT_64) + _BIAS_64)
        return 0.0 if t <= lowest else e

    return single if d == types.float32 else double


@by_dtype
def rate_of(inv_t: Any, like: Any) -> Any:
    """What `exp_scaled` needs of the temperature, in the working precision."""

    # the high part of T ln 2 has 10 (20) trailing zeros: its product with n is exact
    def single(inv_t: Any, like: Any) -> Any:
        step = _LN2 / inv_t
        high = from_bits(np.int32(bits(np.float32(step)) & np.int32(-1024)))
        low = np.float32(step - np.float64(high))
        return np.float32(1.0 / step), high, low, np.float32(inv_t), np.float32(_LOW_32 / inv_t)

    def double(inv_t: Any, like: Any) -> Any:
        # ln 2 itself has two parts, and the rounding of T ln 2 is taken back by the first of them
        step = _LN2 / inv_t
        high = from_bits(bits(step) & np.int64(-(1 << 20)))
        low = ((_LN2_HIGH_64 - high * inv_t) + _LN2_LOW_64) / inv_t
        return 1.0 / step, high, low, inv_t, _LOW_64 / inv_t

    return single if like == types.float32 else double


@by_dtype
def exp_negative(d: Any, rate: Any) -> Any:
    """exp(d / T) for d ≤ 0, rounded gradually to subnormal numbers and to 0."""

    # selected before the multiplication: a result that underflows costs the processor 150 cycles
    def single(d: Any, rate: Any) -> Any:
        return (_ZERO_32 if d < rate[4] * _TINY_32 else exp_scaled(d, rate)) * _UNSCALE_32

    def double(d: Any, rate: Any) -> Any:
        return (0.0 if d < rate[4] * _TINY_64 else exp_scaled(d, rate)) * UNSCALE_64

    return single if d == types.float32 else double


@by_dtype
def unscale(like: Any) -> Any:
    """What undoes the scale of `exp_scaled`, as float64."""

    def single(like: Any) -> Any:
        return UNSCALE_32

    def double(like: Any) -> Any:
        return UNSCALE_64

    return single if like == types.float32 else double


# --------------------------------------------------------------------------- log1p

_SQRT_HALF = np.int64(0x3FE6A09E00000000)
_ONE_BITS = np.int64(0x3FF0000000000000)
_MANTISSA = np.int64(0x000FFFFFFFFFFFFF)
_MAGIC_BITS = np.int64(0x4338000000000000)
_L1, _L2, _L3, _L4 = 0.6666666666666735, 0.3999999999940942, 0.2857142874366239, 0.22222198432149784
_L5, _L6, _L7 = 0.1818357216161805, 0.15313837699209373, 0.14798198605116586


@inner
def log1p(x: Any) -> Any:
    """log(1 + x) for finite x ≥ 0, in float64; NaN stays NaN.

    u = 1 + x rounds, and c is what it lost: log(u) + c / u. For tiny x, u = 1 and c = x.
    """
    u = 1.0 + x
    c = x - (u - 1.0) if x < 1.0 else 1.0 - (u - x)
    shifted = bits(u) + (_ONE_BITS - _SQRT_HALF)
    k = from_bits((shifted >> _SHIFT_64) - np.int64(1023) + _MAGIC_BITS) - _MAGIC_64
    f = from_bits((shifted & _MANTISSA) + _SQRT_HALF) - 1.0  # in [√½ − 1, √2 − 1)
    s = f / (2.0 + f)
    z = s * s
    w = z * z
    poly = z * (_L1 + w * (_L3 + w * (_L5 + w * _L7))) + w * (_L2 + w * (_L4 + w * _L6))
    half = 0.5 * f * f
    tail = s * (half + poly) + (k * _LN2_LOW_64 + c / u)
    return k * _LN2_HIGH_64 - ((half - tail) - f)


# --------------------------------------------------------------------------- tanh, sech²

_T32 = tuple(
    map(np.float32, (-5.70498872745e-3, 2.06390887954e-2, -5.37397155531e-2, 1.33314422036e-1))
)
_T32_LAST = np.float32(-3.33332819422e-1)
_SMALL_32, _FOUR_32 = np.float32(0.625), np.float32(4.0)
_P = (-9.64399179425052238628e-1, -9.92877231001918586564e1, -1.61468768441708447952e3)
_R = (1.12811678491632931402e2, 2.23548839060100448583e3, 4.84406305325125486048e3)


@by_dtype
def tanh(x: Any) -> Any:
    """tanh(x): an odd polynomial near 0, (1 − E) / (1 + E) with E = exp(−2|x|) beyond."""
    a, b, c, d = _T32
    p0, p1, p2 = _P
    r0, r1, r2 = _R

    def single(x: Any) -> Any:
        size = abs(x)
        e = exp_negative(-size, rate_of(2.0, x))
        large = (_ONE_32 - e) / (_ONE_32 + e)
        z = x * x
        small = x + x * z * ((((a * z + b) * z + c) * z + d) * z + _T32_LAST)
        return small if size < _SMALL_32 else (-large if x < _ZERO_32 else large)

    def double(x: Any) -> Any:
        size = abs(x)
        e = exp_negative(-size, rate_of(2.0, x))
        large = (1.0 - e) / (1.0 + e)
        z = x * x
        ratio = ((p0 * z + p1) * z + p2) / (((z + r0) * z + r1) * z + r2)
        small = x + x * z * ratio
        return small if size < 0.625 else (-large if x < 0.0 else large)

    return single if x == types.float32 else double


@by_dtype
def sech2(x: Any) -> Any:
    """1 − tanh²(x) = 4 E / (1 + E)², right where tanh rounds to 1."""

    def single(x: Any) -> Any:
        e = exp_negative(-abs(x), rate_of(2.0, x))
        return _FOUR_32 * e / ((_ONE_32 + e) * (_ONE_32 + e))

    def double(x: Any) -> Any:
        e = exp_negative(-abs(x), rate_of(2.0, x))
        return 4.0 * e / ((1.0 + e) * (1.0 + e))

    return single if x == types.float32 else double
