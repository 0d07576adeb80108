"""How the classes fare: the loss, precision and recall of each, and which is taken for which."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from lastlayer.contract import Indices
from lastlayer.scoring.report.axes import key, short
from lastlayer.scoring.report.svg import BLUE, PAPER, VERMILLION
from lastlayer.scoring.tables import Classes

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NUMBERED = 12  # classes: that many counts fit into a matrix


def height_of_bars(count: int) -> float:
    """Inches for so many classes."""
    return 1.1 + 0.21 * max(count, 3)


def bars(figure: Figure, classes: Indices, names: Sequence[str], table: Classes) -> None:
    """The mean loss of each class, and beside it its precision and recall."""
    left, right = figure.subplots(1, 2, sharey=True)
    places = np.arange(len(classes))
    loss = table.loss[classes]
    shares = np.stack([table.precision[classes], table.recall[classes]])
    left.barh(places, np.where(np.isfinite(loss), loss, 0), color=BLUE, alpha=0.75, height=0.7)
    for place in places[np.isposinf(loss)]:
        left.text(0, place, " ∞", va="center", color=VERMILLION)
    right.plot(shares[0], places, "D", color=VERMILLION, markersize=4.5, label="precision")
    right.plot(shares[1], places, "o", color=BLUE, markersize=4.5, label="recall")
    left.set_yticks(places, names)
    left.set(xlabel="mean loss (nats)", ylabel="class", ylim=(len(classes) - 0.4, -0.6))
    left.set_xlim(left=0)
    for axes in (left, right):
        axes.tick_params(axis="y", length=0)
    left.grid(visible=False, axis="y")
    least = min(shares[np.isfinite(shares)], default=0.0)
    right.set(xlabel="share", xlim=(max(-0.02, least - 0.1 * (1.02 - least)), 1.02))
    key(right, columns=2)


def confusion(figure: Figure, names: Sequence[str], matrix: Indices) -> None:
    """The rows of each label by prediction; the stronger the colour, the larger their share."""
    from matplotlib.collections import PolyCollection
    from matplotlib.colors import to_rgba

    axes = figure.subplots()
    size = len(names)
    share = matrix / np.maximum(1, matrix.sum(axis=1, keepdims=True))
    filled = [(int(i), int(j)) for i, j in zip(*np.nonzero(matrix), strict=True)]
    axes.add_collection(
        PolyCollection(
            [
                [(j + x, i + y) for x, y in ((-0.5, -0.5), (0.5, -0.5), (0.5, 0.5), (-0.5, 0.5))]
                for i, j in filled
            ],
            # the root, so that a share of 1 % is still to be seen
            facecolors=[
                to_rgba(BLUE if i == j else VERMILLION, 0.12 + 0.68 * share[i, j] ** 0.5)
                for i, j in filled
            ],
            edgecolors="none",
        )
    )
    if size <= NUMBERED:
        for i, j in filled:
            axes.text(j, i, short(matrix[i, j]), ha="center", va="center", fontsize=8.5)
    small = 10 if size <= NUMBERED else 7.5
    tilted = max(map(len, names), default=0) > 2 and size > NUMBERED / 2
    axes.set_xticks(range(size), names, rotation=90 if tilted else 0, fontsize=small)
    axes.set_yticks(range(size), names, fontsize=small)
    axes.set(xlim=(-0.5, size - 0.5), ylim=(size - 0.5, -0.5), aspect="equal")
    axes.set(xlabel="predicted class", ylabel="class")
    axes.tick_params(length=0)
    axes.grid(visible=False)
    for edge in np.arange(0.5, size - 1):
        axes.axhline(edge, color=PAPER, linewidth=0.8)
        axes.axvline(edge, color=PAPER, linewidth=0.8)
