"""Count what a data set holds and what the cohorts leave of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import pandas as pd
from PIL import Image

from busi_utils import CLASSES
from busi_utils.audit.class_folders import class_folders
from busi_utils.audit.manifest import CROSS_CLASS
from busi_utils.audit.published import facts_of
from busi_utils.audit.sources import is_image_file, masks_beside
from busi_utils.stats.paired_tests import wilson


def count_table(manifest: pd.DataFrame) -> pd.DataFrame:
    """Count images, masks and files by source and class, with totals.

    Returns
    -------
    pd.DataFrame
        Columns ``source, class, images, masks, files, several_masks, twins``; the last two count
        images with more than one mask and images that share a duplicate group.
    """
    size = manifest["duplicate_group"].map(manifest["duplicate_group"].value_counts())
    counted = manifest.assign(
        several_masks=manifest["n_masks"] > 1,
        twins=size > 1,
        label=pd.Categorical(manifest["label"], CLASSES),
    )
    parts = [(name, part) for name, part in counted.groupby("source", sort=False)]
    if len(parts) > 1:
        parts.append(("all", counted))
    rows = []
    for name, part in parts:
        for label in (*CLASSES, "all"):
            chosen = part if label == "all" else part[part["label"] == label]
            images, masks = len(chosen), int(chosen["n_masks"].sum())
            flags = [int(chosen[flag].sum()) for flag in ("several_masks", "twins")]
            rows.append((name, label, images, masks, images + masks, *flags))
    columns = ["source", "class", "images", "masks", "files", "several_masks", "twins"]
    return pd.DataFrame(rows, columns=columns)


def file_modes(sources: Mapping[str, str | Path]) -> pd.DataFrame:
    """Count the pixel formats (Pillow modes) of image and mask files.

    Returns
    -------
    pd.DataFrame
        Columns ``source, kind`` (image or mask), ``mode, files``.
    """
    counts: Counter = Counter()
    for name, folder in sources.items():
        for place in class_folders(Path(folder)).values():
            masks = {path for found in masks_beside(place).values() for path in found}
            for path in sorted(filter(is_image_file, place.rglob("*"))):
                with Image.open(path) as image:
                    counts[name, "mask" if path in masks else "image", image.mode] += 1
    rows = [(*key, files) for key, files in counts.items()]
    return pd.DataFrame(rows, columns=["source", "kind", "mode", "files"])


def share_readings(manifest: pd.DataFrame, claimed: float) -> pd.DataFrame:
    """Return the natural readings of "masks removed: +45.5 %", the nearest first.

    Parameters
    ----------
    manifest : pd.DataFrame
        Of one source.
    claimed : float
        The claimed share in per cent.

    Returns
    -------
    pd.DataFrame
        Columns ``reading, part, whole, per_cent, off`` (percentage points from the claim).
    """
    lesion = manifest["label"] != "normal"
    images, masks = len(manifest), int(manifest["n_masks"].sum())
    of_lesions = int(manifest.loc[lesion, "n_masks"].sum())
    one_each = int(lesion.sum())
    further = int((manifest["n_masks"] - 1).clip(lower=0).sum())
    readings = [
        ("all masks among all files", masks, images + masks),
        ("all masks, against images", masks, images),
        ("lesion masks among images and lesion masks", of_lesions, images + of_lesions),
        ("lesion masks, against images", of_lesions, images),
        ("one mask per lesion image among images and these", one_each, images + one_each),
        ("one mask per lesion image, against images", one_each, images),
        ("one mask per image among images and these", images, 2 * images),
        ("further masks (_mask_1, ...) among all files", further, images + masks),
    ]
    table = pd.DataFrame(readings, columns=["reading", "part", "whole"])
    per_cent = 100 * table["part"] / table["whole"]
    table = table.assign(per_cent=per_cent, off=per_cent - claimed)
    return table.sort_values("off", key=abs, kind="stable", ignore_index=True)


def total_readings(manifest: pd.DataFrame, claimed: int) -> pd.DataFrame:
    """Return the natural ways to count the images, beside a claimed total.

    Returns
    -------
    pd.DataFrame
        Columns ``reading, images, off`` (from the claim).
    """
    masks = int(manifest["n_masks"].sum())
    with_mask = int((manifest["n_masks"] > 0).sum())
    readings = {
        "every image": len(manifest),
        "files left when only *_mask.png is removed": len(manifest) + masks - with_mask,
        "files, masks included": len(manifest) + masks,
        "equal pixels counted once": manifest["sha256"].nunique(),
        "without groups across classes": int((~manifest["cross_class"]).sum()),
        "duplicate groups": manifest["duplicate_group"].nunique(),
        "cohort clean": int((manifest["excluded_because"] == "").sum()),
    }
    table = pd.DataFrame({"reading": list(readings), "images": list(readings.values())})
    return table.assign(off=table["images"] - claimed)


def flow_table(manifest: pd.DataFrame) -> pd.DataFrame:
    """Count images by class along the way from every image to the cohort ``clean``.

    Returns
    -------
    pd.DataFrame
        Columns ``stage``, one per class, ``all``, and ``removed`` (from the stage before).
    """
    why = manifest["excluded_because"]
    crossed = why == CROSS_CLASS
    objected = why.str.match(r"(axilla|needle)") | why.str.match(r"duplicate of (axilla|needle)")
    stages = {
        "every image": pd.Series(True, index=manifest.index),
        "no group across classes": ~crossed,
        "no axilla or needle": ~crossed & ~objected,
        "one per group (clean)": why == "",
    }
    rows = [
        (name, *(int((kept & (manifest["label"] == label)).sum()) for label in CLASSES))
        for name, kept in stages.items()
    ]
    table = pd.DataFrame(rows, columns=["stage", *CLASSES])
    total = table[list(CLASSES)].sum(axis=1)
    return table.assign(all=total, removed=(-total.diff()).fillna(0).astype(int))


def group_table(manifest: pd.DataFrame) -> pd.DataFrame:
    """Count duplicate groups by size, and those that span classes or sources.

    Returns
    -------
    pd.DataFrame
        Columns ``size, groups, images, across_classes, across_sources``.
    """
    groups = manifest.groupby("duplicate_group").agg(
        size=("label", "size"), labels=("label", "nunique"), sources=("source", "nunique")
    )
    rows = [
        (size, len(part), size * len(part), (part["labels"] > 1).sum(), (part["sources"] > 1).sum())
        for size, part in groups.groupby("size")
    ]
    columns = ["size", "groups", "images", "across_classes", "across_sources"]
    return pd.DataFrame(rows, columns=columns).astype(int)


def label_conflicts(manifest: pd.DataFrame) -> pd.DataFrame:
    """List the duplicate groups whose members carry different labels.

    Returns
    -------
    pd.DataFrame
        Columns ``group``, ``images`` (names, comma-separated) and ``objection`` (published).
    """
    conflicting = manifest[manifest["cross_class"]].assign(said=facts_of(manifest)["objection"])
    rows = [
        (group, ", ".join(part["image_id"]), ", ".join(sorted(set(part["said"]) - {""})))
        for group, part in conflicting.groupby("duplicate_group", sort=False)
    ]
    return pd.DataFrame(rows, columns=["group", "images", "objection"])


def marked_share(manifest: pd.DataFrame) -> pd.DataFrame:
    """Return the share of annotated images by class with its 95 % Wilson interval.

    Returns
    -------
    pd.DataFrame
        Columns ``class, images, annotated, share, low, high``.
    """
    rows = []
    for label in CLASSES:
        flags = manifest.loc[manifest["label"] == label, "annotated"]
        low, high = wilson(int(flags.sum()), len(flags))
        rows.append((label, len(flags), int(flags.sum()), float(flags.mean()), low, high))
    return pd.DataFrame(rows, columns=["class", "images", "annotated", "share", "low", "high"])


def cohort_table(folds: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Count images, groups and classes of each cohort, and the images with a twin elsewhere.

    Returns
    -------
    pd.DataFrame
        Columns ``cohort``, one per class, ``images, groups, smallest_fold, largest_fold`` and
        ``leaking``: the share of images that have a member of their group in another fold.
    """
    rows = []
    for cohort, table in folds.items():
        sizes = table["fold"].value_counts()
        classes = [int((table["label"] == label).sum()) for label in CLASSES]
        groups = table["group"].nunique()
        extremes = (int(sizes.min()), int(sizes.max()))
        rows.append((cohort, *classes, len(table), groups, *extremes, leaking_share(table)))
    columns = ["images", "groups", "smallest_fold", "largest_fold", "leaking"]
    return pd.DataFrame(rows, columns=["cohort", *CLASSES, *columns])


def leaking_share(folds: pd.DataFrame) -> float:
    """Return the share of images with a twin in another fold, that is in their training set."""
    return float((folds.groupby("group")["fold"].transform("nunique") > 1).mean())
