"""An explanation as lines of text: spans, each with the role that a terminal may colour."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lastlayer.learning.explain_steps import Step, Table
from lastlayer.learning.explain_view import SHOWN_CLASSES, WORDS, Cell, View, number, view

if TYPE_CHECKING:
    from lastlayer.learning.explain import Explanation

Span = tuple[str, str]  # role, text
Line = list[Span]
ROLES = ("head", "title", "formula", "why", "label", "number", "bar", "picked", "total", "note", "")
INDENT, GAP = 4, 3
LONGEST = 92  # prose in longer lines than this is hard to read
NUMBER_WIDTH = 7  # at least, so that the columns of different steps stand under one another


def width(text: str) -> int:
    """Columns of a terminal that the text takes: two for a wide character, none for a mark."""
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1
        for c in text
    )


def pad(text: str, columns: int, *, left: bool = False) -> str:
    """Fill up with spaces, at the right or, with `left`, at the left."""
    space = " " * (columns - width(text))
    return space + text if left else text + space


def wrap(text: str, columns: int) -> list[str]:
    """Break prose into lines; Chinese between any two characters, but none begins with a stop."""
    lines = [""]
    for piece in _pieces(text):
        if lines[-1] and width(lines[-1] + piece.rstrip()) > columns:
            lines[-1] = lines[-1].rstrip()
            lines.append(piece.lstrip())
        else:
            lines[-1] += piece
    return [line.rstrip() for line in lines]


def _pieces(text: str) -> Iterator[str]:
    """What may not be broken: a word with the space after it, a wide character with its stops."""
    piece = ""
    for c in text:
        wide = unicodedata.east_asian_width(c) in "WF"
        closes = unicodedata.category(c) in ("Po", "Pe", "Pf") and not piece.endswith(" ")
        opened = piece and unicodedata.category(piece[-1]) in ("Ps", "Pi")
        ends = piece.endswith(" ") or (piece and unicodedata.east_asian_width(piece[-1]) in "WF")
        if piece and not closes and not opened and c != " " and (wide or ends):
            yield piece
            piece = ""
        piece += c
    yield piece


@dataclass(frozen=True, slots=True)
class Block:
    """A table laid out: a caption, a head and rows of cells, all equally wide."""

    caption: str
    lines: list[Line]
    wide: bool  # it has a column a class

    @property
    def width(self) -> int:
        """Of every line."""
        return sum(width(text) for _, text in self.lines[0])


def lines(explanation: Explanation, columns: int) -> list[Line]:
    """The whole explanation."""
    words = WORDS[explanation.lang]
    labels = explanation["picked"].tables[0].values
    total = len(explanation.loss)
    for most in range(SHOWN_CLASSES, 0, -1):
        shown = view(labels, explanation.steps[0].tables[0].values, total, most)
        blocks = [_blocks(step, shown, words) for step in explanation.steps]
        side = _side(shown, words, "")[0][0][1]
        widest = max((b.width for step in blocks for b in step), default=0)
        if INDENT + width(side) + widest <= columns:
            break
    head = words["head"].format(rows=total, classes=labels.shape[1], unit=explanation.unit)
    result: list[Line] = [[("head", line)] for line in wrap(head, columns)]
    for i, (step, tables) in enumerate(zip(explanation.steps, blocks, strict=True), 1):
        result += [[], *_title(i, step, columns)]
        prose = min(columns, LONGEST) - INDENT
        result += [_indented([("why", line)]) for line in wrap(step.why, prose)]
        result += [_indented(line) for line in _body(step, tables, shown, words, columns)]
        result += [_indented([("total", line)]) for line in _means(step, explanation.unit)]
        for note in step.notes:
            result += [_indented([("note", line)]) for line in wrap(words["note"] + note, prose)]
    return [line for i, line in enumerate(result) if line or (i and result[i - 1])]


def _indented(line: Line) -> Line:
    return [("", " " * INDENT), *line] if line else []


def _title(i: int, step: Step, columns: int) -> list[Line]:
    title = f"{i:2}  {step.title}"
    if width(title) + GAP + width(step.formula) <= columns:
        return [[("title", title), ("", " " * GAP), ("formula", step.formula)]]
    return [[("title", title)], _indented([("formula", step.formula)])]


def _blocks(step: Step, shown: View, words: dict[str, str]) -> list[Block]:
    return [_block(step, t, shown, words) for t in step.tables if t.kind != "total"]


def _block(step: Step, table: Table, shown: View, words: dict[str, str]) -> Block:
    cells = shown.cells(step, table, words["ignored"])
    wide = table.values.shape[1] > 1
    alone = sum(t.kind != "total" for t in step.tables) == 1
    heads = [str(c) for c in shown.classes] if wide else [table.name if alone else ""]
    caption = "" if alone else table.name
    least = 1 if table.kind == "label" else NUMBER_WIDTH
    w = max([least, *(width(c.text) for row in cells for c in row), *map(width, heads)])
    if not wide:
        w = max(w, width(caption))
    lines: list[Line] = [[("label", pad(h, w + 2, left=True) + " ") for h in heads]]
    lines += [[span for cell in row for span in _cell(cell, w)] for row in cells]
    return Block(caption, lines, wide)


def _cell(cell: Cell, w: int) -> Iterator[Span]:
    """A number right-aligned, in brackets where picked; a share of it is the bar behind."""
    if cell.picked:
        text = pad("[" + cell.text, w + 2, left=True) + "]"
    else:
        text = pad(cell.text, w + 2, left=True) + " "
    role = "picked" if cell.picked else "number"
    filled = round(cell.share * (w + 2))
    yield "", text[:1]
    if filled:
        yield f"{role} bar", text[1 : 1 + filled]
    if text[1 + filled :]:
        yield role, text[1 + filled :]


def _side(shown: View, words: dict[str, str], corner: str) -> list[Line]:
    """The column of row names, under `corner`."""
    names = [words["row"].format(row=row) for row in shown.rows]
    w = max(map(width, [*names, words["class"]]))
    return [[("label", pad(corner, w))], *([("label", pad(name, w))] for name in names)]


def _body(
    step: Step, blocks: list[Block], shown: View, words: dict[str, str], columns: int
) -> list[Line]:
    """The blocks side by side where they fit, in bands under one another where not."""
    result: list[Line] = []
    while blocks:
        band, blocks = [blocks[0]], blocks[1:]
        side = _side(shown, words, words["class"] if band[0].wide else "")
        used = INDENT + width(side[0][0][1]) + band[0].width
        while blocks and used + GAP + blocks[0].width <= columns:
            used += GAP + blocks[0].width
            band.append(blocks[0])
            blocks = blocks[1:]
        result.append([])
        if any(block.caption for block in band):
            captions: Line = [("", " " * width(side[0][0][1]))]
            for i, block in enumerate(band):
                captions.append(("", " " * (GAP if i else 0)))
                captions.append(("label", _centred(block)))
            result.append(captions)
        heads = [block.lines[0] for block in band]
        if any(text.strip() for line in heads for _, text in line):
            result.append(_joined(side[0], heads))
        result += [
            _joined(name, [block.lines[i] for block in band]) for i, name in enumerate(side[1:], 1)
        ]
        said = shown.remainder(words, classes=any(block.wide for block in band))
        if said:
            result.append([("label", (" " * GAP).join(said))])
    return [*result, []]


def _centred(block: Block) -> str:
    if not block.wide:
        return pad(block.caption, block.width - 1, left=True) + " "
    space = block.width - 2 - width(block.caption)
    return pad("  " + " " * (space // 2) + block.caption, block.width)


def _joined(side: Line, parts: list[Line]) -> Line:
    line = list(side)
    for i, part in enumerate(parts):
        line += [("", " " * (GAP if i else 0)), *part]
    return line


def _means(step: Step, unit: str) -> list[str]:
    totals = [t for t in step.tables if t.kind == "total"]
    if not totals:
        return []
    said = (" " * GAP).join(f"{t.name} = {number(float(t.values[0, 0]))}" for t in totals)
    return [f"{said} {unit}"]
