"""How numbers look in the report: one place for rounding, units and intervals."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from busi_utils.errors import StudyError
from busi_utils.models import MODELS
from busi_utils.recipe_words import brief_of, label_of

MISSING = "–"
_SPACE = "\u00a0"  # keeps a number and its unit on one line


def pct(value: Any, digits: int = 1) -> str:
    """Return a proportion in [0, 1] as per cent: ``0.7512`` becomes ``75.1 %``."""
    return _or_reason(value, lambda x: f"{100 * x:.{digits}f}{_SPACE}%")


def points(value: Any, digits: int = 1) -> str:
    """Return a difference of proportions as signed percentage points: ``+3.2 points``."""
    return _or_reason(value, lambda x: f"{signed(100 * x, digits)}{_SPACE}points")


def count(value: Any) -> str:
    """Return a whole number with thousands separators: ``1,578``."""
    return _or_reason(value, lambda x: f"{round(x):,}")


def decimal(value: Any, digits: int = 3) -> str:
    """Return a number with a fixed number of decimals."""
    return _or_reason(value, lambda x: f"{round(x, digits) + 0.0:.{digits}f}")  # no "-0.0"


def signed(value: float, digits: int = 1) -> str:
    """Return a number with its sign: ``+3.2``; zero has none."""
    rounded = round(value, digits) + 0.0  # no "-0.0"
    return f"{rounded:+.{digits}f}".replace("-", "−") if rounded else f"{0:.{digits}f}"


def ci(values: Mapping[str, Any], name: str = "value", digits: int = 1) -> str:
    """Return a proportion with its interval: ``72.3 % (95 % CI 69.1–75.4)``.

    Parameters
    ----------
    values : Mapping
        Holds ``name``, ``<name>_low`` and ``<name>_high``; for the name ``value`` it holds
        ``value``, ``low`` and ``high``.

    Raises
    ------
    StudyError
        If one of the three is not there.
    """
    value, low, high = (100 * x for x in interval(values, name))
    return f"{value:.{digits}f}{_SPACE}% (95{_SPACE}% CI {low:.{digits}f}–{high:.{digits}f})"


def points_ci(
    values: Mapping[str, Any], name: str = "value", scale: float = 100, digits: int = 1
) -> str:
    """Return a difference with its interval: ``+3.2 points (95 % CI +0.4 to +6.0)``.

    ``scale`` is 100 for differences of proportions, 1 for values already in points.
    """
    value, low, high = (signed(scale * x, digits) for x in interval(values, name))
    return f"{value}{_SPACE}points (95{_SPACE}% CI {low}{_SPACE}to{_SPACE}{high})"


def span(values: Mapping[str, Any], name: str = "value", digits: int = 1) -> str:
    """Return `ci` for a text that has said what its brackets hold: ``72.3 % (69.1–75.4)``."""
    value, low, high = (100 * x for x in interval(values, name))
    return f"{value:.{digits}f}{_SPACE}% ({low:.{digits}f}–{high:.{digits}f})"


def points_span(values: Mapping[str, Any], name: str = "value", scale: float = 100) -> str:
    """Return `points_ci` for a text that has said what its brackets hold."""
    value, low, high = (signed(scale * x) for x in interval(values, name))
    return f"{value}{_SPACE}points ({low}{_SPACE}to{_SPACE}{high})"


def decimal_span(values: Mapping[str, Any], name: str, digits: int = 3) -> str:
    """Return a number with its interval in brackets: ``0.753 (0.727–0.779)``."""
    value, low, high = (decimal(x, digits) for x in interval(values, name))
    return f"{value} ({low}–{high})"


def interval(values: Mapping[str, Any], name: str) -> tuple[float, float, float]:
    """Return value, lower and upper bound of ``name``; see `ci` for the keys."""
    prefix = "" if name == "value" else f"{name}_"
    middle = name if name in values else f"{prefix}value"
    keys = (middle, f"{prefix}low", f"{prefix}high")
    missing = [key for key in keys if key not in values]
    if missing:
        raise StudyError(f"there is no '{missing[0]}'")
    return tuple(float(values[key]) for key in keys)


def network_title(name: str) -> str:
    """Return the title of a network of `models.MODELS`."""
    return MODELS[name].title


def cell(row: Mapping[str, Any], spec: str) -> str:
    """Return one cell of a table.

    Parameters
    ----------
    row : Mapping
        Values of one line.
    spec : str
        ``column`` (text) or ``column:format`` with one of ``int``, ``pct``, ``decimal``, ``ci``
        (proportions with interval, in per cent), ``worth`` (points with interval), ``share_worth``
        (differences of proportions with interval, in points), ``per_cent``
        (values already in per cent), ``mega`` (one decimal), ``points`` (a signed difference of
        proportions), ``signed`` (a difference in points already), ``p`` (of a test), ``number``
        (written already), ``words`` (no underscores), ``file`` (of a deployed network, the same),
        ``network`` (its title), ``hash`` (its first digits), ``recipe`` (its label in figures),
        ``brief`` (the same without what a text explains).

    Raises
    ------
    StudyError
        If the column or the format does not exist.
    """
    column, _, kind = spec.partition(":")
    if kind in ("ci", "worth", "share_worth"):
        try:
            value, low, high = interval(row, column)
        except StudyError as error:
            raise StudyError(f"the table has no column for '{spec}': {error}") from error
        if math.isnan(value):
            return MISSING
        if kind == "share_worth":
            value, low, high = (100 * x for x in (value, low, high))
        if kind != "ci":
            return f"{signed(value)} ({signed(low)} to {signed(high)})"
        return f"{100 * value:.1f} ({100 * low:.1f}–{100 * high:.1f})"
    if column not in row:
        raise StudyError(f"the table has no column '{column}'")
    if kind not in _CELLS:
        raise StudyError(f"'{kind}' is no format of a column")
    value = row[column]
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return MISSING
    return _CELLS[kind](value)


_CELLS = {
    "": lambda x: str(x) or MISSING,
    "number": str,
    "words": lambda x: str(x).replace("_", " "),
    "file": lambda x: str(x).replace("_", " ").replace("onnx", "ONNX").replace("litert", "LiteRT"),
    "network": network_title,
    "hash": lambda x: str(x)[:8],
    "recipe": label_of,
    "brief": brief_of,
    "int": lambda x: f"{round(x):,}",
    "pct": lambda x: f"{100 * x:.1f}",
    "per_cent": lambda x: f"{x:.2f}",
    "decimal": lambda x: f"{x:.3f}",
    "mega": lambda x: f"{x:.1f}",
    "points": lambda x: signed(100 * x),
    "signed": signed,
    "p": lambda x: "< 0.001" if x < 0.001 else f"{x:.3f}",
}


def _or_reason(value: Any, write: Any) -> str:
    """Write a number, or the reason recorded in its place."""
    if isinstance(value, Mapping) and "reason" in value:
        return f"not available ({value['reason']})"
    if isinstance(value, (str, bool, Mapping, list)):
        raise StudyError(f"{value!r} is no number")
    return write(float(value))
