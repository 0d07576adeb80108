"""What a Score gives beyond single numbers: bins, histograms, tables, examples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lastlayer.contract import Floats, Indices

if TYPE_CHECKING:
    from lastlayer.scoring.score import Score


@dataclass(frozen=True, slots=True)
class Bin:
    """The rows whose confidence lies in (lo, hi]: one bar of a reliability diagram.

    Attributes
    ----------
    lo, hi : float
        The edges. The first bin has 0 too.
    count : int
        How many rows.
    confidence, accuracy : float
        Their mean confidence, and the share of them that is right; NaN for an empty bin.
    """

    lo: float
    hi: float
    count: int
    confidence: float
    accuracy: float


@dataclass(frozen=True, slots=True, eq=False)
class Histogram:
    """How many rows have a value between two edges.

    Attributes
    ----------
    edges : ndarray, shape (n + 1,)
        Increasing.
    counts : ndarray of int64, shape (n,)
        The rows from edges[i] up to edges[i + 1].
    zeros, infinite : int
        Rows that no bin of a logarithmic axis has: those of exactly 0, and of infinity.
    """

    edges: Floats
    counts: Indices
    zeros: int = 0
    infinite: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Classes:
    """A row for each class, as columns of shape (C,); NaN where 0 is divided by 0.

    Attributes
    ----------
    count, predicted, correct : ndarray of int64
        Rows with this label; rows with this prediction; rows with both.
    loss : ndarray
        Mean loss of the rows with this label, in nats.
    precision, recall, f1 : ndarray
        correct / predicted, correct / count, and 2 correct / (count + predicted).
    """

    count: Indices
    predicted: Indices
    correct: Indices
    loss: Floats

    @property
    def precision(self) -> Floats:
        """The share of the rows with this prediction that are right."""
        return _ratio(self.correct, self.predicted)

    @property
    def recall(self) -> Floats:
        """The share of the rows with this label that are right."""
        return _ratio(self.correct, self.count)

    @property
    def f1(self) -> Floats:
        """The harmonic mean of precision and recall."""
        return _ratio(2 * self.correct, self.count + self.predicted)


@dataclass(frozen=True, slots=True, eq=False)
class Confusion:
    """Which class was taken for which.

    Attributes
    ----------
    matrix : ndarray of int64, shape (C, C), or None
        [label, prediction]; None where there are more than 1000 classes.
    pairs : tuple of (label, prediction, count)
        The confusions (label and prediction differ), most frequent first; for a matrix all of
        them, else the most frequent.
    too_low_by : int
        By how much a count of `pairs` may be too low, and the most that a missing pair can have;
        0 where all are exact.
    """

    matrix: Indices | None
    pairs: tuple[tuple[int, int, int], ...]
    too_low_by: int = 0


@dataclass(frozen=True, slots=True)
class Place:
    """Where a row is.

    Attributes
    ----------
    row : int
        Counted from 0 over everything that was scored.
    source : str or None
        What `update` was told that the row comes from.
    source_row : int
        Counted from 0 within the source.
    """

    row: int
    source: str | None = None
    source_row: int = 0


@dataclass(frozen=True, slots=True)
class Example:
    """One row, as the worst ones are listed.

    Attributes
    ----------
    row : int
        Counted from 0 over everything that was scored.
    label, prediction : int
        For a distribution as label, its most probable class.
    loss : float
        In nats.
    confidence : float
        Probability of the prediction.
    source : str or None
        What `update` was told that the row comes from.
    source_row : int
        Counted from 0 within the source.
    """

    row: int
    label: int
    prediction: int
    loss: float
    confidence: float
    source: str | None = None
    source_row: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class TemperatureFit:
    """The temperature that minimises the loss, and what it gains.

    Attributes
    ----------
    temperature : float
        T: the logits divided by it give the least loss.
    before, after : Score
        At temperature 1 and at T.
    passes : int
        How often the logits were read to find it, the two scores not counted.
    bounded : bool
        The loss still falls at the end of the range that was searched.
    """

    temperature: float
    before: Score
    after: Score
    passes: int
    bounded: bool = False

    @property
    def gain(self) -> float:
        """By how much the mean loss falls, in nats."""
        return self.before.loss - self.after.loss


def _ratio(part: Indices, whole: Indices) -> Floats:
    with np.errstate(invalid="ignore"):
        ratio: Floats = part / whole
    return ratio
