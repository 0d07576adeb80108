"""exp(v − m) of float32 logits in the fewest steps: 2^t, t = v log₂e − m log₂e in one of them.

The distance v − m is then not rounded before it is multiplied, and t is rounded once. What m log₂e
loses as a float32 is the same for all logits of a row: their sum is corrected for it, in float64.
A row's own maximum does not come to exactly 1, so this is for kernels that leave it out of sums.

2^t = 2^⌊t⌋ p(t − ⌊t⌋). Coefficients: `benchmarks/exp_polynomial.py`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from lastlayer.kernels.jit import by_dtype, inner
from lastlayer.kernels.lanes import joined, part
from lastlayer.kernels.processor import features
from lastlayer.kernels.simd import (
    bits,
    call,
    const,
    equal,
    fma,
    from_bits,
    less,
    maximum,
    where,
)
from lastlayer.kernels.vecmath import exp_scaled, has_power, lifted, lifted_power, rate_of

RATE = float(np.float32(1.4426950408889634))  # log₂e, for once nearly right: off by 1.3e-8 of it
_LN2 = 0.6931471805599453
_MAGIC = 12582912.0
LOWEST = -183.0  # 2^t of a lower t is that of it: nothing beside the 1 of a maximum
_FARTHEST = 2.0**20  # a maximum from which on it is taken from the logits beforehand, exactly
_P1, _P2, _P3 = 0.6931513118660051, 0.24016444970045717, 0.055799914224816345
_P4, _P5 = 0.009017029187998784, 0.0018671304763538488


@intrinsic
def _below(typingctx: Any, t: Any) -> Any:
    """⌊t⌋, or t itself where the instruction that multiplies by 2^⌊t⌋ needs no more."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        if has_power(context, t):
            return args[0]
        return call(builder, f"llvm.floor.v{t.lanes}f32", args[0].type, args)

    return t(t), codegen


@intrinsic
def _fraction(typingctx: Any, t: Any, n: Any) -> Any:
    """t − ⌊t⌋, where n is what `_below` gave."""
    each = 16

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        if not has_power(context, t):
            return builder.fsub(*args)
        whole, i32 = args[0].type, ir.IntType(32)
        if "+avx512dq" not in features(context):
            return builder.fsub(
                args[0], call(builder, f"llvm.floor.v{t.lanes}f32", whole, args[:1])
            )
        one, everywhere = ir.VectorType(whole.element, each), ir.IntType(each)(-1)
        parts = [part(builder, args[0], at, each) for at in range(0, t.lanes, each)]
        name, downward, as_set = "llvm.x86.avx512.mask.reduce.ps.512", i32(1), i32(4)
        return joined(builder, [
            call(builder, name, one, [q, downward, q, everywhere, as_set]) for q in parts
        ])  # fmt: skip

    return t(t, n), codegen


@inner
def exponent(v: Any, start: Any) -> Any:
    """v log₂e + start, for vectors of float32; of −inf a number, as of a class of probability 0."""
    return maximum(const(LOWEST, v), fma(v, const(RATE, v), const(start, v)))


@inner
def power_of(t: Any, scale: Any) -> Any:
    """2^64 · scale · 2^t of what `exponent` gives."""
    n = _below(t)
    return _power(_fraction(t, n), n, scale)


@inner
def power_of_sum(t: Any, lost: Any) -> Any:
    """2^64 · 2^(t + lost) of a t and what its rounding has lost."""
    n = _below(t)
    return _power(_fraction(t, n) + lost, n, 1.0)


@inner
def _power(r: Any, n: Any, scale: Any) -> Any:
    p = fma(lifted(_P5 * scale, r), r, lifted(_P4 * scale, r))
    p = fma(fma(p, r, lifted(_P3 * scale, r)), r, lifted(_P2 * scale, r))
    p = fma(fma(p, r, lifted(_P1 * scale, r)), r, lifted(scale, r))
    return lifted_power(p, n + const(_MAGIC, n), n)


@inner
def power_scaled(v: Any, start: Any) -> Any:
    """2^64 · 2^(v log₂e + start), for vectors of float32; −inf as a class of probability 0."""
    return power_of(exponent(v, start), 1.0)


@inner
def start_of(m: Any) -> Any:
    """(shift, start, what sums are to be multiplied by) of rows whose maximum is m, float64.

    exp(v − m) is what `power_scaled` gives of v − shift, times the last.
    """
    zero = const(0.0, m)
    m = where(equal(m, const(-np.inf, m)), zero, m)
    near = less(maximum(m, zero - m), const(_FARTHEST, m))
    product = where(near, m, zero) * const(RATE, m)  # exact
    rounded = from_bits(bits(product) & const(-1 << 29, bits(product)))  # a float32
    lost = exp_scaled((rounded - product) * const(_LN2, m), None) * const(2.0**-512, m)
    return where(near, zero, m), zero - rounded, lost


@by_dtype
def swift_rate(temperature: Any, like: Any) -> Any:
    """`rate_of` the temperature, or what stands for it where sums are taken by `power_scaled`.

    That is float32 at a temperature of 1.
    """

    def swift(temperature: Any, like: Any) -> Any:
        return 0

    def divided(temperature: Any, like: Any) -> Any:
        return rate_of(temperature, like)

    single = like == types.float32
    return swift if single and isinstance(temperature, types.NoneType) else divided


def is_swift(rate: Any) -> bool:
    """Whether a rate's type is that of power.py."""
    return isinstance(rate, types.Integer)
