"""Tables of a page, of text alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Table:
    """A heading a column, and rows whose first cell is their heading."""

    caption: str
    heads: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True)
class Picture:
    """A figure of a page, with the numbers that it shows."""

    name: str  # an identifier
    title: str
    text: str
    svg: str
    table: Table
