"""The files that keep a report: JSON, Markdown and charts, each written whole or not at all."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import lastlayer as ll
from lastlayer.bench import chart, curves
from lastlayer.bench.figure import Kind
from lastlayer.bench.overview import HELP, blocks, unfolded
from lastlayer.bench.results import ORDER, Entry, Report, Row, cells, columns, left_out
from lastlayer.bench.suites import title_of
from lastlayer.files import write_whole

PICTURES = {
    "bench": "GB of logits a second, by contestant",
    "bandwidth": "GB of logits a second, by number of classes, with the limit",
    "speedup": "How many times faster lastlayer is than each peer, by number of classes",
}
KINDS: tuple[Kind, ...] = ("svg", "png")


def write(report: Report, folder: Path) -> list[Path]:
    """Writes bench.json, bench.md and the charts; a chart of an earlier run goes."""
    charts = _charts(report)
    contents: dict[str, bytes] = {
        "bench.json": (json.dumps(as_json(report), indent=1, ensure_ascii=False) + "\n").encode(),
        "bench.md": markdown(report).encode(),
    }
    for name, draw in charts.items():
        contents |= {f"{name}.{kind}": draw(kind) for kind in KINDS}
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        write_whole(folder / name, content)
    for name in PICTURES:
        for kind in KINDS:
            if name not in charts:
                (folder / f"{name}.{kind}").unlink(missing_ok=True)
    return [folder / name for name in contents]


def _charts(report: Report) -> dict[str, Callable[[Kind], bytes]]:
    """The pictures of a report by name: bars of a few cases, curves of a sweep over the classes."""
    sweep = [entry for entry in report.entries if entry.suite == "classes"]
    others = [entry for entry in report.entries if entry.suite != "classes"]
    bars = [entry for entry in others if entry.suite == "headline"] or others
    found: dict[str, Callable[[Kind], bytes]] = {}
    if 0 < len(bars) <= chart.MOST:
        found["bench"] = partial(chart.draw, bars, report.place)
    if sweep:
        found["bandwidth"] = partial(curves.bandwidth, sweep, report.place)
    if any(entry.best_peer for entry in sweep):
        found["speedup"] = partial(curves.speed_up, sweep, report.place)
    return found


def check_writable(folder: Path) -> None:
    """An OSError now, rather than after the measurement."""
    folder.mkdir(parents=True, exist_ok=True)
    probe = folder / ".bench"
    write_whole(probe, b"")
    probe.unlink()


def as_json(report: Report) -> dict[str, Any]:
    """The whole report; seconds, bytes, and every sample."""
    return {
        "lastlayer": ll.__version__,
        "threads": report.threads,
        "machine": report.machine,
        "versions": report.versions,
        "complete": len(report.entries) == report.planned,
        "cases": [_case_json(entry) for entry in report.entries],
    }


def _case_json(entry: Entry) -> dict[str, Any]:
    case = entry.measured.case
    return {
        "suite": entry.suite,
        "logits": list(case.dims),
        "rows": case.rows,
        "classes": case.classes,
        "dtype": case.dtype,
        "task": case.task,
        "option": case.option,
        "layout": case.layout,
        "logits_bytes": case.logits_bytes,
        "limit": entry.limit.contestant.key,
        "contestants": [_row_json(row) for row in entry.rows],
        "left_out": [
            {"name": contestant.key, "reason": reason}
            for contestant, reason in entry.measured.left_out
        ],
    }


def _row_json(row: Row) -> dict[str, Any]:
    low, median, high = row.timing.quartiles
    return {
        "name": row.timing.contestant.key,
        "kind": row.kind,
        "settings": row.timing.settings,
        "seconds": {"lower_quartile": low, "median": median, "upper_quartile": high},
        "samples": [float(f"{sample:.6g}") for sample in row.timing.samples],
        "gigabytes_per_second": row.gigabytes,
        "of_limit": row.of_limit,
        "speed_up": row.speed_up,
        "peak_bytes": row.peak,
        "peak_of_logits": row.peak_of_logits,
    }


def markdown(report: Report) -> str:
    """The tables of all cases, what each contestant is, and what the columns mean."""
    lines = [f"# lastlayer {ll.__version__} beside its peers", "", f"{report.place}.", ""]
    if len(report.entries) < report.planned:
        lines += [f"Interrupted: {len(report.entries)} of {report.planned} cases.", ""]
    for name in _charts(report):
        lines += [f"![{PICTURES[name]}]({name}.svg)", ""]
    for suite, group in itertools.groupby(report.entries, key=lambda entry: entry.suite):
        lines += _section(suite, list(group))
    lines += ["## What was run", ""]
    lines += [
        f"- **{title}**: {'; '.join(how)}" for title, how in _settings(report.entries).items()
    ]
    lines += ["", "## Columns", "", *COLUMN_HELP, ""]
    return "\n".join(lines)


COLUMN_HELP = (
    "- **ms**: median time of a call. All take turns in one process, in an order that changes; "
    "every answer is checked first. A turn is a pause, one call that isn't timed, as users call "
    "again and again, and the calls that are.",
    "- **GB/s**: size of the logits over that time.",
    "- **of limit**: that speed as a part of what memory allows: reading the logits once for a "
    "loss, copying them once where as much is written; soft targets are read too. Both limits are "
    "the last rows of each table.",
    "- **speed-up**: how many times faster lastlayer is than this row.",
    "- **peak memory**: beyond the inputs and beyond an array that was given to write into; a "
    "call in a process of its own. In brackets: as a multiple of the logits.",
)


def _section(suite: str, entries: Sequence[Entry]) -> Iterator[str]:
    """A suite: one table of all its cases, and then a table a case."""
    yield from (f"## {title_of(suite)}", "")
    if len(entries) > 1:
        yield from (*_overview(entries), "", *HELP, "")
    for entry in entries:
        yield from (f"### {entry.measured.case.title}", "", *_table(entry), "")
        if entry.measured.left_out:
            yield from (*(f"- {line}" for line in left_out(entry)), "")


def _overview(entries: Sequence[Entry]) -> Iterator[str]:
    found = blocks(entries)
    heads = [unfolded(head) for block in found for head in block.heads]
    left = [head in ("task", "best peer") or not n for n, head in enumerate(heads)]
    yield "| " + " | ".join(heads) + " |"
    yield "|" + "|".join("---" if is_left else "---:" for is_left in left) + "|"
    for line in zip(*(block.rows for block in found), strict=True):
        yield "| " + " | ".join(word for words in line for word in words) + " |"


def _table(entry: Entry) -> Iterator[str]:
    yield "| " + " | ".join(columns(entry)) + " |"
    yield "|---" + "|---:" * (len(columns(entry)) - 1) + "|"
    for row in entry.rows:
        name, *figures = cells(row, entry)
        name = f"**{name}**" if row.kind == "lastlayer" else name
        yield "| " + " | ".join([name, *figures]) + " |"


def _settings(entries: Sequence[Entry]) -> dict[str, list[str]]:
    """What each contestant ran, by its title: more than one line where the cases differ."""
    found: dict[str, list[str]] = {}
    timings = [timing for entry in entries for timing in entry.measured.timings]
    for timing in sorted(timings, key=lambda timing: ORDER[timing.contestant.kind]):
        lines = found.setdefault(timing.contestant.title, [])
        if timing.settings not in lines:
            lines.append(timing.settings)
    return found
