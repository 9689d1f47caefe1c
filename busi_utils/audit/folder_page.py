"""The page that says what was found in a folder, and the tables behind it."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import pandas as pd

from busi_utils.audit.any_folder import FolderAudit
from busi_utils.stats.paired_tests import wilson
from busi_utils.workspace import write_csv, write_text

_PAIRS_SHOWN = 20


def write_audit(audit: FolderAudit, name: str, folder: Path) -> str:
    """Write the page (``audit.md``) and every table (CSV) into a folder; return the page."""
    write_csv(folder / "images.csv", audit.images)
    write_csv(folder / "copies.csv", audit.pairs)
    write_csv(folder / "leaks.csv", leaks(audit.images))
    for kind, table in audit.folds.items():
        write_csv(folder / f"folds_{kind}.csv", table)
    page = audit_page(audit, name)
    write_text(folder / "audit.md", page)
    return page


def audit_page(audit: FolderAudit, name: str) -> str:
    """Return what was found in a folder, as Markdown."""
    images, pairs = audit.images, audit.pairs
    sizes = images["copies"].map(images["copies"].value_counts())
    apart = 1 - 1 / 5
    lines = [
        f"# What is in {_plain(name)}",
        "",
        _table(_counts(images)),
        "",
        "*marked*: burnt-in text or callipers, with the 95 % interval of Wilson. "
        "*contradicted*: a copy of the image carries another class.",
        "",
        "## Copies of one acquisition",
        "",
    ]
    if len(pairs):
        lines += [
            f"{int((sizes > 1).sum())} of {len(images)} images have a copy. On a random split into "
            f"five parts an image with one copy finds it in its own training part {apart:.0%} of "
            "the time.",
            "",
            _table(pairs.groupby("kind").size().reset_index(name="pairs")),
            "",
            _table(pairs.head(_PAIRS_SHOWN)),
            "",
            f"The first {min(_PAIRS_SHOWN, len(pairs))} of {len(pairs)} pairs; all are in "
            "`copies.csv`. Look at some before you believe them.",
        ]
    else:
        lines.append("None were found, neither equal, scaled, cropped, turned nor mirrored ones.")
    found = leaks(images)
    lines += ["", "## Leaks between the given parts", ""]
    lines.append(_table(found) if len(found) else "The folder names no training and test part.")
    lines += ["", "## Folds", ""]
    for kind, table in audit.folds.items():
        what = "one image of each group of copies" if kind == "clean" else "every usable image"
        lines.append(
            f"- `folds_{kind}.csv`: {len(table)} images ({what}) in {table['fold'].nunique()} "
            "folds; no copy and no known patient lies in two of them."
        )
    lines += [] if audit.folds else ["None could be made."]
    lines += ["", "## What was concluded, and what was left aside", ""]
    lines += [f"- {_plain(note)}" for note in audit.notes] or ["- Nothing."]
    return "\n".join(lines) + "\n"


def _table(table: pd.DataFrame) -> str:
    head = [list(table.columns), ["---"] * len(table.columns)]
    rows = [[_plain(value).replace("|", "\\|") for value in row] for row in table.to_numpy()]
    return "\n".join("| " + " | ".join(row) + " |" for row in [*head, *rows])


def _plain(value: object) -> str:
    """Return a text on one line: names of files may hold anything."""
    return " ".join(str(value).split())


def leaks(images: pd.DataFrame) -> pd.DataFrame:
    """Count what given parts (train, validation, test) share.

    Returns
    -------
    pd.DataFrame
        Columns ``part, other, images`` (of ``part``), ``with_copy`` and ``with_patient`` (of them,
        those with a copy or an image of the same patient in ``other``); no rows without parts.
    """
    given = images[images["split"] != ""]
    rows = []
    for one, two in combinations(sorted(given["split"].unique()), 2):
        for part, other in ((one, two), (two, one)):
            ours, theirs = (given[given["split"] == name] for name in (part, other))
            patients = set(theirs["patient"]) - {""}
            copy = int(ours["copies"].isin(theirs["copies"]).sum())
            rows.append((part, other, len(ours), copy, int(ours["patient"].isin(patients).sum())))
    return pd.DataFrame(rows, columns=["part", "other", "images", "with_copy", "with_patient"])


def _counts(images: pd.DataFrame) -> pd.DataFrame:
    rows = []
    shown = images.assign(label=images["label"].replace("", "(no class)"))
    parts = [*shown.groupby("label"), ("all", shown)]
    for label, part in parts:
        sizes = part["copies"].map(images["copies"].value_counts())
        marked = int(part["annotated"].sum())
        low, high = wilson(marked, len(part))
        patients = part.loc[part["patient"] != "", "patient"].nunique()
        rows.append(
            {
                "class": label,
                "images": len(part),
                "with mask": int((part["n_masks"] > 0).sum()),
                "patients": patients or "not told",
                "with a copy": int((sizes > 1).sum()),
                "contradicted": int(part["contradicted"].sum()),
                "marked": f"{100 * marked / len(part):.0f} % ({100 * low:.0f}–{100 * high:.0f})",
            }
        )
    return pd.DataFrame(rows)
