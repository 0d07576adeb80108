"""Independent sigmoid outputs: loss and gradient, right where 1 − σ(x) is too small to see."""

from __future__ import annotations

import itertools
import math
import re

import ml_dtypes
import mpmath as mp
import numpy as np
import pytest

import lastlayer as ll

NAN, INF = math.nan, math.inf
POINTS = [0.0, -0.0, 1e-9, 0.3, -0.7, 2.0, -5.0, 17.0, -36.5, 40.0, -40.0, 80.0, -80.0]
FAR = [100.0, -100.0, 700.0, -700.0, 740.0, -800.0, 800.0]  # float32 has no room for these
COMBINED = {
    "pos_weight": 2.5, "sample_weight": 0.7, "label_smoothing": 0.1, "temperature": 0.5, "base": 2.0
}  # fmt: skip


def exact(x, t, *, pos_weight=1, sample_weight=1, label_smoothing=0, temperature=1, base=mp.e):
    """(loss, gradient, size of the gradient's two terms) with 200 bits."""
    with mp.workprec(200):
        z = mp.mpf(float(x)) / temperature
        eps = mp.mpf(label_smoothing)
        t = (1 - eps) * mp.mpf(float(t)) + eps / 2
        yes, no = pos_weight * t, 1 - t
        unit = sample_weight / mp.log(base)
        loss = unit * (yes * mp.log1p(mp.exp(-z)) + no * mp.log1p(mp.exp(z)))
        up, down = no / (1 + mp.exp(-z)), yes / (1 + mp.exp(z))
        return loss, unit * (up - down) / temperature, unit * (up + down) / temperature


def check(x, t, near, **options):
    """Every loss and gradient of x against t, an output at a time."""
    arrays = {k: np.full(x.shape, options[k]) for k in ("sample_weight",) if k in options}
    loss, gradient = ll.binary_cross_entropy_with_grad(
        x, t, reduction="none", **{**options, **arrays}
    )
    assert loss.dtype == gradient.dtype == x.dtype
    tiny = float(np.finfo(x.dtype).smallest_subnormal)
    for k in range(len(x)):
        value, slope, size = exact(x[k], t[k], **options)
        assert abs(float(loss[k]) - value) <= near * value + tiny
        assert abs(float(gradient[k]) - slope) <= near * size + tiny


PRECISIONS = [(np.float32, 5e-7, POINTS), (np.float64, 1e-15, POINTS + FAR)]


@pytest.mark.parametrize(("dtype", "near", "points"), PRECISIONS)
@pytest.mark.parametrize("target", [0, 1])
@pytest.mark.parametrize("options", [{}, COMBINED], ids=["plain", "combined"])
def test_hard_targets_agree_with_200_bits(dtype, near, points, target, options):
    x = np.array(points, dtype)
    check(x, np.full(len(x), target), near, **options)


@pytest.mark.parametrize(("dtype", "near", "points"), PRECISIONS)
@pytest.mark.parametrize("options", [{}, COMBINED], ids=["plain", "combined"])
def test_soft_targets_agree_with_200_bits(dtype, near, points, options):
    pairs = list(itertools.product(points, [0.0, 0.25, 0.5, 0.9, 1.0]))
    x, t = np.array(pairs, dtype).T.copy()
    check(x, t, near, **options)


@pytest.mark.parametrize("option", COMBINED)
def test_each_option_alone_agrees_with_200_bits(option):
    x = np.array(POINTS + FAR)
    check(x, np.tile([0.0, 0.25, 1.0, 1.0], 5), 1e-15, **{option: COMBINED[option]})


@pytest.mark.parametrize("smoothing", [1e-12, 1e-3])
def test_a_little_smoothing_is_not_lost_in_rounding(smoothing):
    check(np.array(POINTS + FAR), np.ones(len(POINTS + FAR)), 1e-15, label_smoothing=smoothing)


@pytest.mark.parametrize("temperature", [0.7, 3.0])
def test_float32_keeps_its_promise_at_any_temperature(temperature):
    x = np.linspace(-85 * temperature, 85 * temperature, 997, dtype=np.float32)
    loss = ll.binary_cross_entropy(x, np.ones(997), temperature=temperature, reduction="none")
    expected = np.logaddexp(0, -x.astype(float) / temperature)
    np.testing.assert_allclose(loss, expected, rtol=5e-6)


@pytest.mark.parametrize(("x", "dtype"), [(30, np.float32), (80, np.float32), (700, np.float64)])
def test_a_confident_right_answer_still_has_a_loss_and_a_gradient(x, dtype):
    logits = np.array([x, -x], dtype)
    loss, gradient = ll.binary_cross_entropy_with_grad(logits, [1, 0], reduction="none")
    np.testing.assert_allclose(loss, math.exp(-x), rtol=1e-6)
    np.testing.assert_allclose(gradient, [-math.exp(-x), math.exp(-x)], rtol=1e-6)


def test_torch_agrees_in_float64():
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    x, t = 3 * rng.normal(size=(50, 7)), rng.uniform(size=(50, 7))
    weight, positive = rng.uniform(size=(50, 7)), rng.uniform(size=7)
    for reduction in ("mean", "sum"):
        logits = torch.tensor(x, requires_grad=True)
        expected = torch.nn.functional.binary_cross_entropy_with_logits(
            logits, torch.tensor(t), torch.tensor(weight), reduction=reduction,
            pos_weight=torch.tensor(positive),
        )  # fmt: skip
        expected.backward()
        loss, gradient = ll.binary_cross_entropy_with_grad(
            x, t, pos_weight=positive, sample_weight=weight, reduction=reduction,
            **({"divisor": x.size} if reduction == "mean" else {}),
        )  # fmt: skip
        assert loss == pytest.approx(expected.item(), rel=1e-13)
        np.testing.assert_allclose(gradient, logits.grad.numpy(), rtol=1e-12, atol=1e-18)


# --------------------------------------------------------------------------- labels and reductions


def test_labels_may_be_booleans_integers_or_floats():
    x = np.array([1.0, -2.0])
    losses = [
        ll.binary_cross_entropy(x, np.array([1, 0], dtype), reduction="none")
        for dtype in (bool, np.int8, np.uint64, ">i4", np.float16, ml_dtypes.bfloat16, float)
    ]
    np.testing.assert_allclose(losses[0], [math.log1p(math.exp(-1)), math.log1p(math.exp(-2))])
    assert all(np.array_equal(loss, losses[0]) for loss in losses)


@pytest.mark.parametrize("ignored", [-100, 0, 1, 7, -(2**63)])
def test_an_ignored_output_costs_nothing_and_leaves_the_mean(ignored):
    x = np.array([[1.0, NAN], [INF, 3.0]])
    kept = 1 if ignored != 1 else 0
    labels = [[kept, ignored], [ignored, kept]]
    loss, gradient = ll.binary_cross_entropy_with_grad(x, labels, ignore_index=ignored)
    alone, slope = ll.binary_cross_entropy_with_grad([1.0, 3.0], [kept, kept])
    assert loss == alone
    assert np.array_equal(gradient, np.diag(slope))


def test_an_output_of_weight_0_gives_exactly_0_whatever_it_holds():
    x = np.array([NAN, INF, -INF, 1.0])
    loss, gradient = ll.binary_cross_entropy_with_grad(
        x, [1, 0, 1, 1], sample_weight=[0, 0, 0, 2], pos_weight=3.0
    )
    assert loss == ll.binary_cross_entropy([1.0], [1], pos_weight=3.0)
    assert gradient[:3].tolist() == [0, 0, 0]


def test_reductions_and_the_scale_of_the_gradient():
    x, t, s = np.array([[1.0, -2.0], [0.5, 3.0]]), [[1, 0], [0, 1]], np.array([[1.0, 2], [0, 5]])
    each, slope = ll.binary_cross_entropy_with_grad(x, t, sample_weight=s, reduction="none")
    assert each.shape == (2, 2)
    for options, divisor in [({}, 8), ({"divisor": 3}, 3), ({"reduction": "sum"}, 1)]:
        loss, gradient = ll.binary_cross_entropy_with_grad(x, t, sample_weight=s, **options)
        assert loss == pytest.approx(each.sum() / divisor, rel=1e-15)
        assert isinstance(loss, np.float64)
        np.testing.assert_allclose(gradient, slope / divisor, rtol=1e-15)
        assert loss == ll.binary_cross_entropy(x, t, sample_weight=s, **options)


@pytest.mark.parametrize(("empty", "expected"), [("nan", NAN), ("zero", 0.0)])
def test_a_mean_over_nothing_is_what_was_asked_for(empty, expected):
    loss, gradient = ll.binary_cross_entropy_with_grad([1.0], [-100], empty=empty)
    assert loss == pytest.approx(expected, nan_ok=True)
    assert gradient.tolist() == [0.0]
    assert ll.binary_cross_entropy([], [], empty=empty) == pytest.approx(expected, nan_ok=True)


# --------------------------------------------------------------------------- shapes, dtypes, memory


def test_a_single_output_is_a_number():
    loss, gradient = ll.binary_cross_entropy_with_grad(2.0, 1, reduction="none")
    assert isinstance(loss, np.float64)
    assert loss == pytest.approx(math.log1p(math.exp(-2)), rel=1e-15)
    assert gradient.shape == ()
    for weight in (3.0, [3.0]):
        assert ll.binary_cross_entropy(2.0, 1, pos_weight=weight) == pytest.approx(3 * loss)


@pytest.mark.parametrize("shape", [(0,), (0, 3), (3, 0)])
def test_no_outputs_give_no_losses(shape):
    x = np.zeros(shape, np.float32)
    loss, gradient = ll.binary_cross_entropy_with_grad(x, x.astype(int), reduction="none")
    assert loss.shape == gradient.shape == shape
    assert loss.dtype == gradient.dtype == np.float32
    assert ll.binary_cross_entropy(x, x, reduction="sum") == 0


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16, np.float32, ">f4", ">f8"])
def test_every_dtype_and_memory_gives_the_losses_of_contiguous_float(dtype):
    plain = (4 * np.random.default_rng(1).normal(size=(9, 5))).astype(dtype)
    t = np.random.default_rng(2).integers(0, 2, plain.shape)
    wide = plain.astype(np.float64 if dtype == ">f8" else np.float32)
    expected, slopes = ll.binary_cross_entropy_with_grad(wide, t, reduction="none")
    strided = np.empty((18, 10), plain.dtype)[::2, 1::2]
    strided[...] = plain
    for x in (plain, np.asfortranarray(plain), strided, plain[::-1].copy()[::-1]):
        before = x.tobytes()
        loss, gradient = ll.binary_cross_entropy_with_grad(x, t, reduction="none")
        assert loss.dtype == wide.dtype
        assert np.array_equal(loss, expected)
        assert gradient.dtype == x.dtype
        assert np.array_equal(gradient, slopes.astype(dtype))
        assert x.tobytes() == before
        assert ll.binary_cross_entropy_with_grad(x, t, reduction="none", out=x)[1] is x
        assert np.array_equal(x, slopes.astype(dtype))


def test_a_gradient_too_large_for_float16_is_infinite():
    x = np.array([-3.0], np.float16)
    gradient = ll.binary_cross_entropy_with_grad(x, [1], pos_weight=1e6, reduction="sum")[1]
    assert gradient[0] == -INF


@pytest.mark.parametrize(
    "shape", [(300_000,), (2, 150_000), (300, 1000), (30_000, 10), (3, 100, 1000)]
)
def test_more_outputs_than_fit_a_block(shape, monkeypatch):
    rng = np.random.default_rng(3)
    x, t = 5 * rng.normal(size=shape), rng.uniform(size=shape)
    s, w = rng.uniform(size=shape), rng.uniform(0.5, 2, size=shape[-1])
    expected = s * (w * t * np.logaddexp(0, -x) + (1 - t) * np.logaddexp(0, x))
    given = {"labels": t, "pos_weight": w, "sample_weight": s}
    each = ll.binary_cross_entropy(x, **given, reduction="none")
    np.testing.assert_allclose(each, expected, rtol=1e-13)
    monkeypatch.setenv("LASTLAYER_NUM_THREADS", "3")
    loss, gradient = ll.binary_cross_entropy_with_grad(x, **given)
    assert loss == pytest.approx(expected.sum() / s.sum(), rel=1e-13)
    p = 1 / (1 + np.exp(-x))
    slope = s * ((1 - t) * p - w * t * (1 - p)) / s.sum()
    np.testing.assert_allclose(gradient, slope, rtol=1e-10, atol=1e-20)
    monkeypatch.setenv("LASTLAYER_NUM_THREADS", "1")
    inside = x.copy()
    assert ll.binary_cross_entropy_with_grad(inside, **given, out=inside)[0] == loss
    assert np.array_equal(inside, gradient)


# --------------------------------------------------------------------------- special values, errors


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_special_values_stay_in_their_output(dtype):
    x = np.array([INF, INF, -INF, -INF, NAN, INF, 0.0], dtype)
    t = np.array([1, 0, 1, 0, 1, 0.5, 1], dtype)
    loss, gradient = ll.binary_cross_entropy_with_grad(x, t, reduction="none")
    np.testing.assert_allclose(loss, [0, INF, INF, 0, NAN, INF, math.log(2)], rtol=1e-7)
    np.testing.assert_array_equal(gradient, [0, 1, -1, 0, NAN, 0.5, -0.5])


X = np.array([[1.0, 2.0, 3.0], [1.0, 1.0, 5.0]])
T = np.array([[1.0, 0.0, 1.0], [0.0, 0.5, 1.0]])
Y = np.array([[1, 0, 1], [0, 0, 1]])


def at(array, where, value, dtype=None):
    array = array.astype(dtype or array.dtype)
    array[where] = value
    return array


ERRORS = [
    ({"logits": Y}, TypeError, "were logits and labels swapped?"),
    ({"logits": np.zeros(0, int), "labels": []}, TypeError, "logits must be floating"),
    ({"logits": np.zeros((0, 3), object), "labels": X[:0]}, TypeError, "not object"),
    ({"labels": Y[0]}, ValueError, "labels have shape (3,), and logits (2, 3): one"),
    ({"labels": Y * 1j}, TypeError, "labels must be 0, 1 or floating in [0, 1], not complex128"),
    ({"labels": at(Y, (1, 1), 2)}, ll.LabelError, "labels[1, 1] = 2 is no target of a sigmoid"),
    ({"labels": at(Y, (0, 2), -1)}, ll.LabelError, "1 of 6 are neither in [0, 1] nor ignore_index"),
    ({"labels": at(T, (0, 1), -0.1)}, ll.LabelError, "labels[0, 1] = -0.1 is no target"),
    ({"labels": at(T, (0, 1), 1.5)}, ll.LabelError, "labels[0, 1] = 1.5 is no target"),
    ({"labels": at(T, (1, 0), NAN)}, ll.LabelError, "labels[1, 0] = nan is no target"),
    ({"labels": at(T, (1, 0), NAN, ml_dtypes.bfloat16)}, ll.LabelError, "labels[1, 0] = nan"),
    ({"labels": T - 100.0}, ll.LabelError, "6 of 6 are neither"),
    ({"logits": 2.0, "labels": 3}, ll.LabelError, "labels = 3 is no target of a sigmoid output"),
    (
        {"pos_weight": [1, 2]},
        ValueError,
        "pos_weight has shape (2,), not (3,), one for each output",
    ),
    ({"pos_weight": -1.0}, ValueError, "pos_weight[0] = -1.0: pos_weight must be in [0, 1e+12]"),
    ({"sample_weight": [1, 1, 1]}, ValueError, "sample_weight has shape (3,), not (2, 3)"),
    ({"label_smoothing": 2}, ValueError, "label_smoothing = 2 is outside [0, 1]"),
    ({"temperature": 0}, ValueError, "temperature = 0 is outside (1e-09, 1e+09)"),
    ({"base": 1}, ValueError, "base = 1 is outside (1, inf)"),
    ({"ignore_index": 1.0}, TypeError, "ignore_index must be an integer, not 1.0"),
    ({"reduction": "all"}, ValueError, "reduction = 'all' is none of"),
    ({"divisor": 1, "reduction": "sum"}, ValueError, "divisor is for reduction='mean'"),
    (
        {"labels": Y * 0 - 100, "empty": "raise"},
        ValueError,
        "samples of shape (2, 3), and the weight that counts is 0",
    ),
]


@pytest.mark.parametrize(("given", "error", "message"), ERRORS, ids=[e[2] for e in ERRORS])
def test_refused_with_its_type_and_words_and_nothing_written(given, error, message):
    given = {"logits": X, "labels": Y, **given}
    out = np.full(np.shape(given["logits"]), 7.0)
    with pytest.raises(error, match=re.escape(message)) as caught:
        ll.binary_cross_entropy(**given)
    assert (caught.type is ll.LabelError) == (error is ll.LabelError)
    with pytest.raises(error, match=re.escape(message)):
        ll.binary_cross_entropy_with_grad(**given, out=out)
    assert (out == 7).all()
