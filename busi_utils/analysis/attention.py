"""Where a network looks: Grad-CAM and occlusion, measured against lesion masks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pandas as pd

from busi_utils.audit.pixels import load_masks
from busi_utils.forms import ATTENTION
from busi_utils.models import backbone_of
from busi_utils.recipes import recipe_of
from busi_utils.stats.metrics import encode
from busi_utils.study.cells import Cell
from busi_utils.study.image_tables import Product
from busi_utils.study.study import Study

if TYPE_CHECKING:
    from busi_utils.training.heads import Network

GRID = 7  # cells a side of every stored map: one a 32 x 32 block at 224 x 224 input
METHODS = (
    "gradcam",
    "hirescam",
    "occlusion",
    "gradcam_random_head",
    "gradcam_random_top",
    "centre",
)
_CENTRE_SIGMA = 0.25  # of the side; the centre prior is a Gaussian
_VERSION = 1  # raise when a map changes
_MAP = [f"m{i}" for i in range(GRID * GRID)]


def attention() -> Product:
    """Return the product that holds the maps of a cell's test images, as `_compute` makes them.

    The tables have one row an image and method, for images with a lesion: ``method`` (in
    `METHODS`), ``image_id, label, hit, energy, area`` (see `localisation`) and the map, scaled to
    0-255, in ``m0`` to ``m48`` by rows.
    """
    settings = {"version": _VERSION, "methods": list(METHODS)}
    return Product("attention", settings, _compute, ATTENTION)


def localisation(heat: np.ndarray, mask: np.ndarray, inside: np.ndarray) -> dict[str, float]:
    """Compare a map with a lesion mask.

    Parameters
    ----------
    heat : np.ndarray
        Shape (k, k), not negative; enlarged bilinearly to the mask's size.
    mask, inside : np.ndarray
        Shape (size, size), bool: the lesion; the image proper, without padding.

    Returns
    -------
    dict
        ``hit``: whether the maximum lies in the lesion (pointing game); ``energy``: share of the
        heat that does; ``area``: share of the image that is lesion, what both are for a map
        without knowledge. An all-zero map misses and has no energy.

    References
    ----------
    Zhang et al., Top-down neural attention by excitation backprop, IJCV 2018;126:1084-1102.
    Wang et al., Score-CAM, CVPR Workshops 2020 (energy-based pointing game).
    """
    fine = cv2.resize(heat.astype(np.float32), mask.shape[::-1], interpolation=cv2.INTER_LINEAR)
    fine = np.where(inside, np.maximum(fine, 0), 0)
    total = float(fine.sum())
    return {
        "hit": float(total > 0 and mask[np.unravel_index(fine.argmax(), fine.shape)]),
        "energy": float(fine[mask].sum()) / total if total > 0 else 0.0,
        "area": float((mask & inside).sum() / max(inside.sum(), 1)),
    }


def centre_prior(size: int) -> np.ndarray:
    """Return a Gaussian about the middle, (size, size): lesions are centred when scanned."""
    axis = (np.arange(size) - (size - 1) / 2) / size
    line = np.exp(-0.5 * (axis / _CENTRE_SIGMA) ** 2)
    return np.outer(line, line)


def _compute(study: Study, cell: Cell, network: Network, settings: dict[str, Any]) -> pd.DataFrame:
    from busi_utils.analysis import saliency
    from busi_utils.training.inference import prepared, wanted_range

    recipe, folds = recipe_of(cell.recipe), study.folds(cell.cohort)
    test = folds[(folds["fold"] == cell.fold) & (folds["label"] != "normal")]
    files = study.bank_files(cell.cohort, test["image_id"])
    images = np.asarray(prepared(files, recipe, study.size))
    masks = np.asarray(load_masks(files, images.shape[1], recipe.fit)).astype(bool)
    looking = saliency.looking(network, wanted_range(backbone_of(cell.model), recipe))
    y = encode(test["label"].to_numpy())
    gradcam, hirescam = looking.cams(images, y)
    maps = {
        "gradcam": gradcam,
        "hirescam": hirescam,
        "occlusion": looking.occlusion(images, y, GRID),
        "gradcam_random_head": looking.gradcam_randomised(images, y, "head", cell.seed),
        "gradcam_random_top": looking.gradcam_randomised(images, y, "top", cell.seed),
        "centre": np.repeat(centre_prior(GRID)[None], len(images), 0),
    }
    tables = []
    for method, heats in maps.items():
        found = [
            localisation(heat, mask, image > 0)
            for heat, mask, image in zip(heats, masks, images, strict=True)
        ]
        table = pd.DataFrame(found)
        table.insert(0, "method", method)
        table.insert(1, "image_id", test["image_id"].to_numpy())
        table.insert(2, "label", test["label"].to_numpy())
        tables.append(pd.concat([table, _stored(heats)], axis=1))
    return pd.concat(tables, ignore_index=True)


def _stored(heats: np.ndarray) -> pd.DataFrame:
    """Return maps as rows of 49 whole numbers, each map's maximum at 255."""
    small = np.stack([cv2.resize(h.astype(np.float32), (GRID, GRID)) for h in heats])
    scaled = 255 * small / np.maximum(small.max(axis=(1, 2), keepdims=True), 1e-12)
    return pd.DataFrame(np.rint(scaled).astype(int).reshape(len(heats), -1), columns=_MAP)


def maps_of(table: pd.DataFrame) -> np.ndarray:
    """Return the maps of a table's rows, float64 (n, 7, 7), 0-255."""
    return table[_MAP].to_numpy(dtype=float).reshape(-1, GRID, GRID)
