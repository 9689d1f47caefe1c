"""What a trained network must beat, on the same folds: classifiers that train no network."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from itertools import groupby

import numpy as np

from busi_utils.audit.cohorts import cohort_files
from busi_utils.audit.folds import share_of_groups
from busi_utils.audit.pixels import load_pixels
from busi_utils.locks import locked
from busi_utils.models import backbone_of
from busi_utils.recipes import CHANGES, LOGISTIC, MIRROR, ORIGINAL, REFERENCE, SHARES
from busi_utils.stats.metrics import encode
from busi_utils.study.cells import Cell, grid, prediction_table, save_cell, start_told
from busi_utils.study.execution import run_alone
from busi_utils.study.inputs import require_start, rest_of_rows
from busi_utils.study.study import Study
from busi_utils.training import classifiers

TITLES = {
    "majority": "commonest class",
    "nearest_neighbour": "nearest neighbour of raw pixels",
    "metadata": "image size and burnt-in marks only",
}
REFERENCES = tuple(TITLES)
_NO_START = {"init": "none"}
_BANK_VIEWS = {"": 0, "mirror": 1}  # see `setup.frozen_features`
_PIXELS = 64  # side at which the nearest neighbour compares grey values


def reference_cells(dataset: str, cohorts: Sequence[str], backbones: Sequence[str]) -> list[Cell]:
    """Return the cells of every reference, and of a logistic regression on each backbone."""
    cells = grid(dataset, cohorts, REFERENCES, [REFERENCE], [0])
    return cells + grid(dataset, cohorts, backbones, [LOGISTIC], [0])


def learning_curve_cells(
    dataset: str, cohort: str, backbones: Sequence[str], seeds: Sequence[int]
) -> list[Cell]:
    """Return the cells of logistic regressions that learn from a share of the groups.

    A seed draws the groups; all of them can be drawn in one way only.
    """
    some = [name for name in SHARES if name != LOGISTIC]
    cells = grid(dataset, [cohort], backbones, some, seeds)
    return cells + grid(dataset, [cohort], backbones, [LOGISTIC], [0])


def fit_references(
    study: Study,
    cohorts: Sequence[str],
    backbones: Sequence[str],
    curve_seeds: Sequence[int],
) -> int:
    """Fit what has no up-to-date result: references and logistic regressions on every cohort, and
    a learning curve on the first; return how many that were. See `run_references`.
    """
    cells = reference_cells(study.dataset, cohorts, backbones)
    cells += learning_curve_cells(study.dataset, cohorts[0], backbones, curve_seeds)
    return run_references(study, list(dict.fromkeys(cells)))


def run_references(study: Study, cells: Sequence[Cell], say: Callable[[str], None] = print) -> int:
    """Fit every reference cell that has no up-to-date result; return how many that were.

    They have no epochs to stop at, so they learn from the whole training part of a fold.

    Raises
    ------
    StudyError
        If images are needed and none were named.
    """
    todo = study.missing(cells)
    say(f"{len(cells)} reference cells wanted, {len(todo)} to fit")
    if not todo:
        return 0
    study.require_images(todo[0])
    with locked(study.workspace, "study", wait_s=0):
        for model, same in groupby(sorted(todo, key=lambda cell: cell.model), lambda c: c.model):
            cells_of_model = list(same)
            cohorts = {cell.cohort for cell in cells_of_model}
            ids = sorted({name for cohort in cohorts for name in study.folds(cohort)["image_id"]})
            changes = sorted({view for cell in cells_of_model for view in _views(cell)})
            features, start = _features(study, model, ids, changes, cells_of_model)
            rows = {name: row for row, name in enumerate(ids)}
            for cell in cells_of_model:
                wanted = [rows[name] for name in study.folds(cell.cohort)["image_id"]]
                _fit(study, cell, [features[view][wanted] for view in _views(cell)], start)
    return len(todo)


def _views(cell: Cell) -> tuple[str, ...]:
    """Return what a cell is tested on, first what it learns from: changes, or views of a bank."""
    return tuple(_BANK_VIEWS) if cell.recipe == MIRROR else (CHANGES.get(cell.recipe, ""),)


def _features(
    study: Study,
    model: str,
    image_ids: Sequence[str],
    changes: Sequence[str],
    cells: Sequence[Cell],
) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Return what a reference sees of each image, by change, and how its network started."""
    if model not in REFERENCES:
        return run_alone(_frozen, study, model, image_ids, changes, cells)
    if model == "nearest_neighbour":
        files = cohort_files("raw", study.manifest, study.sources).set_index("image_id")
        return {"": np.asarray(load_pixels(files.loc[image_ids].reset_index(), _PIXELS))}, _NO_START
    manifest = study.manifest.set_index("image_id").loc[image_ids]
    return {"": classifiers.metadata_features(manifest)}, _NO_START


def _frozen(
    study: Study,
    model: str,
    image_ids: Sequence[str],
    changes: Sequence[str],
    cells: Sequence[Cell],
) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    # In a process of its own: TensorFlow is large.
    from busi_utils.study.setup import changed_features, frozen_features

    initial = study.initial_weights(backbone_of(model), ORIGINAL)
    require_start(study, rest_of_rows(study, cells), initial)
    views = {name: _BANK_VIEWS[name] for name in changes if name in _BANK_VIEWS}
    found = changed_features(study, model, image_ids, [c for c in changes if c not in views])
    found |= {name: frozen_features(study, model, image_ids, k) for name, k in views.items()}
    return found, start_told(initial)


def _fit(study: Study, cell: Cell, views: Sequence[np.ndarray], start: dict[str, str]) -> None:
    folds, started = study.folds(cell.cohort), time.perf_counter()
    y, groups = encode(folds["label"].to_numpy()), folds["group"].to_numpy()
    part = folds[folds["fold"] == cell.fold]
    test = folds["image_id"].isin(part["image_id"]).to_numpy()
    outer = folds.loc[~test, "image_id"]
    learnt = share_of_groups(folds, outer, SHARES.get(cell.recipe, 1.0), cell.seed)
    train = folds["image_id"].isin(learnt).to_numpy()
    unseen = np.concatenate([view[test] for view in views])
    p = _predict(cell, views[0][train], y[train], groups[train], unseen)
    p = p.reshape(len(views), -1, p.shape[1]).mean(axis=0)
    table = prediction_table(part["image_id"], part["label"], p)
    record = asdict(cell) | {
        "config_hash": study.config_hash(cell, start.get("weights_sha256", "")),
        **start,
        "n_train": int(train.sum()),
        "n_test": int(test.sum()),
        "epochs_run": 0,
        "train_accuracy": None,
        "seconds": round(time.perf_counter() - started, 3),
        "history": [],
    }
    save_cell(cell, table, None, record, study.workspace)


def _predict(
    cell: Cell, x: np.ndarray, y: np.ndarray, groups: np.ndarray, unseen: np.ndarray
) -> np.ndarray:
    if cell.recipe in (MIRROR, *SHARES, *CHANGES):
        return classifiers.logistic_on_features(x, y, groups, unseen, cell.seed)[0]
    if cell.model == "nearest_neighbour":
        return classifiers.nearest_neighbour(x, y, unseen)
    if cell.model == "metadata":
        return classifiers.metadata(x, y, unseen, cell.seed)
    return classifiers.majority(y, len(unseen))
