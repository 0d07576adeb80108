"""The pictures of the demonstration: the curves of a training, and digits with their guesses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

import lastlayer as ll
from lastlayer.contract import Indices
from lastlayer.learning.demo import Epoch
from lastlayer.learning.digits import CLASSES, DARKEST, Digits

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Okabe & Ito's colours, which colour-blind readers tell apart.
BLUE, VERMILLION, GREY, INK, FAINT = "#0072B2", "#D55E00", "#C8CCD0", "#222222", "#6B7075"
COLUMNS = 4


class Curves(Protocol):
    """What is drawn of a training."""

    @property
    def history(self) -> list[Epoch]:
        """Every epoch from 0, the untrained state."""

    @property
    def best_epoch(self) -> int:
        """The one that was kept."""


def draw_curves(
    training: Curves, *, images: str = "digits", loss_name: str = "cross-entropy (nats)"
) -> Figure:
    """Loss and accuracy by epoch, with the epoch that was kept.

    Parameters
    ----------
    training : Training
        What `lastlayer.learning.demo.train` or `lastlayer.learning.training.train` returned.
    images : str, default "digits"
        What is classified.
    loss_name : str, default "cross-entropy (nats)"
        What the loss is, and its unit.

    Returns
    -------
    matplotlib.figure.Figure
        Two panels; outside of pyplot, so nothing needs to be closed.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    epochs = [epoch.number for epoch in training.history]
    best = training.history[training.best_epoch]
    figure = Figure(figsize=(10, 4.2), dpi=150, layout="constrained")
    loss, accuracy = figure.subplots(1, 2)

    loss.plot(epochs, [e.train_loss for e in training.history], color=BLUE, label="training")
    loss.plot(
        epochs,
        [e.validation_loss for e in training.history],
        color=VERMILLION,
        label="validation (decides when to stop)",
    )
    loss.set_yscale("log")
    _plain_log_ticks(loss)
    loss.set_ylabel(loss_name)
    unit = " nats" if "nats" in loss_name else ""
    loss.set_title("Loss", loc="left", fontweight="bold")
    _mark(loss, best.number, best.validation_loss, f"{best.validation_loss:.3g}{unit}", 0.92)

    accuracy.plot(epochs, [100 * e.train_accuracy for e in training.history], color=BLUE)
    accuracy.plot(epochs, [100 * e.validation_accuracy for e in training.history], color=VERMILLION)
    history = training.history
    seen = history[1:] if len(history) > 3 else history  # few epochs: the way up is all there is
    lowest = min(history[-1].train_accuracy, *(e.validation_accuracy for e in seen))
    accuracy.set_ylim(max(0.0, min(90.0, 100 * lowest - 1)), 100.4)
    accuracy.set_ylabel(f"{images} classified right (%)")
    accuracy.set_title("Accuracy", loc="left", fontweight="bold")
    reached = 100 * best.validation_accuracy
    _mark(accuracy, best.number, reached, f"{reached:.1f} %", 0.16)

    for axes in (loss, accuracy):
        axes.set_xlabel(f"epoch (passes over the training {images})")
        axes.set_xlim(0, max(epochs))
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
        axes.grid(color=GREY, alpha=0.5, linewidth=0.6)
        axes.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside lower center", ncols=2, frameon=False)
    return figure


def _mark(axes: Any, epoch: int, value: float, text: str, height: float) -> None:
    """A dotted line at the epoch that was kept, and its value where no curve is in the way."""
    left = epoch > axes.get_xlim()[1] / 3
    axes.axvline(epoch, color=INK, linewidth=0.9, linestyle=":")
    axes.plot(
        [epoch], [value], "o", color=VERMILLION, markeredgecolor="white", zorder=5, clip_on=False
    )
    axes.annotate(
        f"kept: epoch {epoch}\n{text}",
        (epoch, height),
        xycoords=("data", "axes fraction"),
        xytext=(-6 if left else 6, 0),
        textcoords="offset points",
        ha="right" if left else "left",
        va="top",
        color=INK,
        fontsize=9,
    )


def _plain_log_ticks(axes: Any) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    low, high = axes.get_ylim()
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if high / low < 1e3 else (1,)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())


def choose_digits(
    logits: NDArray[np.float32], labels: Indices, columns: int = COLUMNS
) -> dict[str, list[int]]:
    """Which digits to show: a row of the surest, of the least sure right ones, and of the worst.

    Parameters
    ----------
    logits : ndarray, shape (N, C)
        Raw outputs.
    labels : ndarray, shape (N,)
        The right classes.
    columns : int, default 4
        The most digits a row.

    Returns
    -------
    dict of str to list of int
        The heading of each row and positions in `labels`. No two of the surest share a class.
    """
    losses = ll.cross_entropy(logits, labels, reduction="none")
    right = logits.argmax(axis=-1) == labels
    by_loss = np.argsort(losses, kind="stable")
    sure: dict[int, int] = {}
    for position in by_loss[right[by_loss]]:
        sure.setdefault(int(labels[position]), int(position))
    surest = list(sure.values())[:columns]
    unsure = [int(i) for i in by_loss[::-1] if right[i] and i not in surest][:columns]
    wrong = [int(i) for i in by_loss[::-1] if not right[i]][:columns]
    return {"right, and sure": surest, "right, but unsure": unsure, "wrong": wrong}


def draw_digits(digits: Digits, logits: NDArray[np.float32]) -> Figure:
    """Some digits, each beside the bars of its class probabilities; wrong ones framed.

    Parameters
    ----------
    digits : Digits
        N digits with their labels.
    logits : ndarray, shape (N, C)
        What the layer says about them.

    Returns
    -------
    matplotlib.figure.Figure
        Three rows: right and sure, right but unsure, wrong.
    """
    from matplotlib.figure import Figure

    rows = choose_digits(logits, digits.labels)
    probabilities = ll.softmax(logits)  # (N, C)
    count, right = len(digits), int(np.sum(logits.argmax(axis=-1) == digits.labels))

    figure = Figure(figsize=(12, 8.1), dpi=120, facecolor="white")
    figure.text(
        0.022,
        0.962,
        f"{right} of {count} held-out digits right",
        fontsize=17,
        fontweight="bold",
        color=INK,
    )
    figure.text(
        0.022,
        0.931,
        "Each digit, 8 × 8 pixels, beside the probabilities that softmax gives the ten classes. "
        "Chosen: the surest, the least sure, the worst.",
        fontsize=10.5,
        color=FAINT,
    )
    for row, (heading, positions) in enumerate(rows.items()):
        top = 0.885 - row * 0.285
        figure.text(0.022, top, heading, fontsize=12, fontweight="bold", color=INK)
        for column, position in enumerate(positions):
            tile = (0.022 + column * 0.245, top - 0.255, 0.228, 0.235)
            _draw_tile(figure, tile, digits, probabilities[position], position)
    _draw_key(figure)
    return figure


def _draw_tile(
    figure: Figure,
    tile: tuple[float, float, float, float],
    digits: Digits,
    probabilities: NDArray[np.float32],  # (C,)
    position: int,
) -> None:
    from matplotlib.patches import FancyBboxPatch

    label, predicted = int(digits.labels[position]), int(probabilities.argmax())
    right = label == predicted
    colour = BLUE if right else VERMILLION
    left, bottom, width, height = tile
    figure.add_artist(
        FancyBboxPatch(
            (left, bottom),
            width,
            height,
            boxstyle="round,pad=0,rounding_size=0.006",
            facecolor="white",
            edgecolor=GREY if right else VERMILLION,
            linewidth=0.8 if right else 2.4,
            zorder=-1,
        )
    )
    picture = figure.add_axes((left + 0.011, bottom + 0.020, 0.102, 0.151))
    picture.imshow(digits.images[position], cmap="gray_r", vmin=0, vmax=DARKEST)
    picture.set_anchor("W")
    picture.set_axis_off()
    figure.text(
        left + 0.011,
        bottom + height - 0.039,
        f"{label}" if right else f"{label}, predicted {predicted}",
        fontsize=11,
        fontweight="bold",
        color=INK if right else VERMILLION,
    )

    bars = figure.add_axes((left + 0.142, bottom + 0.012, 0.078, height - 0.024))
    classes = np.arange(CLASSES)
    colours = [colour if c == predicted else GREY for c in classes]
    bars.barh(classes, probabilities, height=0.74, color=colours)
    for c in {label, predicted}:
        bars.text(
            probabilities[c] + 0.04 if probabilities[c] < 0.6 else probabilities[c] - 0.04,
            c + 0.03,
            _percent(float(probabilities[c])),
            ha="left" if probabilities[c] < 0.6 else "right",
            va="center_baseline",
            fontsize=8,
            color=INK if probabilities[c] < 0.6 else "white",
        )
    bars.plot([-0.24], [label], marker=">", color=INK, markersize=5, clip_on=False)
    bars.set_xlim(0, 1)
    bars.set_ylim(CLASSES - 0.4, -0.6)
    bars.set_yticks(classes)
    bars.tick_params(length=0, pad=3, labelsize=8.5, labelcolor=FAINT)
    bars.get_yticklabels()[label].set(fontweight="bold", color=INK)
    bars.set_xticks([])
    bars.spines[["top", "right", "bottom"]].set_visible(False)
    bars.spines["left"].set_color(GREY)


def _percent(probability: float) -> str:
    if probability >= 0.9995:
        return ">99.9 %"
    return f"{100 * probability:.1f} %" if probability >= 0.001 else "<0.1 %"


def _draw_key(figure: Figure) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    figure.legend(
        handles=[
            Patch(color=BLUE, label="predicted, and right"),
            Patch(color=VERMILLION, label="predicted, but wrong"),
            Patch(color=GREY, label="other classes"),
            Line2D([], [], marker=">", color=INK, linestyle="none", label="what was written"),
        ],
        loc="lower center",
        ncols=4,
        frameon=False,
        fontsize=10,
        bbox_to_anchor=(0.5, 0.004),
    )
