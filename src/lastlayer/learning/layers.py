"""The layers of a network in NumPy, each with its forward and its backward pass written out.

The error of a layer's output is ∂loss/∂output. From it a layer computes two things: the gradients
of its own parameters, and the error of its input, which is the layer before's. `forward` keeps what
these two need. Images are (N, K, H, W): images, channels, rows, columns.

References
----------
D. Rumelhart, G. Hinton & R. Williams, Learning representations by back-propagating errors, Nature
323 (1986). Y. LeCun et al., Gradient-based learning applied to document recognition, Proc. IEEE 86
(1998). The size of the first weights: K. He et al., arXiv 1502.01852.
"""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from lastlayer.contract import Array


class Layer:
    """What every layer has; one without parameters has nothing in `parameters`.

    Attributes
    ----------
    parameters : dict of str to ndarray
        Weights and biases, changed in place by an update.
    """

    def __init__(self) -> None:
        self.parameters: dict[str, Array] = {}

    def forward(self, x: Array) -> Array:
        """The output for the input x."""
        raise NotImplementedError

    def gradients(self, error: Array) -> dict[str, Array]:
        """∂loss/∂parameter for each of `parameters`, from the error of the last output."""
        return {}

    def backward(self, error: Array) -> Array:
        """The error of the last input, from that of the last output."""
        raise NotImplementedError


class Dense(Layer):
    """Every output is a weighted sum of every input: z = x · Wᵀ + b, W of shape (outputs, inputs).

    Parameters
    ----------
    inputs, outputs : int
        The width on either side.
    generator : numpy.random.Generator, optional
        Of the first weights, normal with the variance ``gain / inputs``. Without it they are zeros.
    gain : float, default 1
        2 before a ReLU, which lets half of the variance through; 16 before a sigmoid, whose slope
        is at most 1/4.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        generator: np.random.Generator | None = None,
        gain: float = 1,
    ) -> None:
        self.parameters = {
            "weight": _first_weights((outputs, inputs), inputs, generator, gain),
            "bias": np.zeros(outputs, np.float32),
        }

    def forward(self, x: Array) -> Array:
        """(N, inputs) → (N, outputs)."""
        self.x = x
        return x @ self.parameters["weight"].T + self.parameters["bias"]

    def gradients(self, error: Array) -> dict[str, Array]:
        """∂loss/∂W = errorᵀ · x, and ∂loss/∂b, the errors summed over the images."""
        return {"weight": error.T @ self.x, "bias": error.sum(axis=0)}

    def backward(self, error: Array) -> Array:
        """Each input hears from the outputs it went to: error · W."""
        return error @ self.parameters["weight"]


class Convolution(Layer):
    """One small filter a channel of the output, moved over the image a pixel at a time.

    z[n, f, i, j] = b[f] + Σ_{k, u, v} W[f, k, u, v] · x[n, k, i + u, j + v], over an x with
    ``size // 2`` rows and columns of zeros around it, so that the output is as large as the input.

    Parameters
    ----------
    channels, filters : int
        Channels of the input and of the output.
    size : int
        Rows and columns of a filter, odd.
    generator : numpy.random.Generator
        Of the first weights, normal with the variance 2 / (channels · size²), as before a ReLU.
    """

    def __init__(
        self, channels: int, filters: int, size: int, generator: np.random.Generator
    ) -> None:
        shape = (filters, channels, size, size)
        self.parameters = {
            "weight": _first_weights(shape, channels * size * size, generator, gain=2),
            "bias": np.zeros(filters, np.float32),
        }

    def forward(self, x: Array) -> Array:
        """(N, channels, H, W) → (N, filters, H, W)."""
        filters, _, size, _ = self.parameters["weight"].shape
        self.patches = _patches(x, size)
        z = self.parameters["weight"].reshape(filters, -1) @ self.patches
        z += self.parameters["bias"][:, None]
        return _images(z, x)

    def gradients(self, error: Array) -> dict[str, Array]:
        """∂loss/∂W: each patch of the input, weighted by the error of the pixel it led to."""
        weight = self.parameters["weight"]
        flat = error.swapaxes(0, 1).reshape(len(weight), -1)  # (F, N·H·W)
        return {"weight": (flat @ self.patches.T).reshape(weight.shape), "bias": flat.sum(axis=1)}

    def backward(self, error: Array) -> Array:
        """The convolution of the error with the filters turned by 180°, channels for filters."""
        turned = self.parameters["weight"][:, :, ::-1, ::-1].swapaxes(0, 1)  # (K, F, s, s)
        z = turned.reshape(len(turned), -1) @ _patches(error, turned.shape[-1])
        return _images(z, error)


class MaxPooling(Layer):
    """The largest of each square of pixels; rows and columns that fill no square are left out.

    Parameters
    ----------
    size : int, default 2
        Rows and columns of a square.
    """

    def __init__(self, size: int = 2) -> None:
        super().__init__()
        self.size = size

    def forward(self, x: Array) -> Array:
        """(N, K, H, W) → (N, K, H // size, W // size)."""
        self.shape = x.shape
        first, *others = self._places(x)
        largest = first.copy()
        self.winner = np.zeros_like(largest, np.uint8)  # the first of equals
        for place, pixels in enumerate(others, start=1):
            self.winner[pixels > largest] = place
            np.maximum(largest, pixels, out=largest)
        return largest

    def backward(self, error: Array) -> Array:
        """The error goes to the pixel that was the largest; the others changed nothing."""
        behind = np.zeros(self.shape, error.dtype)
        for place, pixels in enumerate(self._places(behind)):
            np.multiply(error, self.winner == place, out=pixels)
        return behind

    def _places(self, x: Array) -> list[Array]:
        """The pixels at each place of the squares, as views (N, K, H // size, W // size)."""
        size, (height, width) = self.size, (n // self.size * self.size for n in x.shape[2:])
        return [x[:, :, i:height:size, j:width:size] for i in range(size) for j in range(size)]


class Sigmoid(Layer):
    """Squeezes every number into (0, 1): a = 1 / (1 + exp(−z))."""

    def forward(self, x: Array) -> Array:
        """σ(x), by exp(−|x|), which cannot overflow."""
        small = np.exp(-np.abs(x))
        self.a = np.where(x >= 0, 1, small)
        self.a /= 1 + small
        return self.a

    def backward(self, error: Array) -> Array:
        """σ′ = a (1 − a): nearly nothing passes where the output is nearly 0 or 1."""
        behind: Array = error * self.a * (1 - self.a)
        return behind


class ReLU(Layer):
    """Lets positive numbers through, and makes 0 of the others."""

    def forward(self, x: Array) -> Array:
        """max(x, 0)."""
        self.positive = x > 0
        return x.clip(0)

    def backward(self, error: Array) -> Array:
        """The error, where the number was let through."""
        behind: Array = error * self.positive
        return behind


class Flatten(Layer):
    """The pixels of all channels of an image as one row."""

    def forward(self, x: Array) -> Array:
        """(N, K, H, W) → (N, K·H·W)."""
        self.shape = x.shape
        return x.reshape(len(x), -1)

    def backward(self, error: Array) -> Array:
        """The row as channels, rows and columns again."""
        return error.reshape(self.shape)


def _first_weights(
    shape: tuple[int, ...], inputs: int, generator: np.random.Generator | None, gain: float
) -> Array:
    """Normal numbers that keep the variance of what passes through, or zeros."""
    if generator is None:
        return np.zeros(shape, np.float32)
    normal: Array = generator.standard_normal(shape) * np.sqrt(gain / inputs)
    return normal.astype(np.float32)


def _patches(x: Array, size: int) -> Array:
    """What lies under the filter at each pixel of x, zeros beyond its edges. (K·size², N·H·W)"""
    edge = size // 2
    padded = np.pad(x, ((0, 0), (0, 0), (edge, edge), (edge, edge)))
    windows = sliding_window_view(padded, (size, size), axis=(2, 3))  # (N, K, H, W, size, size)
    # copied with the columns of the image innermost: long runs of memory
    return windows.transpose(1, 4, 5, 0, 2, 3).reshape(x.shape[1] * size * size, -1)


def _images(z: Array, like: Array) -> Array:
    """Channels by pixels, (F, N·H·W), as images of the size of `like`. (N, F, H, W)"""
    count, _, height, width = like.shape
    return z.reshape(len(z), count, height, width).swapaxes(0, 1)
