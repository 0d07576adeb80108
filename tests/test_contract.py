"""Every line of the contract: what is refused, with which words, and what is promised instead."""

from __future__ import annotations

import math
import re

import ml_dtypes
import numpy as np
import pytest

import lastlayer as ll

NAN, INF = math.nan, math.inf
X = np.array([[1.0, 2.0, 3.0], [1.0, 1.0, 5.0]])
Y = [0, 2]
T = np.array([[0.5, 0.25, 0.25], [0.0, 0.0, 1.0]])
LOSSES = np.array([2 + math.log(1 + math.exp(-1) + math.exp(-2)), math.log1p(2 * math.exp(-4))])
DTYPES = [np.float16, ml_dtypes.bfloat16, np.float32, np.float64]


def foreign(module, name="Array"):
    """What looks like an array of another library, readable as one of NumPy."""
    return type(name, (), {"__module__": module, "__array__": lambda self, *_, **__: X.copy()})()


def changed(array, where, value):
    result = np.array(array)
    result[where] = value
    return result


def refusal(error, message, logits=X, labels=Y, **options):
    return pytest.param(error, message, logits, labels, options, id=message)


FLOATING = "must be floating (float16, bfloat16, float32, float64)"
LABEL, VALUE, TYPE = ll.LabelError, ValueError, TypeError
REFUSED = [
    # logits
    refusal(TYPE, "logits must be floating", [[1, 2, 3], [1, 1, 5]]),
    refusal(TYPE, "were logits and labels swapped?", [0, 2], X),
    refusal(TYPE, "not bool", X > 1),
    refusal(TYPE, f"logits {FLOATING}, not complex128", X * 1j),
    refusal(TYPE, f"logits {FLOATING}, not", X.astype(np.longdouble)),
    refusal(TYPE, f"logits {FLOATING}, not <U1", [["a", "b", "c"]]),
    refusal(TYPE, f"logits {FLOATING}, not object", X.astype(object)),
    refusal(TYPE, f"logits {FLOATING}, not object", None),
    refusal(VALUE, "logits is not a rectangular array", [[1.0, 2.0], [3.0]]),
    refusal(VALUE, "logits needs a class axis: a single number has shape ()", 1.0, 0),
    refusal(VALUE, "logits of shape (2, 0) has no classes along axis 1", X[:, :0]),
    refusal(VALUE, "logits of shape (0,) has no classes along axis 0", [], []),
    refusal(TYPE, "logits is a torch Tensor", foreign("torch", "Tensor")),
    refusal(TYPE, "is a torch Array, and this is the NumPy function: ", foreign("torch.nn")),
    refusal(TYPE, "logits is a jax Array", foreign("jaxlib._jax")),
    refusal(TYPE, "is a jax Array, and this is the NumPy function: ", foreign("jax.core")),
    refusal(TYPE, "labels is a torch Tensor", labels=foreign("torch", "Tensor")),
    # axis
    refusal(VALUE, "axis 2 is out of bounds for array of dimension 2", axis=2),
    refusal(VALUE, "axis -3 is out of bounds", axis=-3),
    refusal(TYPE, "axis must be an integer, not 0.5", axis=0.5),
    refusal(TYPE, "axis must be an integer, not None", axis=None),
    # class indices
    refusal(LABEL, "labels[1] = 3 is outside [0, 3)", labels=[0, 3]),
    refusal(LABEL, "labels[0] = -1 is outside [0, 3)", labels=[-1, 0]),
    refusal(LABEL, "is not ignore_index (-1)", labels=[-100, 0], ignore_index=-1),
    refusal(LABEL, "2 of 2 labels name none of the C = 3 classes", labels=[9, 9]),
    refusal(LABEL, f"labels[1] = {2**64 - 100} is", labels=np.array([0, 2**64 - 100], "u8")),
    refusal(LABEL, "labels[0] = 200 is", labels=np.array([200, 0], np.uint8)),
    refusal(LABEL, "labels[1, 0] = 7 is", np.zeros((2, 2, 3)), [[0, 1], [7, 8]]),
    refusal(LABEL, "labels = 7 is outside [0, 3)", X[0], 7),
    refusal(VALUE, "labels of shape (3,) do not fit logits of shape (2, 3)", labels=[0, 0, 0]),
    refusal(VALUE, "class indices have shape (2,)", labels=[[0], [2]]),
    refusal(VALUE, "one-hot labels are floating", labels=np.eye(3, dtype=int)[:2]),
    refusal(VALUE, "class indices must be integers: labels.astype(int)", labels=[0.0, 2.0]),
    refusal(TYPE, "labels must be integers (class indices) or", labels=[True, False]),
    refusal(TYPE, "(distributions), not complex128", labels=[0j, 1j]),
    refusal(TYPE, "(distributions), not object", labels=np.array([0, 2], object)),
    refusal(VALUE, "labels is not a rectangular array", labels=[[0], [1, 2]]),
    # distributions
    refusal(VALUE, "have the logits' shape (2, 3), not (2, 2)", labels=T[:, :2]),
    refusal(LABEL, "labels[1, 0] = -0.5: labels must be", labels=changed(T, (1, 0), -0.5)),
    refusal(LABEL, "must be in [0, 1e+12] (1 of 6 are not)", labels=changed(T, (0, 2), INF)),
    *[
        refusal(LABEL, "labels[0, 1] = nan", labels=changed(T, (0, 1), NAN).astype(d))
        for d in DTYPES
    ],
    # weights
    refusal(
        VALUE, "class_weight has shape (2,), not (3,), one for each class", class_weight=[1, 1]
    ),
    refusal(VALUE, "class_weight[2] = -1", class_weight=[1, 1, -1]),
    refusal(VALUE, "class_weight[0] = nan", class_weight=[NAN, 1, 1]),
    refusal(VALUE, "class_weight[0] = inf", class_weight=[INF, 1, 1]),
    refusal(TYPE, "class_weight must be numbers", class_weight=[1j, 1, 1]),
    refusal(
        VALUE, "sample_weight has shape (1,), not (2,), one for each sample", sample_weight=[1]
    ),
    refusal(VALUE, "sample_weight has shape (), not (2,)", sample_weight=1.0),
    refusal(VALUE, "sample_weight[1] = -0.5: sample_weight must be", sample_weight=[1, -0.5]),
    refusal(TYPE, "sample_weight is a torch Tensor", sample_weight=foreign("torch", "Tensor")),
    # numbers
    refusal(VALUE, "temperature = 0 is outside (1e-09, 1e+09)", temperature=0),
    refusal(VALUE, "temperature = -1.0 is outside", temperature=-1.0),
    refusal(VALUE, "temperature = nan is outside", temperature=NAN),
    refusal(VALUE, "temperature = inf is outside", temperature=INF),
    refusal(VALUE, "is outside (1e-09, 1e+09)", temperature=10**400),
    refusal(TYPE, "temperature must be a number, not '2'", temperature="2"),
    refusal(TYPE, "temperature must be a number, not 1j", temperature=1j),
    refusal(TYPE, "temperature must be a number, not array", temperature=np.ones(2)),
    refusal(VALUE, "label_smoothing = 1.5 is outside [0, 1]", label_smoothing=1.5),
    refusal(VALUE, "label_smoothing = -0.1 is outside", label_smoothing=-0.1),
    refusal(VALUE, "label_smoothing = nan is outside", label_smoothing=NAN),
    refusal(TYPE, "label_smoothing must be a number, not None", label_smoothing=None),
    refusal(VALUE, "z_loss = -1 is outside [0, inf)", z_loss=-1),
    refusal(VALUE, "z_loss = inf is outside", z_loss=INF),
    refusal(VALUE, "softcap = 0 is outside (1e-09, 1e+09); None stands for no cap", softcap=0),
    refusal(VALUE, "base = 1 is outside (1, inf)", base=1),
    refusal(VALUE, "base = nan is outside", base=NAN),
    refusal(TYPE, "ignore_index must be an integer, not 0.5", ignore_index=0.5),
    # reduction
    refusal(VALUE, "reduction = 'all' is none of 'mean', 'sum', 'none'", reduction="all"),
    refusal(VALUE, "reduction = None is none of", reduction=None),
    refusal(VALUE, "is none of 'mean', 'sum', 'none'", reduction=np.array(["mean", "sum"])),
    refusal(VALUE, "empty = 'one' is none of 'nan', 'zero', 'raise'", empty="one"),
    refusal(VALUE, "for reduction='mean', not for reduction='sum'", divisor=2, reduction="sum"),
    refusal(VALUE, "divisor is for reduction='mean', not", divisor=2, reduction="none"),
    refusal(VALUE, "divisor = 0 is outside (0, inf)", divisor=0),
    refusal(VALUE, "divisor = nan is outside", divisor=NAN),
    refusal(
        VALUE,
        "samples of shape (2,), and the weight that counts is 0",
        labels=[-100, -100],
        empty="raise",
    ),
    refusal(VALUE, "the mean over nothing", sample_weight=[0, 0], empty="raise"),
    refusal(VALUE, "the mean over nothing", X[:0], [], empty="raise"),
]
QUADRATIC = {"axis", "sample_weight", "ignore_index", "reduction", "divisor", "empty"}


def raises(error, message):
    return pytest.raises(error, match=re.escape(message))


@pytest.mark.parametrize(("error", "message", "logits", "labels", "options"), REFUSED)
def test_refused_with_its_type_and_words_and_nothing_written(
    error, message, logits, labels, options
):
    out = np.full(X.shape, 7.0)
    before = X.copy(), T.copy()
    with raises(error, message) as caught:
        ll.cross_entropy(logits, labels, **options)
    assert isinstance(caught.value, (ValueError, TypeError))
    assert (caught.type is LABEL) == (error is LABEL)
    with raises(error, message):
        ll.cross_entropy_with_grad(logits, labels, out=out, **options)
    if error is LABEL and np.asarray(labels).dtype.kind not in "iu":  # looked at as they are read
        out.fill(7.0)
    if isinstance(logits, np.ndarray):  # the logits' own place is another matter
        own = logits.copy()
        with raises(error, message):
            ll.cross_entropy_with_grad(own, labels, out=own, **options)
        np.testing.assert_array_equal(own, logits)
    if set(options) <= QUADRATIC:
        with raises(error, message):
            ll.quadratic_cost(logits, labels, **options)
        with raises(error, message):
            ll.quadratic_cost_with_grad(logits, labels, out=out, **options)
    assert (out == 7).all()
    assert all(np.array_equal(a, b) for a, b in zip((X, T), before, strict=True))


def test_a_real_tensor_is_sent_to_the_front_end():
    torch = pytest.importorskip("torch")
    with raises(TypeError, "logits is a torch Tensor"):
        ll.cross_entropy(torch.tensor(X), Y)
    with raises(TypeError, "x is a torch Parameter"):
        ll.softmax(torch.nn.Parameter(torch.tensor(X)))


@pytest.mark.parametrize("function", [ll.softmax, ll.log_softmax, ll.logsumexp])
@pytest.mark.parametrize(
    ("x", "axis", "error", "message"),
    [
        (foreign("torch", "Tensor"), -1, TYPE, "x is a torch Tensor"),
        ([[1, 2], [3]], -1, VALUE, "x is not a rectangular array"),
        ("abc", -1, TYPE, f"x {FLOATING}, not <U3"),
        (None, -1, TYPE, "not object"),
        ([1j], -1, TYPE, "not complex128"),
        (X.astype(np.longdouble), -1, TYPE, FLOATING),
        (X, 2, VALUE, "axis 2 is out of bounds"),
        (X, (0, 5), VALUE, "axis 5 is out of bounds"),
        (X, 0.5, TYPE, "axis must be an integer, not 0.5"),
        (X, (0, -2), VALUE, "axis = (0, -2) must name one or more axes, each once"),
        (X, (), VALUE, "axis = () must name one or more axes"),
        (X[:, :0], -1, VALUE, "x of shape (2, 0) has nothing along axis -1"),
        ([], None, VALUE, "x of shape (0,) has nothing along axis None"),
    ],
)
def test_softmax_and_its_kin_refuse_what_is_no_array_of_scores(function, x, axis, error, message):
    with raises(error, message):
        function(x, axis)


# --------------------------------------------------------------------------- out

BLOCK = np.arange(24.0)


def frozen():
    out = np.zeros((2, 3))
    out.flags.writeable = False
    return out


HALF = BLOCK[:6].reshape(2, 3)
OUTS = {
    "a list": (X, [[0.0] * 3] * 2, TYPE, "out must be a NumPy array to write into, not list"),
    "a tensor": (X, foreign("torch", "Tensor"), TYPE, "into, not Tensor"),
    "transposed": (X, X.T.copy(), VALUE, "out has shape (3, 2), and the result has (2, 3)"),
    "one row": (X, X[:1].copy(), VALUE, "out has shape (1, 3), and the result has (2, 3)"),
    "float32": (X, X.astype("f4"), TYPE, "out has dtype float32, and the result has float64"),
    "byte-swapped": (X, X.astype(X.dtype.newbyteorder()), TYPE, "and the result has float64"),
    "read-only": (X, frozen(), VALUE, "out is read-only"),
    "shifted": (HALF, BLOCK[1:7].reshape(2, 3), VALUE, "out overlaps the input without being it"),
    "reversed": (HALF, HALF[::-1], VALUE, "out overlaps the input without being it"),
}
WITH_OUT = {
    "softmax": lambda x, out: ll.softmax(x, out=out),
    "log_softmax": lambda x, out: ll.log_softmax(x, out=out),
    "cross_entropy": lambda x, out: ll.cross_entropy_with_grad(x, Y, out=out),
    "binary": lambda x, out: ll.binary_cross_entropy_with_grad(x, x > 1, out=out),
    "quadratic": lambda x, out: ll.quadratic_cost_with_grad(x, Y, out=out),
}


@pytest.mark.parametrize("function", WITH_OUT.values(), ids=WITH_OUT)
@pytest.mark.parametrize(("x", "out", "error", "message"), OUTS.values(), ids=OUTS)
def test_out_that_does_not_fit_is_refused_and_left_alone(function, x, out, error, message):
    before = x.copy(), np.array(out, copy=True)
    with raises(error, message):
        function(x, out)
    assert np.array_equal(x, before[0])
    assert np.array_equal(out, before[1])


@pytest.mark.parametrize("name", ["soft labels", "indices", "class_weight", "sample_weight"])
def test_out_in_the_memory_of_labels_or_weights_is_refused(name):
    out = np.zeros((2, 3))
    labels, options = Y, {}
    if name == "soft labels":
        labels = out[::-1]
    elif name == "indices":
        labels = out.view(np.int64).reshape(-1)[:2]
    else:
        options = {name: out.reshape(-1)[: 3 if name == "class_weight" else 2]}
    with raises(ValueError, "out shares memory with the labels or weights"):
        ll.cross_entropy_with_grad(X, labels, out=out, **options)
    if name != "class_weight":
        with raises(ValueError, "out shares memory with the labels or weights"):
            ll.quadratic_cost_with_grad(X, labels, out=out, **options)


@pytest.mark.parametrize("name", ["labels", "pos_weight", "sample_weight"])
def test_out_in_the_memory_of_binary_labels_or_weights_is_refused(name):
    out = np.zeros((2, 3))
    given = {"labels": X > 1, name: out[0] if name == "pos_weight" else out}
    with raises(ValueError, "out shares memory with the labels or weights"):
        ll.binary_cross_entropy_with_grad(X, out=out, **given)


@pytest.mark.parametrize("function", WITH_OUT.values(), ids=WITH_OUT)
def test_out_is_what_is_returned_and_may_be_the_input(function):
    def gradient(result):
        return result[1] if isinstance(result, tuple) else result

    plain = gradient(function(X, None))
    for order in "CF":
        out = np.full((2, 3), 7.0, order=order)
        assert gradient(function(X, out)) is out
        assert np.array_equal(out, plain)
    x = X.copy()
    assert gradient(function(x, x)) is x
    assert np.array_equal(x, plain)


def test_nothing_is_written_into_what_the_caller_gave():
    given = {
        "logits": X.copy(), "labels": T.copy(), "class_weight": np.array([1.0, 2.0, 3.0]),
        "sample_weight": np.array([1.0, 0.0]),
    }  # fmt: skip
    before = {name: array.tobytes() for name, array in given.items()}
    options = {"label_smoothing": 0.1, "z_loss": 0.1, "softcap": 9.0, "temperature": 2.0}
    ll.cross_entropy(**given, **options)
    ll.cross_entropy_with_grad(**given, **options, label_grad=True)
    given.pop("class_weight")
    for activation in ("sigmoid", "softmax", "identity"):
        ll.quadratic_cost_with_grad(**given, activation=activation)
    ll.binary_cross_entropy_with_grad(given["logits"], given["labels"], pos_weight=np.ones(3))
    for function in (ll.softmax, ll.log_softmax, ll.logsumexp):
        function(given["logits"])
    assert {name: before[name] for name in given} == {n: a.tobytes() for n, a in given.items()}


# --------------------------------------------------------------------------- labels and weights


@pytest.mark.parametrize("dtype", ["i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", ">i4", ">u8"])
def test_class_indices_of_every_integer_dtype_mean_the_same(dtype):
    loss = ll.cross_entropy(X, np.array(Y, dtype), reduction="none")
    np.testing.assert_allclose(loss, LOSSES, rtol=1e-15)


@pytest.mark.parametrize(
    ("ignored", "dtype"), [(0, int), (-1, "i1"), (-(2**63), int), (2**64 - 7, "u8"), (255, "u1")]
)
def test_ignored_rows_cost_nothing_and_leave_the_mean(ignored, dtype):
    labels = np.array([ignored, 2], dtype)
    loss, gradient = ll.cross_entropy_with_grad(X, labels, ignore_index=ignored)
    assert loss == pytest.approx(LOSSES[1], rel=1e-15)
    alone = ll.cross_entropy_with_grad(X[1:], [2])[1]
    assert np.array_equal(gradient, np.vstack([np.zeros(3), alone[0]]))
    cost = ll.quadratic_cost(X, labels, ignore_index=ignored)
    assert cost == ll.quadratic_cost(X[1:], [2])


@pytest.mark.parametrize("ignored", [2**70, -(2**70)])
def test_an_ignore_index_that_no_label_can_have_changes_nothing(ignored):
    assert ll.cross_entropy(X, Y, ignore_index=ignored) == ll.cross_entropy(X, Y)


LEFT_OUT = [{"labels": [-100, 2]}, {"labels": [1, 2], "sample_weight": [0, 1]}]
GARBAGE = [[NAN] * 3, [INF] * 3, [-INF] * 3, [NAN, INF, -INF], [1e308, -1e308, 0]]
LOSS_FUNCTIONS = {
    "plain": ll.cross_entropy_with_grad,
    "smoothed": lambda *a, **k: ll.cross_entropy_with_grad(*a, label_smoothing=0.1, **k),
    "soft-capped": lambda *a, **k: ll.cross_entropy_with_grad(*a, softcap=20.0, z_loss=0.1, **k),
    "sigmoid": ll.quadratic_cost_with_grad,
    "softmax": lambda *a, **k: ll.quadratic_cost_with_grad(*a, activation="softmax", **k),
    "identity": lambda *a, **k: ll.quadratic_cost_with_grad(*a, activation="identity", **k),
}


@pytest.mark.parametrize("function", LOSS_FUNCTIONS.values(), ids=LOSS_FUNCTIONS)
@pytest.mark.parametrize("options", LEFT_OUT, ids=["ignored", "weight 0"])
@pytest.mark.parametrize("garbage", GARBAGE, ids=str)
@pytest.mark.parametrize("classes", [3, 116])
def test_a_row_left_out_gives_exactly_0_whatever_it_holds(function, options, garbage, classes):
    x = np.tile([garbage, [1.0, 1.0, 5.0]], classes // 3)
    loss, gradient = function(x, reduction="none", **options)
    assert loss[0] == 0
    assert (gradient[0] == 0).all()
    alone = function(x[1:], [2], reduction="none")
    assert loss[1] == alone[0]
    assert np.array_equal(gradient[1:], alone[1])


def test_soft_targets_need_not_be_floats_of_the_same_width_nor_sum_to_1():
    losses = [ll.cross_entropy(X, T.astype(d), reduction="none") for d in DTYPES]
    assert all(np.array_equal(losses[-1], loss) for loss in losses)
    np.testing.assert_allclose(ll.cross_entropy(X, 3 * T), 3 * ll.cross_entropy(X, T), rtol=1e-15)


# --------------------------------------------------------------------------- shapes and dtypes


def test_one_sample_without_a_batch():
    loss, gradient = ll.cross_entropy_with_grad(X[1], 2, reduction="none")
    assert isinstance(loss, np.float64)
    assert loss == pytest.approx(LOSSES[1], rel=1e-15)
    assert gradient.shape == (3,)
    assert ll.cross_entropy(list(X[1]), T[1]) == loss


@pytest.mark.parametrize("shape", [(0, 3), (2, 0, 3), (0, 120)])
def test_no_rows_give_no_losses(shape):
    x, labels = np.zeros(shape), np.zeros(shape[:-1], int)
    loss, gradient = ll.cross_entropy_with_grad(x, labels, reduction="none")
    assert loss.shape == shape[:-1]
    assert gradient.shape == shape
    assert math.isnan(ll.cross_entropy(x, labels))
    assert ll.cross_entropy(x, labels, reduction="sum") == 0
    assert ll.cross_entropy(x, labels.tolist(), empty="zero") == 0


def test_one_class_is_certain():
    loss, gradient = ll.cross_entropy_with_grad([[7.0], [-3.0]], [0, 0], reduction="none")
    assert (loss == 0).all()
    assert (gradient == 0).all()


@pytest.mark.parametrize("axis", [0, 1, -1, -2])
def test_the_class_axis_may_be_anywhere(axis):
    x = np.random.default_rng(0).normal(size=(3, 4))
    labels = np.arange(4 if axis in (0, -2) else 3) % 3
    rows = x.T if axis in (0, -2) else x
    loss, gradient = ll.cross_entropy_with_grad(x, labels, axis=axis, reduction="none")
    plain, by_rows = ll.cross_entropy_with_grad(rows, labels, reduction="none")
    assert np.array_equal(loss, plain)
    assert np.array_equal(gradient, by_rows.T if axis in (0, -2) else by_rows)


@pytest.mark.parametrize("function", LOSS_FUNCTIONS.values(), ids=LOSS_FUNCTIONS)
def test_byte_order_does_not_change_the_precision(function):
    swapped = X.astype(X.dtype.newbyteorder())
    loss, gradient = function(swapped, Y, reduction="none")
    plain, expected = function(X, Y, reduction="none")
    assert loss.dtype == np.float64
    assert np.array_equal(loss, plain)
    assert gradient.dtype == swapped.dtype
    assert np.array_equal(gradient, expected)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("function", [*LOSS_FUNCTIONS.values()][::3], ids=["entropy", "quadratic"])
def test_losses_are_float32_unless_the_logits_are_float64(function, dtype):
    x = X.astype(dtype)
    loss, gradient = function(x, Y, reduction="none")
    assert loss.dtype == (np.float64 if dtype is np.float64 else np.float32)
    assert gradient.dtype == x.dtype
    for reduction in ("mean", "sum"):
        assert type(function(x, Y, reduction=reduction)[0]) is np.float64
    np.testing.assert_allclose(loss.astype(float), function(X, Y, reduction="none")[0], rtol=5e-6)


# --------------------------------------------------------------------------- reduction


def test_the_mean_divides_by_the_weight_that_counted():
    weight, sample = np.array([2.0, 1.0, 0.5]), np.array([3.0, 1.0])
    of_both = {"class_weight": weight, "sample_weight": sample}
    total = 3 * 2 * LOSSES[0] + 0.5 * LOSSES[1]
    assert ll.cross_entropy(X, Y, reduction="sum", **of_both) == pytest.approx(total, rel=1e-15)
    assert ll.cross_entropy(X, Y, **of_both) == pytest.approx(total / 6.5, rel=1e-15)
    assert ll.cross_entropy(X, Y, divisor=4, **of_both) == pytest.approx(total / 4, rel=1e-15)
    one_ignored = ll.cross_entropy(X, [0, -100], **of_both)
    assert one_ignored == pytest.approx(LOSSES[0], rel=1e-15)
    soft = ll.cross_entropy(X, np.eye(3)[Y], **of_both)  # distributions: the samples' weight alone
    assert soft == pytest.approx(total / 4, rel=1e-15)


@pytest.mark.parametrize("function", LOSS_FUNCTIONS.values(), ids=LOSS_FUNCTIONS)
def test_the_gradient_is_of_the_loss_that_is_returned(function):
    plain = function(X, Y, reduction="none")[1]
    assert np.array_equal(function(X, Y, reduction="sum")[1], plain)
    np.testing.assert_allclose(function(X, Y)[1], plain / 2, rtol=1e-15)
    np.testing.assert_allclose(function(X, Y, divisor=8)[1], plain / 8, rtol=1e-15)


@pytest.mark.parametrize("function", LOSS_FUNCTIONS.values(), ids=LOSS_FUNCTIONS)
@pytest.mark.parametrize(("empty", "expected"), [("nan", NAN), ("zero", 0.0)])
def test_a_mean_over_nothing_is_what_was_asked_for(function, empty, expected):
    loss, gradient = function(X, [-100, -100], empty=empty)
    assert loss == pytest.approx(expected, nan_ok=True)
    assert (gradient == 0).all()
    assert function(X, [-100, -100], empty=empty, divisor=2)[0] == 0  # not nothing: 0 of 2
    assert function(X, [-100, -100], reduction="sum", empty="raise")[0] == 0


# --------------------------------------------------------------------------- special values


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("classes", [4, 220])
@pytest.mark.parametrize("soft", [False, True])
def test_special_values_stay_in_their_row(dtype, classes, soft):
    x = np.zeros((7, classes), dtype)
    x[0, 1:] = -INF  # class 0 is certain
    x[1, 0] = -INF  # the label is impossible
    x[2, 1] = -INF  # an impossible class that is not the label
    x[3], x[4, 2], x[5, 3] = -INF, INF, NAN
    labels = np.eye(classes, dtype=dtype)[[0] * 7] if soft else [0] * 7
    loss, gradient = ll.cross_entropy_with_grad(x, labels, reduction="none")
    even = np.log(classes - 1)
    expected = [0, INF, even, NAN, NAN, NAN, np.log(classes)]
    np.testing.assert_allclose(loss, np.array(expected, dtype), rtol=1e-6)
    assert (gradient[0] == 0).all()
    assert gradient[1, 0] == -1
    np.testing.assert_allclose(gradient[1, 1:], 1 / (classes - 1), rtol=1e-6)
    assert gradient[2, 1] == 0
    assert np.isnan(gradient[3:6]).all()
    np.testing.assert_allclose(gradient[6], 1 / classes - (np.arange(classes) == 0), rtol=1e-6)


# --------------------------------------------------------------------------- found by a review


def test_a_masked_array_is_refused_rather_than_unmasked():
    masked = np.ma.array(X, mask=X > 2)
    with raises(TYPE, "masked array, whose mask would be lost"):
        ll.softmax(masked)


def test_an_out_whose_elements_share_memory_is_refused():
    shared = np.lib.stride_tricks.as_strided(np.zeros(3), X.shape, (0, 8))
    with raises(VALUE, "out is a broadcast view"):
        ll.cross_entropy_with_grad(X, Y, out=shared)


def test_logits_seen_with_another_stride_along_an_axis_of_one_are_still_themselves():
    x = X[:1].copy()
    _, gradient = ll.cross_entropy_with_grad(x, Y[:1])
    same = np.lib.stride_tricks.as_strided(x, x.shape, (999 * 8, 8))
    assert ll.cross_entropy_with_grad(x, Y[:1], out=same)[1] is same
    np.testing.assert_array_equal(x, gradient)


@pytest.mark.parametrize("weight", [1e13, np.inf])
def test_weights_that_float32_could_not_multiply_are_refused(weight):
    with raises(VALUE, "sample_weight[1]"):
        ll.cross_entropy(X, Y, sample_weight=[1.0, weight])


def test_misaligned_labels_and_weights_are_copied():
    raw = np.zeros(8 * len(Y) + 1, np.uint8)
    labels = raw[1:].view(np.int64)
    labels[...] = Y
    weights = np.zeros(8 * len(Y) + 1, np.uint8)[1:].view(np.float64)
    weights[...] = 2
    assert ll.cross_entropy(X, labels, sample_weight=weights) == ll.cross_entropy(X, Y)


def test_a_float16_target_beyond_all_numbers_is_refused():
    with raises(LABEL, "labels[0, 2]"):
        ll.cross_entropy(X, changed(T, (0, 2), INF).astype(np.float16))
