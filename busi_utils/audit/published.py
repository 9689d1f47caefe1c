"""Facts about BUSI images that rest on published lists, kept as our own table.

``data/busi_published.csv`` names each image by its pixels (`images.pixel_sha256`): the facts hold
for every encoding and every renamed copy, and a rerun needs no list:

- ``group``, ``objection``, ``annotation``: similarity group, objection (axilla, needle, multiclass)
  and burnt-in marks after the supplementary list of Pawłowska, Karwat and Żołek, Data in Brief
  2023;48:109247.
- ``curated``: member of Curated BUSI, Aumente-Maestro et al., CMPB 2025;260:108540.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from busi_utils.audit.external_layouts import read_label_table
from busi_utils.audit.images import pixel_sha256, read_grey
from busi_utils.audit.sources import find_images
from busi_utils.errors import StudyError
from busi_utils.workspace import write_csv

FACTS = Path(__file__).parents[1] / "data" / "busi_published.csv"
SOURCE = "Pawłowska 2023"
_GROUPS = "busi_pawlowska_groups.csv"
_CURATED = "mapping_curated_BUSI.csv"


def read_published() -> pd.DataFrame:
    """Read the committed facts.

    Returns
    -------
    pd.DataFrame
        Columns ``sha256``, ``image_id``, ``group``, ``objection``, ``annotation`` (str, "" if none)
        and ``curated`` (bool); one row per official image.
    """
    text = pd.read_csv(FACTS, dtype=str, keep_default_na=False)
    return text.assign(curated=text["curated"] == "True")


def facts_of(manifest: pd.DataFrame) -> pd.DataFrame:
    """Return the facts of each image of a manifest, matched by pixels.

    Returns
    -------
    pd.DataFrame
        Indexed like ``manifest``, columns ``group``, ``objection``, ``annotation``, ``curated``;
        an image that no list knows has "" and False.
    """
    # Two official files hold the same pixels; the lists say the same of both.
    facts = read_published().drop_duplicates("sha256").set_index("sha256").drop(columns="image_id")
    found = facts.reindex(manifest["sha256"]).set_axis(manifest.index)
    found["curated"] = found["curated"].eq(True)
    return found.fillna("")


def read_lists(tables: str | Path) -> pd.DataFrame:
    """Read both published lists.

    Parameters
    ----------
    tables : path
        Folder with ``busi_pawlowska_groups.csv`` and ``mapping_curated_BUSI.csv``.

    Returns
    -------
    pd.DataFrame
        The columns of `read_published` but ``sha256``.

    Raises
    ------
    StudyError
        If a list is missing or is none.
    """
    columns = ["class", "number", "group_id", "objection", "annotation"]
    listed = _read_list(Path(tables) / _GROUPS, ",", columns)
    curated = _read_list(Path(tables) / _CURATED, ";", ["class", "id"])
    names = listed["class"] + " (" + listed["number"] + ")"
    chosen = set(curated["class"] + " (" + curated["id"] + ")")
    return pd.DataFrame(
        {
            "image_id": names,
            "group": listed["group_id"],
            "objection": listed["objection"],
            "annotation": listed["annotation"],
            "curated": names.isin(chosen),
        }
    )


def _read_list(file: Path, separator: str, columns: list[str]) -> pd.DataFrame:
    table = read_label_table(file, separator)
    if lacking := [name for name in columns if name not in table]:
        raise StudyError(f"{file} has no column {', '.join(lacking)}: restore the published list.")
    return table


def check_lists(tables: str | Path) -> None:
    """Stop if the committed facts differ from the published lists in ``tables``.

    Raises
    ------
    StudyError
        If they differ; the facts must then be made anew with `write_published`.
    """
    known = read_published().drop(columns="sha256").sort_values("image_id", ignore_index=True)
    listed = read_lists(tables).sort_values("image_id", ignore_index=True)
    if not known.astype(str).equals(listed.astype(str)):
        raise StudyError(
            f"The lists in {tables} differ from the facts in {FACTS.name}: make these anew with "
            "busi_utils.audit.published.write_published(<BUSI folder>, <lists folder>)."
        )


def write_published(busi: str | Path, tables: str | Path) -> pd.DataFrame:
    """Make the table of facts from the official images and the published lists.

    Raises
    ------
    StudyError
        If the lists name images that the folder does not hold, or the reverse.
    """
    listed = read_lists(tables)
    files = {image.image_id: image.file for image in find_images({"busi": busi})}
    if unmatched := set(files) ^ set(listed["image_id"]):
        raise StudyError(
            f"{len(unmatched)} names are not both in {busi} and in the lists, for instance "
            f"{min(unmatched)}: use the official data set with its own file names."
        )
    hashes = [pixel_sha256(read_grey(files[name])) for name in listed["image_id"]]
    facts = listed.assign(sha256=hashes)[["sha256", *listed.columns]]
    write_csv(FACTS, facts)
    return facts
