"""The losses as modules, in place of those of torch.nn."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from lastlayer.torch import losses


class CrossEntropyLoss(torch.nn.CrossEntropyLoss):
    r"""torch.nn.CrossEntropyLoss, exact: see `lastlayer.torch.cross_entropy`.

    Parameters
    ----------
    weight, size_average, ignore_index, reduce, reduction, label_smoothing
        As torch.nn.CrossEntropyLoss.
    z_loss, softcap, temperature, divisor, empty, inplace_backward
        As `lastlayer.torch.cross_entropy`; each is an attribute, to be set between calls too.

    Examples
    --------
    >>> import torch, lastlayer.torch
    >>> loss = lastlayer.torch.CrossEntropyLoss(label_smoothing=0.1, z_loss=1e-4)
    >>> loss
    CrossEntropyLoss(label_smoothing=0.1, z_loss=0.0001)
    >>> loss(torch.zeros(2, 10), torch.tensor([3, 7]))
    tensor(2.3031)
    """

    def __init__(
        self,
        weight: Tensor | None = None,
        size_average: bool | None = None,
        ignore_index: int = -100,
        reduce: bool | None = None,
        reduction: str = "mean",
        label_smoothing: float = 0.0,
        *,
        z_loss: float = 0.0,
        softcap: float | None = None,
        temperature: float = 1.0,
        divisor: float | None = None,
        empty: str = "nan",
        inplace_backward: bool = False,
    ) -> None:
        super().__init__(weight, size_average, ignore_index, reduce, reduction, label_smoothing)
        self.z_loss = z_loss
        self.softcap = softcap
        self.temperature = temperature
        self.divisor = divisor
        self.empty = empty
        self.inplace_backward = inplace_backward

    def forward(
        self, input: Tensor, target: Tensor, *, sample_weight: Tensor | None = None
    ) -> Tensor:
        """The loss of logits and labels; `sample_weight` is of this batch."""
        return losses.cross_entropy(
            input,
            target,
            self.weight,
            ignore_index=self.ignore_index,
            reduction=self.reduction,
            label_smoothing=self.label_smoothing,
            sample_weight=sample_weight,
            z_loss=self.z_loss,
            softcap=self.softcap,
            temperature=self.temperature,
            divisor=self.divisor,
            empty=self.empty,
            inplace_backward=self.inplace_backward,
        )

    def extra_repr(self) -> str:
        """The options that are not at their default."""
        shown = [] if self.weight is None else [f"weight of {self.weight.numel()} classes"]
        return ", ".join(shown + _changed(self, _DEFAULTS))


_DEFAULTS = {
    "ignore_index": -100,
    "reduction": "mean",
    "label_smoothing": 0.0,
    "z_loss": 0.0,
    "softcap": None,
    "temperature": 1.0,
    "divisor": None,
    "empty": "nan",
    "inplace_backward": False,
}


def _changed(module: torch.nn.Module, defaults: dict[str, Any]) -> list[str]:
    values = {name: getattr(module, name) for name in defaults}
    return [f"{name}={values[name]!r}" for name in defaults if values[name] != defaults[name]]


class BCEWithLogitsLoss(torch.nn.BCEWithLogitsLoss):
    r"""torch.nn.BCEWithLogitsLoss, exact: see `binary_cross_entropy_with_logits`.

    Parameters
    ----------
    weight, size_average, reduce, reduction, pos_weight
        As torch.nn.BCEWithLogitsLoss.

    Examples
    --------
    >>> import torch, lastlayer.torch
    >>> loss = lastlayer.torch.BCEWithLogitsLoss(reduction="sum")
    >>> loss
    BCEWithLogitsLoss(reduction='sum')
    >>> loss(torch.tensor([40.0, -40.0]), torch.tensor([1.0, 0.0]))
    tensor(8.4967e-18)
    """

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """The loss of logits and targets in [0, 1]."""
        return losses.binary_cross_entropy_with_logits(
            input, target, self.weight, reduction=self.reduction, pos_weight=self.pos_weight
        )

    def extra_repr(self) -> str:
        """The options that are not at their default."""
        weights = [name for name in ("weight", "pos_weight") if getattr(self, name) is not None]
        return ", ".join(weights + _changed(self, {"reduction": "mean"}))
