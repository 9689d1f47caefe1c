"""What a trained network says to images that were damaged, or from which something was taken."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from .cells import Cell, prediction_table
from .corruptions import CORRUPTIONS, corrupt
from .products import Product
from .recipes import Recipe, recipe_of
from .shortcuts import INPAINTED, SHORTCUTS, changed
from .study import Study

if TYPE_CHECKING:
    from .heads import Network

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
    return Product("probes", settings, _compute)


def _compute(study: Study, cell: Cell, network: Network, settings: dict[str, Any]) -> pd.DataFrame:
    from .inference import predict, wanted_range  # TensorFlow is large

    recipe = recipe_of(cell.recipe)
    folds = study.folds(cell.cohort)
    test = folds[folds["fold"] == cell.fold]
    files = study.bank_files(cell.cohort).set_index("image_id").loc[test["image_id"]].reset_index()
    tables = []
    for name, severity, pixels in _changed(files, recipe, study.size, cell, settings["severities"]):
        p = predict(network.full, pixels, wanted_range(cell.model, recipe))
        table = prediction_table(test["image_id"], test["label"], p)
        table.insert(0, "probe", name)
        table.insert(1, "severity", severity)
        tables.append(table)
    return pd.concat(tables, ignore_index=True)


def _changed(
    files: pd.DataFrame, recipe: Recipe, size: int, cell: Cell, severities: Sequence[int]
) -> Iterator[tuple[str, int, np.ndarray]]:
    """Yield the images under every probe, uint8 (n, size, size)."""
    from .inference import prepared

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
