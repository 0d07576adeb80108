"""Rows into the whole numbers of a score (tally_words.py), in one pass over their statistics."""

from __future__ import annotations

from typing import Any

import numpy as np

from lastlayer.kernels.jit import inner, kernel, widest_vectors
from lastlayer.kernels.tally_chunk import (
    BIN_AT,
    CELL,
    CHUNK,
    COUNTS,
    D1,
    D2,
    D3,
    ENTROPY_AT,
    FINE_AT,
    HIGH,
    LOW,
    POWER,
    RANK_AT,
    RIGHT,
    SCRATCH,
    SHARE,
    add_block,
    add_large,
    add_means,
    count_rows,
    place_confidences,
    place_rest,
    split_losses,
)
from lastlayer.kernels.tally_words import (
    BRIER,
    CONFIDENCE_OF,
    CORRECT,
    COUNT,
    ENTROPY,
    IGNORED,
    LABEL_OF,
    LOSS_OF,
    NAN,
    PREDICTED,
    PREDICTION_OF,
    RANK_SUM,
    ROW_OF,
    TALLIED,
)


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
        count_rows(chunk, guess, label, ignore)
        large = split_losses(chunk, loss)
        place_confidences(chunk, confidence, columns[3][here], edges)
        place_rest(chunk, columns[6][here], rank, entropy_scale)
        add_means(words, BRIER, columns[5][here], chunk)
        add_means(words, ENTROPY, columns[6][here], chunk)
        words[COUNT] += add_block(blocks[block], chunk, n)
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
                add_large(classes[y], loss[k])
                add_large(blocks[block], loss[k])
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
