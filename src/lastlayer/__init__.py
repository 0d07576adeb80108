"""The last layer of every classifier: softmax and cross-entropy.

Exact where other implementations return 0 or NaN. The functions here take
NumPy arrays; importing them costs NumPy and no more, the compiled kernels load at the first call.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from lastlayer import distribution
from lastlayer.files import FileFormatError
from lastlayer.functional import (
    binary_cross_entropy,
    binary_cross_entropy_with_grad,
    cross_entropy,
    cross_entropy_with_grad,
    log_softmax,
    logsumexp,
    quadratic_cost,
    quadratic_cost_with_grad,
    softmax,
)
from lastlayer.kernels.threads import get_num_threads, num_threads, set_num_threads
from lastlayer.labels import LabelError

if TYPE_CHECKING:
    from lastlayer.learning.explain import explain

__version__ = "0.1.0"

__all__ = [
    "FileFormatError",
    "LabelError",
    "binary_cross_entropy",
    "binary_cross_entropy_with_grad",
    "cross_entropy",
    "cross_entropy_with_grad",
    "distribution",
    "explain",
    "get_num_threads",
    "log_softmax",
    "logsumexp",
    "num_threads",
    "quadratic_cost",
    "quadratic_cost_with_grad",
    "set_num_threads",
    "softmax",
]

_LAZY = {"explain": "lastlayer.learning.explain"}


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(importlib.import_module(_LAZY[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
