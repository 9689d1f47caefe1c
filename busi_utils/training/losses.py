"""Losses and schedules of training."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from busi_utils import CLASSES
from busi_utils.recipes import Recipe


def learning_rate(recipe: Recipe, step: int, steps: int) -> float:
    """Return the learning rate of a step: constant, or linear warm-up and cosine decay to 0."""
    if recipe.schedule == "constant":
        return recipe.learning_rate
    warm_up = max(1, steps // 10)
    if step < warm_up:
        return recipe.learning_rate * (step + 1) / warm_up
    return recipe.learning_rate * 0.5 * (1 + np.cos(np.pi * (step - warm_up) / (steps - warm_up)))


def class_weights(labels: np.ndarray, recipe: Recipe) -> np.ndarray:
    """Return loss weights (3,), float32: inverse class frequency, mean 1 over images, or ones."""
    counts = np.bincount(labels, minlength=len(CLASSES))
    if not recipe.class_weights:
        return np.ones(len(CLASSES), np.float32)
    return (len(labels) / (len(CLASSES) * np.maximum(counts, 1))).astype(np.float32)


def mask_loss(target: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    """Cross-entropy plus soft Dice loss of lesion masks, mean over images.

    Parameters
    ----------
    target : tf.Tensor
        Shape (batch, side, side), lesion share of each cell, 0-1.
    logits : tf.Tensor
        Shape (batch, side, side, 1).
    """
    logits = logits[..., 0]
    entropy = tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(target, logits), axis=(1, 2))
    share = tf.sigmoid(logits)
    overlap = tf.reduce_sum(target * share, axis=(1, 2))
    total = tf.reduce_sum(target + share, axis=(1, 2))
    dice = 1 - (2 * overlap + 1) / (total + 1)  # +1: an image without lesion has loss near 0
    return tf.reduce_mean(entropy + dice)


def distillation_loss(teachers: tf.Tensor, student: tf.Tensor, temperature: float) -> tf.Tensor:
    """Cross-entropy of the student against its teachers, both softened (Hinton et al. 2015).

    Parameters
    ----------
    teachers, student : tf.Tensor
        Class probabilities, shape (batch, classes).
    temperature : float
        Divides log probabilities; the loss is multiplied by its square, so that the size of the
        gradients does not depend on it.

    Returns
    -------
    tf.Tensor
        Shape (batch,).
    """
    soft = tf.nn.softmax(_logits(teachers) / temperature)
    logits = _logits(student) / temperature
    losses = tf.nn.softmax_cross_entropy_with_logits(labels=soft, logits=logits)
    return temperature**2 * losses


def _logits(p: tf.Tensor) -> tf.Tensor:
    return tf.math.log(tf.clip_by_value(p, 1e-7, 1.0))
