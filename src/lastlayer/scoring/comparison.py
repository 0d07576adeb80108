"""Several predictions of the same rows: how far apart they are, and how sure that is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lastlayer.contract import Floats
from lastlayer.scoring.interval import draws, middle
from lastlayer.scoring.text import clean

if TYPE_CHECKING:
    from lastlayer.scoring.score import Score


@dataclass(frozen=True, slots=True)
class Difference:
    """Predictions minus the first ones: below 0, theirs is the lower loss.

    Attributes
    ----------
    loss : float
        Of the mean losses, in nats; NaN where both are infinite.
    loss_interval : tuple of float
        Its 95 % interval; NaN where a loss is infinite, or there are not two blocks of rows.
    accuracy : float
        Of the accuracies.
    accuracy_interval : tuple of float
        Its 95 % interval.
    """

    loss: float
    loss_interval: tuple[float, float]
    accuracy: float
    accuracy_interval: tuple[float, float]


@dataclass(frozen=True, slots=True, eq=False)
class Comparison:
    """Several predictions of the same rows.

    Attributes
    ----------
    names : tuple of str
    scores : tuple of Score
    differences : tuple of Difference
        Of each but the first from the first.
    """

    names: tuple[str, ...]
    scores: tuple[Score, ...]
    differences: tuple[Difference, ...]


def compare(names: Sequence[str], scores: Sequence[Score]) -> Comparison:
    """Set several predictions of the same rows side by side.

    A score keeps its loss and its right rows in sums over blocks of consecutive rows, so nothing
    has to be read again: scores from files of JSON can be compared as well. The intervals are a
    bootstrap over those blocks, the same ones drawn for both predictions: rows that are hard for
    both do not blur the difference, and rows that resemble their neighbours do not make the
    interval too narrow.

    Parameters
    ----------
    names : sequence of str
        A name for each prediction, two at least; the others are compared with the first.
    scores : sequence of Score
        Of the same rows in the same order.

    Returns
    -------
    Comparison
        With a `Difference` for each prediction but the first.

    Raises
    ------
    ValueError
        Fewer than two predictions, another number of names, or scores that cannot be of the same
        rows: other counts, or other labels.

    References
    ----------
    B. Efron and R. J. Tibshirani, *An Introduction to the Bootstrap* (1993), chapters 8 and 13.

    Examples
    --------
    >>> import numpy as np
    >>> import lastlayer as ll
    >>> from lastlayer.scoring.comparison import compare
    >>> logits, labels = np.eye(4) + 1, [0, 1, 2, 0]
    >>> compared = compare(["as is", "sharper"], [ll.score(s * logits, labels) for s in (1, 2)])
    >>> difference = compared.differences[0]
    >>> round(difference.loss, 3), difference.accuracy
    (-0.153, 0.0)
    >>> low, high = difference.loss_interval
    >>> low < difference.loss < high
    True
    """
    if len(names) != len(scores) or len(names) < 2:
        raise ValueError(
            f"{len(names)} names and {len(scores)} scores: a comparison takes a name for each, and "
            "two or more"
        )
    first = scores[0]
    for name, score in zip(names[1:], scores[1:], strict=True):
        if (score.rows, score.classes) != (first.rows, first.classes):
            raise ValueError(
                f"{clean(name)} has {score.rows} rows of {score.classes} classes, "
                f"{clean(names[0])} {first.rows} of {first.classes}: a comparison takes the same "
                "rows"
            )
        apart = np.abs(score.per_class.count - first.per_class.count).sum()
        # rows of NaN are left out of one of them alone
        if score.blocks_begin != first.blocks_begin or apart > score.nan + first.nan:
            raise ValueError(
                f"{clean(name)} and {clean(names[0])} were not scored on the same rows with the "
                "same labels, in the same parts"
            )
    return Comparison(
        tuple(names), tuple(scores), tuple(_difference(first, score) for score in scores[1:])
    )


def _difference(first: Score, other: Score) -> Difference:
    sums = np.stack([first.block_sums, other.block_sums])  # (2, B, 3)
    sums = sums[:, (sums[:, :, 2] > 0).all(axis=0)]
    loss_interval = accuracy_interval = math.nan, math.nan
    if sums.shape[1] >= 2:
        with np.errstate(invalid="ignore"):  # inf - inf
            drawn = [[part[some].sum(axis=1) for part in sums] for some in draws(sums.shape[1])]
            means = _means(np.concatenate(drawn, axis=1))  # (2, resamples, 2)
        loss_interval, accuracy_interval = (middle(it) for it in (means[1] - means[0]).T)
    return Difference(
        other.loss - first.loss, loss_interval, other.accuracy - first.accuracy, accuracy_interval
    )


def _means(sums: Floats) -> Floats:
    """Mean loss and accuracy from sums of loss, right rows and rows. (..., 3) to (..., 2)"""
    with np.errstate(invalid="ignore", divide="ignore"):
        means: Floats = sums[..., :2] / sums[..., 2:]
    return means
