"""What a score keeps of its rows: whole numbers, and where each of them lies.

Everything is an integer that is added to, so that it does not matter in what order, in how many
threads or in which parts rows are added. Values are summed as whole numbers of 2^−80, in digits;
losses without any rounding at all besides (exact_sum.py).
"""

from __future__ import annotations

from lastlayer.kernels import exact_sum

COUNT, IGNORED, NAN, RANK_SUM = range(4)
# Digits, in units of 2^20, 2^−16, 2^−48 and 2^−80, and how many values were too large for them.
DIGITS = 5
UNITS = (2.0**20, 2.0**-16, 2.0**-48, 2.0**-80)
BRIER = 4
ENTROPY = BRIER + DIGITS
RANK_ABOVE = ENTROPY + DIGITS  # what was carried of RANK_SUM

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
# After them, for each of the cells and bins, what was carried of its two sums: scoring/carries.py

# The columns of a row of `classes` and of `blocks`: the digits of the loss, and counts.
TALLIED, PREDICTED, CORRECT, COLUMNS = DIGITS, DIGITS + 1, DIGITS + 2, DIGITS + 3

# The rows of the worst examples: floats, and whole numbers.
LOSS_OF, CONFIDENCE_OF = range(2)
ROW_OF, LABEL_OF, PREDICTION_OF = range(3)

# How many of the rows that gave NaN are named: the first ones.
NAMED = 20

# What `tally_rows` is told, an int64 each: addresses, but for what is marked as a number.
# Labels; the label to leave out (a number); the number and the place of the first row and the level
# of blocks (numbers); edges of the bins, and how many bins (a number); ENTROPY_BINS / log C, as the
# bits of a float64 (a number)
LABELS, IGNORE, FIRST, PLACE, LEVEL, EDGES, BIN_COUNT, ENTROPY_SCALE = range(8)
# the arrays of a Tally; how many classes (a number); 0 for no matrix, and then codes; how many
# worst examples (a number); the rows that gave NaN; working memory, and whether losses in it are
# float32 (a number)
(WORDS, BLOCKS, CLASSES, CLASS_COUNT, MATRIX, CODES, FLOATS, NUMBERS, WORST, NAN_ROWS, WORK,
 SINGLE) = range(8, 20)  # fmt: skip
# and how many cells of the matrix have been asked for and not yet counted
DUE = 20
TOLD = 21


def size(bins: int) -> int:
    """How many words are added to."""
    return BINS + PAIR * bins


def size_with_carries(bins: int) -> int:
    """How many words a tally has."""
    return size(bins) + 2 * (2 * SIDE + bins)
