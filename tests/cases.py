"""One table of cases that every front-end is tested on: name → (logits, labels, options).

Logits are float64 here; a test casts them to the dtype it is about, and the exact result is
computed from what the cast left.
"""

from __future__ import annotations

from typing import Any

import numpy as np

INF = float("inf")


def _rows(seed: int, rows: int, classes: int, spread: float) -> tuple[Any, Any]:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(rows, classes)) * spread, rng.integers(0, classes, rows)


def _soft(seed: int, rows: int, classes: int) -> Any:
    return np.random.default_rng(seed).dirichlet(np.full(classes, 0.5), rows).astype(np.float32)


def _one_hot(labels: Any, classes: int) -> Any:
    return np.eye(classes, dtype=np.float32)[labels]


def _masked_blocks() -> Any:
    logits = np.random.default_rng(5).normal(size=(3, 5000)) * 2
    logits[:, :2500] = -INF  # the whole of the first block that a kernel sums, and more
    logits[1, 4000:] = -INF
    return logits


def _leads(classes: int) -> Any:
    """Rows with R from 1e-3 down to 1e-30 behind a soft-cap of 90."""
    logits = np.random.default_rng(6).normal(size=(9, classes))
    logits[:, 0] = 90 * np.arctanh(np.linspace(7, 70, 9) / 90)
    return logits


def _far(classes: int) -> Any:
    """Rows whose maximum is 1, 7.9, 8.1, 17, 39 and 41 times a soft-cap of 2, of either sign."""
    tops = 2 * np.array([1, 7.9, 8.1, 17, 39, 41])
    steps = np.random.default_rng(7).uniform(0, 6, (12, classes))
    steps[:, 1] = 0
    return np.concatenate([tops, -tops])[:, None] - steps


CASES: dict[str, tuple[Any, Any, dict[str, Any]]] = {
    "the tutorial's batch, in hartleys": (
        np.log([[0.5, 0.2, 0.3], [0.8, 0.1, 0.1]]), [0, 0], {"base": 10.0},
    ),
    "a confident row": ([[20.0, 0.0, 1.0, 2.0]], [0], {}),
    "a confident row, one-hot": ([[20.0, 0.0, 1.0, 2.0]], _one_hot([0], 4), {}),
    "a confident row, scored as wrong": ([[20.0, 0.0, 1.0, 2.0]], [2], {}),
    "a lead of 80": ([[80.0, 0.0, -1.0], [-80.0, 0.0, -2.0]], [0, 1], {}),
    "a lead of 80 in many classes": (np.eye(1, 300) * 80, [0], {}),
    "an offset of 1e4": (1e4 + np.array([[3.0, 1.0, -2.0], [0.0, 5.0, 1.0]]), [0, 2], {}),
    "an offset of -1e4": (-1e4 + np.array([[3.0, 1.0, -2.0], [0.0, 5.0, 1.0]]), [0, 2], {}),
    "an offset of 1e8, a tie": (np.full((2, 4), 1e8), [0, 3], {}),
    "ties at the top": ([[7.0, 7.0, 7.0, -3.0], [7.0, 7.0, 7.0, -3.0]], [1, 3], {}),
    "ties, soft": ([[7.0, 7.0, 7.0, -3.0]], np.float32([[0.5, 0.25, 0.25, 0.0]]), {}),
    "one class": ([[3.5], [-2.0]], [0, 0], {}),
    "two classes": ([[3.5, -1.0], [-2.0, 40.0]], [0, 0], {}),
    "ten classes": (*_rows(1, 130, 10, 3.0), {}),
    "a hundred and twelve classes": (*_rows(2, 70, 112, 5.0), {}),
    "a hundred and thirteen classes": (*_rows(3, 5, 113, 5.0), {}),
    "a hundred and sixty classes": (*_rows(4, 20, 160, 5.0), {}),
    "a hundred and sixty-one classes": (*_rows(4, 5, 161, 5.0), {}),
    "a thousand classes": (*_rows(4, 4, 1000, 8.0), {}),
    "several blocks of classes": (*_rows(5, 3, 5000, 4.0), {}),
    "rising maxima across blocks": (np.linspace(-30, 30, 9000)[None], [8999], {}),
    "falling maxima across blocks": (np.linspace(30, -30, 9000)[None], [0], {}),
    "masked classes": ([[1.0, -INF, 2.0, -INF], [-INF, -INF, 0.0, 1.0]], [0, 2], {}),
    "masked blocks": (_masked_blocks(), [2600, 3000, 4999], {}),
    "all but the label masked": ([[-INF, 4.0, -INF]], [1], {}),
    "gradients below the normal numbers": ([[0.0, -95.0, -100.0, -103.0]], [0], {}),
    "soft targets": (_rows(6, 9, 7, 3.0)[0], _soft(6, 9, 7), {}),
    "soft targets, many classes": (_rows(7, 3, 3000, 3.0)[0], _soft(7, 3, 3000), {}),
    "one-hot, many classes": (_rows(8, 3, 300, 9.0)[0], _one_hot([0, 7, 299], 300), {}),
    "label smoothing": (*_rows(9, 6, 5, 4.0), {"label_smoothing": 0.1}),
    "label smoothing, many classes": (*_rows(10, 3, 2500, 4.0), {"label_smoothing": 0.1}),
    "all smoothing": (*_rows(11, 4, 6, 2.0), {"label_smoothing": 1.0}),
    "class weights": (*_rows(12, 5, 4, 3.0), {"class_weight": [0.5, 2.0, 0.0, 1.5]}),
    "sample weights": (*_rows(13, 4, 5, 3.0), {"sample_weight": [0.5, 0.0, 2.0, 7.0]}),
    "z-loss": (*_rows(14, 5, 6, 3.0), {"z_loss": 1e-2}),
    "z-loss, many classes": (*_rows(15, 3, 200, 3.0), {"z_loss": 1e-4}),
    "soft-cap": (*_rows(16, 5, 6, 20.0), {"softcap": 15.0}),
    "soft-cap, many classes": (*_rows(17, 3, 300, 40.0), {"softcap": 30.0}),
    "a wide soft-cap": (*_rows(26, 4, 6, 60.0), {"softcap": 100.0}),
    "a wide soft-cap, many classes": (*_rows(27, 3, 200, 600.0), {"softcap": 1000.0}),
    "soft-cap at a low temperature": (
        *_rows(28, 4, 6, 10.0), {"softcap": 15.0, "temperature": 0.1},
    ),
    "classes of weight 0 that are masked": (
        [[1.0, -INF, 2.0], [0.5, -INF, 9.0]], [0, 1], {"class_weight": [1.0, 0.0, 2.0]},
    ),
    "masked classes under smoothing, of weight 0": (
        [[1.0, -INF, 2.0], [0.5, -INF, 9.0]], [0, 2],
        {"class_weight": [1.0, 0.0, 2.0], "label_smoothing": 0.1},
    ),
    "soft-cap over masked classes": (
        [[1.0, -INF, 25.0], [-INF, 3.0, -40.0]], [0, 2], {"softcap": 15.0, "temperature": 3.0},
    ),
    "confident rows under a soft-cap": (_leads(220), [0] * 9, {"softcap": 90.0}),
    "confident rows under a soft-cap, scored as wrong": (_leads(220), [3] * 9, {"softcap": 90.0}),
    "confident rows of few classes under a soft-cap": (_leads(5), [0] * 9, {"softcap": 90.0}),
    "soft-cap at a low temperature, many classes": (
        *_rows(29, 5, 400, 10.0), {"softcap": 15.0, "temperature": 0.1},
    ),
    "logits far beyond a soft-cap": (_far(5), [0, 1, 2, 3, 4, 1] * 2, {"softcap": 2.0}),
    "logits far beyond a soft-cap, many classes": (
        _far(220), [0, 1, 2, 3, 4, 219] * 2, {"softcap": 2.0},
    ),
    "ties under a soft-cap": (
        np.tile([900.0, 901.0, 901.0, -3.0], (2, 25)), [0, 99], {"softcap": 20.0},
    ),
    "a soft-cap over blocks whose maxima rise": (
        np.linspace(-40, 40, 3000)[None], [2990], {"softcap": 30.0},
    ),
    "soft-cap over masked blocks": (_masked_blocks(), [2600, 3000, 4999], {"softcap": 5.0}),
    "soft targets over masked classes under a soft-cap": (
        np.tile([1.0, -INF, 2.0, 9.0], (2, 55)),
        np.tile(np.float32([0.02, 0.0, 0.01, 0.003]), (2, 55)),
        {"softcap": 5.0, "class_weight": np.linspace(0.2, 2.0, 220)},  # a kernel less to compile
    ),
    "a very wide soft-cap at an offset": (
        1e4 + _rows(31, 4, 9, 5.0)[0], [0, 1, 2, 3], {"softcap": 3e5},
    ),
    "a very wide soft-cap at an offset, many classes": (
        1e4 + _rows(32, 4, 220, 5.0)[0], [0, 1, 2, 3], {"softcap": 3e5},
    ),
    "a distance of 82 under a soft-cap": ([[64.84996, -42.39599]], [0], {"softcap": 57.4}),
    "both ends of a soft-cap": ([[51.907383, -33.402184]], [0], {"softcap": 33.9}),
    "an offset of 6e6 temperatures under a soft-cap": (
        6e5 + _rows(33, 4, 9, 1.0)[0], [0, 1, 2, 3], {"softcap": 1e6, "temperature": 0.1},
    ),
    "an offset of 6e6 temperatures under a soft-cap, many classes": (
        6e5 + _rows(34, 4, 220, 1.0)[0], [0, 1, 2, 3], {"softcap": 1e6, "temperature": 0.1},
    ),
    "smoothing under a soft-cap": (
        *_rows(30, 3, 220, 9.0), {"softcap": 12.0, "label_smoothing": 0.1},
    ),
    "a gap of 85 at a temperature": ([[255.25, 0.3, -7.0]], [0], {"temperature": 3.0}),
    "a low temperature": (*_rows(18, 5, 6, 3.0), {"temperature": 0.25}),
    "a high temperature at an offset": (
        1e4 + _rows(19, 5, 6, 3.0)[0], [1] * 5, {"temperature": 7.0},
    ),
    "bits": (*_rows(20, 5, 6, 3.0), {"base": 2.0}),
    "everything at once": (
        *_rows(21, 6, 8, 6.0),
        {
            "class_weight": np.linspace(0.2, 2.0, 8), "sample_weight": np.linspace(0.1, 3.0, 6),
            "label_smoothing": 0.05, "z_loss": 1e-3, "softcap": 20.0, "temperature": 1.7,
            "base": 2.0,
        },
    ),
    "everything at once, soft, many classes": (
        _rows(22, 3, 130, 6.0)[0], _soft(22, 3, 130),
        {
            "class_weight": np.linspace(0.2, 2.0, 130), "sample_weight": [0.4, 1.0, 2.0],
            "label_smoothing": 0.05, "z_loss": 1e-3, "softcap": 20.0, "temperature": 1.7,
            "base": 10.0,
        },
    ),
}  # fmt: skip
