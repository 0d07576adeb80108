"""The playground: one page in which the logits are moved by hand and every number follows.

`page.html` says what is on it, `style.css` how it looks, the scripts in `SCRIPTS` compute and draw,
`words_en` and `words_zh` hold its words. The page is all of them in one file that fetches nothing.
"""

from __future__ import annotations

import math
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import numpy as np

from lastlayer.learning import explain_en, explain_zh
from lastlayer.learning.playground import words_en, words_zh

if TYPE_CHECKING:
    from lastlayer.learning.explain import Explanation

# In their order: each may use what those before it define.
SCRIPTS = (
    *("arithmetic.js", "text.js", "field.js", "chart.js"),
    *("classes.js", "steps.js", "descent.js", "neuron.js", "main.js"),
)
WORDS = {
    "en": explain_en.WORDS | words_en.WORDS,
    "zh": explain_zh.WORDS | words_zh.WORDS,
}
LEAST_CLASSES, MOST_CLASSES = 2, 10
MOST_ROWS = 50


def page(explanation: Explanation, *, learning_rate: float = 1.0) -> str:
    """A page that begins with the rows of an explanation, as HTML.

    Parameters
    ----------
    explanation : Explanation
        Of N rows and 2 to 10 classes. Rows that its labels ignore are left out, and of the others
        the page offers the first 50. Its base and language are those in which the page begins.
    learning_rate : float, default 1
        Of the steps down the gradient, to begin with.

    Returns
    -------
    str
        The page, in English and Chinese, with its style, scripts and numbers in it.

    Raises
    ------
    ValueError
        Fewer than 2 classes or more than 10, a logit that is not finite, labels that do not sum
        to 1, another base than e, 2 and 10, or no row that counts.

    Examples
    --------
    >>> import lastlayer as ll
    >>> from lastlayer.learning.playground import page
    >>> page(ll.explain([[2.0, 1.0, 0.1]], [0])).startswith("<!doctype html>")
    True
    """
    from jinja2 import Environment
    from markupsafe import Markup

    here = files(__package__)
    data = _data(explanation, learning_rate)
    template = Environment(autoescape=True).from_string(
        here.joinpath("page.html").read_text("utf-8")
    )
    return template.render(
        data=data,
        lang=data["lang"],
        words=data["words"][data["lang"]],
        style=Markup(here.joinpath("style.css").read_text("utf-8")),
        script=Markup("\n".join(here.joinpath(name).read_text("utf-8") for name in SCRIPTS)),
    )


def _data(explanation: Explanation, learning_rate: float) -> dict[str, Any]:
    """What the scripts begin with; they read it as JSON."""
    base = {math.e: "e", 2.0: "2", 10.0: "10"}.get(explanation.base)
    if base is None:
        raise ValueError(f"base = {explanation.base:g}: the playground has the bases e, 2 and 10")
    first = explanation.steps[0]
    labels = explanation["picked"].tables[0].values
    classes = labels.shape[1]
    if not LEAST_CLASSES <= classes <= MOST_CLASSES:
        raise ValueError(
            f"the playground shows {LEAST_CLASSES} to {MOST_CLASSES} classes, "
            f"and these logits have {classes}"
        )
    with np.errstate(divide="ignore"):
        logits = np.log(first.values) if first.key == "given" else first.values
    counted = np.flatnonzero(labels.any(axis=1))
    shown = counted[:MOST_ROWS]
    if not shown.size:
        raise ValueError("the playground needs a row with a label that counts")
    for row in shown:
        if not np.isfinite(logits[row]).all():
            value = logits[row][~np.isfinite(logits[row])][0]
            raise ValueError(f"row {row} has the logit {value}: a slider needs a finite one")
        if abs(labels[row].sum() - 1) > 1e-6:
            raise ValueError(
                f"the label of row {row} sums to {labels[row].sum():.6g}: "
                "the playground needs a distribution"
            )
    return {
        "lang": explanation.lang,
        "base": base,
        "rate": learning_rate,
        "least": LEAST_CLASSES,
        "most": MOST_CLASSES,
        "rows": [
            {"number": int(row), "logits": logits[row].tolist(), "label": labels[row].tolist()}
            for row in shown
        ],
        "more": len(explanation.loss) - len(shown),
        "words": WORDS,
    }
