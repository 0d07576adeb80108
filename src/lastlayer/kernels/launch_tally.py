"""From a block's rows and a tally to the kernel that adds the ones to the other."""

from __future__ import annotations

from typing import Any

import numpy as np

from lastlayer.contract import Array, Floats, Indices, address
from lastlayer.kernels import launch_statistics
from lastlayer.kernels import tally_words as told
from lastlayer.kernels.chunks import entry
from lastlayer.kernels.tally import tally_columns, tally_rows
from lastlayer.kernels.tally_chunk import COLUMNS_IN, RUN, SCRATCH
from lastlayer.problem import Problem


def tally(
    rows: Problem | tuple[Array, ...], labels: Indices, ignore: int, where: tuple[int, int, int],
    edges: Floats, entropy_scale: float, into: Any, codes: Indices,
) -> None:  # fmt: skip
    """Add rows to a tally.

    Parameters
    ----------
    rows : Problem or tuple of ndarray
        Logits (N, C) that can be handed on, or the columns that `row_statistics` gives, the loss
        in float64.
    labels : ndarray of int64, shape (N,)
    ignore : int
    where : tuple of int
        The first row's number and its place, in the row of blocks of 2^level.
    edges : ndarray
        Of the bins of equal width.
    entropy_scale : float
    into : Tally
    codes : ndarray of int64, shape (N,) or (0,)
        Where the tally has no matrix, gets label · C + prediction of each row, −1 where they agree.
    """
    state = np.empty(told.TOLD, np.int64)
    work = np.zeros(SCRATCH + 8, np.int64)
    at = -(-address(work) // 64) * 64
    single = isinstance(rows, Problem) and rows.loss_dtype == np.float32
    worst, classes = into.floats.shape[1], into.classes.shape[0]
    matrix = address(into.recent) if into.recent.size else 0
    scale = int(np.float64(entropy_scale).view(np.int64))
    state[:] = (
        address(labels), ignore, *where, address(edges), edges.size - 1, scale,
        *map(address, (into.words, into.blocks, into.classes)), classes, matrix,
        *map(address, (codes, into.floats, into.numbers)), worst,
        address(into.nan_rows), at, single, 0,
    )  # fmt: skip
    taker = entry(tally_rows), address(state)
    if isinstance(rows, Problem):
        columns = tuple(at + 8 * RUN * n for n in range(COLUMNS_IN))
        launch_statistics.hand_on(rows, columns, taker)
    else:
        tally_columns(rows, at, taker)
    tally_rows(address(state), 0, 0)
