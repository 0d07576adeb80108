"""What a page of the comparison holds, before it is HTML."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from lastlayer.learning.compare import words_en, words_zh
from lastlayer.learning.compare.charts import Panel

Language = Literal["en", "zh"]
WORDS: dict[Language, dict[str, str]] = {"en": words_en.WORDS, "zh": words_zh.WORDS}


@dataclass(frozen=True)
class Table:
    """Rows of text under a row of heads."""

    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Section:
    """Some words and the pictures beside them."""

    title: str
    text: tuple[str, ...]
    panels: tuple[Panel, ...] = ()
    formulas: tuple[tuple[str, str], ...] = ()  # of what, and the formula


@dataclass(frozen=True)
class Story:
    """A page, from its heading to the command that makes it anew."""

    title: str
    lead: str
    summary: Table
    sections: tuple[Section, ...]
    command: str
    columns: int  # of the chart that has all pictures
    lang: Language

    @property
    def panels(self) -> tuple[Panel, ...]:
        """Every picture, in its order."""
        return tuple(panel for section in self.sections for panel in section.panels)


def short(value: float) -> str:
    """A number in three digits that count."""
    return f"{value:.3g}"


def counted(epochs: int, words: Mapping[str, str]) -> str:
    """Epochs with their number, as the language has it."""
    return words["epochs.1" if epochs == 1 else "epochs"].format(count=epochs)
