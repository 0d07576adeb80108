"""The README's table of speeds, from the results of `lastlayer bench`.

python benchmarks/readme_table.py benchmarks/results/xeon-avx512-2-threads/bench.json
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

COLUMNS = {
    "lastlayer": "lastlayer", "lastlayer-out": "lastlayer, out=",
    "lastlayer-torch": "lastlayer.torch",
    "torch-compile": "torch.compile", "jax": "JAX jit", "torch": "PyTorch eager", "scipy": "SciPy",
}  # fmt: skip
TASKS = {"loss": "loss", "gradient": "loss and gradient"}


def cell(found: dict[str, Any] | None) -> str:
    """GB of logits a second, and the peak memory as a multiple of the logits."""
    if found is None:
        return "–"
    speed = f"{found['gigabytes_per_second']:.3g}"
    peak = found["peak_of_logits"]
    return speed if peak is None else f"{speed} ({abs(peak):.1f} ×)"


def main(path: str) -> None:
    report = json.loads(Path(path).read_text())
    present = {c["name"] for case in report["cases"] for c in case["contestants"]}
    columns = {name: title for name, title in COLUMNS.items() if name in present}
    print("| logits | |", " | ".join(columns.values()), "| limit |")
    print("|---|---|", "---:|" * (len(columns) + 1), sep="")
    for case in report["cases"]:
        if case.get("suite", "headline") != "headline":  # older results have none
            continue
        by_name = {c["name"]: c for c in case["contestants"]}
        cells = [
            f"{case['rows']}×{case['classes']}",
            TASKS[case["task"]],
            *(cell(by_name.get(name)) for name in columns),
            f"{by_name[case['limit']]['gigabytes_per_second']:.3g}",
        ]
        print("|", " | ".join(cells), "|")


if __name__ == "__main__":
    main(sys.argv[1])
