"""The networks of the study: one registry, one way to build them.

Every backbone is built as one flat Keras graph, so that any layer can be read (Grad-CAM) and the
graph can be cut: what lies below a cut is frozen and computed once, what lies above is trained.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from busi_utils.errors import StudyError
from busi_utils.mobilenetv4 import mobilenetv4_conv_small

if TYPE_CHECKING:
    import keras

SIGNED = "x / 127.5 - 1"
UNIT = "x / 255"
RAW = "x"
OWN_BUILDERS = {"mobilenetv4_conv_small": mobilenetv4_conv_small}
"""What `keras.applications` does not hold."""


@dataclass(frozen=True)
class Backbone:
    """One network of `keras.applications`, or of this module's own.

    Attributes
    ----------
    name : str
        Its name in files, parameters and on the command line.
    title : str
        Name in tables and figures.
    builder : str
        Function of `keras.applications`, or `mobilenetv4.mobilenetv4_conv_small`.
    input_range : str
        What the network wants of 0-255 pixels: ``SIGNED`` [-1, 1], or ``RAW`` where the graph
        rescales inside.
    cut_before : str
        Layer whose input is the cut of the recipes that train the upper blocks: the first layer
        after the last block at 28 x 28 (at 224 x 224 input). Xception is cut at its last block but
        two, for cost: each of its eight blocks at 14 x 14 costs more than all of MobileNetV2.
    last_at_14 : str
        Layer whose input is the last map at 14 x 14; the mask head reads it.
    weights_file : str
        Name of the ImageNet file in a weights folder; empty where only Keras' own is known.
    keras_file : str
        Name of the file that Keras downloads and keeps in its own cache; empty if it has none.
    options : Mapping
        Further arguments of the builder.
    """

    name: str
    title: str
    builder: str
    input_range: str
    cut_before: str
    last_at_14: str
    weights_file: str
    keras_file: str
    options: Mapping[str, Any] = field(default_factory=dict)


_V3 = "weights_mobilenet_v3_{}_224_1.0_float_no_top_v2.h5"

_BACKBONES = (
    Backbone(
        name="mobilenetv2",
        title="MobileNetV2",
        builder="MobileNetV2",
        input_range=SIGNED,
        cut_before="block_6_expand",
        last_at_14="block_13_expand",
        weights_file="mobilenetv2_1.0_224_notop.weights.h5",
        keras_file="mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224_no_top.h5",
    ),
    Backbone(
        name="xception",
        title="Xception",
        builder="Xception",
        input_range=SIGNED,
        cut_before="block12_sepconv1_act",
        last_at_14="block13_sepconv1_act",
        weights_file="xception_notop.weights.h5",
        keras_file="xception_weights_tf_dim_ordering_tf_kernels_notop.h5",
    ),
    Backbone(
        name="efficientnetb3",
        title="EfficientNetB3",
        builder="EfficientNetB3",
        input_range=RAW,
        cut_before="block4a_expand_conv",
        last_at_14="block6a_expand_conv",
        weights_file="",
        keras_file="efficientnetb3_notop.h5",
    ),
    Backbone(
        name="efficientnetv2b0",
        title="EfficientNetV2B0",
        builder="EfficientNetV2B0",
        input_range=RAW,
        cut_before="block4a_expand_conv",
        last_at_14="block6a_expand_conv",
        weights_file="efficientnetv2b0_notop.weights.h5",
        keras_file="efficientnetv2-b0_notop.h5",
    ),
    Backbone(
        name="mobilenetv1",
        title="MobileNetV1",
        builder="MobileNet",
        input_range=SIGNED,
        cut_before="conv_pad_6",
        last_at_14="conv_pad_12",
        weights_file="mobilenetv1_1.0_224_notop.weights.h5",
        keras_file="mobilenet_1_0_224_tf_no_top.h5",
    ),
    Backbone(
        name="mobilenetv3_small",
        title="MobileNetV3-Small",
        builder="MobileNetV3Small",
        input_range=RAW,
        cut_before="expanded_conv_3_expand",
        last_at_14="expanded_conv_8_expand",
        weights_file="mobilenetv3_small_notop.weights.h5",
        keras_file=_V3.format("small"),
    ),
    Backbone(
        name="mobilenetv3_large",
        title="MobileNetV3-Large (minimalistic)",
        builder="MobileNetV3Large",
        input_range=RAW,
        cut_before="expanded_conv_6_expand",
        last_at_14="expanded_conv_12_expand",
        weights_file="mobilenetv3_large_minimalistic_notop.weights.h5",
        keras_file=_V3.format("large_minimalistic"),
        options={"minimalistic": True},
    ),
    *(
        Backbone(
            name=f"mobilenetv2_{width.replace('.', '')}",
            title=f"MobileNetV2, width {width}",
            builder="MobileNetV2",
            input_range=SIGNED,
            cut_before="block_6_expand",
            last_at_14="block_13_expand",
            weights_file="",
            keras_file=f"mobilenet_v2_weights_tf_dim_ordering_tf_kernels_{width}_224_no_top.h5",
            options={"alpha": float(width)},
        )
        for width in ("0.5", "0.35")
    ),
    Backbone(
        name="mobilenetv4_small",
        title="MobileNetV4-Conv-S",
        builder="mobilenetv4_conv_small",
        input_range=SIGNED,
        cut_before="blocks.2.0.dw_start.conv_pad",
        last_at_14="blocks.3.0.dw_start.conv_pad",
        weights_file="mobilenetv4_conv_small.safetensors",
        keras_file="",
    ),
)
MODELS: dict[str, Backbone] = {entry.name: entry for entry in _BACKBONES}


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


def build_backbone(entry: Backbone, size: int) -> keras.Model:
    """Build a backbone without its top, randomly initialised from Keras' global seed.

    Parameters
    ----------
    entry : Backbone
        Of `MODELS`.
    size : int
        Side of the square input in pixels.

    Returns
    -------
    keras.Model
        Input float32 (batch, size, size, 3), output the last feature map.
    """
    import keras  # seconds; those who only read names and results do without

    build = OWN_BUILDERS.get(entry.builder) or getattr(keras.applications, entry.builder)
    # An input tensor passes Keras' floor of 71 pixels for Xception, whose last map is 2 x 2 at 64
    # pixels like that of the other networks.
    images = keras.Input((size, size, 3))
    model = build(include_top=False, weights=None, input_tensor=images, **entry.options)
    return keras.Model(model.inputs[0], model.output, name=model.name)


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
