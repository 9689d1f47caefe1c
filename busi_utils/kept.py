"""What the study wrote and reads back: one mechanism that checks every file before it is used.

A table must have the columns, values and rows of its `forms.Form` and the SHA-256 that was noted
when it was written: in the run record beside it or, for tables without a record, in `CHECKSUMS` of
its folder. What was written before checksums were noted has none; its form alone is checked.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

import pandas as pd

from busi_utils.errors import StudyError
from busi_utils.forms import Form
from busi_utils.locks import lock_file
from busi_utils.workspace import csv_text, write_json, write_text

CHECKSUMS = "checksums.json"
RESTORE = "restore the file from the repository, or delete it and run what writes it again."


def read_table(path: Path, form: Form, advice: str, sha256: Collection[str] = ()) -> pd.DataFrame:
    """Read a table that the study wrote.

    Parameters
    ----------
    path : Path
    form : Form
        What it must hold.
    advice : str
        What to do where it does not: the end of a sentence.
    sha256 : collection of str
        Those that the whole file may have, by its record; none: it is not known.

    Raises
    ------
    StudyError
        If the file is absent, is no such table, or is not the file that was written.
    """
    data = read_bytes(path, advice)
    try:
        table = form.parse(data)
    except ValueError as error:  # pandas' own errors and those of decoding are ValueErrors
        reason = str(error).strip().splitlines()[0] if str(error).strip() else "no table"
        raise StudyError(f"{path} cannot be read ({reason}): {advice}") from error
    form.check(table, path, advice)
    if sha256 and hashlib.sha256(data).hexdigest() not in sha256:
        raise StudyError(f"{path} was changed after it was written (other checksum): {advice}")
    return table


def read_bytes(path: Path, advice: str) -> bytes:
    """Return what a file holds, or stop with a sentence."""
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise StudyError(f"{path} is missing: {advice}") from error
    except OSError as error:
        raise StudyError(f"{path} cannot be read ({error.strerror or error}): {advice}") from error


def read_json(path: Path, advice: str, keys: Collection[str] = ()) -> dict[str, Any]:
    """Read a JSON object that the study wrote.

    Parameters
    ----------
    path : Path
    advice : str
        What to do where it is damaged: the end of a sentence.
    keys : collection of str
        Names that it must have.

    Raises
    ------
    StudyError
        If the file is absent, is no JSON object, holds a NaN, or lacks a name.
    """
    try:
        value = json.loads(read_bytes(path, advice), parse_constant=_no_number)
    except (ValueError, RecursionError) as error:  # also what is not UTF-8
        line = f", line {error.lineno}" if isinstance(error, json.JSONDecodeError) else ""
        raise StudyError(f"{path}{line}: is no valid JSON; {advice}") from error
    if not isinstance(value, dict):
        raise StudyError(f"{path} holds a {type(value).__name__}, not an object: {advice}")
    if lacking := [key for key in keys if key not in value]:
        raise StudyError(f"{path} lacks {', '.join(lacking)}: {advice}")
    return value


def _no_number(name: str) -> None:
    raise ValueError(f"{name} is no JSON")  # nor does `write_json` write it


def keep_table(path: Path, table: pd.DataFrame, float_format: str | None = None) -> None:
    """Write a table that has no record beside it, and its checksum into `CHECKSUMS`.

    While the table is replaced both checksums stand there, so that a run that is killed leaves one
    that fits.
    """
    text = csv_text(table, float_format)
    new = hashlib.sha256(text.encode()).hexdigest()
    with lock_file(path.parent / ".checksums.lock"):
        known = _checksums(path.parent)
        former = known.get(path.name, [])
        if former != [new]:
            _note(path, known, [*former[-1:], new])
        write_text(path, text)
        if former != [new]:
            _note(path, known, [new])


def read_kept(path: Path, form: Form, advice: str = RESTORE) -> pd.DataFrame:
    """Read a table that `keep_table` wrote; see `read_table`."""
    return read_table(path, form, advice, _checksums(path.parent).get(path.name, []))


def kept_of_images(path: Path, form: Form, image_ids: Iterable[str]) -> pd.DataFrame | None:
    """Return a kept table if it is there and of exactly these images, in this order; else None."""
    if not path.is_file():
        return None
    kept = read_kept(path, form)
    return kept if list(kept["image_id"]) == list(image_ids) else None


def _note(path: Path, known: dict[str, list[str]], digests: list[str]) -> None:
    write_json(path.parent / CHECKSUMS, known | {path.name: digests})


def _checksums(folder: Path) -> dict[str, list[str]]:
    """Return what `CHECKSUMS` of a folder knows: the name of a table to its possible digests."""
    path = folder / CHECKSUMS
    known = read_json(path, RESTORE) if path.exists() else {}
    for name, digests in known.items():
        if not (isinstance(digests, list) and all(isinstance(one, str) for one in digests)):
            raise StudyError(f"{path}: {name} has no list of checksums; {RESTORE}")
    return known
