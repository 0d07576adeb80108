"""Which way a call goes: who is watching, and where its tensors are."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.autograd import forward_ad

from lastlayer.torch.memory import numpy_dtypes

_PLAIN = (Tensor, torch.nn.Parameter)


def is_plain(*tensors: Tensor | None) -> bool:
    """Whether these are arrays in the CPU's memory, and nothing but autograd watches."""
    if (
        forward_ad._current_level >= 0
        or torch._C._are_functorch_transforms_active()
        or torch._C._len_torch_dispatch_stack()
    ):
        return False
    known = numpy_dtypes()
    for t in tensors:  # a loop, as the rest is written out: small batches wait for this
        if t is None:
            continue
        if type(t) not in _PLAIN or not t.is_cpu or t.layout is not torch.strided:
            return False
        if t.dtype not in known:
            return False
    return True


def forward_mode() -> bool:
    """Whether forward-mode derivatives may be asked for, which no registered operator has."""
    return bool(forward_ad._current_level >= 0)


def transformed() -> bool:
    """Whether this is called under torch.func, and not while it is compiled."""
    active: bool = not torch.compiler.is_compiling()
    return active and torch._C._are_functorch_transforms_active()


def gradient_wanted(input: Tensor) -> bool:
    """Whether somebody may ask for the gradient: what is mapped does not tell."""
    return bool(torch.is_grad_enabled() and (input.requires_grad or transformed()))
