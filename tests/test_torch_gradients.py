"""Gradients of every kind: upstream, second, forward-mode, torch.func, in place, in O(N) memory."""

from __future__ import annotations

import gc
import subprocess
import sys
import warnings
import weakref

import pytest
import torch
from torch import library
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

import lastlayer.torch as lt
from lastlayer.torch import binary_operator, normalise, operators

with warnings.catch_warnings():  # forward mode is compiled by what torch itself deprecates
    warnings.simplefilter("ignore", DeprecationWarning)
    import torch._decomp.decompositions_for_jvp

SAME = torch.testing.assert_close
FUNC = torch.func


def problem(rows=5, classes=7, seed=0, dtype=torch.float64):
    g = torch.Generator().manual_seed(seed)
    x = 2 * torch.randn(rows, classes, generator=g, dtype=dtype)
    y = torch.randint(classes, (rows,), generator=g)
    t = torch.randn(rows, classes, generator=g, dtype=dtype).softmax(1)
    return x, y, t, torch.rand(classes, generator=g, dtype=dtype)


X, Y, T, W = problem()
S = torch.tensor([0.5, 2.0, 0.0, 1.0, 3.0], dtype=torch.float64)
MUCH = {"label_smoothing": 0.1, "z_loss": 0.05, "softcap": 4.0, "temperature": 1.5}


def leaf(x):
    return x.clone().requires_grad_()


LOSSES = {
    "indices": (lambda x: lt.cross_entropy(x, Y), (X,)),
    "everything": (lambda x: lt.cross_entropy(x, Y, W, sample_weight=S, **MUCH), (X,)),
    "distributions": (
        lambda x, t: lt.cross_entropy(x, t, W, reduction="none", **MUCH), (X, T),
    ),
    "one row": (lambda x: lt.cross_entropy(x[0], Y[0]), (X,)),
    "an image": (
        lambda x: lt.cross_entropy(x.reshape(1, 5, 7), Y[None, :1].expand(1, 7), reduction="sum"),
        (X,),
    ),
    "binary": (
        lambda x, t: lt.binary_cross_entropy_with_logits(x, t, W.expand(5, 7), pos_weight=W),
        (X, 0.9 * T + 0.05),
    ),
    "binary, broadcast": (
        lambda x: lt.binary_cross_entropy_with_logits(x, T, pos_weight=S[:, None], reduction="sum"),
        (X,),
    ),
    "softmax": (lambda x: lt.softmax(x, 1), (X,)),
    "log_softmax": (lambda x: lt.log_softmax(x, 0), (X,)),
}  # fmt: skip


@pytest.mark.parametrize("name", LOSSES)
def test_gradcheck(name):
    function, inputs = LOSSES[name]
    leaves = tuple(map(leaf, inputs))
    assert torch.autograd.gradcheck(
        function, leaves, check_forward_ad=True, check_batched_grad=True, fast_mode=True,
        check_batched_forward_grad=True,
    )  # fmt: skip
    assert torch.autograd.gradgradcheck(
        function, leaves, check_fwd_over_rev=True, check_rev_over_rev=True,
        check_batched_grad=True, fast_mode=True,
    )  # fmt: skip


NUMBERS = (-100, 0.1, 0.05, 4.0, 1.5)
CALLS = {
    f"cross-entropy, {reduction}, gradient={wanted}": (
        operators.cross_entropy,
        lambda reduction=reduction, wanted=wanted: (
            leaf(X), leaf(T), W, S, *NUMBERS, reduction, None, "nan", wanted,
        ),
    )
    for reduction in ("mean", "none") for wanted in (True, False)
} | {
    "cross-entropy, indices, strided": (
        operators.cross_entropy,
        lambda: (
            X.t().clone().t().requires_grad_(), Y, None, None, -100, 0.0, 0.0, None, 1.0, "sum",
            None, "nan", True,
        ),
    ),
    "binary cross-entropy": (
        binary_operator.cross_entropy, lambda: (leaf(X), leaf(T), W.expand(5, 7), W, "mean", True),
    ),
    "binary cross-entropy, loss alone": (
        binary_operator.cross_entropy, lambda: (leaf(X), T, None, S[:, None], "none", False),
    ),
    "softmax": (normalise.softmax, lambda: (leaf(X), 0, False)),
    "log_softmax": (normalise.softmax, lambda: (leaf(X), 1, True)),
}  # fmt: skip


@pytest.mark.parametrize("name", CALLS)
def test_the_operators_are_as_torch_library_wants_them(name):
    operator, arguments = CALLS[name]
    results = library.opcheck(operator, arguments())
    assert set(results.values()) == {"SUCCESS"}
    assert len(results) == 4


# --------------------------------------------------------------------------- upstream, twice


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("factor", [1.0, -2.5, 0.0])
def test_any_upstream_gradient_and_a_graph_that_is_kept(reduction, factor):
    x = leaf(X)
    loss = lt.cross_entropy(x, Y, W, reduction=reduction)
    expected = torch.autograd.grad(F.cross_entropy(x, Y, W, reduction=reduction).sum(), x)[0]
    upstream = torch.full_like(loss, factor)
    first = torch.autograd.grad(loss, x, upstream, retain_graph=True)[0]
    SAME(first, factor * expected)
    first.fill_(7)  # it is the caller's, and not what the graph keeps
    (loss * factor).sum().backward(retain_graph=True)
    x.grad.fill_(7)
    SAME(torch.autograd.grad(loss, x, upstream)[0], factor * expected)


def test_each_row_may_have_its_own_upstream_gradient():
    x, g = leaf(X), torch.arange(5.0, dtype=torch.float64)
    (ours,) = torch.autograd.grad(lt.cross_entropy(x, Y, reduction="none"), x, g)
    (theirs,) = torch.autograd.grad(F.cross_entropy(x, Y, reduction="none"), x, g)
    SAME(ours, theirs)
    image = leaf(X.reshape(1, 5, 7))
    g = torch.rand(1, 7, dtype=torch.float64)
    labels = Y[None, :1].expand(1, 7)
    (ours,) = torch.autograd.grad(lt.cross_entropy(image, labels, reduction="none"), image, g)
    (theirs,) = torch.autograd.grad(F.cross_entropy(image, labels, reduction="none"), image, g)
    SAME(ours, theirs)


def test_a_confident_row_keeps_its_second_derivative():
    x = torch.tensor([[40.0, 0.0]], dtype=torch.float64, requires_grad=True)
    (first,) = torch.autograd.grad(lt.cross_entropy(x, torch.tensor([0])), x, create_graph=True)
    (second,) = torch.autograd.grad(first[0, 0], x)
    p = 4.248354255291589e-18  # of the other class, and with one sign or the other all there is
    SAME(first.detach(), torch.tensor([[-p, p]], dtype=torch.float64), rtol=1e-14, atol=0)
    SAME(second, torch.tensor([[p, -p]], dtype=torch.float64), rtol=1e-14, atol=0)
    for function in (lt.softmax, lt.log_softmax):
        (slope,) = torch.autograd.grad(function(x, 1)[0, 0], x)
        SAME(slope, torch.tensor([[p, -p]], dtype=torch.float64), rtol=1e-14, atol=0)


def test_a_gradient_is_handed_over_and_not_copied():
    x = leaf(X)
    loss = lt.cross_entropy(x, Y)
    kept = loss.grad_fn.saved_tensors[0]
    place = kept.data_ptr()
    del kept
    loss.backward()
    assert x.grad.data_ptr() == place


def test_what_is_kept_for_the_backward_pass_is_let_go_after_it():
    x = X * leaf(torch.ones(()))
    there = weakref.ref(x)
    loss = lt.cross_entropy(x, Y)
    loss.backward()
    del x
    gc.collect()
    assert there() is None
    assert loss.requires_grad  # the loss is kept, as a running total of them would be


@pytest.mark.parametrize("turned", [False, True])
def test_a_large_gradient_has_the_last_ones_memory_only_where_nobody_else_does(turned):
    def gradient():
        x = torch.zeros(2**20, 10).requires_grad_()
        x = x if not turned else torch.zeros(10, 2**20).t().requires_grad_()
        lt.cross_entropy(x, torch.zeros(2**20, dtype=torch.int32), reduction="sum").backward()
        assert x.grad.stride() == x.stride()
        return x.grad

    first = gradient()
    row = first[-1]  # a view is enough
    place = first.data_ptr()
    del first
    second = gradient()
    assert second.data_ptr() != place
    SAME(row, second[0])
    place = second.data_ptr()
    del second
    assert gradient().data_ptr() == place


# --------------------------------------------------------------------------- torch.func


def reference(x):
    weighed = F.cross_entropy(x, Y, label_smoothing=0.1)
    return weighed + 0.01 * (x.logsumexp(1) ** 2).mean()


def ours(x):
    return lt.cross_entropy(x, Y, label_smoothing=0.1, z_loss=0.01)


TRANSFORMS = {
    "grad": FUNC.grad,
    "jacrev": FUNC.jacrev,
    "jacfwd": FUNC.jacfwd,
    "hessian": FUNC.hessian,
    "reverse over reverse": lambda f: FUNC.jacrev(FUNC.jacrev(f)),
    "jvp": lambda f: lambda x: FUNC.jvp(f, (x,), (T,))[1],
    "nested forward mode": lambda f: FUNC.jacfwd(lambda x: FUNC.jvp(f, (x,), (T,))[1]),
    "third": lambda f: lambda x: FUNC.jvp(FUNC.jacfwd(FUNC.jacrev(f)), (x,), (T,))[1],
}


@pytest.mark.parametrize("name", TRANSFORMS)
def test_torch_func(name):
    transform = TRANSFORMS[name]
    SAME(transform(ours)(X), transform(reference)(X))


BATCH = torch.stack([X, X.flip(0), X.roll(1, 1)])
LABELS = torch.stack([Y, Y.roll(1), Y.where(Y[0] != Y, -100)])


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("shape", [(5, 7), (5, 7, 2)])
def test_vmap_of_the_loss_and_of_its_gradient(reduction, shape):
    x = BATCH if shape == (5, 7) else torch.stack([BATCH, 2 * BATCH], -1)
    y = LABELS if shape == (5, 7) else torch.stack([LABELS, LABELS.roll(1, 1)], -1)

    def loss_of(function):
        return lambda a, b: function(a, b, W, reduction=reduction).sum()

    for in_dims in (0, (2, 0), (0, None)):
        a = x.movedim(0, 2) if in_dims == (2, 0) else x
        b = y[0] if in_dims == (0, None) else y
        pairs = [(x[i], b if in_dims == (0, None) else y[i]) for i in range(3)]
        expected = torch.stack([loss_of(F.cross_entropy)(*pair) for pair in pairs])
        SAME(torch.vmap(loss_of(lt.cross_entropy), in_dims)(a, b), expected)
        slopes = torch.stack([FUNC.grad(loss_of(F.cross_entropy))(*pair) for pair in pairs])
        SAME(torch.vmap(FUNC.grad(loss_of(lt.cross_entropy)), in_dims)(a, b), slopes)
    total = FUNC.grad(lambda a: torch.vmap(loss_of(lt.cross_entropy))(a, y).sum())(x)
    SAME(
        total,
        torch.stack([FUNC.grad(loss_of(F.cross_entropy))(*p) for p in zip(x, y, strict=True)]),
    )


def test_vmap_of_distributions_weights_single_rows_and_within_another():
    soft = torch.vmap(lambda x, t, s: lt.cross_entropy(x, t, sample_weight=s), (0, None, None))
    SAME(soft(BATCH, T, S)[1], lt.cross_entropy(BATCH[1], T, sample_weight=S))
    weights = torch.stack([W, 2 * W, W**2])
    by_weight = torch.vmap(lambda w: lt.cross_entropy(X, Y, w))(weights)
    SAME(by_weight, torch.stack([F.cross_entropy(X, Y, w) for w in weights]))
    rows = torch.vmap(torch.vmap(lt.cross_entropy))(BATCH[:2], LABELS[:2])
    pairs = zip(BATCH[:2], LABELS[:2], strict=True)
    SAME(rows, torch.stack([F.cross_entropy(a, b, reduction="none") for a, b in pairs]))
    with pytest.raises(ValueError, match="the mean over nothing"):
        torch.vmap(lambda y: lt.cross_entropy(X, y, empty="raise"))(torch.full((2, 5), -100))


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_vmap_of_binary_cross_entropy(reduction):
    def loss_of(function):
        return lambda x, t, w: function(x, t, S[:, None], pos_weight=w, reduction=reduction).sum()

    weights = torch.stack([W, 2 * W, W**2])
    ours, theirs = (
        torch.vmap(f, (0, None, 0))(BATCH, T, weights)
        for g in (lt.binary_cross_entropy_with_logits, F.binary_cross_entropy_with_logits)
        for f in (FUNC.grad_and_value(loss_of(g)),)
    )
    SAME(ours, theirs)


@pytest.mark.parametrize(
    ("function", "theirs"), [(lt.softmax, F.softmax), (lt.log_softmax, F.log_softmax)]
)
def test_torch_func_of_softmax(function, theirs):
    def squares(f, dim):
        return lambda x: (f(x, dim) ** 2).sum()

    SAME(torch.vmap(lambda x: function(x, -1))(X), theirs(X, 1))
    SAME(FUNC.hessian(squares(function, 1))(X), FUNC.hessian(squares(theirs, 1))(X))
    SAME(
        torch.vmap(FUNC.grad(squares(function, 0)))(X), torch.vmap(FUNC.grad(squares(theirs, 0)))(X)
    )


def test_wrong_labels_are_refused_under_transforms_too():
    wrong = torch.full((5,), 9)
    for transform in (FUNC.grad, FUNC.jacfwd, lambda f: lambda x: torch.vmap(f)(x[None])):
        with pytest.raises(lt.LabelError, match=r"target\[0\] = 9 is outside \[0, 7\)"):
            transform(lambda x: lt.cross_entropy(x, wrong))(X)


# --------------------------------------------------------------------------- checkpoints, in place


@pytest.mark.parametrize("reentrant", [True, False])
def test_gradient_checkpointing(reentrant):
    def run(function):
        h, w = leaf(X), leaf(torch.eye(7, dtype=torch.float64))
        checkpoint(lambda h, w: function(h @ w, Y), h, w, use_reentrant=reentrant).backward()
        return h.grad, w.grad

    SAME(run(lt.cross_entropy), run(F.cross_entropy))


@pytest.mark.parametrize("factor", [1.0, 3.0])
@pytest.mark.parametrize("reduction", ["mean", "none"])
def test_the_gradient_may_take_the_place_of_the_logits(factor, reduction):
    w = leaf(torch.eye(7, dtype=torch.float64))
    logits = X @ w
    place = logits.data_ptr()
    places = []
    logits.register_hook(lambda g: places.append(g.data_ptr()))
    loss = lt.cross_entropy(logits, Y, reduction=reduction, inplace_backward=True)
    assert torch.equal(logits, X)  # until the backward pass
    (factor * loss).sum().backward()
    assert places == [place]
    expected = F.cross_entropy(X @ w, Y, reduction=reduction).sum() * factor
    SAME(w.grad, torch.autograd.grad(expected, w)[0])


def test_logits_that_are_needed_are_not_overwritten():
    def loss(x):
        return lt.cross_entropy(x, Y, inplace_backward=True)

    with pytest.raises(ValueError, match="would overwrite input, a leaf that requires grad"):
        loss(leaf(X))
    with pytest.raises(ValueError, match="would overwrite input, which ReluBackward0 needs"):
        loss(leaf(X).relu())
    with pytest.raises(ValueError, match="input is a broadcast view"):
        loss((2 * leaf(X[:1])).expand(5, 7))
    with pytest.raises(ValueError, match="is for the plain call on the CPU"):
        FUNC.grad(loss)(X)
    assert not loss(X).requires_grad  # nothing will be written

    logits = 2 * leaf(X)
    other = logits.exp().sum() + (logits**2).sum()  # which needs the logits again
    total = other + loss(logits)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        total.backward()

    logits = 2 * leaf(X)
    value = loss(logits)
    with pytest.raises(RuntimeError, match="has no second derivative"):
        torch.autograd.grad(value, logits, create_graph=True)
    logits.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        value.backward()

    value = loss(2 * leaf(X))
    value.backward(retain_graph=True)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        value.backward()


MEMORY = """
import torch, lastlayer.torch as lt
from torch.nn import functional as F
torch.set_num_threads(2)
def status(key):
    return int(next(l for l in open("/proc/self/status") if l.startswith(key)).split()[1]) * 1024
def run(function, factor, inplace=False, rows=20000):
    x = torch.randn(rows, 1000, requires_grad=True)
    y = torch.zeros(rows, dtype=torch.long)
    logits = x.clone()
    open("/proc/self/clear_refs", "w").write("5")
    before = status("VmRSS")
    loss = function(logits, y, **({"inplace_backward": True} if inplace else {}))
    result = torch.autograd.grad(loss * factor, logits)
    return (status("VmHWM") - before) / (4000 * rows)
for inplace in (False, True):
    run(lt.cross_entropy, 1.0, inplace, rows=64)
for factor in (1.0, 3.0):
    for words in (lt.cross_entropy,), (lt.cross_entropy, True), (F.cross_entropy,):
        print(run(words[0], factor, *words[1:]), end=" ")
"""


def test_one_gradient_is_all_the_memory():
    """Be it as it is, or multiplied by what comes back; in place of the logits not even that."""
    said = subprocess.check_output([sys.executable, "-c", MEMORY], text=True)
    for ours, in_place, torchs in zip(*[iter(map(float, said.split()))] * 3, strict=True):
        assert ours < 1.2
        assert in_place < 0.2
        assert torchs > 1.8
