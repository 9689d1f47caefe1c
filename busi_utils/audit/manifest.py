"""The manifest: one row per image of every source, with all that the cohorts rest on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from busi_utils import forms
from busi_utils.audit.class_folders import files_of
from busi_utils.audit.duplicates import duplicate_groups, find_duplicates, preferred
from busi_utils.audit.images import RULES, decode, looks_like_mask, pixel_sha256, read_mask
from busi_utils.audit.marks import is_annotated
from busi_utils.audit.published import SOURCE, facts_of
from busi_utils.audit.sources import SourceImage, masks_of, raise_problems, scan_sources
from busi_utils.errors import StudyError
from busi_utils.kept import read_kept
from busi_utils.workspace import Workspace

_MEASURES = ("width", "height", "n_masks", "lesion_fraction")
FOUND = ("image_id", "label", "source", "path", "sha256", *_MEASURES)
CROSS_CLASS = "cross-class duplicates"
_TYPES = {"width": int, "height": int, "n_masks": int, "lesion_fraction": float}


@dataclass(frozen=True)
class Audit:
    """What the audit of a data set found.

    Attributes
    ----------
    manifest : pd.DataFrame
        Columns of `forms.MANIFEST`, one row per image.
    pairs : pd.DataFrame
        Columns ``image_id_a``, ``image_id_b``, ``kind`` (exact, near, cropped) and ``score``: the
        pairs of duplicates from which the groups follow.
    """

    manifest: pd.DataFrame
    pairs: pd.DataFrame


def read_manifest(dataset: str, workspace: Workspace) -> pd.DataFrame:
    """Read ``results/manifest_<dataset>.csv``.

    Raises
    ------
    StudyError
        If it does not exist or lacks a column.
    """
    path = workspace.manifest(dataset)
    if not path.is_file():
        raise StudyError(f"{path} does not exist: run notebook 01 (the audit) first.")
    return read_kept(path, forms.MANIFEST)[list(forms.MANIFEST.columns)]


def read_duplicates(dataset: str, workspace: Workspace) -> pd.DataFrame:
    """Read the pairs of duplicates (`Audit.pairs`) that `prepare.prepare_data` wrote."""
    path = duplicates_path(dataset, workspace)
    if not path.is_file():
        raise StudyError(f"{path} does not exist: run notebook 01 (the audit) first.")
    return read_kept(path, forms.DUPLICATES)


def duplicates_path(dataset: str, workspace: Workspace) -> Path:
    return workspace.results / f"duplicates_{dataset}.csv"


def audit_sources(sources: Mapping[str, str | Path], dataset: str, workspace: Workspace) -> Audit:
    """Read every image and mask, find duplicates and burnt-in marks, and decide on exclusions.

    A manifest that the workspace already holds for the very same images is taken as it is, so that
    a rerun on another machine, or with other library versions, keeps the published groups.

    Parameters
    ----------
    sources : mapping of str to path
        Name and folder of each source, the reference first (see `sources.find_images`).

    Raises
    ------
    StudyError
        One message with every problem found in all files.
    """
    found, greys = _read_all(*scan_sources(sources))
    if dataset == "busi":
        _require_busi(found, sources)
    kept, pairs_file = workspace.manifest(dataset), duplicates_path(dataset, workspace)
    if kept.is_file() and pairs_file.is_file():
        manifest = read_manifest(dataset, workspace)
        if manifest[list(FOUND)].equals(found):
            return Audit(manifest, read_duplicates(dataset, workspace))
    groups, pairs = _group(found, greys)
    annotated = {sha: bool(is_annotated(grey)) for sha, grey in greys.items()}
    labels = found["label"].groupby(groups).transform("nunique")
    manifest = found.assign(
        duplicate_group=groups, cross_class=labels > 1, annotated=found["sha256"].map(annotated)
    )
    objections = facts_of(manifest)["objection"]
    return Audit(manifest.assign(excluded_because=exclusions(manifest, objections)), pairs)


def _read_all(
    images: Sequence[SourceImage], problems: list[str]
) -> tuple[pd.DataFrame, dict[str, np.ndarray]]:
    """Return the columns `FOUND` and the grey pixels by identity; stop if there are problems."""

    def read(image: SourceImage) -> tuple[dict, np.ndarray] | str:
        try:
            grey = np.array(decode(image.file, RULES["min_side"]).convert("L"))
            lesion = read_mask(image.masks, grey.shape)
        except StudyError as error:
            return str(error)
        if looks_like_mask(grey):
            return (
                f"{image.file} looks like a mask (at most two grey levels) and would be taken for "
                f"an image: name it <image>_mask{image.file.suffix} or take it out"
            )
        if image.masks and image.label != "normal" and lesion.min() == lesion.max():
            return f"{image.masks[0]} shows no outline: restore the lesion's mask from the data set"
        row = {
            "image_id": image.image_id,
            "label": image.label,
            "source": image.source,
            "path": image.path,
            "sha256": pixel_sha256(grey),
            "width": grey.shape[1],
            "height": grey.shape[0],
            "n_masks": len(image.masks),
            "lesion_fraction": round(float(lesion.mean()), 6),
        }
        return row, grey

    with ThreadPoolExecutor() as pool:
        results = list(pool.map(read, images))
    raise_problems(problems + [result for result in results if isinstance(result, str)])
    found = pd.DataFrame([row for row, _ in results], columns=list(FOUND))
    text = [name for name in FOUND if name not in _TYPES]
    greys = {row["sha256"]: grey for row, grey in results}
    return found.astype({**_TYPES, **dict.fromkeys(text, "str")}), greys


def _require_busi(found: pd.DataFrame, sources: Mapping[str, str | Path]) -> None:
    """Stop where a folder would bear BUSI's name in captions and verdicts and is none."""
    name, folder = next(iter(sources.items()))
    own = found[found["source"] == name]
    known = int((facts_of(own)["group"] != "").sum())
    if known < len(own) / 2:
        raise StudyError(
            f"{folder} is not BUSI, {known} of its {len(own)} images have BUSI's pixels: look into "
            f"it under its own name with 'make audit DATA={folder}', or add it to BUSI as a second "
            "source, DATA=busi=<BUSI folder>,own=<this folder>."
        )


def changed_masks(manifest: pd.DataFrame, sources: Mapping[str, str | Path]) -> list[str]:
    """Return the images whose masks cover another share than the manifest lists.

    Raises
    ------
    StudyError
        If a mask cannot be read.
    """

    def share(masks: list[Path], shape: tuple[int, int]) -> float:
        return round(float(read_mask(masks, shape).mean()), 6)

    masks = masks_of(files_of(manifest, sources))
    shapes = zip(manifest["height"], manifest["width"], strict=True)
    with ThreadPoolExecutor() as pool:
        found = np.array(list(pool.map(share, masks, shapes)))
    return manifest["image_id"][found != manifest["lesion_fraction"]].tolist()


def _group(found: pd.DataFrame, greys: dict[str, np.ndarray]) -> tuple[pd.Series, pd.DataFrame]:
    """Return the duplicate group of each row and the pairs behind them.

    Images are compared in the order of their identities, so that neither file names nor the
    order of files can change a group; its name is made of the smallest identity in it.
    """
    order = sorted(greys)
    links = find_duplicates([greys[sha] for sha in order])
    number = pd.Series(np.asarray(duplicate_groups(len(order), links)), index=order)
    smallest = pd.Series(order, index=order).groupby(number).transform("min")
    groups = found["sha256"].map("g" + smallest.str[:12])
    first = found.drop_duplicates("sha256").set_index("sha256")["image_id"]
    names = first.reindex(order).to_numpy()
    copies = found[found["sha256"].duplicated()]
    exact = pd.DataFrame(
        {"image_id_a": copies["sha256"].map(first), "image_id_b": copies["image_id"]}
    ).assign(kind="exact", score=1.0)
    near = pd.DataFrame(
        {
            "image_id_a": names[links["i"].to_numpy(int)],
            "image_id_b": names[links["j"].to_numpy(int)],
            "kind": links["kind"].to_numpy(),
            "score": links["score"].to_numpy(float).round(6),
        }
    )
    return groups, pd.concat([exact, near], ignore_index=True)


def exclusions(manifest: pd.DataFrame, objections: pd.Series) -> pd.Series:
    """Say for each image why it is not in cohort ``clean`` ("" if it is).

    A group that spans classes goes as a whole, and so does one with an axilla or needle image.
    Of any other group one image stays, see `duplicates.preferred`.

    Parameters
    ----------
    manifest : pd.DataFrame
        With ``image_id``, ``width``, ``height``, ``n_masks``, ``duplicate_group``, ``cross_class``,
        ``annotated``; in manifest order.
    objections : pd.Series
        Published objection to each image, indexed like ``manifest``.
    """
    reasons = pd.Series("", index=manifest.index, dtype="str")
    for _, group in manifest.groupby("duplicate_group", sort=False):
        objected = objections[group.index].isin(["axilla", "needle"])
        if group["cross_class"].any():
            reasons[group.index] = CROSS_CLASS
        elif objected.any():
            culprit = objected.idxmax()
            named = f"{objections[culprit]} image {manifest.loc[culprit, 'image_id']}"
            reasons[group.index] = f"duplicate of {named} ({SOURCE})"
            listed = group.index[objected]
            reasons[listed] = objections[listed] + f" ({SOURCE})"
        else:
            best = preferred(group)
            reasons[group.index.drop(best)] = f"duplicate of {manifest.loc[best, 'image_id']}"
    return reasons
