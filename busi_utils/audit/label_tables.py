"""Tables beside a folder of images that tell class, patient or split of each image."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import pandas as pd

from busi_utils.errors import StudyError

TABLES = (".csv", ".tsv", ".xlsx", ".xls")
_NAMES = {  # in order of preference; letters alone are compared
    "label": r"(label|class|classification|diagnosis|pathology|tumou?rtype|type|category|target)s?",
    "patient": r"(patient|case|subject|person|pid)(id|no|nr|number|name)?|idpatient",
    "split": r"(split|subset|set|partition|usage)",
}
# What programs write for nothing.
_UNTOLD = ("nan", "na", "n/a", "<na>", "null", "unknown", "?", "-")
_MATCHED = 0.5  # share of a column's values that must name images


def join_tables(images: pd.DataFrame, tables: Sequence[Path], root: Path, notes: list[str]) -> None:
    """Fill ``label``, ``patient`` and ``split`` of images from the tables that name them.

    Parameters
    ----------
    images : pd.DataFrame
        Columns ``image_id, label, patient, split``; changed in place. A table goes before what
        names tell.
    tables : sequence of Path
        Tables found beside the images; those that name no images are passed over.
    root : Path
        The folder.
    notes : list of str
        Receives what was read.

    Raises
    ------
    StudyError
        If a table tells two things of one image, or a name in it is that of images in folders of
        several classes.
    """
    for path in tables:
        if path.suffix.lower() in (".xlsx", ".xls"):
            notes.append(f"{path.name} is a spreadsheet and was not read: save it as CSV.")
            continue
        table = _read(path)
        found = None if table is None else _image_column(table, images["image_id"])
        if found is None:
            notes.append(f"{path.name} names none of the images and was passed over.")
            continue
        _fill(images, table, *found, path.relative_to(root), notes)


def _read(path: Path) -> pd.DataFrame | None:
    for encoding in ("utf-8-sig", "latin-1"):
        try:
            text = pd.read_csv(
                path, sep=None, engine="python", dtype=str, encoding=encoding, keep_default_na=False
            )
        except UnicodeDecodeError:
            continue
        except (ValueError, OSError) as error:  # pandas' errors are ValueErrors
            first = str(error).strip().partition("\n")[0]
            raise StudyError(
                f"{path} could not be read as a table ({first}): mend it or remove it."
            ) from error
        return text.fillna("").apply(lambda column: column.str.strip()).rename(columns=str.strip)
    return None


def _key(name: str, depth: int = 1) -> str:
    """Return a file's name as tables write it, with ``depth - 1`` folders: no suffix, no case."""
    parts = PurePosixPath(name.replace("\\", "/")).parts
    return re.sub(r"\.(png|jpe?g|bmp|tiff?)$", "", "/".join(parts[-depth:]).lower())


def _image_column(table: pd.DataFrame, image_ids: pd.Series) -> tuple[pd.Series, pd.Series] | None:
    """Return the keys in the column that names most images, and those of the images, with as many
    folders as the column writes and the images have; None if no column names them.
    """

    def shares(depth: int) -> dict[str, float]:
        known = set(image_ids.map(lambda name: _key(name, depth)))
        keys = {name: table[name].map(lambda text: _key(text, depth)) for name in table}
        return {name: found.isin(known).mean() for name, found in keys.items() if len(table)}

    by_name = shares(1)
    best = max(by_name, key=lambda c: (by_name[c], "mask" not in c.lower()), default=None)
    if best is None or by_name[best] < _MATCHED:
        return None
    written = int(table[best].str.count(r"[/\\]").min()) + 1
    depth = next(d for d in range(written, 0, -1) if shares(d)[best] >= _MATCHED)
    return tuple(part.map(lambda name: _key(name, depth)) for part in (table[best], image_ids))


def _fill(
    images: pd.DataFrame,
    table: pd.DataFrame,
    keys: pd.Series,
    own: pd.Series,
    name: Path,
    notes: list[str],
) -> None:
    named = images["label"].where(own.isin(set(keys)) & (images["label"] != ""))
    if ((classes := named.groupby(own).nunique()) > 1).any():
        raise StudyError(
            f"{name} names '{classes.idxmax()}', which lies in folders of several classes: write "
            "the folder before each name."
        )
    told = []
    for ours, pattern in _NAMES.items():
        fitting = [c for c in table if re.fullmatch(pattern, re.sub(r"[^a-z]", "", c.lower()))]
        order = re.findall(r"[a-z?]+", pattern)
        fitting.sort(key=lambda c: next((i for i, w in enumerate(order) if w[:4] in c.lower()), 99))
        if not fitting:
            continue
        column = table[fitting[0]]
        column = column.where(~column.str.lower().isin(_UNTOLD), "")
        if (column.groupby(keys).nunique() > 1).any():
            twice = column.groupby(keys).nunique().idxmax()
            raise StudyError(
                f"{name} tells two things of '{twice}' in its column '{fitting[0]}': correct it."
            )
        found = own.map(dict(zip(keys, column, strict=True))).fillna("")
        images[ours] = found.where(found != "", images[ours])
        told.append(f"{ours} ('{fitting[0]}')")
    lost, unlisted = int((~keys.isin(set(own))).sum()), int((~own.isin(set(keys))).sum())
    notes.append(
        f"{name} tells {', '.join(told) or 'neither class nor patient'} of "
        f"{len(own) - unlisted} of {len(own)} images"
        + (f"; {lost} of its rows name no image here." if lost else ".")
    )
