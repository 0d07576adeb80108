"""Where the coefficients of `kernels/vecmath.py` come from, and how far the polynomials are off.

    python benchmarks/exp_polynomial.py

exp(r) = 1 + r + r² Q(r) on |r| ≤ ½ ln 2 (and a rounding beyond). Q is fitted in 60-digit arithmetic
to the relative error of exp, by iteratively reweighted least squares: each round raises the weight
of the points where the error is largest, which levels it towards the minimax polynomial.
"""

from __future__ import annotations

import mpmath as mp

mp.mp.dps = 60
HALF = mp.log(2) / 2 * mp.mpf("1.0005")


def level(
    basis: list[list[mp.mpf]], exact: list[mp.mpf], scale: list[mp.mpf], rounds: int
) -> tuple[list[mp.mpf], mp.mpf]:
    """Coefficients of the functions whose values are `basis`, and the largest error times scale."""
    nodes, terms = len(exact), len(basis[0])
    weight = [mp.mpf(1)] * nodes
    best: tuple[list[mp.mpf], mp.mpf] = ([], mp.inf)
    for _ in range(rounds):
        rows = mp.matrix(nodes, terms)
        right = mp.matrix(nodes, 1)
        for i in range(nodes):
            factor = mp.sqrt(weight[i]) * scale[i]
            right[i] = factor * exact[i]
            for k in range(terms):
                rows[i, k] = factor * basis[i][k]
        solution = list(mp.qr_solve(rows, right)[0])
        error = [abs(mp.fdot(solution, basis[i]) - exact[i]) * scale[i] for i in range(nodes)]
        if max(error) < best[1]:
            best = (solution, max(error))
        weight = [w * e for w, e in zip(weight, error, strict=True)]
        total = sum(weight)
        weight = [w / total * nodes for w in weight]
    return best


def fit(terms: int, nodes: int = 120, rounds: int = 60) -> tuple[list[mp.mpf], mp.mpf]:
    """Coefficients of Q, lowest power first, and the largest relative error of exp."""
    points = [HALF * mp.cos(mp.pi * (2 * i + 1) / (2 * nodes)) for i in range(nodes)]
    exact = [(mp.e**r - 1 - r) / r**2 for r in points]
    return level(
        [[r**k for k in range(terms)] for r in points],
        exact,
        [r**2 / mp.e**r for r in points],
        rounds,
    )


def fit_power(terms: int, nodes: int = 120, rounds: int = 60) -> tuple[list[mp.mpf], mp.mpf]:
    """Those of Q for 2^r = 1 + r Q(r) on [0, 1] (`power.py`), and the largest relative error."""
    points = [(1 + mp.cos(mp.pi * (2 * i + 1) / (2 * nodes))) / 2 for i in range(nodes)]
    return level(
        [[r**k for k in range(terms)] for r in points],
        [(2**r - 1) / r for r in points],
        [r / 2**r for r in points],
        rounds,
    )


if __name__ == "__main__":
    q, error = fit_power(5)
    print(f"2^r, float32, 5 terms of Q: largest relative error {mp.nstr(error, 3)}")
    for k, c in enumerate(q, 1):
        print(f"    P{k} = {float(c)!r}")
    for name, terms in (
        ("float32", 4),
        ("float32", 5),
        ("float64", 9),
        ("float64", 10),
        ("float64", 11),
    ):
        q, error = fit(terms)
        print(f"{name}, {terms} terms of Q: largest relative error {mp.nstr(error, 3)}")
        for k, c in enumerate(q):
            print(f"    Q{k} = {float(c)!r}")
