"""A stored study of two networks, the second better, with predictions for two seeds."""

import json
from pathlib import Path

import numpy as np
import pandas as pd

from busi_utils import CLASSES
from busi_utils.audit.folds import save_folds
from busi_utils.stats.metrics import encode
from busi_utils.study.cells import grid, prediction_table, save_cell
from busi_utils.study.predictions import read_prediction_file
from busi_utils.study.study import Study
from busi_utils.workspace import Workspace

N = 150
SHARES = np.array([0.2, 0.5, 0.3])
LABELS = [CLASSES[c] for c in np.repeat([0, 1, 2], [30, 75, 45])]
NAMES = [f"{label} ({k})" for k, label in enumerate(LABELS)]


def two_networks(folder: Path) -> Study:
    """Write the study into ``folder``."""
    folds = pd.DataFrame({"image_id": NAMES, "label": LABELS, "group": NAMES})
    folds["fold"] = [k % 5 for k in range(N)]
    workspace = Workspace(folder)
    save_folds(folds, "phantom", "clean", workspace)
    study = Study("phantom", workspace)
    object.__setattr__(study, "manifest", folds[["image_id"]].assign(sha256=NAMES))
    rng = np.random.default_rng(2)
    for model, signal in (("mobilenetv2", 1.0), ("xception", 3.0)):
        for recipe in ("original", "tuned"):
            for cell in grid("phantom", ["clean"], [model], [recipe], [0, 1]):
                part = folds[folds["fold"] == cell.fold]
                inner = folds[folds["fold"] == (cell.fold + 1) % 5]
                tables = [_predicted(rows, signal, rng) for rows in (part, inner)]
                record = {"config_hash": "x", "init": "imagenet", "history": [], "n_train": 120}
                record |= {"train_accuracy": 0.9, "epochs_run": 3}
                save_cell(cell, *tables, record, workspace)
    return study


def _predicted(rows: pd.DataFrame, signal: float, rng: np.random.Generator) -> pd.DataFrame:
    """Probabilities that lean to the truth and, as networks do, to the common class."""
    z = rng.normal(size=(len(rows), 3)) + 1.5 * np.log(SHARES)
    z[np.arange(len(rows)), encode(rows["label"].to_numpy())] += signal
    p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    return prediction_table(rows["image_id"], rows["label"], p)


def rewrite(study, cell, kind, change):
    """Change one table of a cell as if it had been written so, with its record."""
    tables = {
        name: read_prediction_file(file) if file.exists() else None
        for name in ("predictions", "validation")
        for file in [cell.file(study.workspace, name, ".csv")]
    }
    record = json.loads(cell.record(study.workspace).read_text())
    tables[kind] = change(tables[kind])
    save_cell(cell, tables["predictions"], tables["validation"], record, study.workspace)
