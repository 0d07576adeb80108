"""The largest logit of a block, of which most blocks need no more than that it is below another."""

from __future__ import annotations

from typing import Any

import numpy as np

from lastlayer.kernels.dtypes import FLOATS
from lastlayer.kernels.halves import (
    floats_of,
    fold_high,
    fold_low,
    largest_word,
    words_at,
    words_of_nothing,
)
from lastlayer.kernels.jit import by_dtype
from lastlayer.kernels.lanes import all_of, fold_largest
from lastlayer.kernels.memory import lane_count, load, load_up_to
from lastlayer.kernels.processor import ABREAST
from lastlayer.kernels.simd import abreast, fill, less, maximum
from lastlayer.kernels.whole import larger, smaller


@by_dtype
def block_max(x: Any, at: Any, n: Any, m: Any, like: Any) -> Any:
    """A vector whose largest number is that of x[at : at + n]; all below m > 0 where those are.

    A NaN may be passed over: the sum will have it.
    """

    def of_floats(x: Any, at: Any, n: Any, m: Any, like: Any) -> Any:
        lanes, end, j = lane_count(like), at + n, at
        a, most = fill(-np.inf, like), fill(-np.inf, abreast(like))
        while j + ABREAST * lanes <= end:
            most = maximum(load(x, j, most), most)
            j += ABREAST * lanes
        while j < end:
            a = maximum(load_up_to(x, j, end - j, -np.inf, like), a)
            j += lanes
        return maximum(a, fold_largest(most))

    def of_halves(x: Any, at: Any, n: Any, m: Any, like: Any) -> Any:
        lanes, end, j = lane_count(like), at + n, at
        a, high = fill(-np.inf, like), words_of_nothing(x, like)
        while j + ABREAST * lanes <= end:
            high = larger(words_at(x, j, high), high)
            j += ABREAST * lanes
        while j < end:
            a = maximum(load_up_to(x, j, end - j, -np.inf, like), a)
            j += lanes
        highest = fold_high(high, like)
        most = maximum(a, floats_of(x, highest, like))
        if m > 0.0 and all_of(less(most, fill(m, like))):
            return most
        j, low = at, words_of_nothing(x, like)
        while j + ABREAST * lanes <= end:
            low = smaller(words_at(x, j, low), low)
            j += ABREAST * lanes
        return maximum(a, floats_of(x, largest_word(highest, fold_low(low, like)), like))

    return of_floats if x.dtype in FLOATS else of_halves
