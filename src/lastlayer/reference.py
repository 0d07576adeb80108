"""The mathematics, in plain NumPy and float64: the truth that every backend is tested against.

For one row of logits z (C of them), m = max z, e_j = exp(z_j − m), S = Σ e_j, and R = S without
one term, summed without it and never by subtraction:

==============================  =====================================================
loss of label y, z_y = m        log1p(R), R = Σ_{j≠y} e_j
loss of label y, z_y < m        (m − z_y) + log S
∂loss/∂z_j, j ≠ y               e_j / S
∂loss/∂z_y                      −R / S
loss of a distribution a        Σ a_j (m − z_j) + A log1p(R),  A = Σ a_j, R without one maximum
∂loss/∂z_j of a distribution    A e_j / S − a_j, at the one maximum k: (A − a_k) − A R / S
==============================  =====================================================

Every sum has terms of one sign, so nothing cancels: a row that is right by a lead of 80 has the
loss exp(−80), not 0. The bounds are those of Blanchard, Higham & Higham, "Accurately computing
the log-sum-exp and softmax functions", IMA J. Numer. Anal. 41 (2021), doi 10.1093/imanum/draa038.

All functions take two-dimensional float64 arrays, a sample a row. (N, C)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from lastlayer.contract import Array, Floats, Indices
from lastlayer.problem import Problem


def softmax_parts(z: Floats, temperature: float = 1.0) -> tuple[Floats, Floats, Floats, Floats]:
    """m (N, 1), e (N, C), R without the first maximum (N, 1) and log S (N, 1).

    The temperature divides differences: z / T would round what two large logits differ by.
    """
    m = z.max(axis=-1, keepdims=True, initial=-np.inf)
    with np.errstate(invalid="ignore"):  # −inf − −inf, inf − inf: NaN, as the contract has it
        e = np.exp((z - m) / temperature)
    others = e.copy()
    np.put_along_axis(others, z.argmax(axis=-1, keepdims=True), 0.0, axis=-1)
    rest = others.sum(axis=-1, keepdims=True)
    rest[~np.isfinite(m)] = np.nan
    return m, e, rest, np.log1p(rest)


def softmax(z: Floats) -> Floats:
    """e_j / S."""
    _, e, rest, _ = softmax_parts(z)
    return e / (1 + rest)


def complement(z: Floats) -> Floats:
    """1 − softmax(z), exact also where a probability rounds to 1: there it is R / S."""
    _, e, rest, _ = softmax_parts(z)
    q = 1 - e / (1 + rest)
    np.put_along_axis(q, z.argmax(axis=-1, keepdims=True), rest / (1 + rest), axis=-1)
    return q


def log_softmax(z: Floats) -> Floats:
    """(z_j − m) − log S."""
    m, _, _, log_s = softmax_parts(z)
    return (z - m) - log_s


def capped(x: Array, softcap: float) -> tuple[Floats, Floats]:
    """z = softcap · tanh(x / softcap) and dz/dx; without a cap (0), and for ±inf, x and 1."""
    x = np.asarray(x, dtype=np.float64)
    if not softcap:
        return x, np.ones_like(x)
    with np.errstate(over="ignore"):
        ratio = x / softcap
    u = np.exp(-2 * np.abs(ratio))
    masked = np.isinf(x)
    z, slope = softcap * np.tanh(ratio), 4 * u / (1 + u) ** 2
    return np.where(masked, x, z), np.where(masked, 1.0, slope)


def one_hot(indices: Indices, classes: int) -> Floats:
    """Class indices (N,) as rows of 0 and 1 (N, C); an index outside [0, C) as a row of 0."""
    rows: Floats = (np.arange(classes) == indices[:, None]).astype(np.float64)
    return rows


def distribution(problem: Problem) -> Floats:
    """The coefficients a_j = w_j ((1 − ε) t_j + ε / C) of −log p_j. (N, C)"""
    classes = problem.logits.shape[-1]
    if problem.targets is not None:
        target = np.asarray(problem.targets, dtype=np.float64).reshape(-1, classes)
    else:
        assert problem.indices is not None  # one of the two is always there
        target = one_hot(problem.indices, classes)
    a: Floats = (1 - problem.label_smoothing) * target + problem.label_smoothing / classes
    return a if problem.class_weight is None else a * problem.class_weight


def cross_entropy(problem: Problem) -> tuple[Floats, Floats]:
    """Each row's weighted loss (N,) and its gradient, scaled as the reduction asks (N, C)."""
    x = problem.logits.reshape(-1, problem.logits.shape[-1])
    z, dz = capped(x, problem.softcap)
    m, e, rest, log_s = softmax_parts(z, problem.temperature)
    a = distribution(problem)
    total = a.sum(axis=-1, keepdims=True)
    top = z.argmax(axis=-1, keepdims=True)
    others = a.copy()
    np.put_along_axis(others, top, 0.0, axis=-1)

    with np.errstate(invalid="ignore"):
        picked = np.where(
            a > 0, a * (m - z) / problem.temperature, 0.0
        )  # 0 · ∞ is 0: a class that is not asked for
    log_base = np.log(problem.base)
    loss = (picked.sum(axis=-1, keepdims=True) + total * log_s) / log_base
    lse = m / problem.temperature + log_s
    loss += problem.z_loss * lse**2 if problem.z_loss else 0.0

    p = e / (1 + rest)
    gradient = total * p - a
    at_top = others.sum(axis=-1, keepdims=True) - total * rest / (1 + rest)
    direct = np.take_along_axis(gradient, top, axis=-1)  # loses nothing where p is at most ½
    np.put_along_axis(gradient, top, np.where(rest < 1, at_top, direct), axis=-1)
    gradient = gradient / log_base + (2 * problem.z_loss * lse * p if problem.z_loss else 0.0)

    weight = np.ones(len(z)) if problem.sample_weight is None else problem.sample_weight
    if problem.indices is not None:
        weight = np.where(problem.indices == problem.ignore_index, 0.0, weight)
    counts = weight > 0  # a row of weight 0 is left out, whatever it holds
    loss = np.where(counts, loss[:, 0] * weight, 0.0)
    gradient = gradient * dz * (problem.reduce.scale / problem.temperature * weight)[:, None]
    return loss, np.where(counts[:, None], gradient, 0.0)


@dataclass(frozen=True, slots=True)
class RowStatistics:
    """What scoring needs of each row, in the order of the rows; arrays (N,), in nats.

    A row without probabilities (a NaN, a +inf, nothing but −inf) has prediction and rank −1 and NaN
    for all else. A row that is ignored has no label: its loss and Brier score are 0, its rank −1.
    """

    loss: Array  # as `cross_entropy` gives it: float32, or float64 for float64 logits
    prediction: Indices  # the first of the largest logits
    confidence: Floats  # p of the prediction, 1 / S
    doubt: Floats  # 1 − confidence, R / S
    rank: Indices  # classes before the label: of a larger logit, or of the same and a lower index
    brier: Floats  # Σ_j (p_j − t_j)²
    entropy: Floats  # −Σ_j p_j log p_j


def row_statistics(problem: Problem) -> RowStatistics:
    """Loss, prediction and what else is known of each row. The label of a soft row is its mode.

    1 − p is R / S at the maximum, and p − t = (1 − t) p − t (1 − p): what is tiny stays exact.
    """
    loss, _ = cross_entropy(problem)
    x = np.asarray(problem.logits, dtype=np.float64).reshape(-1, problem.logits.shape[-1])
    m, e, rest, log_s = softmax_parts(x, problem.temperature)
    prediction = x.argmax(axis=-1)
    p, q = e / (1 + rest), 1 - e / (1 + rest)
    np.put_along_axis(q, prediction[:, None], rest / (1 + rest), axis=-1)
    t = distribution(problem)
    label, counts = t.argmax(axis=-1)[:, None], np.ones(len(x), dtype=bool)
    if problem.indices is not None:
        counts = problem.indices != problem.ignore_index
    with np.errstate(invalid="ignore"):
        behind = np.where(p > 0, p * ((m - x) / problem.temperature), 0.0)
    picked = np.take_along_axis(x, label, axis=-1)
    before = (x > picked) | ((x == picked) & (np.arange(x.shape[-1]) < label))
    known = np.isfinite(rest[:, 0])
    return RowStatistics(
        loss=loss.astype(problem.loss_dtype),
        prediction=np.where(known, prediction, -1),
        confidence=1 / (1 + rest[:, 0]),
        doubt=(rest / (1 + rest))[:, 0],
        rank=np.where(known & counts, before.sum(axis=-1), -1),
        brier=np.where(counts, (((1 - t) * p - t * q) ** 2).sum(axis=-1), 0.0),
        entropy=np.where(known, log_s[:, 0] + behind.sum(axis=-1), np.nan),
    )


def temperature_sums(problem: Problem, temperature: float) -> tuple[Floats, Floats, Floats]:
    """Each row's loss at a temperature, and its two derivatives by β = 1 / T. (N,)

    E_p[x] − x_y and Var_p[x], of the distances m − x; for a distribution t of the weight A,
    A E_p[x] − Σ_j t_j x_j and A Var_p[x]. The problem's own temperature plays no part.
    """
    x = np.asarray(problem.logits, dtype=np.float64).reshape(-1, problem.logits.shape[-1])
    m, e, rest, log_s = softmax_parts(x, temperature)
    p, t = e / (1 + rest), distribution(problem)
    total = t.sum(axis=-1)
    with np.errstate(invalid="ignore"):
        d = m - x
        mean, square = (np.where(p > 0, p * d**k, 0.0).sum(axis=-1) for k in (1, 2))
        behind = np.where(t > 0, t * d, 0.0).sum(axis=-1)
    counts = np.ones(len(x), dtype=bool)
    if problem.indices is not None:
        counts = problem.indices != problem.ignore_index
    known = np.where(np.isfinite(rest[:, 0]), 1.0, np.nan)
    loss = (behind / temperature + total * log_s[:, 0]) * known
    slope, curvature = (behind - total * mean) * known, total * (square - mean**2) * known
    return tuple(np.where(counts, column, 0.0) for column in (loss, slope, curvature))  # type: ignore[return-value]


def sigmoid(z: Floats) -> Floats:
    """1 / (1 + exp(−z)), without overflow and without 1 − (nearly 1)."""
    e = np.exp(-np.abs(z))
    return np.where(z >= 0, 1 / (1 + e), e / (1 + e))


def binary_cross_entropy(
    z: Floats, target: Floats, pos_weight: Floats | float = 1.0
) -> tuple[Floats, Floats]:
    """−[w t log σ(z) + (1 − t) log σ(−z)] and its derivative; −log σ(−z) = max(z, 0) + log1p(e).

    Both terms are of one sign, and 0 · ∞ is 0. Any one shape.
    """
    log1p = np.log1p(np.exp(-np.abs(z)))
    positive, negative = pos_weight * target, 1 - target
    loss = np.where(positive > 0, positive * (np.maximum(-z, 0) + log1p), 0.0)
    loss = loss + np.where(negative > 0, negative * (np.maximum(z, 0) + log1p), 0.0)
    return loss, negative * sigmoid(z) - positive * sigmoid(-z)


def quadratic_cost(
    z: Floats, target: Floats, activation: Literal["sigmoid", "softmax", "identity"]
) -> tuple[Floats, Floats]:
    """½ ‖a − t‖² a row (N,) and its gradient (N, C), a the activation of z.

    The gradient carries the activation's derivative, σ(z) σ(−z) for a sigmoid: the factor that
    vanishes where it saturates, and that cross-entropy does not have.
    """
    if activation == "identity":
        d = z - target
        return 0.5 * (d**2).sum(axis=-1), d
    if activation == "sigmoid":
        a, rest = sigmoid(z), sigmoid(-z)
    else:
        a, rest = softmax(z), complement(z)
    d = (1 - target) * a - target * rest  # a − t, without cancelling where both are nearly 1
    cost = 0.5 * (d**2).sum(axis=-1)
    if activation == "sigmoid":
        return cost, d * a * rest
    # p_j (d_j − Σ_i d_i p_i), j's own share gathered as d_j (1 − p_j). At the maximum that share
    # is nearly all of the sum, so there the others are summed without it.
    share = d * a
    others = share.sum(axis=-1, keepdims=True) - share
    top = z.argmax(axis=-1, keepdims=True)
    np.put_along_axis(share, top, 0.0, axis=-1)
    np.put_along_axis(others, top, share.sum(axis=-1, keepdims=True), axis=-1)
    return cost, a * (d * rest - others)
