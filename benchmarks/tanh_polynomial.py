"""Where the coefficients of `kernels/softcap_call.py` come from, and how far tanh is off.

    python benchmarks/tanh_polynomial.py

tanh(a) / a − 1 = H_1 a² + H_2 a⁴ + … is fitted twice, as the coefficients of exp are: up to 1.15 to
the absolute error of tanh, for a cap up to 34 T, and up to 0.75 to the error over a³, which that
of cap · tanh(x / cap) goes with where the cap is far larger. And once more each up to 0.5, for near
logits. Farther out tanh(a) = 1 − 2 E / (1 + E), E = exp(−2 a), and 1 / (1 + E) is fitted to its
relative error.
"""

from __future__ import annotations

import mpmath as mp
from exp_polynomial import level


def fit(
    terms: int, farthest: str, power: int, nodes: int = 100, rounds: int = 60
) -> tuple[list[mp.mpf], mp.mpf]:
    """H_1 … and the largest error of tanh over a^(3 − power)."""
    points = [mp.mpf(farthest) * mp.cos(mp.pi * (2 * i + 1) / (4 * nodes)) for i in range(nodes)]
    exact = [(mp.tanh(a) / a - 1) / a**2 for a in points]
    basis = [[a ** (2 * k) for k in range(terms)] for a in points]
    return level(basis, exact, [a**power for a in points], rounds)


def fit_inverse(terms: int, farthest: str, nodes: int = 100) -> tuple[list[mp.mpf], mp.mpf]:
    """The coefficients of 1 / (1 + E) from `farthest` on, and its largest relative error."""
    most = mp.exp(-2 * mp.mpf(farthest))
    points = [most * (1 + mp.cos(mp.pi * (2 * i + 1) / (2 * nodes))) / 2 for i in range(nodes)]
    basis = [[e**k for k in range(terms)] for e in points]
    return level(basis, [1 / (1 + e) for e in points], [1 + e for e in points], 60)


if __name__ == "__main__":
    for farthest, power, terms in (
        ("1.15", 3, 7), ("1.15", 3, 8), ("0.75", 0, 7), ("0.75", 0, 8),
        ("0.5", 3, 3), ("0.5", 3, 4), ("0.5", 0, 4),
    ):  # fmt: skip
        h, error = fit(terms, farthest, power)
        over = "" if power else " times a³"
        print(f"{terms} terms up to {farthest}: tanh is off by at most {mp.nstr(error, 3)}{over}")
        for k, c in enumerate(h, 1):
            print(f"    H_{k} = {float(c)!r}")
    coefficients, error = fit_inverse(5, "1.15")
    print(f"1 / (1 + E) from 1.15 on is off by at most {mp.nstr(error, 3)} of it")
    for k, c in enumerate(coefficients):
        print(f"    I_{k} = {float(c)!r}")
