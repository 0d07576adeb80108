"""A score as one page of HTML: nothing outside it, no script, to read, print and keep."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lastlayer.scoring import view
from lastlayer.scoring.class_names import called
from lastlayer.scoring.report import pictures
from lastlayer.scoring.report.page import render
from lastlayer.scoring.report.tables import Table
from lastlayer.scoring.text import number, percent

if TYPE_CHECKING:
    from lastlayer.scoring.score import Score
    from lastlayer.scoring.tables import TemperatureFit

LONGEST_SOURCE = 40  # letters
MOST_WORST = 100  # rows of the table


def html(score: Score, *, title: str) -> str:
    """A page about a score.

    Parameters
    ----------
    score : Score
        What `lastlayer.score` returned.
    title : str
        What was scored, as a file's name. Any characters; they are shown and never obeyed.

    Returns
    -------
    str
        The whole document, the same for the same score. Write it with
        `lastlayer.files.write_whole`, encoded as UTF-8.

    Examples
    --------
    >>> import numpy as np
    >>> import lastlayer as ll
    >>> from lastlayer.scoring.report import html
    >>> page = html(ll.score(np.eye(3), [0, 1, 1]), title="three rows")
    >>> page[:15], page.count("<figure")
    ('<!doctype html>', 5)
    """
    fit = score.temperature_fit
    calibration = [pictures.reliability(score)]
    if fit is not None:
        calibration.append(pictures.temperature(fit))
    sections = [("Calibration", calibration), ("Losses", [pictures.losses(score)])]
    if score.classes > 1:  # else every entropy is 0
        sections[1] = "Losses and entropies", [pictures.losses(score), pictures.entropies(score)]
        sections.append(("Classes", [pictures.class_bars(score), pictures.confusion(score)]))
    return render(
        "score.html",
        title=title,
        summary=view.summary(score),
        nan_rows=view.nan_rows(score, MOST_WORST, LONGEST_SOURCE),
        entries=view.headline(score),
        sections=sections,
        temperature=None if fit is None else _temperature(fit),
        worst=_worst(score),
        settings=score.settings,
    )


def _temperature(fit: TemperatureFit) -> Table:
    return Table(
        f"Temperature {number(fit.temperature)}",
        ("", "Before", "After"),
        view.temperature(fit),
    )


def _worst(score: Score) -> Table:
    examples = score.worst[:MOST_WORST]
    rows = [
        [
            place,
            called(score, it.label),
            called(score, it.prediction),
            percent(it.confidence),
            number(it.loss),
        ]
        for place, it in zip(view.places(examples, LONGEST_SOURCE), examples, strict=True)
    ]
    return Table(
        "The rows with the largest loss, counted from 0",
        ("Row", "Label", "Predicted", "Confidence", "Loss (nats)"),
        rows,
    )
