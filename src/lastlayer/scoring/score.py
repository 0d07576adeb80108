"""`Score`: what predictions are worth, gathered block by block."""

from __future__ import annotations

from typing import Any

from lastlayer.scoring.tables import (
    Bin,
    Classes,
    Confusion,
    Example,
    Histogram,
    TemperatureFit,
)


class Score:
    """What predictions are worth: the loss, accuracy and calibration of the rows given so far.

    `update` adds rows, ``+`` the rows of another score after these; every attribute is of all
    rows so far. Memory does not grow with them.

    Parameters
    ----------
    probabilities : bool
        Rows are probabilities rather than logits.
    ignore_index : int
        Rows with this label are left out.
    top_k : sequence of int
        For which k the share of rows whose label is among the k first is given.
    bins : int
        Of the reliability table and the expected calibration errors.
    temperature : float
        The logits are divided by it.
    allow_nan : bool
        Leave rows that give NaN out and count them, rather than raise.
    worst : int
        How many of the worst examples are kept.
    bytes : int, optional
        Of the text that the rows stand for: gives `bits_per_byte`.

    Attributes
    ----------
    count, ignored, nan : int
        Rows that were scored, that were left out by their label, that gave NaN.
    rows : int
        All of them.
    classes : int
        C.
    total_loss, loss : float
        Sum and mean of the losses, in nats; correctly rounded.
    loss_interval : tuple of float
        95 % interval of the mean loss.
    perplexity, bits, bits_per_byte : float
        exp(loss), loss / ln 2, total bits / bytes (None without `bytes`).
    accuracy : float
    top_k : dict of int to float
    mean_rank : float
        Of the label: 1 where it has the largest logit.
    brier, entropy : float
        Mean over the rows; entropy in nats.
    ece, adaptive_ece, mce : float
        Expected calibration error in bins of equal width, of equal mass; the maximum over bins of
        equal width.
    reliability, adaptive_reliability : tuple of Bin
    confidence : float
        Mean.
    confidence_histogram, entropy_histogram, loss_histogram : Histogram
    per_class : Classes
    confusion : Confusion
    worst : tuple of Example
        The largest losses, largest first.
    temperature_fit : TemperatureFit or None
        Where one was made.
    settings : dict
        The parameters.
    """

    count: int
    ignored: int
    nan: int
    rows: int
    classes: int
    total_loss: float
    loss: float
    loss_interval: tuple[float, float]
    perplexity: float
    bits: float
    bits_per_byte: float | None
    accuracy: float
    top_k: dict[int, float]
    mean_rank: float
    brier: float
    entropy: float
    ece: float
    adaptive_ece: float
    mce: float
    reliability: tuple[Bin, ...]
    adaptive_reliability: tuple[Bin, ...]
    confidence: float
    confidence_histogram: Histogram
    entropy_histogram: Histogram
    loss_histogram: Histogram
    per_class: Classes
    confusion: Confusion
    worst: tuple[Example, ...]
    temperature_fit: TemperatureFit | None
    settings: dict[str, Any]

    def update(self, logits: Any, labels: Any, *, source: str | None = None) -> Score:
        """Add rows after those so far. (N, C) and (N,)"""
        raise NotImplementedError
