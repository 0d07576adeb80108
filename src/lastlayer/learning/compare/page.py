"""The comparison as one HTML page: words beside pictures, no script, nothing fetched."""

from __future__ import annotations

import re

from lastlayer import __version__
from lastlayer.learning.compare.charts import inline
from lastlayer.learning.compare.story import WORDS, Story


def page(story: Story, font: str | None) -> bytes:
    """The page of a story.

    Parameters
    ----------
    story : Story
        Of either comparison.
    font : str or None
        What `chinese_font` found, to measure Chinese letters by.

    Returns
    -------
    bytes
        UTF-8 HTML, for screens light and dark, phones and paper.
    """
    import jinja2
    from markupsafe import Markup

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("lastlayer.learning.compare", ""),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters["unbroken"] = _unbroken
    return (
        environment.get_template("page.html")
        .render(
            story=story,
            words=WORDS[story.lang],
            language={"en": "en", "zh": "zh-Hans"}[story.lang],
            version=__version__,
            # the panels are drawn here: what is in them is escaped by whoever draws
            pictures={panel.key: Markup(inline(panel, font)) for panel in story.panels},
        )
        .encode()
    )


def _unbroken(text: str) -> str:
    """A line does not end inside a formula."""
    return re.sub(" ([=−+·]) ", "\u00a0\\1\u00a0", text)
