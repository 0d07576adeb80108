"""`explain`: softmax cross-entropy on one's own numbers, a step at a time."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from lastlayer import contract
from lastlayer.contract import Floats
from lastlayer.learning.explain_rows import work
from lastlayer.learning.explain_steps import Step, Table, Writer
from lastlayer.learning.explain_view import WORDS, number
from lastlayer.problem import softmax_problem

__all__ = ["Explanation", "Step", "Table", "explain"]

Language = Literal["en", "zh"]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Explanation:
    """The steps of `explain`. Prints as text, shows as HTML in a notebook.

    Attributes
    ----------
    steps : tuple of Step
        In their order; each has key, title, formula, why, tables, values, picked and notes.
    loss : ndarray, shape (N, 1)
        The column of losses.
    mean : float
        Their mean.
    gradient : ndarray, shape (N, C)
        Of the mean, with respect to the logits.
    base, unit : float, str
        Of the logarithm, and what the losses are counted in.
    lang : {"en", "zh"}
        Of the words.
    """

    steps: tuple[Step, ...]
    loss: Floats
    mean: float
    base: float
    lang: Language

    def __getitem__(self, key: str) -> Step:
        """The step called `key`, such as "losses"."""
        for step in self.steps:
            if step.key == key:
                return step
        raise KeyError(f"{key!r} is none of the steps {', '.join(s.key for s in self.steps)}")

    @property
    def gradient(self) -> Floats:
        """The gradient of the mean with respect to the logits, (N, C)."""
        return self["gradient"].values

    @property
    def unit(self) -> str:
        """Nats, bits or hartleys."""
        base = "e" if self.base == math.e else f"{self.base:g}"
        words = WORDS[self.lang]
        return words.get(f"unit.{base}", words["unit.other"]).format(base=base)

    def text(self, width: int = 80) -> str:
        """The steps as plain text, in lines of at most `width` columns where the numbers fit."""
        from lastlayer.learning.explain_text import lines

        return "\n".join("".join(text for _, text in line).rstrip() for line in lines(self, width))

    def __str__(self) -> str:
        return self.text()

    def __repr__(self) -> str:
        rows, classes = len(self.loss), self.gradient.shape[1]
        return f"<Explanation: {rows} × {classes}, mean {number(self.mean)} {self.unit}>"

    def _repr_html_(self) -> str:
        from lastlayer.learning.explain_html import html

        return html(self)


def explain(
    logits: ArrayLike,
    labels: ArrayLike,
    *,
    base: float = math.e,
    probabilities: bool = False,
    lang: Language = "en",
    learning_rate: float = 1.0,
) -> Explanation:
    r"""Cross-entropy step by step, with the reason for each step.

    The raw outputs, each row's maximum, the shifted rows, the exponentials, the probabilities,
    their logs, the entries that the labels pick, the column of losses, the mean, the binary form,
    the gradient, and what one step along it does to the probabilities:

        p = exp(z − max z) / Σ exp(z − max z),   L = −(1/N) Σ_i Σ_j t_ij log_base p_ij

    The values are float64 and exact also where p rounds to 1 or 0; a note says what the naive
    route would have given.

    Parameters
    ----------
    logits : array_like, shape (..., C)
        Raw outputs, floating; one row is enough. Never modified.
    labels : array_like
        Class indices, integers of shape (...), −100 for a row to ignore; or distributions
        (one-hot or soft), floating, of the shape of the logits.
    base : float, default e
        Of the logarithm: e for nats, 2 for bits, 10 for hartleys.
    probabilities : bool, default False
        `logits` are already probabilities: no softmax is taken, and the gradient is with respect
        to their logarithms.
    lang : {"en", "zh"}, default "en"
        Language of the words: English or simplified Chinese.
    learning_rate : float, default 1
        Length of the step along the gradient.

    Returns
    -------
    Explanation
        Its `loss` and `mean` are of all N rows, in float64; its `steps` and `gradient` hold all
        rows too where N · C is below a million or so, and the first rows otherwise. ``print`` and
        a notebook show at most 8 rows and 10 classes, among them those that the labels pick.

    Raises
    ------
    LabelError
        A class index outside [0, C) that is not −100, or a soft target that is negative,
        infinite or NaN.
    TypeError
        Integer logits, floating class indices, arrays of another library.
    ValueError
        Shapes that do not fit, an option outside its range, or with ``probabilities=True`` a row
        that is no distribution.

    Examples
    --------
    >>> import numpy as np, lastlayer as ll
    >>> logits = np.log([[0.5, 0.2, 0.3], [0.8, 0.1, 0.1]])
    >>> explanation = ll.explain(logits, [0, 0], base=10)
    >>> explanation
    <Explanation: 2 × 3, mean 0.1990 hartleys>
    >>> explanation["losses"].values.round(4)
    array([[0.301 ],
           [0.0969]])
    >>> [step.key for step in explanation.steps]
    ['logits', 'maximum', 'shifted', 'exponentials', 'probabilities', 'logs', 'picked', 'losses',
     'mean', 'binary', 'gradient', 'step']

    References
    ----------
    Blanchard, Higham & Higham, doi 10.1093/imanum/draa038.
    """
    contract.one_of(lang, "lang", ("en", "zh"))
    log_base = contract.as_base(base)
    rate = contract.as_number(learning_rate, "learning_rate", 0, math.inf, inside=True)
    given: Floats | None = None
    if not probabilities:
        z = contract.as_logits(logits, -1)[0]
    else:
        given = contract.as_probabilities(logits, "probabilities")
        with np.errstate(divide="ignore"):
            z = np.log(given)
    problem = softmax_problem(
        z,
        labels,
        axis=-1,
        class_weight=None,
        sample_weight=None,
        ignore_index=-100,
        label_smoothing=0.0,
        z_loss=0.0,
        softcap=None,
        temperature=1.0,
        base=log_base,
        reduction="mean",
        divisor=None,
        empty="nan",
    )
    rows, totals = work(
        problem, None if given is None else given.reshape(-1, given.shape[-1]), rate
    )
    writer = Writer(
        rows=rows,
        totals=totals,
        words=WORDS[lang],
        base=log_base,
        rate=rate,
        scale=problem.reduce.scale,
        given=probabilities,
        soft=problem.indices is None and not np.isin(rows.labels, (0, 1)).all(),
    )
    return Explanation(tuple(writer.steps()), totals.losses, totals.mean, log_base, lang)
