"""Entropy, cross-entropy and divergence of probabilities, against mpmath and SciPy."""

from __future__ import annotations

import math
import re

import ml_dtypes
import mpmath as mp
import numpy as np
import pytest
import scipy.stats

import lastlayer as ll
from lastlayer.distribution import cross_entropy, entropy, kl_divergence

P = [1, 0, 0]
Q = [[0.5, 0.2, 0.3], [0.8, 0.1, 0.1]]
DTYPES = [np.float16, ml_dtypes.bfloat16, np.float32, np.float64]


def distributions(*shape, seed=0):
    return np.random.default_rng(seed).dirichlet(np.ones(shape[-1]), shape[:-1])


def exact(form, p, q=None):
    """The sum of one pair of distributions with 200 bits."""
    with mp.workprec(200):
        p = [mp.mpf(float(v)) for v in p]
        q = p if q is None else [mp.mpf(float(v)) for v in q]
        pairs = list(zip(p, q, strict=True))
        if form == "kl":
            return float(mp.fsum(a * mp.log(a / b) for a, b in pairs if a))
        terms = [a * mp.log(b) for a, b in pairs if a]
        if form == "binary":
            terms += [(1 - a) * mp.log(1 - b) for a, b in pairs if a < 1]
        return float(-mp.fsum(terms))


# --------------------------------------------------------------------------- the values


def test_the_tutorial_example():
    categorical = cross_entropy(P, Q, base=10)
    np.testing.assert_allclose(categorical, [0.3010, 0.0969], atol=5e-5)
    assert categorical.mean() == pytest.approx(0.199, abs=5e-4)
    binary = cross_entropy(P, Q, base=10, form="binary")
    np.testing.assert_allclose(binary, [0.5528, 0.1884], atol=5e-5)
    np.testing.assert_allclose(categorical, -np.log10([0.5, 0.8]), rtol=1e-15)
    product = np.log10([0.5 * 0.8 * 0.7, 0.8 * 0.9 * 0.9])
    np.testing.assert_allclose(binary, -product, rtol=1e-15)


@pytest.mark.parametrize("classes", [1, 2, 3, 50])
def test_every_value_agrees_with_200_bits(classes):
    p, q = distributions(5, classes), distributions(5, classes, seed=1)
    for form in ("categorical", "binary"):
        expected = [exact(form, a, b) for a, b in zip(p, q, strict=True)]
        if classes == 1 and form == "binary":
            p, q = p * 0.3, q * 0.6
            expected = [exact(form, a, b) for a, b in zip(p, q, strict=True)]
        np.testing.assert_allclose(cross_entropy(p, q, form=form), expected, rtol=1e-14)
    p, q = distributions(5, classes), distributions(5, classes, seed=1)
    np.testing.assert_allclose(entropy(p), [exact("entropy", a) for a in p], rtol=1e-14)
    divergence = [exact("kl", a, b) for a, b in zip(p, q, strict=True)]
    np.testing.assert_allclose(kl_divergence(p, q), divergence, rtol=1e-13)


@pytest.mark.parametrize("base", [2, math.e, 10])
def test_scipy_agrees_in_any_base(base):
    p, q = distributions(20, 7), distributions(20, 7, seed=1)
    theirs = scipy.stats.entropy(p, base=base, axis=-1)
    np.testing.assert_allclose(entropy(p, base=base), theirs, rtol=1e-13)
    theirs = scipy.stats.entropy(p, q, base=base, axis=-1)
    np.testing.assert_allclose(kl_divergence(p, q, base=base), theirs, rtol=1e-12)
    whole = entropy(p, base=base) + kl_divergence(p, q, base=base)
    np.testing.assert_allclose(cross_entropy(p, q, base=base), whole, rtol=1e-13)


@pytest.mark.parametrize("difference", [2.0**-10, 2.0**-20, 2.0**-30])
def test_the_divergence_of_near_equals_keeps_its_digits(difference):
    p = np.array([0.25, 0.25, 0.5])
    q = p + difference * np.array([1, -2, 1])  # sums to 1 to the last bit
    assert kl_divergence(p, q) == pytest.approx(exact("kl", p, q), rel=2.0**-50 / difference)
    assert kl_divergence(p, q) > 0
    assert kl_divergence(p, p) == 0


def test_the_cross_entropy_of_probabilities_is_that_of_their_logarithms():
    p, q = distributions(6, 5), distributions(6, 5, seed=1)
    by_logits = ll.cross_entropy(np.log(q), p, reduction="none")
    np.testing.assert_allclose(cross_entropy(p, q), by_logits, rtol=1e-13)


# --------------------------------------------------------------------------- zeros


def test_a_class_of_probability_0_costs_nothing():
    assert cross_entropy([1, 0], [1, 0]) == 0
    assert cross_entropy([0, 1, 0], [0, 0.5, 0.5], base=2) == 1
    assert cross_entropy([1, 0], [1, 0], form="binary") == 0
    assert entropy([0, 1, 0]) == 0
    assert kl_divergence([0, 1], [0, 1]) == 0
    assert kl_divergence([0, 1], [0.5, 0.5], base=2) == 1


def test_what_was_called_impossible_costs_infinitely_much():
    assert cross_entropy([0.5, 0.5], [1, 0]) == math.inf
    assert kl_divergence([0.5, 0.5], [1, 0]) == math.inf
    assert cross_entropy([0.5, 0], [0.5, 1], form="binary") == math.inf
    assert cross_entropy([1, 0], [0, 0], form="binary") == math.inf


def test_probabilities_below_the_normal_range_keep_their_logarithm():
    tiny = 5e-324
    assert cross_entropy([0, 1], [1, tiny]) == pytest.approx(-math.log(tiny), rel=1e-15)
    assert cross_entropy([0.0], [tiny], form="binary") == tiny
    assert kl_divergence([0, 1], [1, tiny]) == pytest.approx(-math.log(tiny), rel=1e-15)


@pytest.mark.parametrize("classes", [2, 3, 1000])
def test_entropy_is_largest_for_the_uniform_distribution(classes):
    assert entropy(np.full(classes, 1 / classes)) == pytest.approx(math.log(classes), rel=1e-14)
    assert (entropy(distributions(50, classes)) < math.log(classes)).all()


# --------------------------------------------------------------------------- shapes and dtypes


def test_shapes_broadcast():
    p, q = distributions(4, 1, 3), distributions(5, 3, seed=1)
    for function in (cross_entropy, kl_divergence):
        table = function(p, q)
        assert table.shape == (4, 5)
        for i, j in np.ndindex(4, 5):
            assert table[i, j] == pytest.approx(function(p[i, 0], q[j]), rel=1e-14)
    assert isinstance(cross_entropy(p[0, 0], q[0]), np.float64)


@pytest.mark.parametrize("axis", [0, 1, -2])
def test_the_class_axis_may_be_anywhere(axis):
    p, q = distributions(4, 5, 3), distributions(4, 5, 3, seed=1)
    a, b = np.moveaxis(p, -1, axis), np.moveaxis(q, -1, axis)
    np.testing.assert_array_equal(cross_entropy(a, b, axis=axis), cross_entropy(p, q))
    np.testing.assert_array_equal(entropy(a, axis=axis), entropy(p))
    np.testing.assert_array_equal(kl_divergence(a, b, axis=axis), kl_divergence(p, q))
    one = cross_entropy(a, b, axis=axis, form="binary")
    np.testing.assert_allclose(one, cross_entropy(p, q, form="binary"), rtol=1e-15)


@pytest.mark.parametrize("dtype", DTYPES)
def test_narrow_dtypes_are_widened_and_may_sum_to_1_as_nearly_as_they_can(dtype):
    p, q = distributions(20, 9).astype(dtype), distributions(20, 9, seed=1).astype(dtype)
    result = cross_entropy(p, q)
    assert result.dtype == np.float64
    expected = [exact("categorical", a, b) for a, b in zip(p, q, strict=True)]
    np.testing.assert_allclose(result, expected, rtol=1e-14)
    assert entropy(p).dtype == kl_divergence(p, q).dtype == np.float64


def test_no_rows_have_no_entropies():
    nothing = np.zeros((0, 3))
    assert entropy(nothing).shape == (0,)
    assert cross_entropy(nothing, nothing).shape == kl_divergence(nothing, nothing).shape == (0,)


def test_nothing_is_written_into_what_the_caller_gave():
    p, q = distributions(3, 4), distributions(3, 4, seed=1)
    before = p.tobytes(), q.tobytes()
    p.flags.writeable = q.flags.writeable = False
    cross_entropy(p, q, form="binary")
    entropy(p)
    kl_divergence(p, q)
    assert (p.tobytes(), q.tobytes()) == before


# --------------------------------------------------------------------------- errors

TENSOR = type("Tensor", (), {"__module__": "torch"})()
WRONG = [
    (
        [[0.5, 0.5], [-0.5, 1.5]],
        ValueError,
        "[1, 0] = -0.5: ",
    ),
    ([0.2, 1.5], ValueError, "[1] = 1.5: "),
    ([math.nan, 1], ValueError, "[0] = nan: "),
    ([math.inf, 0], ValueError, "inf: "),
    (
        [2, 0],
        ValueError,
        "(1 of 2 are not); for raw outputs use lastlayer.cross_entropy",
    ),
    ([[0.5, 0.5], [0.1, 0.1], [0, 0]], ValueError, "sums to 0.2, not to 1 (2 of 3 rows)"),
    ([0.5, 0.51], ValueError, " sums to 1.01, not to 1 (1 of 1 rows)"),
    (np.array([0.6, 0.45], np.float32), ValueError, "not to 1 (1 of 1 rows)"),
    (np.array([0.6, 0.45], np.float16), ValueError, "not to 1 (1 of 1 rows)"),
    (1.0, ValueError, "needs a class axis: a single number has shape ()"),
    ([], ValueError, "of shape (0,) has no classes along axis -1"),
    (np.zeros((2, 0)), ValueError, "of shape (2, 0) has no classes along axis -1"),
    ([[0.5, 0.5], [1]], ValueError, "is not a rectangular array"),
    ("half", TypeError, "must be floating (float16, bfloat16, float32, float64), not <U4"),
    (
        [0.5j, 0.5],
        TypeError,
        "must be floating (float16, bfloat16, float32, float64), not complex128",
    ),
    (None, TypeError, "must be floating (float16, bfloat16, float32, float64), not object"),
    (TENSOR, TypeError, "is a torch Tensor"),
]


@pytest.mark.parametrize(("wrong", "error", "message"), WRONG, ids=[w[2] for w in WRONG])
def test_what_is_no_distribution_is_refused_by_name(wrong, error, message):
    words = ".*" + re.escape(message)
    with pytest.raises(error, match="p" + words):
        entropy(wrong)
    for function in (cross_entropy, kl_divergence):
        with pytest.raises(error, match="p" + words):
            function(wrong, [0.5, 0.5])
        with pytest.raises(error, match="q" + words):
            function([0.5, 0.5], wrong)


def test_the_row_that_does_not_sum_to_1_is_named():
    p = distributions(3, 4, 5)
    p[1, 2] /= 2
    with pytest.raises(ValueError, match=re.escape("q[1, 2] sums to 0.5, not to 1")):
        kl_divergence(distributions(5), p)
    with pytest.raises(ValueError, match='for independent outputs use form="binary"'):
        cross_entropy(p, p)
    assert np.isfinite(cross_entropy(p, p, form="binary")).all()
    with pytest.raises(ValueError, match=r"p\[1\] = nan"):
        cross_entropy([0.1, math.nan], [0.1, 0.1], form="binary")


@pytest.mark.parametrize("function", [cross_entropy, kl_divergence])
def test_shapes_that_do_not_fit_together_are_refused(function):
    with pytest.raises(ValueError, match="p has 2 classes along axis -1, and q 3"):
        function([1, 0], [1, 0, 0])
    with pytest.raises(ValueError, match="p has 1 classes along axis -1, and q 3"):
        function([1], [1, 0, 0])
    with pytest.raises(ValueError, match=re.escape("(3, 2)")):
        function(distributions(3, 2), distributions(4, 2))


def test_options_out_of_range_are_refused():
    with pytest.raises(ValueError, match="form = 'softmax' is none of 'categorical', 'binary'"):
        cross_entropy(P, Q, form="softmax")
    for function in (cross_entropy, kl_divergence, lambda p, _, **options: entropy(p, **options)):
        for base in (1, 0, -2, math.nan, math.inf):
            with pytest.raises(ValueError, match=rf"base = {base} is outside \(1, inf\)"):
                function(P, Q, base=base)
        with pytest.raises(ValueError, match="axis 1 is out of bounds"):
            function(P, Q, axis=1)
        with pytest.raises(TypeError, match="axis must be an integer, not None"):
            function(P, Q, axis=None)
