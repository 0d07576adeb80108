"""Softmax taken apart: what the steps of `explain` show, each array computed once."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from lastlayer import reference
from lastlayer.contract import Floats, Indices


@dataclass(frozen=True, slots=True, eq=False)
class Softmax:
    """The parts of reference.softmax_parts, and what follows from them, for logits (N, C)."""

    z: Floats  # (N, C)
    m: Floats  # (N, 1)
    e: Floats  # (N, C)
    rest: Floats  # (N, 1): S without the first maximum's 1
    log_s: Floats  # (N, 1)
    top: Indices  # (N, 1): where the first maximum is
    p: Floats  # (N, C)

    @classmethod
    def of(cls, z: Floats) -> Softmax:
        """Take the logits (N, C) apart."""
        m, e, rest, log_s = reference.softmax_parts(z)
        return cls(z, m, e, rest, log_s, z.argmax(axis=-1, keepdims=True), e / (1 + rest))

    @property
    def beside(self) -> Floats:
        """1 − the largest probability, also where that rounds to 1, (N, 1)."""
        return self.rest / (1 + self.rest)

    def shifted(self) -> Floats:
        """The shifted rows z − m, (N, C)."""
        with np.errstate(invalid="ignore"):  # −inf − −inf, inf − inf: NaN, as the contract has it
            return self.z - self.m

    def logs(self, shifted: Floats) -> Floats:
        """Log p = (z − m) − log S in nats, never the log of a rounded p, (N, C)."""
        return shifted - self.log_s

    def log_others(self) -> Floats:
        """Log(1 − p) in nats, right also where p rounds to 0 or to 1, (N, C)."""
        result = np.minimum(self.p, 0.5)  # only the maximum can be more, and it is set below
        np.log1p(np.negative(result, out=result), out=result)
        with np.errstate(divide="ignore"):
            at_top = np.log(self.rest) - self.log_s
        lost = np.flatnonzero(self.rest < 1e-290)  # underflowed, or all but
        if lost.size:
            others = self.z[lost]
            np.put_along_axis(others, self.top[lost], -np.inf, axis=-1)
            second, _, _, log_rest = reference.softmax_parts(others)
            exact = (second - self.m[lost]) + log_rest - self.log_s[lost]
            at_top[lost] = np.where(second == -np.inf, -np.inf, exact)  # the only class there is
        np.put_along_axis(result, self.top, at_top, axis=-1)
        return result

    def gradient(self, labels: Floats, scale: float) -> Floats:
        """(Σ t · p − t) · scale; the maximum's entry without the cancellation, (N, C)."""
        total = labels.sum(axis=-1, keepdims=True)
        result: Floats = total * self.p
        result -= labels
        at_top = np.take_along_axis(labels, self.top, axis=-1)
        others = np.where(at_top > 0, 0.0, total)
        soft = np.flatnonzero((at_top > 0) & (at_top < total))
        if soft.size:  # summed without it, never by subtraction
            left = labels[soft]
            np.put_along_axis(left, self.top[soft], 0.0, axis=-1)
            others[soft] = left.sum(axis=-1, keepdims=True)
        np.put_along_axis(result, self.top, others - total * self.beside, axis=-1)
        result *= scale
        return result


def weighted(weights: Floats, values: Floats) -> Floats:
    """Σ_j weight · value a row, with 0 · ∞ = 0, (N, 1)."""
    with np.errstate(invalid="ignore"):
        sums: Floats = np.einsum("nc,nc->n", weights, values)
    special = np.flatnonzero(~np.isfinite(sums))
    if special.size:
        w, v = weights[special], values[special]
        products = np.multiply(w, v, out=np.zeros(v.shape), where=w > 0)
        sums[special] = products.sum(axis=-1)
    return sums.reshape(-1, 1)


def in_base(values: Floats, base: float) -> Floats:
    """Natural logarithms in another base, in place."""
    return values if base == math.e else np.divide(values, math.log(base), out=values)
