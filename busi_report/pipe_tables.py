"""Tables as pandoc reads them: columns share the line, text shows exactly what it says."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

NATURAL_WIDTH = 84
"""Characters that a line of a table may have before its cells are wrapped."""
_NUMBER, _TEXT = 24, 14
"""Characters of a number that is not broken, and of a line of text that has more."""
PANDOC_COLUMNS = 200
"""Passed to pandoc: a table whose rule is longer than this takes the text width and wraps."""


def pipe_table(
    header: list[str], body: list[list[str]], right: list[bool], shares: Sequence[int] = ()
) -> str:
    """Return a pandoc pipe table; one that is too wide is wrapped to the text width.

    ``shares`` are the columns' shares of the line, per cent; by default they follow from the text.
    """
    lines = [header, *body]
    columns = list(zip(*lines, strict=True))
    natural = [max(len(text) for text in column) for column in columns]
    if shares:
        dashes = [round(2.5 * PANDOC_COLUMNS * share / 100) for share in shares]
    elif sum(natural) + 2 * len(natural) <= NATURAL_WIDTH:
        dashes = [3] * len(natural)
    else:
        dashes = _wrapped(columns, natural, right)
    rule = [
        ("-" * (width - 1) + ":") if at_right else (":" + "-" * (width - 1))
        for width, at_right in zip(dashes, right, strict=True)
    ]
    return "\n".join("| " + " | ".join(line) + " |" for line in [header, rule, *body])


def _wrapped(columns: list[tuple[str, ...]], natural: list[int], right: list[bool]) -> list[int]:
    """Share the line: numbers and longest words keep their width, long text gets the rest."""
    least = [_least(column, at_right) for column, at_right in zip(columns, right, strict=True)]
    spare = max(0, 110 - sum(least))
    want = [max(0, min(n, 160) - m) for n, m in zip(natural, least, strict=True)]
    total = sum(want) or 1
    shares = [m + spare * w / total for m, w in zip(least, want, strict=True)]
    scale = 2.5 * PANDOC_COLUMNS / sum(shares)
    return [max(3, round(scale * share)) for share in shares]


def _least(column: tuple[str, ...], at_right: bool) -> int:
    """Return the width below which a column would be hard to read."""
    _, *body = column
    whole = max(map(len, body), default=0)
    kept = whole if at_right and whole <= _NUMBER else min(whole, _TEXT)
    return 2 + max([kept, *(len(word) for text in column for word in text.split())])


def escape(text: Any) -> str:
    """Return plain text as pandoc Markdown that shows exactly this text on one line."""
    flat = re.sub(r"(?<=\d) (?=%)", "\u00a0", " ".join(str(text).split()))
    return re.sub(r"([\\`*_{}\[\]<>#$@^~|])", r"\\\1", flat)
