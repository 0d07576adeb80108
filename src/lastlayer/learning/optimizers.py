"""What makes a step of a gradient: stochastic gradient descent with momentum, and Adam."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np

from lastlayer.contract import Array

OptimizerName = Literal["sgd", "adam"]
Arrays = dict[str, Array]


class SGD:
    """Stochastic gradient descent: v ← momentum · v + gradient; parameter ← parameter − rate · v.

    Parameters
    ----------
    parameters : dict of str to ndarray
        Changed in place by `update`.
    rate : float
        How far a step goes.
    momentum : float in [0, 1)
        How much of the last direction is kept.

    References
    ----------
    I. Sutskever et al., On the importance of initialization and momentum in deep learning, ICML
    (2013).
    """

    def __init__(self, parameters: Arrays, rate: float, momentum: float) -> None:
        self.parameters, self.rate, self.momentum = parameters, rate, momentum
        self.velocity = {name: np.zeros_like(value) for name, value in parameters.items()}

    def update(self, gradients: Arrays) -> None:
        """Make a step."""
        for name, parameter in self.parameters.items():
            velocity = self.velocity[name]
            velocity *= self.momentum
            velocity += gradients[name]
            parameter[...] -= self.rate * velocity

    def state(self) -> Arrays:
        """What it remembers between two steps."""
        return {f"velocity.{name}": value for name, value in self.velocity.items()}

    def restore(self, state: Arrays) -> None:
        """Remember what another one did."""
        for name, velocity in self.velocity.items():
            velocity[...] = state[f"velocity.{name}"]


class Adam:
    """A step for every parameter by the mean and the mean square of its own last gradients.

    m ← β₁ m + (1 − β₁) gradient and v ← β₂ v + (1 − β₂) gradient², both divided by what they lack
    since they began at 0; parameter ← parameter − rate · m / (√v + ε).

    Parameters
    ----------
    parameters : dict of str to ndarray
        Changed in place by `update`.
    rate : float
        About how far a step moves each parameter.

    References
    ----------
    D. Kingma & J. Ba, arXiv 1412.6980, with its β₁ = 0.9, β₂ = 0.999, ε = 1e-8.
    """

    BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8

    def __init__(self, parameters: Arrays, rate: float) -> None:
        self.parameters, self.rate = parameters, rate
        self.steps = 0
        self.mean = {name: np.zeros_like(value) for name, value in parameters.items()}
        self.square = {name: np.zeros_like(value) for name, value in parameters.items()}

    def update(self, gradients: Arrays) -> None:
        """Make a step."""
        self.steps += 1
        rate = self.rate / (1 - self.BETA1**self.steps)
        root = math.sqrt(1 - self.BETA2**self.steps)
        for name, parameter in self.parameters.items():
            gradient, mean, square = gradients[name], self.mean[name], self.square[name]
            mean += (1 - self.BETA1) * (gradient - mean)
            square += (1 - self.BETA2) * (gradient * gradient - square)
            parameter[...] -= rate * mean / (np.sqrt(square) / root + self.EPSILON)

    def state(self) -> Arrays:
        """What it remembers between two steps."""
        return {
            "steps": np.array([self.steps]),
            **{f"mean.{name}": value for name, value in self.mean.items()},
            **{f"square.{name}": value for name, value in self.square.items()},
        }

    def restore(self, state: Arrays) -> None:
        """Remember what another one did."""
        self.steps = int(state["steps"][0])
        for name in self.parameters:
            self.mean[name][...] = state[f"mean.{name}"]
            self.square[name][...] = state[f"square.{name}"]
