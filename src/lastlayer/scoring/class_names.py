"""What classes are called, where columns or whoever scores has said so."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from lastlayer.scoring.text import clean, count

if TYPE_CHECKING:
    from lastlayer.scoring.score import Score

SHOWN = 24  # letters of a name in a table


class ClassNames:
    """The attribute of a score: a tuple of C names as they are shown, or empty."""

    def __get__(self, score: Score, owner: type[Score]) -> tuple[str, ...]:
        """The names that were set."""
        names: tuple[str, ...] = () if score is None else vars(score).get("class_names", ())
        return names

    def __set__(self, score: Score, names: Iterable[str]) -> None:
        """Set them, on one line each; TypeError or ValueError for what can be none."""
        several = isinstance(names, Iterable) and not isinstance(names, str)
        found = list(names) if several else [None]
        if not all(isinstance(name, str) for name in found):
            raise TypeError(f"class_names: expected a string a class, got {clean(repr(names))}")
        vars(score)["class_names"] = fitting(tuple(map(clean, found)), score.classes or len(found))


def fitting(names: tuple[str, ...], classes: int) -> tuple[str, ...]:
    """The same, or a ValueError where they are not one a class."""
    if len(names) not in (0, classes):
        raise ValueError(f"class_names: {len(names)} names, expected {classes}, one a class")
    return names


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
