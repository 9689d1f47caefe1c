"""The border of training: here the names of a cell become objects, once.

What lies below (`training`) is given networks, recipes and arrays, and knows no study.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache, partial

import keras
import numpy as np
import pandas as pd

from busi_utils.errors import StudyError
from busi_utils.models import Backbone, backbone_of
from busi_utils.recipes import Recipe, recipe_of
from busi_utils.study.cells import Cell
from busi_utils.study.study import Study
from busi_utils.training.bank import Bank
from busi_utils.training.heads import Network, build_network
from busi_utils.training.hidden_lesions import changed
from busi_utils.training.inference import outputs, prepared, wanted_range
from busi_utils.training.weights import InitialWeights, load_backbone

_STRIDE = 32  # of every network in the registry


@dataclass(frozen=True)
class Setup:
    """What a cell's names stand for.

    Attributes
    ----------
    entry : Backbone
        The network's entry in the registry.
    recipe : Recipe
        How it is trained.
    initial : InitialWeights
        How it starts.
    size : int
        Side of the input in pixels.
    seed : int
        Of the head, the order of images and dropout.
    """

    entry: Backbone
    recipe: Recipe
    initial: InitialWeights
    size: int
    seed: int

    @property
    def input_range(self) -> str:
        """What the recipe gives the network of 0-255 pixels."""
        return wanted_range(self.entry, self.recipe)

    @cached_property
    def network(self) -> Network:
        """The network, from seeds that make it the same in every process."""
        # What the frozen part of a random backbone gives is shared by all seeds, as if pretrained.
        seed = self.seed if self.recipe.cut == "pixels" else 0
        build = _kept_backbone if self.recipe.head_only else _new_backbone
        backbone = build(self.entry, self.size, self.initial, seed)
        keras.utils.set_random_seed(self.seed)
        return build_network(self.entry, backbone, self.recipe)

    def bank(self, files: pd.DataFrame) -> Bank:
        """Return the outputs of the network's frozen part on a data set's images."""
        start = f"{self.initial.init}:{self.initial.sha256}"
        return Bank(
            files,
            self.recipe,
            self.input_range,
            self.size,
            self.network.trunk,
            f"{self.entry.name}:{start}:{self.recipe.cut}",
        )


def setup_of(study: Study, cell: Cell) -> Setup:
    """Look up what a cell names.

    Raises
    ------
    StudyError
        If a name is unknown, weights are missing, or the input size does not suit the networks.
    """
    entry, recipe = backbone_of(cell.model), recipe_of(cell.recipe)
    size = recipe.image_size or study.size
    if size < _STRIDE or size % _STRIDE:
        raise StudyError(
            f"The image size {size} is no multiple of {_STRIDE}, the stride of the networks: "
            "choose for instance 96 or 224."
        )
    return Setup(entry, recipe, study.initial_weights(entry, recipe), size, cell.seed)


def _new_backbone(entry: Backbone, size: int, initial: InitialWeights, seed: int) -> keras.Model:
    keras.backend.clear_session()
    keras.utils.set_random_seed(seed)
    return load_backbone(entry, size, initial)


@lru_cache(maxsize=1)
def _kept(name: str, size: int, initial: InitialWeights, seed: int) -> keras.Model:
    return _new_backbone(backbone_of(name), size, initial, seed)


def _kept_backbone(entry: Backbone, size: int, initial: InitialWeights, seed: int) -> keras.Model:
    """Return a wholly frozen backbone, which no cell changes, from memory if it was the last."""
    return _kept(entry.name, size, initial, seed)


def _as_frozen(study: Study, model: str) -> Setup:
    cell = Cell(study.dataset, "raw", model, "original", 0, 0)
    study.require_images(cell)
    return setup_of(study, cell)


def frozen_features(
    study: Study, model: str, image_ids: Sequence[str], view: int = 0
) -> np.ndarray:
    """Return the pooled output of a pretrained backbone, float32 (n, channels).

    View 0 is the image, 1 its mirror image.
    """
    bank = _as_frozen(study, model).bank(study.bank_files("raw"))
    rows = bank.rows(image_ids)
    bank.require(rows, [view])
    return bank.batch(rows, np.full(len(rows), view))


def features_of_files(study: Study, model: str, files: pd.DataFrame) -> np.ndarray:
    """Return what `frozen_features` returns for images outside the study, in rows of ``path``."""
    setup = _as_frozen(study, model)
    pixels = np.asarray(prepared(files, setup.recipe, setup.size))
    return outputs(setup.network.trunk, pixels, setup.input_range)


def changed_features(
    study: Study, model: str, image_ids: Sequence[str], changes: Sequence[str]
) -> dict[str, np.ndarray]:
    """Return what `frozen_features` returns for each change of `training.hidden_lesions`."""
    setup = _as_frozen(study, model)
    files = study.bank_files("raw", image_ids)
    ask = partial(outputs, setup.network.trunk, input_range=setup.input_range)
    return {name: ask(changed(files, name, setup.size, setup.recipe.fit, 0)) for name in changes}
