"""Batch norm's running averages: what a trained network reports through them, and without them.

Training normalises by each batch's own statistics, so the weights that it finds do not depend on
how the running averages are kept; what inference says does. One training can therefore be read
through several averages (Ioffe and Szegedy 2015; momentum as in `keras.layers.BatchNormalization`).

Beside them, `running_mean` averages the weights themselves over epochs (Izmailov et al. 2018).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import keras
import numpy as np
import tensorflow as tf

from busi_utils.training.heads import batch_norms

_EPSILON = 1e-3  # of MobileNetV2's batch norm
Statistics = list[tuple[np.ndarray, np.ndarray]]
Forward = Callable[[tf.Tensor], tf.Tensor]


def statistics_of(model: keras.Model) -> Statistics:
    """Return the stored mean and variance of each batch-norm layer, float32 (channels,) each."""
    return [(n.moving_mean.numpy(), n.moving_variance.numpy()) for n in batch_norms(model)]


def assign_statistics(model: keras.Model, statistics: Statistics) -> None:
    """Store a mean and a variance in each batch-norm layer."""
    for layer, (mean, variance) in zip(batch_norms(model), statistics, strict=True):
        layer.moving_mean.assign(mean)
        layer.moving_variance.assign(variance)


def blend(old: Statistics, new: Statistics, momentum: float) -> Statistics:
    """Return ``momentum * old + (1 - momentum) * new``, layer by layer, as Keras does a step."""
    keep, take = np.float32(momentum), np.float32(1 - momentum)
    pairs = zip(old, new, strict=True)
    return [(m * keep + b * take, v * keep + w * take) for (m, v), (b, w) in pairs]


def measure(model: keras.Model, batches: Iterable[tf.Tensor], forward: Forward) -> Statistics:
    """Return the mean of the batches' own statistics, every layer's momentum being 0.

    With momentum 0 what is stored after a batch is that batch's statistics.
    """
    seen = []
    for batch in batches:
        forward(batch)
        seen.append(statistics_of(model))
    layers = zip(*seen, strict=True)
    return [tuple(np.mean(kind, 0) for kind in zip(*layer, strict=True)) for layer in layers]


def in_training_mode(model: keras.Model) -> Forward:
    """Return the model as a compiled function that uses, and stores, each batch's statistics."""
    return tf.function(lambda x: model(x, training=True), autograph=False)


def remeasure(model: keras.Model, batches: Iterable[tf.Tensor]) -> None:
    """Replace the running averages by the mean of the batches' own statistics.

    Parameters
    ----------
    model : keras.Model
        Changed in place; its other weights stay.
    batches : iterable of tf.Tensor
        Inputs of the model, of equal size.
    """
    layers = batch_norms(model)
    momenta = [layer.momentum for layer in layers]
    for layer in layers:
        layer.momentum = 0.0
    assign_statistics(model, measure(model, batches, in_training_mode(model)))
    for layer, momentum in zip(layers, momenta, strict=True):
        layer.momentum = momentum


def distance(stored: Statistics, measured: Statistics) -> float:
    """Return the mean over layers of `mean_distances`."""
    return float(np.mean(mean_distances(stored, measured)))


def mean_distances(stored: Statistics, measured: Statistics) -> np.ndarray:
    """Return how far each layer's stored means lie from measured ones, float64 (layers,).

    In standard deviations of the data: the mean over channels of
    ``|stored - measured| / sqrt(measured variance)``.
    """
    pairs = zip(stored, measured, strict=True)
    return np.array(
        [float(np.mean(np.abs(m - b) / np.sqrt(w + _EPSILON))) for (m, _), (b, w) in pairs]
    )


def variance_factors(stored: Statistics, measured: Statistics) -> np.ndarray:
    """Return by what factor, up or down, each layer's stored variances are off, float64 (layers,).

    The geometric mean over channels; 1 where they agree.
    """
    pairs = zip(stored, measured, strict=True)
    logs = [np.mean(np.abs(np.log((v + _EPSILON) / (w + _EPSILON)))) for (_, v), (_, w) in pairs]
    return np.exp(np.array(logs, float))


def running_mean(
    mean: Sequence[np.ndarray] | None, values: Sequence[np.ndarray], n: int
) -> list[np.ndarray]:
    """Return the mean of ``n`` lists of arrays, that of the first ``n - 1`` and the last given."""
    if n == 1:
        return list(values)
    pairs = zip(mean, values, strict=True)
    return [(m + (v - m.astype(np.float64)) / n).astype(m.dtype) for m, v in pairs]
