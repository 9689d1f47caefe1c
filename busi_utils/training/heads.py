"""What is put on a backbone, and the graph cut into a frozen and a trained part.

Weights of attention are counted for 1,280 maps of 7 x 7, those of MobileNetV2 at 224 pixels.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import keras

from busi_utils import CLASSES
from busi_utils.models import Backbone
from busi_utils.recipes import Recipe

_RATIO = 16
_WIDTH, _HEADS = 128, 4
_WINDOW = 7


@dataclass(frozen=True)
class Network:
    """One classifier and its two parts, which share their layers with it.

    Attributes
    ----------
    full : keras.Model
        Image (batch, size, size, 3) to class probabilities (batch, 3).
    trunk : keras.Model or None
        Image to the cut; None if nothing is frozen.
    top : keras.Model
        The cut to probabilities, and to mask logits (batch, size / 16, size / 16, 1) if the recipe
        learns masks.
    """

    full: keras.Model
    trunk: keras.Model | None
    top: keras.Model


def _original_head(features: keras.KerasTensor, dropout: float) -> keras.KerasTensor:
    """Dense(128, ReLU), dropout, Dense(3, softmax): the original report's head."""
    x = keras.layers.Dense(128, activation="relu", name="hidden")(features)
    x = keras.layers.Dropout(dropout, name="dropout")(x)
    return keras.layers.Dense(len(CLASSES), activation="softmax", name="classes")(x)


def _mask_branch(
    skip: keras.KerasTensor, last: keras.KerasTensor
) -> tuple[keras.KerasTensor, keras.KerasTensor]:
    """Return mask logits at 14 x 14 and the deep features pooled over the predicted lesion.

    A 1 x 1 convolution reduces each of the two deepest resolutions; the coarser is enlarged and
    added (a feature pyramid of two levels). Where the lesion is thought to be then weighs the
    pooling, so that the classifier looks at the lesion without being given the mask.
    """
    layers = keras.layers
    coarse = layers.Conv2D(64, 1, name="mask_coarse")(last)
    coarse = layers.UpSampling2D(2, interpolation="bilinear", name="mask_enlarged")(coarse)
    fine = layers.Conv2D(64, 1, name="mask_fine")(skip)
    both = layers.Activation("relu", name="mask_features")(
        layers.Add(name="mask_sum")([coarse, fine])
    )
    logits = layers.Conv2D(1, 3, padding="same", name="mask")(both)
    weight = layers.Activation("sigmoid", name="mask_share")(logits)
    weight = layers.AveragePooling2D(2, name="lesion_weight")(weight)
    weighted = layers.Multiply(name="lesion_features")([last, weight])
    pooled = layers.GlobalAveragePooling2D(name="lesion_pooled")(weighted)
    return logits, pooled


def squeeze_excitation(maps: keras.KerasTensor) -> keras.KerasTensor:
    """Weigh each map by a gate read off the means of all (Hu et al., CVPR 2018): 206,160 weights.

    Parameters
    ----------
    maps : keras.KerasTensor
        Shape (batch, side, side, channels).

    Returns
    -------
    keras.KerasTensor
        Of the same shape.
    """
    layers, hidden, gates = keras.layers, *_gate_layers(maps)
    means = layers.GlobalAveragePooling2D(keepdims=True, name="squeezed")(maps)
    gate = layers.Activation("sigmoid", name="excitation")(gates(hidden(means)))
    return layers.Multiply(name="excited")([maps, gate])


def cbam(maps: keras.KerasTensor) -> keras.KerasTensor:
    """Weigh maps by their means and maxima, then places (Woo et al., ECCV 2018): 206,259 weights.

    Parameters and what is returned as in `squeeze_excitation`.
    """
    layers, hidden, gates = keras.layers, *_gate_layers(maps)
    means = layers.GlobalAveragePooling2D(keepdims=True, name="channel_means")(maps)
    most = layers.GlobalMaxPooling2D(keepdims=True, name="channel_maxima")(maps)
    both = layers.Add(name="channel_sum")([gates(hidden(means)), gates(hidden(most))])
    gate = layers.Activation("sigmoid", name="channel_gate")(both)
    weighed = layers.Multiply(name="channels_weighed")([maps, gate])
    mean = keras.ops.mean(weighed, axis=-1, keepdims=True)
    places = layers.Concatenate(name="place_summary")(
        [mean, keras.ops.max(weighed, axis=-1, keepdims=True)]
    )
    where = layers.Conv2D(1, _WINDOW, padding="same", activation="sigmoid", name="place_gate")
    return layers.Multiply(name="places_weighed")([weighed, where(places)])


def self_attention(maps: keras.KerasTensor) -> keras.KerasTensor:
    """Let every cell look at all others with four heads (Vaswani et al., 2017): 230,272 weights.

    Maps are narrowed to 128 first: at full width one such layer would have 6.6 million weights.
    Cells carry no positions.

    Parameters
    ----------
    maps : keras.KerasTensor
        Shape (batch, side, side, channels).

    Returns
    -------
    keras.KerasTensor
        Shape (batch, side, side, 128).
    """
    layers = keras.layers
    narrow = layers.Conv2D(_WIDTH, 1, name="narrowed")(maps)
    heads = layers.MultiHeadAttention(
        _HEADS, _WIDTH // _HEADS, attention_axes=(1, 2), name="self_attention"
    )
    added = layers.Add(name="attended")([narrow, heads(narrow, narrow)])
    return layers.LayerNormalization(name="attended_normal")(added)


def _gate_layers(maps: keras.KerasTensor) -> tuple[keras.layers.Layer, keras.layers.Layer]:
    """Return the two dense layers that read gates off the channels, narrowed to a sixteenth."""
    channels = maps.shape[-1]
    return (
        keras.layers.Dense(channels // _RATIO, activation="relu", name="gate_hidden"),
        keras.layers.Dense(channels, name="gates"),
    )


ATTENTION: dict[str, Callable[[keras.KerasTensor], keras.KerasTensor]] = {
    function.__name__: function for function in (squeeze_excitation, cbam, self_attention)
}
"""Attention by the name of its head."""


def build_network(entry: Backbone, backbone: keras.Model, recipe: Recipe) -> Network:
    """Put the recipe's head on a backbone and cut the graph where the recipe says."""
    attend = ATTENTION.get(recipe.head, lambda maps: maps)
    features = keras.layers.GlobalAveragePooling2D(name="pooled")(attend(backbone.output))
    outputs = []
    if recipe.head == "mask":
        skip = backbone.get_layer(entry.last_at_14).input
        logits, lesion = _mask_branch(skip, backbone.output)
        joined = keras.layers.Concatenate(name="pooled_both")([features, lesion])
        joined = keras.layers.Dropout(recipe.dropout, name="dropout")(joined)
        classes = keras.layers.Dense(len(CLASSES), activation="softmax", name="classes")(joined)
        outputs = [logits]
    else:
        classes = _original_head(features, recipe.dropout)
    full = keras.Model(backbone.input, classes, name=entry.name)
    cut = {
        "pixels": backbone.input,
        "middle": backbone.get_layer(entry.cut_before).input,
        "features": features,
        "maps": backbone.output,
    }[recipe.cut]
    trunk = None if recipe.cut == "pixels" else keras.Model(backbone.input, cut)
    top = keras.Model(cut, [classes, *outputs])
    for layer in batch_norms(top):
        if recipe.bn_momentum is not None:
            layer.momentum = recipe.bn_momentum
        layer.trainable = not recipe.bn_frozen  # Keras then keeps it in inference mode as well
    return Network(full, trunk, top)


def batch_norms(model: keras.Model) -> list[keras.layers.BatchNormalization]:
    """Return the batch-norm layers of a model, in order."""
    return [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]
