"""What all pictures share: colours, style, and how they become files."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from typing import Any, Literal

Kind = Literal["svg", "png"]
WIDTH = 9.0  # inches: 900 pixels of a README
# Okabe and Ito's colours, told apart by every eye; lastlayer's also by weight.
COLOURS = {
    "lastlayer": "#0072B2",
    "lastlayer-out": "#56B4E9",
    "limit": "#D55E00",
    "torch": "#E69F00",
    "torch-compile": "#CC79A7",
    "jax": "#009E73",
    "scipy": "#999999",
    "numpy": "#000000",
    "scikit-learn-inner": "#C8B900",  # their yellow, darker: it has to be seen on white
    "scikit-learn": "#6B4C9A",
}
MARKERS = {
    "torch": "s", "torch-compile": "D", "jax": "^", "scipy": "v", "numpy": "x",
    "scikit-learn-inner": "P", "scikit-learn": "*",
}  # fmt: skip
INK, FAINT = "#222222", "#6B6B6B"


@contextlib.contextmanager
def style() -> Iterator[None]:
    """The same letters and lines in every picture."""
    import matplotlib as mpl

    settings = {
        "font.family": "DejaVu Sans",
        "font.size": 8,
        "svg.hashsalt": "lastlayer",
        "text.color": INK,
        "axes.edgecolor": "#BBBBBB",
    }
    with mpl.rc_context(settings):
        yield


def canvas(height: float) -> Any:
    """An empty figure of the common width."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH, height), facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def as_bytes(figure: Any, kind: Kind) -> bytes:
    """The file, the same for the same figure."""
    buffer = io.BytesIO()
    metadata = {"Date": None} if kind == "svg" else {"Software": None}
    figure.savefig(buffer, format=kind, dpi=200, facecolor="white", metadata=metadata)
    return buffer.getvalue()
