"""Cohorts: which images take part in an experiment (`folds`: which are held out together).

======================  =====================================================================
``clean``               one image per duplicate group; no group across classes, no axilla or
                        needle image: the primary cohort
``grouped``             every image but those of groups across classes, split by group
``raw``                 every image, split at random, as most publications do
``raw_with_masks``      every file, masks included, as an image: the commonest fault
``pawlowska``           one image per published similarity group, published objections dropped
``curated450``          the members of Curated BUSI
======================  =====================================================================
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from busi_utils import CLASSES
from busi_utils.audit.class_folders import files_of
from busi_utils.audit.duplicates import preferred
from busi_utils.audit.folds import COLUMNS, FOLDS
from busi_utils.audit.images import pixel_sha256, read_grey
from busi_utils.audit.published import facts_of
from busi_utils.audit.sources import masks_of
from busi_utils.errors import StudyError

COHORTS = ("clean", "grouped", "raw", "raw_with_masks", "pawlowska", "curated450")


def build_cohorts(
    manifest: pd.DataFrame, sources: Mapping[str, str | Path]
) -> dict[str, pd.DataFrame]:
    """Return every cohort that the data set has.

    Parameters
    ----------
    manifest : pd.DataFrame
        See `manifest.audit_sources`.
    sources : mapping of str to path
        The sources it was built from (masks are listed there).

    Returns
    -------
    dict
        Cohort name to table ``image_id, label, group, path`` (absolute). ``pawlowska`` and
        ``curated450`` exist only if the published lists know images of the data set, enough of each
        class for the folds; else a warning tells.
    """
    files = [str(path) for path in files_of(manifest, sources)]
    table = manifest.assign(group=manifest["duplicate_group"], path=files)
    facts = facts_of(manifest)
    cohorts = {
        "clean": table[table["excluded_because"] == ""],
        "grouped": table[~table["cross_class"]],
        "raw": table,
        "raw_with_masks": _with_masks(table),
    }
    if (facts["group"] != "").any():
        listed = table[(facts["group"] != "") & (facts["objection"] == "")]
        listed = listed.assign(group=facts["group"])
        best = [preferred(group) for _, group in listed.groupby("group", sort=False)]
        chosen = {
            "pawlowska": listed.loc[sorted(best)],
            "curated450": table[facts["curated"]].drop_duplicates("sha256"),
        }
        for name, part in chosen.items():
            units = part.groupby("label")["group"].nunique().reindex(list(CLASSES), fill_value=0)
            if units.min() >= FOLDS:
                cohorts[name] = part
            else:
                text = (
                    f"Cohort {name} is left out: {units.min()} independent {units.idxmin()} images"
                )
                warnings.warn(f"{text} are too few for {FOLDS} folds.", stacklevel=2)
    columns = [*COLUMNS, "path"]
    return {name: part[columns].reset_index(drop=True) for name, part in cohorts.items()}


def cohort_files(
    cohort: str, manifest: pd.DataFrame, sources: Mapping[str, str | Path]
) -> pd.DataFrame:
    """Return the files of a cohort: what training reads.

    Returns
    -------
    pd.DataFrame
        Columns ``image_id, label, group, path`` (absolute) and ``sha256`` (of the grey pixels).

    Raises
    ------
    StudyError
        If the data set has no such cohort.
    """
    cohorts = build_cohorts(manifest, sources)
    if cohort not in cohorts:
        raise StudyError(f"No cohort {cohort!r} in this data set: choose {', '.join(cohorts)}.")
    files = cohorts[cohort]
    known = files["image_id"].map(manifest.set_index("image_id")["sha256"])
    masks = files.index[known.isna()]  # only images are in the manifest
    known[masks] = [pixel_sha256(read_grey(path)) for path in files.loc[masks, "path"]]
    return files.assign(sha256=known.astype("str"))


def _with_masks(table: pd.DataFrame) -> pd.DataFrame:
    """Append each image's masks as further images of its class and group."""
    rows = []
    for row, masks in zip(table.itertuples(), masks_of(table["path"]), strict=True):
        rows.append((row.image_id, row.label, row.group, row.path))
        for mask in masks:
            name = row.image_id + (mask.stem[len(Path(row.path).stem) :] or "_mask")
            rows.append((name, row.label, row.group, str(mask)))
    return pd.DataFrame(rows, columns=[*COLUMNS, "path"])
