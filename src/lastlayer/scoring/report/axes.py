"""What the axes of several pictures share."""

from __future__ import annotations

import math
from typing import Any

from lastlayer.scoring.report.svg import SERIES

LONGEST_KEY = 60  # letters
MARKERS = "os^Dv"
LINES = ("-", "--", ":")


def short(value: float) -> str:
    """A count in three letters or four: 950, 12k, 3.5M."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:.3g}{letter}"
    return f"{value:g}"


def power(value: float) -> str:
    """A place on a logarithmic axis."""
    if 1e-3 < value < 1e4:
        return f"{value:g}"
    exponent = str(round(math.log10(value)))
    return "10" + exponent.translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))


def key(axes: Any, columns: int = 1) -> None:
    """What the lines mean, above the axes, where it hides nothing."""
    axes.legend(
        loc="lower left",
        bbox_to_anchor=(0, 1),
        ncols=columns,
        fontsize=9,
        borderpad=0.2,
        columnspacing=1.2,
    )


def line(number: int) -> dict[str, Any]:
    """How the line of one of several predictions looks."""
    return {
        "color": SERIES[number % len(SERIES)],
        "linestyle": LINES[number // len(SERIES) % len(LINES)],
        "linewidth": 1.4,
    }
