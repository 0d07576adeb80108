"""The page of one network: its pictures, and the words that its own numbers call for."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from lastlayer.learning.compare.charts import Line, Panel
from lastlayer.learning.compare.network import NetworkCurve
from lastlayer.learning.compare.neuron import COSTS, Cost
from lastlayer.learning.compare.story import WORDS, Language, Section, Story, Table, counted, short


@dataclass(frozen=True)
class Setting:
    """What the network was trained on, and how."""

    model: str
    source: str
    train: int  # images
    test: int  # images
    classes: int
    rate: float


def network_story(
    curves: Mapping[Cost, NetworkCurve], setting: Setting, command: str, lang: Language
) -> Story:
    """What happened to the network, in words, numbers and pictures.

    Parameters
    ----------
    curves : mapping of str to NetworkCurve
        As `compare_network` returned them.
    setting : Setting
        Of the training.
    command : str
        What makes the page again.
    lang : {"en", "zh"}
        Of the words.

    Returns
    -------
    Story
        A section a quantity, then the reason.
    """
    words = WORDS[lang]
    quadratic, cross = curves["quadratic"], curves["cross-entropy"]
    count = len(cross.loss) - 1
    epochs = counted(count, words)
    layers = _layers(cross)
    panels = network_panels(curves, lang)
    loss, entropy, accuracy, *gradients = panels

    def text(key: str, **numbers: str) -> str:
        return words[f"network.{key}"].format(**numbers)

    def ends(of: str) -> dict[str, str]:
        return {
            "quadratic": short(getattr(quadratic, of)[-1]),
            "cross": short(getattr(cross, of)[-1]),
        }

    last = layers[-1]
    sections = (
        Section(
            text("loss.title"),
            (
                text(
                    "loss.text",
                    q_start=short(quadratic.loss[0]),
                    q_end=short(quadratic.loss[-1]),
                    c_start=short(cross.loss[0]),
                    c_end=short(cross.loss[-1]),
                ),
            ),
            (loss,),
        ),
        Section(
            text("entropy.title"),
            (
                text(
                    "entropy.text",
                    **ends("held_out_cross_entropy"),
                    classes=str(setting.classes),
                    guess=f"{math.log(setting.classes):.2f}",
                ),
            ),
            (entropy,),
        ),
        Section(
            text("accuracy.title"),
            (
                text(
                    "accuracy.text",
                    epochs=epochs,
                    quadratic=_percent(quadratic.held_out_accuracy[-1]),
                    cross=_percent(cross.held_out_accuracy[-1]),
                ),
                _overtaken(curves, words),
            ),
            (accuracy,),
        ),
        Section(
            text("gradient.title"),
            (
                text(
                    "gradient.text",
                    layer=last,
                    quadratic=short(quadratic.gradient[last][0]),
                    cross=short(cross.gradient[last][0]),
                ),
                text("gradient.back"),
            ),
            tuple(gradients),
        ),
        Section(
            text("why.title"),
            (text("why.text", classes=str(setting.classes)),),
            formulas=(
                (words["quadratic"], "C = ½ Σ (pⱼ − tⱼ)²"),
                (text("why.error"), "∂C/∂zⱼ = pⱼ (dⱼ − Σ dᵢ pᵢ),   d = p − t"),
                (words["cross-entropy"], "C = −Σ tⱼ ln pⱼ"),
                (text("why.error"), "∂C/∂zⱼ = pⱼ − tⱼ"),
            ),
        ),
        Section(text("rate.title"), (text("rate.text"),)),
    )
    lead = text(
        "lead",
        model=words[f"model.{setting.model}"],
        classes=str(setting.classes),
        train=f"{setting.train:,}",
        test=f"{setting.test:,}",
        source=words.get(f"source.{setting.source}", setting.source),
        rate=short(setting.rate),
        epochs=epochs,
    )
    summary = network_summary(curves, lang)
    return Story(text("title"), lead, summary, sections, command, 2, lang)


def network_panels(curves: Mapping[Cost, NetworkCurve], lang: Language) -> list[Panel]:
    """Loss in its own cost, in cross-entropy, accuracy, and each layer's gradient by epoch."""
    words = WORDS[lang]

    def lines(of: str, scale: Mapping[Cost, float] | None = None) -> list[Line]:
        found = []
        for cost in COSTS:
            y = np.array(getattr(curves[cost], of), np.float64)
            y = y / (scale[cost] if scale else 1.0)
            found.append(Line(np.arange(float(len(y))), y, cost))
        return found

    def panel(key: str, of: str, *, log: bool = False, percent: bool = False) -> Panel:
        starts = {cost: getattr(curves[cost], of)[0] or 1.0 for cost in COSTS}
        scale = starts if key == "loss" else None
        held_out = lines(f"held_out_{of}", scale)
        named = [_named(line, words, percent) for line in held_out]
        training = [Line(line.x, line.y, line.cost, faint=True) for line in lines(of, scale)]
        return Panel(
            key, words[f"network.{key}.panel"], (*training, *named), words["epoch"],
            log=log, percent=percent, top=1.02 if key == "accuracy" else None,
        )  # fmt: skip

    panels = [
        panel("loss", "loss", percent=True),
        panel("entropy", "cross_entropy", log=True),
        panel("accuracy", "accuracy", percent=True),
    ]
    for layer in _layers(curves["cross-entropy"]):
        drawn = [
            Line(
                np.arange(float(len(curves[cost].gradient[layer]))),
                np.array(curves[cost].gradient[layer]),
                cost,
            )
            for cost in COSTS
        ]
        title = words["network.gradient.panel"].format(layer=layer)
        named = tuple(_named(line, words, percent=False) for line in drawn)
        panels.append(Panel(f"gradient-{layer}", title, named, words["epoch"], log=True))
    return panels


def network_summary(curves: Mapping[Cost, NetworkCurve], lang: Language) -> Table:
    """What the terminal and the head of the page show."""
    words = WORDS[lang]
    both: Sequence[NetworkCurve] = [curves[cost] for cost in COSTS]
    epochs = len(both[0].loss) - 1
    last = _layers(both[0])[-1]

    def row(key: str, cells: Sequence[str], epoch: int = epochs) -> tuple[str, ...]:
        head = words[f"network.row.{key}"]
        return (head.format(epochs=counted(epoch, words), layer=last), *cells)

    rows = [row("accuracy", [_percent(c.held_out_accuracy[1]) for c in both], 1)]
    if epochs > 1:
        rows.append(row("accuracy", [_percent(c.held_out_accuracy[-1]) for c in both]))
    rows += [
        row("entropy", [f"{c.held_out_cross_entropy[-1]:.4f}" for c in both]),
        row("cost", [f"{short(c.loss[0])} → {short(c.loss[-1])}" for c in both]),
        row("gradient", [short(c.gradient[last][0]) for c in both]),
    ]
    return Table(("", *(words[cost] for cost in COSTS)), tuple(rows))


def network_columns(curves: Mapping[Cost, NetworkCurve]) -> dict[str, dict[str, object]]:
    """The curves as lists by name, for JSON; "epoch" counts from the start, 0."""
    return {
        cost: {"epoch": list(range(len(curve.loss))), **asdict(curve)}
        for cost, curve in curves.items()
    }


def _layers(curve: NetworkCurve) -> list[str]:
    return list(curve.gradient)


def _named(line: Line, words: Mapping[str, str], percent: bool) -> Line:
    last = float(line.y[-1])
    value = _percent(last) if percent else short(last)
    return Line(line.x, line.y, line.cost, f"{words[line.cost]}\n{value}")


def _overtaken(curves: Mapping[Cost, NetworkCurve], words: Mapping[str, str]) -> str:
    """When the better cost has what the other one ends with."""
    ends = {cost: curves[cost].held_out_accuracy[-1] for cost in COSTS}
    better: Cost = "quadratic" if ends["quadratic"] > ends["cross-entropy"] else "cross-entropy"
    reached = np.array(curves[better].held_out_accuracy) >= min(ends.values())
    return words[f"network.accuracy.{better}"].format(
        epochs=counted(max(int(reached.argmax()), 1), words)
    )


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"
