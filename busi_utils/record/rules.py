"""The rules of the verdicts: pure functions of plain numbers, decided in sight of the reader.

Each returns one of `numbers.VERDICTS`; the first paragraph of its docstring is the rule as the
notebook and the report state it.
"""

from __future__ import annotations

_BY_HALVES = ("refuted", "partly confirmed", "confirmed")
