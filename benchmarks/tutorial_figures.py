"""The pictures of docs/tutorial.md, and with Chinese words those of docs/tutorial.zh-CN.md.

    python benchmarks/tutorial_figures.py [FOLDER]

Draws both sets into docs/images, or FOLDER, in some ten seconds. The Chinese one needs a font with
Chinese letters, such as Noto Sans CJK. The numbers are those of the tutorial's code.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.patches import FancyArrowPatch, Rectangle

import lastlayer as ll
from lastlayer.files import write_whole
from lastlayer.learning.compare.charts import chart
from lastlayer.learning.compare.fonts import chinese_font
from lastlayer.learning.compare.neuron import compare_neuron
from lastlayer.learning.compare.neuron_story import neuron_panels
from lastlayer.learning.datasets import load
from lastlayer.learning.figures import BLUE, FAINT, GREY, INK, VERMILLION
from lastlayer.learning.network import Network, build
from lastlayer.learning.parts import Parts, split

SPACED = partial(ConstrainedLayoutEngine, w_pad=0.12, h_pad=0.1)
IMAGES = Path(__file__).parents[1] / "docs" / "images"
MOST = 150_000  # bytes of a picture
Words = Mapping[str, str]

EN = {
    "features": "features", "nodes": "output nodes:\nlogits", "softmax": "softmax:\nprobabilities",
    "label": "label", "loss": "loss", "from": "from the\nlayer before",
    "logits": "logits  z", "exponentials": "exp(z − max z)",
    "probabilities": "divided by their sum",
    "class": "class", "q1": "prediction q₁", "q2": "prediction q₂",
    "hartleys": "−log₁₀ q  (hartleys)",
    "curve": "what q of the right class costs",
    "beliefs": "predictions q,  m × n", "column": "losses,  m × 1", "mean": "mean",
    "taken": "−log₁₀ of the\nright class", "example": "example", "belief": "prediction  p",
    "truth": "label  t", "gradient": "gradient  p − t", "after": "after one step",
    "neuron": "One neuron that is to turn 1 into 0", "image": "image",
    "scale": "a held-out 3,\n8 × 8 pixels",
    "conv1": "first convolution and ReLU: 8 images, 8 × 8",
    "conv2": "pooling, second convolution and ReLU: 16 images, 4 × 4",
    "dense": "pooling, dense layer and ReLU: 120 features",
    "out": "last layer: 10 logits", "p": "softmax",
}  # fmt: skip
ZH = {
    "features": "特征", "nodes": "输出节点：\nlogits", "softmax": "softmax：\n概率",
    "label": "标签", "loss": "损失", "from": "来自前一层",
    "logits": "logits  z", "exponentials": "exp(z − max z)", "probabilities": "除以总和",
    "class": "类别", "q1": "预测 q₁", "q2": "预测 q₂", "hartleys": "−log₁₀ q（哈特利）",
    "curve": "给正确类别的概率 q 对应的损失",
    "beliefs": "预测 q，m × n", "column": "损失，m × 1", "mean": "平均值",
    "taken": "正确类别的\n−log₁₀", "example": "样本", "belief": "预测  p",
    "truth": "标签  t", "gradient": "梯度  p − t", "after": "走一步之后",
    "neuron": "一个神经元，要把 1 变成 0", "image": "图片", "scale": "留出的一个 3，\n8 × 8 像素",
    "conv1": "第一次卷积与 ReLU：8 张 8 × 8 的图",
    "conv2": "池化、第二次卷积与 ReLU：16 张 4 × 4 的图",
    "dense": "池化、全连接层与 ReLU：120 个特征",
    "out": "最后一层：10 个 logit", "p": "softmax",
}  # fmt: skip

FEATURES = np.array([1.0, 0.5, -1.0, 2.0])
WEIGHTS = np.array([[0.4, 1.1, -0.4], [1.0, 0.0, 1.0], [0.0, 1.0, 1.0], [0.5, 0.5, 0.5]])
LOGITS = FEATURES @ WEIGHTS + [0.1, -0.1, 0.0]
BELIEFS = np.array([[0.5, 0.2, 0.3], [0.8, 0.1, 0.1]])


def number(value: float, digits: int = 4) -> str:
    """With a true minus sign, without zeros at the end."""
    return f"{value:.{digits}g}".replace("-", "−")


def bars(axes: Any, values: Any, title: str, words: Words, *, right: int | None = 0) -> None:
    """A bar a class with its number; the right class in blue."""
    values = np.asarray(values)
    colours = [BLUE if c == right else GREY for c in range(len(values))]
    axes.bar(range(len(values)), values, color=colours, width=0.66)
    low, high = min(0.0, values.min()), max(0.0, values.max())
    room = 0.17 * (high - low)
    axes.set_ylim(low - (room if low < 0 else 0), high + room)
    for place, value in enumerate(values):
        above = value >= 0
        axes.annotate(
            number(value), (place, value), xytext=(0, 3 if above else -3),
            textcoords="offset points", ha="center", va="bottom" if above else "top", size=9.5,
        )  # fmt: skip
    axes.axhline(0, color=FAINT, linewidth=0.8)
    axes.set_title(title, size=10.5, weight="bold", loc="left", pad=8)
    axes.set_xticks(range(len(values)), [f"{words['class']} {c}" for c in range(len(values))])
    axes.tick_params(length=0, labelsize=9, labelcolor=FAINT)
    axes.set_yticks([])
    axes.spines[:].set_visible(False)


def layer(words: Words) -> Figure:
    """Features, output nodes, probabilities, label and loss of one example."""
    figure = Figure(figsize=(8.4, 3.5))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, 84), ylim=(0, 35), aspect="equal")
    axes.set_axis_off()
    probabilities = ll.softmax(LOGITS)
    ys, zs = [26.0, 19.3, 12.6, 5.9], [23.0, 16.0, 9.0]
    for x, y in zip(FEATURES, ys, strict=True):
        for j, z in enumerate(zs):
            axes.plot([16, 37], [y, z], color=BLUE if j == 0 else GREY, lw=1.3, zorder=1)
        node(axes, 16, y, number(x), GREY)
    for j, (z, value, p) in enumerate(zip(zs, LOGITS, probabilities, strict=True)):
        node(axes, 37, z, number(value), BLUE if j == 0 else GREY)
        arrow(axes, 40.2, z, 50, z)
        axes.add_patch(Rectangle((51, z - 1.4), 10 * p, 2.8, color=BLUE if j == 0 else GREY))
        axes.text(51.8 + 10 * p, z, f"{p:.3f}", va="center", size=10.5)
        axes.text(69, z, "1" if j == 0 else "0", ha="center", va="center", size=12)
    heads = [(16, "features"), (37, "nodes"), (55, "softmax"), (69, "label"), (78.5, "loss")]
    for x, key in heads:
        axes.text(x, 31.4, words[key], ha="center", va="center", size=10.5, weight="bold",
                  linespacing=1.4)  # fmt: skip
    axes.text(5.6, 16, words["from"], ha="center", va="center", size=9.5, color=FAINT)
    arrow(axes, 10, 16, 12.6, 16)
    arrow(axes, 71, 23, 74, 23)
    loss = -np.log(probabilities[0])
    axes.text(78.7, 23, f"−ln {probabilities[0]:.3f}\n= {loss:.3f}", ha="center", va="center",
              size=10.5, color=VERMILLION, linespacing=1.4)  # fmt: skip
    return figure


def node(axes: Any, x: float, y: float, text: str, colour: str) -> None:
    axes.plot([x], [y], "o", markersize=27, color="white", markeredgecolor=colour, mew=1.8)
    axes.text(x, y, text, ha="center", va="center", size=10)


def arrow(axes: Any, x: float, y: float, to_x: float, to_y: float) -> None:
    axes.add_patch(
        FancyArrowPatch((x, y), (to_x, to_y), arrowstyle="-|>", mutation_scale=11, color=FAINT)
    )


def softmax(words: Words) -> Figure:
    """The two moves of softmax."""
    figure = Figure(figsize=(8.4, 2.5), layout=SPACED())
    shifted = np.exp(LOGITS - LOGITS.max())
    stages = (LOGITS, shifted, shifted / shifted.sum())
    keys = ("logits", "exponentials", "probabilities")
    for axes, values, key in zip(figure.subplots(1, 3), stages, keys, strict=True):
        bars(axes, values, words[key], words)
    return figure


def cross_entropy(words: Words) -> Figure:
    """Two beliefs, and what they cost."""
    figure = Figure(figsize=(8.4, 3.0), layout=SPACED())
    first, second, curve = figure.subplots(1, 3, width_ratios=(1, 1, 1.9))
    for axes, q, key in ((first, BELIEFS[0], "q1"), (second, BELIEFS[1], "q2")):
        bars(axes, q, words[key], words)
        axes.set_ylim(0, 1)
    q = np.linspace(0.04, 1, 400)
    curve.plot(q, -np.log10(q), color=INK, lw=1.6)
    for value, key in ((0.5, "q1"), (0.8, "q2")):
        loss = -np.log10(value)
        curve.plot([value, value], [0, loss], ":", color=BLUE, lw=1.2)
        curve.plot([value], [loss], "o", color=BLUE, markersize=7)
        curve.annotate(
            f"{words[key]}\n{loss:.4f}", (value, loss), xytext=(6, 7), textcoords="offset points",
            size=9.5, color=BLUE, linespacing=1.3,
        )  # fmt: skip
    curve.set(xlim=(0, 1.02), ylim=(0, 1.45), xticks=(0, 0.5, 0.8, 1), yticks=(0, 0.5, 1))
    curve.set_title(words["curve"], size=10.5, weight="bold", loc="left", pad=8)
    curve.set_ylabel(words["hartleys"], color=FAINT, size=9)
    curve.tick_params(length=0, labelsize=9, labelcolor=FAINT)
    curve.spines[["top", "right"]].set_visible(False)
    curve.spines[["left", "bottom"]].set_color(GREY)
    return figure


def batch(words: Words) -> Figure:
    """The matrix, the column, the mean."""
    figure = Figure(figsize=(8.4, 2.5))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, 84), ylim=(0, 25))
    axes.set_axis_off()
    losses = -np.log10(BELIEFS[:, 0])
    ys = (11.2, 4.2)
    for row, (y, q) in enumerate(zip(ys, BELIEFS, strict=True)):
        axes.text(8.6, y + 3, f"{words['example']} {row}", ha="right", va="center", color=FAINT)
        for column, value in enumerate(q):
            tile(axes, 10 + 9 * column, y, f"{value:g}", BLUE, 0.75 * value + 0.04, column == 0)
        arrow(axes, 38.5, y + 3, 53.5, y + 3)
        tile(axes, 55, y, f"{losses[row]:.4f}", VERMILLION, losses[row], False)
    axes.text(46, 18.1, words["taken"], ha="center", va="bottom", size=9.5, color=FAINT,
              linespacing=1.3)  # fmt: skip
    for x, key in ((10, "beliefs"), (55, "column")):
        axes.text(x, 20.4, words[key], va="center", size=10.5, weight="bold")
    arrow(axes, 65.5, 10.7, 71, 10.7)
    axes.text(77.2, 20.4, words["mean"], ha="center", va="center", size=10.5, weight="bold")
    axes.text(77.2, 10.7, f"{losses.mean():.3f}", ha="center", va="center", size=15,
              color=VERMILLION)  # fmt: skip
    for column in range(3):
        axes.text(14.3 + 9 * column, 2.2, f"{words['class']} {column}", ha="center", size=9,
                  color=FAINT)  # fmt: skip
    return figure


def tile(axes: Any, x: float, y: float, text: str, colour: str, alpha: float, mark: bool) -> None:
    axes.add_patch(Rectangle((x, y), 8.6, 6.2, facecolor=colour, alpha=alpha, lw=0))
    if mark:
        axes.add_patch(Rectangle((x, y), 8.6, 6.2, fill=False, edgecolor=INK, lw=1.6))
    axes.text(x + 4.3, y + 3.1, text, ha="center", va="center", size=11)


def gradient(words: Words) -> Figure:
    """Belief, label, gradient, and the belief after a step."""
    figure = Figure(figsize=(8.4, 2.5), layout=SPACED())
    z = np.log(BELIEFS[:1])
    slope = ll.cross_entropy_with_grad(z, [0])[1]
    stages = (BELIEFS[0], np.eye(3)[0], slope[0], ll.softmax(z - slope)[0].round(3))
    keys = ("belief", "truth", "gradient", "after")
    for axes, values, key in zip(figure.subplots(1, 4), stages, keys, strict=True):
        bars(axes, values, words[key], words)
        if key != "gradient":
            axes.set_ylim(0, 1.12)
    return figure


def trained() -> tuple[Network, Parts]:
    """The convolutional network of section 9."""
    parts = split(load("digits"))
    network = build("cnn", (1, 8, 8), 10, "cross-entropy", seed=0)
    generator = np.random.default_rng(0)
    for _ in range(6):
        order = generator.permutation(len(parts.train))
        for start in range(0, len(order), 32):
            images, labels = parts.train.batch(order[start : start + 32])
            gradients = network.gradients(images, labels)[2]
            for name, parameter in network.parameters().items():
                np.subtract(parameter, 0.05 * gradients[name], out=parameter)
    return network, parts


def network(words: Words) -> Figure:
    """One held-out digit on its way through the trained network."""
    model, parts = trained()
    images, labels = parts.test.batch(slice(None))
    position = int(np.flatnonzero(labels == 3)[0])
    x, seen = images[position : position + 1], {}
    for name, part in model.layers.items():
        x = seen[name] = part.forward(x)
    logits = x[0]

    figure = Figure(figsize=(8.4, 5.4))
    wide, high = 8.4, 5.4

    def place(left: float, bottom: float, width: float, height: float) -> Any:
        return figure.add_axes((left / wide, bottom / high, width / wide, height / high))

    def heading(left: float, bottom: float, text: str) -> None:
        figure.text(left / wide, bottom / high, text, size=10.5, weight="bold")

    def picture(pixels: Any, left: float, bottom: float, side: float, top: float) -> None:
        axes = place(left, bottom, side, side)
        axes.imshow(pixels, cmap=PALE, vmin=0, vmax=top)
        axes.set(xticks=(), yticks=())
        axes.spines[:].set(color=GREY, linewidth=0.7)

    raw = parts.test.data.pixels[parts.test.positions[position], 0]
    heading(0.15, 5.12, words["image"])
    picture(raw, 0.15, 3.72, 1.3, 1)
    figure.text(0.15 / wide, 3.62 / high, words["scale"], size=9.5, va="top", color=FAINT,
                linespacing=1.4)  # fmt: skip
    heading(1.85, 5.12, words["conv1"])
    first = seen["relu1"][0]
    for k, pixels in enumerate(first):
        picture(pixels, 1.85 + 0.8 * k, 4.2, 0.72, first.max())
    heading(1.85, 3.82, words["conv2"])
    second = seen["relu2"][0]
    for k, pixels in enumerate(second):
        picture(pixels, 1.85 + 0.4 * k, 3.35, 0.36, second.max())
    heading(1.85, 2.92, words["dense"])
    axes = place(1.85, 2.5, 6.36, 0.3)
    axes.imshow(seen["relu3"], cmap=PALE, vmin=0, aspect="auto")
    axes.set(xticks=(), yticks=())
    axes.spines[:].set(color=GREY, linewidth=0.7)

    answer = int(logits.argmax())
    colours = [BLUE if c == answer else GREY for c in range(10)]
    for left, values, key in ((1.85, logits, "out"), (5.15, ll.softmax(logits), "p")):
        heading(left, 2.05, words[key])
        axes = place(left, 0.4, 3.05, 1.5)
        axes.bar(range(10), values, color=colours, width=0.7)
        axes.axhline(0, color=FAINT, linewidth=0.8)
        axes.margins(y=0.14)
        axes.annotate(
            f"{values[answer]:.1f}" if key == "out" else f"{100 * values[answer]:.1f} %",
            (answer, values[answer]), xytext=(0, 3), textcoords="offset points",
            ha="center", size=9.5, color=BLUE,
        )  # fmt: skip
        axes.set_xticks(range(10))
        axes.tick_params(length=0, labelsize=9, labelcolor=FAINT)
        axes.set_yticks([])
        axes.spines[:].set_visible(False)
    return figure


PALE = mpl.colors.LinearSegmentedColormap.from_list("ink", ["#FFFFFF", "#7DB4D6", BLUE, "#00263D"])


DRAWN: dict[str, Callable[[Words], Figure]] = {
    "layer": layer,
    "softmax": softmax,
    "cross-entropy": cross_entropy,
    "batch": batch,
    "gradient": gradient,
    "cnn": network,
}


def png(figure: Figure) -> bytes:
    """Small, on white, the same for the same figure."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=130, facecolor="white", metadata={"Software": None})
    return buffer.getvalue()


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else IMAGES
    chinese = chinese_font()
    if chinese is None:
        print("no font with Chinese letters: only the English pictures are drawn")
    curves = compare_neuron()
    for ending, words, font in (("", EN, None), ("-zh", ZH, chinese)):
        if ending and font is None:
            continue
        families = [*([font] if font else []), "DejaVu Sans"]
        lang: Any = "zh" if ending else "en"
        pictures = {
            "neuron": chart(neuron_panels(curves, lang), words["neuron"], 2, font, dpi=100)["png"]
        }
        with mpl.rc_context({"font.family": families, "text.color": INK, "font.size": 10}):
            pictures |= {name: png(draw(words)) for name, draw in DRAWN.items()}
        for name, content in pictures.items():
            path = folder / f"tutorial-{name}{ending}.png"
            assert len(content) < MOST, f"{path}: {len(content)} bytes"
            write_whole(path, content)
            print(f"{path}  {len(content) / 1000:.0f} kB")


if __name__ == "__main__":
    main()
