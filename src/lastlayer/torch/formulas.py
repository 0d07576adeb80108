"""Softmax cross-entropy in torch operations: for every device and every transform.

The same formulas as `lastlayer.reference`, over the functions of `derivatives`: each can be
differentiated again in either mode, mapped and traced. The class axis is where torch has it, the
second, and within this file the last. (..., C)
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from lastlayer.contract import LARGEST
from lastlayer.torch.derivatives import (
    log_softmax,
    log_softmax_derivative,
    softcap,
    softcap_slope,
    softmax,
)


@dataclass(frozen=True, slots=True)
class Options:
    """The options of a loss that are numbers and words, checked."""

    ignore_index: int
    label_smoothing: float
    z_loss: float
    softcap: float  # 0: none
    temperature: float
    reduction: str
    divisor: float | None
    empty: str


def class_axis(x: Tensor) -> int:
    """Axis 1, as torch has it; the only one of a single row."""
    return 1 if x.ndim > 1 else 0


def working_dtype(x: Tensor, options: Options) -> torch.dtype:
    """float32 for half precision and itself, unless a soft-cap or a temperature asks for more.

    Rounding x / T, or softcap · tanh(x / softcap), to float32 would be off by more than promised.
    """
    apart = options.softcap or options.temperature != 1
    return double(x) if x.dtype == torch.float64 or apart else torch.float32


def double(x: Tensor) -> torch.dtype:
    """float64, in which sums are accumulated, where the device has it."""
    return torch.float32 if x.device.type == "mps" else torch.float64


def loss_dtype(x: Tensor) -> torch.dtype:
    """Dtype of a loss: never half precision."""
    return torch.float64 if x.dtype == torch.float64 else torch.float32


# --------------------------------------------------------------------------- cross-entropy


def cross_entropy(
    options: Options, x: Tensor, target: Tensor, weight: Tensor | None, samples: Tensor | None
) -> Tensor:
    """The reduced loss, to be differentiated by autograd."""
    x, target = classes_last(x, target)
    kept, row, coefficients = _prepared(options, x, target, weight, samples)
    z = _capped(kept, options)
    log_p = log_softmax(z, options.temperature)
    if isinstance(coefficients, tuple):
        label, factor = coefficients
        loss = product(factor, -log_p.gather(-1, label.unsqueeze(-1)).squeeze(-1))
    else:
        loss = product(coefficients, -log_p).sum(-1)
    if options.z_loss:
        loss = loss + options.z_loss * _logsumexp(z, log_p, options.temperature) ** 2
    loss = torch.where(row != 0, row * loss, 0.0)
    return reduced(loss, counted(options, x, target, weight, samples), options).to(loss_dtype(x))


def gradient(
    options: Options, x: Tensor, target: Tensor, weight: Tensor | None, samples: Tensor | None
) -> Tensor:
    """∂loss/∂x of the reduced loss, or with reduction="none" of its sum.

    Shape of the logits, not yet rounded to half precision, and in operations that can be
    differentiated again.
    """
    axis = class_axis(x)
    x, target = classes_last(x, target)
    kept, row, coefficients = _prepared(options, x, target, weight, samples)
    z = _capped(kept, options)
    if isinstance(coefficients, tuple):
        label, factor = (c.unsqueeze(-1) for c in coefficients)
        coefficients = torch.zeros_like(z).scatter(-1, label, factor.to(z.dtype))
    p = softmax(z, options.temperature)
    slope = -log_softmax_derivative(p, coefficients)
    if options.z_loss:
        lse = _logsumexp(z, log_softmax(z, options.temperature), options.temperature)
        slope = slope + 2 * options.z_loss * lse.unsqueeze(-1) * p
    if options.softcap:
        slope = slope * softcap_slope(options.softcap, kept)
    scale = row * scale_of(counted(options, x, target, weight, samples), options)
    slope = slope * (scale / options.temperature).to(z.dtype).unsqueeze(-1)
    return torch.where((row != 0).unsqueeze(-1), slope, 0.0).to(loss_dtype(x)).movedim(-1, axis)


def label_gradient(
    options: Options, x: Tensor, target: Tensor, weight: Tensor | None, samples: Tensor | None
) -> Tensor:
    """∂loss/∂t_j = −s w_j (1 − ε) log p_j of a distribution t, likewise."""
    axis = class_axis(x)
    x, target = classes_last(x, target)
    kept, row, _ = _prepared(options, x, target, weight, samples)
    log_p = log_softmax(_capped(kept, options), options.temperature)
    factor = row * scale_of(counted(options, x, target, weight, samples), options)
    factor = (1 - options.label_smoothing) * factor.to(log_p.dtype).unsqueeze(-1)
    if weight is not None:
        factor = factor * weight.to(log_p.dtype)
    return torch.where(factor != 0, -factor * log_p, 0.0).to(target.dtype).movedim(-1, axis)


def classes_last(x: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Logits and labels with the class axis at the end."""
    axis = class_axis(x)
    return x.movedim(axis, -1), target.movedim(axis, -1) if is_soft(x, target) else target


def is_soft(x: Tensor, target: Tensor) -> bool:
    """Whether labels are distributions; no labels at all may be floating class indices."""
    return bool(target.is_floating_point() and target.ndim == x.ndim)


def _prepared(
    options: Options, x: Tensor, target: Tensor, weight: Tensor | None, samples: Tensor | None
) -> tuple[Tensor, Tensor, Tensor | tuple[Tensor, Tensor]]:
    """The logits (..., C), a factor a row (...), and the coefficients of −log p.

    The factor is 0 for a row that is left out, whose logits are then not looked at, and NaN for
    one whose label is wrong: where nothing waits for the values, that is what tells of it. The
    coefficients are the label and its weight, where no other class has one, or dense. (..., C)
    """
    classes, dtype = x.shape[-1], working_dtype(x, options)
    weight = None if weight is None else weight.to(dtype)
    row = torch.ones((), dtype=dtype, device=x.device).expand(x.shape[:-1])
    if samples is not None:
        row = samples.to(dtype) + 0 * row
    coefficients: Tensor | tuple[Tensor, Tensor]
    if is_soft(x, target):
        right = ((target >= 0) & (target <= LARGEST)).all(-1)
        coefficients = target.to(dtype)
    else:
        label, ignored, right = labels_in_range(target, classes, options.ignore_index)
        row = torch.where(ignored, 0.0, row)
        if not options.label_smoothing:
            factor = torch.ones_like(row) if weight is None else weight[label]
            coefficients = (label, factor)
        else:
            one = torch.ones_like(row).unsqueeze(-1)
            zeros = torch.zeros_like(x, dtype=dtype)
            coefficients = zeros.scatter(-1, label.unsqueeze(-1), one)
    row = torch.where(right | (row == 0), row, torch.nan)
    if not isinstance(coefficients, tuple):
        smoothing = options.label_smoothing
        coefficients = (1 - smoothing) * coefficients + smoothing / classes
        coefficients = coefficients if weight is None else coefficients * weight
    return torch.where((row != 0).unsqueeze(-1), x.to(dtype), 0.0), row, coefficients


def _capped(x: Tensor, options: Options) -> Tensor:
    result: Tensor = softcap(x, options.softcap) if options.softcap else x
    return result


def labels_in_range(
    target: Tensor, classes: int, ignore_index: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Labels with 0 for what names no class, which are ignored, and which of the others are right.

    In int64, since most integer dtypes have few operations; uint64 beyond it become negative.
    """
    label = target.to(torch.int64)
    ignored = label == ignore_index
    right = (label >= 0) & (label < classes)
    return torch.where(right & ~ignored, label, 0), ignored, right | ignored


def product(factor: Tensor, value: Tensor) -> Tensor:
    """factor · value, and 0 where the factor is 0 and the value infinite."""
    most = torch.finfo(value.dtype).max
    return factor * torch.where((factor == 0) & torch.isinf(value), most, value)


def _logsumexp(z: Tensor, log_p: Tensor, temperature: float) -> Tensor:
    top = z.argmax(-1, keepdim=True)
    return (z.gather(-1, top) / temperature - log_p.gather(-1, top)).squeeze(-1)


# --------------------------------------------------------------------------- reduction


def counted(
    options: Options, x: Tensor, target: Tensor, weight: Tensor | None, samples: Tensor | None
) -> Tensor:
    """What a mean divides by, as `problem.softmax_problem` has it. ()"""
    wide = double(x)
    if options.reduction != "mean" or options.divisor is not None:
        return torch.full((), options.divisor or 1.0, dtype=wide, device=x.device)
    if is_soft(x, target) and samples is None:
        return torch.full((), x[..., 0].numel(), dtype=wide, device=x.device)
    return weights_that_count(options, x, target, weight, samples).sum()


def weights_that_count(
    options: Options, x: Tensor, target: Tensor, weight: Tensor | None, samples: Tensor | None
) -> Tensor:
    """A sample's part in what a mean divides by. (...)"""
    wide = double(x)
    count = torch.ones(x.shape[:-1], dtype=wide, device=x.device)
    if samples is not None:
        count = samples.to(wide)
    if not is_soft(x, target):
        label, ignored, _ = labels_in_range(target, x.shape[-1], options.ignore_index)
        if weight is not None:
            count = count * weight.to(wide)[label]
        count = torch.where(ignored, 0.0, count)
    return count


def scale_of(divisor: Tensor, options: Options) -> Tensor:
    """The factor of the gradient; 0 for a mean over nothing."""
    if options.reduction != "mean":
        return divisor
    return torch.where(divisor > 0, 1 / divisor, 0.0)


def reduced(loss: Tensor, divisor: Tensor, options: Options) -> Tensor:
    """The losses, or their sums or means over all axes beyond the divisor's, in float64."""
    if options.reduction == "none":
        return loss
    total = loss.reshape(*divisor.shape, -1).sum(-1, dtype=double(loss))
    if options.reduction == "sum":
        return total
    nothing = 0.0 if options.empty == "zero" else torch.nan
    return torch.where(divisor > 0, total / torch.where(divisor > 0, divisor, 1.0), nothing)
