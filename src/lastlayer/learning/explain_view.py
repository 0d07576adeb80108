"""What of an explanation is shown, and how a number is written: for text and HTML alike."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from lastlayer.contract import Floats
from lastlayer.learning import explain_en, explain_zh
from lastlayer.learning.explain_rows import SHOWN_ROWS
from lastlayer.learning.explain_steps import Step, Table

SHOWN_CLASSES = 10
WORDS = {"en": explain_en.WORDS, "zh": explain_zh.WORDS}


@dataclass(frozen=True, slots=True)
class Cell:
    """A number as it is written."""

    text: str
    picked: bool = False
    share: float = 0.0  # of a bar behind it: its probability


@dataclass(frozen=True, slots=True)
class View:
    """The rows and classes that are shown, and how many there are besides."""

    rows: tuple[int, ...]
    classes: tuple[int, ...]
    more_rows: int
    more_classes: int

    def cells(self, step: Step, table: Table, ignored: str) -> list[list[Cell]]:
        """The numbers of a table, row by row; `ignored` is written where none counts."""
        columns = self.classes if table.values.shape[1] > 1 else (0,)
        marks = step.picked
        if marks is not None and (marks.shape != table.values.shape or table.kind == "label"):
            marks = None
        whole = table.kind == "label" and bool(np.isin(table.values[list(self.rows)], (0, 1)).all())
        result = []
        for row in self.rows:
            cells = []
            for column in columns:
                value = float(table.values[row, column])
                picked = marks is not None and bool(marks[row, column])
                if table.absent is not None and table.absent[row]:
                    text = ignored
                elif whole:
                    text = f"{value:.0f}"
                else:
                    text = _probability(value, table.beside, row)
                share = value if table.kind == "probability" and math.isfinite(value) else 0.0
                cells.append(Cell(text, picked, share))
            result.append(cells)
        return result

    def remainder(self, words: dict[str, str], *, classes: bool) -> list[str]:
        """What is said of the rows and classes that are not shown."""
        said = []
        for kind, n in (("classes", self.more_classes if classes else 0), ("rows", self.more_rows)):
            if n:
                said.append(words[f"more_{kind}_1" if n == 1 else f"more_{kind}"].format(n=n))
        return said


def view(
    labels: Floats, outputs: Floats, total_rows: int, most_classes: int = SHOWN_CLASSES
) -> View:
    """Choose at most 8 rows and `most_classes` classes.

    First those that the labels pick, then each row's maximum, then from the first on.
    """
    n, classes = labels.shape
    rows: list[int] = []
    shown: set[int] = set()
    for row in range(min(n, SHOWN_ROWS)):
        label = int(labels[row].argmax())
        wanted = shown | {label} if labels[row, label] > 0 else shown
        if rows and classes > most_classes and len(wanted) > most_classes:
            break
        rows.append(row)
        shown = wanted
    tops = (int(np.nan_to_num(outputs[row], nan=-np.inf).argmax()) for row in rows)
    for column in (*tops, *range(classes)):
        if len(shown) >= min(most_classes, classes):
            break
        shown.add(column)
    return View(tuple(rows), tuple(sorted(shown)), total_rows - len(rows), classes - len(shown))


def number(value: float) -> str:
    """Four decimals, or three digits and a power where those say too little or run too long."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "inf" if value > 0 else "-inf"
    if value == 0:
        return "0.0000"
    return f"{value:.4f}" if 1e-3 <= abs(value) < 1e5 else f"{value:.2e}"


def _probability(value: float, beside: Floats | None, row: int) -> str:
    if beside is not None and value >= 0.99995 and beside[row, 0] > 0:
        return f"1-{beside[row, 0]:.1e}"
    return number(value)
