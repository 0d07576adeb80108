"""The files that keep a report: JSON, Markdown and the chart, each written whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import lastlayer as ll
from lastlayer.bench import chart
from lastlayer.bench.results import ORDER, Entry, Report, Row, cells, columns, left_out
from lastlayer.files import write_whole

FILES = ("bench.json", "bench.md", "bench.svg", "bench.png")


def write(report: Report, folder: Path) -> list[Path]:
    """Writes bench.json, bench.md, bench.svg and bench.png, each whole or not at all."""
    contents: dict[str, bytes] = {
        "bench.json": (json.dumps(as_json(report), indent=1, ensure_ascii=False) + "\n").encode(),
        "bench.md": markdown(report).encode(),
        "bench.svg": chart.draw(report, "svg"),
        "bench.png": chart.draw(report, "png"),
    }
    folder.mkdir(parents=True, exist_ok=True)
    for name in FILES:
        write_whole(folder / name, contents[name])
    return [folder / name for name in FILES]


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
        "cases": [_case_json(entry) for entry in report.entries],
    }


def _case_json(entry: Entry) -> dict[str, Any]:
    case = entry.measured.case
    return {
        "rows": case.rows,
        "classes": case.classes,
        "dtype": case.dtype,
        "task": case.task,
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
    lines = [
        f"# lastlayer {ll.__version__} beside its peers",
        "",
        f"{report.place}.",
        "",
        "![GB of logits a second, by contestant](bench.svg)",
        "",
    ]
    for entry in report.entries:
        lines += [f"## {entry.measured.case.title}", "", *_table(entry), ""]
        lines += [f"- {line}" for line in left_out(entry)]
        lines += [""] if entry.measured.left_out else []
    lines += ["## What was run", ""]
    lines += [
        f"- **{title}**: {'; '.join(how)}" for title, how in _settings(report.entries).items()
    ]
    lines += ["", "## Columns", "", *COLUMN_HELP, ""]
    return "\n".join(lines)


COLUMN_HELP = (
    "- **ms**: median time of a call. All take turns in one process, warmed up, on the same "
    "logits, in an order that changes from round to round; every answer is checked first.",
    "- **GB/s**: size of the logits over that time.",
    "- **of limit**: that speed as a part of what memory allows: reading the logits once for a "
    "loss, copying them once where as much is written. Both are the last rows of each table.",
    "- **speed-up**: how many times faster lastlayer is than this row.",
    "- **peak memory**: beyond the inputs and beyond an array that was given to write into; a "
    "call in a process of its own. In brackets: as a multiple of the logits.",
)


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
