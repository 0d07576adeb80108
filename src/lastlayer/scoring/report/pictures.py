"""The figures of a report, each with its caption and the numbers that it shows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from lastlayer.scoring import view
from lastlayer.scoring.class_names import called
from lastlayer.scoring.report import classes, diagrams, distributions
from lastlayer.scoring.report.svg import draw
from lastlayer.scoring.report.tables import Picture, Table
from lastlayer.scoring.text import count, number, percent

if TYPE_CHECKING:
    from lastlayer.contract import Indices
    from lastlayer.scoring.score import Score
    from lastlayer.scoring.tables import Bin, Confusion, Histogram, TemperatureFit

MOST_CLASSES = 30  # of a figure
MOST_ROWS = 1000  # of the table under it
MOST_LETTERS = 14  # of a class beside an axis


def reliability(score: Score) -> Picture:
    """The reliability diagram."""
    return Picture(
        "reliability",
        "Reliability diagram",
        f"{view.calibration(score)} Each bar is the accuracy of the rows whose confidence lies "
        "there; where it ends below the dashed line the predictions are too sure, above it not "
        "sure enough. Underneath, how many rows each bar stands for.",
        draw(
            lambda figure: diagrams.reliability(figure, score.reliability),
            name="reliability",
            title="Reliability diagram: accuracy by confidence",
            height=diagrams.HEIGHT,
        ),
        _bin_table("Rows by confidence, bins without rows left out", score.reliability),
    )


def temperature(fit: TemperatureFit) -> Picture:
    """The reliability diagram before and after the temperature."""
    names = "before", f"after, temperature {number(fit.temperature)}"
    return reliabilities(
        "temperature",
        names,
        [fit.before.reliability, fit.after.reliability],
        title="Before and after the temperature",
        text=view.gain(fit),
    )


def reliabilities(
    name: str, names: Sequence[str], several: Sequence[Sequence[Bin]], *, title: str, text: str
) -> Picture:
    """Several reliability diagrams over each other."""
    rows = [
        [label, *cells]
        for label, bins in zip(names, several, strict=True)
        for cells in _bin_table("", bins).rows
    ]
    return Picture(
        name,
        title,
        text,
        draw(
            lambda figure: diagrams.reliabilities(figure, names, several),
            name=name,
            title=f"{title}: accuracy by confidence",
            height=diagrams.HEIGHT,
        ),
        Table("Rows by confidence, bins without rows left out", ("Predictions", *_BIN_HEADS), rows),
    )


_BIN_HEADS = ("Confidence", "Rows", "Mean confidence", "Accuracy", "95 % interval")


def _bin_table(caption: str, bins: Sequence[Bin]) -> Table:
    rows = [
        [
            f"{it.lo:.3f} to {it.hi:.3f}",
            count(it.count),
            percent(it.confidence),
            percent(it.accuracy),
            view.shares(*view.wilson(it.accuracy, it.count)),
        ]
        for it in bins
        if it.count
    ]
    return Table(caption, _BIN_HEADS, rows)


def losses(score: Score) -> Picture:
    """The distribution of the losses."""
    histogram = score.loss_histogram
    uniform = math.log(score.classes) if score.classes else math.nan
    return Picture(
        "losses",
        "Distribution of the loss",
        "How many rows have which loss. The mean lies where few large losses pull it. "
        + beyond(histogram),
        draw(
            lambda figure: distributions.losses(figure, histogram, score.loss, uniform),
            name="losses",
            title="Histogram of the losses on a logarithmic axis",
            height=distributions.HEIGHT,
        ),
        _histogram_table("Rows by loss (nats)", histogram),
    )


def losses_of_several(names: Sequence[str], several: Sequence[Histogram]) -> Picture:
    """The distributions of several losses over each other."""
    rows = [
        [name, *cells]
        for name, histogram in zip(names, several, strict=True)
        for cells in _histogram_table("", histogram).rows
    ]
    return Picture(
        "losses",
        "Distribution of the loss",
        "How many rows have which loss.",
        draw(
            lambda figure: distributions.losses_of_several(figure, names, several),
            name="losses",
            title="Histograms of the losses on a logarithmic axis",
            height=distributions.HEIGHT,
        ),
        Table("Rows by loss (nats)", ("Predictions", "From", "To", "Rows"), rows),
    )


def beyond(histogram: Histogram) -> str:
    """The rows that a logarithmic axis cannot show."""
    parts = []
    if histogram.zeros:
        parts.append(f"{count(histogram.zeros, 'row')} with a loss of exactly 0")
    if histogram.infinite:
        parts.append(f"{count(histogram.infinite, 'row')} with an infinite loss")
    return f"Not on this axis: {' and '.join(parts)}." if parts else ""


def _histogram_table(caption: str, histogram: Histogram) -> Table:
    rows = [
        [number(float(histogram.edges[i])), number(float(histogram.edges[i + 1])),
         count(int(histogram.counts[i]))]
        for i in np.flatnonzero(histogram.counts)
    ]  # fmt: skip
    if histogram.zeros:
        rows.insert(0, ["0", "0", count(histogram.zeros)])
    if histogram.infinite:
        rows.append(["∞", "∞", count(histogram.infinite)])
    return Table(caption, ("From", "To", "Rows"), rows)


def entropies(score: Score) -> Picture:
    """The distribution of the entropies."""
    histogram = score.entropy_histogram
    return Picture(
        "entropies",
        "Distribution of the entropy",
        "How spread the probabilities of each row are: 0 where one class has all, log C where all "
        "have the same.",
        draw(
            lambda figure: distributions.entropies(figure, histogram, score.entropy),
            name="entropies",
            title="Histogram of the entropies of the predictions",
            height=distributions.HEIGHT,
        ),
        _histogram_table("Rows by entropy (nats)", histogram),
    )


def class_bars(score: Score) -> Picture:
    """Loss, precision and recall of the classes with the largest loss."""
    table = score.per_class
    every = view.worst_classes(score, MOST_ROWS)
    shown = every[:MOST_CLASSES]
    present = int(np.count_nonzero(table.count))
    which = "largest loss first"
    if present > len(shown):
        which = f"the {len(shown)} of {count(present)} with the largest loss"
    return Picture(
        "classes",
        "The classes",
        f"Mean loss, precision and recall of each class, {which}.",
        draw(
            lambda figure: classes.bars(figure, shown, _ticks(score, shown), table),
            name="classes",
            title="Loss, precision and recall of each class",
            height=classes.height_of_bars(len(shown)),
        ),
        Table(
            "Classes, largest loss first",
            ("Class", "Rows", "Loss (nats)", "Precision", "Recall", "F1"),
            [
                [
                    called(score, int(k)),
                    count(int(table.count[k])),
                    number(float(table.loss[k])),
                    *(percent(float(it[k])) for it in (table.precision, table.recall, table.f1)),
                ]
                for k in every
            ],
        ),
    )


def confusion(score: Score) -> Picture:
    """Which class is taken for which."""
    which = most_confused(score.confusion, score.classes)
    matrix = among(score, which)
    text = "Each line holds the rows of one class, by the class that was predicted."
    if len(which) < score.classes:
        text += f" The {len(which)} most confused of {count(score.classes)} classes."
    if score.confusion.too_low_by:
        text += f" Counts beside the diagonal may be too low by {score.confusion.too_low_by:,}."
    return Picture(
        "confusion",
        "Confusion matrix",
        text,
        draw(
            lambda figure: classes.confusion(figure, _ticks(score, which), matrix),
            name="confusion",
            title="Confusion matrix",
            height=4.9,
        ),
        Table(
            "Confusions, most frequent first",
            ("Class", "Predicted", "Rows"),
            [
                [called(score, label), called(score, prediction), count(rows)]
                for label, prediction, rows in score.confusion.pairs[:MOST_ROWS]
            ],
        ),
    )


def _ticks(score: Score, which: Indices) -> list[str]:
    """Classes beside an axis."""
    return [called(score, int(k), MOST_LETTERS) if score.class_names else str(k) for k in which]


def most_confused(confusion: Confusion, total: int) -> Indices:
    """The classes of the most frequent confusions, in their order; all where they are few."""
    if total <= MOST_CLASSES:
        return np.arange(total)
    chosen: dict[int, None] = {}
    for label, prediction, _ in confusion.pairs:
        if len(chosen.keys() | {label, prediction}) > MOST_CLASSES:
            break
        chosen.update({label: None, prediction: None})
    return np.array(sorted(chosen), dtype=np.int64)


def among(score: Score, which: Indices) -> Indices:
    """The confusion matrix of some classes alone."""
    if score.confusion.matrix is not None:
        part: Indices = score.confusion.matrix[np.ix_(which, which)]
        return part
    place = {int(k): i for i, k in enumerate(which)}
    matrix = np.diag(score.per_class.correct[which])
    for label, prediction, rows in score.confusion.pairs:
        if label in place and prediction in place:
            matrix[place[label], place[prediction]] = rows
    return matrix
