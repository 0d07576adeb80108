"""Large arrays of zeros in huge pages.

A page that is new costs as much as copying two, and one of 2 MB little more than one of 4 kB: what
kernels add to all over the place is there at once.
"""

from __future__ import annotations

import contextlib
import math
import mmap
from typing import Any

import numpy as np

from lastlayer.contract import Array, address

PAGE = 1 << 21  # bytes
LARGE = 1 << 20  # bytes from which an array has pages of its own


def zeros(shape: tuple[int, ...], dtype: Any) -> Array:
    """`np.zeros`, in huge pages where the system has them and that is large."""
    size = math.prod(shape) * np.dtype(dtype).itemsize
    if size < LARGE or not hasattr(mmap, "MADV_HUGEPAGE"):
        return np.zeros(shape, dtype)
    try:
        memory = mmap.mmap(-1, size + 2 * PAGE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    except OSError as error:
        raise MemoryError(f"no room for {size} bytes") from error
    with contextlib.suppress(OSError):  # of a system that was built without them
        memory.madvise(mmap.MADV_HUGEPAGE)
    begin = -address(np.frombuffer(memory, np.uint8)) % PAGE  # no page is half in use
    return np.frombuffer(memory, dtype, math.prod(shape), begin).reshape(shape)
