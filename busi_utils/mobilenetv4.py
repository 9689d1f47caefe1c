"""MobileNetV4-Conv-S, which `keras.applications` does not hold, and a reader of its public weights.

Built from the table of Qin et al. 2024 (arXiv:2404.10518) out of universal inverted bottlenecks.
Layers bear the names of PyTorch Image Models (timm, ``mobilenetv4_conv_small``), whose ImageNet
weights are public, and strides are padded as there, so that these weights give the same outputs.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from busi_utils.errors import StudyError

if TYPE_CHECKING:
    import keras

# Universal inverted bottlenecks by stage: kernel of the depthwise convolution before the expansion
# (0: none), kernel of the one after it (0: none), stride, channels, expansion.
_STAGES = (
    (
        (5, 5, 2, 96, 3.0),
        *[(0, 3, 1, 96, 2.0)] * 4,
        (3, 0, 1, 96, 4.0),
    ),
    (
        (3, 3, 2, 128, 6.0),
        (5, 5, 1, 128, 4.0),
        (0, 5, 1, 128, 4.0),
        (0, 5, 1, 128, 3.0),
        *[(0, 3, 1, 128, 4.0)] * 2,
    ),
)
_EPSILON, _MOMENTUM = 1e-5, 0.9  # of batch norm, as PyTorch has them


def mobilenetv4_conv_small(
    include_top: bool, weights: None, input_tensor: keras.KerasTensor
) -> keras.Model:
    """Build the network up to its last map of 960 channels; arguments as in `keras.applications`.

    Parameters
    ----------
    include_top : bool
        False: the 1280 channels behind the pooling belong to ImageNet's classes.
    weights : None
        Random; see `load_public_weights`.
    input_tensor : keras.KerasTensor
        Images (batch, side, side, 3), in [-1, 1].

    Returns
    -------
    keras.Model
        Output (batch, side / 32, side / 32, 960).
    """
    import keras

    assert not include_top
    assert weights is None
    x = _conv(input_tensor, 32, 3, 2, "conv_stem", "bn1")
    x = _conv(x, 32, 3, 2, "blocks.0.0.conv", "blocks.0.0.bn1")
    x = _conv(x, 32, 1, 1, "blocks.0.1.conv", "blocks.0.1.bn1")
    x = _conv(x, 96, 3, 2, "blocks.1.0.conv", "blocks.1.0.bn1")
    x = _conv(x, 64, 1, 1, "blocks.1.1.conv", "blocks.1.1.bn1")
    for stage, blocks in enumerate(_STAGES, 2):
        for number, block in enumerate(blocks):
            x = _bottleneck(x, f"blocks.{stage}.{number}", *block)
    x = _conv(x, 960, 1, 1, "blocks.4.0.conv", "blocks.4.0.bn1")
    return keras.Model(input_tensor, x, name="mobilenetv4_conv_small")


def _conv(
    x: keras.KerasTensor, channels: int, kernel: int, stride: int, conv: str, norm: str
) -> keras.KerasTensor:
    """Convolution (depthwise if ``channels`` is 0), batch norm, ReLU unless it is a projection."""
    from keras import layers

    if kernel > 1:
        x = layers.ZeroPadding2D(kernel // 2, name=f"{conv}_pad")(x)
    options = {"strides": stride, "use_bias": False, "name": conv}
    x = (
        layers.Conv2D(channels, kernel, **options)(x)
        if channels
        else (layers.DepthwiseConv2D(kernel, **options)(x))
    )
    x = layers.BatchNormalization(momentum=_MOMENTUM, epsilon=_EPSILON, name=norm)(x)
    linear = conv.endswith(("dw_start.conv", "pw_proj.conv"))
    return x if linear else layers.ReLU(name=f"{norm}_relu")(x)


def _bottleneck(
    x: keras.KerasTensor, name: str, before: int, after: int, stride: int, channels: int, by: float
) -> keras.KerasTensor:
    """Universal inverted bottleneck: either depthwise convolution may be absent."""
    from keras import layers

    start, width = x, int(x.shape[-1] * by)

    def part(y: keras.KerasTensor, what: str, *shape: int) -> keras.KerasTensor:
        return _conv(y, *shape, f"{name}.{what}.conv", f"{name}.{what}.bn")

    if before:
        x = part(x, "dw_start", 0, before, 1 if after else stride)
    x = part(x, "pw_exp", width, 1, 1)
    if after:
        x = part(x, "dw_mid", 0, after, stride)
    x = part(x, "pw_proj", channels, 1, 1)
    same = stride == 1 and start.shape[-1] == channels
    return layers.Add(name=f"{name}.add")([start, x]) if same else x


def load_public_weights(backbone: keras.Model, path: Path) -> None:
    """Load timm's ``mobilenetv4_conv_small`` weights from its ``.safetensors`` file.

    Raises
    ------
    StudyError
        If a layer's weights are absent or of another shape.
    """
    from safetensors.numpy import load_file

    stored = load_file(path)
    for layer in backbone.layers:
        if layer.weights:
            layer.set_weights(_of_layer(stored, layer, path))


def _of_layer(
    stored: Mapping[str, np.ndarray], layer: keras.layers.Layer, path: Path
) -> list[np.ndarray]:
    shapes = [tuple(weight.shape) for weight in layer.weights]
    if len(shapes) == 1:
        # PyTorch: (out, in, height, width); depthwise (channels, 1, height, width).
        order = (2, 3, 0, 1) if "Depthwise" in type(layer).__name__ else (2, 3, 1, 0)
        names = ["weight"]
    else:
        order, names = (0,), ["weight", "bias", "running_mean", "running_var"]
    found = [stored.get(f"{layer.name}.{name}") for name in names]
    values = [array.transpose(order) for array in found if array is not None]
    if [value.shape for value in values] != shapes:
        raise StudyError(
            f"{path} holds no weights of MobileNetV4-Conv-S for its layer {layer.name}: "
            "take timm's mobilenetv4_conv_small."
        )
    return values
