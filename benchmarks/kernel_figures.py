"""The pictures of docs/kernels.md.

    python benchmarks/kernel_figures.py [kernels.json]

The error of exp is computed here, for every float32 number; the passes are drawn; the speeds are
those of `kernel_speeds.py`. Takes half a minute.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba
import numpy as np

from lastlayer.bench.figure import COLOURS, FAINT, INK, as_bytes, canvas, style
from lastlayer.kernels import vecmath
from lastlayer.kernels.jit import EXACT
from lastlayer.kernels.memory import lane_count, load, pointer, store
from lastlayer.kernels.vecmath import LIFT, exp_scaled

ROOT = Path(__file__).parents[1]
IMAGES = ROOT / "docs" / "images"
SPEEDS = ROOT / "benchmarks" / "results" / "xeon-avx512-2-threads" / "kernels.json"
BLUE, SKY, RED = COLOURS["lastlayer"], COLOURS["lastlayer-out"], COLOURS["limit"]
GREEN, ORANGE = COLOURS["jax"], COLOURS["torch"]
LN2 = float(np.log(2))
CHUNK = 1 << 22

# --------------------------------------------------------------------------- the error of exp


@numba.njit(error_model="numpy", fastmath=EXACT)
def exps(source: int, target: int, count: int, like: Any) -> None:
    """What the kernels add up, for `count` numbers, a whole number of vectors."""
    x, y = pointer(source, like), pointer(target, like)
    for j in range(0, count, lane_count(like)):
        store(y, j, exp_scaled(load(x, j, like), None))


def lifted_exp(d: np.ndarray) -> np.ndarray:
    """exp_scaled of the kernels: 2^64 exp(d), in float64 2^512 exp(d)."""
    space = np.zeros(d.size + 16, d.dtype)
    space[: d.size] = d
    result = np.empty_like(space)
    exps(space.ctypes.data, result.ctypes.data, -(-d.size // 16) * 16, d.dtype.type(0))
    return result[: d.size]


def errors(d: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(relative error, error in units in the last place) of exp, signed.

    Held against exp in float64, or for float64 in the longer double of x86.
    """
    wide = np.float64 if d.dtype == np.float32 else np.longdouble
    kind = numba.float32 if d.dtype == np.float32 else numba.float64
    exact = np.exp(d.astype(wide))
    relative = np.ldexp(lifted_exp(d).astype(wide), -LIFT[kind]) / exact - 1
    fraction, _ = np.frexp(exact)  # in [½, 1): an ulp of it is eps / 2
    return relative, relative * fraction * (2 / np.finfo(d.dtype).eps)


def negative_singles(first: float, last: float) -> Any:
    """Every float32 number from −first to −last, some at a time."""
    lo, hi = (int(np.float32(size).view(np.int32)) for size in (first, last))
    for start in range(lo, hi, CHUNK):
        yield -np.arange(start, min(start + CHUNK, hi), dtype=np.int32).view(np.float32)


def largest(chunks: Any, edges: np.ndarray, pick: Callable[[Any], np.ndarray]) -> np.ndarray:
    """The largest of what is picked between one edge and the next, of −d that ascends."""
    found = np.zeros(edges.size - 1)
    for d in chunks:
        value = np.abs(pick(errors(d))).astype(np.float64)
        place = np.searchsorted(edges, -d.astype(np.float64), side="right") - 1
        starts = np.flatnonzero(np.diff(place, prepend=-1))
        best = np.maximum.reduceat(value, starts)
        np.maximum.at(found, np.clip(place[starts], 0, found.size - 1), best)
    return found


def polynomial_alone(r: np.ndarray) -> np.ndarray:
    """The relative error of 1 + r + r² Q(r), its coefficients in float32, in exact arithmetic."""
    r = r.astype(np.longdouble)
    q = np.zeros_like(r)
    for power in (4, 3, 2, 1, 0):
        q = q * r + np.longdouble(np.float32(getattr(vecmath, f"_Q{power}_32")))
    return (1 + r + r * r * q) / np.exp(r) - 1


def draw_exp() -> bytes:
    edges_32, edges_64 = np.linspace(0, 104, 417), np.linspace(0, 745, 373)
    single = largest(negative_singles(2.0**-26, 104), edges_32, lambda e: e[1])
    rng = np.random.default_rng(0)
    tries = [-np.sort(rng.uniform(0, 745, 1 << 20)) for _ in range(8)]
    double = largest(tries, edges_64, lambda e: e[1])
    near = single[: int(np.searchsorted(edges_32, 14))].max()  # exp(−14) is 8e-7
    print(f"exp in float32: at most {single.max():.3f} ulp, {near:.3f} down to −14")
    print(f"exp in float64: at most {double.max():.3f} ulp")

    period = np.concatenate(list(negative_singles(LN2 / 2, 3 * LN2 / 2)))[::-1]
    relative = errors(period)[0]
    n = np.rint(period.astype(np.float64) / LN2)
    r = period.astype(np.float64) - n * LN2
    cut = np.linspace(-LN2 / 2, LN2 / 2, 401)
    place = np.clip(np.searchsorted(cut, r, side="right") - 1, 0, 399)
    order = np.argsort(place, kind="stable")
    starts = np.searchsorted(place[order], np.arange(400))
    high = np.maximum.reduceat(relative[order], starts)
    low = np.minimum.reduceat(relative[order], starts)
    fine = np.linspace(-LN2 / 2, LN2 / 2, 4001)
    alone = polynomial_alone(fine)
    print(f"relative: at most {np.abs(relative).max():.3e}, polynomial {np.abs(alone).max():.3e}")

    deep = np.linspace(0, 104, 200_001).astype(np.float32)[1:] * np.float32(-1)
    exact = np.exp(deep.astype(np.float64))
    unlifted = np.abs(exact.astype(np.float32).astype(np.float64) / exact - 1)
    ours = np.abs(errors(deep)[0])
    bins = np.arange(0, deep.size, 500)
    middle = -deep[np.minimum(bins + 250, deep.size - 1)]

    with style():
        figure = canvas(5.3)
        (a, b), (c, d) = figure.subplots(2, 2)
        figure.subplots_adjust(0.06, 0.088, 0.975, 0.945, wspace=0.17, hspace=0.42)
        for axes, edges, found, most, name in (
            (a, edges_32, single, 6.0, "float32, every number: largest error, ulp"),
            (b, edges_64, double, 1.2, "float64, 8 million numbers: largest error, ulp"),
        ):
            axes.stairs(found, -edges, color=BLUE, lw=1, baseline=None)
            axes.axhline(0.5, color=RED, lw=1, ls=(0, (4, 2)))
            axes.text(-edges[-1] * 0.99, 0.5 + most * 0.015, "0.5: the exact result, rounded",
                      color=RED, size=7.5, va="bottom")  # fmt: skip
            axes.set_ylim(0, most)
            axes.set_xlim(-edges[-1], 0)
            titled(axes, name, "d")
        a.text(-58, 4.2, "ln 2 in float32 is off by 1.9e-9;\nn of them are subtracted", size=7.5,
               color=BLUE)  # fmt: skip
        c.fill_between((cut[1:] + cut[:-1]) / 2, low * 1e8, high * 1e8, color=SKY, alpha=0.55, lw=0)
        c.plot(fine, alone * 1e8, color=INK, lw=1.2)
        c.text(0.02, 0.6, "the polynomial alone", size=7.5, ha="center")
        c.text(0, 8.2, "with all roundings: every float32 number of the period", size=7.5,
               color=BLUE, ha="center", va="center")  # fmt: skip
        c.set_ylim(-9.5, 9.5)
        c.set_yticks([-5, 0, 5])
        c.set_xlim(-LN2 / 2, LN2 / 2)
        c.set_xticks([-LN2 / 2, 0, LN2 / 2], ["−½ ln 2", "0", "½ ln 2"])
        titled(c, "float32: one period of 2ⁿ, relative error · 10⁸", "r = d − n ln 2")
        d.plot(-middle, np.maximum.reduceat(unlifted, bins), color=ORANGE, lw=1.2)
        d.plot(-middle, np.maximum.reduceat(ours, bins), color=BLUE, lw=1.2)
        d.text(-70, 5e-7, "2⁶⁴ exp(d)", color=BLUE, size=7.5)
        d.text(-85, 1.5e-4, "exp(d) itself, rounded to float32:\nsubnormal below −87.3",
               color="#9A6A00", size=7.5)  # fmt: skip
        d.set_yscale("log")
        d.set_xlim(-104, 0)
        d.set_ylim(1e-8, 2)
        d.minorticks_off()
        titled(d, "float32: what lifting by 2⁶⁴ keeps, relative error", "d")
        return as_bytes(figure, "png")


def titled(axes: Any, title: str, below: str) -> None:
    axes.set_title(title, size=9, weight="bold", loc="left")
    axes.set_xlabel(below, size=8, labelpad=1)
    axes.tick_params(length=2, labelsize=7.5, labelcolor=FAINT)
    axes.grid(color="#EAEAEA", lw=0.6)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


# --------------------------------------------------------------------------- the passes


def draw_passes() -> bytes:
    with style():
        figure = canvas(4.6)
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set_xlim(0, 90)
        axes.set_ylim(0, 46)
        axes.axis("off")
        for x, name, about in (
            (3, "memory", "read at 28 to 32 GB/s"),
            (39, "L2", "2 MB a core: a row, or some"),
            (56, "L1", "a block: 512 logits, 2 kB"),
            (74, "registers", "vectors of 16, four side by side"),
        ):
            axes.text(x, 44, name, size=10, weight="bold", va="center")
            axes.text(x, 42.1, about, size=7, color=FAINT, va="center")
        sums(axes)
        result(axes)
        return as_bytes(figure, "png")


def sums(axes: Any) -> None:
    """The loss: one pass over memory, two over each block."""
    axes.text(3, 38.6, "The loss: 4 bytes a logit", size=9, weight="bold", color=BLUE)
    row(axes, 3, 31, 12, done=4, now=4, asked=(6, 7))
    axes.text(3, 29.2, "a row of logits, float32", size=7.5, color=FAINT, va="top")
    axes.annotate("", (19.3, 34.9), (14.1, 34.9), arrowprops=arrow(GREEN, 1.2, "arc3,rad=-0.4"))
    axes.text(20.3, 36.2, "asked for 2 KB ahead", size=7.5, color=GREEN, va="center")
    point(axes, (29.4, 32.5), (55.6, 32.5), BLUE)
    axes.text(42.5, 33.3, "read once: 4 B", size=8, color=BLUE, ha="center", va="bottom")
    box(axes, 56, 27.5, 10, 10, "block", BLUE)
    point(axes, (66.4, 35.5), (73.6, 35.5), INK)
    point(axes, (66.4, 29.5), (73.6, 29.5), INK)
    box(axes, 74, 33.3, 14, 4.4, "1  maximum", INK)
    box(axes, 74, 27.3, 14, 4.4, "2  exp and sum", INK)
    point(axes, (81, 26.9), (81, 24.3), INK)
    box(axes, 66, 19.8, 22, 4.2, "m, R, ties of the row: float64", GREEN)
    axes.text(65, 21.9, "merged once a block", size=7.5, color=FAINT, va="center", ha="right")


def result(axes: Any) -> None:
    """The gradient: the row once more, from the cache, and one pass of writing."""
    axes.text(3, 17.2, "The gradient: 4 bytes more, written", size=9, weight="bold", color=RED)
    row(axes, 3, 4.6, 12, done=-1, now=5, asked=(), colour=RED, filled=5)
    axes.text(3, 2.9, "the gradient of the row", size=7.5, color=FAINT, va="top")
    point(axes, (44, 31.6), (44, 14.4), BLUE)
    axes.text(43, 22.5, "and stays", size=8, color=BLUE, ha="right", va="center")
    box(axes, 39, 9.7, 10, 4.4, "the row", BLUE)
    point(axes, (49.4, 11.9), (73.6, 11.9), BLUE)
    axes.text(61.5, 12.6, "its exponentials, kept in the cache", size=8, color=BLUE, ha="center")
    box(axes, 74, 9.7, 14, 4.4, "3  exp · factor", INK)
    axes.plot([81, 81], [9.5, 6.1], color=RED, lw=1.8, solid_capstyle="butt")
    point(axes, (81, 6.1), (29.6, 6.1), RED)
    axes.text(55, 5.3, "written past the caches: 4 B, where it is large and lies apart",
              size=8, color=RED, ha="center", va="top")  # fmt: skip


def row(axes: Any, x: float, y: float, parts: int, done: int, now: int, asked: tuple[int, ...],
        colour: str = BLUE, filled: int = 0) -> None:  # fmt: skip
    from matplotlib.patches import Rectangle

    for k in range(parts):
        face = "white"
        if k == now:
            face = colour
        elif k < done or k < filled:
            face = "#D6D6D6"
        elif k in asked:
            face = "#BFE5D9"
        axes.add_patch(Rectangle((x + 2.2 * k, y), 2.2, 3, facecolor=face, edgecolor="#888888",
                                 lw=0.7))  # fmt: skip


def box(axes: Any, x: float, y: float, width: float, height: float, text: str, colour: str) -> None:
    from matplotlib.patches import FancyBboxPatch

    axes.add_patch(FancyBboxPatch((x + 0.3, y + 0.3), width - 0.6, height - 0.6, facecolor="white",
                                  boxstyle="round,pad=0.3", edgecolor=colour, lw=1.2))  # fmt: skip
    axes.text(x + width / 2, y + height / 2, text, size=8, ha="center", va="center")


def arrow(colour: str, width: float, line: str = "arc3") -> dict[str, Any]:
    return {"arrowstyle": "-|>", "color": colour, "lw": width, "shrinkA": 0, "shrinkB": 0,
            "connectionstyle": line}  # fmt: skip


def point(axes: Any, start: tuple[float, float], end: tuple[float, float], colour: str) -> None:
    axes.annotate("", end, start, arrowprops=arrow(colour, 1.8 if colour != INK else 1.2))


# --------------------------------------------------------------------------- the roofline


def draw_roofline(speeds: dict[str, Any]) -> bytes:
    ceilings, kernels, per = speeds["ceilings"], speeds["kernels"], speeds["instructions"]
    loss = per["maximum"] + per["sum"]
    gradient = loss + per["gradient"]
    in_turn = 1 / (1 / ceilings["read"] + 1 / ceilings["write past the caches"])
    copying = ceilings["np.copyto, 400 MB a thread"]
    left, right = 8.0, 64.0
    print(f"instructions a vector: loss {loss:g}, gradient {gradient:g}; in turn {in_turn:.1f}")
    for name, count in (("loss", loss), ("gradient", gradient)):
        print(f"arithmetic of the {name}: {ceilings['arithmetic'] * 64 / count:.1f} GB/s")
    with style():
        figure = canvas(4.4)
        axes = figure.add_axes((0.065, 0.105, 0.92, 0.82))
        axes.set_xscale("log")
        axes.set_yscale("log")
        x = np.array([left, right])
        top = ceilings["arithmetic"] * 64
        axes.plot(x, top / x, color=INK, lw=1.6)
        axes.text(
            9.75, top / 9.3, f"arithmetic: {ceilings['arithmetic']:.1f} vector instructions a ns",
            va="center", size=8,
        )  # fmt: skip
        for speed, name, colour, side in (
            (ceilings["read"], "reading", GREEN, "bottom"),
            (copying, "copying past the caches, 400 MB a thread", RED, "bottom"),
            (in_turn, "reading, and writing past the caches after it", RED, "top"),
            (ceilings["np.copyto"], "np.copyto", RED, "top"),
        ):
            axes.axhline(speed, color=colour, lw=1.2, ls=(0, (4, 2)))
            place = speed * (1.02 if side == "bottom" else 0.975)
            axes.text(left * 2, place, f"{name}: {speed:.1f}", size=8, color=colour, va=side)
        for count, speed, name, side, colour in (
            (loss, kernels["loss, cache"], "loss, from a cache", 1, SKY),
            (loss, kernels["loss"], "loss", 1, BLUE),
            (gradient, kernels["gradient in place"], "gradient in place", 1, BLUE),
            (gradient, kernels["gradient"], "gradient", 1, BLUE),
        ):
            axes.plot(count, speed, "o", color=colour, ms=6, zorder=4)
            axes.annotate(
                f"{name}: {speed:.1f}", (count, speed), (8 * side, -0.5),
                textcoords="offset points", va="center", ha="left" if side > 0 else "right",
                size=8, weight="bold" if colour == BLUE else "normal", zorder=3,
            )  # fmt: skip
        axes.set_xlim(left, right)
        axes.set_ylim(9, 100)
        ticks = [8, loss, gradient, 64]
        axes.set_xticks(ticks, [f"{t:g}" for t in ticks])
        axes.set_yticks([10, 20, 40, 80], ["10", "20", "40", "80"])
        axes.minorticks_off()
        rows, classes = speeds["logits"]
        title = f"GB of logits a second, {rows}×{classes} float32, {speeds['threads']} threads"
        titled(axes, title, "vector instructions of arithmetic for 16 logits")
        return as_bytes(figure, "png")


if __name__ == "__main__":
    given = Path(sys.argv[1]) if len(sys.argv) > 1 else SPEEDS
    pictures = {
        "kernels-passes.png": draw_passes(),
        "kernels-roofline.png": draw_roofline(json.loads(given.read_text())),
        "kernels-exp.png": draw_exp(),
    }
    for name, data in pictures.items():
        (IMAGES / name).write_bytes(data)
        print(f"{name}: {len(data) // 1000} kB")
