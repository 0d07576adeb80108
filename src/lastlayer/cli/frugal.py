"""A process that claims no more addresses than it uses, for limits on them (RLIMIT_AS)."""

from __future__ import annotations

import ctypes
import os

M_ARENA_MAX = -8  # of <malloc.h>


def claim_few_addresses() -> None:
    """Before threads start and Arrow and Numba are imported: keep them from reserving ahead.

    glibc reserves 64 to 128 MB of addresses for each thread that allocates, Arrow's own allocator
    a gigabyte unless told otherwise, and SciPy, which Numba imports, 40 MB for each thread that
    multiplies matrices. Scoring allocates blocks and multiplies none. Arrow keeps its allocator:
    two threads that decode columns would wait for each other in glibc's.
    """
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    os.environ.setdefault("MIMALLOC_ARENA_RESERVE", "32M")
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if os.name == "posix" else None
    if mallopt is not None:
        mallopt(M_ARENA_MAX, 1)
