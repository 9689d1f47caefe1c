"""A cell of the study: one training run, its files, and whether they are up to date."""

from __future__ import annotations

import hashlib
import json
import os
import platform
from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from busi_utils.audit.folds import FOLDS
from busi_utils.recipes import Recipe, settings_of
from busi_utils.study.predictions import PROBABILITIES, read_run_record
from busi_utils.training.weights import InitialWeights, is_usual
from busi_utils.workspace import Workspace, write_csv, write_json

_BUSI_MASKS = "1ea6b25a6f3964ad"  # of the published masks
_HASH_VERSION = 2  # raise when training itself changes


@dataclass(frozen=True, order=True)
class Cell:
    """(data set, cohort, model, recipe, seed, fold): the unit of work of the study."""

    dataset: str
    cohort: str
    model: str
    recipe: str
    seed: int
    fold: int

    def file(self, workspace: Workspace, kind: str, suffix: str) -> Path:
        """File of this cell below ``results/<kind>``."""
        folder = workspace.results / kind / self.dataset / self.cohort / self.model / self.recipe
        return folder / f"seed{self.seed}_fold{self.fold}{suffix}"

    def predictions(self, workspace: Workspace) -> Path:
        """File of the test images' predictions."""
        return self.file(workspace, "predictions", ".csv")

    def validation(self, workspace: Workspace) -> Path:
        """File of the inner validation images' predictions, for thresholds and temperatures."""
        return self.file(workspace, "validation", ".csv")

    def record(self, workspace: Workspace) -> Path:
        """File of the run record, beside the predictions."""
        return self.file(workspace, "predictions", ".json")

    def __str__(self) -> str:
        return f"{self.cohort} {self.model} {self.recipe} seed {self.seed} fold {self.fold}"


def grid(
    dataset: str,
    cohorts: Iterable[str],
    models: Iterable[str],
    recipes: Iterable[str],
    seeds: Iterable[int],
    folds: Iterable[int] = range(FOLDS),
) -> list[Cell]:
    """Return every combination as a list of cells."""
    return [Cell(dataset, *rest) for rest in product(cohorts, models, recipes, seeds, folds)]


def images_text(folds: pd.DataFrame, manifest: pd.DataFrame) -> str:
    """Return the images of a cohort as `config_hash` wants them, whatever the order of the rows.

    Parameters
    ----------
    folds : pd.DataFrame
        ``image_id, label, group, fold`` of the cohort.
    manifest : pd.DataFrame
        Gives the images' pixel hashes.
    """
    pixels = folds["image_id"].map(manifest.set_index("image_id")["sha256"]).fillna("")
    table = folds[["image_id", "label", "group", "fold"]].assign(sha256=pixels)
    return table.sort_values("image_id").to_csv(index=False)


def masks_digest(manifest: pd.DataFrame) -> str:
    """Return what the lesion masks of a data set are, as `config_hash` wants it.

    It is empty for the published masks of BUSI and where the manifest tells nothing of masks, so
    that the hashes of runs from before masks entered stay as they are.
    """
    if "lesion_fraction" not in manifest:
        return ""
    table = manifest[["sha256", "lesion_fraction"]].sort_values("sha256")
    digest = hashlib.sha256(table.to_csv(index=False).encode()).hexdigest()[:16]
    return "" if digest == _BUSI_MASKS else digest


def config_hash(cell: Cell, images: str, size: int, masks: str = "", weights: str = "") -> str:
    """Return what a cell's predictions depend on, as 16 hexadecimal digits.

    Parameters
    ----------
    cell : Cell
        The run.
    images : str
        Of its cohort, see `images_text`.
    size : int
        Side of the network input in pixels.
    masks : str
        See `masks_digest`; they count for recipes that learn from them.
    weights : str
        SHA-256 of the initial weights; those that the committed results started from do not enter,
        so that hashes from before weights entered stay as they are.
    """
    recipe = settings_of(cell.recipe)
    content = {
        "version": _HASH_VERSION,
        "cell": asdict(cell),
        "recipe": recipe,
        "size": size,
        "folds": images,
    }
    if masks and recipe.get("mask_weight"):
        content["masks"] = masks
    if weights and not is_usual(cell.model, weights):
        content["weights"] = weights
    text = json.dumps(content, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def is_there(cell: Cell, workspace: Workspace) -> bool:
    """Whether predictions and a record exist, of whatever configuration."""
    return cell.record(workspace).exists() and cell.predictions(workspace).exists()


def read_record(
    cell: Cell, workspace: Workspace, keys: Collection[str] = ("init",)
) -> dict[str, Any]:
    """Return a cell's run record; it must have these keys."""
    return read_run_record(cell.record(workspace), keys)


def prediction_table(
    image_ids: Sequence[str], labels: Sequence[str], p: np.ndarray
) -> pd.DataFrame:
    """Return predictions in the form of the contract: ``image_id, label, p_<class>...``."""
    table = pd.DataFrame({"image_id": list(image_ids), "label": list(labels)})
    return table.assign(**dict(zip(PROBABILITIES, p.T, strict=True)))


def save_cell(
    cell: Cell,
    test: pd.DataFrame,
    validation: pd.DataFrame | None,
    record: dict[str, Any],
    workspace: Workspace,
) -> None:
    """Write a cell's files atomically, the record last: it holds the checksums of the others."""
    sha256 = {}
    if validation is not None:
        path = cell.validation(workspace)
        sha256["validation"] = write_csv(path, validation, float_format="%.6f")
    sha256["predictions"] = write_csv(cell.predictions(workspace), test, float_format="%.6f")
    write_json(cell.record(workspace), record | {"sha256": sha256})


def start_told(initial: InitialWeights) -> dict[str, str]:
    """Return how a run record tells its start."""
    told = {"init": initial.init, "weights_sha256": initial.sha256}
    return told | ({"weights_origin": initial.origin} if initial.origin else {})


_PACKAGES = ("tensorflow", "keras", "numpy", "opencv-python-headless", "scikit-learn")


def start_of_record(
    cell: Cell, recipe: Recipe, initial: InitialWeights, size: int
) -> dict[str, Any]:
    """Return the part of a run record that is known before training."""
    return {
        **asdict(cell),
        "hyper_parameters": recipe.as_dict(),
        "size": size,
        **start_told(initial),
        "versions": {name: version(name) for name in _PACKAGES},
        "python": platform.python_version(),
        "processor": processor(),
        "cores": os.cpu_count(),
    }


def processor() -> str:
    """Return the name of this machine's processor."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()
