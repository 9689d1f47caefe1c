"""Weights for the demonstration: backbones that learnt from phantoms made for that alone."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from busi_phantom.render import render_phantoms
from busi_utils import CLASSES
from busi_utils.audit.images import letterbox
from busi_utils.models import Backbone, build_backbone, to_input
from busi_utils.training.weights import InitialWeights, file_sha256
from busi_utils.workspace import CACHE, atomic_path, require_room

SHIPPED = Path(__file__).parents[1] / "data" / "phantom_weights"
_SEED = 20_000  # apart from the seeds of the data sets, so that no phantom is seen twice
_SIZE = 64  # side of the input in pixels: the weights serve any size, and small inputs save minutes
_IMAGES = 360
_EPOCHS = 12
_BATCH = 32
_VERSION = 4  # raise when the weights change


def phantom_weights(entry: Backbone) -> InitialWeights:
    """Return weights of a backbone trained from scratch to classify phantoms made for that alone.

    Those of the demonstration's networks come with the package, since learning them takes minutes;
    `make pretrain` learns them anew. Any other network's are made once and kept in the cache. The
    images learnt from share nothing with the data set but the generator.

    Parameters
    ----------
    entry : Backbone
        Of `models.MODELS`.
    """
    path = SHIPPED / f"{entry.name}.weights.h5"
    if not path.exists():
        path = CACHE / "phantom_weights" / f"{entry.name}_{_VERSION}.weights.h5"
    if not path.exists():
        pretrain(entry, path)
    return InitialWeights("phantom", path, file_sha256(path))


def pretrain(entry: Backbone, path: Path) -> None:
    """Learn weights from fresh phantoms and write them to ``path``, ending in ``.weights.h5``."""
    with atomic_path(path) as temporary:
        backbone = _pretrain(entry)
        require_room(path.parent, 8 * backbone.count_params())
        backbone.save_weights(temporary)


def _pretrain(entry: Backbone) -> keras.Model:
    labels = [CLASSES[k % len(CLASSES)] for k in range(_IMAGES)]
    images = [phantom.image for phantom in render_phantoms(labels, _SEED)]
    pixels = np.stack([letterbox(image, _SIZE) for image in images])
    pixels = np.concatenate([pixels, pixels[:, :, ::-1]])  # mirror images are as plausible
    y = np.array([CLASSES.index(label) for label in labels] * 2)
    keras.utils.set_random_seed(_SEED)
    backbone = build_backbone(entry, _SIZE)
    for layer in backbone.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0.9  # few steps: 0.999 would keep the initial statistics
    pooled = keras.layers.GlobalAveragePooling2D()(backbone.output)
    classifier = keras.Model(backbone.input, keras.layers.Dense(len(CLASSES))(pooled))
    x = to_input(pixels, entry.input_range)
    _fit(classifier, x, y)
    return backbone


def _fit(classifier: keras.Model, x: np.ndarray, y: np.ndarray) -> None:
    """Train with Adam and a cosine schedule; `Model.fit` would trace for twice as long."""
    steps = _EPOCHS * (len(y) // _BATCH)
    optimizer = keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(2e-3, steps))
    variables = classifier.trainable_variables
    optimizer.build(variables)

    @tf.function
    def step(images: tf.Tensor, labels: tf.Tensor) -> None:
        with tf.GradientTape() as tape:
            logits = classifier(images, training=True)
            losses = keras.losses.sparse_categorical_crossentropy(labels, logits, from_logits=True)
            loss = tf.reduce_mean(losses)
        optimizer.apply(tape.gradient(loss, variables), variables)

    rng = np.random.default_rng(_SEED)
    for _ in range(_EPOCHS):
        for chosen in np.array_split(rng.permutation(len(y)), len(y) // _BATCH):
            step(tf.constant(x[chosen]), tf.constant(y[chosen]))
