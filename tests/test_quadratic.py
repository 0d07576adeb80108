"""The quadratic cost: exact like its rival, so that what it does worse is its own doing."""

from __future__ import annotations

import math
import re

import ml_dtypes
import mpmath as mp
import numpy as np
import pytest

import lastlayer as ll

ACTIVATIONS = ["sigmoid", "softmax", "identity"]
X = np.array([[0.3, -1.2, 2.0], [1.0, 1.0, -0.5], [-3.0, 0.0, 4.0]])
Y = [2, 0, 1]
T = np.array([[0.2, 0.5, 0.3], [1.0, 0.0, 0.0], [0.0, 0.9, 0.4]])


def activated(z, activation):
    if activation == "identity":
        return z
    if activation == "sigmoid":
        return [1 / (1 + mp.exp(-v)) for v in z]
    e = [mp.exp(v) for v in z]
    return [v / mp.fsum(e) for v in e]


def exact(row, target, activation):
    """Cost and gradient of a row, the latter by numerical differentiation, with 200 digits."""
    with mp.workdps(200):
        z, t = ([mp.mpf(float(v)) for v in values] for values in (row, target))

        def cost(z):
            a = activated(z, activation)
            return mp.fsum((u - v) ** 2 for u, v in zip(a, t, strict=True)) / 2

        step = mp.mpf(10) ** -60  # central difference: wrong by its square
        slopes = []
        for k in range(len(z)):
            ahead, behind = ([v + d * (i == k) for i, v in enumerate(z)] for d in (step, -step))
            slopes.append((cost(ahead) - cost(behind)) / (2 * step))
        return cost(z), slopes


def one_hot(labels, classes):
    return np.eye(classes)[labels]


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("labels", [Y, T], ids=["indices", "soft"])
def test_cost_and_gradient_agree_with_numerical_differentiation(activation, labels):
    cost, gradient = ll.quadratic_cost_with_grad(X, labels, activation=activation, reduction="none")
    targets = T if labels is T else one_hot(Y, 3)
    for k in range(3):
        value, slopes = exact(X[k], targets[k], activation)
        assert float(cost[k]) == pytest.approx(float(value), rel=1e-14)
        np.testing.assert_allclose(gradient[k], [float(s) for s in slopes], rtol=1e-13)
    alone = ll.quadratic_cost(X, labels, activation=activation, reduction="none")
    assert np.array_equal(cost, alone)


@pytest.mark.parametrize("activation", ["sigmoid", "softmax"])
@pytest.mark.parametrize("lead", [30.0, 80.0])
@pytest.mark.parametrize("label", [0, 1])
def test_confident_rows_keep_a_cost_and_a_gradient_that_is_not_0(activation, lead, label):
    row = [lead, 0.0, -1.0] if activation == "softmax" else [lead, -lead, -lead - 1]
    cost, gradient = ll.quadratic_cost_with_grad([row], [label], activation=activation)
    value, slopes = exact(row, one_hot(label, 3), activation)
    assert cost == pytest.approx(float(value), rel=1e-14, abs=0)
    assert (gradient != 0).all()
    np.testing.assert_allclose(gradient[0], [float(s) for s in slopes], rtol=1e-13)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16, np.float32])
def test_narrow_dtypes_are_widened_and_rounded_once(activation, dtype):
    x = X.astype(dtype)
    options = {"activation": activation, "reduction": "none"}
    cost, gradient = ll.quadratic_cost_with_grad(x, T, **options)
    exact_cost, exact_gradient = ll.quadratic_cost_with_grad(x.astype(float), T, **options)
    assert cost.dtype == np.float32
    assert np.array_equal(cost, exact_cost.astype(np.float32))
    assert gradient.dtype == dtype
    assert np.array_equal(gradient, exact_gradient.astype(dtype))


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_the_class_axis_may_be_anywhere(activation):
    x = np.random.default_rng(0).normal(size=(4, 3, 5))
    options = {"activation": activation, "reduction": "none"}
    labels = np.random.default_rng(1).integers(0, 3, (4, 5))
    cost, gradient = ll.quadratic_cost_with_grad(x, labels, axis=1, **options)
    last, slopes = ll.quadratic_cost_with_grad(np.moveaxis(x, 1, -1), labels, **options)
    assert np.array_equal(cost, last)
    assert np.array_equal(gradient, np.moveaxis(slopes, -1, 1))
    soft = np.moveaxis(one_hot(labels, 3), -1, 1)
    by_soft = ll.quadratic_cost_with_grad(x, soft, axis=1, **options)
    assert np.array_equal(cost, by_soft[0])
    assert np.array_equal(gradient, by_soft[1])


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_weights_ignored_rows_and_reductions(activation):
    each, slopes = ll.quadratic_cost_with_grad(X, Y, activation=activation, reduction="none")
    weight = np.array([2.0, 3.0, 0.5])
    labels, kept = [2, -1, 1], weight * [1, 0, 1]
    given = {"activation": activation, "sample_weight": weight, "ignore_index": -1}
    for options, divisor in [({}, 2.5), ({"divisor": 7}, 7), ({"reduction": "sum"}, 1)]:
        cost, gradient = ll.quadratic_cost_with_grad(X, labels, **given, **options)
        assert isinstance(cost, np.float64)
        assert cost == pytest.approx((kept * each).sum() / divisor, rel=1e-15)
        np.testing.assert_allclose(gradient, kept[:, None] * slopes / divisor, rtol=1e-14)
        assert (gradient[1] == 0).all()
        assert cost == ll.quadratic_cost(X, labels, **given, **options)
    none = ll.quadratic_cost(X, labels, **given, reduction="none")
    np.testing.assert_allclose(none, kept * each, rtol=1e-15)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("shape", [(100_000, 3), (3, 100_000), (2, 50_000, 3), (2, 300_000)])
def test_more_rows_than_fit_a_block(activation, shape):
    rng = np.random.default_rng(2)
    x = rng.normal(size=shape).astype(np.float32)
    labels = rng.integers(0, shape[-1], shape[:-1])
    cost, gradient = ll.quadratic_cost_with_grad(x, labels, activation=activation, reduction="sum")
    inside = x.copy()
    given = {"activation": activation, "reduction": "sum", "out": inside}
    assert ll.quadratic_cost_with_grad(inside, labels, **given)[0] == cost
    assert np.array_equal(inside, gradient)
    wide = x.astype(float)
    a = {
        "identity": lambda: wide,
        "sigmoid": lambda: 1 / (1 + np.exp(-wide)),
        "softmax": lambda: np.exp(wide) / np.exp(wide).sum(axis=-1, keepdims=True),
    }[activation]()
    target = np.zeros(shape)
    np.put_along_axis(target, labels[..., None], 1, axis=-1)
    assert cost == pytest.approx(0.5 * ((a - target) ** 2).sum(), rel=1e-6)
    d = a - target
    slope = {
        "identity": lambda: d,
        "sigmoid": lambda: d * a * (1 - a),
        "softmax": lambda: a * (d - (d * a).sum(axis=-1, keepdims=True)),
    }[activation]()
    np.testing.assert_allclose(gradient, slope, rtol=1e-5, atol=1e-9)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_any_memory_gives_the_same_bits_and_is_not_written(activation):
    plain = ll.quadratic_cost_with_grad(X, T, activation=activation, reduction="none")
    strided = np.repeat(X, 2, axis=1)[:, ::2]
    for x in (
        np.asfortranarray(X),
        strided,
        X[::-1].copy()[::-1],
        X.astype(X.dtype.newbyteorder()),
    ):
        x.flags.writeable = False
        cost, gradient = ll.quadratic_cost_with_grad(
            x, np.asfortranarray(T), activation=activation, reduction="none"
        )
        assert np.array_equal(cost, plain[0])
        assert np.array_equal(gradient, plain[1])


def test_special_values_stay_in_their_row():
    x = np.array([[math.inf, 0.0], [-math.inf, 0.0], [math.nan, 0.0], [0.0, 0.0]])
    options = {"labels": [0] * 4, "reduction": "none"}
    cost, gradient = ll.quadratic_cost_with_grad(x, **options)
    np.testing.assert_array_equal(cost, [0.125, 0.625, math.nan, 0.25])
    np.testing.assert_array_equal(gradient[:, 0], [0, 0, math.nan, -0.125])
    cost, gradient = ll.quadratic_cost_with_grad(x, activation="softmax", **options)
    np.testing.assert_array_equal(cost, [math.nan, 1, math.nan, 0.25])
    np.testing.assert_array_equal(gradient[1], [0, 0])
    cost, gradient = ll.quadratic_cost_with_grad(x, activation="identity", **options)
    np.testing.assert_array_equal(cost, [math.inf, math.inf, math.nan, 0.5])
    np.testing.assert_array_equal(gradient[:, 0], [math.inf, -math.inf, math.nan, -1])


@pytest.mark.parametrize(("x", "dtype"), [(1e200, np.float64), (1e20, np.float32)])
def test_a_cost_too_large_for_its_dtype_is_infinite(x, dtype):
    given = {"labels": [0], "activation": "identity", "reduction": "none"}
    cost, gradient = ll.quadratic_cost_with_grad(np.array([[x, 0.0]], dtype), **given)
    assert cost[0] == math.inf
    assert gradient[0].tolist() == np.array([x, 0], dtype).tolist()


def test_a_gradient_too_large_for_float16_is_infinite():
    gradient = ll.quadratic_cost_with_grad(np.ones((1, 2), np.float16), [0], sample_weight=[1e8])
    assert np.isfinite(gradient[1]).all()  # a mean: the weight is divided by again
    gradient = ll.quadratic_cost_with_grad(
        np.ones((1, 2), np.float16), [0], sample_weight=[1e8], reduction="sum"
    )
    assert gradient[1].tolist() == [[-math.inf, math.inf]]


@pytest.mark.parametrize("activation", ["tanh", None, "Sigmoid"])
def test_an_unknown_activation_is_refused(activation):
    words = f"activation = {activation!r} is none of 'sigmoid', 'softmax', 'identity'"
    with pytest.raises(ValueError, match=re.escape(words)):
        ll.quadratic_cost(X, Y, activation=activation)


# --------------------------------------------------------------------------- one neuron

LOSSES = {
    "quadratic": lambda z: ll.quadratic_cost_with_grad(z, np.zeros((1, 1))),
    "cross-entropy": lambda z: ll.binary_cross_entropy_with_grad(z, np.zeros((1, 1))),
}


@pytest.mark.parametrize(
    ("loss", "weight", "bias", "expected"),
    [
        ("quadratic", 2.0, 2.0, 0.2028484242677765),
        ("cross-entropy", 2.0, 2.0, 0.0120087415),
        ("quadratic", 0.6, 0.9, 0.0939556949),
        ("cross-entropy", 0.6, 0.9, 0.0116382090),
    ],
)
def test_one_neuron_unlearns_faster_with_cross_entropy(loss, weight, bias, expected):
    for _ in range(300):  # a neuron with the input 1 that is to answer 0, rate 0.15
        gradient = LOSSES[loss](np.array([[weight + bias]]))[1].item()
        weight -= 0.15 * gradient
        bias -= 0.15 * gradient
    output = 1 / (1 + math.exp(-(weight + bias)))
    near = 1e-13 if loss == "quadratic" and expected > 0.2 else 1e-8
    assert output == pytest.approx(expected, rel=near)


def test_a_saturated_neuron_learns_slowly_from_the_quadratic_cost_alone():
    z = np.array([[4.0, 8.0, 12.0]])
    slow = ll.quadratic_cost_with_grad(z, np.zeros((1, 3)))[1][0]
    fast = ll.binary_cross_entropy_with_grad(z, np.zeros((1, 3)), reduction="sum")[1][0]
    assert (np.diff(slow) < 0).all()  # the more wrong, the less it learns
    assert (np.diff(fast) > 0).all()
    np.testing.assert_allclose(slow / fast, np.exp(z[0]) / (1 + np.exp(z[0])) ** 2, rtol=1e-13)


def test_targets_of_a_regression_may_be_negative():
    cost, gradient = ll.quadratic_cost_with_grad([[1.0, 2.0]], [[-5.0, 7.0]], activation="identity")
    assert cost == 0.5 * (6**2 + 5**2)
    assert gradient.tolist() == [[6, -5]]
    with pytest.raises(ll.LabelError, match="must be in"):
        ll.quadratic_cost([[1.0, 2.0]], [[-5.0, 7.0]])
