"""What is said about a comparison, in words: the same in the terminal and on a page."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from lastlayer.scoring.text import clean, number, percent, signed
from lastlayer.scoring.view import nan_rows

if TYPE_CHECKING:
    from lastlayer.scoring.comparison import Comparison, Difference

SCORE_HEADS = ("Predictions", "Loss", "Perplexity", "Accuracy", "Brier", "ECE", "Confidence")
MOST_NAN = 8  # rows that are named
LONGEST_SOURCE = 24  # letters
DIFFERENCE_HEADS = ("Against the first", "Loss", "95 % interval", "Accuracy", "95 % interval")


def short_names(names: Sequence[str], longest: int = 32) -> list[str]:
    """Names that fit into a table and still differ: a number where the cut ones are alike."""
    short = [clean(name, longest) for name in names]
    return [
        name if short.count(name) == 1 else f"{i}. {clean(name, longest - 4)}"
        for i, name in enumerate(short, 1)
    ]


def score_rows(names: Sequence[str], comparison: Comparison) -> list[list[str]]:
    """A line of single numbers for each prediction."""
    return [
        [
            name,
            number(it.loss),
            number(it.perplexity),
            percent(it.accuracy),
            number(it.brier),
            number(it.ece),
            percent(it.confidence),
        ]
        for name, it in zip(names, comparison.scores, strict=True)
    ]


def difference_rows(names: Sequence[str], comparison: Comparison) -> list[list[str]]:
    """A line for each prediction but the first: how far it is from the first."""
    return [
        [
            name,
            signed(it.loss),
            _ends(*it.loss_interval),
            _points(it.accuracy),
            _ends(*it.accuracy_interval, show=_points),
        ]
        for name, it in zip(names[1:], comparison.differences, strict=True)
    ]


def verdicts(comparison: Comparison) -> list[str]:
    """A sentence for each prediction but the first; and which rows of which give NaN."""
    names = [clean(name) for name in comparison.names]
    said = [
        verdict(name, names[0], it)
        for name, it in zip(names[1:], comparison.differences, strict=True)
    ]
    rows = [nan_rows(it, MOST_NAN, LONGEST_SOURCE) for it in comparison.scores]
    return said + [f"{name}: {it}" for name, it in zip(names, rows, strict=True) if it]


def verdict(name: str, first: str, difference: Difference) -> str:
    """Which of two has the lower loss, and whether that may be chance."""
    low, high = difference.loss_interval
    if math.isnan(low):
        return (
            f"{name}: an interval of its difference from {first} takes finite losses and two rows."
        )
    if low <= 0 <= high:
        return f"{name}: no difference in loss from {first} that could not be chance."
    word = "lower" if difference.loss < 0 else "higher"
    ends = sorted((abs(low), abs(high)))
    return (
        f"{name}: a {word} loss than {first}, by {number(abs(difference.loss))} nats "
        f"({number(*ends)} to {number(ends[1])})."
    )


def _ends(low: float, high: float, show: Callable[[float, float], str] = signed) -> str:
    return "–" if math.isnan(low) else f"{show(low, high)} to {show(high, low)}"


def _points(share: float, _beside: float = 0.0) -> str:
    return "–" if math.isnan(share) else f"{100 * share:+.2f}".replace("-", "−")
