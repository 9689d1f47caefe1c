"""How the duplicate search grows with the number of images, measured on phantoms."""

from __future__ import annotations

import time
from collections.abc import Sequence

import cv2
import numpy as np
import pandas as pd

from busi_phantom.render import render_phantom
from busi_utils import CLASSES, forms
from busi_utils.audit.duplicates import find_duplicates
from busi_utils.errors import StudyError
from busi_utils.kept import keep_table, read_kept
from busi_utils.workspace import Workspace

_TWIN_EVERY = 10
_KEPT = 0.85  # share of either side that a planted twin keeps


def duplicate_scaling(
    dataset: str, sizes: Sequence[int], seed: int, workspace: Workspace
) -> pd.DataFrame:
    """Return the measured growth of `find_duplicates`, from the workspace if it is there.

    Parameters
    ----------
    dataset : str
        Names the file, ``results/duplicate_scaling_<dataset>.csv``: each study keeps its own.
    sizes : sequence of int
        Numbers of images.
    seed : int
        Of the phantoms.
    workspace : Workspace
        Holds or receives the file; it is measured anew if it is of other sizes.

    Returns
    -------
    pd.DataFrame
        Columns ``images``; ``cpu_seconds`` of all threads together, which other load on the
        machine hardly changes; ``planted`` twins, how many of them were ``found``, and
        ``false`` pairs.

    Raises
    ------
    StudyError
        If fewer than two sizes are given.
    """
    if len(set(sizes)) < 2:
        raise StudyError(f"Growth needs at least two numbers of images, not {list(sizes)}.")
    path = workspace.results / f"duplicate_scaling_{dataset}.csv"
    if path.is_file():
        known = read_kept(path, forms.SCALING)
        if known["images"].tolist() == sorted(sizes):
            return known
    greys, twins = _phantoms(max(sizes), seed)
    rows = [_measure(greys[:n], twins) for n in sorted(sizes)]
    table = pd.DataFrame(rows, columns=list(forms.SCALING.columns))
    table = table.round({"cpu_seconds": 3})  # as the file says: a second run shows the same
    keep_table(path, table, float_format="%.3f")
    return table


def _phantoms(count: int, seed: int) -> tuple[list[np.ndarray], dict[int, int]]:
    """Render images at half resolution; every tenth is a cropped, brightened twin of another."""
    greys: list[np.ndarray] = []
    twins: dict[int, int] = {}
    rng = np.random.default_rng(seed)
    for k in range(count):
        if k % _TWIN_EVERY == _TWIN_EVERY - 1:
            twins[k] = k - _TWIN_EVERY + 1
            height, width = (int(_KEPT * side) for side in greys[twins[k]].shape)
            top, left = rng.integers(0, np.array(greys[twins[k]].shape) - (height, width) + 1)
            part = greys[twins[k]][top : top + height, left : left + width]
            greys.append(np.clip(part * rng.uniform(0.9, 1.1) + 10, 0, 255).astype(np.uint8))
        else:
            image = render_phantom(CLASSES[k % len(CLASSES)], k, seed, "A").image
            greys.append(cv2.resize(image, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA))
    return greys, twins


def _measure(greys: list[np.ndarray], twins: dict[int, int]) -> tuple:
    planted = {(first, second) for second, first in twins.items() if second < len(greys)}
    start = time.process_time()
    pairs = find_duplicates(greys)
    cpu_seconds = time.process_time() - start
    found = set(zip(pairs["i"], pairs["j"], strict=True))
    counts = (len(planted), len(planted & found), len(found - planted))
    return (len(greys), cpu_seconds, *counts)
