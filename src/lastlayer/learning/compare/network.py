"""One network twice, from one start and on the same batches: the quadratic cost, cross-entropy."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from lastlayer.contract import Array
from lastlayer.learning.compare.neuron import COSTS, Cost
from lastlayer.learning.demo import DivergedError
from lastlayer.learning.network import Network, build, mean_loss
from lastlayer.learning.parts import Part, Parts

MEASURED = 2048  # training images, the first ones, that loss and gradient are measured on
CHUNK = 256  # images at a time in measuring


@dataclass
class NetworkCurve:
    """What one cost did with the network, a number an epoch; epoch 0 is the start.

    The training part's numbers are of its first 2,048 images, after the epoch's updates.
    """

    loss: list[float] = field(default_factory=list)  # training part, in the cost itself
    cross_entropy: list[float] = field(default_factory=list)  # training part, nats
    held_out_loss: list[float] = field(default_factory=list)
    held_out_cross_entropy: list[float] = field(default_factory=list)
    accuracy: list[float] = field(default_factory=list)  # training part
    held_out_accuracy: list[float] = field(default_factory=list)
    gradient: dict[str, list[float]] = field(default_factory=dict)  # ‖∂loss/∂parameters‖ by layer


def compare_network(
    model: str,
    parts: Parts,
    *,
    rate: float = 0.1,
    epochs: int = 20,
    batch_size: int = 32,
    seed: int = 0,
    on_step: Callable[[int, int], None] | None = None,
) -> dict[Cost, NetworkCurve]:
    """Train a network with either cost: same first weights, same batches, same rate.

    Every update is plain gradient descent, w ← w − rate · ∂loss/∂w, without momentum, so that the
    size of a step is the size of the gradient. Both costs are taken of the softmax of the logits:
    −log p of the label, and ½ ‖p − t‖².

    Parameters
    ----------
    model : {"softmax", "mlp", "cnn"}
        As `lastlayer.learning.network.build` has them.
    parts : Parts
        ``train`` is trained on, ``test`` is held out; ``validation`` is not used, since neither
        training stops early.
    rate : float, default 0.1
        Positive.
    epochs : int, default 20
        Passes over the training part.
    batch_size : int, default 32
        Images a step.
    seed : int, default 0
        Of the first weights and of the order of the images.
    on_step : callable, optional
        Called with the steps that are done and their number, of both costs together.

    Returns
    -------
    dict of str to NetworkCurve
        "quadratic" and "cross-entropy", each with epochs + 1 entries.

    Raises
    ------
    DivergedError
        A loss became infinite or NaN, or never fell below its start.
    ValueError
        An option outside its range.

    Examples
    --------
    >>> from lastlayer.learning.compare.network import compare_network
    >>> from lastlayer.learning.datasets import load
    >>> from lastlayer.learning.parts import split
    >>> curves = compare_network("softmax", split(load("digits")), epochs=2)
    >>> curves["cross-entropy"].held_out_accuracy[-1] > curves["quadratic"].held_out_accuracy[-1]
    True
    """
    if not (math.isfinite(rate) and rate > 0):
        raise ValueError(f"rate = {rate} must be positive and finite")
    for name, value in (("epochs", epochs), ("batch_size", batch_size)):
        if value < 1:
            raise ValueError(f"{name} = {value} must be at least 1")
    steps = epochs * -(-len(parts.train) // batch_size)

    def told(done: int) -> None:
        if on_step is not None:
            on_step(done, 2 * steps)

    curves: dict[Cost, NetworkCurve] = {}
    for number, cost in enumerate(COSTS):
        network = build(model, parts.train.data.shape, len(parts.train.data.names), cost, seed)
        curve = curves[cost] = NetworkCurve()
        done = number * steps
        with np.errstate(over="ignore", invalid="ignore", under="ignore"):  # found by its epoch
            _measure(network, parts, curve)
            generator = np.random.default_rng((seed, 1))  # the same order for both
            for _ in range(epochs):
                order = generator.permutation(len(parts.train))
                for start in range(0, len(order), batch_size):
                    _update(network, *parts.train.batch(order[start : start + batch_size]), rate)
                    done += 1
                    told(done)
                _measure(network, parts, curve)
                _check(curve, cost, rate)
        if min(curve.loss[1:]) >= curve.loss[0]:
            raise DivergedError(
                f"the {cost} cost never fell below its start: learning rate {rate:g} does not "
                "train this network, try a smaller one"
            )
    return curves


def _update(network: Network, images: Array, labels: Any, rate: float) -> None:
    _, _, gradients = network.gradients(images, labels)
    for name, parameter in network.parameters().items():
        np.subtract(parameter, rate * gradients[name], out=parameter)


def _check(curve: NetworkCurve, cost: Cost, rate: float) -> None:
    for loss in (curve.loss[-1], curve.cross_entropy[-1], curve.held_out_cross_entropy[-1]):
        if not math.isfinite(loss):
            raise DivergedError(
                f"the loss became {loss} in epoch {len(curve.loss) - 1} of the {cost} cost: "
                f"learning rate {rate:g} is too large"
            )


def _measure(network: Network, parts: Parts, curve: NetworkCurve) -> None:
    """One more entry in every list of the curve."""
    count = min(len(parts.train), MEASURED)
    gradients: dict[str, Array] = {}
    seen = []
    for images, labels in _chunks(parts.train, count):
        _, logits, some = network.gradients(images, labels)
        for name, gradient in some.items():  # each is a mean over its own chunk
            share = gradient.astype(np.float64) * (len(labels) / count)
            gradients[name] = gradients.get(name, 0) + share
        seen.append((logits, labels))
    curve.loss.append(_mean(seen, network.loss_name))
    curve.cross_entropy.append(_mean(seen, "cross-entropy"))
    curve.accuracy.append(_accuracy(seen))
    squares: dict[str, float] = {}
    for name, gradient in gradients.items():
        layer = name.partition(".")[0]
        squares[layer] = squares.get(layer, 0.0) + float(np.square(gradient).sum())
    for layer in network.layers:
        if layer in squares:
            curve.gradient.setdefault(layer, []).append(math.sqrt(squares[layer]))

    held_out = [(network.logits(i), y) for i, y in _chunks(parts.test, len(parts.test))]
    curve.held_out_loss.append(_mean(held_out, network.loss_name))
    curve.held_out_cross_entropy.append(_mean(held_out, "cross-entropy"))
    curve.held_out_accuracy.append(_accuracy(held_out))


def _chunks(part: Part, count: int) -> Iterator[tuple[Array, Any]]:
    for start in range(0, count, CHUNK):
        yield part.batch(slice(start, min(start + CHUNK, count)))


def _mean(seen: list[tuple[Array, Any]], loss: Cost) -> float:
    logits, labels = (np.concatenate(arrays) for arrays in zip(*seen, strict=True))
    return mean_loss(logits, labels, loss)


def _accuracy(seen: list[tuple[Array, Any]]) -> float:
    return float(np.mean(np.concatenate([logits.argmax(axis=1) == y for logits, y in seen])))
