"""The operators under torch.func, whose transforms want autograd Functions of their own form."""

from __future__ import annotations

from typing import Any

from torch import Tensor
from torch.autograd import Function

from lastlayer.torch import binary_operator, mapping, operators


class CrossEntropy(Function):
    """`operators.cross_entropy`, which itself torch.func can map but not differentiate."""

    @staticmethod
    def forward(*arguments: Any) -> tuple[Tensor, Tensor]:
        pair: tuple[Tensor, Tensor] = operators.cross_entropy(*arguments)
        return pair

    setup_context = staticmethod(operators.setup)
    backward = staticmethod(operators.backward)

    @staticmethod
    def vmap(info: Any, in_dims: Any, *arguments: Any) -> Any:
        return mapping.cross_entropy(CrossEntropy.apply, info, in_dims, arguments)


class BinaryCrossEntropy(Function):
    """`binary_operator.cross_entropy`, likewise."""

    @staticmethod
    def forward(*arguments: Any) -> tuple[Tensor, Tensor]:
        pair: tuple[Tensor, Tensor] = binary_operator.cross_entropy(*arguments)
        return pair

    setup_context = staticmethod(binary_operator.setup)
    backward = staticmethod(binary_operator.backward)

    @staticmethod
    def vmap(info: Any, in_dims: Any, *arguments: Any) -> Any:
        return mapping.binary_cross_entropy(BinaryCrossEntropy.apply, info, in_dims, arguments)
