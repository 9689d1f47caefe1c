"""Read a data set that consists of a label table, a folder of images and perhaps one of masks."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PurePosixPath

import pandas as pd

from busi_utils import CLASSES
from busi_utils.audit.sources import is_image_file
from busi_utils.errors import StudyError

_LABELS = {label: label for label in CLASSES}
_FLAGS = {"yes": True, "y": True, "no": False, "n": False}
_FIRST_ROW = 2  # rows are counted as an editor does: the first holds the column names


def read_listing(
    folder: Path,
    table: str,
    columns: Mapping[str, str],
    image: str,
    mask: str = "",
    flags: Mapping[str, str] | None = None,
    separator: str = ",",
) -> pd.DataFrame:
    """Read the label table of a set and find its files.

    Parameters
    ----------
    folder : Path
        Absolute.
    table : str
        Name of the label table: UTF-8 text, with or without a byte-order mark.
    columns : Mapping
        Column of `external_sets.read_external` to column of the table; ``image_id``, ``label``
        and ``patient`` are required. Images may be named with the prefix and suffix of ``image``
        or without.
    image, mask : str
        Where the files lie, for instance ``images/bus_{}.png``. Without a folder of masks there
        are none; where there is one, it must hold all.
    flags : Mapping
        Like ``columns``, for those that say yes or no and become bool.
    separator : str
        Of the table's columns.

    Returns
    -------
    pd.DataFrame
        The columns asked for, ``path`` and ``mask``; the index is the row in the table.

    Raises
    ------
    StudyError
        If the table or a column is missing, a row names no image or patient, an unknown label or
        an image listed before, or images and rows do not correspond; it names file and row.
    """
    file, flags = folder / table, flags or {}
    text = read_label_table(file, separator)
    wanted = {**columns, **flags}
    if missing := [name for name in wanted.values() if name not in text]:
        raise StudyError(
            f"{file} has no column {missing[0]!r} (it has {', '.join(text.columns)}; separator "
            f"{separator!r}): restore the table of the data set."
        )
    listing = pd.DataFrame({ours: text[theirs] for ours, theirs in wanted.items()})
    for flag in flags:
        listing[flag] = _translated(listing[flag], _FLAGS, file, flags[flag])
    listing["label"] = _translated(listing["label"], _LABELS, file, columns["label"])
    for column in ("image_id", "patient"):
        empty = listing.index[listing[column] == ""]
        stop_at(file, empty, f"has no {columns[column]!r}: fill it in or remove the row")
    return _find_files(listing, folder, file, image, mask)


def read_label_table(file: Path, separator: str) -> pd.DataFrame:
    if not file.is_file():
        raise StudyError(f"{file} does not exist: name the folder that holds this label table.")
    try:
        text = pd.read_csv(
            file,
            sep=separator,
            dtype=str,
            keep_default_na=False,
            encoding="utf-8-sig",
            skip_blank_lines=False,  # they count as rows
        )
    except (OSError, ValueError) as error:
        raise StudyError(
            f"{file} could not be read as a table separated by {separator!r} "
            f"({str(error).strip()}): restore it, as UTF-8 text."
        ) from error
    text = text.fillna("").apply(lambda column: column.str.strip())
    text = text.rename(columns=str.strip).set_index(text.index + _FIRST_ROW)
    text = text[(text != "").any(axis=1)]
    if text.empty:
        raise StudyError(f"{file} lists no image: restore the table of the data set.")
    return text


def stop_at(file: Path, rows: pd.Index, what: str) -> None:
    """Raise, naming the first of the offending rows, if there are any."""
    if len(rows):
        more = f" (the first of {len(rows)} such rows)" if len(rows) > 1 else ""
        raise StudyError(f"{file}, row {rows[0]}{more}, {what}.")


def _translated(
    values: pd.Series, meanings: Mapping[str, object], file: Path, column: str
) -> pd.Series:
    """Return what words mean, whatever their letter case; an unknown word is an error."""
    words = values.str.lower()
    unknown = values.index[~words.isin(list(meanings))]
    if len(unknown):
        allowed = ", ".join(meanings)
        has = f"has {values[unknown[0]]!r} as {column!r}: correct it to one of {allowed}"
        stop_at(file, unknown, has)
    return words.map(meanings)


def _find_files(
    listing: pd.DataFrame, folder: Path, file: Path, image: str, mask: str
) -> pd.DataFrame:
    """Give every row its image and mask, and refuse images that no row or two rows name."""
    before, after = PurePosixPath(image).name.split("{}")
    keys = listing["image_id"].str.removesuffix(after).str.removeprefix(before)
    ids = before + keys
    again = listing.index[ids.duplicated()]
    if len(again):
        first = ids.index[ids == ids[again[0]]][0]
        what = f"lists {ids[again[0]]} again after row {first}: remove one of the two"
        stop_at(file, again, what)
    images, here = _files(folder, image, keys, file)
    if stray := sorted(here - set(images)):
        raise StudyError(f"{stray[0]} is not listed in {file}: add its row or move it elsewhere.")
    masks = pd.Series("", listing.index)
    if mask and (folder / mask).parent.is_dir():
        masks, _ = _files(folder, mask, keys, file)
    return listing.assign(image_id=ids, path=images, mask=masks)


def _files(folder: Path, pattern: str, keys: pd.Series, file: Path) -> tuple[pd.Series, set[str]]:
    """Return the path of each row's file, and all that lie in the same folder."""
    place = (folder / pattern).parent
    if not place.is_dir():
        raise StudyError(f"{place} does not exist: restore that folder of the data set.")
    here = {str(path) for path in place.iterdir() if is_image_file(path)}
    paths = keys.map(lambda key: str(folder / pattern.format(key)))
    lost = keys.index[~paths.isin(here)]
    if len(lost):
        what = f"belongs to {paths[lost[0]]}, which does not exist: restore it or remove the row"
        stop_at(file, lost, what)
    return paths, here
