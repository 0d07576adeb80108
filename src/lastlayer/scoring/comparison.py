"""Several predictions of the same rows: how far apart their losses are, and how sure that is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from lastlayer.contract import Array, Floats

BLOCKS = 1024  # at most that many are kept, whatever the number of rows
RESAMPLES = 2000


@dataclass(frozen=True)
class Difference:
    """Predictions minus the first ones: a loss below 0 is a lower one. NaN where both are infinite.

    Attributes
    ----------
    loss : float
        Of the mean losses, in nats.
    loss_interval : tuple of float
        Its 95 % interval; NaN where a loss is infinite.
    accuracy : float
        Of the accuracies.
    accuracy_interval : tuple of float
        Its 95 % interval.
    """

    loss: float
    loss_interval: tuple[float, float]
    accuracy: float
    accuracy_interval: tuple[float, float]


class Comparison:
    """Losses of several predictions of the same rows, kept as sums over blocks of rows.

    A block is 2^k rows that follow each other. When 1024 blocks are full, neighbours are joined and
    k grows by one: memory does not grow with the rows, and but for rounding nothing depends on how
    the rows were split between calls. Each prediction is given by itself, as fast as it is read:
    the same rows fall into the same blocks.

    The intervals are a bootstrap over the blocks, the same ones drawn for both predictions: rows
    that are hard for both do not blur the difference, and rows that resemble their neighbours do
    not make the interval too narrow. It is the same in every run.

    Parameters
    ----------
    names : sequence of str
        A name for each prediction, two at least; the others are compared with the first.

    Raises
    ------
    ValueError
        Fewer than two names.

    References
    ----------
    B. Efron and R. J. Tibshirani, *An Introduction to the Bootstrap* (1993), chapters 8 and 13.

    Examples
    --------
    >>> from lastlayer.scoring.comparison import Comparison
    >>> comparison = Comparison(["before", "after"])
    >>> comparison.update(0, [0.5, 0.1, 2.0, 0.3], [True, True, False, True])
    >>> comparison.update(1, [0.4, 0.2, 1.5, 0.3], [True, True, False, True])
    >>> difference = comparison.difference(1)
    >>> round(difference.loss, 3)
    -0.125
    >>> [round(end, 3) for end in difference.loss_interval]
    [-0.375, 0.05]
    >>> difference.accuracy
    0.0
    """

    def __init__(self, names: Sequence[str]) -> None:
        if len(names) < 2:
            raise ValueError(f"names = {list(names)!r}: a comparison takes two predictions or more")
        self.names = tuple(names)
        self._sums = [_Sums() for _ in self.names]

    def update(self, which: int, losses: ArrayLike, right: ArrayLike) -> None:
        """Add the next rows of one prediction.

        Parameters
        ----------
        which : int
            The prediction, as its place in the names.
        losses : array_like of float, shape (N,)
            The loss of each row in nats; NaN for a row that does not count.
        right : array_like of bool, shape (N,)
            Whether the predicted class of each row is its label.

        Raises
        ------
        ValueError
            Arrays of other shapes.
        """
        loss, hit = np.asarray(losses, np.float64), np.asarray(right, np.bool_)
        if loss.ndim != 1 or loss.shape != hit.shape:
            raise ValueError(f"losses {loss.shape} and right {hit.shape} must both be (N,)")
        counts = ~np.isnan(loss)
        self._sums[which].add(np.stack([np.where(counts, loss, 0), hit & counts, counts]))

    def difference(self, which: int) -> Difference:
        """One prediction minus the first.

        Parameters
        ----------
        which : int
            The prediction, as its place in the names.

        Returns
        -------
        Difference
            Of the mean loss and of the accuracy, with intervals.

        Raises
        ------
        ValueError
            They have different numbers of rows, or none.
        """
        first, other = self._sums[0], self._sums[which]
        if first.rows != other.rows or first.rows == 0:
            raise ValueError(
                f"{self.names[0]!r} has {first.rows} rows and {self.names[which]!r} {other.rows}: "
                "a comparison takes the same rows of both"
            )
        used = -(-first.rows // first.size)
        sums = np.stack([first.sums[:, :used], other.sums[:, :used]])  # (2, 3, B)
        whole = sums.sum(axis=2)  # (2, 3): loss, right, rows
        drawn = np.random.default_rng(0).multinomial(used, np.full(used, 1 / used), RESAMPLES)
        with np.errstate(invalid="ignore", divide="ignore"):  # inf - inf, no row drawn
            loss, accuracy = ((whole[1] / whole[1, 2]) - (whole[0] / whole[0, 2]))[:2]
            resampled = sums @ drawn.T.astype(np.float64)  # (2, 3, RESAMPLES)
            means = resampled[:, :2] / resampled[:, 2:]
            differences = means[1] - means[0]  # (2, RESAMPLES)
        return Difference(
            float(loss), _interval(differences[0]), float(accuracy), _interval(differences[1])
        )


class _Sums:
    """Loss, right rows and rows of each block of one prediction."""

    def __init__(self) -> None:
        self.rows = 0
        self.size = 1  # rows a block
        self.sums: Floats = np.zeros((3, BLOCKS))

    def add(self, values: Array) -> None:
        """Add rows after those so far. (3, N)"""
        start, end = 0, values.shape[1]
        while start < end:
            if self.rows == self.size * BLOCKS:
                self.sums[:, : BLOCKS // 2] = self.sums[:, ::2] + self.sums[:, 1::2]
                self.sums[:, BLOCKS // 2 :] = 0
                self.size *= 2
            stop = min(end, start + self.size * BLOCKS - self.rows)
            block = (self.rows + np.arange(stop - start)) // self.size
            self.sums += [np.bincount(block, part, BLOCKS) for part in values[:, start:stop]]
            self.rows += stop - start
            start = stop


def _interval(resampled: Floats) -> tuple[float, float]:
    if not np.isfinite(resampled).all():
        return float("nan"), float("nan")
    low, high = np.quantile(resampled, [0.025, 0.975])
    return float(low), float(high)
