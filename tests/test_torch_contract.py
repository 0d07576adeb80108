"""The contract on tensors: the same refusals in the same words, under PyTorch's names."""

from __future__ import annotations

import math
import re
import subprocess
import sys

import numpy as np
import pytest
import torch
from test_contract import LEFT_OUT, REFUSED, Y

import lastlayer as ll
import lastlayer.torch as lt
from lastlayer.torch import operators

INF, NAN = math.inf, math.nan
X = torch.tensor([[1.0, 2.0, 3.0], [1.0, 1.0, 5.0]], dtype=torch.float64)
LABELS = torch.tensor([0, 2])


def raises(error, message):
    return pytest.raises(error, match=re.escape(message))


def in_torch_terms(message):
    """A message of the NumPy functions as PyTorch's callers read it."""
    message = message.replace("were logits and labels swapped", "were input and target swapped")
    message = re.sub(r"^logits(?= |\[)", "input", message)
    message = re.sub(r"^labels(?= must|\[| =)", "target", message)
    message = message.replace(": labels must", ": target must")
    message = message.replace("do not fit logits", "do not fit input")
    message = message.replace("labels.astype(float)", "target.float()")
    return message.replace("labels.astype(int)", "target.long()").replace("class_weight", "weight")


def translated():
    """The refusals of test_contract that tensors can be the cause of."""
    for case in REFUSED:
        error, message, logits, labels, options = case.values
        try:
            x, y = torch.tensor(np.asarray(logits)), torch.tensor(np.asarray(labels))
            given = {
                n: torch.tensor(np.asarray(v)) if n in ("class_weight", "sample_weight") else v
                for n, v in options.items()
            }
        except (TypeError, ValueError):  # of NumPy alone: lists, objects, strings, byte orders
            continue
        if {"axis", "base"} & set(options) or "longdouble" in message or x.shape == (0,):
            continue
        if x.ndim > 2 or "torch" in message or "jax" in message or "<U1" in message:
            continue
        given["weight"] = given.pop("class_weight", None)
        yield pytest.param(error, in_torch_terms(message), x, y, given, id=message)


TRANSLATED = list(translated())


@pytest.mark.parametrize(("error", "message", "x", "y", "options"), TRANSLATED)
def test_tensors_are_refused_in_the_words_of_the_contract(error, message, x, y, options):
    with raises(error, message) as caught:
        lt.cross_entropy(x, y, **options)
    assert (caught.type is lt.LabelError) == (error is ll.LabelError)


def test_most_of_the_contract_concerns_tensors_too():
    assert len(TRANSLATED) > 50
    assert len(OF_SHAPES) > 30


def looks_at_values(case):
    """Whether it takes a value to refuse this: one at a place, or a weight that is 0."""
    error, message = case.values[:2]
    at_a_place = re.search(
        r"\w\[\d|labels = |nothing|counts|1e\+12|name none|ignore_index", message
    )
    return error is ll.LabelError or (at_a_place and "must be an integer" not in message)


OF_SHAPES = [case for case in TRANSLATED if not looks_at_values(case)]


@pytest.mark.parametrize(("error", "message", "x", "y", "options"), OF_SHAPES)
def test_what_needs_no_values_is_refused_on_every_device(error, message, x, y, options):
    """Tensors without memory: only dtypes, shapes and options can be looked at."""
    there = {n: v.to("meta") if isinstance(v, torch.Tensor) else v for n, v in options.items()}
    with raises(error, message):
        lt.cross_entropy(x.to("meta"), y.to("meta"), **there)


@pytest.mark.parametrize("name", ["input", "target", "weight", "sample_weight"])
def test_what_is_no_tensor_is_refused_by_its_name(name):
    given = {"input": X, "target": LABELS, name: [1.0, 2.0]}
    with raises(TypeError, f"{name} must be a torch tensor, not list"):
        lt.cross_entropy(**given)


@pytest.mark.parametrize("name", ["weight", "sample_weight"])
def test_a_weight_that_asks_for_a_gradient_is_refused(name):
    weight = torch.ones(3 if name == "weight" else 2, requires_grad=True)
    with raises(ValueError, f"{name} requires grad, and there is no gradient for it"):
        lt.cross_entropy(X, LABELS, **{name: weight})
    with torch.no_grad():
        lt.cross_entropy(X, LABELS, **{name: weight})


def test_a_dtype_that_neither_knows_is_refused():
    eighth = torch.zeros(2, 3, dtype=torch.float8_e4m3fn)
    with raises(
        TypeError, "input must be floating (float16, bfloat16, float32, float64), not float8"
    ):
        lt.cross_entropy(eighth, LABELS)
    with raises(TypeError, "input must be floating"):
        lt.softmax(eighth, 1)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32"])
def test_labels_of_every_integer_dtype_mean_the_same(dtype):
    labels = LABELS.to(getattr(torch, dtype))
    assert lt.cross_entropy(X, labels) == lt.cross_entropy(X, LABELS)
    by_formulas = operators.by_formulas(
        X, labels, None, None, -100, 0.0, 0.0, None, 1.0, "mean", None, "nan", False
    )[0]
    torch.testing.assert_close(by_formulas, lt.cross_entropy(X, LABELS))


def by_formulas(x, y, *, sample_weight=None, reduction="none", empty="nan", gradient=True):
    return operators.by_formulas(
        x, y, None, sample_weight, -100, 0.0, 0.0, None, 1.0, reduction, None, empty, gradient
    )


@pytest.mark.parametrize("label", [3, -1, 2**40])
def test_where_nothing_waits_for_the_labels_a_wrong_one_gives_nan_in_its_row(label):
    loss, gradient = by_formulas(X, torch.tensor([label, 2]))
    right = by_formulas(X, LABELS)
    assert loss[0].isnan()
    assert gradient[0].isnan().all()
    assert loss[1] == right[0][1]
    assert torch.equal(gradient[1], right[1][1])


@pytest.mark.parametrize("bad", [-0.5, NAN, INF])
def test_where_nothing_waits_a_wrong_distribution_gives_nan_in_its_row(bad):
    target = torch.eye(3, dtype=torch.float64)[LABELS]
    target[0, 1] = bad
    loss, gradient = by_formulas(X, target)
    assert loss.isnan().tolist() == [True, False]
    assert gradient.isnan().any(1).tolist() == [True, False]


@pytest.mark.parametrize("function", [lt.cross_entropy, by_formulas])
@pytest.mark.parametrize("options", LEFT_OUT, ids=["ignored", "weight 0"])
@pytest.mark.parametrize("garbage", [[NAN] * 3, [INF] * 3, [-INF] * 3, [NAN, INF, -INF]], ids=str)
def test_a_row_left_out_gives_exactly_0_whatever_it_holds(function, options, garbage):
    x = torch.tensor([garbage, [1.0, 1.0, 5.0]], requires_grad=True)
    given = {n: torch.tensor(v) for n, v in options.items()}
    y = given.pop("labels")
    result = function(x, y, reduction="none", **given)
    loss = result if isinstance(result, torch.Tensor) else result[0]
    (gradient,) = torch.autograd.grad(loss.sum(), x) if loss.requires_grad else (result[1],)
    assert loss[0] == 0
    assert (gradient[0] == 0).all()
    assert loss[1].item() == pytest.approx(math.log1p(2 * math.exp(-4)))


@pytest.mark.parametrize("function", [lt.cross_entropy, by_formulas])
@pytest.mark.parametrize("soft", [False, True])
def test_special_values_stay_in_their_row(function, soft):
    x = torch.zeros(7, 4)
    x[0, 1:] = x[1, 0] = x[2, 1] = x[3] = -INF
    x[4, 2], x[5, 3] = INF, NAN
    x.requires_grad_()
    y = torch.zeros(7, dtype=torch.int64)
    result = function(x, torch.eye(4)[y] if soft else y, reduction="none")
    loss = result if isinstance(result, torch.Tensor) else result[0]
    (gradient,) = torch.autograd.grad(loss.sum(), x) if loss.requires_grad else (result[1],)
    even = math.log(3)
    expected = torch.tensor([0, INF, even, NAN, NAN, NAN, math.log(4)])
    torch.testing.assert_close(loss.detach(), expected, equal_nan=True)
    assert (gradient[0] == 0).all()
    torch.testing.assert_close(gradient[1], torch.tensor([-1.0, 1 / 3, 1 / 3, 1 / 3]))
    assert gradient[2, 1] == 0
    assert gradient[3:6].isnan().all()


@pytest.mark.parametrize(("empty", "expected"), [("nan", NAN), ("zero", 0.0)])
def test_a_mean_over_nothing_is_what_was_asked_for(empty, expected):
    y = torch.tensor([-100, -100])
    x = X.clone().requires_grad_()
    loss = lt.cross_entropy(x, y, empty=empty)
    loss.backward()
    assert loss.item() == pytest.approx(expected, nan_ok=True)
    assert (x.grad == 0).all()
    other, gradient = by_formulas(X, y, reduction="mean", empty=empty)
    assert other.item() == pytest.approx(expected, nan_ok=True)
    assert (gradient == 0).all()
    for function in (lt.cross_entropy, by_formulas):
        with raises(ValueError, "the mean over nothing: samples of shape (2,)"):
            function(X, y, reduction="mean", empty="raise")


@pytest.mark.parametrize("shape", [(0, 3), (2, 3, 0)])
def test_no_rows_give_no_losses(shape):
    x = torch.zeros(shape, requires_grad=True)
    labels = torch.zeros(shape[:1] + shape[2:], dtype=torch.int64)
    loss = lt.cross_entropy(x, labels, reduction="none")
    assert loss.shape == labels.shape
    loss.sum().backward()
    assert x.grad.shape == shape
    assert lt.cross_entropy(x, labels).isnan()
    assert lt.cross_entropy(x, torch.zeros(shape), reduction="sum") == 0


def test_binary_targets_are_checked():
    with raises(lt.LabelError, "target[0, 1] = 2.0 is no target of a sigmoid output: 3 of 6"):
        lt.binary_cross_entropy_with_logits(X, X)
    with raises(ValueError, "target: labels have shape (2,), and input (2, 3)"):
        lt.binary_cross_entropy_with_logits(X, LABELS)
    with raises(ValueError, "weight of shape (2,) does not broadcast to input of shape (2, 3)"):
        lt.binary_cross_entropy_with_logits(X, X > 1, weight=torch.ones(2))
    with raises(ValueError, "weight[0, 0] = -1"):
        lt.binary_cross_entropy_with_logits(X, X > 1, weight=-torch.ones(2, 3))
    with raises(ValueError, "pos_weight requires grad"):
        lt.binary_cross_entropy_with_logits(X, X > 1, pos_weight=torch.ones(3, requires_grad=True))


def test_softmax_refuses_what_has_no_such_axis():
    with raises(ValueError, "axis 2 is out of bounds for array of dimension 2"):
        lt.softmax(X, 2)
    with raises(ValueError, "input of shape (2, 0) has nothing along axis 1"):
        lt.log_softmax(X[:, :0], 1)
    with raises(TypeError, "input must be floating"):
        lt.softmax(LABELS, 0)


def test_a_tensor_given_to_the_numpy_functions_is_sent_here():
    with raises(TypeError, "NumPy function: use lastlayer.torch, or pass np.asarray(logits)"):
        ll.cross_entropy(X, Y)


def test_without_torch_one_line_says_what_to_install():
    code = "import sys; sys.modules['torch'] = None; import lastlayer.torch"
    command = [sys.executable, "-c", code]
    result = subprocess.run(command, check=False, capture_output=True, text=True)
    assert result.stderr.splitlines()[-1] == (
        "ModuleNotFoundError: lastlayer.torch needs PyTorch: "
        "python -m pip install 'lastlayer[torch]'"
    )


def test_without_ml_dtypes_bfloat16_goes_by_the_formulas():
    code = (
        "import sys; sys.modules['ml_dtypes'] = None\n"
        "import torch, lastlayer.torch as lt\n"
        "x = torch.tensor([[20.0, 0, 1, 2]], dtype=torch.bfloat16, requires_grad=True)\n"
        "lt.cross_entropy(x, torch.tensor([0])).backward()\n"
        "print(x.grad[0, 0].item(), lt.softmax(x, 1).dtype)"
    )
    printed = subprocess.check_output([sys.executable, "-c", code], text=True).split()
    assert float(printed[0]) == pytest.approx(-2.2893929e-08, rel=4e-3)
    assert printed[1] == "torch.bfloat16"
