"""Rows whose loss is NaN: left out and counted, and an error where they are not allowed."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lastlayer.scoring.score import Score


def counting(options: dict[str, Any]) -> dict[str, Any]:
    """What to make a score with that is given all rows before `refuse_after` looks at it."""
    return {**options, "allow_nan": True}


def refuse_after(score: Score, options: dict[str, Any]) -> None:
    """Make of a score with `counting` options one with these; raise for NaN as it would have."""
    score._settings = replace(score._settings, allow_nan=options.get("allow_nan", False))
    refuse(score)


def refuse(score: Score) -> None:
    """Raise for rows that gave NaN, unless they are allowed: the first, and how many there are."""
    if score._settings.allow_nan or not score._tallies.nan:
        return
    of = "probability" if score._settings.probabilities else "or +inf logit, or none but -inf"
    alike = f"{score.nan} of the {score.rows} rows read are so" if score.nan > 1 else ""
    alike = alike or f"the only one of the {score.rows} rows read"
    score._fail(
        score.nan_rows[0].row,
        f"its loss is NaN, from a NaN {of}; {alike} (allow_nan leaves such rows out, counts and "
        "names them)",
    )
