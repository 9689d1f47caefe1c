"""Reporting checklists: read, checked, and tied to the sections that they point at."""

from __future__ import annotations

import pandas as pd
import yaml

from busi_utils.errors import StudyError
from busi_utils.workspace import REPOSITORY

FOLDER = REPOSITORY / "report" / "checklists"
CHECKLISTS = {"claim_2024": "CLAIM 2024", "tripod_ai": "TRIPOD+AI", "stard_ai": "STARD-AI"}
STATUSES = ("reported", "partly", "not applicable", "not done")
COLUMNS = ["item", "topic", "status", "where", "note"]


def read_checklist(name: str) -> pd.DataFrame:
    """Return ``report/checklists/<name>.yaml``, columns `COLUMNS` (str), in the order of the file.

    Raises
    ------
    StudyError
        If the file is no list of complete items, or an item repeats a number, has an unknown
        status, is called reported without a place, or falls short without a note.
    """
    path = FOLDER / f"{name}.yaml"
    try:
        rows = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        why = " ".join(str(error).split())
        raise StudyError(f"{path} cannot be read ({why}): restore or correct it.") from error
    if not isinstance(rows, list) or not rows:
        raise StudyError(f"{path} is no list of items: restore it.")
    for number, row in enumerate(rows, start=1):
        if not isinstance(row, dict) or set(row) != set(COLUMNS):
            raise StudyError(f"{path}: entry {number} has not exactly the keys {COLUMNS}; mend it.")
    table = pd.DataFrame(rows, columns=COLUMNS).fillna("").astype(str)
    short, empty = table["status"] != "reported", table == ""
    faults = {
        "bears a number that is used twice": table["item"].duplicated(),
        "has no topic": empty["topic"],
        f"has a status other than {', '.join(STATUSES)}": ~table["status"].isin(STATUSES),
        "does not say where": table["status"].isin(["reported", "partly"]) & empty["where"],
        "falls short and has no note that says why": short & empty["note"],
    }
    for fault, at_fault in faults.items():
        if at_fault.any():
            raise StudyError(f"{path}: item {table['item'][at_fault].iloc[0]} {fault}; correct it.")
    return table


def checklist_table(name: str) -> pd.DataFrame:
    """Return a checklist for the report: ``item, topic, status, evidence`` (place, then note)."""
    table = read_checklist(name)
    evidence = table[["where", "note"]].agg(lambda pair: " – ".join(filter(None, pair)), axis=1)
    return table[["item", "topic", "status"]].assign(evidence=evidence)


def tables() -> dict[str, pd.DataFrame]:
    """Return `checklist_table` of every checklist, by its name in `CHECKLISTS`."""
    return {name: checklist_table(name) for name in CHECKLISTS}
