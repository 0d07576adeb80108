"""The public functions on NumPy arrays, each one the contract and a kernel."""

from lastlayer.functional.binary import binary_cross_entropy, binary_cross_entropy_with_grad
from lastlayer.functional.cross_entropy import cross_entropy, cross_entropy_with_grad
from lastlayer.functional.quadratic import quadratic_cost, quadratic_cost_with_grad
from lastlayer.functional.softmax import log_softmax, logsumexp, softmax

__all__ = [
    "binary_cross_entropy",
    "binary_cross_entropy_with_grad",
    "cross_entropy",
    "cross_entropy_with_grad",
    "log_softmax",
    "logsumexp",
    "quadratic_cost",
    "quadratic_cost_with_grad",
    "softmax",
]
