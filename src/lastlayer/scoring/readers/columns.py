"""Which column of a file holds the logits, and which the labels."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from lastlayer.files import FileFormatError
from lastlayer.scoring.readers.file import File
from lastlayer.scoring.readers.source import Column
from lastlayer.scoring.text import clean

LOGITS: tuple[str, ...] = ("logits", "logit_*")
PROBABILITIES: tuple[str, ...] = ("probabilities", "probs", "prob_*")
LABELS: tuple[str, ...] = ("labels", "label", "label_*")


def grouped(names: Sequence[str], words: str) -> tuple[list[str], str]:
    """The columns of a table that ``"a,b,c_*"`` means, in the order of the classes.

    Those of ``c_*`` are in the order of their numbers where all end in one, else in the order of
    the table. With them comes what is wrong with them, if anything.

    >>> grouped(["id", "logit_1", "logit_0", "label"], "logit_*")
    (['logit_0', 'logit_1'], '')
    >>> grouped(["cat", "label", "dog"], "dog,cat")
    (['dog', 'cat'], '')
    """
    found, problem = [], ""
    for word in map(str.strip, words.split(",")):
        pattern = _pattern(word)
        hits = [hit for name in names if (hit := pattern.fullmatch(name))]
        ends = [hit.group(1) if word.count("*") == 1 else "" for hit in hits]
        if hits and all(end.isascii() and end.isdigit() and len(end) < 10 for end in ends):
            hits = [hit for _, hit in sorted(zip(map(int, ends), hits, strict=True), key=_number)]
            numbers = sorted(map(int, ends))
            if numbers != list(range(len(numbers))):
                problem = (
                    f"has {len(numbers)} columns numbered {numbers[0]} to {numbers[-1]}, expected "
                    "0 to C − 1, each once"
                )
        elif not hits:
            problem = f"no column is {clean(word, 40)!r}"
        found += [hit.group() for hit in hits]
    if len(set(found)) < len(found):
        problem = "names a column twice"
    return found, problem


NAME = 80  # letters of the name of a class


def class_names(names: Sequence[str], words: str) -> tuple[str, ...]:
    """What columns call the classes: what the ``*`` stands for, or their whole names.

    Fit to be shown; none where they are numbers, or where two would look the same.

    >>> class_names(["logit_cat", "logit_dog"], "logit_*")
    ('cat', 'dog')
    >>> class_names(["dog", "cat"], "dog,cat")
    ('dog', 'cat')
    >>> class_names(["logit_0", "logit_1"], "logit_*")
    ()
    """
    patterns = [_pattern(word) for word in map(str.strip, words.split(",")) if word.count("*") == 1]
    found = []
    for name in names:
        hit = next(filter(None, (pattern.fullmatch(name) for pattern in patterns)), None)
        found.append(clean((hit and hit.group(1)) or name, NAME))
    numbered = all(name.isascii() and name.isdigit() for name in found)
    return () if numbered or len(set(found)) < len(found) else tuple(found)


def _pattern(word: str) -> re.Pattern[str]:
    return re.compile("(.*)".join(map(re.escape, word.split("*"))), re.DOTALL)


def _number(pair: tuple[int, re.Match[str]]) -> int:
    return pair[0]


def groups(
    names: Sequence[str], wanted: Iterable[str | None]
) -> Iterator[tuple[str, list[str], str]]:
    """Columns of a table that together are one array: those asked for, and those of usual names."""
    for words in dict.fromkeys([*wanted, *LOGITS, *PROBABILITIES, *LABELS]):
        if words and ("*" in words or "," in words) and words not in names:
            found, problem = grouped(names, words)
            if found or words in wanted:
                yield words, found, problem


def predictions(
    file: File, columns: Mapping[str, Column], wanted: str | None, *, probabilities: bool
) -> str:
    """The column with the logits, or the probabilities."""
    what = "probabilities" if probabilities else "logits"
    words, others = (PROBABILITIES, LOGITS) if probabilities else (LOGITS, PROBABILITIES)
    name = _named(file, columns, wanted, words)
    if name is None and (other := _named(file, columns, None, others)) is not None:
        hint = "leave out --probabilities" if probabilities else "give --probabilities"
        raise FileFormatError(f"{file}: has no {what}, but {clean(other, 40)!r}: {hint}")
    if name is None:
        fit = [
            n for n, c in columns.items()
            if c.floating and len(c.shape) > 1 and n not in LABELS
        ]  # fmt: skip
        if len(fit) != 1 and not (len(columns) == 1 and "" in columns):
            raise FileFormatError(
                f"{file}: expected {what} named {' or '.join(map(repr, words))}, or by an option; "
                f"it has {listed(columns)}"
            )
        name = fit[0] if fit else ""
    column = columns[name]
    title = f"{file}[{clean(name, 40)!r}]" if name else str(file)
    _check(column, title)
    if not column.floating:
        hint = ""
        if column.dtype.kind in "iu":
            hint = f": are {what} and labels swapped?"
        raise FileFormatError(
            f"{title}: holds {clean(str(column.dtype), 40)}, expected {what} as float16, bfloat16, "
            f"float32 or float64{hint}"
        )
    if len(column.shape) < 2:
        raise FileFormatError(f"{title}: has the shape {shape(column)}, expected (rows, classes)")
    if column.width == 0:
        raise FileFormatError(f"{title}: has no classes, its shape is {shape(column)}")
    return name


def labels(
    file: File, columns: Mapping[str, Column], wanted: str | None, *, alone: bool
) -> str | None:
    """The column with the labels; None where a file of predictions (not `alone`) has none."""
    name = _named(file, columns, wanted, LABELS)
    if name is None and not alone:
        return None
    if name is None and len(columns) != 1:
        raise FileFormatError(
            f"{file}: expected labels named 'label' or 'labels', or by an option; it has "
            f"{listed(columns)}"
        )
    name = next(iter(columns)) if name is None else name
    column = columns[name]
    title = f"{file}[{clean(name, 40)!r}]" if name else str(file)
    _check(column, title)
    if column.dtype.kind not in "iub" and not column.floating:
        raise FileFormatError(
            f"{title}: holds {clean(str(column.dtype), 40)}, expected labels: integers, or "
            "distributions as floating numbers"
        )
    if not column.shape:
        raise FileFormatError(f"{title}: is a single number, expected a label a row")
    return name


def check_apart(file: File, columns: Mapping[str, Column], logits: str, labels: str) -> None:
    """Refuse labels that are among the columns of the logits, as with ``"*"``."""
    if labels in grouped(list(columns), logits)[0]:
        raise FileFormatError(
            f"{file}: {clean(logits, 40)!r} has the labels too, {clean(labels, 40)!r}: expected "
            "names of the predictions alone"
        )


def _named(
    file: File, columns: Mapping[str, Column], wanted: str | None, words: tuple[str, ...]
) -> str | None:
    """The first of the names that the file has; one that was asked for it must have."""
    if wanted is None:
        return next((word for word in words if word in columns), None)
    if wanted not in columns:
        raise FileFormatError(f"{file}: has no {clean(wanted, 40)!r}; it has {listed(columns)}")
    return wanted


def _check(column: Column, title: str) -> None:
    if column.problem:
        raise FileFormatError(f"{title}: {column.problem}")
    if column.dtype.hasobject:
        raise FileFormatError(f"{title}: holds Python objects, which are never read")


def listed(columns: Mapping[str, Column]) -> str:
    """The names, as far as a line holds them."""
    return clean(", ".join(columns), 100) or "nothing that can be read"


def shape(column: Column) -> str:
    """As NumPy writes it."""
    inside = ", ".join("?" if n is None else str(n) for n in column.shape)
    return clean(f"({inside}{',' if len(column.shape) == 1 else ''})")
