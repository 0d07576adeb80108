"""AlexNet, the network of 2012, from PyTorch's layers."""

from __future__ import annotations

from collections import OrderedDict

from torch import Generator, nn

from lastlayer.learning.network import Shape

SIZES = (224, 227)  # the paper says 224, its arithmetic needs 227


def alexnet(shape: Shape = (3, 227, 227), classes: int = 1000, *, seed: int = 0) -> nn.Sequential:
    """Five convolutions and three dense layers, with 61 million weights, as they began.

    As in the paper: ReLU everywhere; response normalisation after the first two; pooling whose
    squares of 3 × 3 overlap; dropout of the first two dense layers' outputs; the second, fourth and
    fifth convolution in two groups, each of which sees half of the channels: they were two
    processors then.

    Not as in the paper: the first weights. Its normal numbers of standard deviation 0.01, with
    biases of 1, let the differences between images shrink, on the way to the logits, to less than a
    hundredth of what all images have in common, and for long the network knows none from another.
    Here they have the variance 2 / inputs, which keeps the differences, and the biases are 0. The
    last layer's have the deviation 0.001: the logits begin near 0, and the loss near log C whatever
    the label.

    Parameters
    ----------
    shape : tuple of three int, default (3, 227, 227)
        Of an image: channels, rows, columns. 224 rows and columns, as the paper has it, give the
        first convolution its 55 × 55 outputs only with two of zeros around; 227 do without.
    classes : int, default 1000
        C, the number of logits.
    seed : int, default 0
        Of the first weights.

    Returns
    -------
    torch.nn.Sequential
        From images (N, *shape) to logits (N, C).

    Raises
    ------
    ValueError
        Another size.

    Examples
    --------
    >>> from lastlayer.learning.alexnet import alexnet
    >>> network = alexnet()
    >>> sum(parameter.numel() for parameter in network.parameters())
    60965224

    References
    ----------
    A. Krizhevsky, I. Sutskever & G. Hinton, ImageNet Classification with Deep Convolutional Neural
    Networks, NeurIPS (2012). The first weights: K. He et al., arXiv 1502.01852.
    """
    channels, height, width = shape
    if height != width or height not in SIZES:
        raise ValueError(
            f"images of {width} x {height} pixels: alexnet takes 224 x 224 or 227 x 227 "
            "(--size 227, for a folder)"
        )
    layers: dict[str, nn.Module] = {
        "convolution1": nn.Conv2d(channels, 96, 11, stride=4, padding=2 if height == 224 else 0),
        "relu1": nn.ReLU(),
        "normalisation1": _normalisation(),
        "maxpooling1": nn.MaxPool2d(3, stride=2),
        "convolution2": nn.Conv2d(96, 256, 5, padding=2, groups=2),
        "relu2": nn.ReLU(),
        "normalisation2": _normalisation(),
        "maxpooling2": nn.MaxPool2d(3, stride=2),
        "convolution3": nn.Conv2d(256, 384, 3, padding=1),
        "relu3": nn.ReLU(),
        "convolution4": nn.Conv2d(384, 384, 3, padding=1, groups=2),
        "relu4": nn.ReLU(),
        "convolution5": nn.Conv2d(384, 256, 3, padding=1, groups=2),
        "relu5": nn.ReLU(),
        "maxpooling5": nn.MaxPool2d(3, stride=2),
        "flatten1": nn.Flatten(),
        "dense1": nn.Linear(256 * 6 * 6, 4096),
        "relu6": nn.ReLU(),
        "dropout1": nn.Dropout(0.5),
        "dense2": nn.Linear(4096, 4096),
        "relu7": nn.ReLU(),
        "dropout2": nn.Dropout(0.5),
        "dense3": nn.Linear(4096, classes),
    }
    generator = Generator().manual_seed(seed)
    for layer in layers.values():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu", generator=generator)
            nn.init.zeros_(layer.bias)
    nn.init.normal_(layers["dense3"].weight, std=0.001, generator=generator)
    return nn.Sequential(OrderedDict(layers))


def _normalisation() -> nn.LocalResponseNorm:
    """b = a / (2 + 1e-4 Σ a²)^¾ over five channels; PyTorch divides its α by the five."""
    return nn.LocalResponseNorm(5, alpha=5 * 1e-4, beta=0.75, k=2.0)
