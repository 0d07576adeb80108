"""What must hold for inputs that nobody thought of, and tests that show that a test can fail."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from exact import relative_error, row
from frontends import FRONT_ENDS
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import lastlayer as ll

ROWS, MANY = 5, 220
finite32 = st.floats(-1e4, 1e4, width=32)
any32 = st.floats(width=32)
few = st.integers(1, 9)
labels_of = st.integers(0, 2**31)


def logits(elements: Any = finite32, classes: Any = few) -> Any:
    """Float32 logits of few classes, drawn one by one, so that ties, gaps and zeros come up."""
    shape = st.tuples(st.integers(1, ROWS), classes)
    return shape.flatmap(lambda s: arrays(np.float32, s, elements=elements))


def tiled(x: Any, wide: bool) -> Any:
    """The same rows for the kernel of few classes or, with far smaller ones added, of many."""
    if not wide:
        return x
    extra = np.full((len(x), MANY), -np.inf, np.float32)
    return np.concatenate([x, extra], axis=1)


def indices(x: Any, seed: int, classes: int) -> Any:
    return np.random.default_rng(seed).integers(0, classes, len(x))


@given(logits(), labels_of, st.booleans())
@example(np.array([[0.0, -0.0]], np.float32), 0, False)
@example(np.array([[1e4, -1e4, 1e4]], np.float32), 1, True)
@settings(deadline=None, max_examples=150)
def test_kernels_agree_with_300_bits(x: Any, seed: int, wide: bool) -> None:
    y = indices(x, seed, x.shape[1])
    loss, gradient = ll.cross_entropy_with_grad(tiled(x, wide), y, reduction="none")
    for i, (value, slope) in enumerate(zip(loss, gradient, strict=True)):
        exact, exact_slope, _ = row(x[i], y[i])
        assert abs(float(value) - exact) <= 5e-6 * exact + 1e-44
        assert abs(float(slope[y[i]]) - exact_slope[y[i]]) <= 8e-6 * abs(exact_slope[y[i]]) + 1e-44
        for got, right in zip(slope, exact_slope, strict=False):
            assert abs(float(got) - right) <= 8e-6 * max(abs(right), 1e-6) + 1e-44


@given(logits(any32), labels_of, st.booleans())
@settings(deadline=None, max_examples=200)
def test_special_values_stay_in_their_row(x: Any, seed: int, wide: bool) -> None:
    y = indices(x, seed, x.shape[1])
    loss, gradient = ll.cross_entropy_with_grad(tiled(x, wide), y, reduction="none")
    with np.errstate(invalid="ignore", over="ignore"):
        bad = np.isnan(x).any(1) | (x == np.inf).any(1) | (x == -np.inf).all(1)
    np.testing.assert_array_equal(np.isnan(loss), bad)
    np.testing.assert_array_equal(np.isnan(gradient).any(1), bad)
    np.testing.assert_array_equal(np.isnan(gradient).all(1), bad)
    out_of_reach = ~bad & (x[np.arange(len(x)), y] == -np.inf)
    np.testing.assert_array_equal(np.isposinf(loss), out_of_reach)
    assert (gradient[out_of_reach, y[out_of_reach]] == -1).all()
    assert (loss[~bad] >= 0).all()


@given(logits(), labels_of, st.booleans(), st.sampled_from(["index", "smoothed", "soft"]))
@settings(deadline=None, max_examples=150)
def test_rows_of_the_gradient_sum_to_0(x: Any, seed: int, wide: bool, kind: str) -> None:
    y: Any = indices(x, seed, x.shape[1])
    options: dict[str, Any] = {}
    if kind == "smoothed":
        options["label_smoothing"] = 0.2
    if kind == "soft":
        y = np.random.default_rng(seed).dirichlet(np.ones(x.shape[1]), len(x)).astype(np.float32)
        y = np.concatenate([y, np.zeros((len(x), MANY), np.float32)], axis=1) if wide else y
    full = tiled(x, wide)
    if kind == "smoothed" and wide:
        full = np.nan_to_num(full, neginf=-2e4)
    gradient = ll.cross_entropy_with_grad(full, y, reduction="none", **options)[1]
    total = gradient.astype(np.float64).sum(axis=1)
    size = np.abs(gradient).astype(np.float64).sum(axis=1)
    assert (np.abs(total) <= 8e-6 * np.maximum(size, 1e-37) + 3e-7 * (kind != "index")).all()


@pytest.mark.parametrize("classes", [2, 100, 220, 1700])
@pytest.mark.parametrize("label", [0, 1])
def test_a_class_whose_exponential_is_1_need_not_be_the_maximum(classes: int, label: int) -> None:
    x = np.full((1, classes), -2e4, np.float32)
    x[0, :2] = 5e-21, 0
    gradient = ll.cross_entropy_with_grad(x, [label], label_smoothing=0.2)[1][0]
    right = np.full(classes, -0.2 / classes)
    right[:2] += 0.5
    right[label] -= 0.8
    np.testing.assert_allclose(gradient, right, rtol=8e-6, atol=1e-8)


@given(logits(st.integers(-1000, 1000).map(float)), labels_of, st.integers(-4000, 4000))
@settings(deadline=None, max_examples=100)
def test_a_shift_that_does_not_round_changes_no_bit(x: Any, seed: int, shift: int) -> None:
    y = indices(x, seed, x.shape[1])
    loss, gradient = ll.cross_entropy_with_grad(x, y)
    shifted = (x + np.float32(shift)).astype(np.float32)
    got, slope = ll.cross_entropy_with_grad(shifted, y)
    assert got == loss
    np.testing.assert_array_equal(slope, gradient)


@given(logits(), labels_of, st.booleans())
@settings(deadline=None, max_examples=100)
def test_a_permutation_of_the_classes_permutes_the_gradient(x: Any, seed: int, wide: bool) -> None:
    y = indices(x, seed, x.shape[1])
    full = tiled(x, wide)
    order = np.random.default_rng(seed).permutation(full.shape[1])
    where = np.argsort(order)
    loss, gradient = ll.cross_entropy_with_grad(full, y, reduction="none")
    got, slope = ll.cross_entropy_with_grad(full[:, order], where[y], reduction="none")
    np.testing.assert_allclose(got, loss, rtol=1e-6)
    np.testing.assert_allclose(slope, gradient[:, order], rtol=2e-6, atol=1e-44)


@given(logits(), labels_of, st.floats(0.015625, 64, width=32))
@settings(deadline=None, max_examples=60)
def test_the_gradient_is_linear_in_the_weight_of_its_sample(
    x: Any, seed: int, weight: float
) -> None:
    y = indices(x, seed, x.shape[1])
    gradient = ll.cross_entropy_with_grad(x, y, reduction="sum")[1]
    weights = np.full(len(x), weight)
    slope = ll.cross_entropy_with_grad(x, y, sample_weight=weights, reduction="sum")[1]
    np.testing.assert_allclose(slope, gradient * np.float32(weight), rtol=1e-6, atol=1e-37)


@given(logits(classes=st.integers(2, 6)), labels_of)
@settings(deadline=None, max_examples=60)
def test_one_hot_labels_and_indices_agree(x: Any, seed: int) -> None:
    y = indices(x, seed, x.shape[1])
    one_hot = np.eye(x.shape[1], dtype=np.float32)[y]
    loss, gradient = ll.cross_entropy_with_grad(x, y, reduction="none")
    got, slope = ll.cross_entropy_with_grad(x, one_hot, reduction="none")
    np.testing.assert_allclose(got, loss, rtol=1e-6)
    np.testing.assert_allclose(slope, gradient, rtol=1e-6, atol=1e-44)


@given(
    seed=st.integers(0, 2**31),
    classes=st.sampled_from([3, 120, 220, 600]),
    cap=st.floats(-3, 6).map(lambda e: 10**e),
    temperature=st.floats(-1, 2).map(lambda e: 10**e),
    spread=st.floats(0.01, 3),
    lead=st.floats(-2, 3),
    offset=st.floats(-2, 2),
    shift=st.sampled_from([0.0, 0.0, 1e4, -1e4]),
)
@settings(deadline=None, max_examples=40)
def test_a_soft_cap_agrees_with_300_bits(
    seed: int, classes: int, cap: float, temperature: float, spread: float, lead: float,
    offset: float, shift: float,
) -> None:  # fmt: skip
    # logits as far apart as matters: of a cap's size, or of the temperature's beside a large cap
    rng = np.random.default_rng(seed)
    size = min(cap, 50 * temperature)
    x = rng.normal(size=(1, classes)) * spread * size + (shift or offset * cap)
    x = x.astype(np.float32)
    x[0, 0] = x.max() + np.float32(lead * size)
    label = int(rng.integers(0, 2))
    options: dict[str, Any] = {"softcap": cap, "temperature": temperature}
    loss, gradient = ll.cross_entropy_with_grad(x, [label], reduction="none", **options)
    exact, slopes, _ = row(x[0], label, **options)
    assert abs(float(loss[0]) - exact) <= 5e-6 * exact + 1e-44
    assert abs(float(gradient[0, label]) - slopes[label]) <= 8e-6 * abs(slopes[label]) + 1e-44
    least = 1e-6 * max(abs(v) for v in slopes)
    for got, right in zip(gradient[0], slopes, strict=True):
        assert abs(float(got) - right) <= 8e-6 * max(abs(right), least) + 1e-44


OPTIONS: tuple[dict[str, Any], ...] = (
    {},
    {"label_smoothing": 0.1, "base": 2.0},
    {
        "z_loss": 0.01,
        "softcap": 5.0,
        "temperature": 0.7,
        "class_weight": [0.5, 2.0, 1.0, 0.1],  # as elsewhere: a kernel less to compile
    },
    {"class_weight": [0.5, 2.0, 1.0, 0.1], "label_smoothing": 0.3, "divisor": 3.0},
)


@pytest.mark.parametrize("front_end", FRONT_ENDS)
@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("soft", [False, True])
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_the_gradient_is_that_of_the_loss_returned(
    front_end: str, options: dict[str, Any], soft: bool, reduction: str
) -> None:
    rng = np.random.default_rng(3)
    x = rng.normal(size=(3, 4)) * 2
    y = rng.dirichlet(np.ones(4), 3) if soft else np.array([1, -100, 3])
    if reduction != "mean":
        options = {k: v for k, v in options.items() if k != "divisor"}

    def loss_of(z: Any) -> float:
        return float(np.sum(FRONT_ENDS[front_end](z, y, reduction=reduction, **options)[0]))

    gradient = FRONT_ENDS[front_end](x, y, reduction=reduction, **options)[1]
    for where in np.ndindex(*x.shape):
        step = np.zeros_like(x)
        step[where] = 1e-5
        slope = (loss_of(x + step) - loss_of(x - step)) / 2e-5
        assert abs(slope - gradient[where]) < 1e-8


@pytest.mark.parametrize("options", OPTIONS)
def test_the_gradient_for_soft_targets_is_that_of_the_loss(options: dict[str, Any]) -> None:
    rng = np.random.default_rng(4)
    x, t = rng.normal(size=(3, 4)) * 2, rng.dirichlet(np.ones(4), 3)
    weight = np.array([1.0, 0.0, 2.5])
    options = {**options, "sample_weight": weight}
    loss, _, slope = ll.cross_entropy_with_grad(x, t, label_grad=True, **options)
    assert loss == ll.cross_entropy(x, t, **options)
    for where in np.ndindex(*t.shape):
        step = np.zeros_like(t)
        step[where] = 1e-6
        up, down = (ll.cross_entropy(x, t + s, **options) for s in (step, -step))
        assert abs((up - down) / 2e-6 - slope[where]) < 1e-8


def naive_loss(x: Any, y: Any) -> Any:
    e = np.exp(x - x.max(axis=1, keepdims=True))
    with np.errstate(divide="ignore"):
        return -np.log((e / e.sum(axis=1, keepdims=True))[np.arange(len(x)), y])


def test_the_comparison_finds_an_implementation_that_rounds_to_0() -> None:
    x = np.array([[20.0, 0.0, 1.0, 2.0], [1.0, 2.0, 3.0, 4.0]], np.float32)
    exact = [row(v, 0)[0] for v in x]
    ours, naive = ll.cross_entropy(x, [0, 0], reduction="none"), naive_loss(x, [0, 0])
    assert [relative_error(v, e) < 5e-6 for v, e in zip(ours, exact, strict=True)] == [True, True]
    assert [relative_error(v, e) < 5e-6 for v, e in zip(naive, exact, strict=True)] == [False, True]


@given(logits())
@settings(deadline=None, max_examples=60)
def test_no_function_writes_into_its_input(x: Any) -> None:
    assume(x.size)
    before = x.copy()
    y = np.zeros(len(x), np.int64)
    for call in (
        lambda: ll.softmax(x), lambda: ll.log_softmax(x), lambda: ll.logsumexp(x),
        lambda: ll.cross_entropy(x, y), lambda: ll.cross_entropy_with_grad(x, y),
        lambda: ll.cross_entropy_with_grad(
            x, y, softcap=3.0, label_smoothing=0.1, class_weight=np.ones(x.shape[1])
        ),
    ):  # fmt: skip
        call()
        np.testing.assert_array_equal(x, before)
