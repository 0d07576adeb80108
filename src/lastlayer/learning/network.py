"""Networks in NumPy: layers one after another, and how the loss runs back through them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Literal

import numpy as np

import lastlayer as ll
from lastlayer.contract import Array, Indices
from lastlayer.learning.layers import (
    Convolution,
    Dense,
    Flatten,
    Layer,
    MaxPooling,
    ReLU,
    Sigmoid,
)

Loss = Literal["cross-entropy", "quadratic"]
Shape = tuple[int, int, int]  # of an image: channels, rows, columns

HIDDEN = 200  # of the mlp
FILTERS, FILTER_SIZE, WIDTH = (8, 16), 5, 120  # of the cnn


class Network:
    """Layers from images to logits, with a loss on the logits.

    Parameters
    ----------
    layers : sequence of Layer
        The output of each is the input of the next; the last one's are the logits.
    loss : {"cross-entropy", "quadratic"}
        On the softmax of the logits: −log p of the label, or ½ ‖p − t‖². Both are means over the
        images.

    Attributes
    ----------
    layers : dict of str to Layer
        By name, in order: "convolution1", "relu1" and so on.

    Examples
    --------
    A step of gradient descent, on eight images of one channel and 4 × 4 pixels:

    >>> import numpy as np
    >>> from lastlayer.learning.network import build
    >>> generator = np.random.default_rng(0)
    >>> images = generator.normal(size=(8, 1, 4, 4)).astype(np.float32)
    >>> labels = np.arange(8) % 3
    >>> network = build("mlp", (1, 4, 4), 3, "cross-entropy", seed=0)
    >>> before, _, gradients = network.gradients(images, labels)
    >>> sorted(gradients)
    ['dense1.bias', 'dense1.weight', 'dense2.bias', 'dense2.weight']
    >>> for name, parameter in network.parameters().items():
    ...     parameter -= 0.1 * gradients[name]
    >>> bool(network.loss(images, labels) < before)
    True
    """

    def __init__(self, layers: Sequence[Layer], loss: Loss) -> None:
        counts: Counter[str] = Counter()
        self.layers: dict[str, Layer] = {}
        for layer in layers:
            kind = type(layer).__name__.lower()
            counts[kind] += 1
            self.layers[f"{kind}{counts[kind]}"] = layer
        self.loss_name = loss

    def parameters(self) -> dict[str, Array]:
        """Every weight and bias, as "dense1.weight": the arrays themselves, to change in place."""
        return {
            f"{name}.{key}": value
            for name, layer in self.layers.items()
            for key, value in layer.parameters.items()
        }

    def logits(self, images: Array) -> Array:
        """Forward, layer by layer: images (N, K, H, W) → logits (N, C)."""
        x = images
        for layer in self.layers.values():
            x = layer.forward(x)
        return x

    def loss(self, images: Array, labels: Indices) -> float:
        """The mean loss of images (N, K, H, W) with labels (N,)."""
        return mean_loss(self.logits(images), labels, self.loss_name)

    def gradients(self, images: Array, labels: Indices) -> tuple[float, Array, dict[str, Array]]:
        """The mean loss, the logits (N, C), and ∂loss/∂parameter under the names of `parameters`.

        Backpropagation: forward through the layers to the logits; the error there, ∂loss/∂logits;
        then backward, each layer turning the error of its output into that of its input, and on
        the way into the gradients of its own parameters.
        """
        logits = self.logits(images)  # forward
        loss, error = mean_loss_with_grad(logits, labels, self.loss_name)  # error (N, C)
        gradients: dict[str, Array] = {}
        first = next(iter(self.layers))
        for name, layer in reversed(self.layers.items()):  # backward
            for key, value in layer.gradients(error).items():
                gradients[f"{name}.{key}"] = value
            if name != first:  # nothing lies before it that could change
                error = layer.backward(error)
        return loss, logits, gradients


def mean_loss(logits: Array, labels: Indices, loss: Loss) -> float:
    """The mean over the rows of logits (N, C): cross-entropy in nats, or the quadratic cost."""
    if loss == "quadratic":
        return float(ll.quadratic_cost(logits, labels, activation="softmax"))
    return float(ll.cross_entropy(logits, labels))


def mean_loss_with_grad(logits: Array, labels: Indices, loss: Loss) -> tuple[float, Array]:
    """`mean_loss`, and its gradient with respect to the logits (N, C)."""
    if loss == "quadratic":
        cost, gradient = ll.quadratic_cost_with_grad(logits, labels, activation="softmax")
    else:
        cost, gradient = ll.cross_entropy_with_grad(logits, labels)
    return float(cost), gradient


def softmax(shape: Shape, classes: int, generator: np.random.Generator) -> list[Layer]:
    """A last layer alone, softmax regression; from zeros, where every class is as likely."""
    return [Flatten(), Dense(int(np.prod(shape)), classes)]


def mlp(shape: Shape, classes: int, generator: np.random.Generator) -> list[Layer]:
    """A multilayer perceptron: one hidden layer of 200 sigmoid neurons."""
    return [
        Flatten(),
        Dense(int(np.prod(shape)), HIDDEN, generator, gain=16),
        Sigmoid(),
        Dense(HIDDEN, classes, generator),
    ]


def cnn(shape: Shape, classes: int, generator: np.random.Generator) -> list[Layer]:
    """A convolutional network after LeNet: twice convolution and pooling, then two dense layers."""
    channels, height, width = shape
    first, second = FILTERS
    return [
        Convolution(channels, first, FILTER_SIZE, generator),
        ReLU(),
        MaxPooling(),
        Convolution(first, second, FILTER_SIZE, generator),
        ReLU(),
        MaxPooling(),
        Flatten(),
        Dense(second * (height // 4) * (width // 4), WIDTH, generator, gain=2),
        ReLU(),
        Dense(WIDTH, classes, generator),
    ]


MODELS = {"softmax": softmax, "mlp": mlp, "cnn": cnn}


def build(model: str, shape: Shape, classes: int, loss: Loss, seed: int) -> Network:
    """A network by its name, with its first weights.

    Parameters
    ----------
    model : {"softmax", "mlp", "cnn"}
        Which one.
    shape : tuple of three int
        Channels, rows and columns of an image.
    classes : int
        C, the number of logits.
    loss : {"cross-entropy", "quadratic"}
        What it is trained on; the first weights do not depend on it.
    seed : int
        Of the first weights.

    Returns
    -------
    Network
        In float32.

    Raises
    ------
    ValueError
        Images too small for two poolings.

    Examples
    --------
    >>> from lastlayer.learning.network import build
    >>> list(build("cnn", (1, 28, 28), 10, "cross-entropy", seed=0).layers)
    ['convolution1', 'relu1', 'maxpooling1', 'convolution2', 'relu2', 'maxpooling2', 'flatten1',
     'dense1', 'relu3', 'dense2']
    """
    if model == "cnn" and min(shape[1:]) < 4:
        raise ValueError(f"images of {shape[1]} x {shape[2]} pixels: the cnn needs at least 4 x 4")
    return Network(MODELS[model](shape, classes, np.random.default_rng((seed, 0))), loss)
