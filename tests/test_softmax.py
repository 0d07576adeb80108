"""softmax, log_softmax, logsumexp: right to the last digits, whatever the axis and the memory."""

from __future__ import annotations

import math

import ml_dtypes
import mpmath as mp
import numpy as np
import pytest
import scipy.special

import lastlayer as ll

NAN, INF = math.nan, math.inf
BFLOAT = ml_dtypes.bfloat16
CLASSES = [1, 2, 10, 112, 113, 1000, 5000]
PAIRS = [(ll.softmax, scipy.special.softmax), (ll.log_softmax, scipy.special.log_softmax)]
FUNCTIONS = [ll.softmax, ll.log_softmax, ll.logsumexp]
SCIPY = 1e-15  # what SciPy itself is wrong by where a logarithm is nearly 0
HALF_UNIT = {np.float16: 2.0**-11, BFLOAT: 2.0**-8, np.float32: 2.0**-24, np.float64: 2.0**-53}


def scores(*shape, dtype=np.float64, scale=5.0, seed=0):
    return (scale * np.random.default_rng(seed).normal(size=shape)).astype(dtype)


def same_bits(a, b):
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()


# --------------------------------------------------------------------------- against mpmath

ROWS = {
    "near": [0.3, -0.2, 0.1],
    "equal": [2.0, 2.0, 2.0, 2.0],
    "confident": [30.0, 0.0, -1.0],
    "certain": [80.0, 0.0, 1.0],
    "offset up": [1e4, 1e4 - 1, 1e4 + 2],
    "offset down": [-1e8, -1e8 - 16, -1e8 + 8],
    "wide": [0.0, -20.0, -60.0, -85.0],
    "alone": [12.5],
}


def exact(row):
    """(softmax, log_softmax, logsumexp) of a row, with 300 bits, as floats."""
    with mp.workprec(300):
        x = [mp.mpf(float(v)) for v in row]
        top = x.index(max(x))
        e = [mp.exp(v - x[top]) for v in x]
        log_s = mp.log1p(mp.fsum(v for k, v in enumerate(e) if k != top))
        p = [float(v / mp.fsum(e)) for v in e]
        return p, [float(v - x[top] - log_s) for v in x], float(x[top] + log_s)


@pytest.mark.parametrize(("dtype", "near"), [(np.float32, 5e-6), (np.float64, 2e-14)])
@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
@pytest.mark.parametrize("copies", [1, 33])
def test_every_entry_agrees_with_300_bits(dtype, near, row, copies):
    x = np.array(row * copies, dtype)
    p, log_p, lse = exact(x)
    np.testing.assert_allclose(ll.softmax(x), np.array(p), rtol=near)
    np.testing.assert_allclose(ll.log_softmax(x), np.array(log_p), rtol=near)
    np.testing.assert_allclose(ll.logsumexp(x), lse, rtol=near)


def test_a_sum_of_nearly_1_keeps_its_logarithm():
    assert ll.log_softmax([80.0, 0.0])[0] == pytest.approx(-math.exp(-80), rel=1e-14)
    assert ll.logsumexp([0.0, -80.0]) == pytest.approx(math.exp(-80), rel=1e-14)
    assert ll.log_softmax(np.array([30, 0], "f4"))[0] == pytest.approx(-math.exp(-30), rel=5e-6)


def test_probabilities_below_the_normal_range_fade_out():
    p = ll.softmax([0.0, -740.0, -746.0, -1e300])
    np.testing.assert_array_equal(p[1:], [math.exp(-740), 0, 0])
    p = ll.softmax(np.array([0, -100, -104.5, -3e38], np.float32))
    assert p[1] == pytest.approx(math.exp(-100), abs=1.5e-45)
    assert (p[2:] == 0).all()


# --------------------------------------------------------------------------- against SciPy


@pytest.mark.parametrize("classes", CLASSES)
@pytest.mark.parametrize(("dtype", "near"), [(np.float32, 8e-6), (np.float64, 1e-13)])
def test_many_classes_agree_with_scipy(classes, dtype, near):
    x = scores(70, classes, dtype=dtype)
    wide = x.astype(np.float64)
    for ours, theirs in PAIRS:
        np.testing.assert_allclose(ours(x), theirs(wide, axis=-1), rtol=near, atol=SCIPY)
    lse = ll.logsumexp(x)
    assert lse.dtype == dtype
    np.testing.assert_allclose(lse, scipy.special.logsumexp(wide, axis=-1), rtol=near, atol=near)
    np.testing.assert_allclose(ll.softmax(x).sum(axis=-1, dtype=float), 1, rtol=near)


@pytest.mark.parametrize("dtype", [np.float16, BFLOAT])
@pytest.mark.parametrize("classes", [10, 300])
def test_half_precision_is_widened_and_rounded_once(dtype, classes):
    x = scores(70, classes, dtype=dtype)
    wide = x.astype(np.float64)
    unit = HALF_UNIT[dtype] * 1.001
    for ours, theirs in PAIRS:
        result = ours(x)
        assert result.dtype == dtype
        expected = theirs(wide, axis=-1)
        tiny = 2.0**-25 if dtype is np.float16 else 0
        np.testing.assert_allclose(result.astype(float), expected, rtol=unit, atol=tiny)
    assert ll.logsumexp(x).dtype == np.float32
    np.testing.assert_allclose(ll.logsumexp(x), scipy.special.logsumexp(wide, axis=-1), rtol=1e-6)


@pytest.mark.parametrize("x", [[1, 2, 4], np.array([1, 2, 4], "i1"), np.array([1, 2, 4], "u8")])
def test_whole_numbers_become_float64(x):
    for function in FUNCTIONS:
        assert same_bits(np.asarray(function(x)), np.asarray(function([1.0, 2.0, 4.0])))
    assert same_bits(ll.softmax([True, False]), ll.softmax([1.0, 0.0]))


# --------------------------------------------------------------------------- axes


@pytest.mark.parametrize("axis", [0, 1, 2, -1, -3, (0, 1), (2, 0), (-1, 1), (0, 1, 2), None])
@pytest.mark.parametrize("order", ["C", "F"])
def test_every_axis_agrees_with_scipy(axis, order):
    x = np.asarray(scores(5, 6, 7), order=order)
    for ours, theirs in PAIRS:
        expected = theirs(x, axis=axis)
        np.testing.assert_allclose(ours(x, axis), expected, rtol=1e-13, atol=SCIPY)
        out = np.full((10, 6, 7), 7.0)[::2]
        assert ours(x, axis, out=out) is out
        assert np.array_equal(out, ours(x, axis))
        inside = np.array(x, order=order)
        assert ours(inside, axis, out=inside) is inside
        assert np.array_equal(inside, out)
    for keepdims in (False, True):
        lse = ll.logsumexp(x, axis, keepdims=keepdims)
        expected = scipy.special.logsumexp(x, axis=axis, keepdims=keepdims)
        assert np.shape(lse) == np.shape(expected)
        np.testing.assert_allclose(lse, expected, rtol=1e-13)


def test_a_number_is_a_distribution_over_itself():
    assert ll.softmax(3.0).shape == ll.log_softmax(3.0).shape == ()
    assert ll.softmax(3.0, None) == 1
    assert ll.log_softmax(np.float32(3.0)) == 0
    assert ll.logsumexp(3.0) == 3
    assert np.shape(ll.logsumexp(3.0, keepdims=True)) == ()
    out = np.array(5.0)
    assert ll.softmax(out, out=out) is out
    assert out == 1


@pytest.mark.parametrize("shape", [(0, 3), (2, 0, 3), (0, 100)])
def test_no_rows_have_no_probabilities(shape):
    assert ll.softmax(np.zeros(shape)).shape == shape
    assert ll.logsumexp(np.zeros(shape)).shape == shape[:-1]
    assert ll.logsumexp(np.zeros(shape), keepdims=True).shape == (*shape[:-1], 1)


def test_a_result_has_its_own_memory_and_the_layout_of_the_input():
    x = np.asfortranarray(scores(4, 5))
    y = ll.softmax(x)
    assert y.flags.f_contiguous
    assert not np.shares_memory(x, y)
    assert ll.softmax(np.broadcast_to(x[0], (4, 5))).flags.writeable


# --------------------------------------------------------------------------- memory


def swapped(x, _):
    return x.astype(x.dtype.newbyteorder())


def read_only(x, _):
    x = x.copy()
    x.flags.writeable = False
    return x


def mapped(x, folder):
    np.save(folder / "scores.npy", x)
    return np.load(folder / "scores.npy", mmap_mode="r")


def fortran(x, _):
    return np.asfortranarray(x)


def strided(x, _):
    big = np.full((3 * x.shape[0], 2 * x.shape[1]), 9, x.dtype)
    big[1::3, ::2] = x
    return big[1::3, ::2]


def backwards(x, _):
    return x[::-1, ::-1].copy()[::-1, ::-1]


def unaligned(x, _):
    raw = np.zeros(x.nbytes + 1, np.uint8)
    raw[1:] = np.frombuffer(x.tobytes(), np.uint8)
    return raw[1:].view(x.dtype).reshape(x.shape)


LAYOUTS = [read_only, mapped, fortran, strided, backwards, unaligned, swapped]


# float16 in many classes is a kernel more for every kind of memory: bfloat16 is there instead
SIZES = [(10, np.float16), (64, np.float16)]
SIZES += [(n, dtype) for n in (10, 112, 113, 5000) for dtype in (np.float32, np.float64)]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(("classes", "dtype"), SIZES)
def test_the_same_bits_from_any_memory_and_nothing_written(layout, dtype, classes, tmp_path):
    plain = scores(67, classes, dtype=dtype)
    x = layout(plain, tmp_path)
    before = x.tobytes()
    for function in FUNCTIONS:
        result = function(x)
        assert same_bits(result.astype(result.dtype.newbyteorder("=")), function(plain))
    assert x.tobytes() == before


@pytest.mark.parametrize("layout", [fortran, strided, backwards, unaligned])
@pytest.mark.parametrize("classes", [10, 220])
def test_bfloat16_has_the_same_bits_from_any_memory(layout, classes, tmp_path):
    plain = scores(67, classes, dtype=BFLOAT)
    for function in FUNCTIONS:
        assert same_bits(function(layout(plain, tmp_path)), function(plain))


@pytest.mark.parametrize("layout", [fortran, strided, backwards, unaligned, swapped])
@pytest.mark.parametrize("classes", [10, 113, 5000])
def test_out_of_any_layout_and_in_place_have_the_same_bits(layout, classes, tmp_path):
    plain = scores(67, classes, dtype=np.float32)
    for function in (ll.softmax, ll.log_softmax):
        expected = function(plain)
        x = layout(plain, tmp_path)
        if layout is not swapped:
            out = layout(np.zeros_like(plain), tmp_path)
            function(plain, out=out)
            np.testing.assert_array_equal(out, expected)
        function(x, out=x)
        np.testing.assert_array_equal(x, expected)


def test_out_is_written_nowhere_else(tmp_path):
    big = np.full((6, 20), 9.0)
    ll.softmax(scores(3, 10), out=big[::2, ::2])
    assert (big[1::2] == 9).all()
    assert (big[:, 1::2] == 9).all()
    np.testing.assert_allclose(big[::2, ::2].sum(axis=1), 1)


@pytest.mark.parametrize("classes", [10, 5000])
def test_a_row_has_the_same_bits_whatever_its_neighbours_and_the_threads(classes, monkeypatch):
    x = scores(300, classes, dtype=np.float32)
    monkeypatch.setenv("LASTLAYER_NUM_THREADS", "1")
    results = [function(x) for function in FUNCTIONS]
    monkeypatch.setenv("LASTLAYER_NUM_THREADS", "3")
    for function, expected in zip(FUNCTIONS, results, strict=True):
        assert same_bits(function(x), expected)
        assert same_bits(function(x[17:18])[0], expected[17])
        assert same_bits(function(x[100:231]), expected[100:231])


# --------------------------------------------------------------------------- special values


@pytest.mark.parametrize("dtype", [np.float16, BFLOAT, np.float32, np.float64])
@pytest.mark.parametrize("classes", [4, 220, 5000])
def test_special_values_stay_in_their_row(dtype, classes):
    x = np.zeros((6, classes), dtype)
    x[0, 1:] = -INF
    x[1, 0] = -INF
    x[2], x[3, -1], x[4, -1] = -INF, INF, NAN
    p, log_p, lse = (function(x).astype(float) for function in FUNCTIONS)
    assert p[0].tolist() == [1.0] + [0.0] * (classes - 1)
    assert log_p[0].tolist() == [0.0] + [-INF] * (classes - 1)
    assert p[1, 0] == 0
    assert log_p[1, 0] == -INF
    unit = 2.01 * HALF_UNIT[dtype]
    np.testing.assert_allclose(p[1, 1:], 1 / (classes - 1), rtol=unit)
    np.testing.assert_allclose(log_p[5], -np.log(classes), rtol=unit)
    assert np.isnan(p[2:5]).all()
    assert np.isnan(log_p[2:5]).all()
    even = np.log([classes - 1, classes])
    np.testing.assert_allclose(lse, [0, even[0], -INF, INF, NAN, even[1]], rtol=1e-6)


@pytest.mark.parametrize("classes", [3, 3000])
def test_a_nan_of_either_sign_wins_over_infinity(classes):
    x = np.zeros((2, classes))
    x[:, 0], x[0, -1], x[1, -1] = INF, NAN, np.copysign(NAN, -1)
    for function in FUNCTIONS:
        assert np.isnan(function(x)).all()


def test_a_block_of_masked_classes_before_the_first_allowed_one():
    x = np.full((2, 5000), -INF)
    x[0, 4500:] = 1.0
    x[1, :500] = 1.0
    p = ll.softmax(x)
    np.testing.assert_allclose(p[0, 4500:], 1 / 500, rtol=1e-14)
    np.testing.assert_allclose(p[1, :500], 1 / 500, rtol=1e-14)
    assert (p[np.isinf(x)] == 0).all()
    np.testing.assert_allclose(ll.logsumexp(x), 1 + math.log(500), rtol=1e-14)
