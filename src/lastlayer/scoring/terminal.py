"""A score in a terminal, or as plain text where there is none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lastlayer.scoring import view
from lastlayer.scoring.class_names import called
from lastlayer.scoring.text import clean, count, number, percent

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
    from rich.table import Table

    from lastlayer.scoring.score import Score

GAP = 4  # columns between tables
CLASSES, EXAMPLES = 8, 8  # the most rows of a table
BINS = 20
LONGEST_SOURCE = 24  # letters
BAR = 32  # letters
EIGHTHS = " ▏▎▍▌▋▊▉"


@dataclass(frozen=True)
class Screen:
    """What is shown of a score; ``console.print`` fits it to the width.

    Parameters
    ----------
    score : Score
        What `lastlayer.score` returned.
    title : str
        What was scored; may hold any characters.
    """

    score: Score
    title: str

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        from rich.text import Text

        yield Text(clean(self.title), style="bold")
        yield Text(view.summary(self.score), style="dim")
        if said := view.nan_rows(self.score, EXAMPLES, LONGEST_SOURCE):
            yield Text(said, style="dim")
        yield ""
        curve = _reliability(self.score, BAR, plain=options.ascii_only)
        parts = [
            part
            for part in (
                _headline(self.score),
                curve,
                _temperature(self.score),
                _classes(self.score),
                _examples(self.score),
            )
            if part is not None
        ]
        for line in _lines(parts, console, options):
            yield _beside(line)
            yield ""


def _lines(
    parts: Sequence[RenderableType], console: Console, options: ConsoleOptions
) -> list[list[RenderableType]]:
    """The parts in their order, as many beside each other as there is room for."""
    from rich.measure import Measurement

    lines: list[list[RenderableType]] = []
    room = -1
    for part in parts:
        width = Measurement.get(console, options, part).maximum
        if width > room:
            lines.append([])
            room = options.max_width
        lines[-1].append(part)
        room -= width + GAP
    return lines


def _beside(parts: Sequence[RenderableType]) -> RenderableType:
    from rich.table import Table

    grid = Table.grid(padding=(0, GAP))
    grid.add_row(*parts)
    return grid


def table(title: str, *columns: str) -> Table:
    """An empty table without lines; its first column is of words, the others of numbers."""
    from rich.table import Table

    it = Table(
        title=title, title_justify="left", title_style="bold", box=None, padding=(0, 2, 0, 0),
        header_style="dim", pad_edge=False, caption_justify="left", caption_style="dim",
    )  # fmt: skip
    for place, column in enumerate(columns):
        it.add_column(column, justify="right" if place else "left", no_wrap=True)
    return it


def _headline(score: Score) -> RenderableType:
    from rich.text import Text

    it = table("", "", "", "95 % interval")
    it.columns[2].justify = "left"
    for entry in view.headline(score):
        value = Text(entry.value, style="bold")
        if entry.unit:
            value.append(f" {entry.unit}", style="not bold")
        it.add_row(entry.name, value, entry.interval)
    return it


def _reliability(score: Score, width: int, *, plain: bool) -> RenderableType:
    from rich.text import Text

    it = table("Calibration", "confidence", "rows", "accuracy", "")
    it.columns[-1].justify = "left"
    it.columns[-1].header = "0".ljust(width - 1) + "1"
    for part in view.coarse(score.reliability, BINS):
        if part.count:
            drawn = bar(part.accuracy, part.confidence, width, plain=plain)
            it.add_row(
                f"{part.lo:.2f} to {part.hi:.2f}", count(part.count), percent(part.accuracy, 1),
                Text(drawn, style="cyan"),
            )  # fmt: skip
    mark = "|" if plain else "│"
    it.caption = f"{view.calibration(score)} Bar: accuracy; {mark} mean confidence."
    return it


def bar(accuracy: float, confidence: float, width: int, *, plain: bool = False) -> str:
    """Accuracy as a bar of at most `width` letters, with a line at the mean confidence.

    Examples
    --------
    >>> from lastlayer.scoring.terminal import bar
    >>> bar(0.5, 0.75, 12)
    '██████   │  '
    >>> bar(1, 0.5, 12, plain=True)
    '######|#####'
    """
    full, part = divmod(round(8 * width * accuracy), 8)
    if plain:
        letters = list("#" * round(width * accuracy))
    else:
        letters = list("█" * full + (EIGHTHS[part] if part else ""))
    letters += " " * (width - len(letters))
    letters[min(width - 1, int(width * confidence))] = "|" if plain else "│"
    return "".join(letters)


def _temperature(score: Score) -> RenderableType | None:
    fit = score.temperature_fit
    if fit is None:
        return None
    it = table(f"Temperature {number(fit.temperature)}", "", "before", "after")
    it.caption = "still falling at the end of the range searched" if fit.bounded else None
    for name, before, after in view.temperature(fit):
        it.add_row(name, before, after)
    return it


def _classes(score: Score) -> RenderableType | None:
    from rich.text import Text

    classes = view.worst_classes(score, CLASSES)
    if score.classes == 1 or not len(classes):
        return None
    it = table("Classes with the largest loss", "class", "rows", "loss", "precision", "recall")
    of = score.per_class
    for k in classes:
        it.add_row(
            Text(called(score, int(k))), count(int(of.count[k])), number(of.loss[k]),
            percent(of.precision[k], 1), percent(of.recall[k], 1),
        )  # fmt: skip
    return it


def _examples(score: Score) -> RenderableType | None:
    from rich.text import Text

    if not score.worst:
        return None
    it = table("Worst rows", "row", "label", "predicted", "confidence", "loss")
    examples = score.worst[:EXAMPLES]
    for place, example in zip(view.places(examples, LONGEST_SOURCE), examples, strict=True):
        it.add_row(
            Text(place), *(Text(called(score, k)) for k in (example.label, example.prediction)),
            percent(example.confidence, 1), number(example.loss),
        )  # fmt: skip
    return it
