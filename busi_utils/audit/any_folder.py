"""Audit any folder of breast-ultrasound images: counts, copies, marks, leaks, honest folds."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from busi_utils.audit.duplicates import duplicate_groups, find_duplicates, preferred
from busi_utils.audit.folds import FOLDS, assign_folds
from busi_utils.audit.images import RULES, decode, looks_like_mask, pixel_sha256
from busi_utils.audit.layouts import read_layout
from busi_utils.audit.marks import is_annotated
from busi_utils.errors import StudyError


@dataclass(frozen=True)
class FolderAudit:
    """What was found in a folder.

    Attributes
    ----------
    images : pd.DataFrame
        One row an image: ``image_id, label, patient, split, path, n_masks, sha256, width, height,
        annotated, copies`` (group of copies of one acquisition), ``contradicted`` (its copies
        carry another class), ``group`` (copies and patient joined: what must stay together) and
        ``stands_for_copies``.
    pairs : pd.DataFrame
        ``image_id_a, image_id_b, kind, score``: pairs of copies, see `duplicates`.
    folds : dict
        ``grouped`` (every image whose copies agree) and ``clean`` (one image of each group of
        copies): ``image_id, label, group, fold``. Empty where a class has fewer than two groups.
    notes : list of str
        What was concluded from the layout, and what could not be read.
    """

    images: pd.DataFrame
    pairs: pd.DataFrame
    folds: dict[str, pd.DataFrame]
    notes: list[str]


def audit_folder(folder: str | Path, names: Mapping[str, str] | None = None) -> FolderAudit:
    """Read every image of a folder, find copies and marks, and make folds that part neither copies
    nor patients.

    Parameters
    ----------
    folder : path
        See `layouts.read_layout`.
    names : mapping of str to str, optional
        What classes are to be called.

    Raises
    ------
    StudyError
        If the folder holds no readable image.
    """
    layout = read_layout(folder, names)
    notes = list(layout.notes)
    images, greys = _read(layout.images, notes)
    if images.empty:
        raise StudyError(f"None of the images in {folder} can be used: {notes[-1]}")
    found = find_duplicates(greys)
    ids = images["image_id"].to_numpy()
    pairs = pd.DataFrame(
        {
            "image_id_a": ids[found["i"].to_numpy(int)],
            "image_id_b": ids[found["j"].to_numpy(int)],
            "kind": found["kind"].to_numpy(),
            "score": found["score"].round(4).to_numpy(),
        }
    )
    images["copies"] = duplicate_groups(len(images), found)
    told = images["label"].where(images["label"] != "")
    images["contradicted"] = told.groupby(images["copies"]).transform("nunique") > 1
    images["group"] = _joined(images)
    best = [preferred(group) for _, group in images.groupby("copies")]
    images["stands_for_copies"] = images.index.isin(best)
    _note_patients(images, notes)
    return FolderAudit(images, pairs, _folds(images, notes), notes)


def _read(listed: pd.DataFrame, notes: list[str]) -> tuple[pd.DataFrame, list[np.ndarray]]:
    """Return the readable images with what their pixels say; name the others in the notes."""

    def read(path: str) -> np.ndarray | str:
        try:
            grey = np.array(decode(path, RULES["min_side"]).convert("L"))
        except StudyError as error:
            return str(error)
        if grey.min() == grey.max():
            return f"{path} is of one grey level: it shows nothing."
        if looks_like_mask(grey):
            return f"{path} holds two grey levels: it looks like a mask of no image here."
        return grey

    with ThreadPoolExecutor() as pool:
        results = list(pool.map(read, listed["path"]))
    refused = [result for result in results if isinstance(result, str)]
    notes += refused[:20]
    if len(refused) > 20:
        notes.append(f"... and {len(refused) - 20} more files that cannot be used.")
    good = [not isinstance(result, str) for result in results]
    greys = [result for result in results if not isinstance(result, str)]
    images = listed[good].reset_index(drop=True)
    images = images.assign(
        n_masks=images["masks"].map(len),
        sha256=[pixel_sha256(grey) for grey in greys],
        width=[grey.shape[1] for grey in greys],
        height=[grey.shape[0] for grey in greys],
        annotated=[bool(is_annotated(grey)) for grey in greys],
    ).drop(columns="masks")
    return images, greys


def _joined(images: pd.DataFrame) -> np.ndarray:
    """Return the group (n,) of each image: joined by a copy or by a patient, however far."""
    patients = images["patient"].where(images["patient"] != "").reset_index(drop=True)
    links = []
    for shared in (images["copies"].reset_index(drop=True), patients):
        members = shared.dropna()
        first = pd.Series(members.index, members.index).groupby(members).transform("first")
        links.append(pd.DataFrame({"i": first, "j": members.index}))
    return duplicate_groups(len(images), pd.concat(links))


def _note_patients(images: pd.DataFrame, notes: list[str]) -> None:
    known = images["patient"] != ""
    if not known.any():
        notes.append(
            "Nothing tells the patient: the folds may part two unlike views of one patient; add a "
            "table with the columns image, label, patient."
        )
        return
    if not known.all():
        notes.append(f"{int((~known).sum())} images have no patient; each counts as its own.")
    several = images[known].groupby("copies")["patient"].nunique()
    if (several > 1).any():
        first = images[images["copies"] == several.idxmax()]
        names = ", ".join(sorted(set(first["patient"])))
        notes.append(
            f"{int((several > 1).sum())} groups of copies lie under several patients (as {names}): "
            "they are one person, or one image was misfiled; such patients are held together."
        )


def _folds(images: pd.DataFrame, notes: list[str]) -> dict[str, pd.DataFrame]:
    agree = images[~images["contradicted"] & (images["label"] != "")]
    parts = {"grouped": agree, "clean": agree[agree["stands_for_copies"]]}
    folds = {}
    for name, part in parts.items():
        groups = part.groupby("label")["group"].nunique()
        number = min(FOLDS, int(groups.min())) if len(groups) else 0
        if number < 2:
            least = f"class {groups.idxmin()} has one group" if len(groups) else "no class is told"
            notes.append(f"No folds '{name}': {least}, and each fold needs one of every class.")
            continue
        if number < FOLDS:
            notes.append(f"Folds '{name}': {number} instead of {FOLDS}, for so few of a class.")
        folds[name] = assign_folds(part, number)
    return folds
