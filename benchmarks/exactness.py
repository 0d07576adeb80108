"""Loss and gradient of confident rows, by lastlayer and its peers, beside 300-bit arithmetic.

    python benchmarks/exactness.py

Prints the Markdown table of the README. Needs mpmath; a peer that is not installed is left out.
"""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Callable

import mpmath as mp
import numpy as np

import lastlayer as ll

mp.mp.prec = 300
CASES = {
    "[20, 0, 1, 2], label 0, float32": (np.float32, [20.0, 0.0, 1.0, 2.0], 0),
    "a lead of 80, float32": (np.float32, [80.0, 0.0], 0),
    "a lead of 40, float64": (np.float64, [40.0, 0.0], 0),
    "[2, −inf, 1], label 0, one-hot, float32": (np.float32, [2.0, -np.inf, 1.0], [1.0, 0.0, 0.0]),
}
Pair = tuple[float, float]


def lastlayer(x: np.ndarray, y: np.ndarray) -> Pair:
    loss, gradient = ll.cross_entropy_with_grad(x, y)
    return float(loss), float(gradient[0, 0])


def pytorch(x: np.ndarray, y: np.ndarray) -> Pair:
    import torch

    logits = torch.tensor(x, requires_grad=True)
    loss = torch.nn.functional.cross_entropy(logits, torch.from_numpy(y))
    loss.backward()
    return loss.item(), logits.grad[0, 0].item()


def jax(x: np.ndarray, y: np.ndarray) -> Pair:
    import jax as backend

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        backend.config.update("jax_enable_x64", True)

    def loss_of(z: object) -> object:
        log_p = backend.nn.log_softmax(z)
        return -(log_p * y).sum() if y.ndim == 2 else -log_p[0, y[0]]

    loss, gradient = backend.value_and_grad(loss_of)(backend.numpy.asarray(x))
    return float(loss), float(gradient[0, 0])


def scipy(x: np.ndarray, y: np.ndarray) -> Pair:
    from scipy.special import log_softmax, softmax

    log_p, p = log_softmax(x, axis=1), softmax(x, axis=1)
    if y.ndim == 2:
        with np.errstate(invalid="ignore"):
            return float(-(log_p * y).sum()), float((p - y)[0, 0])
    return float(-log_p[0, y[0]]), float(p[0, 0] - (y[0] == 0))


def exact(x: np.ndarray, y: np.ndarray) -> tuple[object, object]:
    z = [mp.mpf(float(v)) for v in x[0]]
    label = int(np.argmax(y[0])) if y.ndim == 2 else int(y[0])
    others = mp.fsum(mp.e ** (v - z[label]) for j, v in enumerate(z) if j != label)
    return mp.log1p(others), -others / (1 + others)


def shown(value: object) -> str:
    return mp.nstr(mp.mpf(value), 7, strip_zeros=True) if np.isfinite(float(value)) else str(value)  # type: ignore[call-overload]


def main() -> None:
    modules = {"PyTorch": ("torch", pytorch), "JAX": ("jax", jax), "SciPy": ("scipy", scipy)}
    peers: dict[str, Callable[[np.ndarray, np.ndarray], Pair]] = {"lastlayer": lastlayer}
    peers |= {n: f for n, (m, f) in modules.items() if importlib.util.find_spec(m)}
    print("| case | quantity | exact |", " | ".join(peers), "|")
    print("|---|---|---|", "---|" * len(peers), sep="")
    for name, (dtype, logits, label) in CASES.items():
        x = np.array([logits], dtype)
        y = np.array([label], dtype if isinstance(label, list) else np.int64)
        results = [f(x, y) for f in peers.values()]
        for k, quantity in enumerate(("loss", "∂loss/∂z₀")):
            cells = [shown(exact(x, y)[k]), *(shown(r[k]) for r in results)]
            print(f"| {name if k == 0 else ''} | {quantity} |", " | ".join(cells), "|")


if __name__ == "__main__":
    main()
