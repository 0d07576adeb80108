"""The temperature that minimises the loss: Newton's method in a few passes over the logits."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from lastlayer.contract import Array, Indices
from lastlayer.scoring.carries import carry_exact
from lastlayer.scoring.rows import blocks_of, labels_of, logarithms, problem_of
from lastlayer.scoring.score import Score
from lastlayer.scoring.settings import Settings
from lastlayer.scoring.tables import TemperatureFit

Blocks = Iterable[tuple[Any, Any]] | Callable[[], Iterable[tuple[Any, Any]]]

HIGHEST = 1000.0  # temperatures are looked for from 1 / HIGHEST to HIGHEST
ENOUGH = 10  # passes after which the ends of that range are looked at
CLOSE = 1e-6  # a last relative step: the error after it is of the order of its square
SLICE = 1 << 16
CARRY = 1 << 32  # rows after which sums are carried: with 2^36 of them a word could be full


def fit_temperature(
    blocks: Blocks, *, before: Score | None = None, **options: Any
) -> TemperatureFit:
    r"""Find the temperature T at which the loss of softmax(logits / T) is least.

    The mean loss is convex in β = 1 / T, with the derivatives

        d/dβ = (1/N) Σ_i (E_p[z_i] − z_i[y_i]),   d²/dβ² = (1/N) Σ_i Var_p[z_i],

    so Newton's method comes to its only minimum; for a step that would leave the interval in
    which that must lie, the geometric mean of its ends is taken. The sums are exact, and T has
    the same bits for any split into blocks.

    Parameters
    ----------
    blocks : iterable of (logits, labels), or function that returns one
        Read once for each pass, so no iterator: a list of blocks, or a function that begins anew.
        Logits of shape (..., C) and labels as for `score`.
    before : Score, optional
        Of the same blocks at temperature 1, to save a pass.
    **options
        As for `Score`, without `temperature`; those of `before` where that is given.

    Returns
    -------
    TemperatureFit
        temperature; before and after, two scores; passes; bounded.

    Raises
    ------
    LabelError, TypeError, ValueError
        As `score`; also for an iterator, and where no row is left to fit to.

    Notes
    -----
    Rows of infinite loss, which no temperature changes, play no part. The temperature of
    predictions that are all right falls to the bound of 0.001, and of those that are no better
    than chance rises to 1000: `bounded` says so.

    Examples
    --------
    >>> import numpy as np, lastlayer as ll
    >>> rng = np.random.default_rng(0)
    >>> logits = rng.normal(size=(2000, 5))
    >>> labels = (logits + rng.gumbel(size=logits.shape)).argmax(axis=1)  # drawn from softmax
    >>> fit = ll.fit_temperature([(3 * logits, labels)])
    >>> round(fit.temperature, 1)
    3.0
    >>> fit.after.ece < fit.before.ece
    True

    References
    ----------
    Guo et al., "On calibration of modern neural networks", arXiv 1706.04599, section 4.2.
    """
    if isinstance(blocks, Iterator):
        raise TypeError(
            "blocks are read several times, and an iterator only once: pass a list of them, or a "
            "function that returns a new iterator"
        )

    def again() -> Iterable[tuple[Any, Any]]:
        return blocks() if callable(blocks) else blocks

    if "temperature" in options:
        raise TypeError("temperature is what is looked for")
    if before is None:
        before = Score(**options).update(again())
    return fit(
        before,
        lambda settings, beta: derivative_sums(again(), settings, beta),
        lambda options: Score(**options).update(again()),
    )


def fit(
    before: Score,
    sums: Callable[[Settings, float], tuple[Indices, int]],
    score: Callable[[dict[str, Any]], Score],
) -> TemperatureFit:
    """The same by whoever passes over the rows: to give `derivative_sums`, or a score."""
    if before.count - before.infinite <= 0:
        raise ValueError("no row to fit a temperature to")
    beta, passes, bounded = _minimum(lambda beta: sums(before._settings, beta))
    after = score({**before.settings, "temperature": 1 / beta})
    return TemperatureFit(1 / beta, before, after, passes, bounded)


def _minimum(sums: Callable[[float], tuple[Indices, int]]) -> tuple[float, int, bool]:
    """β of the least loss, in how many passes, and whether it is a bound."""
    low, high, beta, passes = 1 / HIGHEST, HIGHEST, 1.0, 0
    while True:
        slope, curvature = _derivatives(*sums(beta))
        passes += 1
        if slope == 0:
            return beta, passes, False
        if slope > 0:
            high = beta
        else:
            low = beta
        new = beta - slope / curvature if curvature > 0 else math.inf
        if abs(new - beta) <= CLOSE * beta or high <= low * (1 + CLOSE):
            return min(max(new, low), high), passes, False
        if passes == ENOUGH:  # by now Newton's method is there, unless there is no minimum
            beta = HIGHEST if slope < 0 else 1 / HIGHEST
            there, _ = _derivatives(*sums(beta))
            passes += 1
            if there == 0 or (there < 0) == (slope < 0):
                return beta, passes, True
        beta = new if low < new < high and passes < ENOUGH else math.sqrt(low * high)


def _derivatives(sums: Indices, count: int) -> tuple[float, float]:
    """Those of the mean loss by β."""
    from lastlayer.kernels.exact_sum import ratio

    return ratio(sums[0], count), ratio(sums[1], count)


def derivative_sums(
    blocks: Iterable[tuple[Any, Any]], settings: Settings, beta: float
) -> tuple[Indices, int]:
    """Exact sums of both derivatives over the rows whose loss is finite, and how many those are.

    The sums of parts are added cell by cell. (2, CELLS)
    """
    from lastlayer.kernels.exact_sum import CELLS, add_all

    sums, count, carried = np.zeros((2, CELLS), np.int64), 0, 0
    for logits, labels in blocks:
        for columns in _derivatives_of_rows(logits, labels, settings, beta):
            count += columns.shape[1]
            if count - carried > CARRY:
                sums, carried = added([(sums, 0)])[0], count
            for total, column in zip(sums, columns, strict=True):
                add_all(total, column)
        del logits, labels  # they may be a part of a file that is mapped: let go before the next
    return sums, count


def added(parts: Iterable[tuple[Indices, int]]) -> tuple[Indices, int]:
    """`derivative_sums` of parts as one, of any number of rows."""
    from lastlayer.kernels.exact_sum import CELLS

    sums, count = np.zeros((2, CELLS), np.int64), 0
    for more, rows in parts:
        sums, count = sums + more, count + rows
        for one in sums:
            carry_exact(one)
    return sums, count


def _derivatives_of_rows(
    logits: Any, labels: Any, settings: Settings, beta: float
) -> Iterator[Array]:
    """Both derivatives of each row whose loss is finite, some rows at a time. (2, N)"""
    from lastlayer.kernels.statistics import temperature_sums

    for block in blocks_of(logits, labels, settings):
        for start in range(0, len(block), SLICE):
            part = block[start : start + SLICE]
            indices = labels_of(part, settings)
            part = logarithms(part) if settings.probabilities else part
            columns = temperature_sums(problem_of(part, indices, settings), 1 / beta)
            finite = np.isfinite(columns[0])
            yield np.stack([column[finite] for column in columns[1:]])
