"""Every case on every front-end, in every dtype, against 300-bit arithmetic."""

from __future__ import annotations

from functools import cache
from typing import Any

import ml_dtypes
import mpmath as mp
import numpy as np
import pytest
from cases import CASES
from exact import relative_error, row
from frontends import FRONT_ENDS, numpy_kernels

import lastlayer as ll

# DESIGN's bounds: relative error of a loss and of a gradient
BOUNDS = {"float32": (5e-6, 8e-6), "float64": (2e-14, 2e-14)}
TINY = {"float32": 2.0**-149, "float64": 2.0**-1074}
DTYPES = {"float32": np.float32, "float64": np.float64}


class Exact:
    """Numbers of 300 bits, each as the sum of two of float64: 107 bits."""

    def __init__(self, numbers: Any) -> None:
        self.first = np.array([float(v) for v in numbers])
        self.rest = np.array(
            [float(v - mp.mpf(u)) for v, u in zip(numbers, self.first, strict=True)]
        )

    def off_by(self, values: Any) -> Any:
        """The distance of each of the values, whose difference from a near one is exact."""
        return abs((values.astype(np.float64) - self.first) - self.rest)


@cache
def expected(name: str, dtype: str) -> tuple[Exact, list[tuple[Exact, Any]]]:
    """The losses, and of each row the gradient and the sizes of its entries' terms."""
    logits, labels, options = CASES[name]
    x = np.asarray(logits, dtype=DTYPES[dtype])
    samples = options.get("sample_weight", np.ones(len(x)))
    shared = {k: v for k, v in options.items() if k != "sample_weight"}
    rows = [
        row(v, y, sample_weight=s, **shared) for v, y, s in zip(x, labels, samples, strict=True)
    ]
    gradients = [(Exact(gradient), np.array(sizes, float)) for _, gradient, sizes in rows]
    return Exact([loss for loss, _, _ in rows]), gradients


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("front_end", FRONT_ENDS)
def test_losses_and_gradients_are_within_the_bounds(front_end: str, name: str, dtype: str) -> None:
    logits, labels, options = CASES[name]
    x = np.asarray(logits, dtype=DTYPES[dtype])
    losses, gradients = expected(name, dtype)
    loss, gradient = FRONT_ENDS[front_end](x, labels, reduction="none", **options)
    loss_bound, gradient_bound = BOUNDS[dtype]
    if dtype == "float64" and "softcap" in options:
        loss_bound = gradient_bound = 2e-14 * max(
            1, options["softcap"] / options.get("temperature", 1) / 50
        )
    assert (losses.off_by(loss) <= loss_bound * abs(losses.first) + TINY[dtype]).all()

    # for a plain class index nothing cancels, at the label itself not even at p = 1
    plain = np.ndim(labels[0]) == 0 and not {"label_smoothing", "z_loss"} & set(options)
    for i, (got, (exact, sizes)) in enumerate(zip(gradient, gradients, strict=True)):
        least = 1e-6 * sizes.max()  # what carries less is right to the precision of the row
        of = np.maximum(abs(exact.first) if plain else sizes, least)
        if plain:
            of[labels[i]] = abs(exact.first[labels[i]])
        close = exact.off_by(got) <= gradient_bound * of + TINY[dtype]
        assert close.all(), (i, np.flatnonzero(~close))


# A half is computed as float32 once it is widened: it need not meet every option, each of which is
# a kernel to compile.
IN_HALVES = [
    "ten classes", "a thousand classes", "masked blocks", "gradients below the normal numbers",
]  # fmt: skip
IN_BFLOAT16 = [
    "soft targets", "soft targets, many classes", "soft-cap", "soft-cap, many classes", "z-loss",
]  # fmt: skip
HALVES = [(name, dtype) for name in IN_HALVES for dtype in (np.float16, ml_dtypes.bfloat16)]
HALVES += [(name, ml_dtypes.bfloat16) for name in IN_BFLOAT16]


@pytest.mark.parametrize(("name", "dtype"), HALVES)
def test_half_precision_is_widened_on_load_and_rounded_once(name: str, dtype: Any) -> None:
    logits, labels, options = CASES[name]
    with np.errstate(over="ignore"):
        x = np.asarray(logits, dtype=dtype)
    if np.isinf(x.astype(np.float64)).any(where=np.isfinite(logits)):
        x = np.clip(np.asarray(logits), -6e4, 6e4).astype(dtype)
    compute: Any = numpy_kernels if name in IN_HALVES else ll.cross_entropy_with_grad
    loss, gradient = compute(x, labels, reduction="none", **options)
    wide_loss, wide_gradient = compute(x.astype(np.float32), labels, reduction="none", **options)
    assert loss.dtype == np.float32
    assert gradient.dtype == dtype
    np.testing.assert_array_equal(loss, wide_loss)
    np.testing.assert_array_equal(gradient, wide_gradient.astype(dtype))


def test_the_confident_row_of_the_issue() -> None:
    exact = mp.mpf("2.2893929542622445e-08")
    for dtype, bound in ((np.float32, 5e-6), (np.float64, 2e-14)):
        x = np.array([[20.0, 0.0, 1.0, 2.0]], dtype)
        loss, gradient = ll.cross_entropy_with_grad(x, [0])
        assert relative_error(loss, exact) < bound
        assert relative_error(gradient[0, 0], mp.expm1(-exact)) < bound
        assert relative_error(-gradient[0, 1:].astype(np.float64).sum(), mp.expm1(-exact)) < bound


def ulps(value: Any, exact: Any) -> float:
    return float(abs(mp.mpf(float(value)) - exact) / mp.mpf(float(np.spacing(np.float32(exact)))))


@pytest.mark.parametrize("seed", range(3))
def test_a_million_classes_are_within_two_units_in_the_last_place(seed: int) -> None:
    rng = np.random.default_rng(seed)
    x = (rng.standard_normal((1, 1_000_003)) * (1, 5, 20)[seed]).astype(np.float32)
    label = int(rng.integers(x.size))
    e = np.exp(x[0].astype(np.longdouble) - x.max())  # 64 bits of mantissa: ample for 24
    exact = mp.mpf(float(x.max())) - mp.mpf(float(x[0, label])) + mp.log(mp.mpf(str(e.sum())))
    loss, gradient = ll.cross_entropy_with_grad(x, [label], reduction="none")
    assert ulps(loss[0], exact) <= 2
    assert abs(gradient.astype(np.float64).sum()) < 8e-6


def test_losses_of_every_size_from_1e_37_to_1e4() -> None:
    sizes = np.geomspace(1e-37, 1e4, 200)
    # the lead that gives each loss, from log1p(exp(−lead)) = loss
    leads = np.array([float(-mp.log(mp.expm1(mp.mpf(s)))) for s in sizes], dtype=np.float32)
    for classes in (2, 220):
        x = np.full((200, classes), -np.inf, dtype=np.float32)
        x[:, 0], x[:, -1] = leads, 0.0
        loss, gradient = ll.cross_entropy_with_grad(x, np.zeros(200, int), reduction="none")
        for lead, value, slope in zip(leads, loss, gradient[:, 0], strict=True):
            z = mp.mpf(float(lead))
            assert relative_error(value, mp.log1p(mp.e**-z)) < 5e-6
            assert relative_error(slope, -1 / (1 + mp.e**z)) < 8e-6


def test_float64_losses_of_every_size_from_1e_300_to_1e300() -> None:
    leads = np.concatenate([np.linspace(-700, 690, 300), [-1e300, -1e10]])
    x = np.stack([leads, np.zeros_like(leads)], axis=1)
    loss, gradient = ll.cross_entropy_with_grad(x, np.zeros(len(x), int), reduction="none")
    for lead, value, slope in zip(leads, loss, gradient[:, 0], strict=True):
        z = mp.mpf(float(lead))
        exact = mp.log1p(mp.e**-z) if z > -1e5 else -z
        assert relative_error(value, exact) < 2e-14
        assert relative_error(slope, -1 / (1 + mp.e**z) if z > -1e5 else mp.mpf(-1)) < 2e-14


@pytest.mark.parametrize("front_end", FRONT_ENDS)
@pytest.mark.parametrize("classes", [100, 3000])
def test_the_largest_of_many_classes_alike_keeps_its_gradient(front_end: str, classes: int) -> None:
    """Its p − t is a small number: as the difference of two sums over the others it drowns."""
    x = np.random.default_rng(classes).standard_normal((1, classes)) * 0.01
    options: dict[str, Any] = {"label_smoothing": 0.1}
    _, exact, sizes = row(x[0], 7, **options)
    _, gradient = FRONT_ENDS[front_end](x, np.array([7]), reduction="none", **options)
    top = int(x[0].argmax())
    assert abs(mp.mpf(float(gradient[0, top])) - exact[top]) <= 2e-14 * sizes[top]


@pytest.mark.parametrize("classes", [64, 112, 160, 161])
@pytest.mark.parametrize("options", [{}, {"softcap": 33.9}], ids=str)
def test_terms_that_are_rounded_alike_are_added_within_the_bound(
    classes: int, options: dict[str, Any]
) -> None:
    lead = 40 + np.arange(1, 200_000, 37) * 2.0**-18
    x = np.full((lead.size, classes), -40, np.float32)
    x[:, 0] = lead
    y = np.zeros(lead.size, int)
    got = ll.cross_entropy(x, y, reduction="none", **options)
    right = ll.cross_entropy(x.astype(np.float64), y, reduction="none", **options)
    np.testing.assert_allclose(got, right, rtol=5e-6, atol=0)
