"""The sums of blocks under a soft-cap in float32, where not all logits are near."""

from __future__ import annotations

from typing import Any

from lastlayer.kernels.effective import TOGETHER, effect, in_two, sloped
from lastlayer.kernels.jit import by_dtype, called, inner
from lastlayer.kernels.kept import keep
from lastlayer.kernels.lanes import all_of, fold_largest, fold_sum
from lastlayer.kernels.memory import as_like, lane_count, load, prefetch
from lastlayer.kernels.processor import ABREAST
from lastlayer.kernels.simd import abreast, const, differ, fill, less, plus_where


@by_dtype
def sum_together(x: Any, j: Any, end: Any, ahead: Any, m: Any, about: Any, kept: Any, shift: Any,
                 like: Any) -> Any:  # fmt: skip
    """`blocks.block_sum` from x[j] on, vectors abreast as long as they may go together.

    (up to where, Σ exp_scaled(z_j − top) over what is not m, how many are not m), the latter two in
    each lane. Nothing without a cap, where all that is not done yet goes one by one.
    """

    def nothing(x: Any, j: Any, end: Any, ahead: Any, m: Any, about: Any, kept: Any, shift: Any,
                like: Any) -> Any:  # fmt: skip
        return j, fill(0.0, like), fill(0.0, like)

    def several(x: Any, j: Any, end: Any, ahead: Any, m: Any, about: Any, kept: Any, shift: Any,
                like: Any) -> Any:  # fmt: skip
        if j + ABREAST * lane_count(like) > end:
            return j, fill(0.0, like), fill(0.0, like)
        return _sum_abreast(x, j, end, ahead, as_like(m, like), about, kept, shift, like)

    return several if in_two(about) else nothing


@inner
def _sum_abreast(x: Any, j: Any, end: Any, ahead: Any, m: Any, about: Any, kept: Any, shift: Any,
               like: Any) -> Any:  # fmt: skip
    called()
    lanes, s, others = lane_count(like), abreast(like), abreast(like)
    while j + ABREAST * lanes <= end:
        v = load(x, j, s)
        most = fold_largest(v * v)
        if not all_of(less(most, const(about[5], most))):
            break
        for k in range(ABREAST):
            prefetch(x, j + ahead + k * lanes)
        e, _, slope = effect(v, about, TOGETHER)
        keep(kept, shift + j, None, sloped(e, slope))
        below = differ(v, fill(m, s))
        s, others = plus_where(s, below, e), plus_where(others, below, fill(1.0, s))
        j += ABREAST * lanes
    return j, fold_sum(s), fold_sum(others)
