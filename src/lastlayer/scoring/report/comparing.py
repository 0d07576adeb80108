"""Several predictions of the same rows as one page of HTML."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from lastlayer.scoring import view, view_comparison
from lastlayer.scoring.report import pictures
from lastlayer.scoring.report.page import render
from lastlayer.scoring.report.tables import Table

if TYPE_CHECKING:
    from lastlayer.scoring.comparison import Comparison
    from lastlayer.scoring.score import Score


def html(comparison: Comparison, scores: Sequence[Score], *, title: str) -> str:
    """A page that sets several predictions side by side.

    Parameters
    ----------
    comparison : Comparison
        The losses of the rows, prediction by prediction.
    scores : sequence of Score
        What each is worth by itself, in the order of the comparison's names.
    title : str
        Of the page. Any characters; they are shown and never obeyed.

    Returns
    -------
    str
        The whole document, the same for the same comparison.

    Raises
    ------
    ValueError
        The predictions have different numbers of rows, or another number of scores is given than
        the comparison has names.
    """
    names = view_comparison.short_names(comparison.names)
    return render(
        "comparison.html",
        title=title,
        summary=f"{len(names)} predictions of {view.summary(scores[0])}",
        scores=Table(
            "Each by itself", view_comparison.SCORE_HEADS, view_comparison.score_rows(names, scores)
        ),
        differences=Table(
            "Differences, row by row: a loss below 0 is a lower one; accuracy in points",
            view_comparison.DIFFERENCE_HEADS,
            view_comparison.difference_rows(names, comparison),
        ),
        verdicts=[
            view_comparison.verdict(names[i], names[0], comparison.difference(i))
            for i in range(1, len(names))
        ],
        pictures=[
            pictures.reliabilities(
                "reliability",
                names,
                [it.reliability for it in scores],
                title="Reliability diagram",
                text="On the dashed line, predictions are as sure as they are right; below it too "
                "sure, above it not sure enough.",
            ),
            pictures.losses_of_several(names, [it.loss_histogram for it in scores]),
        ],
        settings=scores[0].settings,
    )
