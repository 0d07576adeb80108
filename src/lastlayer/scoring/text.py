"""Numbers and names as the terminal and the pages write them."""

from __future__ import annotations

import math

LONGEST_NAME = 80


def clean(name: object, longest: int = LONGEST_NAME) -> str:
    r"""A name on one line: what has no shape is spelled out, what is too long loses its middle.

    Examples
    --------
    >>> from lastlayer.scoring.text import clean
    >>> clean("two\nlines \x1b[31m")
    'two\\nlines \\x1b[31m'
    >>> clean("a" * 100, 9)
    'aaaa…aaaa'
    """
    text = str(name)
    # a name may be megabytes: what is cut away is not looked at
    head, tail = text[: longest + 1], text[-longest:]
    text = _visible(head) if len(text) <= longest else f"{_visible(head)}{_visible(tail)}"
    if len(text) <= longest:
        return text
    half = longest // 2
    return f"{text[:half]}…{text[len(text) - (longest - half - 1) :]}"


def _visible(text: str) -> str:
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def number(value: float, beside: float = 0.0) -> str:
    """Four digits that count, of the larger one where it stands beside another.

    Examples
    --------
    >>> from lastlayer.scoring.text import number
    >>> number(0.090823, beside=0.1849)
    '0.0908'
    >>> [number(value) for value in (0.13614, 1.14583, 12345.6, 2.2894e-08, 0, float("inf"))]
    ['0.1361', '1.146', '12,346', '2.289e-08', '0', '∞']
    """
    if math.isnan(value):
        return "–"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    if value == 0:
        return "0"
    size = abs(value)
    largest = max(size, abs(beside)) if math.isfinite(beside) else size
    if size >= 1e7 or size < 1e-4:
        text = f"{size:.3e}"
    else:
        # after rounding: 9.99996 has its four digits as 10.00
        decimals = max(0, 3 - math.floor(math.log10(float(f"{largest:.3e}"))))
        text = f"{size:,.{decimals}f}"
    return f"−{text}" if value < 0 else text


def signed(value: float, beside: float = 0.0) -> str:
    """A difference, with its sign."""
    return f"+{number(value, beside)}" if value > 0 else number(value, beside)


def percent(share: float, digits: int = 2) -> str:
    """A share in per cent, 100 and 0 only where they are exact.

    Examples
    --------
    >>> from lastlayer.scoring.text import percent
    >>> [percent(share) for share in (0.96222, 1, 0.999999, 1e-9, 0)]
    ['96.22 %', '100 %', '>99.99 %', '<0.01 %', '0 %']
    """
    if math.isnan(share):
        return "–"
    if share in (0, 1):
        return f"{share:.0%}".replace("%", " %")
    least = 10.0**-digits
    if 0 < share < 1 and round(100 * share, digits) >= 100:
        return f">{100 - least:.{digits}f} %"
    if 0 < share < 1 and round(100 * share, digits) < least:
        return f"<{least:.{digits}f} %"
    return f"{100 * share:.{digits}f} %".replace("-", "−")


def count(value: int, one: str = "", many: str = "") -> str:
    """A count with its noun: 1 row, 10,000 rows."""
    noun = one if value == 1 else many or f"{one}s"
    return f"{value:,} {noun}" if one else f"{value:,}"
