"""Change the import, keep the code: the same results as PyTorch's, wherever its own are right."""

from __future__ import annotations

import copy
import inspect
import io
import itertools
import pickle
import warnings

import numpy as np
import pytest
import torch
from torch.nn import functional as F

import lastlayer as ll
import lastlayer.torch as lt
from lastlayer.torch import operators

SAME = torch.testing.assert_close
SHAPES = [(6, 5), (5,), (2, 5, 3), (2, 5, 3, 4), (2, 130, 2)]


def made(shape, seed=0, dtype=torch.float64):
    """Logits, labels, distributions and class weights."""
    g = torch.Generator().manual_seed(seed)
    x = 3 * torch.randn(shape, generator=g, dtype=dtype)
    classes = shape[1] if len(shape) > 1 else shape[0]
    rows = shape[:1] + shape[2:] if len(shape) > 1 else ()
    y = torch.randint(classes, rows, generator=g)
    t = torch.randn(shape, generator=g, dtype=dtype).softmax(1 if len(shape) > 1 else 0)
    return x, y, t, torch.rand(classes, generator=g, dtype=dtype)


def results(function, x, *arguments, **options):
    """The loss and the gradient of a weighed sum of it."""
    x = x.detach().requires_grad_()
    loss = function(x, *arguments, **options)
    upstream = torch.linspace(0.5, 2, max(loss.numel(), 1), dtype=loss.dtype)[: loss.numel()]
    return loss.detach(), torch.autograd.grad(loss, x, upstream.reshape(loss.shape))[0]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("soft", [False, True], ids=["indices", "distributions"])
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_cross_entropy_equals_pytorchs(shape, soft, reduction):
    x, y, t, w = made(shape)
    for weight, smoothing, ignored in itertools.product((None, w), (0.0, 0.1), (-100, 1)):
        if soft and ignored != -100:
            continue
        # each of these is a kernel: in many classes what is apart from the others is enough
        if 130 in shape and (bool(smoothing) != (weight is not None) or (soft and smoothing)):
            continue
        options = {"reduction": reduction, "label_smoothing": smoothing, "ignore_index": ignored}
        arguments = (x, t if soft else y, weight)
        if not soft and (y == ignored).all():
            continue
        SAME(results(lt.cross_entropy, *arguments, **options),
             results(F.cross_entropy, *arguments, **options))  # fmt: skip


@pytest.mark.parametrize("weight", [None, (6, 5), (5,), (6, 1), (1,)], ids=str)
@pytest.mark.parametrize("pos_weight", [None, (5,), (6, 5), ()], ids=str)
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_binary_cross_entropy_equals_pytorchs(weight, pos_weight, reduction):
    x, _, t, _ = made((6, 5))
    w, p = (None if s is None else torch.rand(s, dtype=x.dtype) for s in (weight, pos_weight))
    options = {"weight": w, "pos_weight": p, "reduction": reduction}
    SAME(results(lt.binary_cross_entropy_with_logits, x, t, **options),
         results(F.binary_cross_entropy_with_logits, x, t, **options))  # fmt: skip


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
def test_softmax_equals_pytorchs(shape, name):
    x = made(shape)[0]
    for dim in range(-len(shape), len(shape)):
        SAME(results(getattr(lt, name), x, dim), results(getattr(F, name), x, dim))
    wide = {"dtype": torch.float64}
    SAME(getattr(lt, name)(x.float(), 0, **wide), getattr(F, name)(x.float(), 0, **wide))
    SAME(getattr(lt, name)(x.sum(), 0), getattr(F, name)(x.sum(), 0))
    with pytest.warns(UserWarning, match="Implicit dimension choice") as caught:
        ours = getattr(lt, name)(x)
    assert caught[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        SAME(ours, getattr(F, name)(x))


LAYOUTS = {
    "transposed": lambda x: x.t().contiguous().t(),
    "every other row": lambda x: x.repeat_interleave(2, 0)[::2],
    "every other class": lambda x: x.repeat_interleave(2, 1)[:, ::2],
    "expanded": lambda x: x[:1].expand(6, 5),
    "one class for all": lambda x: x[:, :1].expand(6, 5),
    "read at an offset": lambda x: torch.cat([x[:1], x])[1:],
    "negated": lambda x: torch._neg_view(-x),
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_layouts_and_dtypes(layout, dtype):
    x, y, t, _ = made((6, 5))
    x = (
        LAYOUTS[layout](x).to(dtype, copy=False)
        if dtype == torch.float64
        else LAYOUTS[layout](x.to(dtype))
    )
    for labels in (y, t.to(dtype)):
        loss, gradient = results(lt.cross_entropy, x, labels)
        plain, expected = results(lt.cross_entropy, x.contiguous().clone(), labels)
        assert loss.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)
        assert gradient.dtype == dtype
        assert torch.equal(loss, plain)
        assert torch.equal(gradient, expected)


def test_channels_last_images():
    x, y, _, w = made((2, 5, 3, 4))
    image = x.contiguous(memory_format=torch.channels_last).requires_grad_()
    lt.cross_entropy(image, y, w).backward()
    assert image.grad.is_contiguous(memory_format=torch.channels_last)
    x.requires_grad_()
    SAME(image.grad, torch.autograd.grad(F.cross_entropy(x, y, w), x)[0])


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("factor", [1.0, -65536.0, 1 / 3])
def test_half_precision_is_computed_in_float32_and_rounded_once(dtype, reduction, factor):
    """Also under a loss scale, which is there for what float16 could not hold without it."""
    x, y, t, w = made((64, 50), dtype=torch.float32)
    x = x.to(dtype)
    upstream = torch.linspace(-1, 2, 64) if reduction == "none" else torch.ones(())

    def losses(x, labels):
        yield lt.cross_entropy(x, labels, reduction=reduction)
        if dtype == torch.bfloat16:  # a kernel for either: one of them shows it
            yield lt.cross_entropy(x, labels, w, reduction=reduction, label_smoothing=0.1)
        if labels is t:
            each = lt.binary_cross_entropy_with_logits(x, t, reduction=reduction)
            yield each.mean(1) if reduction == "none" else each

    for labels in (y, t):
        half, wide = x.clone().requires_grad_(), x.float().requires_grad_()
        for loss, exact in zip(losses(half, labels), losses(wide, labels), strict=True):
            assert torch.equal(loss, exact)
            (gradient,) = torch.autograd.grad(factor * loss, half, upstream)
            (expected,) = torch.autograd.grad(factor * exact, wide, upstream)
            # computed twice in float32, the one may round up and the other down
            SAME(gradient, expected.to(dtype), rtol=torch.finfo(dtype).eps, atol=6e-8)
            assert gradient.eq(expected.to(dtype)).double().mean() > 0.99
    compiled_way = operators.cross_entropy(
        half, y, None, None, -100, 0.0, 0.0, None, 1.0, reduction, None, "nan", True
    )[0]
    (gradient,) = torch.autograd.grad(factor * compiled_way, half, upstream)
    exact = lt.cross_entropy(wide, y, reduction=reduction)
    (expected,) = torch.autograd.grad(factor * exact, wide, upstream)
    assert gradient.eq(expected.to(dtype)).double().mean() > 0.99


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_softmax_of_half_precision_is_rounded_once(dtype):
    x = made((64, 50), dtype=torch.float32)[0].to(dtype)
    for function in (lt.softmax, lt.log_softmax):
        y, gradient = results(function, x, 1)
        assert torch.equal(y, function(x.float(), 1).to(dtype))
        upstream = torch.linspace(0.5, 2, x.numel(), dtype=dtype).reshape(x.shape).float()
        wide = x.float().requires_grad_()
        (exact,) = torch.autograd.grad(function(wide, 1), wide, upstream)
        assert torch.equal(gradient, exact.to(dtype))


def test_further_options_are_those_of_the_numpy_functions():
    x, y, _, w = made((6, 5))
    samples = torch.rand(6, dtype=x.dtype)
    options = {"z_loss": 0.01, "softcap": 8.0, "temperature": 1.5, "divisor": 9.0}
    loss, gradient = results(lt.cross_entropy, x, y, w, sample_weight=samples, **options)
    expected = ll.cross_entropy_with_grad(
        x.numpy(), y.numpy(), class_weight=w.numpy(), sample_weight=samples.numpy(), **options
    )
    assert loss.item() == expected[0]
    np.testing.assert_allclose(gradient.numpy(), 0.5 * expected[1], rtol=1e-14)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (lt.cross_entropy, F.cross_entropy),
        (lt.binary_cross_entropy_with_logits, F.binary_cross_entropy_with_logits),
        (lt.softmax, F.softmax),
        (lt.log_softmax, F.log_softmax),
        (lt.CrossEntropyLoss, torch.nn.CrossEntropyLoss),
        (lt.BCEWithLogitsLoss, torch.nn.BCEWithLogitsLoss),
    ],
)
def test_the_signature_begins_with_pytorchs(ours, theirs):
    mine = [
        (p.name, p.default) for p in inspect.signature(ours).parameters.values()
        if p.kind != p.KEYWORD_ONLY
    ]  # fmt: skip
    assert mine == [(p.name, p.default) for p in inspect.signature(theirs).parameters.values()]


@pytest.mark.parametrize(
    "legacy", [{"size_average": False}, {"reduce": False}, {"size_average": True, "reduce": True}]
)
def test_the_arguments_before_reduction_still_mean_what_they_did(legacy):
    x, y, t, _ = made((6, 5))
    for ours, theirs, labels in (
        (lt.cross_entropy, F.cross_entropy, y),
        (lt.binary_cross_entropy_with_logits, F.binary_cross_entropy_with_logits, t),
    ):
        with pytest.warns(UserWarning, match="will be deprecated"):
            SAME(ours(x, labels, **legacy), theirs(x, labels, **legacy))


# --------------------------------------------------------------------------- modules

OPTIONS = {
    "weight": torch.rand(5), "ignore_index": 1, "label_smoothing": 0.1, "z_loss": 0.01,
    "softcap": 9.0, "temperature": 2.0, "reduction": "sum",
}  # fmt: skip


def test_modules_compute_what_the_functions_do():
    x, y, t, _ = made((6, 5), dtype=torch.float32)
    samples = torch.rand(6)
    module = lt.CrossEntropyLoss(**OPTIONS)
    assert module(x, y, sample_weight=samples) == lt.cross_entropy(
        x, y, **OPTIONS, sample_weight=samples
    )
    assert lt.CrossEntropyLoss(divisor=3.0)(x, y) == lt.cross_entropy(x, y, divisor=3.0)
    binary = lt.BCEWithLogitsLoss(torch.rand(5), pos_weight=torch.rand(5), reduction="sum")
    SAME(binary(x, t), lt.binary_cross_entropy_with_logits(
        x, t, binary.weight, pos_weight=binary.pos_weight, reduction="sum"
    ))  # fmt: skip
    assert isinstance(module, torch.nn.CrossEntropyLoss)
    assert isinstance(binary, torch.nn.BCEWithLogitsLoss)


def test_a_module_says_what_it_is():
    assert repr(lt.CrossEntropyLoss()) == "CrossEntropyLoss()"
    assert repr(lt.CrossEntropyLoss(**OPTIONS)) == (
        "CrossEntropyLoss(weight of 5 classes, ignore_index=1, reduction='sum', "
        "label_smoothing=0.1, z_loss=0.01, softcap=9.0, temperature=2.0)"
    )
    assert repr(lt.BCEWithLogitsLoss(pos_weight=torch.ones(3))) == "BCEWithLogitsLoss(pos_weight)"


def test_modules_are_copied_pickled_and_saved_and_follow_to():
    x, y, _, _ = made((6, 5), dtype=torch.float32)
    module = lt.CrossEntropyLoss(**OPTIONS)
    file = io.BytesIO()
    torch.save(module, file)
    file.seek(0)
    for other in (
        copy.deepcopy(module),
        pickle.loads(pickle.dumps(module)),
        torch.load(file, weights_only=False),
    ):
        assert repr(other) == repr(module)
        assert other(x, y) == module(x, y)
    assert module.to(torch.float64).weight.dtype == torch.float64
    assert list(module.state_dict()) == ["weight"]


# --------------------------------------------------------------------------- autocast, compile


def test_under_autocast_halves_stay_halves_and_losses_are_float32():
    w = torch.eye(5, requires_grad=True)
    x, y, t, _ = made((6, 5), dtype=torch.float32)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits = x @ w
        loss = lt.cross_entropy(logits, y)
        theirs = F.cross_entropy(logits, y)
        assert lt.binary_cross_entropy_with_logits(logits, t).dtype == torch.float32
        assert lt.softmax(logits, 1).dtype == F.softmax(logits, 1).dtype
    assert logits.dtype == torch.bfloat16
    assert loss.dtype == theirs.dtype == torch.float32
    SAME(loss, theirs)
    SAME(torch.autograd.grad(loss, w, retain_graph=True), torch.autograd.grad(theirs, w))
    SAME(loss, lt.cross_entropy(logits.detach(), y), atol=0, rtol=0)


def test_torch_compile_without_a_graph_break():
    module = lt.CrossEntropyLoss(torch.rand(5), label_smoothing=0.1, z_loss=0.01)

    def head(x, y, t):
        loss = module(2 * x, y) + lt.cross_entropy(x, t, reduction="none").sum()
        loss = loss + lt.binary_cross_entropy_with_logits(x, t)
        return loss + (lt.softmax(x, 1) * lt.log_softmax(x, -1)).sum()

    compiled = torch.compile(head, fullgraph=True)
    for rows in (6, 9):  # the second with a size that is not known
        x, y, t, _ = made((rows, 5), dtype=torch.float32)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of the compiler's own imports
            SAME(results(compiled, x, y, t), results(head, x, y, t))
    with pytest.raises(lt.LabelError, match=r"target\[2\] = 9 is outside \[0, 5\)"):
        compiled(x, torch.full_like(y, 9).where(torch.arange(9) >= 2, 0), t)


def test_a_tensor_subclass_and_a_mode_see_the_call():
    class Counted(torch.Tensor):
        calls: list[str] = []  # noqa: RUF012

        @classmethod
        def __torch_function__(cls, function, types, arguments=(), keywords=None):
            cls.calls.append(function.__name__)
            return super().__torch_function__(function, types, arguments, keywords or {})

    x, y, t, _ = made((6, 5))
    loss = lt.cross_entropy(x.as_subclass(Counted), y)
    assert "cross_entropy" in Counted.calls
    SAME(loss.as_subclass(torch.Tensor), lt.cross_entropy(x, y))
    lt.binary_cross_entropy_with_logits(x.as_subclass(Counted), t)
    lt.log_softmax(x.as_subclass(Counted), 1)
    assert {"binary_cross_entropy_with_logits", "log_softmax"} <= set(Counted.calls)


def test_traced_and_exported_programs_have_one_operator():
    class Head(torch.nn.Module):
        def forward(self, x, y):
            return lt.cross_entropy(x, y)

    x, y, _, _ = made((6, 5))
    program = torch.export.export(Head(), (x, y))
    operators = [str(n.target) for n in program.graph.nodes if n.op == "call_function"]
    assert operators[0] == "lastlayer.cross_entropy.default"
    SAME(program.module()(x, y), lt.cross_entropy(x, y))


def test_the_digits_are_learned_alike():
    """A small convolutional network: the same losses until PyTorch's round to nothing."""
    from sklearn.datasets import load_digits

    data = load_digits()
    x = torch.tensor(data.images[:512, None] / 16, dtype=torch.float32)
    y = torch.tensor(data.target[:512])

    def run(loss_of):
        torch.manual_seed(0)
        net = torch.nn.Sequential(
            torch.nn.Conv2d(1, 8, 3), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(288, 10)
        )
        sgd = torch.optim.SGD(net.parameters(), lr=0.2, momentum=0.9)
        losses = []
        for _ in range(40):
            loss = loss_of(net(x), y)
            losses.append(loss.item())
            sgd.zero_grad()
            loss.backward()
            sgd.step()
        return torch.tensor(losses)

    ours, theirs = run(lt.cross_entropy), run(F.cross_entropy)
    SAME(ours, theirs, rtol=2e-3, atol=1e-5)
    assert ours[-1] < 0.1 * ours[0]
