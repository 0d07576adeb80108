"""Curves over the number of classes: bandwidth beside the limit, and speed-up over the peers."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from typing import Any

from lastlayer.bench.cases import TASK_TITLES
from lastlayer.bench.contestants import Contestant
from lastlayer.bench.figure import (
    COLOURS,
    FAINT,
    INK,
    MARKERS,
    WIDTH,
    Kind,
    as_bytes,
    canvas,
    style,
)
from lastlayer.bench.results import ORDER, Entry, Row

HEIGHT = 4.7  # inches
LEFT, RIGHT, GAP, TOP, FOOT = 0.62, 0.2, 0.62, 1.18, 0.82
DASHES = (0, (4, 2))
LEGEND = 5  # columns


def bandwidth(entries: Sequence[Entry], place: str, kind: Kind) -> bytes:
    """GB of logits a second against the classes, with the limit, as an SVG or PNG file."""

    def panel(axes: Any, here: Sequence[Entry]) -> None:
        classes = [entry.measured.case.classes for entry in here]
        limits = [entry.limit_gigabytes for entry in here]
        axes.plot(classes, limits, color=COLOURS["limit"], lw=1.4, ls=DASHES, label="limit")
        axes.set_ylim(0, None)
        axes.margins(y=0.08)

    title = "GB of logits per second, by number of classes (more is better)"
    return _draw(entries, place, kind, title, panel, lambda row: row.gigabytes, True)


def speed_up(entries: Sequence[Entry], place: str, kind: Kind) -> bytes:
    """How many times faster lastlayer is than each peer against the classes, as a file."""

    def panel(axes: Any, here: Sequence[Entry]) -> None:
        from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

        axes.axhline(1, color=INK, lw=1.1, zorder=1, label="as fast")
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(10, (1, 2, 5)))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}×"))
        axes.yaxis.set_minor_formatter(NullFormatter())

    title = "How many times faster lastlayer is than each peer (above 1×: it is ahead)"
    return _draw(entries, place, kind, title, panel, lambda row: row.speed_up, False)


def _draw(
    entries: Sequence[Entry],
    place: str,
    kind: Kind,
    title: str,
    prepare: Callable[[Any, Sequence[Entry]], None],
    value: Callable[[Row], float],
    ours: bool,
) -> bytes:
    """A panel a task, side by side, with one legend above them."""
    tasks = list(dict.fromkeys(entry.measured.case.task for entry in entries))
    with style():
        figure = canvas(HEIGHT)
        width = (WIDTH - LEFT - RIGHT - GAP * (len(tasks) - 1)) / len(tasks)
        lines: dict[str, Any] = {}
        for number, task in enumerate(tasks):
            here = sorted(
                (entry for entry in entries if entry.measured.case.task == task),
                key=lambda entry: entry.measured.case.classes,
            )
            left = LEFT + number * (width + GAP)
            box = (left / WIDTH, FOOT / HEIGHT, width / WIDTH, (HEIGHT - TOP - FOOT) / HEIGHT)
            axes = figure.add_axes(box)
            for contestant in _takers(entries, ours):
                _line(axes, here, contestant, value)
            prepare(axes, here)
            _finish(axes, here)
            lines |= {line.get_label(): line for line in axes.get_lines()}
        figure.text(0.12 / WIDTH, 1 - 0.24 / HEIGHT, title, size=11, weight="bold", va="center")
        figure.text(0.12 / WIDTH, 0.16 / HEIGHT, place, size=7.5, color=FAINT, va="center")
        titles = [contestant.title for contestant in _takers(entries, ours)]
        known = sorted(lines, key=lambda name: [*titles, name].index(name))
        names = _by_rows(known, LEGEND)
        figure.legend(
            [lines[name] for name in names], names, loc="upper left", ncols=LEGEND, frameon=False,
            bbox_to_anchor=(0.05 / WIDTH, 1 - 0.36 / HEIGHT), columnspacing=1.6, handlelength=2.2,
        )  # fmt: skip
        return as_bytes(figure, kind)


def _by_rows(names: list[str], columns: int) -> list[str]:
    """In the order that a legend, which fills its columns one by one, shows row by row."""
    return [name for column in range(columns) for name in names[column::columns]]


def _takers(entries: Sequence[Entry], ours: bool) -> list[Contestant]:
    found = {t.contestant.key: t.contestant for e in entries for t in e.measured.timings}
    kinds = ("lastlayer", "peer") if ours else ("peer",)
    takers = [contestant for contestant in found.values() if contestant.kind in kinds]
    return sorted(takers, key=lambda contestant: ORDER[contestant.kind])


def _line(
    axes: Any, entries: Sequence[Entry], taker: Contestant, value: Callable[[Row], float]
) -> None:
    rows = [(entry.measured.case.classes, entry.row(taker.key)) for entry in entries]
    points = [(classes, value(row)) for classes, row in rows if row is not None]
    if not points:  # it can't do this task
        return
    own = taker.kind == "lastlayer"
    axes.plot(
        *zip(*points, strict=True),
        label=taker.title,
        color=COLOURS.get(taker.key, FAINT),
        marker=MARKERS.get(taker.key, "o"),
        markersize=4.5 if own else 3.6,
        lw=2.2 if own else 1.1,
        zorder=4 if own else 3,
    )


def _finish(axes: Any, entries: Sequence[Entry]) -> None:
    from matplotlib.ticker import FixedLocator, NullLocator

    cases = [entry.measured.case for entry in entries]
    logits = statistics.median(case.rows * case.classes for case in cases)
    axes.set_xscale("log")
    ticks = {10**power: name for power, name in enumerate(("", "10", "100", "1000", "10⁴", "10⁵"))}
    ticks = {2: "2"} | {at: name for at, name in ticks.items() if name} | {10**6: "10⁶"}
    axes.xaxis.set_major_locator(FixedLocator(list(ticks)))
    axes.set_xticks(list(ticks), list(ticks.values()))
    axes.xaxis.set_minor_locator(NullLocator())
    classes = [case.classes for case in cases]
    axes.set_xlim(min(classes) / 1.5, max(classes) * 1.5)
    words = f"number of classes (about {logits / 1e6:.2g} million {cases[0].dtype} logits in all)"
    axes.set_xlabel(words, size=8, color=FAINT)
    axes.tick_params(which="both", length=0, labelsize=7.5, labelcolor=FAINT)
    axes.grid(color="#E6E6E6", lw=0.6, zorder=0)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.set_title(TASK_TITLES[cases[0].task], loc="left", size=9, weight="bold")
