"""Bins of confidence: the reliability table, and the calibration errors that come from it."""

from __future__ import annotations

import math

import numpy as np

from lastlayer.contract import Array, Floats, Indices
from lastlayer.kernels import tally_words as tally
from lastlayer.scoring import carries
from lastlayer.scoring.tables import Bin, Histogram

CONFIDENCE_BINS = 64


def edges(bins: int) -> Floats:
    """Those of bins of equal width."""
    equal: Floats = np.arange(bins + 1) / bins
    return equal


def equal_width(words: Indices) -> Array:
    """Bins of equal width as rows of wrong, their confidence, right, theirs. (bins, 4)

    Of Python's whole numbers, which hold any sum.
    """
    return _whole(words, slice(2 * tally.SIDE, None))


def _whole(words: Indices, which: slice | Indices) -> Array:
    """Some of the cells and bins, with what was carried of their sums."""
    pairs, above = carries.confidences(words)
    table: Array = pairs[which].astype(object)
    table[:, 1::2] += above[which].astype(object) << carries.BITS
    return table


def equal_mass(words: Indices, bins: int) -> tuple[Array, Floats]:
    """The cells of the fine scale put together so that each bin has nearly as many rows.

    A cell goes whole to the bin in which the middle one of its rows lies; bins without rows are
    left out. Returns rows as `equal_width`, and the edges between the bins that there are.
    """
    cells = words[tally.FINE : tally.BINS].reshape(-1, tally.PAIR)
    counts = cells[:, 0] + cells[:, 2]
    there = np.flatnonzero(counts)
    if not there.size:
        return np.zeros((0, tally.PAIR), np.int64), np.zeros(0)
    counts = counts[there]
    upto = np.cumsum(counts.astype(object))
    # twice the rows before the middle of a cell, in whole numbers: exact
    of_bin = (2 * upto - counts) * bins // (2 * upto[-1])
    starts = np.flatnonzero(np.diff(of_bin, prepend=-1))
    table = np.add.reduceat(_whole(words, there), starts, axis=0)
    bounds = fine_edges()
    between = [0.0, *bounds[there[starts[1:]]].tolist(), 1.0]
    return table, np.array(between)


def fine_edges() -> Floats:
    """The confidences between which the cells of the fine scale lie. (2 · SIDE + 1,)"""
    first = np.arange(tally.SIDE, dtype=np.int32) + tally.LOWEST
    low = (first << (23 - tally.FINE_BITS)).view(np.float32).astype(float)
    low[0] = 0.0
    return np.concatenate([low, [0.5], 1 - low[::-1]])


def as_bins(table: Array, bounds: Floats) -> tuple[Bin, ...]:
    """Rows of wrong, their confidence, right, theirs, as what a reliability diagram shows."""
    found = []
    for row, lo, hi in zip(table.tolist(), bounds[:-1].tolist(), bounds[1:].tolist(), strict=True):
        count = row[0] + row[2]
        confidence = (row[1] + row[3]) / (count << 32) if count else math.nan
        found.append(Bin(lo, hi, count, confidence, row[2] / count if count else math.nan))
    return tuple(found)


def expected_error(table: Array) -> float:
    """Σ count / N · |accuracy − confidence| = Σ |right − Σ confidence| / N, rounded once."""
    rows = table.tolist()
    count = sum(wrong + right for wrong, _, right, _ in rows)
    off = sum(abs((right << 32) - low - high) for _, low, right, high in rows)
    return off / (count << 32) if count else math.nan


def maximum_error(bins: tuple[Bin, ...]) -> float:
    """The largest |accuracy − confidence| of a bin that has rows."""
    return max((abs(b.accuracy - b.confidence) for b in bins if b.count), default=math.nan)


def mean_confidence(table: Array) -> float:
    """Over all bins."""
    wrong, low, right, high = (int(total) for total in table.sum(axis=0))
    count = wrong + right
    return (low + high) / (count << 32) if count else math.nan


def confidence_histogram(words: Indices) -> Histogram:
    """In bins of equal width: cells of the fine scale, none of which lies in two of them."""
    cells = words[tally.FINE : tally.BINS].reshape(-1, tally.PAIR)
    middle = fine_edges()
    middle = (middle[:-1] + middle[1:]) / 2
    of_bin = np.minimum((middle * CONFIDENCE_BINS).astype(int), CONFIDENCE_BINS - 1)
    counts = np.bincount(of_bin, cells[:, 0] + cells[:, 2], CONFIDENCE_BINS)
    return Histogram(edges(CONFIDENCE_BINS), counts.astype(np.int64))


def entropy_histogram(words: Indices, classes: int) -> Histogram:
    """From 0 to log C, in bins of equal width."""
    counts = words[tally.ENTROPY_CELLS : tally.RANK_CELLS].copy()
    return Histogram(math.log(max(classes, 1)) * edges(tally.ENTROPY_BINS), counts)


def loss_histogram(words: Indices, bins: int = 64) -> Histogram:
    """On a logarithmic axis: quarters of the powers of 2, or more than one where there are many."""
    cells = words[tally.LOSS_CELLS : tally.ENTROPY_CELLS]
    zeros, infinite = int(cells[0]), int(cells[tally.INFINITE_CELL])
    there = np.flatnonzero(cells[1 : tally.INFINITE_CELL]) + 1
    if not there.size:
        return Histogram(np.array([1.0, 2.0]), np.zeros(1, np.int64), zeros, infinite)
    step = 1
    while there[-1] // step - there[0] // step >= bins:
        step *= 2
    first, last = there[0] // step, there[-1] // step
    counts = np.bincount(there // step - first, cells[there], last - first + 1)
    quarters = step * np.arange(first, last + 2) - 4 * 1023.0
    return Histogram(np.exp2(quarters / 4), counts.astype(np.int64), zeros, infinite)
