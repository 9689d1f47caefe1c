"""Numbers on their way into the report: metrics, tables and verdicts, all in plain files."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from busi_utils import forms
from busi_utils.errors import StudyError
from busi_utils.kept import keep_table, read_json, read_kept
from busi_utils.locks import locked
from busi_utils.workspace import Workspace, write_json

VERDICT_COLUMNS = list(forms.VERDICTS.columns)
VERDICTS = forms.VERDICTS.columns["verdict"].among
DIGITS = 12
"""Significant digits of a number in ``report/``."""


def significant(value: Any) -> Any:
    """Return a float with `DIGITS` significant digits; anything else, NaN too, as it is.

    Processors add and exponentiate in different orders, so the last of a double's 16 digits differ
    between machines; with 12 digits a rebuilt report equals the committed one, byte by byte.
    Minus zero becomes zero. Tiny numbers stay: a p-value of 1e-11 is a finding, and where two
    machines could disagree on zero the sums are exact (`resampling.summable`).
    """
    if not isinstance(value, (float, np.floating)) or math.isnan(value):
        return value
    return float(f"{value:.{DIGITS}g}") + 0.0  # -0.0 + 0.0 is 0.0


def plain(value: Any, where: str) -> Any:
    """Return ``value`` as plain JSON data: NumPy scalars and arrays become Python ones.

    Floats are rounded by `significant`.

    Raises
    ------
    StudyError
        If a number is not finite, a key is no string, a type is unknown, or a null stands without
        a reason (a missing number is written ``{"value": None, "reason": "..."}``).
    """
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, str):
                raise StudyError(f"{where}: the key {key!r} is no string; name it with a string.")
        excused = isinstance(value.get("reason"), str) and value["reason"].strip()
        return {
            key: None if item is None and excused else plain(item, f"{where}.{key}")
            for key, item in value.items()
        }
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, (list, tuple)):
        return [plain(item, f"{where}[{index}]") for index, item in enumerate(value)]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        raise StudyError(
            f'{where} is {value}: record {{"value": None, "reason": "..."}} instead of it.'
        )
    if value is None:
        raise StudyError(f"{where} is null without a reason: add a 'reason' beside it.")
    if not isinstance(value, (str, bool, int, float)):
        raise StudyError(
            f"{where} is a {type(value).__name__}: only numbers and text are recorded."
        )
    return significant(value)


def record_metrics(section: str, values: Mapping[str, Any], workspace: Workspace) -> None:
    """Put one section of ``report/metrics.json`` in the place of its former self.

    Parameters
    ----------
    section : str
        Identifier by which the report's template names it, for instance ``baseline``.
    values : Mapping
        Nested plain data; proportions in [0, 1], seconds, bytes. Floats: see `significant`.
    workspace : Workspace
        Whose ``report/metrics.json`` is updated; other sections stay untouched.

    Raises
    ------
    StudyError
        See `plain`; also if ``section`` is no identifier.
    """
    _check_name(section, "section")
    checked = plain(dict(values), section)
    with locked(workspace, "metrics"):
        write_json(workspace.metrics, read_metrics(workspace) | {section: checked})


def read_metrics(workspace: Workspace) -> dict[str, Any]:
    """Return every recorded section; empty before the first."""
    if not workspace.metrics.exists():
        return {}
    advice = "delete it and run the notebooks again."
    sections = read_json(workspace.metrics, advice)
    for name, values in sections.items():
        if not isinstance(values, dict):
            raise StudyError(f"{workspace.metrics}: section '{name}' is no object; {advice}")
    return sections


def save_table(name: str, frame: pd.DataFrame, workspace: Workspace) -> None:
    """Write ``report/tables/<name>.csv``, without the index, floats by `significant`."""
    _check_name(name, "table")
    if frame.empty:
        raise StudyError(f"Table '{name}' has no rows: nothing was computed for it.")
    keep_table(workspace.tables / f"{name}.csv", frame.apply(_significant))


def read_table(name: str, workspace: Workspace) -> pd.DataFrame:
    """Read a table written by `save_table`.

    Raises
    ------
    StudyError
        If no notebook has written it yet.
    """
    path = workspace.tables / f"{name}.csv"
    if not path.exists():
        raise StudyError(f"Table '{name}' was not found in {workspace.tables}: run its notebook.")
    return read_kept(path, forms.ANY)


def record_verdict(
    claim_id: str, claim: str, evidence: str, verdict: str, workspace: Workspace
) -> None:
    """Enter what became of one claim of the original report; a former entry is replaced.

    Parameters
    ----------
    claim_id : str
        ``C1a``, ``C8`` ..., as numbered in the report.
    claim : str
        The claim in the original's words, shortened.
    evidence : str
        One or two sentences whose numbers were formatted from computed values.
    verdict : str
        One of `VERDICTS`.
    workspace : Workspace
        Receives the row in ``report/tables/verdicts.csv``.
    """
    if not re.fullmatch(r"C\d+[a-z]?", claim_id):
        raise StudyError(f"Claim '{claim_id}' is not numbered like 'C1' or 'C1a'.")
    if verdict not in VERDICTS:
        raise StudyError(f"Verdict '{verdict}' of {claim_id} is none of: {', '.join(VERDICTS)}.")
    if not claim.strip() or not evidence.strip():
        raise StudyError(f"The verdict on {claim_id} needs both the claim and its evidence.")
    row = pd.DataFrame([[claim_id, claim, evidence, verdict]], columns=VERDICT_COLUMNS)
    with locked(workspace, "metrics"):
        former = read_verdicts(workspace)
        table = pd.concat([former[former["claim_id"] != claim_id], row], ignore_index=True)
        parts = table["claim_id"].str.extract(r"C(?P<number>\d+)(?P<letter>[a-z]?)")
        order = parts.astype({"number": int}).sort_values(["number", "letter"], kind="stable").index
        keep_table(workspace.tables / "verdicts.csv", table.loc[order])


def read_verdicts(workspace: Workspace) -> pd.DataFrame:
    """Return the verdicts recorded so far, with columns `VERDICT_COLUMNS`."""
    path = workspace.tables / "verdicts.csv"
    if not path.exists():
        return pd.DataFrame(columns=VERDICT_COLUMNS, dtype=str)
    return read_kept(path, forms.VERDICTS)


def _significant(column: pd.Series) -> pd.Series:
    """Round floats; whole numbers and truth values keep their type, and with it their look."""
    return column.map(significant) if column.dtype.kind in "fO" else column


def _check_name(name: str, kind: str) -> None:
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        raise StudyError(f"The {kind} name '{name}' may hold only lower-case letters, digits, '_'.")
