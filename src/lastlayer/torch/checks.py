"""The contract for tensors whose values are not looked at: dtypes, shapes and numbers.

Tensors on the CPU are checked as the arrays that they are, values included, by `problem`. These
checks are for all others, tensors of another device or of a trace, and say the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lastlayer import contract, labels
from lastlayer import reduction as reductions
from lastlayer.contract import Names
from lastlayer.reduction import Reducer
from lastlayer.torch.formulas import Options, class_axis
from lastlayer.torch.memory import values

TORCH = Names(
    logits="input",
    labels="target",
    class_weight="weight",
    about_labels="target: ",
    as_float="target.float()",
    as_integer="target.long()",
    as_scores="input.float()",
)


def are_tensors(**tensors: Any) -> None:
    """Refuse what is no tensor; None is allowed where an argument may be left out."""
    for name, value in tensors.items():
        if not isinstance(value, Tensor) and (value is not None or name in ("input", "target")):
            raise TypeError(f"{name} must be a torch tensor, not {type(value).__name__}")


def no_gradient_for(**tensors: Tensor | None) -> None:
    """Refuse weights that ask for a gradient, of which there is none."""
    for name, value in tensors.items():
        if value is not None and value.requires_grad and torch.is_grad_enabled():
            raise ValueError(
                f"{name} requires grad, and there is no gradient for it: pass {name}.detach(), or "
                "multiply the losses of reduction='none'"
            )


def cross_entropy(
    input: Tensor, target: Tensor, weight: Tensor | None, sample_weight: Tensor | None
) -> None:
    """Refuse dtypes and shapes that do not fit."""
    shape = tuple(input.shape)
    contract.check_outputs(*_names(input), TORCH)
    if not shape:
        raise ValueError("input needs a class axis: a single number has shape ()")
    axis = class_axis(input)
    contract.check_classes(shape, axis, "input")
    labels.are_indices(*_names(target), tuple(target.shape), shape, axis, TORCH)
    rows = shape[:axis] + shape[axis + 1 :]
    _check_weight(weight, (shape[axis],), "weight", "one for each class")
    _check_weight(sample_weight, rows, "sample_weight", "one for each sample")


def binary_cross_entropy(
    input: Tensor, target: Tensor, weight: Tensor | None, pos_weight: Tensor | None
) -> None:
    """Refuse dtypes and shapes that do not fit; weights broadcast."""
    shape = tuple(input.shape)
    contract.check_outputs(*_names(input), TORCH)
    labels.check_binary_labels(*_names(target), tuple(target.shape), shape, TORCH)
    for name, value in {"weight": weight, "pos_weight": pos_weight}.items():
        if value is not None:
            expanded(value, shape, name)


def label_values(input: Tensor, target: Tensor, ignore_index: int) -> None:
    """Look at the labels themselves, where they are in the CPU's memory."""
    array = values(target)
    if array is not None:
        logits = np.broadcast_to(0.0, tuple(input.shape))
        axis = class_axis(input)
        indices, targets = labels.as_labels(array, logits, axis, TORCH)
        if indices is not None:
            labels.as_indices(indices, logits.shape[axis], ignore_index, names=TORCH)
        if targets is not None:
            labels.check_targets(targets, names=TORCH)


def binary_values(input: Tensor, target: Tensor) -> None:
    """The same of the targets of sigmoid outputs."""
    array = values(target)
    if array is not None:
        labels.as_binary_labels(array, np.broadcast_to(0.0, tuple(input.shape)), None, TORCH)


def floating(input: Tensor) -> None:
    """Refuse a tensor of no floating dtype."""
    contract.check_floating(*_names(input), "input")


def axis(input: Tensor, dim: Any) -> int:
    """An axis of the input that is not empty, counted from 0."""
    number = contract.as_axis(dim, input.ndim)
    if input.shape[number] == 0:
        raise ValueError(f"input of shape {tuple(input.shape)} has nothing along axis {dim}")
    return number


def expanded(weight: Tensor, shape: tuple[int, ...], name: str) -> Tensor:
    """`weight`, broadcast to the shape of the input."""
    try:
        return weight.expand(shape)
    except RuntimeError:
        raise ValueError(
            f"{name} of shape {tuple(weight.shape)} does not broadcast to input of shape {shape}"
        ) from None


def options(
    *,
    ignore_index: Any,
    label_smoothing: Any,
    z_loss: Any,
    softcap: Any,
    temperature: Any,
    reduction: Any,
    divisor: Any,
    empty: Any,
) -> Options:
    """The numbers and words of a call."""
    words = as_reducer(reduction, divisor, empty)
    return Options(
        ignore_index=contract.as_stored(contract.as_integer(ignore_index, "ignore_index")),
        label_smoothing=contract.as_number(label_smoothing, "label_smoothing", 0, 1),
        z_loss=contract.as_number(z_loss, "z_loss", 0, float("inf")),
        softcap=contract.as_softcap(softcap),
        temperature=contract.as_temperature(temperature),
        reduction=words.reduction,
        divisor=None if divisor is None else words.divisor,
        empty=words.empty,
    )


def named(numbers: Sequence[Any]) -> dict[str, Any]:
    """An operator's numbers by their names."""
    return dict(zip((field.name for field in fields(Options)), numbers, strict=True))


def listed_options(numbers: Sequence[Any]) -> Options:
    """The options that an operator is given."""
    return options(**named(numbers))


def not_empty(divisor: Tensor, rows: tuple[int, ...]) -> None:
    """Refuse a mean over nothing, as empty="raise" asks."""
    reductions.as_reducer("mean", None, "raise", float(divisor), rows)


def numbers(options: Options) -> dict[str, Any]:
    """The options as an operator is given them."""
    values = {field.name: getattr(options, field.name) for field in fields(options)}
    return values | {"softcap": options.softcap or None}


def as_reducer(how: Any, divisor: Any = None, empty: Any = "nan") -> Reducer:
    """The words of a reduction, and its divisor where one is given."""
    return reductions.as_reducer(how, divisor, empty, 1.0, ())


def _check_weight(value: Tensor | None, wanted: tuple[int, ...], name: str, meaning: str) -> None:
    if value is None:
        return
    if value.is_complex():
        raise TypeError(f"{name} must be numbers, not {value.dtype}")
    contract.check_weight_shape(tuple(value.shape), wanted, name, meaning)


def _names(tensor: Tensor) -> tuple[str, str]:
    """A dtype as NumPy calls it, to be looked at and to be shown."""
    name = str(tensor.dtype).removeprefix("torch.")
    return name, name
