"""The statistics of rows that scoring needs: exact, the same bits however they are asked for."""

from __future__ import annotations

from dataclasses import fields
from functools import cache
from typing import Any

import ml_dtypes
import mpmath as mp
import numpy as np
import pytest
from cases import CASES
from exact import statistics
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from test_layouts import LAYOUTS

import lastlayer as ll
from lastlayer import kernels, reference
from lastlayer.kernels.statistics import RowStatistics, row_statistics, temperature_sums
from lastlayer.problem import softmax_problem

NAMES = [field.name for field in fields(RowStatistics)]
WHOLE = ("prediction", "rank")
DTYPES = {"float32": np.float32, "float64": np.float64}
# Relative, and what is left of a number that is as good as 0: float32's R, and a square of it.
BOUND = {"float32": 5e-6, "float64": 2e-14}
LEAST = {"float32": 1e-42, "float64": 1e-300}
LEAST_SQUARE = {"float32": 1e-65, "float64": 1e-307}
PLAIN = [name for name, case in CASES.items() if set(case[2]) <= {"temperature"}]
TEMPERATURE = 0.3


def rows(count: int, classes: int, dtype: Any = np.float32, spread: float = 4.0) -> Any:
    """Logits and labels, half of which are right."""
    rng = np.random.default_rng(classes)
    x = (rng.normal(size=(count, classes)) * spread).astype(dtype)
    right = x.astype(np.float64).argmax(axis=1)
    return x, np.where(rng.random(count) < 0.5, right, rng.integers(0, classes, count))


def same(a: RowStatistics, b: RowStatistics, rows_: Any = slice(None)) -> None:
    """The bits of all columns of `a` are those of some rows of `b`."""
    for name in NAMES:
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name)[rows_], err_msg=name)


@cache
def expected(name: str, dtype: str, temperature: float | None = None) -> list[dict[str, Any]]:
    """Of each row of a case; its own temperature unless another is asked for."""
    logits, labels, options = CASES[name]
    x = np.asarray(logits, dtype=DTYPES[dtype])
    temperature = temperature or options.get("temperature", 1.0)
    return [statistics(v, y, temperature) for v, y in zip(x, labels, strict=True)]


def near(value: Any, exact: Any, bound: float, least: float) -> bool:
    right, size = exact
    return bool(abs(mp.mpf(float(value)) - right) <= bound * abs(size) + least)


# --------------------------------------------------------------------------- exactness


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", PLAIN)
@pytest.mark.parametrize("implementation", [row_statistics, reference.row_statistics])
def test_statistics_are_within_the_bounds(implementation: Any, name: str, dtype: str) -> None:
    logits, labels, options = CASES[name]
    x = np.asarray(logits, dtype=DTYPES[dtype])
    got = implementation(softmax_problem(x, np.asarray(labels), **options))
    for i, exact in enumerate(expected(name, dtype)):
        for column in NAMES[1:]:
            value = getattr(got, column)[i]
            if column in WHOLE:
                assert value == exact[column][0], (column, i)
                continue
            least = (LEAST_SQUARE if column == "brier" else LEAST)[dtype]
            assert near(value, exact[column], BOUND[dtype], least), (column, i, value)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", [name for name in PLAIN if np.size(CASES[name][0]) < 5000])
@pytest.mark.parametrize("implementation", [temperature_sums, reference.temperature_sums])
def test_derivatives_by_the_temperature_are_within_the_bounds(
    implementation: Any, name: str, dtype: str
) -> None:
    logits, labels, options = CASES[name]
    x = np.asarray(logits, dtype=DTYPES[dtype])
    problem = softmax_problem(x, np.asarray(labels), **options)  # whose temperature plays no part
    loss, *derivatives = implementation(problem, TEMPERATURE)
    right = ll.cross_entropy(x.astype(float), labels, temperature=TEMPERATURE, reduction="none")
    np.testing.assert_allclose(loss, right, rtol=BOUND[dtype], atol=LEAST[dtype])
    for i, exact in enumerate(expected(name, dtype, TEMPERATURE)):
        for column, values in zip(("slope", "curvature"), derivatives, strict=True):
            least = 1e4 * LEAST[dtype]
            assert near(values[i], exact[column], BOUND[dtype], least), (column, i)


def test_the_derivatives_are_those_of_the_loss() -> None:
    x, y = rows(20, 12, np.float64)
    problem, step = softmax_problem(x, y), 1e-4
    losses = [temperature_sums(problem, 1 / (0.7 + k * step))[0] for k in (-1, 0, 1)]
    _, slope, curvature = temperature_sums(problem, 1 / 0.7)
    np.testing.assert_allclose((losses[2] - losses[0]) / (2 * step), slope, rtol=1e-5, atol=1e-6)
    second = (losses[2] - 2 * losses[1] + losses[0]) / step**2
    np.testing.assert_allclose(second, curvature, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("classes", [3, 220])
def test_what_is_tiny_is_exact_down_to_where_float32_ends(classes: int) -> None:
    leads = np.linspace(1, 100, 67)
    x = np.full((len(leads), classes), -np.inf, np.float32)
    x[:, 1], x[:, 0] = leads, 0.0
    got = row_statistics(softmax_problem(x, np.ones(len(x), int)))
    for lead, doubt, brier, entropy in zip(x[:, 1], got.doubt, got.brier, got.entropy, strict=True):
        z = mp.mpf(float(lead))
        q = 1 / (1 + mp.e**z)
        assert near(doubt, (q, q), 5e-6, 1e-42)
        assert near(brier, (2 * q * q,) * 2, 1e-5, 1e-65)
        exact = -q * mp.log(q) - (1 - q) * mp.log(1 - q)
        assert near(entropy, (exact, exact), 5e-6, 1e-42)
    certain = row_statistics(softmax_problem(x[:, 1:], np.zeros(len(x), int)))
    for name in ("loss", "doubt", "brier", "entropy"):
        assert (getattr(certain, name) == 0).all()  # nothing but masked classes beside it


# --------------------------------------------------------------------------- bits


@pytest.mark.parametrize("offset", [-3e6, -1e5, 54321.0, 1e6, 2e6])
@pytest.mark.parametrize("classes", [10, 150, 900, 1500])
def test_a_common_offset_loses_nothing_but_the_digits_of_the_logits(
    classes: int, offset: float
) -> None:
    x, labels = rows(40, classes)
    problem = softmax_problem((x + np.float32(offset)).astype(np.float32), labels)
    found, right = row_statistics(problem), reference.row_statistics(problem)
    for name in NAMES:
        expected_of = getattr(right, name)
        np.testing.assert_allclose(getattr(found, name), expected_of, rtol=5e-6, err_msg=name)


@pytest.mark.parametrize("dtype", [*DTYPES.values(), np.float16, ml_dtypes.bfloat16])
@pytest.mark.parametrize("classes", [1, 2, 10, 112, 113, 160, 161, 512, 700, 900, 70_000])
def test_losses_have_the_bits_of_cross_entropy(classes: int, dtype: Any) -> None:
    x, y = rows(3 if classes > 1000 else 83, classes, dtype)
    y[::7] = -100
    if dtype != np.float16:  # rows that are summed otherwise: float32 has few numbers left there
        x[1::9] += np.array(2.0**21, dtype)
    for options in ({"temperature": 0.5}, {}) if dtype == np.float32 else ({},):
        got = row_statistics(softmax_problem(x, y, **options))
        want = ll.cross_entropy(x, y, reduction="none", **options)
        assert got.loss.dtype == want.dtype
        np.testing.assert_array_equal(got.loss, want)
    wide = row_statistics(softmax_problem(x.astype(got.loss.dtype), y, **options))
    same(got, wide)


@pytest.mark.parametrize("classes", [10, 700, 900])
def test_neither_threads_nor_the_split_into_batches_change_a_bit(
    monkeypatch: pytest.MonkeyPatch, classes: int
) -> None:
    x, y = rows(101, classes)
    whole = row_statistics(softmax_problem(x, y))
    sums = temperature_sums(softmax_problem(x, y), 1.5)
    for lo, hi in ((0, 1), (1, 18), (18, 101)):
        part = softmax_problem(x[lo:hi], y[lo:hi])
        same(row_statistics(part), whole, slice(lo, hi))
        for a, b in zip(temperature_sums(part, 1.5), sums, strict=True):
            np.testing.assert_array_equal(a, b[lo:hi])
    monkeypatch.setattr("lastlayer.kernels.threads.WORTHWHILE", 64)
    with ll.num_threads(3):
        same(row_statistics(softmax_problem(x, y)), whole)


@pytest.mark.parametrize("classes", [10, 700, 900])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_layout_does_not_change_a_bit(layout: str, classes: int) -> None:
    x, y = rows(37, classes)
    same(
        row_statistics(softmax_problem(LAYOUTS[layout](x), y)),
        row_statistics(softmax_problem(x, y)),
    )


def test_rows_of_images_come_in_their_order() -> None:
    x, _ = rows(6 * 5 * 9, 4)
    images = np.moveaxis(x.reshape(6, 5, 9, 4), -1, 1).copy()
    y = np.random.default_rng(1).integers(0, 4, (6, 5, 9))
    got = row_statistics(softmax_problem(images, y, axis=1))
    same(got, row_statistics(softmax_problem(x, y.reshape(-1))))


# --------------------------------------------------------------------------- special values


@pytest.mark.parametrize("classes", [3, 112, 113, 160, 161, 1100])
def test_a_row_without_probabilities_is_marked_and_alone(classes: int) -> None:
    x, y = rows(9, classes)
    x[1, -1], x[3, 0], x[5], x[7, 1] = np.nan, np.inf, -np.inf, np.nan
    got = row_statistics(softmax_problem(x, y))
    bad = np.array([1, 3, 5, 7])
    for name in NAMES:
        column = getattr(got, name)[bad]
        assert ((column == -1) if name in WHOLE else np.isnan(column)).all(), name
    keep = np.setdiff1d(np.arange(9), bad)
    same(row_statistics(softmax_problem(x[keep], y[keep])), got, keep)
    for column in temperature_sums(softmax_problem(x, y), 2.0):
        assert np.isnan(column[bad]).all()
        assert np.isfinite(column[keep]).all()


@pytest.mark.parametrize("classes", [3, 300])
def test_an_ignored_row_has_no_label(classes: int) -> None:
    x, y = rows(40, classes)
    want = row_statistics(softmax_problem(x, y))
    left_out = np.arange(40) % 3 == 0
    for ignore in (-100, 0):
        labels = np.where(left_out, ignore, np.maximum(y, 1))
        got = row_statistics(softmax_problem(x, labels, ignore_index=ignore))
        for name in ("prediction", "confidence", "doubt", "entropy"):
            np.testing.assert_array_equal(getattr(got, name), getattr(want, name))
        assert (got.loss[left_out] == 0).all()
        assert (got.brier[left_out] == 0).all()
        assert (got.rank[left_out] == -1).all()
        assert (got.rank[~left_out] >= 0).all()
        for column in temperature_sums(softmax_problem(x, labels, ignore_index=ignore), 2.0):
            assert (column[left_out] == 0).all()


@pytest.mark.parametrize("classes", [5, 112, 113, 160, 161, 512, 513, 900, 1500])
def test_among_equals_the_lower_index_comes_first(classes: int) -> None:
    levels = np.float32([-np.inf, -0.0, 0.0, 3.0])
    x = levels[np.random.default_rng(classes).integers(0, 4, (60, classes))]
    x[:, 0] = 0.0  # so that no row is masked whole
    y = np.random.default_rng(1).integers(0, classes, 60)
    y[:3] = 0, classes - 1, classes // 2
    got = row_statistics(softmax_problem(x, y))
    order = np.argsort(-x, axis=1, kind="stable")
    np.testing.assert_array_equal(got.prediction, order[:, 0])
    np.testing.assert_array_equal(got.rank, (order == y[:, None]).argmax(axis=1))
    np.testing.assert_array_equal(got.rank == 0, got.prediction == y)


def test_there_may_be_no_rows() -> None:
    got = row_statistics(softmax_problem(np.zeros((0, 5), np.float32), np.zeros(0, int)))
    assert [len(getattr(got, name)) for name in NAMES] == [0] * 7
    assert [len(c) for c in temperature_sums(softmax_problem(np.zeros((0, 5)), []), 1.0)] == [0] * 3


def test_a_distribution_is_scored_in_float64_whatever_its_layout() -> None:
    x, _ = rows(30, 7)
    t = np.random.default_rng(3).dirichlet(np.ones(7), 30).astype(np.float32)
    t[4] = 0
    problem = softmax_problem(x, t)
    got = row_statistics(problem)
    np.testing.assert_array_equal(got.loss, kernels.losses(problem))
    for name in NAMES[1:]:
        right = getattr(reference.row_statistics(problem), name)
        np.testing.assert_array_equal(getattr(got, name), right)
    same(row_statistics(softmax_problem(np.asfortranarray(x), t[::-1].copy()[::-1])), got)
    wrong = t.copy()
    wrong[9, 2] = -1
    with pytest.raises(ll.LabelError, match=r"\[9, 2\] = -1"):
        row_statistics(softmax_problem(x, wrong, look_at_targets=False))


@pytest.mark.parametrize(
    "option",
    [
        {"class_weight": np.ones(4)},
        {"sample_weight": np.ones(3)},
        {"label_smoothing": 0.1},
        {"z_loss": 1e-3},
        {"softcap": 5.0},
        {"base": 2.0},
    ],
    ids=lambda option: next(iter(option)),
)
def test_what_shapes_a_training_has_no_place_here(option: Any) -> None:
    problem = softmax_problem(np.zeros((3, 4)), [0, 1, 2], **option)
    for call in (row_statistics, lambda p: temperature_sums(p, 1.0)):
        with pytest.raises(ValueError, match=next(iter(option))):
            call(problem)


# --------------------------------------------------------------------------- anything


@given(
    arrays(np.float32, st.tuples(st.integers(1, 18), st.integers(1, 9)),
           elements=st.floats(width=32) | st.floats(-50, 50, width=32)),
    st.integers(0, 2**31),
    st.sampled_from([0, 70]),
)  # fmt: skip
@example(np.float32([[3.4028235e38, -3.4028235e38]]), 0, 0)
@example(np.float32([[-0.0, 0.0, 1e-45, -1e-45]]), 3, 70)
@settings(deadline=None, max_examples=300)
def test_kernels_agree_with_the_definition_on_anything(x: Any, seed: int, masked: int) -> None:
    y = np.random.default_rng(seed).integers(0, x.shape[1], len(x))
    x = np.concatenate([x, np.full((len(x), masked), -np.inf, np.float32)], axis=1)
    problem = softmax_problem(x, y)
    with np.errstate(over="ignore", invalid="ignore"):
        right = reference.row_statistics(problem)
        sums = reference.temperature_sums(problem, 1.7)
    got = row_statistics(problem)
    np.testing.assert_array_equal(got.loss, kernels.losses(problem))
    for name in NAMES[1:]:
        least = 0 if name in WHOLE else 1e-65 if name == "brier" else 1e-42
        bound = 0 if name in WHOLE else 1e-5
        np.testing.assert_allclose(
            getattr(got, name), getattr(right, name), rtol=bound, atol=least, err_msg=name
        )
    loss, _, curvature = temperature_sums(problem, 1.7)
    np.testing.assert_allclose(loss, sums[0], rtol=1e-5, atol=1e-42)
    known = np.isfinite(sums[2])
    with np.errstate(over="ignore", invalid="ignore"):
        d = x.max(axis=1, keepdims=True).astype(float) - x
        size = np.where(d < 1e3, np.exp(-d / 1.7) * d * d, 0.0).sum(axis=1)
    assert (np.isfinite(curvature) == known).all()
    assert (abs(curvature - sums[2])[known] <= 1e-5 * size[known] + 1e-38).all()
