"""Losses of CPU tensors as calls of the project's kernels, on the tensors' own memory."""

from __future__ import annotations

import math
from functools import cached_property
from typing import Any

from torch import Tensor

from lastlayer import contract, kernels
from lastlayer.contract import Array
from lastlayer.problem import binary_problem, softmax_problem
from lastlayer.torch import binary_formulas, checks, formulas
from lastlayer.torch.eager import Call
from lastlayer.torch.formulas import class_axis
from lastlayer.torch.memory import as_array

# The options that the kernels' shortest way is given, where they are not these
_OPTIONS = ("label_smoothing", "z_loss", "softcap", "temperature")
_NO_OPTIONS = (0.0, 0.0, None, 1.0)
_OF_TYPES = tuple(map(type, _NO_OPTIONS))


class CrossEntropy(Call):
    """Softmax cross-entropy. `options` are those of `softmax_problem`.

    They are checked by the first call, which for the commonest kind of it is all there is to do.
    """

    def __init__(
        self,
        input: Tensor,
        target: Tensor,
        weight: Tensor | None,
        samples: Tensor | None,
        **options: Any,
    ) -> None:
        self.logits, self.axis, self.numbers = as_array(input), class_axis(input), options
        self._labels = as_array(target)
        self._weights = [None if w is None else as_array(w) for w in (weight, samples)]
        self._plain = (
            samples is None
            and type(options["reduction"]) is str
            and options["divisor"] is None
            and type(options["empty"]) is str  # no array, which == takes apart
            and options["empty"] == "nan"
        )

    @cached_property
    def problem(self) -> Any:
        return softmax_problem(
            self.logits,
            self._labels,
            axis=self.axis,
            class_weight=self._weights[0],
            sample_weight=self._weights[1],
            base=math.e,
            weigh=kernels.weight_of_labels,
            names=checks.TORCH,
            **self.numbers,
        )

    def __call__(self, gradient: Array | None) -> Any:
        if self._plain and "problem" not in self.__dict__:
            ignore, reduction = self.numbers["ignore_index"], self.numbers["reduction"]
            options: Any = tuple(map(self.numbers.__getitem__, _OPTIONS))
            if tuple(map(type, options)) == _OF_TYPES and options == _NO_OPTIONS:
                options = None
            value = kernels.plain_cross_entropy(
                self.logits, self._labels, gradient, ignore, reduction, options, self._weights[0]
            )
            if value is not None:
                return value
        problem = self.problem
        if gradient is not None:
            gradient = contract.last(gradient, problem.axis)
        return kernels.cross_entropy(problem, gradient)

    def read(self) -> tuple[Array | None, ...]:
        problem = self.problem
        return (problem.targets, problem.indices, problem.sample_weight, problem.class_weight)

    @staticmethod
    def by_input(numbers: dict[str, Any], *tensors: Any) -> Tensor:
        return formulas.gradient(checks.options(**numbers), *tensors)

    @staticmethod
    def by_target(numbers: dict[str, Any], *tensors: Any) -> Tensor:
        return formulas.label_gradient(checks.options(**numbers), *tensors)


class BinaryCrossEntropy(Call):
    """Cross-entropy of sigmoid outputs, whose mean is over all of them whatever their weights."""

    def __init__(
        self,
        input: Tensor,
        target: Tensor,
        weight: Tensor | None,
        pos_weight: Tensor | None,
        reduction: Any,
    ) -> None:
        shape = tuple(input.shape)
        self.logits, self.axis, self.numbers = as_array(input), None, {"reduction": reduction}
        if weight is not None:
            weight = checks.expanded(weight, shape, "weight")
        self.problem = binary_problem(
            self.logits,
            as_array(target),
            pos_weight=None if pos_weight is None else as_array(pos_weight),
            sample_weight=None if weight is None else as_array(weight),
            ignore_index=None,
            label_smoothing=0.0,
            temperature=1.0,
            base=math.e,
            reduction=reduction,
            divisor=self.logits.size or None if reduction == "mean" else None,
            empty="nan",
            names=checks.TORCH._replace(sample_weight="weight"),
        )

    @staticmethod
    def possible(input: Tensor, pos_weight: Tensor | None) -> bool:
        """Whether the kernels know this kind of `pos_weight`: one an output of the last axis."""
        if pos_weight is None or pos_weight.ndim == 0:
            return True
        return bool(pos_weight.ndim == 1 and pos_weight.shape == input.shape[-1:])

    def __call__(self, gradient: Array | None) -> Any:
        return kernels.binary_cross_entropy(self.problem, gradient)

    def read(self) -> tuple[Array | None, ...]:
        return (self.problem.targets, self.problem.sample_weight, self.problem.pos_weight)

    @staticmethod
    def by_input(numbers: dict[str, Any], *tensors: Any) -> Tensor:
        return binary_formulas.gradient(numbers["reduction"], *tensors)

    @staticmethod
    def by_target(numbers: dict[str, Any], *tensors: Any) -> Tensor:
        return binary_formulas.label_gradient(numbers["reduction"], *tensors)
