"""The kernels where they could go wrong unseen: borders of memory, vectors, blocks, processors."""

from __future__ import annotations

import math
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

import kernel_checks
import ml_dtypes
import numpy as np
import pytest

import lastlayer as ll
from lastlayer import kernels
from lastlayer.kernels import launch
from lastlayer.kernels.column import add_blocks, total_of
from lastlayer.labels import weight_of_labels

HERE = Path(__file__).parent
GENERAL: dict[str, Any] = {"base": float(str(math.e))}  # equal to the default, not the default
assert GENERAL["base"] is not ll.cross_entropy.__kwdefaults__["base"]


def run(script: str, *words: str, **environment: str) -> tuple[int, str]:
    """What a script of this folder says, and how it ended."""
    paths = [str(HERE), str(Path(ll.__file__).parents[1])]
    done = subprocess.run(
        [sys.executable, str(HERE / script), *words],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths), **environment},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def problem(rows: int, classes: int, dtype: Any = np.float32) -> tuple[Any, Any]:
    rng = np.random.default_rng(classes)
    return (rng.normal(size=(rows, classes)) * 4).astype(dtype), rng.integers(0, classes, rows)


# --------------------------------------------------------------------------- memory


@pytest.mark.skipif(sys.platform == "win32", reason="pages are closed with mprotect")
def test_nothing_beyond_an_array_is_touched() -> None:
    assert run("guarded.py") == (0, "done\n")


@pytest.mark.parametrize("classes", [33, 50, 113, 128, 163, 600])
@pytest.mark.parametrize("rows_apart", [0, 1, 5])
def test_results_past_the_caches_begin_anywhere(
    monkeypatch: pytest.MonkeyPatch, classes: int, rows_apart: int
) -> None:
    x, y = problem(19, classes)
    y[:16] = np.arange(16) * 4 % classes  # a label in the part before the first aligned vector, too
    loss, gradient = ll.cross_entropy_with_grad(x, y, reduction="none")
    monkeypatch.setattr(launch, "PAST_CACHE", 1)
    for offset in range(17):
        raw = np.full(20 * (classes + rows_apart) + 20, 7, np.float32)
        wide = raw[offset : offset + 19 * (classes + rows_apart)].reshape(19, -1)
        out = wide[:, :classes]
        got, _ = ll.cross_entropy_with_grad(x, y, reduction="none", out=out)
        np.testing.assert_array_equal(out, gradient)
        np.testing.assert_array_equal(got, loss)
        out[...] = 7
        ll.cross_entropy_with_grad(x, y, reduction="sum", out=out)
        np.testing.assert_array_equal(out, gradient)
        out[...] = 7
        assert (raw == 7).all(), "written beside the result"


# --------------------------------------------------------------------------- arithmetic


def test_conversions_and_exponentials_are_right_on_this_processor() -> None:
    assert [*kernel_checks.wrong_conversions(), *kernel_checks.wrong_exponentials()] == []


def test_the_largest_of_halves_is_found_on_this_processor() -> None:
    assert [*kernel_checks.wrong_maxima()] == []


@pytest.mark.skipif(
    platform.machine().lower() not in ("x86_64", "amd64"), reason="these are x86 processors"
)
@pytest.mark.parametrize(
    ("name", "features", "kinds"),
    [
        ("nehalem", "", ["float32"]),
        ("haswell", "+sse4.2,+avx,+avx2,+fma,+f16c", ["float32", "soft-cap"]),
    ],
)
def test_older_processors_compute_right(
    name: str, features: str, kinds: list[str], tmp_path: Path
) -> None:
    settings = {"NUMBA_CPU_NAME": name, "NUMBA_CPU_FEATURES": features}
    code, said = run("kernel_checks.py", *kinds, NUMBA_CACHE_DIR=str(tmp_path), **settings)
    assert (code, said) == (0, "checked\n")


@pytest.mark.parametrize("size", [0, 1, 15, 16, 17, 1000])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_column_is_summed_in_float64(size: int, dtype: Any) -> None:
    column = np.random.default_rng(size).lognormal(0, 6, size).astype(dtype)
    assert total_of(column) == pytest.approx(math.fsum(column), rel=1e-14, abs=0)


def test_the_sums_of_blocks_are_added_up_once() -> None:
    column, totals = np.ones(3000, np.float32), np.full(3, np.nan)
    assert add_blocks(1024, 2048, column, totals) == 0
    assert add_blocks(0, 1024, column, totals) == 0
    assert add_blocks(2048, 3000, column, totals) == 3000
    assert add_blocks(3000, 3000, column, totals) == 3000


# --------------------------------------------------------------------------- blocks


# The NaNs of one sign are the largest whole numbers of 16 bits, those of the other the smallest but
# for the negative numbers.
@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16])
@pytest.mark.parametrize("classes", [161, 1000, 1700])
@pytest.mark.parametrize("shift", [0.0, -60.0])
def test_a_nan_of_either_sign_makes_its_row_nan(dtype: Any, classes: int, shift: float) -> None:
    x = (np.random.default_rng(0).normal(size=(24, classes)) * 4 + shift).astype(dtype)
    y = np.arange(24) * 4
    loss, gradient = ll.cross_entropy_with_grad(x, y, reduction="none")
    infinity = int(np.array(np.inf, dtype).view(np.uint16))
    rows = range(1, 24, 2)
    for row, place in zip(rows, np.linspace(0, classes - 1, len(rows)).astype(int), strict=True):
        sign, payload = row // 2 % 2 << 15, (1, 0x7FFF - infinity)[row // 4 % 2]
        x.view(np.uint16)[row, place] = infinity + payload + sign
    got, slopes = ll.cross_entropy_with_grad(x, y, reduction="none")
    assert np.isnan(got[1::2]).all()
    assert np.isnan(slopes[1::2].astype(np.float32)).all()
    np.testing.assert_array_equal(got[::2], loss[::2])
    np.testing.assert_array_equal(slopes[::2], gradient[::2])


@pytest.mark.parametrize("classes", [3, 112, 113, 160, 161, 511, 512, 513, 1025, 1600])
def test_special_values_are_seen_wherever_they_stand(classes: int) -> None:
    places = sorted({0, 1, classes // 2, classes - 2, classes - 1})
    x, _ = problem(1, classes)
    rows, want = [], []
    for a in places:
        for b in places:
            for first in (-np.inf, np.inf, np.nan, 50.0):
                for second in (-np.inf, np.inf, np.nan, 50.0):
                    row = x[0].copy()
                    row[a], row[b] = first, second
                    rows.append(row)
                    wide = row.astype(np.float64)
                    ok = np.isfinite(wide.max()) and not np.isnan(wide).any()
                    want.append(
                        wide.max() + np.log(np.exp(wide - wide.max()).sum()) - wide
                        if ok
                        else wide * np.nan
                    )
    logits, right = np.stack(rows), np.stack(want)
    for y in places:
        labels = np.full(len(logits), y)
        loss, gradient = ll.cross_entropy_with_grad(logits, labels, reduction="none")
        np.testing.assert_allclose(loss, right[:, y], rtol=1e-5, atol=1e-6)
        p = np.exp(-right)
        p[:, y] -= 1
        np.testing.assert_allclose(gradient, p, rtol=2e-5, atol=1e-6)


@pytest.mark.parametrize("classes", [112, 113, 160, 161, 700])
def test_nothing_but_masked_classes_and_ties_across_blocks(classes: int) -> None:
    x = np.full((2, classes), -np.inf, np.float32)
    x[1] = 3
    loss, gradient = ll.cross_entropy_with_grad(x, [0, classes - 1], reduction="none")
    assert np.isnan(loss[0])
    assert np.isnan(gradient[0]).all()
    assert loss[1] == pytest.approx(math.log(classes), rel=1e-6)
    np.testing.assert_allclose(gradient[1, :-1], 1 / classes, rtol=1e-6)
    assert gradient[1, -1] == pytest.approx(1 / classes - 1, rel=1e-6)


@pytest.mark.parametrize("classes", [33, 120, 220, 600])
def test_the_labels_own_entry_at_every_place(classes: int) -> None:
    x = np.tile(problem(1, classes)[0], (classes, 1))
    losses, gradient = ll.cross_entropy_with_grad(x, np.arange(classes), reduction="none")
    p = np.exp(x[0].astype(np.float64))
    right = p / p.sum() - np.eye(classes)
    np.testing.assert_allclose(gradient, right, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(losses, -np.log(p / p.sum()), rtol=5e-6)


@pytest.mark.parametrize("classes", [5, 130])
def test_rows_left_out_may_hold_anything(classes: int) -> None:
    x, y = problem(21, classes)
    _, gradient = ll.cross_entropy_with_grad(x, y, reduction="sum")
    for kind in ({"ignore_index": -7}, {"sample_weight": np.arange(21) % 3}):
        left_out = np.arange(21) % 3 == 0
        bad = np.where(left_out[:, None], np.float32(np.nan), x)
        labels = np.where(left_out, -7, y) if "ignore_index" in kind else y
        got, slope = ll.cross_entropy_with_grad(bad, labels, reduction="none", **kind)
        assert (got[left_out] == 0).all()
        assert (slope[left_out] == 0).all()
        scale = 1 if "ignore_index" in kind else (np.arange(21) % 3)[:, None]
        np.testing.assert_allclose(slope[~left_out], (gradient * scale)[~left_out], rtol=1e-6)


@pytest.mark.parametrize("classes", [2, 10, 33])
@pytest.mark.parametrize(("dtype", "weight"), [(np.float32, 2.0**-100), (np.float64, 2.0**-900)])
def test_a_factor_that_is_no_normal_number_without_the_lift(
    classes: int, dtype: Any, weight: float
) -> None:
    # nearly even rows: no product is subnormal, but the factor itself would be
    x, y = np.tile(np.arange(classes, dtype=dtype) / 8, (32, 1)), np.arange(32) % classes
    _, whole = ll.cross_entropy_with_grad(x, y, reduction="sum")
    _, light = ll.cross_entropy_with_grad(x, y, reduction="sum", sample_weight=np.full(32, weight))
    assert (light / dtype(weight) == whole).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("classes", [3, 10, 112, 160])
def test_neighbours_with_subnormal_results_change_no_bit(classes: int, dtype: Any) -> None:
    x, y = problem(16, classes, dtype)
    far = x.copy()
    far[5] = -np.arange(classes) * (700 if dtype == np.float64 else 90)  # and 0 further on
    far[9, 1:] = -np.inf
    others = np.delete(np.arange(16), [5, 9])
    for ours in (ll.softmax, ll.log_softmax):
        assert (ours(far)[others] == ours(x)[others]).all()
    gradients = [ll.cross_entropy_with_grad(v, y, reduction="sum")[1][others] for v in (x, far)]
    assert (gradients[0] == gradients[1]).all()
    right = float(np.exp(far[5, 1].astype(float)))
    assert ll.softmax(far)[5, 1] == pytest.approx(right, rel=1e-4, abs=0)
    assert ll.softmax(far)[9].tolist() == [1.0] + [0.0] * (classes - 1)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("apart", [0, 3])
def test_a_row_of_few_classes_has_the_bits_that_it_has_alone(dtype: Any, apart: int) -> None:
    for classes in (1, 2, 3, 4, 5, 7, 8, 9, 18):
        x, y = problem(37, classes + apart, dtype)
        x, y = x[:, :classes], y % classes
        raw = np.full((37, classes + apart), 7, dtype)
        out = raw[:, :classes]
        together, _ = ll.cross_entropy_with_grad(x, y, reduction="none", out=out)
        for n in range(37):
            loss, gradient = ll.cross_entropy_with_grad(
                x[n : n + 1], y[n : n + 1], reduction="none"
            )
            assert loss[0] == together[n]
            np.testing.assert_array_equal(gradient[0], out[n])
        assert (raw[:, classes:] == 7).all(), "written beside the result"


@pytest.mark.parametrize("classes", [2, 10, 33])
@pytest.mark.parametrize("options", [{}, {"temperature": 0.7}, {"label_smoothing": 0.1}])
def test_under_a_soft_cap_neighbours_farther_out_change_no_bit(
    classes: int, options: dict[str, Any]
) -> None:
    rng = np.random.default_rng(classes)
    y = rng.integers(0, classes, 320)
    near = (rng.standard_normal((320, classes)) * 3.0).astype(np.float32)
    others = np.arange(320) % 5 == 0
    mixed = np.where(others[:, None], near * np.float32(10.0), near)
    options = {"softcap": 30.0, "reduction": "none", **options}
    loss, gradient = ll.cross_entropy_with_grad(near, y, **options)
    beside, of_all = ll.cross_entropy_with_grad(mixed, y, **options)
    np.testing.assert_array_equal(loss[~others], beside[~others])
    np.testing.assert_array_equal(gradient[~others], of_all[~others])
    for n in np.flatnonzero(others)[:16]:
        alone = ll.cross_entropy_with_grad(mixed[n : n + 1], y[n : n + 1], **options)
        np.testing.assert_array_equal(alone[0], beside[n : n + 1])
        np.testing.assert_array_equal(alone[1], of_all[n : n + 1])


# --------------------------------------------------------------------------- kept exponentials


def hilly(kind: str, classes: int, dtype: Any) -> tuple[Any, Any]:
    """Rows whose maximum changes from block to block, as kept exponentials must survive."""
    x, y = problem(3, classes, dtype)
    if kind == "rising":  # each block has a larger maximum than the one before
        x = np.sort(x * 4, axis=1)
    elif kind == "far":  # what came before is far below the last block, some of it out of sight
        x[:, ::7] -= 60
        x[:, -3:] += 70
    elif kind == "masked":
        x[:, : classes // 2] = -np.inf
    elif kind == "wide":  # most probabilities are subnormal or 0
        x *= 12
    elif kind == "distant":  # where float32 has few numbers left, one row of three
        x[1] += 2.0**21
    return np.ascontiguousarray(x), y


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("classes", [513, 1030, 5003, 131072 + 700])
@pytest.mark.parametrize("kind", ["rising", "far", "masked", "wide", "distant"])
def test_kept_exponentials_are_right_and_the_same_everywhere(
    monkeypatch: pytest.MonkeyPatch, kind: str, classes: int, dtype: Any
) -> None:
    x, y = hilly(kind, classes, dtype)
    z = x.astype(np.longdouble)
    p = np.exp(z - z.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    found = ll.softmax(x)
    least, exact = np.finfo(dtype).smallest_subnormal, 2000 * np.finfo(dtype).eps
    assert (np.abs(found - p) <= p * exact + least).all()
    assert (found[p == 0.0] == 0.0).all()
    likely = p > 1e-6
    bound = 8e-6 if dtype == np.float32 else 2e-14
    assert (np.abs(found - p)[likely] <= p[likely] * bound).all()

    _, gradient = ll.cross_entropy_with_grad(x, y, reduction="sum")
    rest = p.copy()
    rest[np.arange(3), y] = 0.0
    p[np.arange(3), y] = -rest.sum(axis=1)
    likely = np.abs(p) > 1e-6
    assert (np.abs(gradient - p)[likely] <= np.abs(p)[likely] * bound).all()

    # long rows in blocks compute anew, what lies past the caches begins anywhere, and is in pieces
    strided, over = np.asfortranarray(x), x.copy()
    _, apart = ll.cross_entropy_with_grad(strided, y, reduction="sum")
    ll.cross_entropy_with_grad(over, y, reduction="sum", out=over)
    np.testing.assert_array_equal(apart, gradient)
    np.testing.assert_array_equal(over, gradient)
    np.testing.assert_array_equal(ll.softmax(strided), found)
    monkeypatch.setattr(launch, "PAST_CACHE", 1)
    out = np.zeros(x.size + 1, dtype)[1:].reshape(x.shape)
    ll.cross_entropy_with_grad(x, y, reduction="sum", out=out)
    np.testing.assert_array_equal(out, gradient)
    np.testing.assert_array_equal(ll.softmax(x, out=out), found)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("classes", [161, 1000, 5003, 131072 + 700])
@pytest.mark.parametrize("kind", ["rising", "far", "masked", "wide", "distant", "sure", "tied"])
def test_what_a_class_has_of_its_own_is_taken_from_what_is_kept(
    monkeypatch: pytest.MonkeyPatch, kind: str, classes: int, dtype: Any
) -> None:
    x, y = hilly(kind, classes, dtype)
    top = x.argmax(axis=1)
    if kind == "sure":  # what the others have is far below the rounding of the maximum's
        x[np.arange(3), top] += np.array([12, 20, 30], dtype)
    elif kind == "tied":  # the same exponential as the maximum, to the bit, or the same logit
        x -= x.max(axis=1, keepdims=True) + 12
        x[np.arange(3), top] = 1 / 16
        near = np.nextafter(dtype(1 / 16), dtype(0))
        x[:, 17] = near, 1 / 16, near
        x[2, 40:44] = 1 / 16
    z = x.astype(np.longdouble)
    e = np.exp(z - z.max(axis=1, keepdims=True))
    s = e.sum(axis=1, keepdims=True)
    hot = np.zeros_like(x)
    hot[np.arange(3), [top[0], 17, y[2]]] = 1
    soft = np.random.default_rng(3).exponential(size=x.shape).astype(dtype)
    soft /= soft.sum(axis=1, keepdims=True)
    epsilon, weights = 0.125, 1.0 + np.arange(classes) % 3
    mixed = np.full(x.shape, epsilon / classes) * weights
    mixed[np.arange(3), y] += (1 - epsilon) * weights[y]
    taken = {"class_weight": weights, "label_smoothing": epsilon}
    cases = [(hot, hot, {}), (soft, soft, {}), (y, mixed, taken)]
    bound, least = (8e-6, 2.0**-149) if dtype == np.float32 else (2e-14, 2.0**-1074)
    for labels, a, options in cases:
        t = a.astype(np.longdouble)
        terms = t.sum(axis=1, keepdims=True) * e / s, t
        right = terms[0] - terms[1]
        # a lone maximum's own entry is what the others have, which does not cancel
        for r in range(3):
            at = top[r]
            if (x[r] == x[r, at]).sum() == 1:
                others = np.delete(t[r], at).sum()
                rest = np.delete(e[r], at).sum()
                right[r, at] = (e[r, at] * others - t[r, at] * rest) / s[r, 0]
        _, gradient = ll.cross_entropy_with_grad(x, labels, reduction="sum", **options)
        sizes = np.maximum(np.abs(terms[0]), np.abs(terms[1]))
        sizes[np.arange(3), top] = np.abs(right[np.arange(3), top]) + sizes.max(axis=1) * 1e-30
        if labels is not hot:  # what carries less is right to the precision of the row
            sizes = np.maximum(sizes, 1e-6 * sizes.max(axis=1, keepdims=True))
        likely = (np.abs(terms[0]) > 1e-6) | (t > 0)
        assert (np.abs(gradient - right) <= sizes * bound + least)[likely].all()

        strided, over = np.asfortranarray(x), x.copy()
        _, apart = ll.cross_entropy_with_grad(strided, labels, reduction="sum", **options)
        ll.cross_entropy_with_grad(over, labels, reduction="sum", out=over, **options)
        np.testing.assert_array_equal(apart, gradient)
        np.testing.assert_array_equal(over, gradient)
        with monkeypatch.context() as patch:
            patch.setattr(launch, "PAST_CACHE", 1)
            out = np.zeros(x.size + 1, dtype)[1:].reshape(x.shape)
            ll.cross_entropy_with_grad(x, labels, reduction="sum", out=out, **options)
        np.testing.assert_array_equal(out, gradient)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("classes", [1000, 5003, 131072 + 700])
@pytest.mark.parametrize("kind", ["rising", "far", "masked", "wide"])
def test_what_is_kept_under_a_soft_cap_is_right_and_the_same_everywhere(
    monkeypatch: pytest.MonkeyPatch, kind: str, classes: int, dtype: Any
) -> None:
    x, y = hilly(kind, classes, dtype)
    if kind == "masked":  # under a cap others are masked than those with the smallest exponentials
        x[0, 5::3] = -np.inf
    left = np.exp(-np.abs(x.astype(np.longdouble)) / 15)  # 1 − tanh = 2 left / (1 + left)
    tanh = np.sign(x) * (1 - left) / (1 + left)
    masked = np.isneginf(x)
    z = np.where(masked, -np.inf, 30 * tanh)
    slope = np.where(masked, 1, 4 * left / (1 + left) ** 2)
    p = np.exp(z - z.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    rest = p.copy()
    rest[np.arange(3), y] = 0.0
    exact = p.copy()
    exact[np.arange(3), y] = -rest.sum(axis=1)
    exact *= slope

    common: dict[str, Any] = {"reduction": "sum", "softcap": 30.0}
    _, gradient = ll.cross_entropy_with_grad(x, y, **common)
    likely = (np.abs(p) > 1e-6) & (np.abs(exact) > 100 * np.finfo(dtype).tiny)
    bound = 8e-6 if dtype == np.float32 else 2e-14
    assert (np.abs(gradient - exact)[likely] <= np.abs(exact)[likely] * bound).all()
    masked[np.arange(3), y] = False
    assert (gradient[masked] == 0.0).all()

    strided, over = np.asfortranarray(x), x.copy()
    _, apart = ll.cross_entropy_with_grad(strided, y, **common)
    ll.cross_entropy_with_grad(over, y, out=over, **common)
    np.testing.assert_array_equal(apart, gradient)
    np.testing.assert_array_equal(over, gradient)
    monkeypatch.setattr(launch, "PAST_CACHE", 1)
    out = np.zeros(x.size + 1, dtype)[1:].reshape(x.shape)
    ll.cross_entropy_with_grad(x, y, out=out, **common)
    np.testing.assert_array_equal(out, gradient)


@pytest.mark.parametrize(("weight", "of_class"), [(1e9, 1), (1e12, 1e8), (1e12, 1e12)])
@pytest.mark.parametrize("options", [{}, {"label_smoothing": 0.1}, {"softcap": 30.0}])
def test_gradients_of_enormous_weights_depend_on_their_row_alone(
    weight: float, of_class: float, options: dict[str, Any]
) -> None:
    x = np.tile(np.array([0, -105, -1], np.float32), (16, 1))
    x[3], x[5], x[9] = [0, -130, -1], [10, 0, 0], [0, -np.inf, -1]
    weights = np.full(16, weight)
    weights[7] = 1
    ours: Any = ll.cross_entropy_with_grad
    y = np.zeros(16, np.int64)
    common = {"reduction": "sum", "class_weight": np.full(3, of_class), **options}
    _, gradient = ours(x, y, sample_weight=weights, **common)
    for row in range(16):
        part = slice(row, row + 1)
        _, alone = ours(x[part], y[part], sample_weight=weights[part], **common)
        np.testing.assert_array_equal(gradient[part], alone)
    assert np.isfinite(gradient[:, 0]).all()
    if not options:
        assert gradient[9, 1] == 0


def test_gradients_of_enormous_weights_have_the_same_bits_in_any_layout() -> None:
    x, y = problem(3, 513)
    weights = {"sample_weight": np.full(3, 1e12), "class_weight": np.full(513, 1e12)}
    _, gradient = ll.cross_entropy_with_grad(x, y, reduction="sum", **weights)
    _, strided = ll.cross_entropy_with_grad(np.asfortranarray(x), y, reduction="sum", **weights)
    np.testing.assert_array_equal(strided, gradient)


# --------------------------------------------------------------------------- the shortest way


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("classes", [1, 10, 200])
@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_the_shortest_way_gives_the_bits_of_the_general_one(
    monkeypatch: pytest.MonkeyPatch, dtype: Any, classes: int, reduction: str
) -> None:
    x, y = problem(37, classes, dtype)
    for ignore in (-100, 0, -(1 << 61)):
        y[::5] = ignore
        y[1] = min(1, classes - 1)
        options: dict[str, Any] = {"reduction": reduction, "ignore_index": ignore}
        if (y == ignore).all():
            continue
        out = np.empty_like(x)
        assert kernels.plain_cross_entropy(x, y, out, ignore, reduction) is not None
        short = ll.cross_entropy_with_grad(x, y, out=out, **options)
        alone = ll.cross_entropy(x, y, **options)
        general = ll.cross_entropy_with_grad(x, y, **GENERAL, **options)
        assert (short[0], type(short[0])) == (general[0], type(general[0])) == (alone, np.float64)
        np.testing.assert_array_equal(short[1], general[1])
        own = x.copy()
        assert ll.cross_entropy_with_grad(own, y, out=own, **options)[0] == alone
        np.testing.assert_array_equal(own, general[1])


OPTIONS: dict[str, dict[str, Any]] = {
    "smoothing": {"label_smoothing": 0.1},
    "z-loss": {"z_loss": 0.01},
    "temperature": {"temperature": 2},
    "weights": {"class_weight": np.arange(10) / 3},
    "weights, z-loss": {"class_weight": np.arange(10, dtype=np.float32), "z_loss": 0.1},
    "all": {"label_smoothing": np.float32(0.2), "z_loss": 1, "softcap": 3, "temperature": 0.5},
}


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
@pytest.mark.parametrize("rows", [37, 70001])
def test_the_shortest_way_knows_options_that_are_numbers(
    monkeypatch: pytest.MonkeyPatch, rows: int, options: dict[str, Any]
) -> None:
    x, y = problem(rows, 10)
    y[::5] = -100
    general = ll.cross_entropy_with_grad(x, y, **options, **GENERAL)
    monkeypatch.delattr(kernels, "cross_entropy")  # the general way
    assert ll.cross_entropy(x, y, **options) == general[0]
    short = ll.cross_entropy_with_grad(x, y, **options)
    assert short[0] == general[0]
    np.testing.assert_array_equal(short[1], general[1])


@pytest.mark.parametrize(
    "wrong",
    [
        {"label_smoothing": 1.5},
        {"z_loss": np.nan},
        {"softcap": 0.0},
        {"temperature": "hot"},
        {"class_weight": np.ones(9)},
        {"class_weight": np.linspace(-1, 1, 10)},
        {"class_weight": np.full(10, np.nan, np.float32)},
        {"class_weight": np.full(10, np.inf)},
        {"empty": "raise", "class_weight": np.zeros(10)},
    ],
    ids=str,
)
def test_an_option_that_is_wrong_is_told_alike_on_both_ways(wrong: dict[str, Any]) -> None:
    x, y = problem(37, 10)
    short = told(lambda: ll.cross_entropy(x, y, **wrong))
    assert next(iter(wrong)) in short[1]
    assert short == told(lambda: ll.cross_entropy(x, y, **wrong, **GENERAL))


@pytest.mark.parametrize("classes", [2, 3, 120, 220])
def test_a_large_call_gives_the_bits_of_the_general_one_in_any_threads(classes: int) -> None:
    x, y = problem(70001, classes)
    y[::7] = -100
    general, gradient = ll.cross_entropy_with_grad(x, y, **GENERAL)
    losses = ll.cross_entropy(x, y, reduction="none")
    assert general == pytest.approx(losses[y >= 0].mean(dtype=np.float64), rel=1e-12)
    for count in (1, 3):
        with ll.num_threads(count):
            assert ll.cross_entropy(x, y) == general
            own = x.copy()
            assert ll.cross_entropy_with_grad(own, y, out=own)[0] == general
            np.testing.assert_array_equal(own, gradient)


def test_a_large_call_finds_the_one_wrong_label_before_it_writes() -> None:
    x, y = problem(70001, 3)
    before = x.copy()
    for place, wrong in ((0, 3), (40000, -1), (70000, 1 << 40)):
        bad = y.copy()
        bad[place] = wrong
        assert str(wrong) in told(lambda labels=bad: ll.cross_entropy(x, labels))[1]
        assert (
            str(wrong) in told(lambda labels=bad: ll.cross_entropy_with_grad(x, labels, out=x))[1]
        )
    np.testing.assert_array_equal(x, before)
    assert "counts" in told(lambda: ll.cross_entropy(x, y * 0 - 100, empty="raise"))[1]


@pytest.mark.parametrize("classes", [3, 120])
def test_labels_of_a_large_call_with_options_are_looked_at_as_it_goes(classes: int) -> None:
    x, y = problem(70001, classes)
    options: dict[str, Any] = {"z_loss": 0.1, "label_smoothing": 0.1}
    kept = y.copy()
    kept[::7] = -100
    rows = ll.cross_entropy(x, kept, reduction="none", **options)
    total = math.fsum(rows.astype(float))
    for count in (1, 3):
        with ll.num_threads(count):
            assert ll.cross_entropy(x, kept, reduction="sum", **options) == pytest.approx(total)
            mean = ll.cross_entropy(x, kept, **options)
            assert mean == pytest.approx(total / (kept >= 0).sum(), rel=1e-12)
    assert mean == ll.cross_entropy_with_grad(x, kept, **options)[0]
    assert mean == ll.cross_entropy(np.asfortranarray(x), kept, **options)
    unsigned = np.where(kept < 0, np.uint64(1 << 63), kept.astype(np.uint64))
    assert mean == ll.cross_entropy(x, unsigned, ignore_index=1 << 63, **options)
    assert ll.cross_entropy(x, kept, divisor=2.0, **options) == pytest.approx(total / 2)
    ignored = np.full_like(y, -100)
    assert np.isnan(ll.cross_entropy(x, ignored, **options))
    assert ll.cross_entropy(x, ignored, empty="zero", **options) == 0
    assert "counts" in told(lambda: ll.cross_entropy(x, ignored, empty="raise", **options))[1]
    for place, wrong in ((0, classes), (40000, -1), (70000, 1 << 40)):
        bad = kept.copy()
        bad[place] = wrong
        for z, reduction in ((x, "mean"), (x, "none"), (np.asfortranarray(x), "mean")):
            error, text = told(
                lambda a=z, b=bad, r=reduction: ll.cross_entropy(a, b, reduction=r, **options)
            )
            assert error is ll.LabelError
            assert f"labels[{place}] = {wrong} " in text


@pytest.mark.parametrize("weighted", [(), ("class",), ("sample",), ("class", "sample")])
@pytest.mark.parametrize("ignore", [-100, 2])
def test_labels_of_a_large_call_weigh_what_numpy_says(weighted: Any, ignore: int) -> None:
    rng = np.random.default_rng(1)
    y = rng.integers(0, 5, 70001)
    y[::11] = ignore
    classes = rng.random(5) * (np.arange(5) != 3) if "class" in weighted else None
    samples = rng.random(y.size) if "sample" in weighted else None
    each = np.where(y == ignore, 0.0, 1.0 if samples is None else samples)
    each *= 1.0 if classes is None else classes.take(y, mode="clip")
    for count in (1, 3):
        with ll.num_threads(count):
            got = kernels.weight_of_labels(y, 5, ignore, classes, samples)
        assert got == pytest.approx(math.fsum(each), rel=1e-14)
    assert weight_of_labels(y, 5, ignore, classes, samples) == pytest.approx(got, rel=1e-13)
    for weigh in (kernels.weight_of_labels, weight_of_labels):
        for place, wrong in ((0, 5), (40000, -1), (70000, 1 << 40)):
            bad = y.copy()
            bad[place] = wrong
            assert weigh(bad, 5, ignore, classes, samples) == -1


def told(call: Any) -> tuple[type, str]:
    with pytest.raises((ValueError, TypeError)) as error:
        call()
    return error.type, str(error.value)


WRONG: dict[str, dict[str, Any]] = {
    "a label too large": {"labels": 10},
    "a negative label": {"labels": -1},
    "an unknown reduction": {"reduction": "average"},
    "an unknown word for the empty mean": {"empty": "bogus"},
    "a mean over nothing": {"ignore_index": 3, "all": 3, "empty": "raise"},
    "another shape": {"out": np.zeros((1, 1), np.float32)},
}


@pytest.mark.parametrize("wrong", WRONG)
def test_what_is_wrong_is_told_on_the_shortest_way_too(wrong: str) -> None:
    options = dict(WRONG[wrong])
    x, y = problem(9, 10)
    y[4] = options.pop("labels", y[4])
    y[:] = options.pop("all", y)
    before = x.copy()
    options.setdefault("out", x)
    told_short = told(lambda: ll.cross_entropy_with_grad(x, y, **options))
    assert told_short == told(lambda: ll.cross_entropy_with_grad(x, y, **GENERAL, **options))
    np.testing.assert_array_equal(x, before)


def test_an_out_that_overlaps_is_refused() -> None:
    raw = np.random.default_rng(0).normal(size=88).astype(np.float32)
    x, out = raw[:80].reshape(8, 10), raw[8:].reshape(8, 10)
    y = np.zeros(8, np.int64)
    before = raw.copy()
    assert "overlaps" in told(lambda: ll.cross_entropy_with_grad(x, y, out=out))[1]
    labels = raw[:16].view(np.int64)
    labels[...] = 0
    apart = raw[8:88].reshape(8, 10)
    told(lambda: ll.cross_entropy_with_grad(np.ones((8, 10), np.float32), labels, out=apart))
    assert (raw[16:] == before[16:]).all()


@pytest.mark.parametrize("samples", [False, True])
@pytest.mark.parametrize("rows", [1, 1023, 200_003])
def test_a_mean_divides_by_the_weights_of_the_labels_that_count(rows: int, samples: bool) -> None:
    rng = np.random.default_rng(rows)
    x, labels = rng.standard_normal((rows, 5), np.float32), rng.integers(0, 5, rows)
    classes, weights = rng.random(5) + 0.5, rng.random(rows) + 0.5
    for ignore in (-100, 3):
        labels[rows // 2 :: 3] = ignore
        labels[0] = 1
        options: dict[str, Any] = {"class_weight": classes, "ignore_index": ignore}
        if samples:
            options["sample_weight"] = weights
        mean, total = (ll.cross_entropy(x, labels, reduction=r, **options) for r in ("mean", "sum"))
        kept = labels != ignore
        each = classes[labels[kept]] * (weights[kept] if samples else 1.0)
        assert abs(total / math.fsum(each) - mean) <= 1e-15 * mean
        with ll.num_threads(3):
            assert ll.cross_entropy(x, labels, **options) == mean


@pytest.mark.parametrize("zero", [False, True])
@pytest.mark.parametrize("options", ["none", "sample_weight", "z_loss"])
def test_weights_looked_up_before_are_those_of_the_labels(
    monkeypatch: pytest.MonkeyPatch, options: str, zero: bool
) -> None:
    rng = np.random.default_rng(7)
    x, labels = rng.standard_normal((40, launch.MANY_WEIGHTS)), rng.integers(0, 2000, 40)
    labels[3] = -100
    x[5, 17] = np.nan
    weights = rng.random(launch.MANY_WEIGHTS) + 0.5
    if zero:  # its NaN row is one still
        weights[labels[5]] = 0.0
    given: dict[str, Any] = {"class_weight": weights, "reduction": "none"}
    if options == "sample_weight":
        given[options] = rng.random(40)
    elif options == "z_loss":
        given[options] = 1e-2
    loss, gradient = ll.cross_entropy_with_grad(x, labels, **given)
    monkeypatch.setattr(launch, "MANY_WEIGHTS", 1 << 62)
    in_kernel = ll.cross_entropy_with_grad(x, labels, **given)
    np.testing.assert_allclose(loss, in_kernel[0], rtol=4e-16)
    np.testing.assert_allclose(gradient, in_kernel[1], rtol=1e-15, atol=1e-300)
    assert np.isnan(loss[5])
    assert loss[3] == 0
