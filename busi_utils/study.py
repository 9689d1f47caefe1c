"""The study: which cells are missing, and how they are trained."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from importlib.metadata import version
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from . import CLASSES
from .cells import Cell, config_hash, is_done, prediction_table, save_cell
from .cohorts import cohort_files
from .errors import StudyError
from .folds import inner_split, is_grouped, read_folds
from .manifest import read_manifest
from .paths import CACHE, Workspace
from .recipes import Recipe, recipe_of

if TYPE_CHECKING:  # TensorFlow takes seconds to import; reading results does not need it
    from .training import Part, Trainer
    from .weights import InitialWeights

_PACKAGES = ("tensorflow", "keras", "numpy", "opencv-python-headless", "scikit-learn")


@dataclass(frozen=True)
class Study:
    """A data set with its files, and how networks start on it.

    Attributes
    ----------
    dataset : str
        ``busi`` or ``phantom``.
    workspace : Workspace
        Holds the manifest and folds; receives predictions and records.
    sources : Mapping
        Name and folder of each image source; may be empty where nothing is to be trained.
    weights : str
        Folder of ImageNet weights; empty: see `weights.imagenet_weights`.
    size : int
        Side of the network input in pixels.
    """

    dataset: str
    workspace: Workspace
    sources: Mapping[str, str | Path] = field(default_factory=dict)
    weights: str = ""
    size: int = 224

    @cached_property
    def manifest(self) -> pd.DataFrame:
        return read_manifest(self.dataset, self.workspace)

    def folds(self, cohort: str) -> pd.DataFrame:
        return read_folds(self.dataset, cohort, self.workspace)

    def missing(self, cells: Sequence[Cell]) -> list[Cell]:
        """Return the cells that have no record with the current configuration."""
        known: dict[str, pd.DataFrame] = {}
        out = []
        for cell in cells:
            folds = known.setdefault(cell.cohort, self.folds(cell.cohort))
            expected = config_hash(cell, folds, self.manifest, self.size)
            if not is_done(cell, expected, self.workspace):
                out.append(cell)
        return out

    def initial_weights(self, model: str, recipe: Recipe) -> InitialWeights:
        """Return how a network starts: random only if the recipe says so."""
        from .pretraining import phantom_weights
        from .weights import RANDOM, imagenet_weights

        if recipe.init == "random":
            return RANDOM
        if self.dataset == "phantom":
            return phantom_weights(model, self.size)
        return imagenet_weights(model, self.weights)

    @cached_property
    def _images(self) -> pd.DataFrame:
        return cohort_files("raw", self.manifest, self.sources)

    @cached_property
    def _images_and_masks(self) -> pd.DataFrame:
        return cohort_files("raw_with_masks", self.manifest, self.sources)

    def bank_files(self, cohort: str) -> pd.DataFrame:
        """Return the images whose frozen outputs a cohort's cells share with other cohorts."""
        return self._images_and_masks if cohort == "raw_with_masks" else self._images


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
        If data or weights are missing.
    """
    import keras
    import tensorflow as tf

    from .features import Bank
    from .heads import build_network
    from .models import RAW, UNIT, backbone_of
    from .training import Part, Trainer
    from .weights import load_backbone

    if not study.sources:
        raise StudyError(
            f"{cell} has no results yet and no images were named to train it: "
            "pass DATA=<folder> or set BUSI_DATA."
        )
    recipe = recipe_of(cell.recipe)
    folds = study.folds(cell.cohort)
    tf.config.experimental.enable_op_determinism()
    keras.backend.clear_session()
    initial = study.initial_weights(cell.model, recipe)
    # A frozen random backbone is shared by all seeds, as a frozen pretrained one is.
    frozen_random = recipe.init == "random" and recipe.cut != "pixels"
    keras.utils.set_random_seed(0 if frozen_random else cell.seed)
    backbone = load_backbone(cell.model, study.size, initial)
    keras.utils.set_random_seed(cell.seed)
    network = build_network(cell.model, backbone, recipe)
    input_range = {"right": backbone_of(cell.model).input_range, "unit": UNIT, "raw": RAW}
    bank = Bank(
        study.bank_files(cell.cohort),
        recipe,
        input_range[recipe.input_range],
        study.size,
        network.trunk,
        f"{cell.model}:{initial.init}:{initial.sha256}:{recipe.cut}",
    )
    ids = inner_split(folds, cell.fold, seed=cell.seed, grouped=is_grouped(cell.cohort))
    labels = folds.set_index("image_id")["label"]
    parts = [Part(bank.rows(i), labels[i].map(CLASSES.index).to_numpy()) for i in ids]
    train, validation, test = parts
    started = time.perf_counter()
    random_views = range(2, bank.n_views) or [0]
    bank.require(train.rows, [0, *random_views] if recipe.cut == "features" else random_views)
    filled = time.perf_counter() - started
    name = f"{config_hash(cell, folds, study.manifest, study.size)}.npz"
    trainer = Trainer(network, bank, recipe, cell.seed, CACHE / "checkpoints" / name)
    started = time.perf_counter()
    progress = trainer.fit(train, validation, report)
    seconds = time.perf_counter() - started
    tables = {
        part_name: prediction_table(i, labels[i], trainer.predict(part.rows))
        for part_name, i, part in zip(("validation", "test"), ids[1:], parts[1:], strict=True)
    }
    record = start_of_record(study, cell, recipe, initial) | {
        "config_hash": name[:16],
        "n_train": len(train.rows),
        "n_validation": len(validation.rows),
        "n_test": len(test.rows),
        "epochs_run": progress.epoch,
        "best_epoch": progress.best_epoch,
        "train_accuracy": trainer.accuracy(train),
        "parameters": int(network.full.count_params()),
        "seconds": round(seconds, 3),
        "seconds_frozen_part": round(filled, 3),
        "images_per_second": round(len(train.rows) * progress.epoch / max(seconds, 1e-9), 1),
        "history": progress.history,
    }
    return TrainedCell(trainer, train, validation, test, tables, record)


def start_of_record(
    study: Study, cell: Cell, recipe: Recipe, initial: InitialWeights
) -> dict[str, Any]:
    """Return the part of a run record that is known before training."""
    return {
        "dataset": cell.dataset,
        "cohort": cell.cohort,
        "model": cell.model,
        "recipe": cell.recipe,
        "seed": cell.seed,
        "fold": cell.fold,
        "hyper_parameters": recipe.as_dict(),
        "size": study.size,
        "init": initial.init,
        "weights_sha256": initial.sha256,
        "versions": {name: version(name) for name in _PACKAGES},
        "python": platform.python_version(),
        "processor": _processor(),
        "cores": os.cpu_count(),
    }


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def run_cell(study: Study, cell: Cell, report: Callable[[str], None] = lambda line: None) -> None:
    """Train one cell and write its files; its checkpoint is then no longer needed."""
    trained = train_cell(study, cell, report)
    save_cell(
        cell, trained.tables["test"], trained.tables["validation"], trained.record, study.workspace
    )
    trained.trainer.checkpoint.unlink(missing_ok=True)


def jobs_of(cells: Sequence[Cell]) -> list[list[Cell]]:
    """Divide cells into jobs, each run in a process of its own, which returns its memory.

    Cells that train only a head take seconds and share one process per cohort, model and recipe;
    every other cell is a job.
    """
    jobs: list[list[Cell]] = []
    key = lambda c: (c.dataset, c.cohort, c.model, c.recipe)  # noqa: E731
    for (*_, recipe), some in groupby(sorted(cells, key=lambda c: (*key(c), c.seed, c.fold)), key):
        members = list(some)
        jobs += [members] if recipe_of(recipe).cut == "features" else [[c] for c in members]
    return jobs
