"""Layers against numerical differentiation and autograd; networks, optimizers, both engines."""

from __future__ import annotations

import copy
import math

import numpy as np
import pytest
import torch

import lastlayer as ll
from lastlayer.learning.alexnet import alexnet
from lastlayer.learning.datasets import DataSet
from lastlayer.learning.layers import Convolution, Dense, Flatten, MaxPooling, ReLU, Sigmoid
from lastlayer.learning.learner import NumPyLearner
from lastlayer.learning.network import MODELS, build
from lastlayer.learning.optimizers import SGD, Adam
from lastlayer.learning.settings import choose, make_learner
from lastlayer.learning.torch_learner import TorchLearner, as_torch, torch_layer

STEP = 1e-6
LOSSES = ["cross-entropy", "quadratic"]


def generator():
    return np.random.default_rng(7)


LAYERS = {
    "dense": (lambda: Dense(5, 3, generator()), (4, 5)),
    "convolution": (lambda: Convolution(2, 3, 3, generator()), (2, 2, 5, 4)),
    "convolution, wide filter": (lambda: Convolution(1, 2, 5, generator()), (2, 1, 3, 6)),
    "pooling": (MaxPooling, (2, 3, 4, 6)),
    "pooling, odd sizes": (MaxPooling, (2, 1, 5, 7)),
    "pooling of threes": (lambda: MaxPooling(3), (1, 2, 7, 6)),
    "sigmoid": (Sigmoid, (3, 4)),
    "relu": (ReLU, (3, 4)),
    "flatten": (Flatten, (2, 3, 2, 2)),
}


@pytest.fixture(params=LAYERS)
def case(request):
    """A layer in float64 with biases that are not 0, an input, and the error of its output."""
    make, shape = LAYERS[request.param]
    layer, random = make(), generator()
    for name, value in layer.parameters.items():
        layer.parameters[name] = value + random.normal(size=value.shape)
    x = random.normal(size=shape)
    return layer, x, random.normal(size=layer.forward(x).shape)


def slope(function, array, where):
    """The derivative by one entry of an array, from either side of it."""
    kept = array[where]
    array[where] = kept + STEP
    above = function()
    array[where] = kept - STEP
    below = function()
    array[where] = kept
    return (above - below) / (2 * STEP)


def test_a_layer_passes_back_what_numerical_differentiation_finds(case):
    layer, x, error = case

    def loss():
        return float(np.sum(layer.forward(x) * error))

    loss()
    behind, gradients = layer.backward(error), layer.gradients(error)
    assert behind.shape == x.shape
    assert gradients.keys() == layer.parameters.keys()
    for array, gradient in [(x, behind), *((layer.parameters[k], gradients[k]) for k in gradients)]:
        found = [slope(loss, array, where) for where in np.ndindex(array.shape)]
        np.testing.assert_allclose(gradient.ravel(), found, rtol=1e-6, atol=1e-8)


def test_a_layer_is_that_of_pytorch_and_its_gradients_those_of_autograd(case):
    layer, x, error = case
    module, tensor = torch_layer(layer).double(), torch.tensor(x, requires_grad=True)
    module.load_state_dict({k: torch.tensor(v) for k, v in layer.parameters.items()})
    output = module(tensor)
    output.backward(torch.tensor(error))
    np.testing.assert_allclose(layer.forward(x), output.detach(), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(layer.backward(error), tensor.grad, rtol=1e-12, atol=1e-12)
    gradients = layer.gradients(error)
    for name, parameter in module.named_parameters():
        np.testing.assert_allclose(gradients[name], parameter.grad, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("shape", [(2, 1, 4, 4), (1, 2, 5, 5)])
def test_of_equal_pixels_the_first_has_the_error_as_in_pytorch(shape):
    layer, x = MaxPooling(), np.zeros(shape)
    tensor = torch.tensor(x, requires_grad=True)
    error = np.ones_like(layer.forward(x))
    torch.nn.MaxPool2d(2)(tensor).backward(torch.tensor(error))
    np.testing.assert_array_equal(layer.backward(error), tensor.grad)


def test_a_sigmoid_does_not_overflow_and_keeps_float32():
    layer, far = Sigmoid(), np.array([-1e4, -80, 0, 80, 1e4], np.float32)
    output = layer.forward(far)
    assert output.dtype == np.float32
    np.testing.assert_allclose(output, [0, np.exp(-80), 0.5, 1, 1], rtol=1e-6)
    assert layer.backward(np.ones_like(far)).dtype == np.float32


# --------------------------------------------------------------------------- networks


def small(model, loss, dtype=np.float32):
    network = build(model, (2, 9, 6), 3, loss, seed=3)
    random = generator()
    for layer in network.layers.values():
        for name, value in layer.parameters.items():
            moved = value + 0.1 * random.normal(size=value.shape)
            layer.parameters[name] = moved.astype(dtype)
    images = random.normal(size=(5, 2, 9, 6)).astype(dtype)
    return network, images, np.array([0, 2, 1, 1, 0])


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("model", MODELS)
def test_a_networks_gradients_are_those_of_numerical_differentiation(model, loss):
    network, images, labels = small(model, loss, np.float64)
    _, _, gradients = network.gradients(images, labels)
    random = generator()
    for name, parameter in network.parameters().items():
        for _ in range(3):
            where = tuple(random.integers(n) for n in parameter.shape)
            found = slope(lambda: network.loss(images, labels), parameter, where)
            assert gradients[name][where] == pytest.approx(found, rel=1e-5, abs=1e-8)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("model", MODELS)
def test_both_engines_have_one_start_and_one_gradient(model, loss):
    network, images, labels = small(model, loss)
    value, logits, gradients = network.gradients(images, labels)
    learner = TorchLearner(as_torch(network), loss, "sgd", 1.0, 0.0, seed=0)
    before = copy.deepcopy(learner.weights())
    torch_value, torch_logits = learner.step(images, labels)
    assert torch_value == pytest.approx(value, rel=1e-5)
    np.testing.assert_allclose(torch_logits, logits, rtol=1e-4, atol=1e-5)
    assert before.keys() == gradients.keys()
    for name, weights in learner.weights().items():  # a step of rate 1: the gradient itself
        np.testing.assert_array_equal(before[name], network.parameters()[name])
        np.testing.assert_allclose(before[name] - weights, gradients[name], rtol=1e-3, atol=1e-5)


def test_the_torch_network_has_weights_of_its_own():
    network, images, labels = small("mlp", "cross-entropy")
    before = copy.deepcopy(network.parameters())
    TorchLearner(as_torch(network), "cross-entropy", "sgd", 1.0, 0.0, 0).step(images, labels)
    for name, value in network.parameters().items():
        np.testing.assert_array_equal(value, before[name])


def test_softmax_begins_with_every_class_as_likely():
    network = build("softmax", (1, 8, 8), 10, "cross-entropy", seed=0)
    images = generator().normal(size=(20, 1, 8, 8)).astype(np.float32)
    assert network.loss(images, np.arange(20) % 10) == pytest.approx(math.log(10), rel=1e-6)


@pytest.mark.parametrize("model", ["mlp", "cnn"])
def test_a_seed_is_a_start_whatever_the_loss(model):
    first, second, other = (
        build(model, (1, 8, 8), 3, loss, seed).parameters()
        for loss, seed in (("cross-entropy", 1), ("quadratic", 1), ("quadratic", 2))
    )
    for name, value in first.items():
        np.testing.assert_array_equal(value, second[name])
        assert "bias" in name or not np.array_equal(value, other[name])


def test_images_too_small_for_two_poolings_are_refused():
    with pytest.raises(ValueError, match="3 x 8 pixels: the cnn needs at least 4 x 4"):
        build("cnn", (1, 3, 8), 2, "cross-entropy", seed=0)


# --------------------------------------------------------------------------- optimizers


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (lambda p: SGD(p, 0.1, 0.9), lambda p: torch.optim.SGD(p, 0.1, momentum=0.9)),
        (lambda p: SGD(p, 0.1, 0.0), lambda p: torch.optim.SGD(p, 0.1)),
        (lambda p: Adam(p, 0.01), lambda p: torch.optim.Adam(p, 0.01)),
    ],
)
def test_an_optimizer_steps_as_pytorchs_does(ours, theirs):
    random = generator()
    start = random.normal(size=(3, 2))
    parameters = {"weight": start.copy()}
    tensor = torch.tensor(start, requires_grad=True)
    mine, torchs = ours(parameters), theirs([tensor])
    for _ in range(5):
        gradient = random.normal(size=(3, 2))
        mine.update({"weight": gradient})
        tensor.grad = torch.tensor(gradient)
        torchs.step()
    np.testing.assert_allclose(parameters["weight"], tensor.detach(), rtol=1e-12)


# --------------------------------------------------------------------------- settings


def data(shape=(1, 8, 8), classes=3):
    labels = np.arange(30) % classes
    pixels = generator().integers(0, 256, (30, *shape)).astype(np.uint8)
    return DataSet(pixels, labels, tuple(map(str, range(classes))), "made up")


@pytest.mark.parametrize("engine", ["numpy", "torch"])
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_a_learner_learns_a_batch(engine, optimizer):
    settings = choose(data(), model="cnn", engine=engine, optimizer=optimizer)
    learner, whole = make_learner(settings), data()
    images = ((whole.pixels - 128.0) / 128).astype(np.float32)
    losses = [learner.step(images, whole.labels)[0] for _ in range(40)]
    logits = learner.logits(images)
    assert type(learner) is (NumPyLearner if engine == "numpy" else TorchLearner)
    assert logits.dtype == np.float32
    assert ll.cross_entropy(logits, whole.labels) < losses[0] / 4


def test_alexnet_is_torchs_alone_and_has_a_thousand_outputs():
    settings = choose(data((3, 227, 227)), model="alexnet")
    assert (settings.engine, settings.classes) == ("torch", 1000)
    assert choose(data(), model="alexnet", classes=3).classes == 3
    with pytest.raises(ValueError, match="engine torch alone"):
        choose(data(), model="alexnet", engine="numpy")
    with pytest.raises(ValueError, match="28 x 30 pixels: alexnet takes"):
        alexnet((3, 30, 28))


def test_fewer_outputs_than_classes_are_refused():
    with pytest.raises(ValueError, match="made up has 3 classes, and classes = 2"):
        choose(data(), classes=2)


# --------------------------------------------------------------------------- alexnet


@pytest.mark.parametrize("size", [227, 224])
def test_alexnet_begins_at_the_logarithm_of_its_classes_and_every_weight_learns(size):
    network = alexnet((3, size, size))
    assert sum(p.numel() for p in network.parameters()) == 60_965_224  # the paper: 60 million
    learner = TorchLearner(network, "cross-entropy", "sgd", 0.01, 0.9, seed=0)
    images = generator().normal(size=(2, 3, size, size)).astype(np.float32)
    learner.begin(1)
    loss, logits = learner.step(images, np.array([3, 999]))
    assert logits.shape == (2, 1000)
    assert loss == pytest.approx(math.log(1000), rel=0.05)
    for name, parameter in network.named_parameters():
        assert parameter.grad.count_nonzero() > 0, name


def test_response_normalisation_is_the_papers():
    """b_i = a_i / (2 + 1e-4 Σ a_j²)^0.75 over five channels, those at the edges over fewer."""
    layer = next(m for m in alexnet().modules() if isinstance(m, torch.nn.LocalResponseNorm))
    a = 100 * np.abs(generator().normal(size=7))
    for channel, found in enumerate(layer(torch.tensor(a)[None, :, None, None]).flatten()):
        near = a[max(0, channel - 2) : channel + 3]
        assert found.item() == pytest.approx(a[channel] / (2 + 1e-4 * (near**2).sum()) ** 0.75)


def test_dropout_of_an_epoch_follows_from_its_number():
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Dropout(), torch.nn.Linear(4, 2))
    learner = TorchLearner(network, "cross-entropy", "sgd", 1e-9, 0.0, seed=0)
    images, labels = np.ones((3, 1, 2, 2), np.float32), np.array([0, 1, 1])
    losses = []
    for epoch in (1, 2, 1):
        learner.begin(epoch)
        losses.append(learner.step(images, labels)[0])
    assert losses[0] == pytest.approx(losses[2], rel=1e-6)
    assert losses[0] != pytest.approx(losses[1], rel=1e-6)
