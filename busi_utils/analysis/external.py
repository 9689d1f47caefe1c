"""Networks trained on one data set, asked about the images of another hospital."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from busi_phantom.external_layout import write_busbra_phantoms, write_busuclm_phantoms
from busi_utils.audit.external_sets import EXTERNAL_SETS, read_external
from busi_utils.audit.folds import FOLDS
from busi_utils.errors import StudyError
from busi_utils.forms import EXTERNAL_MANIFEST, PREDICTIONS
from busi_utils.kept import keep_table, read_kept
from busi_utils.models import backbone_of
from busi_utils.recipes import recipe_of
from busi_utils.study.cells import Cell, grid, prediction_table
from busi_utils.study.image_tables import Product
from busi_utils.study.study import Study
from busi_utils.workspace import CACHE, Workspace

if TYPE_CHECKING:
    import tensorflow as tf

    from busi_utils.training.heads import Network

EXTERNAL = "external"  # the cohort's name
ADAPTED = "-adapted"  # batch statistics taken from the external images
AVERAGED = "-averaged"  # one network, whose weights are the means over those of all folds
_VERSION = 1  # raise when predictions change
_BATCH = 32
_WRITERS = {"busbra": write_busbra_phantoms, "busuclm": write_busuclm_phantoms}
_PHANTOM_COUNTS = {"benign": 28, "malignant": 20}
_PHANTOM_NORMALS = {"busbra": {}, "busuclm": {"normal": 24}}
_PHANTOM_SEED = 7


@dataclass(frozen=True)
class ExternalData:
    """An external data set as a study meets it.

    Attributes
    ----------
    name : str
        In `external_sets.EXTERNAL_SETS`.
    manifest : pd.DataFrame
        See `external_sets.read_external`, without paths; only images that are asked about.
    folder : str
        Of the images; empty where only stored predictions are read.
    """

    name: str
    manifest: pd.DataFrame
    folder: str

    @property
    def malignant(self) -> np.ndarray:
        """Whether each image of the manifest shows a malignant lesion, (n,) bool."""
        return (self.manifest["label"] == "malignant").to_numpy()

    @property
    def digest(self) -> str:
        """Short hash of the images that are asked about."""
        return hashlib.sha256("".join(sorted(self.manifest["sha256"])).encode()).hexdigest()[:16]

    def files(self) -> pd.DataFrame:
        """Read the folder; see `external_sets.read_external`, only images that are asked about."""
        return _used(read_external(self.name, self.folder))


def _used(images: pd.DataFrame) -> pd.DataFrame:
    return images[images["excluded_because"] == ""].reset_index(drop=True)


def prepare_external(name: str, dataset: str, workspace: Workspace) -> ExternalData:
    """Read an external data set and keep its manifest, or read the manifest that was kept.

    With ``phantom`` the set is phantoms of a second scanner, written in the layout of ``name``.

    Raises
    ------
    StudyError
        If neither a folder was named (by the set's environment variable) nor a manifest kept.
    """
    path = workspace.manifest(name)
    folder = _folder(name, dataset)
    if folder:
        found = read_external(name, folder)
        keep_table(path, found.drop(columns=["path", "mask"]))
    elif not path.is_file():
        raise StudyError(
            f"{EXTERNAL_SETS[name].title} was not named and {path} does not exist: set "
            f"{EXTERNAL_SETS[name].variable} to its folder."
        )
    return ExternalData(name, _used(read_kept(path, EXTERNAL_MANIFEST)), folder)


def title_of_set(name: str, dataset: str) -> str:
    """Return what texts call an external set; phantoms never bear a hospital's name alone."""
    title = EXTERNAL_SETS[name].title
    return f"phantoms of a second scanner (in place of {title})" if dataset == "phantom" else title


def _folder(name: str, dataset: str) -> str:
    if dataset == "phantom":
        folder = CACHE / "phantom" / name
        _WRITERS[name](folder, _PHANTOM_COUNTS | _PHANTOM_NORMALS[name], seed=_PHANTOM_SEED)
        return str(folder)
    return os.environ.get(EXTERNAL_SETS[name].variable, "")


def external(data: ExternalData, adapted: bool = False, averaged: bool = False) -> Product:
    """Return the product that holds a cell's predictions for an external data set.

    They are prediction files in the form of the contract, for all images, from one network each.

    Parameters
    ----------
    data : ExternalData
    adapted : bool
        Take the statistics of the trained batch-norm layers from the external images, which needs
        all of them at once but no label (Li et al., Pattern Recognit 2018;80:109-117).
    averaged : bool
        Ask one network, whose trained weights are the means over those of all folds of the cell's
        row (Wortsman et al., ICML 2022;162:23965-23998), filed under the first fold's name.
    """
    settings = {"version": _VERSION, "images": data.digest, "adapted": adapted}
    settings |= {"averaged_folds": list(range(FOLDS))} if averaged else {}
    compute = partial(_compute, data=data)
    ending = (AVERAGED if averaged else "") + (ADAPTED if adapted else "")
    return Product("predictions", settings, compute, PREDICTIONS, data.name, EXTERNAL, ending)


def _compute(
    study: Study, cell: Cell, network: Network, settings: dict[str, Any], data: ExternalData
) -> pd.DataFrame:
    from busi_utils.study.cell_training import averaged_network
    from busi_utils.training.inference import predict, prepared, wanted_range

    if not data.folder:
        known = EXTERNAL_SETS[data.name]
        raise StudyError(
            f"{known.title} is to be predicted and was not named: set {known.variable} to its "
            "folder."
        )
    files = data.files()
    recipe = recipe_of(cell.recipe)
    input_range = wanted_range(backbone_of(cell.model), recipe)
    pixels = np.asarray(prepared(files, recipe, study.size))
    if "averaged_folds" in settings:
        network = averaged_network(study, folds_of(cell))
    if settings["adapted"]:
        adapt(network, pixels, input_range)
    p = predict(network.full, pixels, input_range, recipe.flip_average)
    return prediction_table(files["image_id"], files["label"], p)


def folds_of(cell: Cell) -> list[Cell]:
    """Return the cells of all folds of a cell's row and seed."""
    return grid(cell.dataset, [cell.cohort], [cell.model], [cell.recipe], [cell.seed])


def adapt(network: Network, pixels: np.ndarray, input_range: str) -> None:
    """Let the trained batch-norm layers forget the statistics of the training images."""
    import tensorflow as tf

    from busi_utils.models import to_input

    update = _update(network)
    order = np.random.default_rng(0).permutation(len(pixels))  # tables are sorted by patient
    for start in range(0, len(order) - _BATCH + 1, _BATCH):
        update(tf.constant(to_input(pixels[order[start : start + _BATCH]], input_range)))


@lru_cache(maxsize=1)
def _update(network: Network) -> Callable[[tf.Tensor], None]:
    """Return a step of `adapt` as a graph, traced once however often its weights are replaced."""
    import tensorflow as tf

    def step(x: tf.Tensor) -> None:
        lower = x if network.trunk is None else network.trunk(x, training=False)
        network.top(lower, training=True)

    return tf.function(step, autograph=False)
