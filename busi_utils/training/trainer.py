"""Train one cell: the part of a network above its cut, on one fold, resumable after every epoch."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from busi_utils import CLASSES
from busi_utils.recipes import Recipe
from busi_utils.training.averages import remeasure, running_mean
from busi_utils.training.bank import Bank
from busi_utils.training.checkpoints import Progress, assign, load_state, save_state, values_of
from busi_utils.training.heads import Network
from busi_utils.training.losses import (
    class_weights,
    distillation_loss,
    learning_rate,
    mask_loss,
)

_PREDICT_BATCH = 64


@dataclass(frozen=True)
class Part:
    """Images of one part of a split: their rows in the bank and their class indices."""

    rows: np.ndarray
    labels: np.ndarray


class Trainer:
    """Trains ``network.top`` on a bank.

    Parameters
    ----------
    network : Network
        The classifier; its top is trained in place.
    bank : Bank
        Filled for the training images.
    recipe : Recipe
        Hyper-parameters.
    seed : int
        Seed of shuffling, view choice and dropout.
    checkpoint : Path
        File that receives the state after every epoch.
    taught : np.ndarray or None
        What teachers say of the bank's images and views, probabilities (images, views, classes), if
        the recipe has teachers.
    """

    def __init__(
        self,
        network: Network,
        bank: Bank,
        recipe: Recipe,
        seed: int,
        checkpoint: Path,
        taught: np.ndarray | None = None,
    ) -> None:
        self.network, self.bank, self.recipe, self.seed = network, bank, recipe, seed
        self.checkpoint, self.taught = checkpoint, taught
        decay = {"weight_decay": recipe.weight_decay} if recipe.weight_decay else {}
        kind = keras.optimizers.AdamW if decay else keras.optimizers.Adam
        self.optimizer = kind(recipe.learning_rate, **decay)
        self.optimizer.build(network.top.trainable_variables)
        self.progress = Progress()
        self.after_step: Callable[[], None] = lambda: None
        self._best: list[np.ndarray] | None = None
        x = tf.TensorSpec([None, *network.top.input.shape[1:]], tf.float32)
        y, weights = tf.TensorSpec([None], tf.int32), tf.TensorSpec([len(CLASSES)], tf.float32)
        masks = tf.TensorSpec(None, tf.float32)
        taught_of = tf.TensorSpec([None, len(CLASSES)], tf.float32)
        # One signature for whole and last batches: the graph is traced once.
        self._step = tf.function(
            self._train_step, input_signature=[x, y, weights, masks, taught_of], autograph=False
        )
        self._infer = tf.function(lambda x: self._outputs(x, False)[0], input_signature=[x])

    def _outputs(self, x: tf.Tensor, training: bool) -> list[tf.Tensor]:
        outputs = self.network.top(x, training=training)
        return outputs if isinstance(outputs, (list, tuple)) else [outputs]

    def _train_step(
        self, x: tf.Tensor, y: tf.Tensor, weights: tf.Tensor, masks: tf.Tensor, taught: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        smooth = self.recipe.label_smoothing
        with tf.GradientTape() as tape:
            outputs = self._outputs(x, training=True)
            target = tf.one_hot(y, len(CLASSES)) * (1 - smooth) + smooth / len(CLASSES)
            losses = keras.losses.categorical_crossentropy(target, outputs[0])
            if share := self.recipe.distilled_share:
                soft = distillation_loss(taught, outputs[0], self.recipe.temperature)
                losses = (1 - share) * losses + share * soft
            loss = tf.reduce_mean(losses * tf.gather(weights, y))
            if self.recipe.mask_weight:
                loss += self.recipe.mask_weight * mask_loss(masks, outputs[1])
        variables = self.network.top.trainable_variables
        gradients = tape.gradient(loss, variables)
        self.optimizer.apply(gradients, variables)
        correct = tf.equal(tf.argmax(outputs[0], -1, output_type=tf.int32), y)
        return loss, tf.reduce_mean(tf.cast(correct, tf.float32))

    def fit(
        self, train: Part, validation: Part, report: Callable[[str], None] = lambda line: None
    ) -> Progress:
        """Train until the schedule or the patience ends; goes on from the checkpoint if any.

        Parameters
        ----------
        train, validation : Part
            The inner split of the fold's training images.
        report : callable
            Receives one line per epoch.

        Returns
        -------
        Progress
            With the history; the network holds the weights to be used.
        """
        self._resume()
        recipe, progress = self.recipe, self.progress
        while progress.epoch < recipe.epochs and not self._out_of_patience():
            started = time.perf_counter()
            row = self.train_epoch(train) | self.validate(validation)
            if recipe.head_only:  # elsewhere it would cost as much as half an epoch
                row["train_accuracy"] = self.accuracy(train)
            progress.epoch += 1
            progress.history.append({"epoch": progress.epoch, **row})
            if row["val_loss"] < progress.best_loss:
                progress.best_loss, progress.best_epoch = row["val_loss"], progress.epoch
                if recipe.patience is not None:
                    self._best = self._top()
            if (averaged := progress.epoch - recipe.epochs + recipe.averaged_epochs) > 0:
                self._best = running_mean(self._best, self._top(), averaged)
            progress.seconds += time.perf_counter() - started
            self._save()
            report(
                f"epoch {progress.epoch}/{recipe.epochs}: loss {row['loss']:.3f}, "
                f"val_loss {row['val_loss']:.3f}, val_accuracy {row['val_accuracy']:.3f}"
            )
        if self._best is not None:
            assign(self.network.top.variables, self._best)
        if recipe.bn_remeasured:
            remeasure(self.network.top, self.bank.whole_batches(train.rows, recipe.batch_size))
        return progress

    def _out_of_patience(self) -> bool:
        patience, progress = self.recipe.patience, self.progress
        return patience is not None and progress.epoch - progress.best_epoch >= patience

    def train_epoch(self, train: Part) -> dict[str, float]:
        """Run one epoch; return mean loss and accuracy as a training log prints them."""
        recipe, bank, epoch = self.recipe, self.bank, self.progress.epoch
        rng = np.random.default_rng([self.seed, epoch])
        order = rng.permutation(len(train.rows))
        views = rng.integers(2, bank.n_views, len(order)) if bank.n_views > 2 else 0 * order
        self._reset_dropout(epoch)
        weights = tf.constant(class_weights(train.labels, recipe))
        batches = range(0, len(order), recipe.batch_size)
        losses, accuracies, sizes = [], [], []
        for number, start in enumerate(batches):
            chosen = order[start : start + recipe.batch_size]
            if len(chosen) < 2:
                continue  # batch statistics of one image are meaningless
            rows, seen = train.rows[chosen], views[start : start + len(chosen)]
            masks = bank.mask_batch(rows, seen) if recipe.mask_weight else np.zeros(0, np.float32)
            taught = np.zeros((0, len(CLASSES))) if self.taught is None else self.taught[rows, seen]
            step = epoch * len(batches) + number
            rate = learning_rate(recipe, step, recipe.epochs * len(batches))
            self.optimizer.learning_rate.assign(rate)
            loss, accuracy = self._step(
                tf.constant(bank.batch(rows, seen)),
                tf.constant(train.labels[chosen], tf.int32),
                weights,
                tf.constant(masks),
                tf.constant(taught, tf.float32),
            )
            self.after_step()
            losses.append(float(loss))
            accuracies.append(float(accuracy))
            sizes.append(len(chosen))
        return {
            "loss": float(np.average(losses, weights=sizes)),
            "accuracy_while_training": float(np.average(accuracies, weights=sizes)),
        }

    def _reset_dropout(self, epoch: int) -> None:
        """Make dropout depend on (seed, epoch) alone, so that a resumed run draws the same."""
        for number, layer in enumerate(self.network.top.layers):
            generator = getattr(layer, "seed_generator", None)
            if generator is not None:
                generator.state.assign(np.array([self.seed * 1000 + number, epoch], np.uint32))

    def validate(self, part: Part) -> dict[str, float]:
        """Return log loss and accuracy of a part in inference mode."""
        p = self.predict(part.rows, flip_average=False)
        chosen = np.clip(p[np.arange(len(p)), part.labels], 1e-7, 1)
        accuracy = np.mean(p.argmax(1) == part.labels)
        return {"val_loss": float(-np.log(chosen).mean()), "val_accuracy": float(accuracy)}

    def accuracy(self, part: Part) -> float:
        """Accuracy in inference mode: no dropout, no augmentation, batch norm as deployed."""
        return float(np.mean(self.predict(part.rows, False).argmax(1) == part.labels))

    def predict(self, rows: np.ndarray, flip_average: bool | None = None) -> np.ndarray:
        """Return class probabilities, float64 (n, 3), averaged over the mirror image if asked."""
        if flip_average is None:
            flip_average = self.recipe.flip_average
        views = [0, 1] if flip_average else [0]
        self.bank.require(rows, views)
        total = np.zeros((len(rows), len(CLASSES)))
        for view in views:
            for start in range(0, len(rows), _PREDICT_BATCH):
                part = rows[start : start + _PREDICT_BATCH]
                x = self.bank.batch(part, np.full(len(part), view))
                total[start : start + len(part)] += self._infer(tf.constant(x)).numpy()
        return total / len(views)

    def _top(self) -> list[np.ndarray]:
        return values_of(self.network.top.variables)

    def _save(self) -> None:
        if self.recipe.head_only:
            return  # such a run takes seconds; it starts again instead
        state = {"top": self._top(), "optimizer": values_of(self.optimizer.variables)}
        save_state(self.checkpoint, vars(self.progress), state | {"best": self._best or []})

    def _resume(self) -> None:
        if (found := load_state(self.checkpoint)) is None:
            return
        progress, state = found
        assign(self.network.top.variables, state["top"])
        assign(self.optimizer.variables, state["optimizer"])
        self._best = state.get("best")
        self.progress = Progress(**progress)
