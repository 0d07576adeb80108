"""What the processor has, of which kernels are made accordingly."""

from __future__ import annotations

from typing import Any

from numba import config
from numba.core.codegen import get_host_cpu_features


def features(context: Any) -> str:
    """Its features, as Numba compiles for them."""
    return str(context.codegen().magic_tuple()[2])


def _abreast() -> int:
    chosen = config.CPU_FEATURES  # NUMBA_CPU_FEATURES
    return 4 if "+avx512f" in (get_host_cpu_features() if chosen is None else chosen) else 2


# Vectors of 64 bytes that fit into its registers side by side, with their sums and what exp needs:
# AVX-512 has 32 registers of that size, AVX2 16 of half of it.
ABREAST = _abreast()
