"""Softmax collapse: the same network trained with PyTorch's loss and with lastlayer's.

    python benchmarks/softmax_collapse.py                 # train what is missing, then draw
    python benchmarks/softmax_collapse.py --seeds 3 --epochs 3000 --double 1 --double-epochs 3000
    python benchmarks/softmax_collapse.py --draw          # the picture and the table alone

The network of Prieto et al., "Grokking at the edge of numerical stability", arXiv 2501.04697:
addition modulo 113, all 12,769 pairs as two one-hots, 60 % of them for training; 226-200-200-113
with ReLU and without biases; AdamW at 0.01 with betas 0.9 and 0.99, eps 1e-25 and no weight decay,
on the full batch. From each start three arms: PyTorch's loss in float32, lastlayer's in float32,
PyTorch's in float64. A run ends in a CSV file of its own, and is not repeated.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import time
from pathlib import Path

import numpy as np
import torch

import lastlayer.torch

PRIME, HIDDEN, EVERY = 113, 200, 10
RESULTS = Path(__file__).parent / "results" / "softmax-collapse"
PICTURE = Path(__file__).parents[1] / "docs" / "images" / "softmax_collapse.png"
ARMS = {
    "torch-float32": (torch.nn.functional.cross_entropy, torch.float32),
    "lastlayer-float32": (lastlayer.torch.cross_entropy, torch.float32),
    "torch-float64": (torch.nn.functional.cross_entropy, torch.float64),
}
COLUMNS = ("epoch", "loss", "exact_loss", "collapsed", "label_gradient", "train", "held_out")
Row = dict[str, float]


def pairs(seed: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """All pairs as two one-hots, their sums, and an order whose first 60 % train."""
    a, b = torch.meshgrid(torch.arange(PRIME), torch.arange(PRIME), indexing="ij")
    one_hot = torch.nn.functional.one_hot
    inputs = torch.cat([one_hot(a.flatten(), PRIME), one_hot(b.flatten(), PRIME)], dim=1)
    order = torch.randperm(PRIME**2, generator=torch.Generator().manual_seed(seed))
    return inputs, (a + b).flatten() % PRIME, order


def network(seed: int, dtype: torch.dtype) -> torch.nn.Sequential:
    """The same start for each dtype."""
    torch.manual_seed(seed)
    sizes = (2 * PRIME, HIDDEN, HIDDEN, PRIME)
    layers: list[torch.nn.Module] = []
    for n, m in itertools.pairwise(sizes):
        layers += [torch.nn.Linear(n, m, bias=False), torch.nn.ReLU()]
    return torch.nn.Sequential(*layers[:-1]).to(dtype)


def train(arm: str, seed: int, epochs: int) -> list[Row]:
    loss_of, dtype = ARMS[arm]
    inputs, labels, order = pairs(seed)
    inputs = inputs.to(dtype)
    cut = int(0.6 * len(order))
    (x, y), (x_held, y_held) = ((inputs[i], labels[i]) for i in (order[:cut], order[cut:]))
    model = network(seed, dtype)
    adam = torch.optim.AdamW(
        model.parameters(), lr=0.01, betas=(0.9, 0.99), eps=1e-25, weight_decay=0.0
    )
    rows = []
    for epoch in range(epochs + 1):
        logits = model(x)
        loss = loss_of(logits, y)
        if epoch % EVERY == 0:
            with torch.no_grad():
                held_out = (model(x_held).argmax(1) == y_held).double().mean().item()
            rows.append({"epoch": epoch, "held_out": held_out} | measured(logits, y, loss, loss_of))
        adam.zero_grad()
        loss.backward()
        adam.step()
    return rows


def measured(logits: torch.Tensor, y: torch.Tensor, loss: torch.Tensor, loss_of: object) -> Row:
    """What this step's logits lead to: by the arm's own loss, and in exact arithmetic."""
    leaf = logits.detach().requires_grad_()
    (gradient,) = torch.autograd.grad(loss_of(leaf, y), leaf)  # type: ignore[operator]
    exact = lastlayer.torch.cross_entropy(logits.detach().double(), y)
    total = (leaf - leaf.max(dim=1, keepdim=True).values).exp().sum(dim=1)
    return {
        "loss": loss.item(),
        "exact_loss": exact.item(),
        "collapsed": (total == 1).double().mean().item(),
        "label_gradient": gradient.gather(1, y[:, None]).norm().item(),
        "train": (logits.argmax(1) == y).double().mean().item(),
    }


def path_of(arm: str, seed: int) -> Path:
    return RESULTS / f"{arm}-seed{seed}.csv"


def write(path: Path, rows: list[Row]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(
            {k: f"{v:.6g}" if k != "epoch" else int(v) for k, v in row.items()} for row in rows
        )


def read(path: Path) -> dict[str, np.ndarray]:
    with path.open() as file:
        rows = list(csv.DictReader(file))
    return {name: np.array([float(row[name]) for row in rows]) for name in COLUMNS}


def draw() -> None:
    """Four panels over the epochs, a thin line a run."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    panels = {
        "loss": "training loss, as the arm computes it (nats)",
        "label_gradient": "norm of the labels' gradient ∂loss/∂z_y",
        "collapsed": "share of rows whose Σ exp(z − max z) rounds to 1",
        "held_out": "accuracy on the held-out 40 % of pairs",
    }
    colours = {"torch-float32": "C3", "lastlayer-float32": "C0", "torch-float64": "0.45"}
    figure, axes = plt.subplots(2, 2, figsize=(11, 7), sharex=True, layout="constrained")
    for axis, (name, title) in zip(axes.flat, panels.items(), strict=True):
        for arm, colour in colours.items():
            for number, path in enumerate(sorted(RESULTS.glob(f"{arm}-seed*.csv"))):
                run = read(path)
                value = np.where(run[name] > 0, run[name], np.nan) if axis in axes[0] else run[name]
                label = arm.replace("-", ", ").replace("torch", "PyTorch") if not number else None
                axis.plot(run["epoch"], value, color=colour, lw=1, alpha=0.8, label=label)
        axis.set_title(title, fontsize=10)
        axis.grid(alpha=0.3)
    for axis in axes[0]:
        axis.set_yscale("log")
    for axis in axes[1]:
        axis.set_xlabel("epoch")
    axes[0, 0].legend()
    PICTURE.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(PICTURE, dpi=110)


def table() -> None:
    """Each run's lowest and last losses, for the documents."""
    print("| arm, seed | epochs | lowest loss, at epoch | last loss | exact | rows collapsed |"
          " train | held out, best |")  # fmt: skip
    print("|---|---|---|---|---|---|---|---|")
    for path in sorted(RESULTS.glob("*.csv")):
        run = read(path)
        lowest = int(run["loss"].argmin())
        print(
            f"| {path.stem.replace('-seed', ', ')} | {run['epoch'][-1]:.0f} "
            f"| {run['loss'][lowest]:.2g}, {run['epoch'][lowest]:.0f} | {run['loss'][-1]:.2g} "
            f"| {run['exact_loss'][-1]:.2g} | {run['collapsed'][-1]:.1%} "
            f"| {run['train'][-1]:.1%} | {run['held_out'][-1]:.1%}, {run['held_out'].max():.1%} |"
        )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=3000)
    parser.add_argument("--double", type=int, default=1, help="seeds of the float64 arm")
    parser.add_argument("--double-epochs", type=int, default=3000)
    parser.add_argument("--draw", action="store_true", help="train nothing")
    asked = parser.parse_args()
    for seed in range(0 if asked.draw else asked.seeds):
        for arm in ARMS:
            double = arm == "torch-float64"
            path = path_of(arm, seed)
            if path.exists() or (double and seed >= asked.double):
                continue
            started = time.perf_counter()
            write(path, train(arm, seed, asked.double_epochs if double else asked.epochs))
            print(f"{path.name}: {time.perf_counter() - started:.0f} s", flush=True)
    draw()
    table()


if __name__ == "__main__":
    main()
