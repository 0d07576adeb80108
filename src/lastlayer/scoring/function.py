"""`score`: a `Score` of everything at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lastlayer.scoring.score import Score


def score(
    logits: Any,
    labels: Any = None,
    *,
    probabilities: bool = False,
    ignore_index: int = -100,
    top_k: int | Sequence[int] = (1, 5),
    bins: int = 15,
    temperature: float = 1.0,
    allow_nan: bool = False,
    worst: int = 20,
    bytes: int | None = None,
) -> Score:
    r"""Log-loss, perplexity, accuracy and calibration of predictions, in one pass.

    For rows with the probabilities p_i and labels y_i:

        loss = −(1/N) Σ_i log p_i[y_i],   perplexity = exp(loss),   and all that `Score` lists.

    Parameters
    ----------
    logits : array_like, shape (..., C), or iterable of (logits, labels)
        Raw outputs: float16, bfloat16, float32 or float64; a memory map is read piece by piece.
        Without `labels`, blocks of rows that come one after another and are forgotten.
    labels : array_like, optional
        Class indices, integers of shape (...); or distributions (one-hot or soft), floating, of
        the shape of the logits. For accuracy and the like a distribution's label is its mode.
    probabilities : bool, default False
        `logits` are probabilities. They sum to 1 within 1e-3, in half precision within 3e-2, and
        are taken as they are: a label with the probability 0 has an infinite loss.
    ignore_index : int, default -100
        Rows with this label are left out and counted.
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

    Returns
    -------
    Score
        Losses in nats. It can be given more rows with `update`, added to others, and written with
        `to_json`.

    Raises
    ------
    LabelError
        A label that names no class, with its row.
    TypeError, ValueError
        Arguments that cannot be, shapes that do not fit, a class count that changes; a row that
        gives NaN, or that is no distribution.

    Examples
    --------
    >>> import numpy as np, lastlayer as ll
    >>> logits = np.log([[0.7, 0.2, 0.1], [0.3, 0.4, 0.3], [0.1, 0.8, 0.1], [0.6, 0.3, 0.1]])
    >>> score = ll.score(logits, [0, 2, 1, 1])
    >>> round(score.loss, 4), score.accuracy, round(score.ece, 3)
    (0.7469, 0.5, 0.375)

    References
    ----------
    Guo et al., "On calibration of modern neural networks", arXiv 1706.04599; Brier, doi
    10.1175/1520-0493(1950)078<0001:VOFEIT>2.0.CO;2; docs/scoring.md has the rest.
    """
    new = Score(
        probabilities=probabilities,
        ignore_index=ignore_index,
        top_k=top_k,
        bins=bins,
        temperature=temperature,
        allow_nan=allow_nan,
        worst=worst,
        bytes=bytes,
    )
    return new.update(logits, labels)
