"""Find the class folders of a source, however deep an archive or a mirror has wrapped them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from busi_utils import CLASSES
from busi_utils.errors import StudyError

_DEPTH = 3  # the archives wrap the class folders in one folder, some mirrors in two


def class_folders(folder: Path) -> dict[str, Path]:
    """Return the class folders below ``folder``, descending through wrapper folders.

    Archives and mirrors wrap the class folders once or twice
    (``Dataset_BUSI_with_GT/Dataset_BUSI_with_GT/benign``): the shallowest folder that holds any of
    them counts.

    Returns
    -------
    dict
        Label to folder, for the labels found (letter case is ignored).

    Raises
    ------
    StudyError
        If no folder, or more than one at the same depth, holds class folders.
    """
    level = [folder]
    for _ in range(_DEPTH):
        holders = [(place, found) for place in level if (found := _classes_in(place))]
        if len(holders) > 1:
            names = ", ".join(str(place) for place, _ in holders)
            raise StudyError(f"Several folders hold class folders ({names}): name one of them.")
        if holders:
            return holders[0][1]
        level = [child for place in level for child in subfolders(place)]
    inside = ", ".join(child.name for child in subfolders(folder)) or "no folder"
    raise StudyError(
        f"{folder} holds none of the class folders {', '.join(CLASSES)} (found: {inside}): "
        "name the folder that contains them."
    )


def class_root(folder: str | Path) -> Path:
    """Return the folder that holds the class folders: paths in a manifest are relative to it.

    Raises
    ------
    StudyError
        If ``folder`` does not exist, or see `class_folders`.
    """
    if not Path(folder).is_dir():
        raise StudyError(f"The data folder {folder} does not exist: correct the path.")
    return next(iter(class_folders(Path(folder)).values())).parent


def files_of(images: pd.DataFrame, sources: Mapping[str, str | Path]) -> list[Path]:
    """Return the absolute path of each image of a manifest."""
    roots = {name: class_root(folder).resolve() for name, folder in sources.items()}
    return [roots[row.source] / row.path for row in images.itertuples()]


def subfolders(folder: Path) -> list[Path]:
    """Return the folders in ``folder`` that are not hidden, sorted."""
    return sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))


def _classes_in(folder: Path) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for place in subfolders(folder):
        label = place.name.lower()
        if label in found:
            raise StudyError(
                f"{folder} holds both '{found[label].name}' and '{place.name}': put their images "
                "into one folder, under names of their own."
            )
        if label in CLASSES:
            found[label] = place
    return found
