"""Where the coefficients of `kernels/log1p.py` come from, and how far the logarithm is off.

    python benchmarks/log1p_polynomial.py

log(1 + f) = f + f² (P_0 + P_1 f + …) for f in [√½ − 1, √2 − 1), fitted to the smallest relative
error, as the coefficients of exp are.
"""

from __future__ import annotations

import mpmath as mp
from exp_polynomial import level


def fit(terms: int, nodes: int = 80, rounds: int = 60) -> tuple[list[mp.mpf], mp.mpf]:
    """P_0 … and the largest relative error of log(1 + f)."""
    low, high = mp.sqrt(mp.mpf(1) / 2) - 1, mp.sqrt(2) - 1
    middle, half = (high + low) / 2, (high - low) / 2
    points = [middle + half * mp.cos(mp.pi * (2 * i + 1) / (2 * nodes)) for i in range(nodes)]
    exact = [(mp.log1p(f) / f - 1) / f for f in points]
    basis = [[f**k for k in range(terms)] for f in points]
    return level(basis, exact, [abs(f) * f / mp.log1p(f) for f in points], rounds)


if __name__ == "__main__":
    mp.mp.dps = 40
    for terms in (8, 9, 10):
        p, error = fit(terms)
        print(f"{terms} terms: off by at most {mp.nstr(error, 3)}")
        for k, c in enumerate(p):
            print(f"    P_{k} = {float(c)!r}")
