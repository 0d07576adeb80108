"""Memory: the loss needs O(N), the gradient itself and O(N), and with out=logits O(N) again."""

from __future__ import annotations

import tracemalloc
from functools import cache

import ml_dtypes
import numpy as np
import pytest

import lastlayer as ll

ROWS, CLASSES = 1000, 1300
LARGE = (2000, 4000)  # for functions that need more than a little
MEGABYTE = 1 << 20
LITTLE = MEGABYTE  # beside the result: a number a row, and what threads keep for themselves
SOME_BLOCKS = 12 * MEGABYTE  # of the functions that work block by block in float64


@pytest.fixture(autouse=True)
def _two_threads(monkeypatch):
    """Each thread keeps working memory of its own, whatever the machine."""
    monkeypatch.setenv("LASTLAYER_NUM_THREADS", "2")


def peak(call) -> int:
    """Bytes allocated at the most during a call, its result included, after a first call."""
    for _ in range(3):  # kernels are loaded, and every thread has its working memory
        call()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        result = call()
        highest = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    del result
    return highest - before


@cache
def normal(shape):
    return np.random.default_rng(0).standard_normal(shape, dtype=np.float32)


def made(dtype="float32", order="C", shape=(ROWS, CLASSES)):
    return normal(shape).astype(dtype, order=order)


@pytest.fixture(scope="module")
def labels():
    return np.arange(ROWS) % CLASSES


def test_the_measurement_sees_a_copy_of_the_logits():
    x = made()
    assert peak(x.copy) >= x.nbytes
    assert peak(lambda: np.exp(x).sum()) >= x.nbytes
    assert peak(x.max) < 10_000


# --------------------------------------------------------------------------- cross-entropy

KINDS = [("float32", "C"), ("float32", "F"), ("float16", "C"), ("bfloat16", "C"), ("float64", "C")]


def dtype_of(name):
    return ml_dtypes.bfloat16 if name == "bfloat16" else name


@pytest.mark.parametrize(("dtype", "order"), KINDS)
def test_the_loss_needs_little(labels, dtype, order):
    x = made(dtype_of(dtype), order)
    assert peak(lambda: ll.cross_entropy(x, labels)) < LITTLE
    assert peak(lambda: ll.cross_entropy(x, labels, reduction="none")) < LITTLE


@pytest.mark.parametrize(("dtype", "order"), KINDS)
def test_the_gradient_needs_itself_and_little(labels, dtype, order):
    x = made(dtype_of(dtype), order)
    used = peak(lambda: ll.cross_entropy_with_grad(x, labels))
    assert x.nbytes <= used < x.nbytes + LITTLE


@pytest.mark.parametrize(("dtype", "order"), KINDS)
def test_a_gradient_in_place_of_the_logits_needs_little(labels, dtype, order):
    x = made(dtype_of(dtype), order)
    assert peak(lambda: ll.cross_entropy_with_grad(x, labels, out=x)) < LITTLE


OPTIONS = {
    "label smoothing": {"label_smoothing": 0.1},
    "temperature and soft-cap": {"temperature": 2.0, "softcap": 30.0},
    "z-loss": {"z_loss": 1e-4},
    "class weights": {"class_weight": np.ones(CLASSES)},
    "sample weights": {"sample_weight": np.ones(ROWS)},
}


@pytest.mark.parametrize("name", OPTIONS)
def test_an_option_needs_no_more(labels, name):
    x = made()
    assert peak(lambda: ll.cross_entropy(x, labels, **OPTIONS[name])) < LITTLE
    assert peak(lambda: ll.cross_entropy_with_grad(x, labels, out=x, **OPTIONS[name])) < LITTLE


@pytest.mark.parametrize("dtype", ["int32", "uint8", "int64"])
def test_labels_of_any_integer_dtype_need_little(dtype):
    x, y = made(), (np.arange(ROWS) % 200).astype(dtype)
    y[:3] = 100
    assert peak(lambda: ll.cross_entropy(x, y, ignore_index=100)) < LITTLE


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_soft_targets_are_read_where_they_are(dtype):
    x = made()
    targets = np.full((ROWS, CLASSES), 1 / CLASSES, dtype_of(dtype))
    assert peak(lambda: ll.cross_entropy(x, targets, label_smoothing=0.1)) < LITTLE
    assert peak(lambda: ll.cross_entropy_with_grad(x, targets, out=x)) < LITTLE


@pytest.mark.parametrize("classes", [5, 125])
def test_images_with_the_class_axis_second_need_little(classes):
    x = made(shape=(8, classes, 200, 500 // classes * 10))
    y = np.zeros((8, *x.shape[2:]), np.int64)
    loss_itself = 4 * y.size
    assert peak(lambda: ll.cross_entropy(x, y, axis=1)) < loss_itself + LITTLE + y.size
    used = peak(lambda: ll.cross_entropy_with_grad(x, y, axis=1, out=x))
    assert used < loss_itself + LITTLE + y.size


def test_logits_in_a_file_are_read_there(labels, tmp_path):
    np.save(tmp_path / "logits.npy", made())
    mapped = np.load(tmp_path / "logits.npy", mmap_mode="r")
    assert not mapped.flags.writeable
    assert peak(lambda: ll.cross_entropy(mapped, labels)) < LITTLE
    used = peak(lambda: ll.cross_entropy_with_grad(mapped, labels))
    assert mapped.nbytes <= used < mapped.nbytes + LITTLE
    assert ll.cross_entropy(mapped, labels) == ll.cross_entropy(made(), labels)


# --------------------------------------------------------------------------- the others


@pytest.mark.parametrize(
    ("function", "dtype", "order"),
    [*((ll.softmax, *kind) for kind in KINDS), (ll.log_softmax, "float32", "C")],
)
def test_softmax_needs_its_result_and_in_place_little(function, dtype, order):
    x = made(dtype_of(dtype), order)
    assert x.nbytes <= peak(lambda: function(x)) < x.nbytes + LITTLE
    assert peak(lambda: function(x, out=x)) < LITTLE


@pytest.mark.parametrize("axis", [-1, 0])
def test_logsumexp_needs_little(axis):
    x = made()
    assert peak(lambda: ll.logsumexp(x, axis=axis)) < LITTLE


@pytest.mark.parametrize("labelled", ["int64", "int8", "bool", "float32"])
def test_binary_cross_entropy_needs_some_blocks(labelled):
    x = made(shape=LARGE)
    y = (x > 0).astype(labelled)
    assert peak(lambda: ll.binary_cross_entropy(x, y)) < SOME_BLOCKS
    assert peak(lambda: ll.binary_cross_entropy_with_grad(x, y, out=x)) < SOME_BLOCKS


def test_the_gradient_of_binary_cross_entropy_needs_itself_and_some_blocks():
    x = made(shape=LARGE)
    y = np.zeros(x.shape, np.float32)
    used = peak(lambda: ll.binary_cross_entropy_with_grad(x, y))
    assert x.nbytes <= used < x.nbytes + SOME_BLOCKS


@pytest.mark.parametrize("activation", ["sigmoid", "softmax", "identity"])
def test_the_quadratic_cost_needs_some_blocks(activation):
    x, labels = made(shape=LARGE), np.arange(LARGE[0])

    def gradient():
        return ll.quadratic_cost_with_grad(x, labels, activation=activation)

    assert peak(lambda: ll.quadratic_cost(x, labels, activation=activation)) < 2 * SOME_BLOCKS
    assert x.nbytes <= peak(gradient) < x.nbytes + 2 * SOME_BLOCKS
