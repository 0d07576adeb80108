"""Which settings of torch.compile and of XLA are the fastest on this CPU: what `bench` then uses.

python benchmarks/peer_settings.py torch 65536x1000
python benchmarks/peer_settings.py jax 65536x1000
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

# By name: what torch.compile is given.
TORCH: dict[str, dict[str, Any]] = {
    "default": {},
    "max-autotune-no-cudagraphs": {"mode": "max-autotune-no-cudagraphs"},
    "cpp.simdlen 512": {"options": {"cpp.simdlen": 512}},
    "cpp.simdlen 256": {"options": {"cpp.simdlen": 256}},
    "no online softmax": {"options": {"online_softmax": False}},
    "cpp unsafe math": {"options": {"cpp.enable_unsafe_math_opt_flag": True}},
}
XLA = {
    "default": "",
    "vectors of 512 bits": "--xla_cpu_prefer_vector_width=512",
    "fast math": "--xla_cpu_enable_fast_math=true",
    "no fusion emitters": "--xla_cpu_use_fusion_emitters=false",
}


def milliseconds(call: Callable[[], Any]) -> str:
    """The median of twelve calls, each after another that isn't timed."""
    times = []
    call()
    for _ in range(12):
        call()
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return f"{statistics.median(times) * 1e3:8.2f} ms"


def torch_settings(rows: int, classes: int) -> None:
    import torch

    torch.manual_seed(0)
    x, y = torch.randn(rows, classes) * 3, torch.randint(classes, (rows,))
    leaf = x.clone().requires_grad_(True)
    for name, settings in TORCH.items():
        torch._dynamo.reset()
        function = torch.compile(
            torch.nn.functional.cross_entropy, fullgraph=True, dynamic=False, **settings
        )

        def loss(function: Any = function) -> None:
            with torch.no_grad():
                function(x, y)

        def gradient(function: Any = function) -> None:
            leaf.grad = None
            function(leaf, y).backward()

        print(f"{name:30s} loss {milliseconds(loss)}   gradient {milliseconds(gradient)}")


def xla_settings(rows: int, classes: int) -> None:
    """Each in a process of its own: XLA reads its flags once."""
    for name, flags in XLA.items():
        environment = {**os.environ, "XLA_FLAGS": flags}
        words = [sys.executable, __file__, "jax-once", f"{rows}x{classes}"]
        run = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
        print(f"{name:30s} {run.stdout.strip() or run.stderr.strip().splitlines()[-1]}")


def jax_once(rows: int, classes: int) -> None:
    import jax
    import jax.numpy as jnp
    import numpy as np

    generator = np.random.default_rng(0)
    x = jnp.asarray(generator.standard_normal((rows, classes), np.float32) * 3)
    y = jnp.asarray(generator.integers(classes, size=rows, dtype=np.int32))

    def mean_loss(x: Any, y: Any) -> Any:
        picked = jnp.take_along_axis(x, y[:, None], axis=1)[:, 0]
        return (jax.nn.logsumexp(x, axis=1) - picked).mean()

    loss, gradient = jax.jit(mean_loss), jax.jit(jax.value_and_grad(mean_loss))
    print(
        f"loss {milliseconds(lambda: jax.block_until_ready(loss(x, y)))}   "
        f"gradient {milliseconds(lambda: jax.block_until_ready(gradient(x, y)))}"
    )


if __name__ == "__main__":
    library, shape = sys.argv[1:]
    rows, classes = (int(word) for word in shape.split("x"))
    {"torch": torch_settings, "jax": xla_settings, "jax-once": jax_once}[library](rows, classes)
