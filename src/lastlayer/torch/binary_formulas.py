"""Binary cross-entropy of sigmoid outputs in torch operations, as `formulas` has the softmax."""

from __future__ import annotations

import torch
from torch import Tensor

from lastlayer.torch.derivatives import log_sigmoid, sigmoid
from lastlayer.torch.formulas import double, loss_dtype, product


def cross_entropy(
    reduction: str, x: Tensor, target: Tensor, weight: Tensor | None, pos_weight: Tensor | None
) -> Tensor:
    """−weight · [pos_weight t log σ(x) + (1 − t) log σ(−x)], reduced. Weights broadcast."""
    z, yes, no, factor = _coefficients(x, target, weight, pos_weight)
    loss = product(yes, -log_sigmoid(z)) + product(no, -log_sigmoid(-z))
    loss = loss if factor is None else torch.where(factor != 0, factor * loss, 0.0)
    return _reduced(loss, reduction).to(loss_dtype(x))


def gradient(
    reduction: str, x: Tensor, target: Tensor, weight: Tensor | None, pos_weight: Tensor | None
) -> Tensor:
    """(1 − t) σ(x) − pos_weight t σ(−x), weighted and scaled, not yet rounded to half precision."""
    z, yes, no, factor = _coefficients(x, target, weight, pos_weight)
    slope = no * sigmoid(z) - yes * sigmoid(-z)
    slope = slope if factor is None else torch.where(factor != 0, factor * slope, 0.0)
    return slope * _scale(x, reduction)


def label_gradient(
    reduction: str, x: Tensor, target: Tensor, weight: Tensor | None, pos_weight: Tensor | None
) -> Tensor:
    """weight · (log σ(−x) − pos_weight log σ(x)), scaled, of the dtype of the targets."""
    z, _, _, factor = _coefficients(x, target, weight, pos_weight)
    yes = log_sigmoid(z)
    if pos_weight is not None:
        yes = torch.where(pos_weight != 0, pos_weight.to(z.dtype) * yes, 0.0)
    slope = log_sigmoid(-z) - yes
    slope = slope if factor is None else torch.where(factor != 0, factor * slope, 0.0)
    return (slope * _scale(x, reduction)).to(target.dtype)


def _coefficients(
    x: Tensor, target: Tensor, weight: Tensor | None, pos_weight: Tensor | None
) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
    """Logits, the coefficients of −log σ(x) and −log σ(−x), and the factor; NaN: a wrong target."""
    z, t = x.to(loss_dtype(x)), target.to(loss_dtype(x))
    t = torch.where((t >= 0) & (t <= 1), t, torch.nan)
    factor = None if weight is None else weight.to(z.dtype).expand(x.shape)
    if factor is not None:
        z = torch.where(factor != 0, z, 0.0)
    return z, t if pos_weight is None else pos_weight.to(z.dtype) * t, 1 - t, factor


def _scale(x: Tensor, reduction: str) -> float:
    return 1 / x.numel() if reduction == "mean" and x.numel() else 1.0


def _reduced(loss: Tensor, reduction: str) -> Tensor:
    if reduction == "none":
        return loss
    wide = double(loss)
    return loss.sum(dtype=wide) if reduction == "sum" else loss.mean(dtype=wide)
