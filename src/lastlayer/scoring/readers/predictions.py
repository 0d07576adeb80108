"""A data set of predictions that has been opened: read in blocks, whole or from a row on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from lastlayer.contract import Array
from lastlayer.files import FileFormatError
from lastlayer.scoring.readers.ahead import ahead
from lastlayer.scoring.readers.labels import Cut, Labels, as_labels
from lastlayer.scoring.readers.source import COPIED, MAPPED, Source, room, rows_within

SHARE = 8  # of all addresses that a process may have


class Block(NamedTuple):
    """Rows that follow each other in one file.

    Attributes
    ----------
    logits : ndarray, shape (n, C)
        Logits or probabilities; perhaps a read-only view of the file.
    labels : ndarray, shape (n,) or (n, C)
        Class indices or distributions.
    source : str
        The file's name, fit to be shown.
    first_row : int
        Place of the first row in the file.
    """

    logits: Array
    labels: Array
    source: str
    first_row: int


class Part(NamedTuple):
    """One file of predictions."""

    source: Source
    logits: str
    labels: str | None
    rows: int | None


@dataclass(frozen=True)
class Predictions:
    """What `open_predictions` found; the files are read in `blocks`, as often as that is called.

    Or some of its rows that follow each other: the files are then those that have them.

    Attributes
    ----------
    classes : int
        C.
    rows : int or None
        All of them; None where unknown before everything is read, as of .csv.
    bytes : int
        Of all files with predictions.
    parts : tuple of Part
        The files.
    labels : Labels or None
        Those in files of their own.
    width : int
        C where labels are distributions, 0 where they are class indices.
    first : int
        How many rows of the first file come before.
    class_names : tuple of str
        What the columns call the classes; empty where they are numbered.
    """

    classes: int
    rows: int | None
    bytes: int
    parts: tuple[Part, ...]
    labels: Labels | None
    width: int
    first: int = 0
    class_names: tuple[str, ...] = ()

    @property
    def position(self) -> int:
        """How many of the bytes have been read, in the last pass that was begun."""
        return sum(part.source.position for part in self.parts)

    @property
    def files(self) -> list[str]:
        """Those of this machine, of predictions and of labels."""
        labels = self.labels.sources if self.labels else ()
        read = [part.source.file for part in self.parts] + [source.file for source, _ in labels]
        return [file.path for file in read if file.remote is None]

    def blocks(self) -> Iterator[Block]:
        """Every row once, in the order of the files.

        Yields
        ------
        Block
            Of some megabytes, and one row at least.

        Raises
        ------
        FileFormatError
            A file doesn't hold what its beginning promised, or labels end early or late.
        LabelError
            A label that is no whole number.
        """
        for part in self.parts:
            part.source.position = 0
        limit = self._limit()
        cut = Cut(self.labels, rows_within(limit, self._row())) if self.labels else None
        done = 0
        for part in self.parts:
            first = self.first if part is self.parts[0] else 0
            for logits, labels in self._read(part, cut, first, done, limit):
                yield Block(logits, labels, str(part.source.file), first)
                first += len(logits)
                done += len(logits)
                del logits, labels  # one part of the file is mapped at a time
        if not done:
            raise FileFormatError(f"{self.parts[0].source.file}: has no rows")
        if self.rows is not None and done < self.rows:
            raise FileFormatError(
                f"{self.parts[-1].source.file}: ends after {first} rows, expected "
                f"{self.rows - done} more"
            )
        if self.labels and cut and self._ends_with(self.labels) and len(cut.take(1)):
            raise FileFormatError(
                f"{cut.name}: has more labels than the {done} rows of predictions"
            )

    def _row(self) -> int:
        """Bytes of a row of the first file, its labels not counted."""
        source, name = self.parts[0].source, self.parts[0].logits
        return self.classes * source.columns[name].dtype.itemsize

    def _limit(self) -> int:
        """Bytes of a block where the files are mapped: the rest is for its labels."""
        row, limit = self._row(), min(MAPPED, room() // SHARE)
        return limit * row // (row + self.labels.held) if self.labels else limit

    def _ends_with(self, labels: Labels) -> bool:
        """Whether nothing is to come after the last label, as far as is known."""
        if self.rows is None or labels.rows is None:
            return True
        return labels.rows == labels.first + self.rows

    def _read(
        self, part: Part, cut: Cut | None, first: int, before: int, limit: int
    ) -> Iterator[tuple[Array, Array]]:
        """Blocks of one file with their labels, from its row `first` on."""
        source, width = part.source, self.width
        widths = {part.logits: self.classes}
        if not cut and part.labels is not None:
            widths[part.labels] = width
        blocks = source.read(widths, limit if source.mapped else COPIED, first)
        for logits, *beside in blocks if source.mapped else ahead(blocks):
            if self.rows is not None:
                logits = logits[: self.rows - before]  # noqa: PLW2901
            if cut:
                labels = cut.take(len(logits))
                if len(labels) < len(logits):
                    raise FileFormatError(
                        f"{cut.name}: ends after {before + len(labels)} labels, and "
                        f"{source.file} goes on: expected a label a row"
                    )
            else:
                labels = as_labels(beside[0][: len(logits)], source, part.labels or "", first)
            yield logits, labels
            first += len(logits)
            before += len(logits)
            del logits, labels, beside
            if before == self.rows and part.rows is not None and first < part.rows:
                return  # at the end of a file, its reader looks whether it is whole
