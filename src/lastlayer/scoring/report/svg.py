"""Figures as part of a page: inline SVG in the page's own letters and colours."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING
from xml.etree import ElementTree

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# What is drawn in these comes out in the variables of the style sheet, which has two palettes.
INK, FAINT, LINE, PAPER = "#000001", "#000002", "#000003", "#000004"
BLUE, VERMILLION, GREEN, PURPLE, ORANGE = "#000005", "#000006", "#000007", "#000008", "#000009"
VARIABLES = {
    INK: "ink",
    FAINT: "faint",
    LINE: "line",
    PAPER: "paper",
    BLUE: "blue",
    VERMILLION: "vermillion",
    GREEN: "green",
    PURPLE: "purple",
    ORANGE: "orange",
}
SERIES = (BLUE, VERMILLION, GREEN, PURPLE, ORANGE)  # of several predictions, one each
STYLE = {
    "font.family": "DejaVu Sans",  # for the layout: wider than what browsers take, so all fits
    "font.size": 10,
    "svg.fonttype": "none",
    "svg.hashsalt": "lastlayer",
    "text.parse_math": False,  # a class may be called $x$
    "text.color": INK,
    "axes.prop_cycle": f"cycler(color=['{INK}'])",
    "axes.labelcolor": FAINT,
    "axes.edgecolor": LINE,
    "axes.facecolor": "none",
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": LINE,
    "grid.linewidth": 0.6,
    "xtick.color": LINE,
    "ytick.color": LINE,
    "xtick.labelcolor": FAINT,
    "ytick.labelcolor": FAINT,
    "legend.frameon": False,
    "legend.handlelength": 1.6,
    "hatch.color": VERMILLION,
    "hatch.linewidth": 0.6,
}
WIDTH = 5.2  # inches: as wide as a column of the page and not much wider than a telephone


def draw(paint: Callable[[Figure], None], *, name: str, title: str, height: float) -> str:
    """An SVG element for a page, the same for the same figure.

    Parameters
    ----------
    paint : callable
        Draws into the empty figure that it is given.
    name : str
        What the identifiers in the element begin with, another for each figure of a page.
    title : str
        What it shows, for who cannot see it.
    height : float
        In inches; the width is WIDTH.

    Returns
    -------
    str
        ``<svg …>…</svg>`` without a size of its own: as wide as where it is put.
    """
    import matplotlib as mpl
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    buffer = io.BytesIO()
    with mpl.rc_context(STYLE), warnings.catch_warnings():
        # the browser has the letters that the font of the layout lacks
        warnings.filterwarnings("ignore", message="Glyph .* missing", category=UserWarning)
        figure = Figure(figsize=(WIDTH, height), layout="constrained")
        FigureCanvasSVG(figure)
        paint(figure)
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    return _inline(buffer.getvalue(), name, title)


def _inline(content: bytes, name: str, title: str) -> str:
    root = ElementTree.fromstring(content)
    for parent in root.iter():
        for child in list(parent):
            if child.tag.endswith(("metadata", "style")):
                parent.remove(child)
    pointed = set(re.findall(r"#([\w.-]+)[\")]", content.decode()))
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
        for key, value in list(element.attrib.items()):
            del element.attrib[key]
            short = key.rpartition("}")[2]
            if short != "id" or value in pointed:
                element.attrib[short] = _attribute(short, value, name)
    view = root.attrib["viewBox"]
    root.attrib.clear()
    root.attrib.update({"viewBox": view, "role": "img", "aria-labelledby": f"{name}-title"})
    root.insert(0, ElementTree.Element("title", {"id": f"{name}-title"}))
    root[0].text = title
    text = ElementTree.tostring(root, encoding="unicode")
    return re.sub(r">\s+<", "><", text)


def _attribute(key: str, value: str, name: str) -> str:
    if key == "id":
        return f"{name}-{value}"
    if value.startswith("#"):  # of <use>
        return f"#{name}-{value[1:]}"
    value = value.replace("url(#", f"url(#{name}-")
    value = re.sub(r"font-family: [^;]*;? ?", "", value)  # the page's
    value = re.sub(r"#00000\d", lambda found: f"var(--{VARIABLES[found[0]]})", value)
    value = re.sub(r"(\.\d\d)\d+", r"\1", value)
    return re.sub(r"\s*\n\s*", " ", value)
