"""The compiled kernels behind the public functions.

Importing this costs nothing: Numba and the kernels load at the first call that needs them.
"""

from __future__ import annotations

import importlib
from functools import cache
from typing import Any, Literal

from lastlayer.contract import Array
from lastlayer.kernels.layout import row_blocks
from lastlayer.problem import BinaryProblem, Problem

__all__ = ["binary_cross_entropy", "cross_entropy", "logsumexp", "normalise", "row_blocks"]


@cache  # an import statement would fail once the interpreter shuts down, even if it was run before
def _load(name: str) -> Any:
    import numba

    if numba.config.DISABLE_JIT:
        raise RuntimeError("NUMBA_DISABLE_JIT is set, and the kernels exist only in compiled form")
    return importlib.import_module(f"lastlayer.kernels.{name}")


def cross_entropy(problem: Problem, gradient: Array | None = None) -> Array:
    """Each row's loss (N,), and the scaled gradient into `gradient` where given. (..., C)"""
    return _load("launch").cross_entropy(problem, gradient)  # type: ignore[no-any-return]


def normalise(x: Array, out: Array, kind: Literal["softmax", "log_softmax"]) -> None:
    """softmax or log_softmax over the last axis of `x`, into `out` of its shape and dtype."""
    _load("launch").normalise(x, out, kind)


def logsumexp(x: Array) -> Array:
    """logsumexp over the last axis, flat; float64 for float64, float32 otherwise."""
    return _load("launch").logsumexp(x)  # type: ignore[no-any-return]


def binary_cross_entropy(problem: BinaryProblem, gradient: Array | None = None) -> Any:
    """The reduced loss, and the scaled gradient into `gradient` where given."""
    return _load("launch_binary").binary_cross_entropy(problem, gradient)
