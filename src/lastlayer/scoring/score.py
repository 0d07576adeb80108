"""`Score`: what predictions are worth, gathered block by block."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, NoReturn

from lastlayer.scoring.adding import add_rows
from lastlayer.scoring.class_names import ClassNames, agreed
from lastlayer.scoring.confusions import Confusions
from lastlayer.scoring.given import pairs_of
from lastlayer.scoring.metrics import Metrics
from lastlayer.scoring.nan_rows import refuse
from lastlayer.scoring.packing import LARGEST
from lastlayer.scoring.rows import Block, blocks_of
from lastlayer.scoring.settings import as_bytes, as_settings
from lastlayer.scoring.sources import Sources
from lastlayer.scoring.tables import TemperatureFit
from lastlayer.scoring.tallies import DENSE, Tallies, Tally

MOST_CLASSES = 1 << 22


class Score(Metrics):
    """What predictions are worth: the loss, accuracy and calibration of the rows given so far.

    `update` adds rows, ``+`` the rows of another score after these; every attribute is of all
    rows so far, and is computed when it is asked for. Memory does not grow with the rows. Counts
    and sums have the same bits however the rows are split into blocks, threads and scores. Three
    things depend on the scores that were added: `loss_interval`, whose blocks never hold rows of
    two of them; and, beyond 1000 classes and 65,536 different confusions, `confusion`.

    docs/scoring.md has the formula and the source of every number.

    Parameters
    ----------
    probabilities : bool, default False
        Rows are probabilities rather than logits. They sum to 1 within 1e-3, in half precision
        within 3e-2; a probability of 0 is one.
    ignore_index : int, default -100
        Rows with this label are left out.
    top_k : int or sequence of int, default (1, 5)
        For which k, up to 1024, the share of rows whose label is among the k first is given.
    bins : int, default 15
        Of the reliability table and the expected calibration errors.
    temperature : float, default 1
        The logits are divided by it.
    allow_nan : bool, default False
        Leave rows that give NaN out, count and name them, rather than raise.
    worst : int, default 20
        How many of the worst examples are kept.
    bytes : int, optional
        Of the text that the rows stand for; gives `bits_per_byte`.

    Attributes
    ----------
    rows, count, ignored, nan, infinite : int
        Rows given; scored; left out by their label; that gave NaN; of infinite loss.
    classes : int
        C; 0 before the first rows.
    loss, total_loss : float
        Mean and sum of the losses in nats, rounded once.
    loss_interval : tuple of float
        95 % interval of the mean.
    perplexity, bits, bits_per_byte : float
        exp(loss), loss / ln 2, and total bits divided by `bytes`, None without those.
    accuracy, mean_rank, brier, entropy, confidence : float
        Means over the rows; the rank of the label is 1 where it has the largest logit.
    top_k : dict of int to float
        The share of the rows whose label is among the k first.
    ece, adaptive_ece, mce : float
        Expected calibration error in bins of equal width and of equal mass; maximum error.
    reliability, adaptive_reliability : tuple of Bin
        The bins of both: lo, hi, count, confidence, accuracy.
    confidence_histogram, entropy_histogram, loss_histogram : Histogram
    per_class : Classes
        Columns (C,): count, predicted, correct, loss, precision, recall, f1.
    confusion : Confusion
        The matrix up to 1000 classes, and the most frequent confusions.
    worst : tuple of Example
        The largest losses, largest first; of equal ones the first row first.
    nan_rows : tuple of Place
        The first 20 of the rows that gave NaN, in order.
    temperature_fit : TemperatureFit or None
        Put here by whoever fits one; written to JSON, and not carried over by ``+``.
    class_names : tuple of str
        Put here by whoever knows them, C strings, shown in place of numbers; or empty.

    Examples
    --------
    >>> import numpy as np, lastlayer as ll
    >>> score = ll.Score()
    >>> for block in ([[2.0, 1.0]], [0]), ([[0.0, 3.0], [1.0, 0.0]], [1, 1]):
    ...     _ = score.update(np.array(block[0]), block[1])
    >>> score
    <Score: 3 rows, 2 classes, loss 0.5584 nats, accuracy 66.7%>
    >>> score.worst[0].row
    2
    """

    class_names = ClassNames()

    def __init__(
        self,
        *,
        probabilities: bool = False,
        ignore_index: int = -100,
        top_k: int | Sequence[int] = (1, 5),
        bins: int = 15,
        temperature: float = 1.0,
        allow_nan: bool = False,
        worst: int = 20,
        bytes: int | None = None,
    ) -> None:
        self._settings = as_settings(
            probabilities=probabilities,
            ignore_index=ignore_index,
            top_k=top_k,
            bins=bins,
            temperature=temperature,
            allow_nan=allow_nan,
            worst=worst,
        )
        self._bytes = as_bytes(bytes)
        self._start(0)
        self._sources = Sources()
        self._failed = ""
        self.temperature_fit: TemperatureFit | None = None

    def _start(self, classes: int) -> None:
        if classes > MOST_CLASSES:
            raise ValueError(f"{classes} classes: at most {MOST_CLASSES} can be scored")
        self._classes = classes
        self._tallies = Tallies(classes, self._settings.bins, self._settings.worst)
        self._confusions = Confusions() if classes > DENSE else None

    # ----------------------------------------------------------------- rows

    def update(self, logits: Any, labels: Any = None, *, source: str | None = None) -> Score:
        """Add rows after those so far.

        Parameters
        ----------
        logits : array_like, shape (..., C), or iterable of blocks
            Logits, or probabilities if so set; float16, bfloat16, float32 or float64. Without
            labels, an iterable of (logits, labels).
        labels : array_like, optional
            Class indices of shape (...), or distributions of the shape of the logits.
        source : str, optional
            Where the rows come from, such as a file; for messages and the worst examples.

        Returns
        -------
        Score

        Raises
        ------
        LabelError
            A label that names no class, with its row.
        TypeError, ValueError
            Shapes or dtypes that do not fit, a class count that changes, a row that gives NaN, or
            that is no distribution. Of a block some rows may have been added already, and the
            score is of no further use.
        """
        if labels is None:
            for x, its_labels in pairs_of(logits):
                self.update(x, its_labels, source=source)
                del x, its_labels  # they may be a part of a file that is mapped
            return self
        if self._failed:
            raise ValueError(f"an update has failed ({self._failed}): start with a new score")
        for block in blocks_of(logits, labels, self._settings):
            self._add(block, source)
        return self

    def _add(self, block: Block, source: str | None) -> None:
        classes = block.logits.shape[1]
        if not self._classes:
            self._start(classes)
        if classes != self._classes:
            raise ValueError(f"rows of {classes} classes after rows of {self._classes}")
        first = self.rows
        self._sources.begin(first, source)
        try:
            fault = add_rows(block, self._settings, self._tallies, self._confusions)
        except BaseException as error:
            self._failed = str(error) or type(error).__name__
            raise
        if fault is not None:
            self._fail(first + fault.row, fault.what, fault.kind)
        refuse(self)

    def _fail(self, row: int, what: str, kind: type[ValueError] = ValueError) -> NoReturn:
        self._failed = f"{self._row(row)}: {what}"
        raise kind(self._failed)

    def _place(self, row: int) -> tuple[str | None, int]:
        return self._sources.place(row)

    def _row(self, row: int) -> str:
        source, number = self._place(row)
        return f"row {row}" if source is None else f"{source}: row {number}"

    # ----------------------------------------------------------------- what there is

    @property
    def _tally(self) -> Tally:
        return self._tallies.whole()

    @property
    def rows(self) -> int:
        """All rows given, also those left out."""
        return self._tallies.rows

    @property
    def classes(self) -> int:
        """C; 0 before the first rows."""
        return self._classes

    @property
    def blocks_begin(self) -> tuple[Any, ...]:
        """Where the blocks of `block_sums` begin; two scores of the same rows have it alike."""
        return self._tallies.level, *self._tallies.joins

    @property
    def settings(self) -> dict[str, Any]:
        """What the score was made with, by the names of the parameters."""
        return {**asdict(self._settings), "bytes": self._bytes}

    def __repr__(self) -> str:
        return (
            f"<Score: {self.count} rows, {self.classes} classes, loss {self.loss:.4f} nats, "
            f"accuracy {self.accuracy:.1%}>"
        )

    # ----------------------------------------------------------------- JSON and merging

    def to_json(self) -> str:
        """The numbers, settings, versions and the state that can be added to, as strict JSON."""
        from lastlayer.scoring.json_format import to_json

        return to_json(self)

    @staticmethod
    def from_json(text: str | bytes) -> Score:
        """The score that `to_json` has written.

        Raises
        ------
        FileFormatError
            Anything else: truncated, altered, of another kind. A `ValueError`.
        """
        from lastlayer.scoring import json_format

        return json_format.from_json(text)

    def __add__(self, other: Score) -> Score:
        """The score of the rows of both, those of `other` after these.

        Raises
        ------
        ValueError
            Settings, class counts or the names of classes differ; or rows are more than 2^60.
        """
        if not isinstance(other, Score):
            return NotImplemented
        differing = self._settings.differing(other._settings)
        if self._classes != other._classes and self._classes and other._classes:
            differing.insert(0, f"classes ({self._classes}, {other._classes})")
        if differing:
            raise ValueError(f"scores do not fit each other: {', '.join(differing)}")
        if self.rows + other.rows > LARGEST:
            raise ValueError(f"{self.rows} and {other.rows} rows: a score has {LARGEST} at most")
        names = agreed(self.class_names, other.class_names)
        if failed := self._failed or other._failed:
            raise ValueError(f"a score whose update has failed ({failed}) cannot be added")
        new = object.__new__(Score)
        vars(new).update(vars(self), temperature_fit=None, class_names=names)
        if not self._classes:
            new._start(other._classes)
        else:
            new._tallies = self._tallies.copy()
        if new._confusions is not None:
            new._confusions = Confusions()
            for one in (self._confusions, other._confusions):
                if one is not None:
                    new._confusions.absorb(one)
        new._sources = self._sources.followed_by(other._sources, self.rows)
        if other._classes:
            new._tallies.absorb(other._tallies)
        known = [b for b in (self._bytes, other._bytes) if b is not None]
        new._bytes = sum(known) if len(known) == 2 else None
        return new
