"""The notes beside the steps: what these very numbers show that others would not."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lastlayer.contract import Floats
from lastlayer.learning.explain_rows import Mask, Rows, Totals

NAMES = {np.float32: "float32", np.float64: "float64"}
TOLERANCE = 0.01  # a naive value further off than this, relatively, is worth a note


def plain(value: float) -> str:
    """A number in a sentence: all the digits that tell it apart, or none to spare."""
    return "0" if value == 0 else "NaN" if math.isnan(value) else repr(float(value))


def short(value: float) -> str:
    """The same in seven digits."""
    return "0" if value == 0 else "NaN" if math.isnan(value) else f"{value:.7g}"


@dataclass(frozen=True, slots=True, eq=False)
class Notes:
    """Writes the notes; each method returns none, one or a few sentences."""

    words: dict[str, str]
    rows: Rows
    totals: Totals
    base: float

    def _where(self, key: str, others: int, *, all_rows: bool, **at: int) -> str:
        """The first place, and how many there are besides."""
        if not others:
            return self.words[key].format(**at)
        seen = all_rows or len(self.rows.losses) == len(self.totals.losses)
        count = f"{'' if seen else self.words['at_least']}{others:,}"
        return self.words[f"{key}_many"].format(n=count, **at)

    def _row(self, key: str, rows: Mask, **values: str) -> tuple[str, ...]:
        """One note that names the first of the rows and counts the others."""
        if not rows.any():
            return ()
        row, others = int(rows.argmax()), int(rows.sum()) - 1
        everything = len(rows) == len(self.totals.losses)
        where = self._where("where", others, all_rows=everything, row=row)
        text = self.words[f"note.{key}"].format(where=where, **values)
        return (text[0].upper() + text[1:],)

    def _cell(self, key: str, cells: Mask, off: Mask, **values: str) -> tuple[str, ...]:
        """One note that names the first of the cells that are off, and counts the others."""
        row, column = (int(i) for i in np.argwhere(cells)[int(off.argmax())])
        others = int(off.sum()) - 1
        where = self._where("cell", others, all_rows=False, row=row, column=column)
        return (self.words[f"note.{key}"].format(where=where, **values),)

    def special(self) -> tuple[str, ...]:
        """Rows without probabilities, and classes that are masked."""
        lost = ~np.isfinite(self.totals.top[:, 0]) & ~self.totals.ignored
        masked = np.isneginf(self.rows.softmax.z).any(axis=-1)
        masked &= np.isfinite(self.rows.softmax.m[:, 0])
        return self._row("special", lost) + self._row("masked", masked)

    def unshifted(self) -> tuple[str, ...]:
        """Rows whose exponentials overflow, or all vanish, when nothing is subtracted."""
        top = self.totals.top[:, 0]
        for dtype in (np.float64, np.float32):
            with np.errstate(over="ignore", under="ignore"):
                naive = np.exp(top.astype(dtype))
            lost = np.isfinite(top) & (np.isinf(naive) | (naive == 0))
            if lost.any():
                row = int(lost.argmax())
                return self._row(
                    "unshifted",
                    lost,
                    dtype=NAMES[dtype],
                    z=f"{top[row]:.6g}",
                    naive="inf" if naive[row] else "0",
                )
        return ()

    def logs(self) -> tuple[str, ...]:
        """Picked cells where the log of the rounded probability is another number."""
        picked = self.rows.labels > 0
        exact, p = self.rows.logs[picked], self.rows.p[picked]
        for dtype in (np.float64, np.float32):
            with np.errstate(divide="ignore", under="ignore"):
                rounded = p.astype(dtype)
                naive = np.log(rounded) / dtype(math.log(self.base))
            off = _differs(naive, exact)
            if off.any():
                at = int(off.argmax())
                return self._cell(
                    "log",
                    picked,
                    off,
                    dtype=NAMES[dtype],
                    p=short(rounded[at]),
                    naive=short(naive[at]),
                    exact=plain(exact[at]),
                )
        return ()

    def about_labels(self) -> tuple[str, ...]:
        """Rows left out, and labels that are no distribution."""
        sums = self.rows.labels.sum(axis=-1)
        off = (np.abs(sums - 1) > 1e-6) & ~self.rows.ignored
        total = f"{sums[off][0]:.6g}" if off.any() else ""
        return self._row("ignored", self.totals.ignored) + self._row("weights", off, total=total)

    def infinite(self) -> tuple[str, ...]:
        """Labels that were given the probability 0."""
        return self._row("infinite", np.isposinf(self.totals.losses[:, 0]))

    def mean(self, *, geometric: bool) -> tuple[str, ...]:
        """What the mean says as a probability."""
        mean = self.totals.mean
        if self.totals.ignored.all():
            return (self.words["note.empty"],)
        if not geometric or not 1e-4 < mean < 100:
            return ()
        base = "e" if self.base == math.e else f"{self.base:g}"
        text = self.words["note.geometric"]
        return (text.format(base=base, mean=f"{mean:.4f}", p=f"{self.base**-mean:.4g}"),)

    def gradient(self, factor: float) -> tuple[str, ...]:
        """One-hot targets where p − 1 is another number than the gradient."""
        cells = self.rows.labels == 1
        exact, p = self.rows.gradient[cells], self.rows.softmax.p[cells]
        for dtype in (np.float64, np.float32):
            naive = (p.astype(dtype) - np.ones(1, dtype)) * factor
            off = _differs(naive, exact)
            if off.any():
                at = int(off.argmax())
                return self._cell(
                    "gradient",
                    cells,
                    off,
                    dtype=NAMES[dtype],
                    naive=short(float(naive[at])),
                    exact=plain(exact[at]),
                )
        return ()

    def rose(self) -> tuple[str, ...]:
        """A step that was too long."""
        return (self.words["note.rose"],) if self.totals.mean_after > self.totals.mean else ()


def _differs(naive: NDArray[Any], exact: Floats) -> Mask:
    """Where a naive value is off by more than a little, or not finite where the exact one is."""
    with np.errstate(invalid="ignore"):  # −inf − −inf
        close = np.abs(naive - exact) <= TOLERANCE * np.abs(exact)
    return np.isfinite(exact) & ~close
