"""From the whole numbers of a tally to the numbers of a score. docs/scoring.md has each formula."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from lastlayer.contract import Array, Floats, Indices
from lastlayer.kernels import exact_sum
from lastlayer.kernels import tally_words as tally
from lastlayer.scoring import calibration, carries
from lastlayer.scoring.interval import bootstrap_interval
from lastlayer.scoring.tables import Bin, Classes, Confusion, Example, Histogram, Place
from lastlayer.scoring.tallies import NO_ROW, digits

if TYPE_CHECKING:
    from lastlayer.scoring.confusions import Confusions
    from lastlayer.scoring.settings import Settings
    from lastlayer.scoring.tallies import Tally

LISTED = 1000  # confusions that are listed where there is no matrix


class Metrics:
    """What can be read from a tally; without rows every mean is NaN."""

    _settings: Settings
    _confusions: Confusions | None
    _classes: int
    _bytes: int | None

    @property
    def _tally(self) -> Tally:
        raise NotImplementedError

    def _place(self, row: int) -> tuple[str | None, int]:
        raise NotImplementedError

    # ----------------------------------------------------------------- counts

    @property
    def count(self) -> int:
        """Rows that were scored."""
        return int(self._tally.words[tally.COUNT])

    @property
    def ignored(self) -> int:
        """Rows left out because their label is `ignore_index`."""
        return int(self._tally.words[tally.IGNORED])

    @property
    def nan(self) -> int:
        """Rows left out because their loss is NaN; 0 without `allow_nan`."""
        return int(self._tally.words[tally.NAN])

    @property
    def infinite(self) -> int:
        """Rows whose loss is infinite: the label's probability is 0."""
        return int(self._loss_sum[exact_sum.INFINITE])

    # ----------------------------------------------------------------- loss

    @property
    def _loss_sum(self) -> Indices:
        return self._tally.words[tally.LOSS : tally.LOSS_CELLS]

    @property
    def total_loss(self) -> float:
        """Σ −log p of the label, in nats; the exact sum of the rows' losses, rounded once."""
        return exact_sum.ratio(self._loss_sum)

    @property
    def loss(self) -> float:
        """total_loss / count, rounded once: the log-loss, in nats."""
        return exact_sum.ratio(self._loss_sum, self.count) if self.count else math.nan

    @property
    def loss_interval(self) -> tuple[float, float]:
        """95 % interval of the mean loss, by a bootstrap over blocks of consecutive rows.

        (NaN, NaN) for fewer than two blocks, or where a loss is infinite.
        """
        return bootstrap_interval(self.block_sums)

    @property
    def block_sums(self) -> Floats:
        """Loss, right rows and rows of each block of consecutive rows. (2048, 3)"""
        blocks = self._tally.blocks
        return np.stack(
            [digits(blocks), blocks[:, tally.CORRECT], blocks[:, tally.TALLIED]], axis=1
        )

    @property
    def perplexity(self) -> float:
        """exp(total_loss / count)."""
        try:
            return math.exp(self.loss)
        except OverflowError:
            return math.inf

    @property
    def bits(self) -> float:
        """The mean loss in bits."""
        return self.loss / math.log(2)

    @property
    def bits_per_byte(self) -> float | None:
        """Total loss in bits divided by the bytes of text; None where those are not known."""
        return None if self._bytes is None else self.total_loss / math.log(2) / self._bytes

    # ----------------------------------------------------------------- right and wrong

    @property
    def _ranks(self) -> Indices:
        return self._tally.words[tally.RANK_CELLS : tally.FINE]

    @property
    def accuracy(self) -> float:
        """Share of the rows whose prediction is the label."""
        return self._share(int(self._ranks[0]))

    @property
    def top_k(self) -> dict[int, float]:
        """For each k, the share of rows with fewer than k classes before the label."""
        return {k: self._share(int(self._ranks[:k].sum())) for k in self._settings.top_k}

    @property
    def mean_rank(self) -> float:
        """Mean place of the label among the classes, 1 for the most probable."""
        ranks, above = self._tally.words[[tally.RANK_SUM, tally.RANK_ABOVE]].tolist()
        return self._share((above << carries.BITS) + ranks + self.count)

    @property
    def brier(self) -> float:
        """Mean of Σ_j (p_j − t_j)², in [0, 2]."""
        return self._mean(tally.BRIER)

    @property
    def entropy(self) -> float:
        """Mean of −Σ_j p_j log p_j, in nats."""
        return self._mean(tally.ENTROPY)

    def _share(self, part: int) -> float:
        return part / self.count if self.count else math.nan

    def _mean(self, at: int) -> float:
        """Of a sum of digits, rounded once."""
        top, high, middle, low, _ = self._tally.words[at : at + tally.DIGITS].tolist()
        total = (((top << 36) + high << 32) + middle << 32) + low
        return total / (self.count << 80) if self.count else math.nan

    # ----------------------------------------------------------------- calibration

    @property
    def confidence(self) -> float:
        """Mean probability of the prediction."""
        return calibration.mean_confidence(calibration.equal_width(self._tally.words))

    @property
    def ece(self) -> float:
        """Expected calibration error, in bins of equal width."""
        return calibration.expected_error(calibration.equal_width(self._tally.words))

    @property
    def adaptive_ece(self) -> float:
        """Expected calibration error, in bins with nearly as many rows each."""
        return calibration.expected_error(self._equal_mass[0])

    @property
    def mce(self) -> float:
        """Maximum calibration error: the largest gap of a bin of equal width that has rows."""
        return calibration.maximum_error(self.reliability)

    @property
    def reliability(self) -> tuple[Bin, ...]:
        """The bins of equal width, from 0 to 1, those without rows too."""
        table = calibration.equal_width(self._tally.words)
        return calibration.as_bins(table, calibration.edges(self._settings.bins))

    @property
    def adaptive_reliability(self) -> tuple[Bin, ...]:
        """The bins with nearly as many rows each; none is empty."""
        return calibration.as_bins(*self._equal_mass)

    @property
    def _equal_mass(self) -> tuple[Array, Floats]:
        return calibration.equal_mass(self._tally.words, self._settings.bins)

    @property
    def confidence_histogram(self) -> Histogram:
        """64 bins of equal width; below 1/2 each has its lower edge, above it its upper."""
        return calibration.confidence_histogram(self._tally.words)

    @property
    def entropy_histogram(self) -> Histogram:
        """64 bins of equal width from 0 to log C, in nats."""
        return calibration.entropy_histogram(self._tally.words, self._classes)

    @property
    def loss_histogram(self) -> Histogram:
        """At most 64 bins on a logarithmic axis; `zeros` and `infinite` lie outside it."""
        return calibration.loss_histogram(self._tally.words)

    # ----------------------------------------------------------------- classes

    @property
    def per_class(self) -> Classes:
        """Count, loss, precision, recall and F1 of every class."""
        one, matrix = self._tally.classes, self._tally.matrix
        if matrix.size:
            count, predicted, correct = matrix.sum(axis=1), matrix.sum(axis=0), matrix.diagonal()
        else:
            count, predicted, correct = one[:, tally.TALLIED :].T
        with np.errstate(invalid="ignore"):
            loss = digits(one) / count
        return Classes(count, predicted, correct, loss)

    @property
    def confusion(self) -> Confusion:
        """Which class was taken for which."""
        dense = self._confusions is None
        low = 0 if self._confusions is None else self._confusions.too_low_by
        return Confusion(self._tally.matrix.copy() if dense else None, self._confused(), low)

    def _confused(self, most: int | None = None) -> tuple[tuple[int, int, int], ...]:
        """The pairs of `confusion`, or as many of the most frequent."""
        if self._confusions is None:
            wrong = self._tally.matrix.copy()
            np.fill_diagonal(wrong, 0)
            codes = np.flatnonzero(wrong)
            counts = wrong.reshape(-1)[codes]
            if most is not None and codes.size > most:  # of those as rare as the last one the first
                least = np.partition(counts, -most)[-most]
                above, level = np.flatnonzero(counts > least), np.flatnonzero(counts == least)
                chosen = np.sort(np.concatenate([above, level[: most - above.size]]))
                codes, counts = codes[chosen], counts[chosen]
            order = np.argsort(-counts, kind="stable")
            codes, counts = codes[order], counts[order]
        else:
            codes, counts = (part[:LISTED][:most] for part in self._confusions.pairs())
        labels, predictions = divmod(codes, max(self._classes, 1))
        return tuple(zip(labels.tolist(), predictions.tolist(), counts.tolist(), strict=True))

    # ----------------------------------------------------------------- rows

    @property
    def worst(self) -> tuple[Example, ...]:
        """The largest losses, largest first."""
        one, found = self._tally, []
        for (loss, confidence), (row, label, prediction) in zip(
            one.floats.T.tolist(), one.numbers.T.tolist(), strict=True
        ):
            if loss >= 0:
                found.append(Example(row, label, prediction, loss, confidence, *self._place(row)))
        return tuple(found)

    @property
    def nan_rows(self) -> tuple[Place, ...]:
        """The first of the rows left out because their loss is NaN, in order."""
        rows = self._tally.nan_rows.tolist()
        return tuple(Place(row, *self._place(row)) for row in rows if row < NO_ROW)
