"""How often each of many numbers occurs, counted in a table of a fixed size."""

from __future__ import annotations

from typing import Any

import numpy as np

from lastlayer.kernels.jit import kernel

EMPTY = -1
# 2^64 / φ: multiplied by it, numbers near each other lie far apart (Knuth, vol. 3, 6.4)
_SPREAD = np.uint64(0x9E3779B97F4A7C15)


@kernel
def count_numbers(numbers: Any, weights: Any, start: Any, keys: Any, counts: Any, used: Any,
                  most: Any) -> Any:  # fmt: skip
    """Count numbers[start:], those below 0 left out, until a new one finds `most` in the table.

    keys and counts (2^k,) are an open table: a number lies in the first free place from its own
    on. Returns where it stopped, and how many are now in the table.
    """
    mask = np.uint64(keys.size - 1)
    for i in range(start, numbers.size):
        if numbers[i] < 0:
            continue
        place = ((np.uint64(numbers[i]) * _SPREAD) >> np.uint64(32)) & mask
        while keys[place] != EMPTY and keys[place] != numbers[i]:
            place = (place + np.uint64(1)) & mask
        if keys[place] == EMPTY:
            if used == most:
                return i, used
            keys[place] = numbers[i]
            used += 1
        counts[place] += weights[i] if weights.size > 0 else 1
    return numbers.size, used
