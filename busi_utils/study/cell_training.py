"""Train one cell: its network, its frozen part, its fold, its record."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import tensorflow as tf

from busi_utils import CLASSES
from busi_utils.audit.folds import inner_split, is_grouped
from busi_utils.errors import StudyError
from busi_utils.recipes import Recipe, recipe_of
from busi_utils.study.cells import Cell, prediction_table, save_cell, start_of_record
from busi_utils.study.study import Study
from busi_utils.training.bank import Bank
from busi_utils.training.checkpoints import assign, load_state, save_state, values_of
from busi_utils.training.heads import Network, build_network
from busi_utils.training.hidden_lesions import changed
from busi_utils.training.inference import outputs, wanted_range
from busi_utils.training.trainer import Part, Trainer
from busi_utils.training.weights import InitialWeights, load_backbone
from busi_utils.workspace import CACHE

_STRIDE = 32  # of every network in the registry


@dataclass(frozen=True)
class TrainedCell:
    """A trained network with the parts of its fold, before it is written or thrown away."""

    trainer: Trainer
    train: Part
    validation: Part
    test: Part
    tables: dict[str, pd.DataFrame]
    record: dict[str, Any]


def train_cell(
    study: Study, cell: Cell, report: Callable[[str], None] = lambda line: None
) -> TrainedCell:
    """Train one cell in this process, or go on from its checkpoint.

    Raises
    ------
    StudyError
        If data or weights are missing, or the input size does not suit the networks.
    """
    recipe, folds = recipe_of(cell.recipe), study.folds(cell.cohort)
    identity = study.config_hash(cell)
    study = _resized(study, recipe)
    _check(study, cell)
    tf.config.experimental.enable_op_determinism()
    initial = study.initial_weights(cell.model, recipe)
    network = _network(study, cell, initial)
    bank = _bank(study, cell, initial, network)
    ids = inner_split(folds, cell.fold, seed=cell.seed, grouped=is_grouped(cell.cohort))
    labels = folds.set_index("image_id")["label"]
    train, validation, test = parts = [_part(bank, part, labels) for part in ids]
    started = time.perf_counter()
    bank.require_for_training(train.rows)
    filled = time.perf_counter() - started
    trainer = Trainer(network, bank, recipe, cell.seed, CACHE / "checkpoints" / f"{identity}.npz")
    trainer.fit(train, validation, report)
    tables = {
        name: prediction_table(i, labels[i], trainer.predict(part.rows))
        for name, i, part in zip(("validation", "test"), ids[1:], parts[1:], strict=True)
    }
    record = start_of_record(cell, recipe, initial, study.size) | {"config_hash": identity}
    record |= _end_of_record(trainer, parts, filled)
    return TrainedCell(trainer, train, validation, test, tables, record)


def _resized(study: Study, recipe: Recipe) -> Study:
    """Return the study at the recipe's own image size, if it has one."""
    return replace(study, size=recipe.image_size or study.size)


def _end_of_record(trainer: Trainer, parts: Sequence[Part], filled: float) -> dict[str, Any]:
    """Return the part of a run record that is known after training."""
    progress, sizes = trainer.progress, [len(part.rows) for part in parts]
    return {
        **dict(zip(("n_train", "n_validation", "n_test"), sizes, strict=True)),
        "epochs_run": progress.epoch,
        "best_epoch": progress.best_epoch,
        "train_accuracy": trainer.accuracy(parts[0]),
        "parameters": int(trainer.network.full.count_params()),
        "seconds": round(progress.seconds, 3),
        "seconds_frozen_part": round(filled, 3),
        "images_per_second": round(sizes[0] * progress.epoch / max(progress.seconds, 1e-9), 1),
        "history": progress.history,
    }


def _check(study: Study, cell: Cell) -> None:
    study.require_images(cell)
    if study.size < _STRIDE or study.size % _STRIDE:
        raise StudyError(
            f"The image size {study.size} is no multiple of {_STRIDE}, the stride of the networks: "
            "choose for instance 96 or 224."
        )


def _network(study: Study, cell: Cell, initial: InitialWeights) -> Network:
    """Build the cell's network from seeds that make it the same in every process."""
    recipe = recipe_of(cell.recipe)
    backbone_of_cell = _kept_backbone if recipe.cut == "features" else _new_backbone
    # What the frozen part of a random backbone gives is shared by all seeds, as if pretrained.
    seed = cell.seed if recipe.cut == "pixels" else 0
    backbone = backbone_of_cell(cell.model, study.size, initial, seed)
    keras.utils.set_random_seed(cell.seed)
    return build_network(cell.model, backbone, recipe)


def _new_backbone(model: str, size: int, initial: InitialWeights, seed: int) -> keras.Model:
    keras.backend.clear_session()
    keras.utils.set_random_seed(seed)
    return load_backbone(model, size, initial)


_kept_backbone = lru_cache(maxsize=1)(_new_backbone)  # wholly frozen: no cell changes it


def _bank(study: Study, cell: Cell, initial: InitialWeights, network: Network) -> Bank:
    recipe = recipe_of(cell.recipe)
    return Bank(
        study.bank_files(cell.cohort),
        recipe,
        wanted_range(cell.model, recipe),
        study.size,
        network.trunk,
        f"{cell.model}:{initial.init}:{initial.sha256}:{recipe.cut}",
    )


def _part(bank: Bank, image_ids: Sequence[str], labels: pd.Series) -> Part:
    return Part(bank.rows(image_ids), labels[image_ids].map(CLASSES.index).to_numpy())


def frozen_features(study: Study, model: str, image_ids: Sequence[str]) -> np.ndarray:
    """Return the pooled output of a pretrained backbone, float32 (n, channels)."""
    cell = Cell(study.dataset, "raw", model, "original", 0, 0)
    _check(study, cell)
    initial = study.initial_weights(model, recipe_of(cell.recipe))
    bank = _bank(study, cell, initial, _network(study, cell, initial))
    rows = bank.rows(image_ids)
    bank.require(rows, [0])
    return bank.batch(rows, np.zeros(len(rows), int))


def changed_features(
    study: Study, model: str, image_ids: Sequence[str], changes: Sequence[str]
) -> dict[str, np.ndarray]:
    """Return, for each change of the images, what `frozen_features` returns; see `shortcuts`."""
    cell = Cell(study.dataset, "raw", model, "original", 0, 0)
    _check(study, cell)
    recipe = recipe_of(cell.recipe)
    network = _network(study, cell, study.initial_weights(model, recipe))
    files = study.bank_files("raw").set_index("image_id").loc[list(image_ids)].reset_index()
    ask = partial(outputs, network.trunk, input_range=wanted_range(model, recipe))
    return {name: ask(changed(files, name, study.size, recipe.fit, 0)) for name in changes}


def run_cell(study: Study, cell: Cell, report: Callable[[str], None] = lambda line: None) -> None:
    """Train one cell, write its files, and keep its network; the checkpoint has served."""
    trained = train_cell(study, cell, report)
    save_cell(
        cell, trained.tables["test"], trained.tables["validation"], trained.record, study.workspace
    )
    _keep_network(study, cell, trained)


def _keep_network(study: Study, cell: Cell, trained: TrainedCell) -> None:
    """Keep a network whose training took minutes, instead of the checkpoint of its training."""
    if recipe_of(cell.recipe).cut != "features":
        top = {"top": values_of(trained.trainer.network.top.variables)}
        save_state(_network_file(study, cell), vars(trained.trainer.progress), top)
    trained.trainer.checkpoint.unlink(missing_ok=True)


def _network_file(study: Study, cell: Cell) -> Path:
    return CACHE / "networks" / f"{study.config_hash(cell)}.npz"


def trained_networks(study: Study, cells: Sequence[Cell]) -> Iterator[tuple[Cell, Network]]:
    """Yield the trained network of each cell: kept from its training, or trained again now.

    Parameters
    ----------
    study : Study
    cells : sequence of Cell
        All of one model and recipe. They may share one graph, so a network is to be used before the
        next is asked for.
    """
    network = None
    for cell in cells:
        if (kept := load_state(_network_file(study, cell))) is None:
            trained = train_cell(study, cell)
            _keep_network(study, cell, trained)
            network = trained.trainer.network
        else:
            recipe = recipe_of(cell.recipe)
            initial = study.initial_weights(cell.model, recipe)
            network = network or _network(_resized(study, recipe), cell, initial)
            assign(network.top.variables, kept[1]["top"])
        yield cell, network


def averaged_network(study: Study, cells: Sequence[Cell]) -> Network:
    """Return one network whose trained weights are the means over those of all cells.

    Parameters
    ----------
    study : Study
    cells : sequence of Cell
        At least one, all of one model and recipe, so that they started from the same weights.
    """
    sums: list[np.ndarray] = []
    for _, network in trained_networks(study, cells):
        values = values_of(network.top.variables)
        sums = [a + b for a, b in zip(sums, values, strict=True)] if sums else values
    means = [(s / len(cells)).astype(s.dtype) for s in sums]
    assign(network.top.variables, means)
    return network
