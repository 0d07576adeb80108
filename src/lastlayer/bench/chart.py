"""The bars: GB of logits a second, a panel a case, the limit of memory as a line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lastlayer.bench.figure import COLOURS, FAINT, WIDTH, Kind, as_bytes, canvas, style
from lastlayer.bench.results import Entry, Row, gigabytes

PEER = "#B3B3B3"
MOST = 16  # panels
BAR, HEAD = 0.235, 0.62  # inches a bar, and of title and axis a panel
NAMES = 1.26  # inches of the names of the bars


def draw(entries: Sequence[Entry], place: str, kind: Kind) -> bytes:
    """The chart of some cases as the bytes of an SVG or PNG file."""
    grid = _grid(entries)
    tallest = [max(len(_bars(entry)) for entry in line if entry) for line in grid]
    heights = [HEAD + BAR * bars for bars in tallest]
    top, foot = 0.42, 0.36
    total = sum(heights) + top + foot
    with style():
        figure = canvas(total)
        columns = max(len(line) for line in grid)
        left, right, gap = 1.38, 0.12, 1.55
        width = (WIDTH - left - right - gap * (columns - 1)) / columns
        y = total - top
        for line, height in zip(grid, heights, strict=True):
            for column, entry in enumerate(line):
                if entry is None:
                    continue
                inches = len(_bars(entry)) * BAR
                x = left + column * (width + gap)
                bottom = y - 0.40 - inches
                box = (x / WIDTH, bottom / total, width / WIDTH, inches / total)
                _panel(figure.add_axes(box), entry, inches)
            y -= height
        figure.text(
            0.12 / WIDTH, 1 - 0.24 / total, "GB of logits processed per second (more is better)",
            size=11, weight="bold", va="center",
        )  # fmt: skip
        figure.text(
            1 - right / WIDTH, 1 - 0.24 / total, "dashed: the limit of memory, measured in turn",
            size=8, color=COLOURS["limit"], ha="right", va="center",
        )  # fmt: skip
        figure.text(0.12 / WIDTH, 0.16 / total, place, size=7.5, color=FAINT, va="center")
        return as_bytes(figure, kind)


def _grid(entries: Sequence[Entry]) -> list[list[Entry | None]]:
    """Logits downwards, tasks across; a single task fills the line with logits."""
    tasks = list(dict.fromkeys(e.measured.case.task_title for e in entries))
    logits = list(dict.fromkeys(_logits(e) for e in entries))
    found = {(*_logits(e), e.measured.case.task_title): e for e in entries}
    if len(tasks) == 1:
        line: list[Entry | None] = [*entries]
        line += [None] * (len(line) % 2 if len(line) > 1 else 0)
        return [line[start : start + 2] for start in range(0, len(line), 2)]
    lines = [
        [found.get((*which, task)) for task in tasks[start : start + 2]]
        for which in logits
        for start in range(0, len(tasks), 2)
    ]
    return [line for line in lines if any(line)]


def _logits(entry: Entry) -> tuple[str, str]:
    case = entry.measured.case
    return case.logits_title, case.dtype


def _bars(entry: Entry) -> list[Row]:
    """From the fastest down, without the limits."""
    rows = [row for row in entry.rows if row.kind != "limit"]
    return sorted(rows, key=lambda row: -row.gigabytes)


def _panel(axes: Any, entry: Entry, inches: float) -> None:
    rows, case = _bars(entry), entry.measured.case
    limit = entry.limit_gigabytes
    longest = max(limit, *(row.gigabytes for row in rows))
    for place, row in enumerate(rows):
        ours = row.kind == "lastlayer"
        colour = COLOURS["lastlayer-out"] if ours else PEER
        if row.timing.contestant.key == "lastlayer":
            colour = COLOURS["lastlayer"]
        axes.barh(place, row.gigabytes, height=0.72, color=colour, zorder=2)
        axes.text(
            row.gigabytes + longest * 0.012, place, gigabytes(row.gigabytes),
            va="center", size=8, weight="bold" if ours else "normal", zorder=4,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.8},
        )  # fmt: skip
    axes.axvline(limit, color=COLOURS["limit"], lw=1.4, ls=(0, (4, 2)), zorder=3)
    what = {"read": "read once", "copy": "copied once", "loss": "the loss alone"}[
        entry.limit.contestant.key
    ]
    axes.annotate(
        f"{what}: {gigabytes(limit)}", (limit, 1), xycoords=("data", "axes fraction"),
        xytext=(0, 2), textcoords="offset points", ha="center", va="bottom",
        size=7.5, color=COLOURS["limit"],
    )  # fmt: skip
    axes.set_xlim(0, longest * 1.17)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_yticks(range(len(rows)), [row.title for row in rows])
    for label, row in zip(axes.get_yticklabels(), rows, strict=True):
        label.set_weight("bold" if row.kind == "lastlayer" else "normal")
    axes.tick_params(axis="y", length=0, labelsize=8)
    axes.tick_params(axis="x", length=0, labelsize=7, labelcolor=FAINT, pad=2)
    axes.xaxis.set_major_locator(_locator())
    axes.grid(axis="x", color="#E6E6E6", lw=0.6, zorder=0)
    axes.set_axisbelow(True)
    for side in ("top", "right", "bottom"):
        axes.spines[side].set_visible(False)
    axes.annotate(  # from where the names of the bars begin: a long one needs the room
        case.title, (0, 1), xycoords="axes fraction", xytext=(-NAMES * 72, 15),
        textcoords="offset points", ha="left", va="bottom",
        size=min(9.0, 9 * 48 / len(case.title)), weight="bold",
    )  # fmt: skip


def _locator() -> Any:
    from matplotlib.ticker import MaxNLocator

    return MaxNLocator(5)
