"""How losses and entropies are distributed over the rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from lastlayer.contract import Floats
from lastlayer.scoring.report.axes import LONGEST_KEY, key, line, power
from lastlayer.scoring.report.svg import BLUE, FAINT, PAPER, VERMILLION
from lastlayer.scoring.tables import Histogram
from lastlayer.scoring.text import clean, number

if TYPE_CHECKING:
    from matplotlib.figure import Figure

HEIGHT = 3.2  # inches
SMALLEST = 1e-45  # of the losses that have a place on the axis


def losses(figure: Figure, histogram: Histogram, mean: float, uniform: float) -> None:
    """Losses on a logarithmic axis, with their mean and log C."""
    axes = _loss_axes(figure, [histogram])
    _bars(axes, histogram)
    _mark(axes, mean, VERMILLION, "-", f"mean {number(mean)}")
    _mark(axes, uniform, FAINT, (0, (4, 3)), f"all classes alike, log C = {number(uniform)}")
    key(axes, columns=2)


def losses_of_several(figure: Figure, names: Sequence[str], several: Sequence[Histogram]) -> None:
    """The same of several predictions, as outlines over each other."""
    axes = _loss_axes(figure, several)
    axes.set_ylabel("rows (% a doubling of the loss)")
    for i, (name, histogram) in enumerate(zip(names, several, strict=True)):
        axes.stairs(
            _a_doubling(histogram), histogram.edges, **line(i), label=clean(name, LONGEST_KEY)
        )
    key(axes)


def entropies(figure: Figure, histogram: Histogram, mean: float) -> None:
    """Entropies of the predictions, with their mean."""
    axes = figure.subplots()
    axes.set(xlabel="entropy of the prediction (nats)", ylabel="rows (%)")
    axes.set_xlim(histogram.edges[0], histogram.edges[-1])
    _bars(axes, histogram)
    _mark(axes, mean, VERMILLION, "-", f"mean {number(mean)}")
    key(axes)


def _bars(axes: Any, histogram: Histogram) -> None:
    axes.bar(
        histogram.edges[:-1],
        _per_cent(histogram),
        np.diff(histogram.edges),
        align="edge",
        color=BLUE,
        alpha=0.75,
        edgecolor=PAPER,
        linewidth=0.4,
    )


def _per_cent(histogram: Histogram) -> Floats:
    """Of all rows, those included that no bin has."""
    total = histogram.counts.sum() + histogram.zeros + histogram.infinite
    share: Floats = 100 * histogram.counts / max(1, total)
    return share


def _a_doubling(histogram: Histogram) -> Floats:
    """Per cent a doubling of the loss: comparable where the bins are not as wide as each other."""
    return _per_cent(histogram) / np.diff(np.log2(np.maximum(histogram.edges, SMALLEST)))


def _mark(axes: Any, value: float, colour: str, style: Any, label: str) -> None:
    if np.isfinite(value) and (value > 0 or axes.get_xscale() == "linear"):
        axes.axvline(value, color=colour, linestyle=style, linewidth=1.4, label=label)
    else:
        axes.plot([], [], color=colour, linestyle=style, linewidth=1.4, label=label)


def _loss_axes(figure: Figure, several: Sequence[Histogram]) -> Any:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axes = figure.subplots()
    axes.set(xscale="log", xlabel="loss (nats, log axis)", ylabel="rows (%)")
    used = [np.flatnonzero(it.counts) for it in several]
    low = min((it.edges[u[0]] for it, u in zip(several, used, strict=True) if len(u)), default=0.01)
    high = max(
        (it.edges[u[-1] + 1] for it, u in zip(several, used, strict=True) if len(u)), default=10
    )
    low, high = max(low, SMALLEST) / 1.1, high * 1.1
    axes.set_xlim(low, high)
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0,) if high > 100 * low else (1.0, 2.0, 5.0)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: power(value)))
    axes.xaxis.set_minor_formatter(NullFormatter())
    return axes
