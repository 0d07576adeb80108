"""Several predictions of the same rows as one page of HTML."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lastlayer.scoring import view, view_comparison
from lastlayer.scoring.report import pictures
from lastlayer.scoring.report.page import render
from lastlayer.scoring.report.tables import Table

if TYPE_CHECKING:
    from lastlayer.scoring.comparison import Comparison


def html(comparison: Comparison, *, title: str) -> str:
    """A page that sets several predictions side by side.

    Parameters
    ----------
    comparison : Comparison
        What `lastlayer.scoring.comparison.compare` returned.
    title : str
        Of the page. Any characters; they are shown and never obeyed.

    Returns
    -------
    str
        The whole document, the same for the same comparison.
    """
    scores = comparison.scores
    names = view_comparison.short_names(comparison.names)
    return render(
        "comparison.html",
        title=title,
        summary=f"{len(names)} predictions of {view.summary(scores[0])}",
        scores=Table(
            "Each by itself",
            view_comparison.SCORE_HEADS,
            view_comparison.score_rows(names, comparison),
        ),
        differences=Table(
            "Differences, row by row: a loss below 0 is a lower one; accuracy in points",
            view_comparison.DIFFERENCE_HEADS,
            view_comparison.difference_rows(names, comparison),
        ),
        verdicts=view_comparison.verdicts(comparison),
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
