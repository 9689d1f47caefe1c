"""The study: its data, what is missing of its results, and how the work is divided."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import groupby
from pathlib import Path
from statistics import median
from typing import Any

import pandas as pd

from busi_utils.audit.cohorts import cohort_files
from busi_utils.audit.folds import inner_split, is_grouped, read_folds
from busi_utils.audit.manifest import read_manifest
from busi_utils.errors import StudyError
from busi_utils.kept import read_json
from busi_utils.models import Backbone
from busi_utils.recipes import ONE_TRAINING, Recipe, recipe_of
from busi_utils.study.cells import (
    Cell,
    config_hash,
    images_text,
    is_there,
    masks_digest,
    read_record,
)
from busi_utils.study.inputs import named_weights
from busi_utils.training.weights import (
    RANDOM,
    InitialWeights,
    imagenet_weights,
)
from busi_utils.workspace import Stamp, Workspace, stamp


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
        return [cell for cell in cells if not self._is_done(cell)]

    def _is_done(self, cell: Cell) -> bool:
        if not is_there(cell, self.workspace):
            return False
        record = read_record(cell, self.workspace)
        weights = record.get("weights_sha256", "")
        if weights and named_weights(self, cell) not in ("", weights):
            return False
        return record.get("config_hash") == self.config_hash(cell, weights)

    def config_hash(self, cell: Cell, weights: str | None = None) -> str:
        """Return the configuration hash of a cell; see `cells.config_hash`.

        ``weights`` is the SHA-256 of its initial weights; None: of those that its record names.
        """
        if weights is None:
            weights = self.recorded_weights(cell)
        images = self._images_text(cell.cohort)
        return config_hash(cell, images, self.size, self._masks, weights)

    def recorded_weights(self, cell: Cell) -> str:
        """Return the SHA-256 of the weights that a cell started from; empty if no record tells."""
        if not is_there(cell, self.workspace):
            return ""
        return read_record(cell, self.workspace).get("weights_sha256", "")

    @cached_property
    def _masks(self) -> str:
        return masks_digest(self.manifest)

    def _images_text(self, cohort: str) -> str:
        file = stamp(self.workspace.folds(self.dataset, cohort))
        if file not in self._texts:
            self._texts[file] = images_text(self.folds(cohort), self.manifest)
        return self._texts[file]

    @cached_property
    def _texts(self) -> dict[Stamp, str]:
        """Every record of a cohort is compared with its text; a changed folds file is reread."""
        return {}

    def require_images(self, cell: Cell) -> None:
        """Stop if a cell is to be computed and no images were named."""
        if not self.sources:
            raise StudyError(
                f"{cell} has no results yet and no images were named to train it: "
                "pass DATA=<folder> or set BUSI_DATA."
            )

    def initial_weights(self, entry: Backbone, recipe: Recipe) -> InitialWeights:
        """Return how a network starts: random only if the recipe says so."""
        if recipe.init == "random":
            return RANDOM
        if self.dataset == "phantom":
            from busi_utils.training.pretraining import phantom_weights

            return phantom_weights(entry)
        return imagenet_weights(entry, self.weights)

    @cached_property
    def _images(self) -> pd.DataFrame:
        return cohort_files("raw", self.manifest, self.sources)

    @cached_property
    def _images_and_masks(self) -> pd.DataFrame:
        return cohort_files("raw_with_masks", self.manifest, self.sources)

    def parts(self, cell: Cell) -> tuple[list[str], list[str], list[str]]:
        """Return the ``image_id`` of a cell's training, validation and test images."""
        folds = self.folds(cell.cohort)
        return inner_split(folds, cell.fold, seed=cell.seed, grouped=is_grouped(cell.cohort))

    def bank_files(self, cohort: str, image_ids: Iterable[str] | None = None) -> pd.DataFrame:
        """Return the images whose frozen outputs a cohort's cells share with other cohorts.

        Those named, in their order, if any are.
        """
        files = self._images_and_masks if cohort == "raw_with_masks" else self._images
        if image_ids is None:
            return files
        return files.set_index("image_id").loc[list(image_ids)].reset_index()


def jobs_of(cells: Sequence[Cell]) -> list[list[Cell]]:
    """Divide cells into jobs, each run in a process of its own, which returns its memory.

    Cells that train only a head take seconds and share one process per cohort, model and recipe;
    so do recipes of `ONE_TRAINING` with one seed and fold; every other cell is a job.
    """

    def job(cell: Cell) -> tuple[str | int, ...]:
        row = (cell.dataset, cell.cohort, cell.model)
        if recipe_of(cell.recipe).head_only:
            return (*row, cell.recipe, -1, -1)
        recipe = ONE_TRAINING[0] if cell.recipe in ONE_TRAINING else cell.recipe
        return (*row, recipe, cell.seed, cell.fold)

    ordered = sorted(cells, key=lambda cell: (*job(cell), cell.seed, cell.fold, cell.recipe))
    return [list(members) for _, members in groupby(ordered, job)]


_SECONDS = ("seconds", "seconds_frozen_part")


def plan(cells: Sequence[Cell], jobs: int, dataset: str, workspace: Workspace) -> list[str]:
    """Describe missing cells, one line per (cohort, model, recipe), with the time they will take.

    Parameters
    ----------
    cells : sequence of Cell
        What is to be trained.
    jobs : int
        Processes at a time; they are taken to share the machine without loss.
    dataset : str
        Where to look for records.
    workspace : Workspace
        Holds the records.

    Returns
    -------
    list of str
        A row without a record of its model and recipe, on whatever cohort, has no estimate.
    """
    lines = []
    key = lambda cell: (cell.cohort, cell.model, cell.recipe)  # noqa: E731
    for row, members in groupby(sorted(cells), key):
        number = len(list(members))
        seconds = _seconds_of_one(workspace, dataset, *row[1:])
        time = (
            "no earlier run to judge by" if seconds is None else duration(number * seconds / jobs)
        )
        lines.append(f"  {' '.join(row)}: {number} cells, {time}")
    return lines


def _seconds_of_one(workspace: Workspace, dataset: str, model: str, recipe: str) -> float | None:
    """Return the median time of a cell alike, None if there was none."""
    paths = (workspace.predictions / dataset).glob(f"*/{model}/{recipe}/seed*_fold*.json")
    records = [one for path in paths if (one := _readable(path))]
    times = [sum(r[name] for name in _SECONDS) for r in records if _SECONDS[1] in r]
    return median(times) if times else None


def _readable(path: Path) -> dict[str, Any]:
    """Return a record, or nothing if it is damaged: whoever needs it says so; estimates do not."""
    try:
        return read_json(path, "")
    except StudyError:
        return {}


def duration(seconds: float) -> str:
    """Return a time in words: seconds below 100, else minutes."""
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"
