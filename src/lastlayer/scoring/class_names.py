"""What classes are called, where columns or whoever scores has said so."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lastlayer.scoring.text import clean, count

if TYPE_CHECKING:
    from lastlayer.scoring.score import Score

SHOWN = 24  # letters of a name in a table


def agreed(mine: tuple[str, ...], theirs: tuple[str, ...]) -> tuple[str, ...]:
    """The names of both, or of the one that has any.

    Raises
    ------
    ValueError
        They differ: numbers of classes that are called otherwise are not those of the same class.

    Examples
    --------
    >>> from lastlayer.scoring.class_names import agreed
    >>> agreed(("cat", "dog"), ())
    ('cat', 'dog')
    """
    if mine and theirs and mine != theirs:
        pairs = zip(mine, theirs, strict=False)
        k, (one, other) = next(
            ((k, pair) for k, pair in enumerate(pairs) if pair[0] != pair[1]), (0, ("", ""))
        )
        raise ValueError(
            "scores do not fit each other: their classes are called differently, class "
            f"{k} {clean(one)!r} and {clean(other)!r}"
        )
    return mine or theirs


def called(score: Score, k: int, longest: int = SHOWN) -> str:
    """A class as tables write it: by its name, or its number."""
    names = score.class_names
    return clean(names[k], longest) if k < len(names) else count(k)
