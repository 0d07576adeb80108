"""What is said about a score, in words: the same in the terminal and on a page."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lastlayer.scoring.tables import Bin
from lastlayer.scoring.text import clean, count, number, percent

if TYPE_CHECKING:
    from lastlayer.contract import Indices
    from lastlayer.scoring.score import Score
    from lastlayer.scoring.tables import Example, Place, TemperatureFit


@dataclass(frozen=True)
class Entry:
    """A headline figure."""

    name: str
    value: str
    unit: str = ""
    interval: str = ""  # 95 %


def summary(score: Score) -> str:
    """What was scored, and what was left out."""
    parts = [f"{count(score.count, 'row')} of {count(score.classes, 'class', 'classes')}"]
    if score.ignored:
        parts.append(f"{count(score.ignored)} ignored by their label")
    if score.nan:
        parts.append(f"{count(score.nan)} left out for NaN")
    return ", ".join(parts)


def nan_rows(score: Score, most: int, longest: int) -> str:
    """Which rows were left out for NaN, or nothing where none was."""
    named = places(score.nan_rows[:most], longest)
    if not named:
        return ""
    more = score.nan - len(named)
    rest = [f"and {count(more)} more"] if more else []
    return f"NaN in {'row' if score.nan == 1 else 'rows'} {'; '.join([*named, *rest])}."


def interval(low: float, high: float) -> str:
    """Where a number lies, or nothing where that is not known."""
    return (
        "" if math.isnan(low) or math.isnan(high) else f"{number(low, high)} to {number(high, low)}"
    )


def headline(score: Score) -> list[Entry]:
    """The single numbers, the loss and what follows from it first."""
    low, high = score.loss_interval
    entries = [
        Entry("Loss", number(score.loss), "nats", interval(low, high)),
        Entry("Perplexity", number(score.perplexity), "", interval(_exp(low), _exp(high))),
        Entry("Bits", number(score.bits), "", interval(low / math.log(2), high / math.log(2))),
    ]
    if score.bits_per_byte is not None:
        entries.append(Entry("Bits a byte", number(score.bits_per_byte)))
    entries.append(
        Entry("Accuracy", percent(score.accuracy), "", shares(*wilson(score.accuracy, score.count)))
    )
    entries += [
        Entry(f"Top-{k} accuracy", percent(share), "", shares(*wilson(share, score.count)))
        for k, share in sorted(score.top_k.items())
        if 1 < k < score.classes
    ]
    return [
        *entries,
        Entry("Mean rank", number(score.mean_rank)),
        Entry("Brier score", number(score.brier)),
        Entry("ECE", number(score.ece)),
        Entry("Adaptive ECE", number(score.adaptive_ece)),
        Entry("MCE", number(score.mce)),
        Entry("Confidence", percent(score.confidence)),
        Entry("Entropy", number(score.entropy), "nats"),
    ]


def _exp(value: float) -> float:
    return float(np.exp(np.float64(value))) if value < 700 else math.inf


def shares(low: float, high: float) -> str:
    """Where a share lies, or nothing where that is not known."""
    return "" if math.isnan(low) else f"{percent(low)} to {percent(high)}".replace(" % to", " to")


def wilson(share: float, total: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a share of so many rows; NaN where there are none.

    References
    ----------
    E. B. Wilson, "Probable inference, the law of succession, and statistical inference",
    JASA 22 (1927), doi 10.1080/01621459.1927.10502953.

    Examples
    --------
    >>> from lastlayer.scoring.view import wilson
    >>> [round(end, 3) for end in wilson(0.9, 10)]
    [0.596, 0.982]
    """
    if total == 0:
        return math.nan, math.nan
    z = 1.959963984540054  # of the normal distribution's middle 95 %
    scale = 1 + z**2 / total
    middle = (share + z**2 / (2 * total)) / scale
    half = z / scale * math.sqrt(share * (1 - share) / total + z**2 / (4 * total**2))
    return min(share, max(0.0, middle - half)), max(share, min(1.0, middle + half))


def calibration(score: Score) -> str:
    """Whether the predictions are too sure, and by how much."""
    if score.count == 0:
        return "There are no rows."
    gap = score.confidence - score.accuracy
    low, high = wilson(score.accuracy, score.count)
    said = f"Mean confidence {percent(score.confidence)}, accuracy {percent(score.accuracy)}: "
    if low <= score.confidence <= high:
        return f"{said}on the whole as sure as they are right."
    word = "too sure" if gap > 0 else "not sure enough"
    return f"{said}{word}, by {100 * abs(gap):.1f} points."


def coarse(bins: Sequence[Bin], most: int) -> list[Bin]:
    """Neighbours put together, so that there are no more than `most` bins.

    Examples
    --------
    >>> from lastlayer.scoring.tables import Bin
    >>> from lastlayer.scoring.view import coarse
    >>> coarse([Bin(0.0, 0.5, 1, 0.5, 0.0), Bin(0.5, 1.0, 3, 0.75, 1.0)], 1)
    [Bin(lo=0.0, hi=1.0, count=4, confidence=0.6875, accuracy=0.75)]
    """
    size = max(1, math.ceil(len(bins) / most))
    joined = []
    for i in range(0, len(bins), size):
        part = bins[i : i + size]
        some = [it for it in part if it.count]
        total = sum(it.count for it in some)
        confidence, accuracy = (
            sum(it.count * value for it, value in zip(some, values, strict=True)) / max(total, 1)
            for values in ([it.confidence for it in some], [it.accuracy for it in some])
        )
        joined.append(Bin(part[0].lo, part[-1].hi, total, confidence, accuracy))
    return joined


def worst_classes(score: Score, most: int) -> Indices:
    """The classes that have rows, the largest mean loss first."""
    per_class = score.per_class
    some = np.flatnonzero(per_class.count > 0)
    order = np.argsort(-per_class.loss[some], kind="stable")
    return some[order[:most]]


def temperature(fit: TemperatureFit) -> list[tuple[str, str, str]]:
    """What dividing the logits by the fitted temperature changes: name, before, after."""
    rows = [
        (name, number(getattr(fit.before, key)), number(getattr(fit.after, key)))
        for name, key in (
            ("Loss", "loss"),
            ("Perplexity", "perplexity"),
            ("Brier score", "brier"),
            ("ECE", "ece"),
            ("Adaptive ECE", "adaptive_ece"),
            ("MCE", "mce"),
        )
    ]
    before, after = fit.before.confidence, fit.after.confidence
    return [*rows, ("Confidence", percent(before), percent(after))]


def gain(fit: TemperatureFit) -> str:
    """What the fitted temperature is, and what it is worth."""
    said = (
        f"Logits divided by {number(fit.temperature)}, the temperature with the least loss, give "
        f"the same predictions at other confidences and a loss lower by {number(fit.gain)} nats, "
        "on the rows that it was fitted to."
    )
    if fit.bounded:
        said += " It is at the end of the range that was searched."
    return said


def places(examples: Sequence[Example | Place], longest: int) -> list[str]:
    """Where rows are: their number, after the file that has it where there are several."""
    if all(it.source_row == it.row for it in examples) and len({it.source for it in examples}) < 2:
        return [count(it.row) for it in examples]
    return [
        count(it.row)
        if it.source is None
        else f"{clean(it.source, longest)}, {count(it.source_row)}"
        for it in examples
    ]
