"""What must hold of the kernels' arithmetic on every processor, also on one that only pretends.

`python kernel_checks.py float32 soft-cap` prints what does not hold, of losses of these kinds; the
tests run that under other settings of NUMBA_CPU_NAME, and call the checks themselves for the
processor as it is.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import ml_dtypes
import mpmath as mp
import numba
import numpy as np
from exact import row

import lastlayer as ll
from lastlayer import reference
from lastlayer.kernels.jit import EXACT
from lastlayer.kernels.lanes import largest_of
from lastlayer.kernels.largest import block_max
from lastlayer.kernels.memory import lane_count, load, pointer, read, store, write
from lastlayer.kernels.processor import ABREAST
from lastlayer.kernels.simd import abreast
from lastlayer.kernels.statistics import row_statistics
from lastlayer.kernels.vecmath import exp_scaled, rate_of
from lastlayer.problem import softmax_problem

compiled = numba.njit(error_model="numpy", fastmath=EXACT)
HALVES = {"float16": (np.float16, np.uint16(0)), "bfloat16": (ml_dtypes.bfloat16, np.int16(0))}


@compiled
def convert(source: Any, target: Any, n: Any, vectors: Any, of: Any, to: Any, like: Any) -> None:
    """n numbers of type `of` as `to`, by way of `like`, in vectors or one by one."""
    x, y = pointer(source, of), pointer(target, to)
    if vectors:
        for j in range(0, n, lane_count(like)):
            store(y, j, load(x, j, like))
    else:
        for j in range(n):
            write(y, j, read(x, j, like))


@compiled
def convert_abreast(source: Any, target: Any, n: Any, normal: Any, to: Any, like: Any) -> None:
    """The same of float32, vectors abreast that are known to have no subnormal number."""
    x, y = pointer(source, like), pointer(target, to)
    for j in range(0, n, ABREAST * lane_count(like)):
        store(y, j, (load(x, j, abreast(like)), normal))


@compiled
def largest(source: Any, at: Any, n: Any, m: Any, of: Any, like: Any) -> Any:
    return largest_of(block_max(pointer(source, of), at, n, m, like))


@compiled
def exponentials(source: Any, target: Any, n: Any, vectors: Any, t: Any, like: Any) -> None:
    x, y, rate = pointer(source, like), pointer(target, like), rate_of(t, like)
    if vectors:
        for j in range(0, n, lane_count(like)):
            store(y, j, exp_scaled(load(x, j, like), rate))
    else:
        for j in range(n):
            y[j] = exp_scaled(x[j], rate)


def same(a: Any, b: Any, bits: Any) -> bool:
    """Equal to the last bit, and NaN where the other is."""
    nan = np.isnan(a)
    return np.array_equal(nan, np.isnan(b)) and np.array_equal(
        a.view(bits)[~nan], b.view(bits)[~nan]
    )


def wrong_conversions() -> Iterator[str]:
    """Every half as float32, and as a half each of them, the midpoints and their neighbours."""
    single = np.float32(0)
    for name, (dtype, kind) in HALVES.items():
        x = np.arange(1 << 16, dtype=np.uint16).view(dtype)
        with np.errstate(all="ignore"):
            wide = x.astype(np.float32)
            middle = wide[:-1].astype(np.float64) / 2 + wide[1:].astype(np.float64) / 2
            middle = np.append(middle.astype(np.float32), np.float32(3.4e38))
            near = np.concatenate([wide, middle, np.nextafter(middle, np.float32(np.inf)),
                                   np.nextafter(middle, np.float32(-np.inf))])  # fmt: skip
            narrowed = near.astype(dtype)
        for vectors in (True, False):
            y, z = np.empty_like(wide), np.empty_like(narrowed)
            convert(x.ctypes.data, y.ctypes.data, x.size, vectors, kind, single, single)
            convert(near.ctypes.data, z.ctypes.data, near.size, vectors, single, kind, single)
            if not same(y, wide, np.uint32):
                yield f"{name} widened wrongly, vectors: {vectors}"
            if not same(z, narrowed, np.uint16):
                yield f"{name} rounded wrongly, vectors: {vectors}"

        tiny = (near != 0) & (np.abs(near) < np.finfo(np.float32).tiny)
        for normal, some in (True, near[~tiny]), (False, near):
            x = np.append(some, np.ones(-some.size % 64, np.float32))
            with np.errstate(all="ignore"):
                z, narrowed = np.empty(x.size, dtype), x.astype(dtype)
            convert_abreast(x.ctypes.data, z.ctypes.data, x.size, normal, kind, single)
            if not same(z, narrowed, np.uint16):
                yield f"{name} rounded wrongly, vectors abreast, normal: {normal}"


def wrong_maxima() -> Iterator[str]:
    """The largest of some halves, or what is below m where they all are."""
    rng, single = np.random.default_rng(0), np.float32
    for name, (dtype, kind) in HALVES.items():
        for n in (1, 16, 63, 64, 65, 300, 512):
            for shift in (-100, -9, 0, 100):
                x = (rng.normal(size=n + 3) * 3 + shift).astype(dtype)
                x[rng.random(n + 3) < 0.1] = -np.inf
                for case in "as they are", "a zero", "and -0", "none but -inf", "a quiet NaN":
                    place = 1 + rng.integers(0, n, 2)
                    if "zero" in case:
                        x[place[0]] = 0.0
                    elif "-0" in case:
                        x[place[1]] = -0.0
                    elif "none" in case:
                        x[1 : n + 1] = -np.inf
                    elif "NaN" in case:
                        x[1 : n + 1] = -3.0
                        x[place[0]] = -np.nan
                    part = x[1 : n + 1].astype(single)
                    right = np.max(part[~np.isnan(part)], initial=-np.inf)
                    for m in (-np.inf, right - 1, right, right + 1, 0.0, 0.5):
                        got = largest(x.ctypes.data, 1, n, single(m), kind, single(0))
                        above = right >= m or m <= 0
                        if not (got == right if above else got < m):
                            yield f"the largest of {n} {name}, {case}, is not {got} ({m})"


# dtype: bound of the relative error; the lift; where exp is that of the lowest
RANGES = {"float32": (2.0**-21, 64, -131.0), "float64": (2.0**-51, 512, -1000.0)}
TEMPERATURES = (None, 1.0, 0.037, 3.0, 7e8)


def exact_exponential(d: float, temperature: float, lift: int) -> Any:
    return mp.ldexp(mp.exp(mp.mpf(d) / mp.mpf(temperature)), lift)


def wrong_exponentials() -> Iterator[str]:
    """exp over its whole range, with and without a temperature, as vector and as number."""
    for name, (bound, lift, lowest) in RANGES.items():
        dtype = np.dtype(name).type
        rng = np.random.default_rng(0)
        sizes = np.concatenate(
            [np.linspace(0, -lowest, 150), np.geomspace(1e-30, 90, 80), rng.random(90) * -lowest]
        )
        for t in TEMPERATURES:
            temperature = 1.0 if t is None else t
            d = np.append(
                (-sizes * temperature).astype(dtype), [0, 0, 0, 0, -np.inf, -np.inf, np.nan, np.nan]
            )
            d = np.append(d, np.zeros(-d.size % 16)).astype(dtype)
            results = []
            for vectors in (True, False):
                e = np.empty_like(d)
                exponentials(d.ctypes.data, e.ctypes.data, d.size, vectors, t, dtype(0))
                results.append(e)
            if not same(*results, np.dtype(f"u{d.itemsize}")):
                yield f"exp of {name} at {t}: a vector and a number differ"
            for v, e in zip(d, results[0], strict=True):
                if np.isnan(v) or np.isinf(v):
                    least = exact_exponential(lowest, 1, lift)
                    if not (np.isnan(e) if np.isnan(v) else abs(float(e) / least - 1) < 1e-3):
                        yield f"exp({v}) of {name} at {t} is {e}"
                    continue
                right = exact_exponential(float(v), 1 if t is None else mp.mpf(t), lift)
                if abs(mp.mpf(float(e)) - right) > bound * right and v / temperature > lowest:
                    yield f"exp({v!r}) of {name} at {t} is {e!r}, not {float(right)!r}"


def wrong_losses(kinds: tuple[str, ...]) -> Iterator[str]:
    """Losses and gradients of few and of many classes against 300-bit arithmetic.

    A kind is a dtype, or "soft-cap", which is of float32.
    """
    bounds = {"float32": (5e-6, 8e-6), "float16": (5e-6, 2.0**-11), "float64": (2e-14, 2e-14)}
    for kind in kinds:
        name = "float32" if kind == "soft-cap" else kind
        for classes, cap in ((133, 20.0),) if kind == "soft-cap" else ((7, None), (133, None)):
            rng = np.random.default_rng(classes)
            x = (rng.normal(size=(18, classes)) * 4).astype(name)
            y = rng.integers(0, classes, len(x))
            x[0, y[0]] = 30
            x[1, :3] = -np.inf
            y[1] = 5
            loss, gradient = ll.cross_entropy_with_grad(x, y, reduction="none", softcap=cap)
            of_loss, of_gradient = bounds[name]
            for n in range(len(x)):
                exact, slopes, _ = row(x[n], y[n], softcap=cap)
                if abs(mp.mpf(float(loss[n])) - exact) > of_loss * exact:
                    yield f"loss of {name}, {classes} classes, cap {cap}, row {n}: {loss[n]}"
                for j, right in enumerate(slopes):
                    least = 1e-6 if j != y[n] else 0
                    off = abs(mp.mpf(float(gradient[n, j])) - right)
                    if off > of_gradient * max(abs(right), least) + (
                        2.0**-25 if name == "float16" else 0
                    ):
                        place = f"{classes} classes, cap {cap}, [{n}, {j}]"
                        yield f"gradient of {name}, {place}: {gradient[n, j]}"


def wrong_statistics() -> Iterator[str]:
    """The statistics of rows of few and of many classes against their definition in float64."""
    for classes in (7, 600):
        rng = np.random.default_rng(classes)
        x = (rng.normal(size=(18, classes)) * 4).round(1).astype(np.float32)
        x[1, : classes // 2] = -np.inf
        problem = softmax_problem(x, rng.integers(0, classes, len(x)))
        got, right = row_statistics(problem), reference.row_statistics(problem)
        for name in got.__slots__:
            if not np.allclose(getattr(got, name), getattr(right, name), rtol=5e-6, atol=1e-42):
                yield f"{name}, {classes} classes: {getattr(got, name)}"


def everything_wrong(kinds: tuple[str, ...]) -> list[str]:
    return [
        *wrong_conversions(),
        *wrong_maxima(),
        *wrong_exponentials(),
        *wrong_losses(kinds),
        *wrong_statistics(),
    ]


if __name__ == "__main__":
    for complaint in everything_wrong(tuple(sys.argv[1:])):
        print(complaint)  # noqa: T201
    print("checked")  # noqa: T201
