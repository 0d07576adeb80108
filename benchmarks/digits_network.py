"""A small convolutional network on real digits, trained with PyTorch's loss and with lastlayer's.

    python benchmarks/digits_network.py

scikit-learn's 1,797 handwritten digits, 1,347 for training; one start, full batches, AdamW at
0.01 with eps 1e-25 and without weight decay, float32. Draws docs/images/digits_network.png and
prints the table.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from sklearn.datasets import load_digits

import lastlayer.torch

EPOCHS, SEED = 2000, 0
PICTURE = Path(__file__).parents[1] / "docs" / "images" / "digits_network.png"
ARMS = {
    "PyTorch, float32": torch.nn.functional.cross_entropy,
    "lastlayer, float32": lastlayer.torch.cross_entropy,
}


def digits() -> tuple[torch.Tensor, torch.Tensor, np.ndarray]:
    data = load_digits()
    images = torch.tensor(data.images[:, None] / 16, dtype=torch.float32)
    return images, torch.tensor(data.target), np.random.default_rng(SEED).permutation(len(images))


def network() -> torch.nn.Sequential:
    torch.manual_seed(SEED)
    return torch.nn.Sequential(
        torch.nn.Conv2d(1, 8, 3), torch.nn.ReLU(), torch.nn.MaxPool2d(2),
        torch.nn.Conv2d(8, 16, 2), torch.nn.ReLU(),
        torch.nn.Flatten(), torch.nn.Linear(64, 10),
    )  # fmt: skip


def train(loss_of: Callable[..., torch.Tensor]) -> dict[str, np.ndarray]:
    images, labels, order = digits()
    cut = 3 * len(order) // 4
    net = network()
    adam = torch.optim.AdamW(net.parameters(), lr=1e-2, eps=1e-25, weight_decay=0.0)
    rows = []
    for _ in range(EPOCHS):
        logits = net(images[order[:cut]])
        loss = loss_of(logits, labels[order[:cut]])
        adam.zero_grad()
        loss.backward()
        adam.step()
        with torch.no_grad():
            exact = lastlayer.torch.cross_entropy(logits.double(), labels[order[:cut]])
            right = net(images[order[cut:]]).argmax(1) == labels[order[cut:]]
            zeros = lastlayer.torch.cross_entropy(logits, labels[order[:cut]], reduction="none")
            lost = torch.nn.functional.cross_entropy(logits, labels[order[:cut]], reduction="none")
            silent = ((lost == 0) & (zeros > 0)).double().mean()
        rows.append((loss.item(), exact.item(), silent.item(), right.double().mean().item()))
    names = ("loss", "exact", "silent", "held_out")
    return dict(zip(names, np.array(rows).T, strict=True))


def main() -> None:
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    runs = {name: train(loss_of) for name, loss_of in ARMS.items()}
    figure, axes = plt.subplots(1, 2, figsize=(11, 3.8), layout="constrained")
    for (name, run), colour in zip(runs.items(), ("C3", "C0"), strict=True):
        axes[0].semilogy(run["loss"], color=colour, lw=1, label=name)
        axes[1].plot(run["silent"], color=colour, lw=1, label=name)
    axes[0].set_title("training loss, as computed (nats)", fontsize=10)
    axes[1].set_title("share of digits to which PyTorch's float32 gives the loss 0", fontsize=10)
    for axis in axes:
        axis.set_xlabel("epoch")
        axis.grid(alpha=0.3)
        axis.legend()
    figure.savefig(PICTURE, dpi=110)

    print("| epoch |", " | ".join(f"{n}: loss | exact | held out" for n in runs), "|")
    print("|---|" + "---|---|---|" * len(runs))
    for epoch in (10, 100, 300, 1000, EPOCHS):
        cells = [
            f"{r['loss'][epoch - 1]:.3g} | {r['exact'][epoch - 1]:.3g} "
            f"| {r['held_out'][epoch - 1]:.1%}"
            for r in runs.values()
        ]
        print(f"| {epoch} |", " | ".join(cells), "|")


if __name__ == "__main__":
    main()
