"""The steps of `explain`: names, formulas, reasons and notes put to the numbers."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from lastlayer.contract import Floats
from lastlayer.learning.explain_notes import Notes
from lastlayer.learning.explain_rows import Mask, Rows, Totals

Kind = Literal["number", "probability", "label", "total"]


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """One array of a step and how it is to be read."""

    name: str
    values: Floats  # (N, C), (N, 1), or of the kind "total" (1, 1)
    kind: Kind = "number"
    beside: Floats | None = None  # (N, 1) 1 − the row's largest, where that is known better
    absent: Mask | None = None  # (N,) rows whose value doesn't count, in a table (N, 1)


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """One step: what it is called, its formula, why it is done, and its numbers."""

    key: str
    title: str
    formula: str
    why: str
    tables: tuple[Table, ...]
    main: int = 0  # which table is the step's result; the others stand beside it
    picked: Mask | None = None  # (N, C) the cells that the labels pick
    notes: tuple[str, ...] = ()

    @property
    def values(self) -> Floats:
        """The step's result: (N, C), (N, 1), or (1, 1) for a mean."""
        return self.tables[self.main].values


@dataclass(frozen=True, slots=True, eq=False)
class Writer:
    """Writes the steps down, in one language and base."""

    rows: Rows
    totals: Totals
    words: dict[str, str]
    base: float
    rate: float
    scale: float  # of the gradient: 1/N
    given: bool  # it began with probabilities
    soft: bool  # the labels are distributions, and not all one-hot

    def steps(self) -> Iterator[Step]:
        """Every step in its order."""
        notes = Notes(self.words, self.rows, self.totals, self.base)
        if self.given:
            yield self._step("given", "q", self._probabilities("q"))
        else:
            yield from self._softmax(notes)
        yield from self._loss(notes)
        yield from self._learning(notes)

    @property
    def _log(self) -> str:
        known = {math.e: "ln", 2.0: "log₂", 10.0: "log₁₀"}
        return known.get(self.base, f"log_{self.base:g}")

    @property
    def _q(self) -> str:
        return "q" if self.given else "p"

    def _step(
        self, key: str, formula: str, *tables: Table, why: str | None = None, **rest: Any
    ) -> Step:
        why = self.words[f"{key}.why"] if why is None else why
        return Step(key, self.words[f"{key}.title"], formula, why, tables, **rest)

    def _sentences(self, *parts: str) -> str:
        return self.words["between"].join(part for part in parts if part)

    def _probabilities(self, name: str) -> Table:
        beside = None if self.given else self.rows.softmax.beside
        return Table(name, self.rows.p, "probability", beside)

    def _softmax(self, notes: Notes) -> Iterator[Step]:
        softmax = self.rows.softmax
        shifted = Table("z − m", self.rows.shifted)
        exponentials = Table("e", softmax.e), Table("S", 1 + softmax.rest)
        yield self._step("logits", "z", Table("z", softmax.z), notes=notes.special())
        yield self._step("maximum", "m = max_j z_j", Table(self.words["name.max"], softmax.m))
        yield self._step("shifted", "z − m", shifted, notes=notes.unshifted())
        yield self._step("exponentials", "e = exp(z − m),  S = Σ_j e_j", *exponentials)
        yield self._step("probabilities", "p = e / S", self._probabilities("p"))

    def _loss(self, notes: Notes) -> Iterator[Step]:
        words, rows, totals = self.words, self.rows, self.totals
        log_q, log_q_j = f"{self._log} {self._q}", f"{self._log} {self._q}_j"
        unit = "e" if self.base == math.e else f"{self.base:g}"
        counts = words.get(f"logs.{unit}", words["logs.other"])
        exact = "[(z − m) − ln S]" if unit != "e" else "(z − m) − ln S"
        divided = f" / ln {unit}" if unit != "e" else ""
        yield self._step(
            "logs",
            log_q if self.given else f"{log_q} = {exact}{divided}",
            Table(log_q, rows.logs),
            why=self._sentences(
                words["given_logs.why" if self.given else "logs.why"],
                counts.format(base=unit, nats=f"{math.log(self.base):.4g}"),
            ),
            notes=() if self.given else notes.logs(),
        )
        kind = "soft_picked" if self.soft else "given_picked" if self.given else "picked"
        yield self._step(
            "picked",
            f"Σ_j t_j {log_q_j}",
            Table(f"{words['name.labels']} t", rows.labels, "label"),
            Table(log_q, rows.logs),
            Table(words["name.picked"], rows.entries, absent=rows.ignored),
            why=words[f"{kind}.why"],
            main=2,
            picked=rows.labels > 0,
            notes=notes.about_labels(),
        )
        yield self._step(
            "losses",
            f"ℓ = −Σ_j t_j {log_q_j}",
            Table(words["name.loss"], rows.losses, absent=rows.ignored),
            notes=notes.infinite(),
        )
        yield self._step(
            "mean",
            "L = (1/N) Σ_i ℓ_i",
            Table("L", _total(totals.mean), "total"),
            notes=notes.mean(geometric=not self.soft),
        )
        yield self._step(
            "binary",
            f"−Σ_j [t_j {log_q_j} + (1 − t_j) {self._log}(1 − {self._q}_j)]",
            Table(words["name.loss"], rows.binary, absent=rows.ignored),
            Table("L", _total(totals.mean_binary), "total"),
            why=words["binary.why"].format(q=self._q),
        )

    def _learning(self, notes: Notes) -> Iterator[Step]:
        """What the loss is for: its gradient, and one step along it."""
        words, rows, totals = self.words, self.rows, self.totals
        natural = self.base == math.e
        exact = not self.given and not self.soft
        divisor = "N" if natural else f"(N ln {self.base:g})"
        yield self._step(
            "gradient",
            f"∂L/∂z = ({self._q} − t) / {divisor}",
            Table("∂L/∂z", rows.gradient),
            why=self._sentences(
                words["gradient.why"],
                "" if natural else words["gradient.base"].format(base=f"{self.base:g}"),
                words["gradient.exact"] if exact else "",
                words["gradient.given"] if self.given else "",
            ),
            picked=rows.labels > 0,
            notes=notes.gradient(self.scale / math.log(self.base)),
        )
        name = words["name.p_after"].format(q=self._q)
        p_after = Table(name, rows.moved.p, "probability", rows.moved.beside)
        yield self._step(
            "step",
            "z ← z − η ∂L/∂z",
            self._probabilities(words["name.p_before"].format(q=self._q)),
            p_after,
            Table(words["name.before"], _total(totals.mean), "total"),
            Table(words["name.after"], _total(totals.mean_after), "total"),
            why=words["step.why"].format(rate=f"{self.rate:g}"),
            main=1,
            picked=rows.labels > 0,
            notes=notes.rose(),
        )


def _total(value: float) -> Floats:
    return np.array([[value]])
