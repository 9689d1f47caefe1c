"""Training against the ordinary Keras way, side by side in one run.

Uses BUSI and ImageNet weights where ``BUSI_DATA`` and ``BUSI_WEIGHTS`` name them, else phantoms;
the table says which.
"""

from __future__ import annotations

import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from busi_utils import CLASSES, workspace
from busi_utils.audit.cohorts import cohort_files
from busi_utils.audit.datasets import sources_of
from busi_utils.audit.folds import inner_split, is_grouped
from busi_utils.audit.preparation import prepare_data
from busi_utils.models import MODELS
from busi_utils.recipes import ORIGINAL, RECIPES
from busi_utils.stats.paired_tests import wilson
from busi_utils.study.cells import Cell
from busi_utils.study.predictions import PROBABILITIES
from busi_utils.study.study import Study
from busi_utils.workspace import Workspace

MODEL, SIZE, FOLDS = "mobilenetv2", 224, 5
_STEPS = 6  # timed training steps of the fine-tuning loops, taken in turns


def _study(folder: str) -> Study:
    dataset = "busi" if sources_of("busi") else "phantom"
    study = Study(dataset, Workspace(Path(folder)), sources_of(dataset), size=SIZE)
    prepare_data(study.sources, dataset, study.workspace)
    # Phantom weights are made before the clock starts.
    study.initial_weights(MODELS[MODEL], ORIGINAL)
    return study


def _keras_model(study: Study):  # -> keras.Model
    """The original network as a tutorial builds it: augmentation layers, frozen base, head."""
    import keras

    from busi_utils.training.weights import load_backbone

    layers = keras.layers
    base = load_backbone(MODELS[MODEL], study.size, study.initial_weights(MODELS[MODEL], ORIGINAL))
    base.trainable = False
    image = keras.Input((study.size, study.size, 3))
    x = layers.RandomFlip("horizontal")(image)
    x = layers.RandomRotation(15 / 360, fill_mode="constant")(x)
    x = layers.RandomZoom(0.1, fill_mode="constant")(x)
    x = layers.RandomBrightness(0.2, value_range=(0, 255))(x)
    x = base(layers.Rescaling(1 / 127.5, offset=-1)(x), training=False)
    x = layers.GlobalAveragePooling2D()(x)
    x = layers.Dropout(ORIGINAL.dropout)(layers.Dense(128, activation="relu")(x))
    model = keras.Model(image, layers.Dense(len(CLASSES), activation="softmax")(x))
    model.compile(
        keras.optimizers.Adam(ORIGINAL.learning_rate),
        "sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    return model


def _from_disk(files: pd.DataFrame, size: int):  # -> tf.data.Dataset
    import tensorflow as tf

    def read(path, label):
        image = tf.io.decode_png(tf.io.read_file(path), channels=3)
        return tf.image.resize_with_pad(tf.cast(image, tf.float32), size, size), label

    labels = files["label"].map(CLASSES.index).to_numpy()
    data = tf.data.Dataset.from_tensor_slices((files["path"].to_numpy(str), labels))
    return (
        data.map(read, num_parallel_calls=tf.data.AUTOTUNE).batch(ORIGINAL.batch_size).prefetch(2)
    )


def _ordinary_cell(study: Study, cell: Cell) -> tuple[float, float, int]:
    """Return seconds, test accuracy and number of test images of one cell, the ordinary way."""
    import keras

    keras.utils.set_random_seed(cell.seed)
    files = cohort_files(cell.cohort, study.manifest, study.sources).set_index("image_id")
    ids = inner_split(
        study.folds(cell.cohort), cell.fold, seed=cell.seed, grouped=is_grouped(cell.cohort)
    )
    train, validation, test = (_from_disk(files.loc[part], study.size) for part in ids)
    started = time.perf_counter()
    model = _keras_model(study)
    stop = keras.callbacks.EarlyStopping(patience=ORIGINAL.patience, restore_best_weights=True)
    model.fit(
        train, validation_data=validation, epochs=ORIGINAL.epochs, callbacks=[stop], verbose=0
    )
    _, accuracy = model.evaluate(test, verbose=0)
    return time.perf_counter() - started, accuracy, len(ids[2])


def bench_head_training() -> pd.DataFrame:
    """Time the original recipe's ten cells: five seeds on ``raw``, five folds on ``clean``.

    The ordinary way is measured on one whole cell and taken ten times; ours on all ten, beginning
    with an empty cache. The accuracies are those of the same first cell, and our mean of the ten.
    """
    from busi_utils.study.cell_training import train_cell

    with tempfile.TemporaryDirectory() as folder:
        study = _study(folder)
        cells = [Cell(study.dataset, "raw", MODEL, "original", k, k) for k in range(FOLDS)]
        cells += [Cell(study.dataset, "clean", MODEL, "original", 0, k) for k in range(FOLDS)]
        slow, slow_accuracy, n = _ordinary_cell(study, cells[0])
        cache, workspace.CACHE = workspace.CACHE, Path(folder) / "cache"
        try:
            times, accuracies = [], []
            for cell in cells:
                started = time.perf_counter()
                test = train_cell(study, cell).tables["test"]
                times.append(time.perf_counter() - started)
                called = test[PROBABILITIES].to_numpy().argmax(axis=1)
                accuracies.append(np.mean(called == test["label"].map(CLASSES.index)))
        finally:
            workspace.CACHE = cache
    low, high = wilson(round(slow_accuracy * n), n)
    one = {"keras_seconds": slow, "seconds": times[0], "accuracy": accuracies[0]}
    one |= {"keras_accuracy": slow_accuracy, "keras_low": low, "keras_high": high}
    ten = {"keras_seconds": slow * len(cells), "seconds": sum(times)}
    ten["accuracy"] = float(np.mean(accuracies))
    table = pd.DataFrame([{"task": "one cell"} | one, {"task": "ten cells"} | ten])
    table.insert(3, "ratio", table["keras_seconds"] / table["seconds"])
    return table.assign(images=study.dataset)


def bench_fine_tuning() -> pd.DataFrame:
    """Compare the images per second of the study's loop with bare ``train_on_batch`` on arrays."""
    import keras

    from busi_utils.study.cell_training import train_cell
    from busi_utils.training.trainer import Part

    recipe = replace(RECIPES["original-unfrozen"], views=1, epochs=1, patience=None)
    RECIPES["bench-unfrozen"] = recipe
    with tempfile.TemporaryDirectory() as folder:
        study = _study(folder)
        cell = Cell(study.dataset, "clean", MODEL, "bench-unfrozen", 0, 0)
        trained = train_cell(study, cell)
        trainer, train = trained.trainer, trained.parts[0]
        model = keras.Model(trainer.network.full.input, trainer.network.full.output)
        model.compile(keras.optimizers.Adam(1e-4), "sparse_categorical_crossentropy")
        batch = train.rows[: recipe.batch_size], train.labels[: recipe.batch_size]
        x = trainer.bank.batch(batch[0], np.full(len(batch[0]), 2))
        model.train_on_batch(x, batch[1])
        bare, ours = 0.0, 0.0
        for _ in range(_STEPS):  # in turns, so that a busy moment of the machine hits both
            started = time.perf_counter()
            model.train_on_batch(x, batch[1])
            middle = time.perf_counter()
            trainer.train_epoch(Part(*batch))
            bare, ours = bare + middle - started, ours + time.perf_counter() - middle
    images = _STEPS * recipe.batch_size
    row = {"train_on_batch": images / bare, "study": images / ours, "ratio": bare / ours}
    return pd.DataFrame([{"task": "images per second", **row, "images": study.dataset}])
