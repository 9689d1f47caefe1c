"""Train one cell: its network, its frozen part, its fold, its record."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import tensorflow as tf

from busi_utils import CLASSES
from busi_utils.study.cells import Cell, prediction_table, save_cell, start_of_record
from busi_utils.study.distillation import taught, teachers_of
from busi_utils.study.inputs import require_same_masks, require_start
from busi_utils.study.setup import setup_of
from busi_utils.study.study import Study, duration
from busi_utils.training.bank import Bank
from busi_utils.training.checkpoints import Progress, assign, load_state, save_state, values_of
from busi_utils.training.heads import Network
from busi_utils.training.trainer import Part, Trainer
from busi_utils.workspace import CACHE

_DONE = re.compile(r"(\d+)/(\d+)")
_QUIET_S = 60.0


@dataclass(frozen=True)
class CellRun:
    """A cell on its way: its trainer, the parts of its fold, and what its record begins with.

    Attributes
    ----------
    trainer : Trainer
        Trained or not yet.
    ids : tuple of list of str
        ``image_id`` of the training, validation and test images.
    parts : list of Part
        The same images as rows of the bank, with their classes.
    labels : pd.Series
        Class by ``image_id``.
    start : dict
        What the run record says before training.
    filled : float
        Seconds that the frozen part took.
    progress : Progress or None
        Of the run that the record tells; None: the trainer's own.
    """

    trainer: Trainer
    ids: tuple[list[str], list[str], list[str]]
    parts: list[Part]
    labels: pd.Series
    start: dict[str, Any]
    filled: float
    progress: Progress | None = None

    @property
    def tables(self) -> dict[str, pd.DataFrame]:
        """Predictions of the validation and the test images, in the form of the contract."""
        named = zip(("validation", "test"), self.ids[1:], self.parts[1:], strict=True)
        return {
            name: prediction_table(ids, self.labels[ids], self.trainer.predict(part.rows))
            for name, ids, part in named
        }

    @property
    def record(self) -> dict[str, Any]:
        """The run record of the trained cell."""
        progress = self.progress or self.trainer.progress
        sizes = [len(part.rows) for part in self.parts]
        return self.start | {
            **dict(zip(("n_train", "n_validation", "n_test"), sizes, strict=True)),
            "epochs_run": progress.epoch,
            "best_epoch": progress.best_epoch,
            "train_accuracy": self.trainer.accuracy(self.parts[0]),
            "parameters": int(self.trainer.network.full.count_params()),
            "seconds": round(progress.seconds, 3),
            "seconds_frozen_part": round(self.filled, 3),
            "images_per_second": round(sizes[0] * progress.epoch / max(progress.seconds, 1e-9), 1),
            "history": progress.history,
        }


class NowAndThen:
    """Prints a line of a long work's progress at most once a minute, with the time left.

    Parameters
    ----------
    what : str
        What is at work; begins each line.
    """

    def __init__(self, what: str) -> None:
        self._what = what
        self._last = time.perf_counter()
        self._from: tuple[int, int, float] | None = None

    def __call__(self, line: str) -> None:
        """Take a line that tells ``<done>/<all>``, such as ``epoch 3/25: loss 0.512``."""
        done, everything = (int(number) for number in _DONE.search(line).groups())
        now = time.perf_counter()
        if self._from is None or self._from[0] != everything or done < self._from[1]:
            self._from = everything, done, now  # another work of the same cell
        if now - self._last < _QUIET_S:
            return
        left = ""
        if done > self._from[1]:
            seconds = (now - self._from[2]) / (done - self._from[1]) * (everything - done)
            left = f", at most {duration(seconds)} left"
        print(f"{self._what}: {line}{left}", flush=True)
        self._last = now


def prepare(study: Study, cell: Cell, report: Callable[[str], None] | None = None) -> CellRun:
    """Build a cell's network and the frozen outputs of its training images.

    ``report`` receives lines of progress.

    Raises
    ------
    StudyError
        If data or weights are missing, or the input size does not suit the networks.
    """
    study.require_images(cell)
    ids = study.parts(cell)
    said = _taught(study, cell, ids[0])  # first: teachers and student are built from global seeds
    setup = setup_of(study, cell)
    identity = study.config_hash(cell, setup.initial.sha256)
    tf.config.experimental.enable_op_determinism()
    network, bank = setup.network, setup.bank(study.bank_files(cell.cohort))
    start = start_of_record(cell, setup.recipe, setup.initial, setup.size)
    start["config_hash"] = identity
    labels = study.folds(cell.cohort).set_index("image_id")["label"]
    if masks := bank.masks_sha256(sorted(labels.index)):
        require_same_masks(study, cell, masks)
        start["masks_sha256"] = masks
        identity += f"_{masks[:16]}"  # nor does a training go on with others
    parts = [_part(bank, part, labels) for part in ids]
    started = time.perf_counter()
    bank.require_for_training(parts[0].rows, report or NowAndThen(str(cell)))
    filled = time.perf_counter() - started
    checkpoint = CACHE / "checkpoints" / f"{identity}.npz"
    trainer = Trainer(network, bank, setup.recipe, cell.seed, checkpoint, said)
    return CellRun(trainer, ids, parts, labels, start, filled)


def _part(bank: Bank, image_ids: Sequence[str], labels: pd.Series) -> Part:
    return Part(bank.rows(image_ids), labels[image_ids].map(CLASSES.index).to_numpy())


def _taught(study: Study, cell: Cell, image_ids: Sequence[str]) -> np.ndarray | None:
    if not (teachers := teachers_of(cell)):
        return None
    networks = (pair for teacher in teachers for pair in trained_networks(study, [teacher]))
    return taught(study, networks, image_ids)


def train_cell(study: Study, cell: Cell, report: Callable[[str], None] | None = None) -> CellRun:
    """Train one cell in this process, or go on from its checkpoint; see `prepare` for errors.

    ``report`` receives a line after each epoch; None: it is printed now and then.
    """
    report = report or NowAndThen(str(cell))
    run = prepare(study, cell, report)
    train, validation, _ = run.parts
    run.trainer.fit(train, validation, report)
    return run


def run_cell(study: Study, cell: Cell, report: Callable[[str], None] | None = None) -> None:
    """Train one cell, write its files, and keep its network; the checkpoint has served."""
    run = train_cell(study, cell, report)
    tables = run.tables
    save_cell(cell, tables["test"], tables["validation"], run.record, study.workspace)
    _keep_network(study, cell, run)


def _keep_network(study: Study, cell: Cell, run: CellRun) -> None:
    """Keep a network whose training took minutes, instead of the checkpoint of its training."""
    if not run.trainer.recipe.head_only:
        top = {"top": values_of(run.trainer.network.top.variables)}
        save_state(_network_file(study, cell), vars(run.trainer.progress), top)
    run.trainer.checkpoint.unlink(missing_ok=True)


def _network_file(study: Study, cell: Cell) -> Path:
    return CACHE / "networks" / f"{study.config_hash(cell)}.npz"


def is_kept(study: Study, cell: Cell) -> bool:
    """Whether the trained network of a cell was kept on this machine."""
    return _network_file(study, cell).is_file()


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
            require_start(study, [cell], setup_of(study, cell).initial)
            run = train_cell(study, cell)
            _keep_network(study, cell, run)
            network = run.trainer.network
        else:
            network = network or setup_of(study, cell).network
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
