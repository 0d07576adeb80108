"""One sigmoid neuron that is to turn 1 into 0, taught with the quadratic cost and cross-entropy."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

import lastlayer as ll
from lastlayer.contract import Floats
from lastlayer.learning.demo import DivergedError
from lastlayer.reference import sigmoid

Cost = Literal["quadratic", "cross-entropy"]
COSTS: tuple[Cost, Cost] = ("quadratic", "cross-entropy")
INPUT, TARGET = 1.0, 0.0


@dataclass(frozen=True)
class NeuronCurve:
    """What one cost did with the neuron, a number an epoch; epoch 0 is the start."""

    output: Floats  # (E + 1,), a = σ(w · 1 + b)
    cost: Floats  # (E + 1,), ½ (a − t)² or cross-entropy in nats
    gradient: Floats  # (E + 1,), |∂cost/∂w| = |∂cost/∂b| = |∂cost/∂z|, as the input is 1
    derivative: Floats  # (E + 1,), σ′(z) = a (1 − a)
    weight: Floats  # (E + 1,)
    bias: Floats  # (E + 1,)


def compare_neuron(
    weight: float = 2.0,
    bias: float = 2.0,
    *,
    rate: float = 0.15,
    epochs: int = 300,
    on_step: Callable[[int, int], None] | None = None,
) -> dict[Cost, NeuronCurve]:
    """Teach one sigmoid neuron, from one start and at one rate, with either cost.

    With a = σ(z), z = w · 1 + b and target t = 0, an epoch is one step of gradient descent,

        ∂/∂z ½ (a − t)² = (a − t) σ′(z),    ∂/∂z [−t log a − (1 − t) log(1 − a)] = a − t,

    w ← w − rate · ∂/∂z · 1,  b ← b − rate · ∂/∂z. The factor σ′(z) = a (1 − a) is nearly 0 where
    the neuron is sure, also where it is sure of what is wrong.

    Parameters
    ----------
    weight, bias : float, default 2
        The start; finite.
    rate : float, default 0.15
        Positive.
    epochs : int, default 300
        Steps.
    on_step : callable, optional
        Called with the steps that are done and their number, of both costs together.

    Returns
    -------
    dict of str to NeuronCurve
        "quadratic" and "cross-entropy"; each curve begins with the start and has epochs + 1
        entries.

    Raises
    ------
    ValueError
        A start that is not finite, a rate that is not positive, epochs below 1.
    DivergedError
        Weight or bias became infinite.

    Examples
    --------
    >>> from lastlayer.learning.compare.neuron import compare_neuron
    >>> curves = compare_neuron(2.0, 2.0, rate=0.15, epochs=300)
    >>> {cost: round(float(curve.output[-1]), 4) for cost, curve in curves.items()}
    {'quadratic': 0.2028, 'cross-entropy': 0.012}

    References
    ----------
    M. Nielsen, Neural Networks and Deep Learning (2015), chapter 3.
    """
    for name, value in (("weight", weight), ("bias", bias), ("rate", rate)):
        if not math.isfinite(value):
            raise ValueError(f"{name} = {value} must be finite")
    if not math.isfinite(weight * INPUT + bias):
        raise ValueError(f"weight + bias = {weight} + {bias} must be finite")
    if rate <= 0:
        raise ValueError(f"rate = {rate} must be positive")
    if epochs < 1:
        raise ValueError(f"epochs = {epochs} must be at least 1")
    return {
        cost: _teach(cost, weight, bias, rate, epochs, number * epochs, on_step)
        for number, cost in enumerate(COSTS)
    }


def _teach(
    cost: Cost,
    weight: float,
    bias: float,
    rate: float,
    epochs: int,
    done: int,
    on_step: Callable[[int, int], None] | None,
) -> NeuronCurve:
    weights, biases, costs, slopes = (np.empty(epochs + 1) for _ in range(4))
    target = np.array([[TARGET]])
    for epoch in range(epochs + 1):
        z = np.array([[weight * INPUT + bias]])  # (1, 1)
        if not np.isfinite(z).all():
            raise DivergedError(
                f"weight and bias grew beyond every bound in epoch {epoch} of the {cost} cost: "
                f"rate {rate:g} is too large, try 0.15"
            )
        if cost == "quadratic":
            value, gradient = ll.quadratic_cost_with_grad(z, target)
        else:
            value, gradient = ll.binary_cross_entropy_with_grad(z, target)
        slope = float(gradient[0, 0])
        weights[epoch], biases[epoch], costs[epoch], slopes[epoch] = weight, bias, value, slope
        weight -= rate * slope * INPUT
        bias -= rate * slope
        if on_step is not None and epoch:
            on_step(done + epoch, 2 * epochs)
    z = weights * INPUT + biases
    output, rest = sigmoid(z), sigmoid(-z)
    return NeuronCurve(output, costs, np.abs(slopes), output * rest, weights, biases)
