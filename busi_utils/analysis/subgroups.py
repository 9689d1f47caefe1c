"""Performance by what the images show: marks, lesion size and shape, image size."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from busi_utils import CLASSES
from busi_utils.audit.class_folders import files_of
from busi_utils.audit.images import read_mask
from busi_utils.audit.sources import masks_of
from busi_utils.errors import StudyError
from busi_utils.forms import LESIONS
from busi_utils.kept import keep_table, kept_of_images
from busi_utils.stats.bootstrap import bootstrap_p
from busi_utils.stats.metrics import MALIGNANT, RECALLS
from busi_utils.stats.resampling import as_line, bootstrap_ratios
from busi_utils.study.predictions import OutOfFold
from busi_utils.study.study import Study

FEWEST = 20
"""A class with fewer images in a group has no recall of its own: its interval would say nothing."""
EVERY = "every image"


def lesion_shapes(manifest: pd.DataFrame, sources: Mapping[str, str | Path]) -> pd.DataFrame:
    """Measure the largest lesion of each image in its masks, at their own resolution.

    Several masks of an image are united; a lesion is an 8-connected region of their union.

    Parameters
    ----------
    manifest : pd.DataFrame
        See `manifest.audit_sources`.
    sources : mapping of str to path
        The sources it was built from.

    Returns
    -------
    pd.DataFrame
        One row an image with a lesion, in manifest order: ``image_id``, ``width_px, height_px`` (of
        its bounding box, pixels), ``taller`` (bool, height > width: the BI-RADS sign "not
        parallel", read off the box), ``solidity`` (share of its convex hull, (0, 1]).

    Raises
    ------
    StudyError
        If a mask cannot be read.
    """
    lesions = manifest[manifest["lesion_fraction"] > 0]
    masks = masks_of(files_of(lesions, sources))
    rows = [
        (row.image_id, *largest_lesion(read_mask(own, (row.height, row.width))))
        for row, own in zip(lesions.itertuples(), masks, strict=True)
    ]
    columns = ["image_id", "width_px", "height_px", "taller", "solidity"]
    return pd.DataFrame(rows, columns=columns)


def largest_lesion(mask: np.ndarray) -> tuple[int, int, bool, float]:
    """Return width, height, whether it is taller than wide, and solidity of the largest region."""
    _, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    largest = 1 + int(stats[1:, cv2.CC_STAT_AREA].argmax())
    width, height = (int(stats[largest, c]) for c in (cv2.CC_STAT_WIDTH, cv2.CC_STAT_HEIGHT))
    points = np.argwhere(labels == largest)[:, ::-1].astype(np.int32)
    # The hull is filled and counted in pixels, as the region is: contourArea would cut the rim off.
    filled = cv2.fillConvexPoly(np.zeros(mask.shape, np.uint8), cv2.convexHull(points), 1)
    return width, height, height > width, float(len(points) / filled.sum())


def shapes_of(study: Study) -> pd.DataFrame:
    """Return `lesion_shapes` of a study, measured once: ``results/lesions_<dataset>.csv``.

    Raises
    ------
    StudyError
        If they were not kept, or of other images, and no images were named.
    """
    path = study.workspace.results / f"lesions_{study.dataset}.csv"
    lesions = study.manifest.loc[study.manifest["lesion_fraction"] > 0, "image_id"]
    if (kept := kept_of_images(path, LESIONS, lesions)) is not None:
        return kept
    if not study.sources:
        raise StudyError(
            f"{path} is missing or of other images, and no images were named to measure: pass "
            "DATA=<folder> or set BUSI_DATA."
        )
    measured = lesion_shapes(study.manifest, study.sources)
    keep_table(path, measured, float_format="%.4f")
    return measured


def by_subgroup(
    study: Study, found: OutOfFold, seed: int, n_replicates: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return `subgroup_tables` of a study's own images and lesions."""
    return subgroup_tables(found, study.manifest, shapes_of(study), seed, n_replicates)


def subgroup_tables(
    found: OutOfFold, manifest: pd.DataFrame, shapes: pd.DataFrame, seed: int, n_replicates: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return performance by subgroup, averaged over seeds, and how the subgroups differ.

    Attributes: burnt-in marks; number, area (share of the image) and shape of lesions, among images
    with a lesion; image size. Area is cut at the quartiles of the malignant lesions, so that each
    part holds a quarter of them; size at its thirds.

    ``accuracy`` follows the class mix of a subgroup. ``balanced_accuracy`` does not: it averages
    the recalls of those classes of which every subgroup of the attribute has at least `FEWEST`
    images (NaN for fewer than two classes). A recall of fewer than `FEWEST` images is NaN.

    Parameters
    ----------
    found : OutOfFold
    manifest : pd.DataFrame
        See `manifest.audit_sources`.
    shapes : pd.DataFrame
        See `lesion_shapes`.
    seed, n_replicates : int
        Of the bootstrap over duplicate groups.

    Returns
    -------
    table : pd.DataFrame
        `EVERY` first, then one row a subgroup: ``attribute, group, images``, one count a class,
        then ``accuracy, balanced_accuracy, recall_<class>``, each with ``_low`` and ``_high``.
    differences : pd.DataFrame
        ``attribute, group, reference`` (the first group of the attribute) and the same metrics:
        group - reference in points, from the same resamples, each with ``_p``, see
        `bootstrap.bootstrap_p`.

    Raises
    ------
    StudyError
        If manifest or shapes lack an image.
    """
    attributes = _attributes(found, manifest, shapes)
    drawn = bootstrap_ratios(_rates(found, attributes), found.groups, seed, n_replicates)
    rows, gaps = [], []
    for attribute, groups in attributes.items():
        labels = found.images["label"].set_axis(groups.index)
        counts = pd.crosstab(groups, labels).reindex(columns=CLASSES, fill_value=0)
        replicates = _with_balanced(drawn[attribute], counts)
        for group, table in replicates.items():
            key = {"attribute": attribute, "group": group}
            held = counts.loc[group].to_dict()
            trials = {f"recall_{name}": n for name, n in held.items()}
            size = {"images": sum(held.values())}
            rows.append(key | size | held | as_line(table, trials=trials))
            if (reference := counts.index[0]) != group:
                less = table - replicates[reference]
                p = {f"{k}_p": bootstrap_p(x) for k, x in less.items() if x.notna().iloc[0]}
                gaps.append(key | {"reference": reference} | as_line(less, 100) | p)
    return pd.DataFrame(rows), pd.DataFrame(gaps)


def _attributes(
    found: OutOfFold, manifest: pd.DataFrame, shapes: pd.DataFrame
) -> dict[str, pd.Series]:
    """Return the subgroup of each image, categorical in the order of the tables, by attribute."""
    names, images = found.images["image_id"], found.rows_of(manifest).reset_index()
    lesion = images["lesion_fraction"] > 0
    taller = images["image_id"].map(shapes.set_index("image_id")["taller"])
    if len(unknown := names[(lesion & taller.isna()).to_numpy()]):
        raise StudyError(
            f"The table of lesion shapes lacks {unknown.iloc[0]!r} ({len(unknown)} such images): "
            "delete results/lesions_<dataset>.csv and run notebook 04 with DATA=<folder>."
        )
    pixels = images["width"] * images["height"] / 1e6
    several = images["n_masks"].gt(1)
    malignant = found.y == MALIGNANT
    return {
        EVERY: _named(pd.Series(False, index=images.index), [EVERY]),
        "burnt-in marks": _named(images["annotated"], ["none", "present"]),
        "lesions": _named(several.where(lesion), ["one", "several"]),
        "lesion area": quarters(100 * images["lesion_fraction"].where(lesion), malignant, "%"),
        "lesion shape": _named(taller.where(lesion), ["wider than tall", "taller than wide"]),
        "image size": _thirds(pixels, "Mpx"),
    }


def _named(codes: pd.Series, names: list[str]) -> pd.Series:
    """Name codes 0, 1, ...; images without a code take no part, names without an image neither."""
    held = [name for code, name in enumerate(names) if (codes == code).any()]
    named = codes.astype(float).map(dict(enumerate(names)))
    return named.astype(pd.CategoricalDtype(held, ordered=True))


def quarters(values: pd.Series, of: np.ndarray, unit: str) -> pd.Series:
    """Cut at the quartiles of those named by ``of``; equal values stay together."""
    return _cut(values, values[of].quantile([0.25, 0.5, 0.75]), unit)


def _thirds(values: pd.Series, unit: str) -> pd.Series:
    """Cut at the thirds of what is not missing; equal values stay together."""
    return _cut(values, values.quantile([1 / 3, 2 / 3]), unit)


def _cut(values: pd.Series, bounds: pd.Series, unit: str) -> pd.Series:
    ends = [f"{bound:.2g}" for bound in bounds]
    between = [f"{low}–{high} {unit}" for low, high in pairwise(ends)]
    names = [f"≤ {ends[0]} {unit}", *between, f"> {ends[-1]} {unit}"]
    part = sum((values > bound).astype(float) for bound in bounds)
    return _named(part.where(values.notna()), names)


def _rates(
    found: OutOfFold, attributes: Mapping[str, pd.Series]
) -> dict[tuple[str, str, str], tuple[np.ndarray, np.ndarray]]:
    """Return accuracy and recalls of every subgroup as ratios of sums over images."""
    right = found.right.mean(axis=0)
    rates = {}
    for attribute, groups in attributes.items():
        for group in groups.cat.categories:
            inside = (groups == group).to_numpy()
            rates[attribute, group, "accuracy"] = (right * inside, inside)
            for c, recall in enumerate(RECALLS):
                of = inside & (found.y == c)
                rates[attribute, group, recall] = (right * of, of)
    return rates


def _with_balanced(replicates: pd.DataFrame, counts: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Add balanced accuracy to the replicates of one attribute; drop recalls of too few images."""
    enough = (counts >= FEWEST).set_axis(RECALLS, axis=1)
    common = [recall for recall in RECALLS if enough[recall].all()]
    whole = {}
    for group in counts.index:
        table = replicates[group]
        few = enough.columns[~enough.loc[group]]
        recalls = table[list(RECALLS)].assign(**dict.fromkeys(few, np.nan))
        balanced = recalls[common].mean(axis=1, skipna=False) if len(common) > 1 else np.nan
        whole[group] = table[["accuracy"]].assign(balanced_accuracy=balanced).join(recalls)
    return whole
