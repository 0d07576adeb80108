"""Reliability diagrams: accuracy by confidence, and how many rows that rests on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from lastlayer.scoring.report.axes import LONGEST_KEY, MARKERS, key, line, short
from lastlayer.scoring.report.svg import BLUE, FAINT, INK, PAPER, VERMILLION
from lastlayer.scoring.tables import Bin
from lastlayer.scoring.text import clean
from lastlayer.scoring.view import wilson

if TYPE_CHECKING:
    from matplotlib.figure import Figure

HEIGHT = 4.6  # inches
FEW = 50  # bins


def reliability(figure: Figure, bins: Sequence[Bin]) -> None:
    """Bars of accuracy beside the diagonal, their gaps to the confidence, the rows of each bin."""
    top, bottom = _diagram(figure)
    some = [it for it in bins if it.count]
    accuracy = np.array([it.accuracy for it in some])
    confidence = np.array([it.confidence for it in some])
    ends = np.array([wilson(it.accuracy, it.count) for it in some]).reshape(-1, 2)
    left, right = np.array([(it.lo, it.hi) for it in some]).reshape(-1, 2).T
    # the gaps between many bars would leave nothing of them
    gap = 1 if len(bins) <= FEW else 0
    bars = {"x": left, "width": right - left, "align": "edge", "linewidth": gap}
    top.bar(**bars, height=accuracy, color=BLUE, alpha=0.45, edgecolor=PAPER, label="accuracy")
    top.bar(
        **{**bars, "linewidth": 0.8 * gap},
        bottom=np.minimum(accuracy, confidence),
        height=np.abs(confidence - accuracy),
        facecolor="none",
        edgecolor=VERMILLION,
        hatch="////",
        label="gap to confidence",
    )
    top.errorbar(
        (left + right) / 2,
        accuracy,
        yerr=np.abs(ends - accuracy[:, None]).T,
        fmt="none",
        ecolor=INK,
        elinewidth=gap or 0.5,
        capsize=2 * gap,
        label="95 % interval",
    )
    key(top, columns=3)
    bottom.bar(**bars, height=[it.count for it in some], color=BLUE, alpha=0.75, edgecolor=PAPER)
    _count_axis(bottom, [it.count for it in some])


def reliabilities(figure: Figure, names: Sequence[str], several: Sequence[Sequence[Bin]]) -> None:
    """The same of several predictions, as lines over each other."""
    top, bottom = _diagram(figure)
    for i, (name, bins) in enumerate(zip(names, several, strict=True)):
        some = [it for it in bins if it.count]
        top.plot(
            [it.confidence for it in some],
            [it.accuracy for it in some],
            **line(i),
            marker=MARKERS[i % len(MARKERS)],
            markersize=4.5,
            clip_on=False,
            label=clean(name, LONGEST_KEY),
        )
        if bins:
            bottom.stairs(
                [it.count for it in bins], [bins[0].lo, *(it.hi for it in bins)], **line(i)
            )
    key(top)
    _count_axis(bottom, [it.count for bins in several for it in bins if it.count])


def _diagram(figure: Figure) -> tuple[Any, Any]:
    top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=[3.2, 1])
    top.plot([0, 1], [0, 1], color=FAINT, linewidth=1, linestyle=(0, (4, 3)), zorder=1)
    top.set(xlim=(0, 1), ylim=(0, 1), ylabel="accuracy", yticks=np.linspace(0, 1, 6))
    top.set(xticks=np.linspace(0, 1, 6))
    bottom.set(xlabel="confidence (probability of the predicted class)", ylabel="rows")
    return top, bottom


def _count_axis(axes: Any, counts: Sequence[int]) -> None:
    from matplotlib.ticker import FuncFormatter, MaxNLocator, NullLocator

    if counts and max(counts) > 50 * min(counts):
        axes.set(yscale="log", ylim=(0.7, 2 * max(counts)), ylabel="rows (log)")
        axes.yaxis.set_minor_locator(NullLocator())
    else:
        axes.set_ylim(0, 1.1 * max(counts, default=1))
        axes.yaxis.set_major_locator(MaxNLocator(3, integer=True))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: short(value)))
