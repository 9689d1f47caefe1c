"""Ask a trained network about any grey images, as its recipe prepares them."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import keras
import numpy as np
import pandas as pd
import tensorflow as tf

from busi_utils.audit.pixels import load_pixels
from busi_utils.models import RAW, UNIT, Backbone, to_input
from busi_utils.recipes import Recipe

_BATCH = 32


def wanted_range(entry: Backbone, recipe: Recipe) -> str:
    """Return the input range that a recipe gives to a network."""
    return {"right": entry.input_range, "unit": UNIT, "raw": RAW}[recipe.input_range]


def prepared(files: pd.DataFrame, recipe: Recipe, size: int) -> np.ndarray:
    """Return images as a recipe wants them, uint8 (n, size, size); see `pixels.load_pixels`."""
    return load_pixels(files, recipe.image_size or size, recipe.fit, recipe.marks)


def predict(
    network: keras.Model, pixels: np.ndarray, input_range: str, flip_average: bool = False
) -> np.ndarray:
    """Return class probabilities.

    Parameters
    ----------
    network : keras.Model
        Image to probabilities.
    pixels : np.ndarray
        Shape (n, size, size), uint8.
    input_range : str
        See `wanted_range`.
    flip_average : bool
        Average each prediction with that of the mirror image.

    Returns
    -------
    np.ndarray
        Shape (n, 3), float64.
    """
    p = outputs(network, pixels, input_range)
    if flip_average:
        p = (p + outputs(network, pixels[:, :, ::-1], input_range)) / 2
    p = p.astype(np.float64)
    return p / p.sum(axis=1, keepdims=True)


def outputs(network: keras.Model, pixels: np.ndarray, input_range: str) -> np.ndarray:
    """Return what a network gives for each image, float32; parameters as in `predict`."""
    forward, parts = _forward(network), []
    for start in range(0, len(pixels), _BATCH):
        x = to_input(pixels[start : start + _BATCH], input_range)
        parts.append(forward(tf.constant(x)).numpy())
    return np.concatenate(parts)


@lru_cache(maxsize=1)
def _forward(network: keras.Model) -> Any:
    """Return the network as a graph, traced once however often its weights are replaced."""
    spec = tf.TensorSpec([None, *network.input.shape[1:]], tf.float32)
    return tf.function(
        lambda x: network(x, training=False), input_signature=[spec], autograph=False
    )
