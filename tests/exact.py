"""The contract's formulas in 300-bit arithmetic: what every number is compared with.

Written from the definitions, with none of the library's code: softmax, its logarithm, the loss and
its gradient by the chain rule, one Python loop a row. Slow, and only as long as it must be.
"""

from __future__ import annotations

from typing import Any

import mpmath as mp
import numpy as np

mp.mp.prec = 300


def effective(x: Any, softcap: Any, temperature: Any) -> tuple[Any, Any]:
    """A logit as the softmax sees it, and the derivative of that."""
    x, temperature = mp.mpf(float(x)), mp.mpf(float(temperature))
    if softcap is None or mp.isinf(x):
        return x / temperature, 1 / temperature
    cap = mp.mpf(float(softcap))
    return cap * mp.tanh(x / cap) / temperature, mp.sech(x / cap) ** 2 / temperature


def softmax(z: list[Any]) -> tuple[list[Any], Any]:
    """Probabilities, and logsumexp."""
    m = max(z)
    e = [mp.exp(v - m) for v in z]
    total = mp.fsum(e)
    return [v / total for v in e], m + mp.log(total)


def row(
    logits: Any,
    target: Any,
    *,
    class_weight: Any = None,
    sample_weight: float = 1.0,
    label_smoothing: float = 0.0,
    z_loss: float = 0.0,
    softcap: float | None = None,
    temperature: float = 1.0,
    base: float = float(np.e),
) -> tuple[Any, list[Any], list[Any]]:
    """Loss, gradient, and the size of each entry's terms; `target` is an index or a distribution.

    A gradient entry is a difference: p_j − t_j, or p_j t_j' − p_j' t_j. Where its terms nearly
    cancel, no arithmetic of the working precision can know it better than its larger term.
    """
    pairs = [effective(v, softcap, temperature) for v in logits]
    z, slope = [p[0] for p in pairs], [p[1] for p in pairs]
    classes = len(z)
    if np.ndim(target) == 0:
        t = [mp.mpf(int(j == target)) for j in range(classes)]
    else:
        t = [mp.mpf(float(v)) for v in target]
    smoothing, weight = mp.mpf(float(label_smoothing)), mp.mpf(float(sample_weight))
    a = [(1 - smoothing) * v + smoothing / classes for v in t]
    if class_weight is not None:
        a = [v * mp.mpf(float(w)) for v, w in zip(a, class_weight, strict=True)]
    p, lse = softmax(z)
    # the library's default base is the float64 nearest to e: nats
    log_base = mp.mpf(1) if base == float(np.e) else mp.log(mp.mpf(float(base)))
    zeta, total = mp.mpf(float(z_loss)), mp.fsum(a)
    terms = [v * (lse - u) for v, u in zip(a, z, strict=True) if v != 0]
    loss = weight * (mp.fsum(terms) / log_base + zeta * lse**2)
    gradient, sizes = [], []
    for q, v, d in zip(p, a, slope, strict=True):
        all_of_it, own, of_zeta = total * q / log_base, v / log_base, 2 * zeta * lse * q
        gradient.append(weight * d * (all_of_it - own + of_zeta))
        sizes.append(weight * d * (all_of_it + own + abs(of_zeta)))
    return loss, gradient, sizes


def statistics(logits: Any, target: Any, temperature: float = 1.0) -> dict[str, Any]:
    """What scoring knows of a row but its loss, and a loss's two derivatives by 1 / T.

    Each is a pair: the value, and the size of the terms whose sum or difference it is.
    """
    x = [mp.mpf(float(v)) for v in logits]
    m, tau = max(x), mp.mpf(float(temperature))
    first = x.index(m)
    e = [mp.exp((v - m) / tau) for v in x]
    total = mp.fsum(e)
    p, doubt = [v / total for v in e], mp.fsum(v for j, v in enumerate(e) if j != first) / total
    label = int(target) if np.ndim(target) == 0 else int(np.argmax(target))
    t = [mp.mpf(int(j == label)) for j in range(len(x))]
    if np.ndim(target) > 0:
        t = [mp.mpf(float(v)) for v in target]
    d = [m - v if q else mp.mpf(0) for v, q in zip(x, p, strict=True)]  # 0 · ∞ is 0
    mean, square = (mp.fsum(q * v**k for q, v in zip(p, d, strict=True)) for k in (1, 2))
    behind = mp.fsum(v * (m - z) for v, z in zip(t, x, strict=True) if v)
    weight = mp.fsum(t)
    return {
        "prediction": (first, 0),
        "rank": (sum((v > x[label]) or (v == x[label] and j < label) for j, v in enumerate(x)), 0),
        "confidence": (p[first], p[first]),
        "doubt": (doubt, doubt),
        "brier": (mp.fsum((q - v) ** 2 for q, v in zip(p, t, strict=True)),
                  mp.fsum((q - v) * (q + v) if q > v else (v - q) * (q + v)
                          for q, v in zip(p, t, strict=True))),
        "entropy": (mp.log(total) + mean / tau,) * 2,
        "slope": (behind - weight * mean, behind + weight * mean),
        "curvature": (weight * (square - mean**2), weight * square),
    }  # fmt: skip


def binary(z: Any, target: Any, pos_weight: Any = 1.0, label_smoothing: Any = 0.0) -> Any:
    """Loss and derivative of one sigmoid output."""
    z = mp.mpf(float(z))
    smoothing = mp.mpf(float(label_smoothing))
    t = (1 - smoothing) * mp.mpf(float(target)) + smoothing / 2
    yes, no = mp.mpf(float(pos_weight)) * t, 1 - t
    p, q = 1 / (1 + mp.e**-z), 1 / (1 + mp.e**z)
    return -yes * mp.log(p) - no * mp.log(q), no * p - yes * q


def relative_error(value: Any, exact: Any) -> float:
    """|value − exact| / |exact|; 0 where both are 0, infinity where only the exact one is."""
    value = mp.mpf(float(value))
    if exact == 0:
        return 0.0 if value == 0 else float("inf")
    return float(abs(value - exact) / abs(exact))
