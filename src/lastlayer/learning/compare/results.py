"""What the comparison leaves on disk."""

from __future__ import annotations

import json
import platform
from collections.abc import Callable, Mapping
from importlib.metadata import version

from lastlayer import __version__
from lastlayer.learning.compare.charts import chart
from lastlayer.learning.compare.page import page
from lastlayer.learning.compare.story import Language, Story


def contents(
    tell: Callable[[Language], Story],
    lang: Language,
    font: str | None,
    curves: Mapping[str, object],
    settings: Mapping[str, object],
) -> dict[str, bytes]:
    """The files of a comparison, by name.

    Parameters
    ----------
    tell : callable
        The story in a language.
    lang : {"en", "zh"}
        Of the page.
    font : str or None
        With Chinese letters; without one the charts of a Chinese page are in English, while the
        page itself has the browser's letters.
    curves : mapping
        By cost, then by quantity: numbers and lists.
    settings : mapping
        What the result depends on.

    Returns
    -------
    dict of str to bytes
        compare.html, compare.png, compare.svg and compare.json.

    Raises
    ------
    ValueError
        A number is NaN or infinite, which JSON does not have.
    """
    versions = {"lastlayer": __version__, "python": platform.python_version()}
    versions |= {name: version(name) for name in ("numpy", "numba")}
    everything = {"curves": curves, "settings": settings, "versions": versions}
    story = tell(lang)
    drawn = story if font or lang == "en" else tell("en")
    pictures = chart(drawn.panels, drawn.title, drawn.columns, font)
    return {
        "compare.html": page(story, font),
        "compare.png": pictures["png"],
        "compare.svg": pictures["svg"],
        "compare.json": (json.dumps(everything, indent=1, allow_nan=False) + "\n").encode(),
    }
