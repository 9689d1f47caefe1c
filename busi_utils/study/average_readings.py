"""One training of the whole network, read through several running averages at once.

Batch norm's running averages do not enter training, so recipes that differ in them alone go through
the same weights. Here these are trained once, and what each recipe alone would give is written as
that recipe's cell, in a fourth of the time; a trace keeps every epoch, read each way.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from busi_utils.kept import keep_table
from busi_utils.recipes import ONE_TRAINING, recipe_of
from busi_utils.study.cell_training import CellRun, NowAndThen, prepare
from busi_utils.study.cells import Cell, save_cell
from busi_utils.study.setup import setup_of
from busi_utils.study.study import Study
from busi_utils.training.averages import (
    Statistics,
    assign_statistics,
    blend,
    distance,
    in_training_mode,
    mean_distances,
    measure,
    remeasure,
    statistics_of,
    variance_factors,
)
from busi_utils.training.checkpoints import assign, load_state, save_state, values_of
from busi_utils.training.heads import batch_norms

WRITTEN, QUICK, ENDING, REMEASURED = ONE_TRAINING


@dataclass
class Reading:
    """What early stopping has kept of a run that is read through one average."""

    best_loss: float = float("inf")
    best_epoch: int = 0
    stopped: bool = False
    history: list[dict[str, float]] = field(default_factory=list)

    def better(self, row: dict[str, float], patience: int) -> bool:
        """Enter an epoch; return whether its weights are to be kept."""
        if self.stopped:
            return False
        self.history.append(row)
        improved = row["val_loss"] < self.best_loss
        if improved:
            self.best_loss, self.best_epoch = row["val_loss"], row["epoch"]
        self.stopped = row["epoch"] - self.best_epoch >= patience
        return improved


class AverageReadings:
    """Trains `WRITTEN` to its last epoch and keeps what each recipe of `ONE_TRAINING` would keep.

    Parameters
    ----------
    study : Study
    cell : Cell
        Its cohort, model, seed and fold are trained, whatever its recipe.
    report : callable
        Receives one line per epoch; None: one is printed now and then.
    """

    def __init__(
        self, study: Study, cell: Cell, report: Callable[[str], None] | None = None
    ) -> None:
        self.study, self.cell = study, replace(cell, recipe=WRITTEN)
        self.report = report or NowAndThen(str(self.cell))
        self.cell_run = prepare(study, self.cell, self.report)
        self.trainer = self.cell_run.trainer
        self.top = self.trainer.network.top
        layers = batch_norms(self.top)
        self.momenta = {WRITTEN: layers[0].momentum, QUICK: recipe_of(QUICK).bn_momentum}
        for layer in layers:
            layer.momentum = 0.0  # each step stores its batch's statistics; they are blended here
        self.forward = in_training_mode(self.top)
        self.averages = dict.fromkeys(self.momenta, statistics_of(self.top))
        self.readings = {name: Reading() for name in self.momenta}
        self.kept: dict[str, list[np.ndarray]] = {}
        self.trace: list[dict[str, float]] = []
        self.checkpoint = self.trainer.checkpoint.with_suffix(".averages.npz")
        self.trainer.after_step = self._blend

    def _blend(self) -> None:
        seen = statistics_of(self.top)
        for name, momentum in self.momenta.items():
            self.averages[name] = blend(self.averages[name], seen, momentum)

    def run(self) -> None:
        """Train, going on from a checkpoint if any; write the cells that lack, and the trace."""
        self._resume()
        while self.trainer.progress.epoch < self.trainer.recipe.epochs:
            self._epoch()
            self._save()
        self._write()
        self.checkpoint.unlink(missing_ok=True)

    def _epoch(self) -> None:
        started = time.perf_counter()
        train, validation, _ = self.cell_run.parts
        row = self.trainer.train_epoch(train)
        self.trainer.progress.seconds += time.perf_counter() - started
        self.trainer.progress.epoch += 1
        row = {"epoch": self.trainer.progress.epoch, **row}
        batches = self.trainer.bank.whole_batches(train.rows, self.trainer.recipe.batch_size)
        measured = measure(self.top, batches, self.forward)
        line = dict(row)
        for name, average in [*self.averages.items(), (REMEASURED, measured)]:
            assign_statistics(self.top, average)
            found = self.trainer.validate(validation)
            line |= {f"{key} {name}": value for key, value in found.items()}
            if name == WRITTEN:
                line[f"train_accuracy {name}"] = self.trainer.accuracy(train)
            if name in self.readings:
                line[f"distance {name}"] = distance(average, measured)
                self._keep(name, row | found, measured)
        self.trace.append(line)
        self.report(
            f"epoch {row['epoch']}/{self.trainer.recipe.epochs}: loss {row['loss']:.3f}, "
            f"val_loss {line[f'val_loss {WRITTEN}']:.3f}"
        )

    def _keep(self, name: str, row: dict[str, float], measured: Statistics) -> None:
        if not self.readings[name].better(row, self.trainer.recipe.patience):
            return
        self.kept[name] = values_of(self.top.variables)
        if name == WRITTEN:
            assign_statistics(self.top, measured)
            self.kept[REMEASURED] = values_of(self.top.variables)

    def _write(self) -> None:
        assign_statistics(self.top, self.averages[WRITTEN])
        self.kept[ENDING] = values_of(self.top.variables)
        readings = self.readings | {
            REMEASURED: self.readings[WRITTEN],
            ENDING: _whole(self.trace),
        }
        for name in ONE_TRAINING:
            cell = replace(self.cell, recipe=name)
            if self.study.missing([cell]):
                assign(self.top.variables, self.kept[name])
                run = self._as_cell(cell, readings[name])
                tables = run.tables
                save_cell(
                    cell, tables["test"], tables["validation"], run.record, self.study.workspace
                )
        path = self.cell.file(self.study.workspace, "averages", ".csv")
        keep_table(path, pd.DataFrame(self.trace), float_format="%.6f")

    def _as_cell(self, cell: Cell, reading: Reading) -> CellRun:
        """Return the run as the recipe of a cell would have left it, for its record."""
        progress, epochs = self.trainer.progress, len(reading.history)
        share = epochs / len(self.trace)
        run = replace(progress, epoch=epochs, best_epoch=reading.best_epoch)
        run.history, run.seconds = reading.history, progress.seconds * share
        own = {
            "recipe": cell.recipe,
            "hyper_parameters": recipe_of(cell.recipe).as_dict(),
            "config_hash": self.study.config_hash(cell, self.cell_run.start["weights_sha256"]),
        }
        return replace(self.cell_run, start=self.cell_run.start | own, progress=run)

    def _save(self) -> None:
        groups: dict[str, Sequence[np.ndarray]] = {
            "top ": values_of(self.top.variables),
            "optimizer ": values_of(self.trainer.optimizer.variables),
        }
        for name, average in self.averages.items():
            groups[f"average {name} "] = [array for pair in average for array in pair]
        groups |= {f"kept {name} ": values for name, values in self.kept.items()}
        readings = {name: asdict(reading) for name, reading in self.readings.items()}
        progress = asdict(self.trainer.progress)
        save_state(
            self.checkpoint,
            {"progress": progress, "trace": self.trace, "readings": readings},
            groups,
        )

    def _resume(self) -> None:
        if (found := load_state(self.checkpoint)) is None:
            return
        state, groups = found
        assign(self.top.variables, groups["top "])
        assign(self.trainer.optimizer.variables, groups["optimizer "])
        for name in self.averages:
            flat = groups[f"average {name} "]
            self.averages[name] = list(zip(flat[::2], flat[1::2], strict=True))
        kept = {name: values for name, values in groups.items() if name.startswith("kept ")}
        self.kept = {name[5:-1]: values for name, values in kept.items()}
        self.trace = state["trace"]
        self.trainer.progress = type(self.trainer.progress)(**state["progress"])
        self.readings = {name: Reading(**kept) for name, kept in state["readings"].items()}


def _whole(trace: Sequence[dict[str, Any]]) -> Reading:
    """Return the reading through `WRITTEN`'s average of a run that nothing stopped."""
    reading, endless = Reading(), len(trace) + 1
    for line in trace:
        own = {k: v for k, v in line.items() if " " not in k}
        found = {k: line[f"{k} {WRITTEN}"] for k in ("val_loss", "val_accuracy")}
        reading.better(own | found, endless)
    return reading


def statistics_at_start(study: Study, cell: Cell) -> pd.DataFrame:
    """Return how far batch norm's stored statistics lie from the images' before any training.

    The stored ones are those of the weights file, of photographs; the images' are measured on the
    training part of a cell's fold, the weights being the file's.

    Returns
    -------
    pd.DataFrame
        ``layer`` (1 is the first), ``mean_distance`` and ``variance_factor``; see
        `averages.mean_distances` and `averages.variance_factors`.
    """
    study.require_images(cell)
    setup = setup_of(study, replace(cell, recipe=WRITTEN))
    top, bank = setup.network.top, setup.bank(study.bank_files(cell.cohort))
    rows = bank.rows(study.parts(cell)[0])
    stored = statistics_of(top)
    remeasure(top, bank.whole_batches(rows, setup.recipe.batch_size))
    pair = stored, statistics_of(top)
    columns = {"mean_distance": mean_distances(*pair), "variance_factor": variance_factors(*pair)}
    return pd.DataFrame({"layer": np.arange(1, len(stored) + 1), **columns})
