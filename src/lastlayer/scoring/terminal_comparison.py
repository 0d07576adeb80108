"""Several predictions of the same rows side by side in a terminal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lastlayer.scoring import view, view_comparison
from lastlayer.scoring.terminal import table

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult

    from lastlayer.scoring.comparison import Comparison

WIDE = 100  # columns: long names fit


@dataclass(frozen=True)
class ComparisonScreen:
    """What is shown of several predictions; ``console.print`` fits it to the width.

    Parameters
    ----------
    comparison : Comparison
        What `lastlayer.scoring.comparison.compare` returned.
    """

    comparison: Comparison

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        from rich.text import Text

        names = view_comparison.short_names(
            self.comparison.names, 32 if options.max_width >= WIDE else 16
        )
        count = f"{len(names)} predictions of {view.summary(self.comparison.scores[0])}"
        yield Text(count, style="bold")
        yield ""
        each = table("", *view_comparison.SCORE_HEADS)
        for row in view_comparison.score_rows(names, self.comparison):
            each.add_row(*map(Text, row))
        yield each
        yield ""
        differences = table("Difference", *view_comparison.DIFFERENCE_HEADS)
        for one in (each, differences):  # a name goes on in the next line before a number is cut
            one.columns[0].no_wrap = False
        for row in view_comparison.difference_rows(names, self.comparison):
            differences.add_row(*map(Text, row))
        yield differences
        for said in view_comparison.verdicts(self.comparison):
            yield Text(said, style="dim")
