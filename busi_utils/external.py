"""Networks trained on one data set, asked about the images of another hospital."""

from __future__ import annotations

import hashlib
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from .cells import Cell, prediction_table
from .external_sets import read_external
from .products import Product
from .recipes import recipe_of
from .study import Study

if TYPE_CHECKING:
    from .heads import Network

EXTERNAL = "external"  # the cohort's name
ADAPTED = "-adapted"  # batch statistics taken from the external images
_VERSION = 1  # raise when predictions change
_BATCH = 32


def external(name: str, manifest: pd.DataFrame, folder: str, adapted: bool = False) -> Product:
    """Return the product that holds a cell's predictions for an external data set.

    They are prediction files in the form of the contract, for all images, from one network each.

    Parameters
    ----------
    name : str
        In `external_sets.EXTERNAL_SETS`.
    manifest : pd.DataFrame
        See `external_sets.read_external`; excluded images are not asked about.
    folder : str
        Of the images; may be empty where nothing is missing.
    adapted : bool
        Take the statistics of the trained batch-norm layers from the external images, which needs
        all of them at once but no label (Li et al., Pattern Recognit 2018;80:109-117).
    """
    used = manifest.loc[manifest["excluded_because"] == "", "sha256"]
    digest = hashlib.sha256("".join(sorted(used)).encode()).hexdigest()[:16]
    settings = {"version": _VERSION, "images": digest, "adapted": adapted}
    compute = partial(_compute, name=name, folder=folder)
    ending = ADAPTED if adapted else ""
    return Product("predictions", settings, compute, name, EXTERNAL, ending)


def _compute(
    study: Study,
    cell: Cell,
    network: Network,
    settings: dict[str, Any],
    name: str,
    folder: str,
) -> pd.DataFrame:
    from .inference import predict, prepared, wanted_range  # TensorFlow is large

    files = read_external(name, folder)
    files = files[files["excluded_because"] == ""].reset_index(drop=True)
    recipe = recipe_of(cell.recipe)
    input_range = wanted_range(cell.model, recipe)
    pixels = np.asarray(prepared(files, recipe, study.size))
    if settings["adapted"]:
        _adapt(network, pixels, input_range)
    p = predict(network.full, pixels, input_range, recipe.flip_average)
    return prediction_table(files["image_id"], files["label"], p)


def _adapt(network: Network, pixels: np.ndarray, input_range: str) -> None:
    """Let the trained batch-norm layers forget the statistics of the training images."""
    import tensorflow as tf

    from .models import to_input

    def step(x: tf.Tensor) -> None:
        lower = x if network.trunk is None else network.trunk(x, training=False)
        network.top(lower, training=True)

    update = tf.function(step, autograph=False)
    order = np.random.default_rng(0).permutation(len(pixels))  # tables are sorted by patient
    for start in range(0, len(order) - _BATCH + 1, _BATCH):
        update(tf.constant(to_input(pixels[order[start : start + _BATCH]], input_range)))
