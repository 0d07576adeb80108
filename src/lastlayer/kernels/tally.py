"""Rows into the whole numbers of a score (tally_words.py), in one pass over their statistics."""

from __future__ import annotations

from typing import Any

import numpy as np

from lastlayer.kernels import tally_words as told
from lastlayer.kernels.chunks import first_of_chunk, hand_on
from lastlayer.kernels.column import weight_between
from lastlayer.kernels.jit import inner, kernel, one_by_one
from lastlayer.kernels.memory import pointer, prefetch
from lastlayer.kernels.simd import from_bits
from lastlayer.kernels.tally_chunk import (
    BIN_AT,
    CELL,
    CONFIDENCE_IN,
    DIGITS,
    DUE_AT,
    ENTROPY_AT,
    FINE_AT,
    LEFT_OUT,
    LOSS_IN,
    MATRIX_AT,
    POWER,
    PREDICTION_IN,
    RANK_AT,
    RIGHT,
    RUN,
    SHARES,
    SPLIT,
    VALUES,
    add_large,
    bin_of,
    work_out,
)
from lastlayer.kernels.tally_words import (
    BINS,
    COLUMNS,
    CONFIDENCE_OF,
    CORRECT,
    IGNORED,
    LABEL_OF,
    LOSS_OF,
    NAMED,
    NAN,
    NAN_ROWS,
    PAIR,
    PREDICTED,
    PREDICTION_OF,
    ROW_OF,
    TALLIED,
)
from lastlayer.kernels.whole import add_2, add_4

_F32, _F64, _I64, _U32 = np.float32(0), np.float64(0), np.int64(0), np.uint32(0)
_ONE = np.uint32(1)
_SMALL = 64  # classes: what there is of each of them stays in the cache


@inner
def _keep(floats: Any, numbers: Any, worst: Any, loss: Any, confidence: Any, row: Any, label: Any,
          prediction: Any) -> None:  # fmt: skip
    """Put a row among the worst: by loss, the first of equal ones first."""
    place = worst - 1
    if loss == floats[LOSS_OF * worst + place] and row > numbers[ROW_OF * worst + place]:
        return
    while place > 0:
        above = floats[LOSS_OF * worst + place - 1]
        if loss < above or (loss == above and row > numbers[ROW_OF * worst + place - 1]):
            break
        for column in (LOSS_OF, CONFIDENCE_OF):
            floats[column * worst + place] = floats[column * worst + place - 1]
        for column in (ROW_OF, LABEL_OF, PREDICTION_OF):
            numbers[column * worst + place] = numbers[column * worst + place - 1]
        place -= 1
    floats[LOSS_OF * worst + place] = loss
    floats[CONFIDENCE_OF * worst + place] = confidence
    numbers[ROW_OF * worst + place] = row
    numbers[LABEL_OF * worst + place] = label
    numbers[PREDICTION_OF * worst + place] = prediction


@inner
def _name(rows: Any, row: Any) -> None:
    """Put a row among the first ones, in order; threads and calls come in any."""
    place = NAMED - 1
    if row > rows[place]:
        return
    while place > 0 and row < rows[place - 1]:
        rows[place] = rows[place - 1]
        place -= 1
    rows[place] = row


@inner
def _widen(memory: Any, start: Any, n: Any, single: Any) -> None:
    """A chunk's losses in float64."""
    losses = pointer(single, _F32)
    for k in range(n):
        memory[VALUES + k] = (
            memory[LOSS_IN + start + k] if single == 0 else np.float64(losses[start + k])
        )


@inner
def _count_due(state: Any, chunk: Any, matrix: Any) -> None:
    """Count in the cells of the matrix that were asked for a chunk ago, and have come meanwhile."""
    for k in range(state[told.DUE]):
        one_by_one()
        matrix[chunk[DUE_AT + k]] += _ONE
    state[told.DUE] = 0


@kernel
def tally_rows(told_at: Any, row: Any, count: Any) -> Any:
    """Add the rows [row, row + count) of a call, a chunk, to a tally; 0.

    A matrix that is too large for a cache has their confusions after the next chunk, be it of none.

    At `told_at` lies what tally_words.py lists, and in the working memory what is known of the
    rows. Labels and codes are of all rows of the call. The confusions go to the matrix, or `codes`
    gets label · C + prediction of each row, −1 where they agree.
    """
    state = pointer(told_at, _I64)
    words, blocks = pointer(state[told.WORDS], _I64), pointer(state[told.BLOCKS], _I64)
    classes, matrix = pointer(state[told.CLASSES], _I64), pointer(state[told.MATRIX], _U32)
    codes, edges = pointer(state[told.CODES], _I64), pointer(state[told.EDGES], _F64)
    floats, numbers = pointer(state[told.FLOATS], _F64), pointer(state[told.NUMBERS], _I64)
    nan_rows = pointer(state[NAN_ROWS], _I64)
    chunk, memory = pointer(state[told.WORK], _I64), pointer(state[told.WORK], _F64)
    many, worst, ignore = state[told.CLASS_COUNT], state[told.WORST], state[told.IGNORE]
    bins, place, level = state[told.BIN_COUNT], state[told.PLACE], state[told.LEVEL]
    entropy_scale, dense = from_bits(state[told.ENTROPY_SCALE]), state[told.MATRIX] != 0
    single = state[told.WORK] if state[told.SINGLE] != 0 else 0
    least = floats[LOSS_OF * worst + worst - 1] if worst > 0 else np.inf
    _count_due(state, chunk, matrix)
    start: Any = 0
    due: Any = 0
    while start < count:
        here = row + start
        block = (place + here) >> level
        n = min(count - start, ((block + 1) << level) - place - here)
        block *= COLUMNS
        label, label_bits = (
            pointer(state[told.LABELS] + 8 * here, _I64),
            pointer(state[told.LABELS] + 8 * here, _F64),
        )
        guess = pointer(state[told.WORK] + 8 * (PREDICTION_IN + start), _I64)
        _widen(memory, start, n, single)
        counted, most, near = work_out(
            chunk, memory, start, n, label_bits, ignore, many, bins, entropy_scale, words, blocks,
            block, _F64,
        )  # fmt: skip
        if near:  # an edge is looked up, which takes five times as long
            for k in range(n):
                found = bin_of(memory[CONFIDENCE_IN + start + k], edges, bins)
                chunk[BIN_AT + k] = BINS + PAIR * found + 2 * chunk[RIGHT + k]
        for k in range(n):
            one_by_one()
            if not dense:
                codes[here + k] = -1
            if counted < n and chunk[LEFT_OUT + k] != 0:
                if label[k] == ignore:
                    words[IGNORED] += 1
                else:
                    words[NAN] += 1
                    _name(nan_rows, state[told.FIRST] + here + k)
                continue
            add_2(words, chunk[POWER + k], chunk, SPLIT + 2 * k)
            words[chunk[CELL + k]] += 1
            own = label[k] * COLUMNS
            add_4(classes, own, chunk, DIGITS + 4 * k)
            if dense:
                if many <= _SMALL:
                    matrix[chunk[MATRIX_AT + k]] += _ONE
                else:
                    chunk[DUE_AT + due] = chunk[MATRIX_AT + k]
                    prefetch(matrix, chunk[MATRIX_AT + k])
                    due += 1
            else:
                classes[own + TALLIED] += 1
                classes[own + CORRECT] += chunk[RIGHT + k]
                classes[guess[k] * COLUMNS + PREDICTED] += 1
                if guess[k] != label[k]:
                    codes[here + k] = chunk[MATRIX_AT + k]
            add_2(words, chunk[FINE_AT + k], chunk, SHARES + 2 * k)
            add_2(words, chunk[BIN_AT + k], chunk, SHARES + 2 * k)
            words[chunk[ENTROPY_AT + k]] += 1
            words[chunk[RANK_AT + k]] += 1
        if most >= 2.0**20:
            for k in range(n):
                if chunk[LEFT_OUT + k] == 0 and memory[VALUES + k] >= 2.0**20:
                    add_large(classes, label[k] * COLUMNS, memory[VALUES + k])
                    add_large(blocks, block, memory[VALUES + k])
        if most >= least and worst > 0:
            for k in range(n):
                if chunk[LEFT_OUT + k] == 0 and memory[VALUES + k] >= least:
                    _keep(floats, numbers, worst, memory[VALUES + k],
                          memory[CONFIDENCE_IN + start + k], state[told.FIRST] + here + k,
                          label[k], guess[k])  # fmt: skip
                    least = floats[LOSS_OF * worst + worst - 1]
        start += n
    state[told.DUE] = due
    return 0


@kernel
def tally_columns(columns: Any, work: Any, taker: Any) -> None:
    """Hand on rows of which all is known: the columns of `RowStatistics`, the loss in float64."""
    loss, prediction, confidence, doubt, rank, brier, entropy = columns
    memory, whole = pointer(work, _F64), pointer(work, _I64)
    row, first = 0, first_of_chunk(taker, 0)
    while row < loss.size:
        at = row - first
        memory[at], whole[RUN + at], memory[2 * RUN + at] = (
            loss[row], prediction[row], confidence[row],
        )  # fmt: skip
        memory[3 * RUN + at], whole[4 * RUN + at] = doubt[row], rank[row]
        memory[5 * RUN + at], memory[6 * RUN + at] = brier[row], entropy[row]
        row += 1
        first = hand_on(taker, first, row, loss.size)


@kernel
def first_outside(labels: Any, classes: Any, ignore: Any) -> Any:
    """The first label that names no class and is not `ignore`; −1 where all are right."""
    y = pointer(np.int64(labels.ctypes.data), _I64)
    if weight_between(y, 0, labels.size, classes, ignore, None, None) < 0.0:
        for n in range(labels.size):
            if not 0 <= labels[n] < classes and labels[n] != ignore:
                return n
    return -1
