"""Sums beyond what a word holds: the rest of a full word goes to one of larger units.

Kernels only ever add, to words of 63 bits. Of a full word, the part below FULL stays. So what a
word has at last depends on the sum of what was added alone: in whatever parts and order that came,
and wherever it was carried in between, the words are the same.
"""

from __future__ import annotations

from lastlayer.contract import Indices
from lastlayer.kernels import exact_sum
from lastlayer.kernels import tally_words as tally

BITS = 59
FULL = 1 << BITS  # of two such words the sum still is in the range that can be read from JSON

# The carry of a power's upper half, 2^27 of its units, is so many powers further up a lower half's.
_FURTHER = exact_sum.HALF + BITS


def carry(words: Indices, *tables: Indices) -> None:
    """Carry in the words of a tally, and in tables whose rows begin with the digits of a loss."""
    _move(words[tally.RANK_SUM :][:1], words[tally.RANK_ABOVE :][:1], BITS)
    means = words[tally.BRIER : tally.ENTROPY + tally.DIGITS].reshape(2, tally.DIGITS)
    for rows in (means, *tables):
        top, high, middle, low, large = (rows[:, n] for n in range(tally.DIGITS))
        _move(low, middle, 32)
        _move(middle, high, 32)
        _move(high, top, 36)
        _move(top, large, BITS)  # 2^79 and more count as too large a value does
    pairs, above = confidences(words)
    _move(pairs[:, 1::2], above, BITS)
    carry_exact(words[tally.LOSS :][: exact_sum.CELLS])


def carry_exact(sums: Indices) -> None:
    """Carry in the cells of an exact sum, of numbers of either sign. (CELLS,)

    In the lower and upper halves of all powers, so many at a time as do not meet. The last powers,
    of numbers beyond 2^938, have none to carry to.
    """
    cells = sums[: exact_sum.INFINITE].reshape(-1, 2)
    for first in range(0, len(cells), _FURTHER):
        here, further = cells[first:][:_FURTHER], cells[first + _FURTHER :][:_FURTHER]
        _move(here[:, 0], here[:, 1], exact_sum.HALF)
        _move(here[: len(further), 1], further[:, 0], BITS)


def _move(words: Indices, above: Indices, unit: int) -> None:
    """Carry to words whose units are 2^unit times as large."""
    above += (words >> BITS) << (BITS - unit)
    words &= FULL - 1


def confidences(words: Indices) -> tuple[Indices, Indices]:
    """The cells of the fine scale and the bins, and what was carried of their two sums.

    (N, PAIR), in units as tally_words.py has them, and (N, 2), in units FULL times as large.
    """
    end = tally.FINE + (words.size - tally.FINE) // (tally.PAIR + 2) * tally.PAIR
    return words[tally.FINE : end].reshape(-1, tally.PAIR), words[end:].reshape(-1, 2)
