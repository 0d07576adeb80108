"""The page of one neuron: its pictures, and the words that its own numbers call for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from lastlayer.contract import Floats
from lastlayer.learning.compare.charts import Line, Panel
from lastlayer.learning.compare.neuron import COSTS, Cost, NeuronCurve
from lastlayer.learning.compare.story import WORDS, Language, Section, Story, Table, counted, short

SURE = 0.1  # σ′ below it: an output under 0.11 or over 0.89


def neuron_story(
    curves: Mapping[Cost, NeuronCurve], rate: float, command: str, lang: Language
) -> Story:
    """What happened to the neuron, in words, numbers and pictures.

    Parameters
    ----------
    curves : mapping of str to NeuronCurve
        As `compare_neuron` returned them.
    rate : float
        The learning rate that it was given.
    command : str
        What makes the page again.
    lang : {"en", "zh"}
        Of the words.

    Returns
    -------
    Story
        A section a picture, then the reason.
    """
    words = WORDS[lang]
    panels = {panel.key: panel for panel in neuron_panels(curves, lang)}
    quadratic, cross = curves["quadratic"], curves["cross-entropy"]
    epochs = counted(len(cross.output) - 1, words)
    derivative = float(cross.derivative[0])
    sure = 0 < derivative < SURE

    def section(key: str, *more: str, **numbers: str) -> Section:
        said = (words[f"neuron.{key}.text"].format(**numbers), *more)
        return Section(words[f"neuron.{key}.title"], said, (panels[key],) if key in panels else ())

    plateau = _first(quadratic.cost < 0.9 * quadratic.cost[0]) or len(quadratic.cost)
    stuck = 10 * (plateau - 1) >= len(quadratic.cost)
    said = words["neuron.cost.plateau"].format(plateau=counted(plateau - 1, words))
    factor = words[f"neuron.derivative.{'sure' if sure else 'unsure'}"].format(
        derivative=short(derivative), share=f"{short(100 * derivative)} %"
    )
    sections = [
        section(
            "output",
            cross_half=_half("cross-entropy", cross, words),
            quadratic_half=_half("quadratic", quadratic, words),
            cross=short(cross.output[-1]),
            quadratic=short(quadratic.output[-1]),
        ),
        section(
            "cost",
            *([said] if stuck else []),
            q_start=short(quadratic.cost[0]),
            q_end=short(quadratic.cost[-1]),
            c_start=short(cross.cost[0]),
            c_end=short(cross.cost[-1]),
        ),
        section(
            "gradient",
            words["neuron.gradient.error"],
            c_first=short(cross.gradient[0]),
            q_first=short(quadratic.gradient[0]),
            ratio=short(1 / derivative) if derivative else "∞",
            peak=str(int(np.argmax(quadratic.gradient))),
        ),
        section("derivative", factor),
        replace(
            section("why"),
            formulas=(
                (words["quadratic"], "C = ½ (a − t)²"),
                (words["neuron.why.chain"], "∂C/∂z = (a − t) · σ′(z)"),
                (words["cross-entropy"], "C = −t ln a − (1 − t) ln(1 − a)"),
                (words["neuron.why.chain"], "∂C/∂z = (a − t) / (a (1 − a)) · a (1 − a)"),
                (words["neuron.why.result"], "∂C/∂z = a − t"),
            ),
        ),
    ]
    if sure:
        sections.append(section("rate", most=short(0.25 / derivative)))
    lead = words["neuron.lead"].format(
        weight=short(cross.weight[0]),
        bias=short(cross.bias[0]),
        start=short(cross.output[0]),
        rate=short(rate),
        epochs=epochs,
    )
    summary = neuron_summary(curves, lang)
    return Story(words["neuron.title"], lead, summary, tuple(sections), command, 1, lang)


def neuron_panels(curves: Mapping[Cost, NeuronCurve], lang: Language) -> list[Panel]:
    """Output, cost and |gradient| by epoch, and under them the sigmoid's derivative."""
    words = WORDS[lang]

    def panel(
        key: str, y: Mapping[Cost, Floats], top: float | None, percent: bool = False
    ) -> Panel:
        lines = []
        for cost in COSTS:
            last = f"{short(100 * y[cost][-1])} %" if percent else short(y[cost][-1])
            lines.append(
                Line(np.arange(float(len(y[cost]))), y[cost], cost, f"{words[cost]}\n{last}")
            )
        title = words[f"neuron.{key}.panel"]
        return Panel(key, title, tuple(lines), words["epoch"], percent=percent, top=top)

    shares = {cost: curves[cost].cost / (curves[cost].cost[0] or 1.0) for cost in COSTS}
    outputs = {cost: curves[cost].output for cost in COSTS}
    gradients = {cost: curves[cost].gradient for cost in COSTS}
    derivatives = panel("derivative", {cost: curves[cost].derivative for cost in COSTS}, 0.26)
    quadratic, cross = derivatives.lines
    name = "neuron.derivative.name."
    factor = (
        replace(quadratic, name=words[name + "quadratic"], filled=True),
        replace(cross, name=words[name + "cross-entropy"], dashed=True),
    )
    return [
        panel("output", outputs, 1.04),
        panel("cost", shares, 1.04, percent=True),
        panel("gradient", gradients, None),
        replace(derivatives, lines=factor),
    ]


def neuron_summary(curves: Mapping[Cost, NeuronCurve], lang: Language) -> Table:
    """What the terminal and the head of the page show."""
    words = WORDS[lang]
    epochs = counted(len(curves["quadratic"].output) - 1, words)

    def row(key: str, *cells: str) -> tuple[str, ...]:
        return (words[f"neuron.row.{key}"].format(epochs=epochs), *cells)

    both = [curves[cost] for cost in COSTS]
    halves = [_first(curve.output <= curve.output[0] / 2) for curve in both]
    never = words["never"].format(epochs=epochs)
    rows = (
        row("start", *(f"{c.output[0]:.6f}" for c in both)),
        row("end", *(f"{c.output[-1]:.6f}" for c in both)),
        row("half", *(f"{half}" if half else never for half in halves)),
        row("cost", *(f"{short(c.cost[0])} → {short(c.cost[-1])}" for c in both)),
        row("gradient", *(short(c.gradient[0]) for c in both)),
    )
    return Table(("", *(words[cost] for cost in COSTS)), rows)


def neuron_columns(curves: Mapping[Cost, NeuronCurve]) -> dict[str, dict[str, list[float]]]:
    """The curves as lists by name, for JSON; "epoch" counts from the start, 0."""
    return {
        cost: {
            "epoch": list(range(len(curve.output))),
            **{name: value.tolist() for name, value in vars(curve).items()},
        }
        for cost, curve in curves.items()
    }


def _half(cost: Cost, curve: NeuronCurve, words: Mapping[str, str]) -> str:
    half = _first(curve.output <= curve.output[0] / 2)
    kind = "half" if half else "no_half"
    count = half or len(curve.output) - 1
    return words[f"neuron.{kind}.{cost}"].format(epochs=counted(count, words))


def _first(where: np.ndarray) -> int:
    """The first epoch after the start, or 0 for none."""
    return int(where.argmax())
