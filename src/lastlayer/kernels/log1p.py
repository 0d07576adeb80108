"""log1p without a branch, a call or a table: loops over it LLVM turns into vector instructions.

After fdlibm.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from lastlayer.kernels.jit import inner
from lastlayer.kernels.simd import bits, from_bits

_LN2_HIGH, _LN2_LOW = 0.6931471803691238, 1.9082149292705877e-10
_MAGIC = 6755399441055744.0  # 1.5 · 2^52: adding it leaves a whole number in the low bits
_SHIFT_64 = np.int64(52)
_SQRT_HALF = np.int64(0x3FE6A09E00000000)
_ONE_BITS = np.int64(0x3FF0000000000000)
_MANTISSA = np.int64(0x000FFFFFFFFFFFFF)
_MAGIC_BITS = np.int64(0x4338000000000000)
_L1, _L2, _L3, _L4 = 0.6666666666666735, 0.3999999999940942, 0.2857142874366239, 0.22222198432149784
_L5, _L6, _L7 = 0.1818357216161805, 0.15313837699209373, 0.14798198605116586


@inner
def log1p(x: Any, inverse: Any) -> Any:
    """log(1 + x) for finite x ≥ 0, in float64, with 1 / (1 + x), which callers have; NaN stays NaN.

    u = 1 + x rounds, and c is what it lost: log(u) + c / u. For tiny x, u = 1 and c = x.
    """
    u = 1.0 + x
    c = x - (u - 1.0) if x < 1.0 else 1.0 - (u - x)
    shifted = bits(u) + (_ONE_BITS - _SQRT_HALF)
    k = from_bits((shifted >> _SHIFT_64) - np.int64(1023) + _MAGIC_BITS) - _MAGIC
    f = from_bits((shifted & _MANTISSA) + _SQRT_HALF) - 1.0  # in [√½ − 1, √2 − 1)
    s = f / (2.0 + f)
    z = s * s
    w = z * z
    poly = z * (_L1 + w * (_L3 + w * (_L5 + w * _L7))) + w * (_L2 + w * (_L4 + w * _L6))
    half = 0.5 * f * f
    tail = s * (half + poly) + (k * _LN2_LOW + c * inverse)
    return k * _LN2_HIGH - ((half - tail) - f)
