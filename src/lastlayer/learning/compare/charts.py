"""Panels of curves: as one chart for a file, or one by one as SVG that a page colours itself."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from lastlayer.contract import Floats
from lastlayer.learning.figures import BLUE, FAINT, GREY, INK, VERMILLION

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLOURS = {"quadratic": VERMILLION, "cross-entropy": BLUE}
VARIABLES = {  # what a page has in place of the colours of paper
    INK: "var(--ink)",
    FAINT: "var(--faint)",
    GREY: "var(--rule)",
    BLUE: "var(--cross-entropy)",
    VERMILLION: "var(--quadratic)",
}
LEFT, RIGHT, TOP, FOOT = 40, 92, 26, 34  # points around the curves of a panel
WIDTH, HEIGHT = 360, 196  # points of a panel alone: a phone's width, where a point is a pixel
GAP = 13  # points from one name at the end of a curve to the next
DRAWN = 1500  # points of a curve: more are not seen, and a page would carry them


@dataclass(frozen=True)
class Line:
    """A curve and what is written at its end."""

    x: Floats
    y: Floats
    cost: Literal["quadratic", "cross-entropy"]
    name: str = ""  # written where the curve ends; none if empty
    faint: bool = False  # drawn thin and dotted
    filled: bool = False  # down to 0
    dashed: bool = False


@dataclass(frozen=True)
class Panel:
    """A picture of one quantity for both costs."""

    key: str
    title: str
    lines: tuple[Line, ...]
    x_title: str
    log: bool = False
    percent: bool = False
    top: float | None = None

    @property
    def described(self) -> str:
        """The picture for those who do not see it: its title, and where the curves end."""
        ends = (" ".join(line.name.split()) for line in self.lines if line.name)
        return f"{self.title}: {', '.join(ends)}"


@contextmanager
def _style(font: str | None, **settings: Any) -> Iterator[None]:
    import matplotlib as mpl

    families = [*([font] if font else []), "DejaVu Sans"]
    shared = {
        "font.family": families, "font.size": 10, "text.color": INK, "axes.edgecolor": GREY,
        "axes.labelcolor": FAINT, "xtick.labelcolor": FAINT, "ytick.labelcolor": FAINT,
        "xtick.color": GREY, "ytick.color": GREY, "svg.hashsalt": "lastlayer",
    }  # fmt: skip
    with mpl.rc_context({**shared, **settings}), warnings.catch_warnings():
        # a page's letters are the browser's: Matplotlib need not have them
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        yield


def chart(
    panels: Sequence[Panel], heading: str, columns: int, font: str | None, dpi: int = 150
) -> dict[str, bytes]:
    """All panels in one picture, on paper's white.

    Parameters
    ----------
    panels : sequence of Panel
        From the upper left, a row after the other.
    heading : str
        Written over them.
    columns : int
        Panels side by side.
    font : str or None
        For letters beyond Latin and Greek.
    dpi : int, default 150
        Of the PNG.

    Returns
    -------
    dict of str to bytes
        "png" and "svg".
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    rows = -(-len(panels) // columns)
    width, head = WIDTH * (1.5 if columns == 1 else 1.12), 34
    total = (width * columns / 72, (HEIGHT * rows + head) / 72)
    with _style(font):
        figure = Figure(figsize=total, facecolor="white")
        FigureCanvasAgg(figure)
        wide, high = total[0] * 72, total[1] * 72
        figure.text(10 / wide, 1 - 19 / high, heading, size=12.5, weight="bold", va="center")
        for place, panel in enumerate(panels):
            row, column = divmod(place, columns)
            left = column * width + LEFT
            bottom = high - head - HEIGHT * (row + 1) + FOOT
            size = (width - LEFT - RIGHT, HEIGHT - TOP - FOOT)
            box = (left / wide, bottom / high, size[0] / wide, size[1] / high)
            _draw(figure.add_axes(box), panel, size[1])
        return {kind: _bytes(figure, kind, dpi) for kind in ("png", "svg")}


def inline(panel: Panel, font: str | None) -> str:
    """One panel as an SVG element without a colour, size or font of its own.

    Parameters
    ----------
    panel : Panel
        What to draw.
    font : str or None
        Whose letters are measured; the page's font is used.

    Returns
    -------
    str
        ``<svg>`` that takes its colours from the CSS variables --ink, --faint, --rule,
        --quadratic and --cross-entropy, and is as wide as what it is in.
    """
    from matplotlib.figure import Figure

    with _style(font, **{"svg.fonttype": "none", "svg.hashsalt": f"lastlayer {panel.key}"}):
        figure = Figure(figsize=(WIDTH / 72, HEIGHT / 72), facecolor="none")
        size = (WIDTH - LEFT - RIGHT, HEIGHT - TOP - FOOT)
        box = (LEFT / WIDTH, FOOT / HEIGHT, size[0] / WIDTH, size[1] / HEIGHT)
        _draw(figure.add_axes(box, facecolor="none"), panel, size[1])
        text = _bytes(figure, "svg").decode()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r"<!--.*?-->", "", text)
    text = re.sub(r"<svg[^>]*>", f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" aria-hidden="true">', text)
    text = re.sub(r' id="[\w.]+_\d+"', "", text)  # the same on every panel; nothing refers to it
    text = re.sub(r"(?:font-family: [^;\"]+|font: ([\d.]+px) [^;\"]+)", _size_alone, text)
    for colour, variable in VARIABLES.items():
        text = text.replace(colour.lower(), variable)
    return re.sub(r"\n\s*", "\n", text)


def _size_alone(found: re.Match[str]) -> str:
    return f"font-size: {found[1]}" if found[1] else "font-family: inherit"


def _bytes(figure: Figure, kind: str, dpi: int = 72) -> bytes:
    buffer = io.BytesIO()
    metadata = {"Date": None} if kind == "svg" else {"Software": None}
    figure.savefig(buffer, format=kind, dpi=dpi, metadata=metadata)
    return buffer.getvalue()


# --------------------------------------------------------------------------- one panel


def _draw(axes: Any, panel: Panel, height: float) -> None:
    from matplotlib.ticker import MaxNLocator

    for line in panel.lines:
        x, y = _thinned(line)
        colour = COLOURS[line.cost]
        if line.filled:
            axes.fill_between(x, y, color=colour, alpha=0.22, linewidth=0)
        axes.plot(
            x, y, color=colour, linewidth=1.1 if line.faint else 1.9,
            alpha=0.75 if line.faint else 1,
            linestyle=":" if line.faint else (0, (4, 2)) if line.dashed else "-",
        )  # fmt: skip
        if not line.faint:
            axes.plot(x[-1:], y[-1:], "o", color=colour, markersize=3, clip_on=False)
    first = min(float(line.x[0]) for line in panel.lines)
    axes.set_xlim(min(first, 0), max(float(line.x[-1]) for line in panel.lines))
    _scale(axes, panel)
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True, steps=[1, 2, 5, 10]))
    axes.set_xlabel(panel.x_title, size=9.5, labelpad=2)
    axes.set_title(panel.title, loc="left", size=11, weight="bold", pad=8)
    axes.grid(axis="y", color=GREY, alpha=0.45, linewidth=0.6)
    axes.tick_params(length=0, labelsize=9.5)
    axes.spines[["top", "right", "left"]].set_visible(False)
    _names(axes, panel.lines, height)


def _thinned(line: Line) -> tuple[Floats, Floats]:
    if len(line.x) <= DRAWN:
        return line.x, line.y
    kept = np.unique(np.linspace(0, len(line.x) - 1, DRAWN).round().astype(np.int64))
    return line.x[kept], line.y[kept]


def _scale(axes: Any, panel: Panel) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

    values = np.concatenate([line.y for line in panel.lines])
    if panel.log and (positive := values[values > 0]).size:
        axes.set_yscale("log")
        low, high = positive.min() / 1.25, positive.max() * 1.25
        axes.set_ylim(low, high)
        subs = (1, 2, 5) if high < 30 * low else (1,)
        axes.yaxis.set_major_locator(LogLocator(subs=subs, numticks=6))
        axes.yaxis.set_minor_locator(NullLocator())
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        return
    most = panel.top if panel.top is not None else max(float(values.max()), 1e-12) * 1.04
    axes.set_ylim(0, most)
    axes.yaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 2.5, 5, 10]))
    show = (lambda v, _: f"{v:.0%}") if panel.percent else (lambda v, _: f"{v:g}")
    axes.yaxis.set_major_formatter(FuncFormatter(show))


def _names(axes: Any, lines: Sequence[Line], height: float) -> None:
    """At the end of each curve, pushed apart where two would cover each other."""
    named = [line for line in lines if line.name]
    ends = [float(axes.transLimits.transform(_scaled(axes, line))[1]) * height for line in named]
    rows = [line.name.count("\n") + 1 for line in named]
    order = np.argsort(ends, kind="stable")
    found = apart([ends[i] for i in order], [rows[i] for i in order], height)
    places = dict(zip(order, found, strict=True))
    for i, line in enumerate(named):
        axes.annotate(
            line.name, (1, places[i] / height), xycoords="axes fraction", xytext=(7, 0),
            textcoords="offset points", ha="left", va="center", size=9.8, linespacing=1.1,
            color=COLOURS[line.cost], annotation_clip=False,
        )  # fmt: skip


def _scaled(axes: Any, line: Line) -> tuple[float, float]:
    y = float(line.y[-1])
    low, high = axes.get_ylim()
    if axes.get_yscale() == "log":
        y = max(y, low)
    return tuple(axes.transScale.transform((float(line.x[-1]), min(max(y, low), high))))


def apart(ends: Sequence[float], rows: Sequence[int], height: float) -> list[float]:
    """Ascending places near `ends` for texts of so many rows that don't overlap.

    Parameters
    ----------
    ends : sequence of float
        Where the texts' middles should be, ascending, in points.
    rows : sequence of int
        How many rows each text has.
    height : float
        Of the panel, in points; texts stay inside where they fit.

    Returns
    -------
    list of float
        The places.

    Examples
    --------
    >>> apart([1.0, 12.0, 90.0], [1, 1, 1], 100)
    [6.5, 19.5, 90.0]
    """
    places = list(ends)
    floor = 0.0
    for i, row in enumerate(rows):
        places[i] = max(places[i], floor + GAP * row / 2)
        floor = places[i] + GAP * row / 2
    ceiling = float(height)
    for i in reversed(range(len(places))):
        places[i] = min(places[i], ceiling)
        if i:
            ceiling = places[i] - GAP * (rows[i - 1] + rows[i]) / 2
    return places
