"""What an image may suffer between probe and network, at five severities each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pandas as pd

from busi_utils.forms import PROBES
from busi_utils.models import backbone_of
from busi_utils.recipes import Recipe, recipe_of
from busi_utils.study.cells import Cell, prediction_table
from busi_utils.study.image_tables import Product
from busi_utils.study.study import Study
from busi_utils.training.augment import view_rng
from busi_utils.training.hidden_lesions import INPAINTED, SHORTCUTS, changed

if TYPE_CHECKING:
    from busi_utils.training.heads import Network


@dataclass(frozen=True)
class Corruption:
    """One kind of damage.

    Attributes
    ----------
    label : str
        Words for figures, with the unit of the amounts.
    amounts : tuple of float
        What severities 1 to 5 stand for.
    apply : callable
        ``(image, amount, rng) -> image``, both uint8 (size, size).
    """

    label: str
    amounts: tuple[float, ...]
    apply: Callable[[np.ndarray, float, np.random.Generator], np.ndarray]


def corrupt(image: np.ndarray, name: str, severity: int, sha256: str) -> np.ndarray:
    """Return a damaged copy; the draw depends on the image and the kind, not on the severity.

    Parameters
    ----------
    image : np.ndarray
        Shape (size, size), uint8; black margins stay black where grey levels change.
    name : str
        In `CORRUPTIONS`.
    severity : int
        1 to 5.
    sha256 : str
        Identity of the image.
    """
    kind = CORRUPTIONS[name]
    rng = view_rng(f"corruption {name}", 0, sha256, 0)
    return kind.apply(image, kind.amounts[severity - 1], rng)


def _on_tissue(image: np.ndarray, values: np.ndarray) -> np.ndarray:
    return np.where(image > 0, np.clip(np.rint(values), 0, 255), 0).astype(np.uint8)


def _gain(image: np.ndarray, levels: float, rng: np.random.Generator) -> np.ndarray:
    """Shift the log-compressed values up or down, as the gain knob does."""
    return _on_tissue(image, image + rng.choice([-1, 1]) * levels)


def _contrast(image: np.ndarray, slope: float, rng: np.random.Generator) -> np.ndarray:
    """Flatten the grey map about the mean of the tissue: a wider dynamic range."""
    mean = image[image > 0].mean() if image.any() else 0.0
    return _on_tissue(image, (image - mean) * slope + mean)


def _speckle(image: np.ndarray, sigma: float, rng: np.random.Generator) -> np.ndarray:
    """Add noise with the grain of speckle; after log compression speckle is additive."""
    noise = cv2.GaussianBlur(rng.standard_normal(image.shape), (0, 0), sigmaX=1.2, sigmaY=0.7)
    return _on_tissue(image, image + noise / noise.std() * sigma)


def _blur(image: np.ndarray, sigma: float, rng: np.random.Generator) -> np.ndarray:
    return cv2.GaussianBlur(image, (0, 0), sigma)


def _jpeg(image: np.ndarray, quality: float, rng: np.random.Generator) -> np.ndarray:
    _, code = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, int(quality)])
    return cv2.imdecode(code, cv2.IMREAD_GRAYSCALE)


def _crop(image: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
    """Keep the central share of each side, enlarged to the whole square."""
    side = image.shape[0]
    cut = round(side * (1 - share) / 2)
    kept = image[cut : side - cut, cut : side - cut]
    return cv2.resize(kept, (side, side), interpolation=cv2.INTER_LINEAR)


def _rotation(image: np.ndarray, degrees: float, rng: np.random.Generator) -> np.ndarray:
    side = image.shape[0]
    centre, angle = ((side - 1) / 2,) * 2, float(rng.choice([-1, 1])) * degrees
    return cv2.warpAffine(image, cv2.getRotationMatrix2D(centre, angle, 1.0), (side, side))


def _resolution(image: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
    """Shrink to a share of the side and enlarge again."""
    side = image.shape[0]
    small = cv2.resize(image, (max(1, round(side * share)),) * 2, interpolation=cv2.INTER_AREA)
    return cv2.resize(small, (side, side), interpolation=cv2.INTER_LINEAR)


CORRUPTIONS: dict[str, Corruption] = {
    "gain": Corruption("gain, ± grey levels", (10, 20, 30, 45, 60), _gain),
    "contrast": Corruption("contrast, slope", (0.85, 0.7, 0.55, 0.4, 0.25), _contrast),
    "speckle": Corruption("speckle, sd in grey levels", (6, 12, 18, 26, 36), _speckle),
    "blur": Corruption("blur, sd in pixels", (0.6, 1.0, 1.5, 2.2, 3.0), _blur),
    "jpeg": Corruption("JPEG, quality", (60, 40, 25, 15, 8), _jpeg),
    "crop": Corruption("crop, share of each side", (0.95, 0.88, 0.8, 0.7, 0.6), _crop),
    "rotation": Corruption("rotation, ± degrees", (5, 10, 20, 30, 45), _rotation),
    "resolution": Corruption(
        "resolution, share of pixels a side", (0.75, 0.5, 0.35, 0.25, 0.18), _resolution
    ),
}


NONE = "none"
_VERSION = 1  # raise when a probe changes


def probes(severities: Sequence[int]) -> Product:
    """Return the product that holds the predictions of a cell's test images under every probe.

    The tables have the columns ``probe`` (`NONE`, `INPAINTED`, a name in `SHORTCUTS` or in
    `CORRUPTIONS`), ``severity`` (0 where there is only one), then those of a prediction file. One
    view an image, no mirror image: a robustness that flipping adds is not meant.

    Parameters
    ----------
    severities : sequence of int
        Of the corruptions, 1 to 5.
    """
    settings = {
        "version": _VERSION,
        "severities": list(severities),
        "probes": [NONE, INPAINTED, *SHORTCUTS, *CORRUPTIONS],
    }
    return Product("probes", settings, _compute, PROBES)


def _compute(study: Study, cell: Cell, network: Network, settings: dict[str, Any]) -> pd.DataFrame:
    from busi_utils.training.inference import predict, wanted_range

    recipe = recipe_of(cell.recipe)
    folds = study.folds(cell.cohort)
    test = folds[folds["fold"] == cell.fold]
    files = study.bank_files(cell.cohort, test["image_id"])
    tables = []
    for name, severity, pixels in _changed(files, recipe, study.size, cell, settings["severities"]):
        p = predict(network.full, pixels, wanted_range(backbone_of(cell.model), recipe))
        table = prediction_table(test["image_id"], test["label"], p)
        table.insert(0, "probe", name)
        table.insert(1, "severity", severity)
        tables.append(table)
    return pd.concat(tables, ignore_index=True)


def _changed(
    files: pd.DataFrame, recipe: Recipe, size: int, cell: Cell, severities: Sequence[int]
) -> Iterator[tuple[str, int, np.ndarray]]:
    """Yield the images under every probe, uint8 (n, size, size)."""
    from busi_utils.training.inference import prepared

    images = np.asarray(prepared(files, recipe, size))
    yield NONE, 0, images
    for name in (INPAINTED, *SHORTCUTS):
        yield name, 0, changed(files, name, images.shape[1], recipe.fit, cell.fold)
    for name in CORRUPTIONS:
        for severity in severities:
            damaged = [
                corrupt(image, name, severity, sha256)
                for image, sha256 in zip(images, files["sha256"], strict=True)
            ]
            yield name, severity, np.stack(damaged)
