"""AlexNet at its real size: where its loss begins, and a batch of 16 images learnt by heart.

    python benchmarks/alexnet_by_heart.py

Sixteen random images, 3 x 227 x 227, of patches of colour, with sixteen of a thousand classes.
There is nothing to learn in them but each one of them.
"""

from __future__ import annotations

import argparse
import math
import time

import numpy as np

import lastlayer as ll
from lastlayer.learning.alexnet import alexnet
from lastlayer.learning.torch_learner import TorchLearner


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--rate", type=float, default=1e-4)
    options = parser.parse_args()
    generator = np.random.default_rng(0)
    patches = generator.normal(size=(16, 3, 8, 8)).repeat(29, axis=2).repeat(29, axis=3)
    images = patches[:, :, :227, :227].astype(np.float32)
    labels = generator.choice(1000, size=16, replace=False)
    learner = TorchLearner(alexnet(seed=0), "cross-entropy", "adam", options.rate, 0.0, seed=0)
    start = time.perf_counter()
    learner.begin(1)
    print("| step | loss, with dropout | loss | right | seconds |\n|---|---|---|---|---|")
    for step in range(options.steps + 1):
        loss, _ = learner.step(images, labels)
        if step == 0:
            print(f"ln 1000 = {math.log(1000):.4f}, and the first batch's loss {loss:.4f}")
        if step % 10 == 0 or step == options.steps:
            logits = learner.logits(images)
            exact = ll.cross_entropy(logits, labels)
            right = int((logits.argmax(1) == labels).sum())
            seconds = time.perf_counter() - start
            print(f"| {step + 1} | {loss:.4f} | {exact:.4f} | {right} of 16 | {seconds:.0f} |")


if __name__ == "__main__":
    main()
