"""The most frequent confusions among more classes than a matrix has room for."""

from __future__ import annotations

import numpy as np

from lastlayer.contract import Indices
from lastlayer.large_arrays import zeros

MOST = 1 << 16  # different confusions that are told apart


class Confusions:
    """How often each pair of classes, label · C + prediction, was confused, in 2 MB.

    Exact up to `MOST` different pairs. Where there are more, the count of the middle one is taken
    from all and the lower half goes: every count is then too low by at most `too_low_by`, which
    is at most 2 / MOST of all confusions. The result depends on the order of the rows, not on the
    blocks in which they came; after a merge it depends on the parts.

    After Misra & Gries, doi 10.1016/0167-6423(82)90012-0; merged as by Agarwal et al., "Mergeable
    summaries", doi 10.1145/2213556.2213562.
    """

    def __init__(self) -> None:
        self.too_low_by = 0
        self._clear()

    def _clear(self) -> None:
        self._keys, self._counts = zeros((2, 2 * MOST), np.int64)
        self._keys[...] = -1
        self._used = 0

    def count(self, codes: Indices, weights: Indices | None = None) -> None:
        """Count codes, those below 0 left out; each `weights` times where given."""
        from lastlayer.kernels.pairs import count_numbers

        weights = np.zeros(0, np.int64) if weights is None else weights
        position = 0
        while True:
            position, self._used = count_numbers(
                codes, weights, position, self._keys, self._counts, self._used, MOST
            )
            if position == codes.size:
                return
            kept, counts = self.pairs()
            middle = int(counts[MOST // 2])
            self.too_low_by += middle
            above = counts > middle
            self._clear()
            self.count(kept[above], counts[above] - middle)

    def pairs(self) -> tuple[Indices, Indices]:
        """Codes and their counts, the most frequent first, of equal ones the lower code."""
        there = np.flatnonzero(self._keys >= 0)
        codes, counts = self._keys[there], self._counts[there]
        order = np.lexsort((codes, -counts))
        return codes[order], counts[order]

    def absorb(self, other: Confusions) -> None:
        """Add what another one has counted."""
        self.count(*other.pairs())
        self.too_low_by += other.too_low_by
