"""An explanation as HTML for a notebook: one piece, no scripts, no address outside it."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from lastlayer.learning.explain_steps import Step, Table
from lastlayer.learning.explain_view import WORDS, Cell, View, number, view

if TYPE_CHECKING:
    from lastlayer.learning.explain import Explanation

# Colours are tints over whatever is behind, and text keeps the page's own colour, so that the
# same rules read well in a light and in a dark notebook.
STYLE = """
.lastlayer-explain{max-width:56em;line-height:1.45}
.lastlayer-explain ol{list-style:none;margin:0;padding:0}
.lastlayer-explain li{margin:0;padding:.9em 0;border-top:1px solid rgba(128,128,128,.3)}
.lastlayer-explain h4{display:inline;margin:0 .8em 0 0;font-size:1.05em;font-weight:600}
.lastlayer-explain .formula{font-family:"STIX Two Math","Cambria Math",serif;opacity:.85}
.lastlayer-explain p{margin:.35em 0 0;max-width:46em}
.lastlayer-explain .why{opacity:.8}
.lastlayer-explain .note{padding:.15em .7em;border-left:3px solid rgba(235,150,30,.9);
background:rgba(235,150,30,.12)}
.lastlayer-explain .mean{font-weight:600}
.lastlayer-explain .tables{display:flex;flex-wrap:wrap;gap:.2em 2em;align-items:flex-end;
overflow-x:auto}
.lastlayer-explain table{border-collapse:collapse;margin:.5em 0 0;font-size:.95em;border:none;
font-variant-numeric:tabular-nums}
.lastlayer-explain caption{caption-side:top;text-align:center;opacity:.7;padding:0 0 .15em}
.lastlayer-explain tr,.lastlayer-explain th,.lastlayer-explain td{background:transparent;
border:none}
.lastlayer-explain th{font-weight:400;opacity:.6;text-align:right;padding:.15em .6em;
white-space:nowrap}
.lastlayer-explain td{text-align:right;padding:.15em .6em;white-space:nowrap;
background-repeat:no-repeat}
.lastlayer-explain td.picked{font-weight:700;outline:2px solid rgba(60,140,240,.85);
outline-offset:-2px;border-radius:3px}
.lastlayer-explain .more{opacity:.6;font-size:.9em}
"""
BAR = "rgba(60,140,240,.28)"


def html(explanation: Explanation) -> str:
    """The whole explanation, in one element."""
    words = WORDS[explanation.lang]
    labels = explanation["picked"].tables[0].values
    total = len(explanation.loss)
    shown = view(labels, explanation.steps[0].tables[0].values, total)
    head = words["head"].format(rows=total, classes=labels.shape[1], unit=explanation.unit)
    steps = "".join(
        _step(i, step, shown, words, explanation.unit)
        for i, step in enumerate(explanation.steps, 1)
    )
    lang = {"en": "en", "zh": "zh-Hans"}[explanation.lang]
    return (
        f'<div class="lastlayer-explain" lang="{lang}"><style>{STYLE}</style>'
        f"<p><strong>{escape(head)}</strong></p><ol>{steps}</ol></div>"
    )


def _step(i: int, step: Step, shown: View, words: dict[str, str], unit: str) -> str:
    tables = [t for t in step.tables if t.kind != "total"]
    parts = [
        f"<li><h4>{i}. {escape(step.title)}</h4>",
        f'<span class="formula">{escape(step.formula)}</span>',
        f'<p class="why">{escape(step.why)}</p>',
    ]
    if tables:
        drawn = "".join(_table(step, t, shown, words, alone=len(tables) == 1) for t in tables)
        parts.append(f'<div class="tables">{drawn}</div>')
        said = shown.remainder(words, classes=any(t.values.shape[1] > 1 for t in tables))
        parts += [f'<p class="more">{escape(" · ".join(said))}</p>'] if said else []
    means = [
        f"{t.name} = {number(float(t.values[0, 0]))}" for t in step.tables if t.kind == "total"
    ]
    if means:
        parts.append(f'<p class="mean">{escape(" → ".join(means))} {escape(unit)}</p>')
    parts += [f'<p class="note">{escape(words["note"] + note)}</p>' for note in step.notes]
    return "".join([*parts, "</li>"])


def _table(step: Step, table: Table, shown: View, words: dict[str, str], *, alone: bool) -> str:
    wide = table.values.shape[1] > 1
    caption = "" if alone else f"<caption>{escape(table.name)}</caption>"
    heads = [str(c) for c in shown.classes] if wide else [table.name if alone else "\u00a0"]
    corner = words["class"] if wide else ""
    first = "".join(f'<th scope="col">{escape(head)}</th>' for head in [corner, *heads])
    body = "".join(
        f'<tr><th scope="row">{escape(words["row"].format(row=row))}</th>'
        f"{''.join(map(_cell, cells))}</tr>"
        for row, cells in zip(shown.rows, shown.cells(step, table, words["ignored"]), strict=True)
    )
    return f"<table>{caption}<thead><tr>{first}</tr></thead><tbody>{body}</tbody></table>"


def _cell(cell: Cell) -> str:
    kind = ' class="picked"' if cell.picked else ""
    bar = ""
    if cell.share > 0:
        size = f"{100 * min(cell.share, 1):.1f}% 100%"
        bar = f' style="background-image:linear-gradient({BAR},{BAR});background-size:{size}"'
    return f"<td{kind}{bar}>{escape(cell.text)}</td>"
