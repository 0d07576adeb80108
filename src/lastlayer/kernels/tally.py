"""What a score keeps of its rows: whole numbers that are added to, in one pass over the columns.

Everything here is an integer, so that it does not matter in what order, in how many threads or in
which parts rows are added. Values are summed as whole numbers of 2^−80, in digits; losses without
any rounding at all besides (exact_sum.py).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from lastlayer.kernels import exact_sum
from lastlayer.kernels.jit import inner, kernel, widest_vectors
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
def _add_large(words: Any, value: Any) -> None:
    """Add a loss of 2^20 or more to digits."""
    if value >= 2.0**60:
        words[4] += 1
        return
    top = np.int64(value * 2.0**-20)
    d1, d2, d3 = _digits(value - top * 2.0**20)
    words[0] += top
    words[1] += d1
    words[2] += d2
    words[3] += d3


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
    cell: Any = np.int64(bits(part) >> (23 - FINE_BITS)) - LOWEST
    cell = cell if cell > 0 else 0
    return cell if low else 2 * SIDE - 1 - cell


@inner
def _bin(confidence: Any, edges: Any) -> Any:
    """Which bin (lo, hi] of equal width; 0 is in the first."""
    count = edges.size - 1
    found = np.int64(confidence * count)
    found = found if found < count else count - 1
    # the product may have been rounded across an edge, and is on it where the edge is meant
    found -= np.int64((confidence <= edges[found]) & (found > 0))
    return found + np.int64(confidence > edges[found + 1])


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


# What is worked out of a chunk of rows side by side, in vectors, before it is scattered row by row.
CHUNK = 256
(COUNTS, RIGHT, POWER, LOW, HIGH, CELL, D1, D2, D3, SHARE, FINE_AT, BIN_AT, ENTROPY_AT, RANK_AT,
 SCRATCH) = (CHUNK * n for n in range(15))  # fmt: skip


@inner
def _count_rows(chunk: Any, prediction: Any, labels: Any, ignore: Any) -> None:
    """Which rows count, and which of them are right."""
    widest_vectors()
    for k in range(labels.size):
        counts = np.int64(labels[k] != ignore) & np.int64(prediction[k] >= 0)
        chunk[COUNTS + k] = counts
        chunk[RIGHT + k] = counts & np.int64(prediction[k] == labels[k])


@inner
def _split_losses(chunk: Any, loss: Any) -> Any:
    """Where and what losses add to; whether one is 2^20 or more."""
    widest_vectors()
    large: Any = 0
    for k in range(loss.size):
        # and not −0.0
        value = loss[k] if (chunk[COUNTS + k] != 0) & (loss[k] > 0.0) else 0.0
        at, low, high = exact_sum.parts(value)
        chunk[POWER + k] = LOSS + at
        chunk[LOW + k] = low
        chunk[HIGH + k] = high
        chunk[CELL + k] = LOSS_CELLS + _loss_cell(value)
        large |= np.int64(value >= 2.0**20)
        value = value if value < 2.0**20 else 0.0
        d1, d2, d3 = _digits(value)
        chunk[D1 + k] = d1
        chunk[D2 + k] = d2
        chunk[D3 + k] = d3
    return large


@inner
def _place_confidences(chunk: Any, confidence: Any, doubt: Any, edges: Any) -> None:
    """Where confidences are counted, and as what they are added."""
    widest_vectors()
    for k in range(confidence.size):
        p = confidence[k] if chunk[COUNTS + k] != 0 else 0.0
        chunk[SHARE + k] = np.int64(p * UNIT + 0.5)
        chunk[FINE_AT + k] = FINE + _fine_cell(p, doubt[k]) * PAIR + 2 * chunk[RIGHT + k]
    near: Any = 0
    count = edges.size - 1
    for k in range(confidence.size):
        p = confidence[k] if chunk[COUNTS + k] != 0 else 0.0
        at = p * count
        found = np.int64(at)
        off = at - np.rint(at)
        near |= np.int64((off < 1e-6) & (off > -1e-6) & (p > 0.0) & (p < 1.0))
        found = found if found < count else count - 1
        chunk[BIN_AT + k] = BINS + found * PAIR + 2 * chunk[RIGHT + k]
    if near:  # an edge is looked up, which takes five times as long
        for k in range(confidence.size):
            p = confidence[k] if chunk[COUNTS + k] != 0 else 0.0
            chunk[BIN_AT + k] = BINS + _bin(p, edges) * PAIR + 2 * chunk[RIGHT + k]


@inner
def _place_rest(chunk: Any, entropy: Any, rank: Any, entropy_scale: Any) -> None:
    """Where entropies and ranks are counted."""
    widest_vectors()
    for k in range(rank.size):
        value = entropy[k] if (chunk[COUNTS + k] != 0) & (entropy[k] > 0.0) else 0.0
        cell = np.int64(value * entropy_scale)
        chunk[ENTROPY_AT + k] = ENTROPY_CELLS + (cell if cell < ENTROPY_BINS else ENTROPY_BINS - 1)
        chunk[RANK_AT + k] = RANK_CELLS + (rank[k] if rank[k] < RANKS else RANKS)


@inner
def _add_means(words: Any, at: Any, values: Any, chunk: Any) -> None:
    """Add the values of the rows that count."""
    widest_vectors()
    high, middle, low = 0, 0, 0
    for k in range(values.size):
        value = values[k] if (chunk[COUNTS + k] != 0) & (values[k] > 0.0) else 0.0
        d1, d2, d3 = _digits(value)
        high, middle, low = high + d1, middle + d2, low + d3
    words[at + 1] += high
    words[at + 2] += middle
    words[at + 3] += low


@inner
def _add_block(block: Any, chunk: Any, n: Any) -> Any:
    """Add the losses of a chunk to its block; how many rows count."""
    widest_vectors()
    d1, d2, d3, counted, right = 0, 0, 0, 0, 0
    for k in range(n):
        d1 += chunk[D1 + k]
        d2 += chunk[D2 + k]
        d3 += chunk[D3 + k]
        counted += chunk[COUNTS + k]
        right += chunk[RIGHT + k]
    block[1] += d1
    block[2] += d2
    block[3] += d3
    block[TALLIED] += counted
    block[CORRECT] += right
    return counted


_ONE = np.uint64(1)


@kernel
def tally_rows(columns: Any, labels: Any, ignore: Any, first: Any, place: Any, level: Any,
               edges: Any, entropy_scale: Any, words: Any, blocks: Any, classes: Any, matrix: Any,
               codes: Any, floats: Any, numbers: Any) -> Any:  # fmt: skip
    """Add rows to a tally; which of them is the first that gave NaN, or −1.

    columns is what `row_statistics` returns, the loss in float64. The rows are `first` and those
    that follow, at `place` and what follows in the row of blocks of 2^level. `matrix` has the
    confusions where it is not empty, else `codes` gets label · C + prediction of each row, −1
    where they agree.
    """
    many, dense = classes.shape[0], matrix.size > 0
    worst, end, row, not_a_number = floats.shape[1] - 1, labels.size, 0, -1
    chunk = np.empty(SCRATCH, np.int64)
    ranks: Any = 0
    widest_vectors()
    least = floats[LOSS_OF, worst] if worst >= 0 else np.inf
    while row < end:
        block = (place + row) >> level
        n = min(CHUNK, end - row, ((block + 1) << level) - place - row)
        here = slice(row, row + n)
        label, guess, loss = labels[here], columns[1][here], columns[0][here]
        confidence, rank = columns[2][here], columns[4][here]
        _count_rows(chunk, guess, label, ignore)
        large = _split_losses(chunk, loss)
        _place_confidences(chunk, confidence, columns[3][here], edges)
        _place_rest(chunk, columns[6][here], rank, entropy_scale)
        _add_means(words, BRIER, columns[5][here], chunk)
        _add_means(words, ENTROPY, columns[6][here], chunk)
        words[COUNT] += _add_block(blocks[block], chunk, n)
        for k in range(n):
            if not dense:
                codes[row + k] = -1
            if chunk[COUNTS + k] == 0:
                if label[k] == ignore:
                    words[IGNORED] += 1
                else:
                    words[NAN] += 1
                    not_a_number = row + k if not_a_number < 0 else not_a_number
                continue
            # unsigned: Numba need not ask whether an index counts from the end
            y, prediction = np.uint64(label[k]), np.uint64(guess[k])
            at = np.uint64(chunk[POWER + k])
            words[at] += chunk[LOW + k]
            words[at + _ONE] += chunk[HIGH + k]
            words[np.uint64(chunk[CELL + k])] += 1
            classes[y, 1] += chunk[D1 + k]
            classes[y, 2] += chunk[D2 + k]
            classes[y, 3] += chunk[D3 + k]
            if dense:
                matrix[y, prediction] += 1
            else:
                classes[y, TALLIED] += 1
                classes[y, CORRECT] += chunk[RIGHT + k]
                classes[prediction, PREDICTED] += 1
                if prediction != y:
                    codes[row + k] = label[k] * many + guess[k]
            at = np.uint64(chunk[FINE_AT + k])
            words[at] += 1
            words[at + _ONE] += chunk[SHARE + k]
            at = np.uint64(chunk[BIN_AT + k])
            words[at] += 1
            words[at + _ONE] += chunk[SHARE + k]
            words[np.uint64(chunk[ENTROPY_AT + k])] += 1
            words[np.uint64(chunk[RANK_AT + k])] += 1
            ranks += rank[k]
            if large and loss[k] >= 2.0**20:
                _add_large(classes[y], loss[k])
                _add_large(blocks[block], loss[k])
            if loss[k] >= least and worst >= 0:
                number = first + row + k
                if loss[k] > least or number < numbers[ROW_OF, worst]:
                    _keep(floats, numbers, loss[k], confidence[k], number, label[k], guess[k])
                    least = floats[LOSS_OF, worst]
        row += n
    words[RANK_SUM] += ranks
    return not_a_number


@kernel
def first_outside(labels: Any, classes: Any, ignore: Any) -> Any:
    """The first label that names no class and is not `ignore`; −1 where all are right."""
    for i in range(labels.size):
        if not 0 <= labels[i] < classes and labels[i] != ignore:
            return i
    return -1
