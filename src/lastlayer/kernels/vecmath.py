"""exp without a branch, a call or a table, of vectors and plain numbers of float32 and float64.

Coefficients: `benchmarks/exp_polynomial.py`.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from lastlayer.kernels.jit import by_dtype, inner
from lastlayer.kernels.lanes import joined, part
from lastlayer.kernels.processor import features
from lastlayer.kernels.simd import (
    Vector,
    bits,
    call,
    const,
    element_of,
    fma,
    from_bits,
    greater,
    less,
    maximum,
    minus,
    spread,
    where,
)

# --------------------------------------------------------------------------- exp

# exp(d) = 2^n exp(r), n the nearest integer to d / ln 2, |r| ≤ ½ ln 2, exp(r) = 1 + r + r² Q(r).
# Adding 1.5 · 2^23 (2^52) rounds d / ln 2 to an integer and leaves that integer in the low bits.
# float32's ln 2 happens to be right to 2e-9, so that one fused n ln 2 is as good as two parts;
# float64's has two.

_I32 = ir.IntType(32)
_LN2 = 0.6931471805599453
_LOG2E = 1.4426950408889634
_MAGIC_32, _MAGIC_64 = 12582912.0, 6755399441055744.0
_LN2_HIGH_64 = 0.6931471803691238
_LN2_LOW_64 = 1.9082149292705877e-10
LOWEST_32, LOWEST_64 = -131.0, -1000.0  # below it exp is that of it: nothing beside a maximum
_Q0_32, _Q1_32 = 0.4999999342555351, 0.16666520336818613
_Q2_32, _Q3_32, _Q4_32 = 0.04166839211997071, 0.008368750888529428, 0.001381447551951256
_Q0_64, _Q1_64, _Q2_64 = 0.5000000000000011, 0.16666666666666413, 0.041666666666529684
_Q3_64, _Q4_64, _Q5_64 = 0.008333333333493993, 0.001388888894376982, 0.00019841269507932404
_Q6_64, _Q7_64 = 2.4801492941547744e-05, 2.7557584853603355e-06
_Q8_64, _Q9_64 = 2.7630308481394834e-07, 2.5000643021829808e-08


# Results of exp are scaled by 2^64 (2^512): exp of what is far below the maximum is still a normal
# number, and a sum of such terms keeps all its digits.
LIFT = {types.float32: 64, types.float64: 512}
# what is left of half the smallest subnormal number, lifted
TINY_32, TINY_64 = math.exp(64 * _LN2 - 104.0), math.exp(512 * _LN2 - 745.2)


def has_power(context: Any, kind: Any) -> bool:
    """Whether one instruction multiplies by 2^n."""
    whole = isinstance(kind, Vector) and kind.lanes * kind.dtype.bitwidth % 512 == 0
    return whole and "+avx512f" in features(context)


@intrinsic
def lifted(typingctx: Any, value: Any, like: Any) -> Any:
    """A coefficient of a polynomial that goes to `lifted_power`, in the type of `like`."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        element = element_of(like)
        number = context.cast(builder, args[0], value, element)
        if has_power(context, like):  # free here, where the instruction multiplies by 2^n alone
            number = builder.fmul(number, number.type(2.0 ** LIFT[element]))
        return spread(builder, number, like.lanes) if isinstance(like, Vector) else number

    return like(value, like), codegen


@intrinsic
def lifted_power(typingctx: Any, p: Any, k: Any, n: Any) -> Any:
    """p · 2^n, lifted, for a whole n in [−190, 0], of float64 in [−1500, 0].

    k = n + 1.5 · 2^23 (2^52) has n in its low bits, from which the power is made where no
    instruction is at hand.
    """
    element, lanes = element_of(p), getattr(p, "lanes", 1)
    width = element.bitwidth
    mantissa, bias = (23, 127) if width == 32 else (52, 1023)

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        kind = args[0].type
        if has_power(context, p):
            name = f"llvm.x86.avx512.mask.scalef.{'ps' if width == 32 else 'pd'}.512"
            each = 512 // width
            one, everywhere, as_set = (
                ir.VectorType(kind.element, each),
                ir.IntType(each)(-1),
                _I32(4),
            )
            results = []
            for at in range(0, lanes, each):
                q, e = part(builder, args[0], at, each), part(builder, args[2], at, each)
                results.append(call(builder, name, one, [q, e, q, everywhere, as_set]))
            return joined(builder, results)
        whole = ir.IntType(width)
        if lanes > 1:
            whole = ir.VectorType(whole, lanes)

        def same(number: int) -> Any:
            return ir.Constant(whole, [number] * lanes if lanes > 1 else number)

        exponent = builder.shl(builder.bitcast(args[1], whole), same(mantissa))
        lift = same((bias + LIFT[element]) << mantissa)
        return builder.fmul(args[0], builder.bitcast(builder.add(exponent, lift), kind))

    return p(p, k, n), codegen


@inner
def _polynomial_32(r: Any, k: Any, n: Any) -> Any:
    q = fma(lifted(_Q4_32, r), r, lifted(_Q3_32, r))
    q = fma(fma(q, r, lifted(_Q2_32, r)), r, lifted(_Q1_32, r))
    q = fma(q, r, lifted(_Q0_32, r))
    return lifted_power(fma(fma(q, r, lifted(1.0, r)), r, lifted(1.0, r)), k, n)


@inner
def _polynomial_64(r: Any, k: Any, n: Any) -> Any:
    q = fma(lifted(_Q9_64, r), r, lifted(_Q8_64, r))
    q = fma(fma(q, r, lifted(_Q7_64, r)), r, lifted(_Q6_64, r))
    q = fma(fma(q, r, lifted(_Q5_64, r)), r, lifted(_Q4_64, r))
    q = fma(fma(q, r, lifted(_Q3_64, r)), r, lifted(_Q2_64, r))
    q = fma(fma(q, r, lifted(_Q1_64, r)), r, lifted(_Q0_64, r))
    return lifted_power(fma(fma(q, r, lifted(1.0, r)), r, lifted(1.0, r)), k, n)


@by_dtype
def exp_scaled(d: Any, rate: Any) -> Any:
    """2^64 exp(d / T) in float32, 2^512 exp(d / T) in float64, for d ≤ 0, a number or a vector.

    At least 1e-57 (1e-434) before scaling, also for −inf: nothing beside the 1 of a maximum.
    `rate` is `rate_of(T)`, or None where T = 1. The temperature enters after the range
    reduction, where d / T would be rounded before it: n = round(d / (T ln 2)), r = d − n T ln 2,
    exp(r / T).
    """

    def single_plain(d: Any, rate: Any) -> Any:
        t = maximum(const(LOWEST_32, d), d)
        k = fma(t, const(_LOG2E, d), const(_MAGIC_32, d))
        n = k - const(_MAGIC_32, d)
        return _polynomial_32(fma(n, const(-_LN2, d), t), k, n)

    def single(d: Any, rate: Any) -> Any:
        t = maximum(const(rate[4], d), d)
        k = fma(t, const(rate[0], d), const(_MAGIC_32, d))
        n = k - const(_MAGIC_32, d)
        r = fma(n, const(-rate[2], d), fma(n, const(-rate[1], d), t))
        return _polynomial_32(r * const(rate[3], d), k, n)

    def double_plain(d: Any, rate: Any) -> Any:
        t = maximum(const(LOWEST_64, d), d)
        k = fma(t, const(_LOG2E, d), const(_MAGIC_64, d))
        n = k - const(_MAGIC_64, d)
        r = fma(n, const(-_LN2_LOW_64, d), fma(n, const(-_LN2_HIGH_64, d), t))
        return _polynomial_64(r, k, n)

    def double(d: Any, rate: Any) -> Any:
        t = maximum(const(rate[4], d), d)
        k = fma(t, const(rate[0], d), const(_MAGIC_64, d))
        n = k - const(_MAGIC_64, d)
        r = fma(n, const(-rate[2], d), fma(n, const(-rate[1], d), t))
        return _polynomial_64(r * const(rate[3], d), k, n)

    plain = isinstance(rate, types.NoneType)
    if element_of(d) == types.float32:
        return single_plain if plain else single
    return double_plain if plain else double


@inner
def expm1_and_exp(d: Any) -> Any:
    """exp(d) − 1 and exp(d) in float64 for d in [−750, 0]."""
    k = fma(d, const(_LOG2E, d), const(_MAGIC_64, d))
    n = k - const(_MAGIC_64, d)
    r = fma(n, const(-_LN2_LOW_64, d), fma(n, const(-_LN2_HIGH_64, d), d))
    q = fma(const(_Q9_64, d), r, const(_Q8_64, d))
    q = fma(fma(q, r, const(_Q7_64, d)), r, const(_Q6_64, d))
    q = fma(fma(q, r, const(_Q5_64, d)), r, const(_Q4_64, d))
    q = fma(fma(q, r, const(_Q3_64, d)), r, const(_Q2_64, d))
    q = fma(fma(q, r, const(_Q1_64, d)), r, const(_Q0_64, d))
    t, power = fma(q * r, r, r), lifted_power(lifted(1.0, d), k, n) * const(2.0**-512, d)
    return fma(t, power, power - const(1.0, d)), fma(t, power, power)


@by_dtype
def rate_of(temperature: Any, like: Any) -> Any:
    """What `exp_scaled` needs of the temperature, in the working precision; None for None."""

    def nothing(temperature: Any, like: Any) -> Any:
        return None

    # the high part of T ln 2 has 10 (20) trailing zeros: its product with n is exact
    def single(temperature: Any, like: Any) -> Any:
        step = _LN2 * temperature
        high = from_bits(np.int32(bits(np.float32(step)) & np.int32(-1024)))
        low = np.float32(step - np.float64(high))
        lowest = np.float32(LOWEST_32 * temperature)
        return np.float32(1.0 / step), high, low, np.float32(1.0 / temperature), lowest

    def double(temperature: Any, like: Any) -> Any:
        # ln 2 itself has two parts, and what the high part of T ln 2 leaves of the first is exact
        step = _LN2 * temperature
        high = from_bits(bits(step) & np.int64(-(1 << 20)))
        low = fma(temperature, _LN2_HIGH_64, -high) + temperature * _LN2_LOW_64
        return 1.0 / step, high, low, 1.0 / temperature, LOWEST_64 * temperature

    if isinstance(temperature, types.NoneType):
        return nothing
    return single if like == types.float32 else double


@by_dtype
def nothing_tiny(e: Any) -> Any:
    """What `exp_scaled` gave, but 0 where exp is below half the smallest subnormal number."""
    tiny = TINY_32 if element_of(e) == types.float32 else TINY_64

    def body(e: Any) -> Any:
        return where(less(e, const(tiny, e)), const(0.0, e), e)

    return body


@by_dtype
def unlifted(x: Any) -> Any:
    """A lifted number ≥ 0, or NaN, at its own size: rounded once, also to a subnormal number.

    A multiplication with a subnormal result costs the processor 150 cycles. Adding `border` rounds
    at the last subnormal bit instead, and leaves the number of such bits in the sum's low ones.
    """
    single = element_of(x) == types.float32
    border = 2.0**-62 if single else 2.0**-510  # the smallest normal number, lifted
    factor = 2.0 ** -LIFT[element_of(x)]

    def body(x: Any) -> Any:
        least = const(border, x)
        n, fewest = bits(x), bits(least)
        subnormal = from_bits(minus(bits(x + least), fewest))
        # as integers, without a sign: of two alike comparisons of floats LLVM would drop this one,
        # and a NaN of either sign is above all numbers
        normal = from_bits(where(greater(n, fewest), n, fewest)) * const(factor, x)
        return where(less(x, least), subnormal, normal)

    return body


@by_dtype
def times(e: Any, factor: Any) -> Any:
    """What `exp_scaled` gave, times `factor` of either sign, at its own size."""
    single = element_of(e) == types.float32
    sign = -0x80000000 if single else -0x8000000000000000

    def body(e: Any, factor: Any) -> Any:
        n = bits(factor)
        negative = n & const(sign, n)
        size = unlifted(nothing_tiny(e) * from_bits(n - negative))
        return from_bits(bits(size) | negative)

    return body


@inner
def exp_negative(d: Any, rate: Any) -> Any:
    """exp(d / T) for d ≤ 0, rounded gradually to subnormal numbers and to 0."""
    return unlifted(nothing_tiny(exp_scaled(d, rate)))


@intrinsic
def unscale(typingctx: Any, like: Any) -> Any:
    """What undoes the scale of `exp_scaled`, as float64."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return context.get_constant(types.float64, 2.0 ** -LIFT[like])

    return types.float64(like), codegen
