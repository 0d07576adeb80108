"""What a score keeps of its rows: whole numbers that are added to, in one pass over the columns.

Everything here is an integer, so that it does not matter in what order, in how many threads or in
which parts rows are added. Values are summed as whole numbers of 2^−80, in digits; losses without
any rounding at all besides (exact_sum.py).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from lastlayer.kernels import exact_sum
from lastlayer.kernels.exact_sum import add
from lastlayer.kernels.jit import inner, kernel
from lastlayer.kernels.simd import bits

# --------------------------------------------------------------------------- the words of a tally

COUNT, IGNORED, NAN, RANK_SUM = range(4)
# Digits, in units of 2^20, 2^−16, 2^−48 and 2^−80, and how many values were too large for them.
DIGITS = 5
UNITS = (2.0**20, 2.0**-16, 2.0**-48, 2.0**-80)
BRIER = 4
ENTROPY = BRIER + DIGITS

LOSS = 16  # the exact sum
# Losses by the quarters of each power of 2, 2^(n/4): a histogram with a logarithmic axis.
LOSS_CELLS = LOSS + exact_sum.CELLS
INFINITE_CELL = 0x7FF << 2
# From 0 to log C, and beyond by a rounding.
ENTROPY_BINS = 64
ENTROPY_CELLS = LOSS_CELLS + (1 << 13)
# How many classes come before the label: 0, 1, … and all that are more.
RANKS = 1024
RANK_CELLS = ENTROPY_CELLS + ENTROPY_BINS

# Confidence on a scale that resolves near 0 and near 1: the smaller of confidence and doubt by its
# power of 2, down to 2^−32, and the 64th of that. Two sides; two outcomes, each with a count and
# the sum of the confidences in units of 2^−32.
FINE_BITS = 6
LOWEST = 0x2F800000 >> (23 - FINE_BITS)  # of float32's 2^−32
SIDE = (0x3F000000 >> (23 - FINE_BITS)) - LOWEST + 1  # up to 2^−1 itself
FINE = RANK_CELLS + RANKS + 1
UNIT = 2.0**32
PAIR = 4  # words of a cell: wrong rows and their sum, right rows and theirs

BINS = FINE + 2 * SIDE * PAIR  # bins of equal width, as the cells above

# The columns of a row of `classes` and of `blocks`: the digits of the loss, and counts.
TALLIED, PREDICTED, CORRECT, COLUMNS = DIGITS, DIGITS + 1, DIGITS + 2, DIGITS + 3

# The rows of the worst examples: floats, and whole numbers.
LOSS_OF, CONFIDENCE_OF = range(2)
ROW_OF, LABEL_OF, PREDICTION_OF = range(3)


def size(bins: int) -> int:
    """How many words a tally has."""
    return BINS + PAIR * bins


# where the quarters begin within a power, as the lower bits of a float
_QUARTER, _HALF, _THREE = (
    int(np.float64(2.0 ** (n / 4)).view(np.int64)) & ((1 << 52) - 1) for n in (1, 2, 3)
)


@inner
def _loss_cell(value: Any) -> Any:
    """Four for each power of 2."""
    n = bits(value)
    part = n & ((1 << 52) - 1)
    quarter = np.int64(part >= _QUARTER) + np.int64(part >= _HALF) + np.int64(part >= _THREE)
    return ((n >> 52) << 2) + quarter


@inner
def _large(words: Any, value: Any) -> Any:
    """Add the first digit of a loss of 2^20 or more; the rest of it is returned."""
    if value >= 2.0**60:
        words[4] += 1
        return 0.0
    top = np.int64(value * 2.0**-20)
    words[0] += top
    return value - top * 2.0**20


@inner
def _digits(value: Any) -> Any:
    """A value below 2^20 in units of 2^−16, 2^−48 and 2^−80."""
    value = value * 2.0**16
    high = np.int64(value)
    value = (value - high) * 2.0**32
    middle = np.int64(value)
    return high, middle, np.int64((value - middle) * 2.0**32)


@inner
def _fine_cell(confidence: Any, doubt: Any) -> Any:
    """Which cell of the fine scale, in order of confidence."""
    low = confidence <= doubt
    part = np.float32(confidence if low else doubt)
    cell: Any = max(np.int64(bits(part) >> (23 - FINE_BITS)) - LOWEST, 0)
    return cell if low else 2 * SIDE - 1 - cell


@inner
def _bin(confidence: Any, edges: Any) -> Any:
    """Which bin (lo, hi] of equal width; 0 is in the first."""
    count = edges.size - 1
    found = min(np.int64(confidence * count), count - 1)
    if found > 0 and confidence <= edges[found]:
        found -= 1
    elif confidence > edges[found + 1]:
        found += 1
    return found


@inner
def _tally_outcome(words: Any, at: Any, right: Any, confidence: Any) -> None:
    at += 2 * right
    words[at] += 1
    words[at + 1] += confidence


@inner
def _keep(floats: Any, numbers: Any, loss: Any, confidence: Any, row: Any, label: Any,
          prediction: Any) -> None:  # fmt: skip
    """Put a row among the worst: by loss, the first of equal ones first."""
    place = floats.shape[1] - 1
    while place > 0:
        above = floats[LOSS_OF, place - 1]
        if loss < above or (loss == above and row > numbers[ROW_OF, place - 1]):
            break
        floats[:, place] = floats[:, place - 1]
        numbers[:, place] = numbers[:, place - 1]
        place -= 1
    floats[LOSS_OF, place], floats[CONFIDENCE_OF, place] = loss, confidence
    numbers[ROW_OF, place], numbers[LABEL_OF, place] = row, label
    numbers[PREDICTION_OF, place] = prediction


@kernel
def tally_rows(columns: Any, labels: Any, ignore: Any, first: Any, place: Any, level: Any,
               edges: Any, entropy_scale: Any, words: Any, blocks: Any, classes: Any, matrix: Any,
               codes: Any, floats: Any, numbers: Any) -> Any:  # fmt: skip
    """Add rows to a tally; which of them is the first that gave NaN, or −1.

    columns is what `row_statistics` returns. The rows are `first` and those that follow, at
    `place` and what follows in the row of blocks of 2^level. `matrix` has the confusions where it
    is not empty, else `codes` gets label · C + prediction of each row, −1 where they agree.
    """
    loss, prediction, confidence, doubt, rank, brier, entropy = columns
    many, dense = classes.shape[0], matrix.size > 0
    worst = floats.shape[1] - 1
    not_a_number, row, end = -1, 0, labels.size
    ranks: Any = 0
    counted, b1, b2, b3, e1, e2, e3 = 0, 0, 0, 0, 0, 0, 0
    while row < end:
        block = (place + row) >> level
        upto = min(end, ((block + 1) << level) - place)
        rights: Any = 0
        n, l1, l2, l3 = 0, 0, 0, 0
        for i in range(row, upto):
            label, guess, value = labels[i], prediction[i], np.float64(loss[i])
            if not dense:
                codes[i] = -1
            if label == ignore:
                words[IGNORED] += 1
                continue
            if guess < 0 or np.isnan(value):
                words[NAN] += 1
                if not_a_number < 0:
                    not_a_number = i
                continue
            if not value > 0.0:
                value = np.float64(0.0)  # and not −0.0
            right = np.int64(guess == label)
            n += 1
            rights += right

            add(words, LOSS, value)
            words[LOSS_CELLS + _loss_cell(value)] += 1
            if worst >= 0:
                least = floats[LOSS_OF, worst]
                if value > least or (value == least and first + i < numbers[ROW_OF, worst]):
                    _keep(floats, numbers, value, confidence[i], first + i, label, guess)
            if value >= 2.0**20:
                _large(blocks[block], value)
                value = _large(classes[label], value)
            d1, d2, d3 = _digits(value)
            l1, l2, l3 = l1 + d1, l2 + d2, l3 + d3
            classes[label, 1] += d1
            classes[label, 2] += d2
            classes[label, 3] += d3
            if dense:
                matrix[label, guess] += 1
            else:
                classes[label, TALLIED] += 1
                classes[guess, PREDICTED] += 1
                classes[label, CORRECT] += right
                if right == 0:
                    codes[i] = label * many + guess

            share = np.int64(confidence[i] * UNIT + 0.5)
            cell: Any = _fine_cell(confidence[i], doubt[i])
            _tally_outcome(words, FINE + cell * PAIR, right, share)
            _tally_outcome(words, BINS + _bin(confidence[i], edges) * PAIR, right, share)

            ranks += rank[i]
            words[RANK_CELLS + min(rank[i], RANKS)] += 1
            d1, d2, d3 = _digits(brier[i])
            b1, b2, b3 = b1 + d1, b2 + d2, b3 + d3
            value = max(entropy[i], 0.0)
            cell = min(np.int64(value * entropy_scale), ENTROPY_BINS - 1)
            words[ENTROPY_CELLS + cell] += 1
            d1, d2, d3 = _digits(value)
            e1, e2, e3 = e1 + d1, e2 + d2, e3 + d3
        blocks[block, 1] += l1
        blocks[block, 2] += l2
        blocks[block, 3] += l3
        blocks[block, TALLIED] += n
        blocks[block, CORRECT] += rights
        counted += n
        row = upto
    words[COUNT] += counted
    words[RANK_SUM] += ranks
    words[BRIER + 1] += b1
    words[BRIER + 2] += b2
    words[BRIER + 3] += b3
    words[ENTROPY + 1] += e1
    words[ENTROPY + 2] += e2
    words[ENTROPY + 3] += e3
    return not_a_number


@kernel
def first_outside(labels: Any, classes: Any, ignore: Any) -> Any:
    """The first label that names no class and is not `ignore`; −1 where all are right."""
    for i in range(labels.size):
        if not 0 <= labels[i] < classes and labels[i] != ignore:
            return i
    return -1
