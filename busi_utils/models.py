"""The networks of the study: one registry, one way to build them.

Every backbone is built as one flat Keras graph, so that any layer can be read (Grad-CAM) and the
graph can be cut: what lies below a cut is frozen and computed once, what lies above is trained.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np

from .errors import StudyError

SIGNED = "x / 127.5 - 1"
UNIT = "x / 255"
RAW = "x"


@dataclass(frozen=True)
class Backbone:
    """One network of `keras.applications`.

    Attributes
    ----------
    title : str
        Name in tables and figures.
    builder : str
        Function of `keras.applications`.
    input_range : str
        What the network wants of 0-255 pixels: ``SIGNED`` [-1, 1], or ``RAW`` where the graph
        rescales inside.
    cut_before : str
        Layer whose input is the cut of the recipes that train the upper blocks: the first layer
        after the last block at 28 x 28 (at 224 x 224 input).
    last_at_14 : str
        Layer whose input is the last map at 14 x 14; the mask head reads it.
    weights_file : str
        Name of the ImageNet file in a weights folder; empty where none is known to circulate.
    keras_file : str
        Name of the file that Keras downloads and keeps in its own cache.
    licence : str
        Licence of the ImageNet weights.
    options : Mapping
        Further arguments of the builder.
    """

    title: str
    builder: str
    input_range: str
    cut_before: str
    last_at_14: str
    weights_file: str
    keras_file: str
    licence: str = "Apache-2.0"
    options: Mapping[str, Any] = field(default_factory=dict)


MODELS: dict[str, Backbone] = {
    "mobilenetv2": Backbone(
        title="MobileNetV2",
        builder="MobileNetV2",
        input_range=SIGNED,
        cut_before="block_6_expand",
        last_at_14="block_13_expand",
        weights_file="mobilenetv2_1.0_224_notop.weights.h5",
        keras_file="mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224_no_top.h5",
    ),
}


def backbone_of(model: str) -> Backbone:
    """Return the registry's entry.

    Raises
    ------
    StudyError
        If no network has that name.
    """
    if model not in MODELS:
        raise StudyError(f"Unknown model '{model}': choose one of {', '.join(MODELS)}.")
    return MODELS[model]


def build_backbone(model: str, size: int) -> keras.Model:
    """Build a backbone without its top, randomly initialised from Keras' global seed.

    Parameters
    ----------
    model : str
        Name in `MODELS`.
    size : int
        Side of the square input in pixels.

    Returns
    -------
    keras.Model
        Input float32 (batch, size, size, 3), output the last feature map.
    """
    entry = backbone_of(model)
    build = getattr(keras.applications, entry.builder)
    return build(include_top=False, weights=None, input_shape=(size, size, 3), **entry.options)


def to_input(pixels: np.ndarray, input_range: str) -> np.ndarray:
    """Turn grey pixels into what a network wants.

    Parameters
    ----------
    pixels : np.ndarray
        Shape (n, size, size), dtype uint8, 0-255.
    input_range : str
        ``SIGNED``, ``UNIT`` or ``RAW``.

    Returns
    -------
    np.ndarray
        Shape (n, size, size, 3), dtype float32; the grey channel three times.
    """
    x = pixels.astype(np.float32)
    if input_range == SIGNED:
        x = x / 127.5 - 1.0
    elif input_range == UNIT:
        x = x / 255.0
    elif input_range != RAW:
        raise ValueError(f"unknown input range {input_range!r}")
    return np.repeat(x[..., None], 3, axis=-1)
