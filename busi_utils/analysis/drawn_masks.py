"""What the mask heads of trained networks draw, stored like predictions: see `masks`."""

from __future__ import annotations

from dataclasses import asdict
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from busi_utils.analysis.external import ADAPTED, EXTERNAL, ExternalData, adapt
from busi_utils.analysis.masks import MARGINS, RULES, VERSION, Rule, cut_out, measures
from busi_utils.audit.external_sets import placed_mask
from busi_utils.audit.images import letterbox, read_grey
from busi_utils.audit.pixels import load_masks
from busi_utils.forms import MASKS, SECOND_LOOKS
from busi_utils.models import backbone_of
from busi_utils.recipes import recipe_of
from busi_utils.study.cells import Cell, prediction_table
from busi_utils.study.image_tables import Product
from busi_utils.study.study import Study

if TYPE_CHECKING:
    import keras

    from busi_utils.training.heads import Network


def drawn() -> Product:
    """Return the product of what a cell's network draws on its inner validation and test images.

    The tables have the columns ``part, threshold, component``, those of a prediction file (of the
    same network, whose training may have been repeated) and those of `measures`, one row an image
    and rule.
    """
    settings = {"version": VERSION, "rules": [asdict(rule) for rule in RULES]}
    return Product("masks", settings, _drawn_at_home, MASKS)


def drawn_away(data: ExternalData, rule: Rule, adapted: bool = False) -> Product:
    """Return the same of another hospital's images, ``part`` being ``away``, under one rule.

    ``adapted`` as in `external.external`.
    """
    settings = {"version": VERSION, "images": data.digest, "adapted": adapted}
    settings["rules"] = [asdict(rule)]
    compute = partial(_drawn_away, data=data)
    ending = ADAPTED if adapted else ""
    return Product("masks", settings, compute, MASKS, data.name, EXTERNAL, ending)


def second_looks(rule: Rule) -> Product:
    """Return the product of a network's opinion of the box that it drew, cut out of the image.

    The tables have the columns ``part, margin`` (in `MARGINS`) and those of a prediction file.
    """
    settings = {"version": VERSION, "rules": [asdict(rule)], "margins": list(MARGINS)}
    return Product("second_looks", settings, _second_looks, SECOND_LOOKS)


def home_parts(study: Study, cell: Cell) -> pd.DataFrame:
    """Return ``part, image_id, label`` of a cell's inner validation and test images."""
    named = zip(("validation", "test"), study.parts(cell)[1:], strict=True)
    parts = pd.concat([pd.DataFrame({"part": name, "image_id": part}) for name, part in named])
    return parts.merge(study.folds(cell.cohort)[["image_id", "label"]], on="image_id")


def _drawn_at_home(
    study: Study, cell: Cell, network: Network, settings: dict[str, Any]
) -> pd.DataFrame:
    parts, files = _files(study, cell)
    outlines = np.asarray(load_masks(files, study.size, recipe_of(cell.recipe).fit)).astype(bool)
    return _table(study, cell, network, parts, files, outlines, settings)


def _drawn_away(
    study: Study, cell: Cell, network: Network, settings: dict[str, Any], data: ExternalData
) -> pd.DataFrame:
    from busi_utils.training.inference import prepared, wanted_range

    files = data.files()
    outlines = np.stack([_outline(row.path, row.mask, study.size) for row in files.itertuples()])
    if settings["adapted"]:
        recipe = recipe_of(cell.recipe)
        pixels = np.asarray(prepared(files, recipe, study.size))
        adapt(network, pixels, wanted_range(backbone_of(cell.model), recipe))
    parts = files[["image_id", "label"]].assign(part="away")
    return _table(study, cell, network, parts, files, outlines, settings)


def _outline(path: str, mask: str, size: int) -> np.ndarray:
    """Return the expert's outline, empty where there is none or nobody knows where it belongs."""
    lesion = placed_mask(mask, read_grey(path).shape) if mask else None
    if lesion is None:
        return np.zeros((size, size), bool)
    return letterbox(lesion.astype(np.uint8) * 255, size) >= 128


def _files(study: Study, cell: Cell) -> tuple[pd.DataFrame, pd.DataFrame]:
    parts = home_parts(study, cell)
    return parts, study.bank_files(cell.cohort, parts["image_id"])


def _table(
    study: Study,
    cell: Cell,
    network: Network,
    parts: pd.DataFrame,
    files: pd.DataFrame,
    outlines: np.ndarray,
    settings: dict[str, Any],
) -> pd.DataFrame:
    p, logits = _asked(network, cell, files, study.size)
    inside = [letterbox(np.full_like(read_grey(f), 255), study.size) > 0 for f in files["path"]]
    tables = []
    for rule in (Rule(**given) for given in settings["rules"]):
        found = [measures(*one, rule) for one in zip(logits, inside, outlines, strict=True)]
        table = prediction_table(parts["image_id"], parts["label"], p)
        for place, (name, value) in enumerate([("part", parts["part"]), *asdict(rule).items()]):
            table.insert(place, name, np.asarray(value) if name == "part" else value)
        tables.append(pd.concat([table, pd.DataFrame(found)], axis=1))
    return pd.concat(tables, ignore_index=True)


def _asked(
    network: Network, cell: Cell, files: pd.DataFrame, size: int, pixels: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Return probabilities (n, 3) and mask logits (n, k, k), mirror images averaged."""
    from busi_utils.training.inference import outputs, prepared, wanted_range

    recipe, full = recipe_of(cell.recipe), network.full
    input_range = wanted_range(backbone_of(cell.model), recipe)
    pixels = np.asarray(prepared(files, recipe, size)) if pixels is None else pixels
    both, side = _with_logits(full), full.get_layer("mask").output.shape[1]
    views = [outputs(both, view, input_range) for view in (pixels, pixels[:, :, ::-1])]
    logits = [view[:, 3:].reshape(-1, side, side) for view in views]
    p = np.mean([view[:, :3] for view in views], axis=0, dtype=np.float64)
    return p / p.sum(axis=1, keepdims=True), (logits[0] + logits[1][:, :, ::-1]) / 2


@lru_cache(maxsize=1)
def _with_logits(full: keras.Model) -> keras.Model:
    """Return a network that also gives its mask logits: one graph, whatever its weights become."""
    import keras

    cells = keras.layers.Flatten()(full.get_layer("mask").output)
    return keras.Model(full.input, keras.layers.Concatenate()([full.output, cells]))


def _second_looks(
    study: Study, cell: Cell, network: Network, settings: dict[str, Any]
) -> pd.DataFrame:
    parts, files = _files(study, cell)
    _, logits = _asked(network, cell, files, study.size)
    greys, rule = [read_grey(path) for path in files["path"]], Rule(**settings["rules"][0])
    tables = []
    for margin in settings["margins"]:
        looks = [
            letterbox(cut_out(grey, one, margin, rule, study.size), study.size)
            for grey, one in zip(greys, logits, strict=True)
        ]
        p, _ = _asked(network, cell, files, study.size, np.stack(looks))
        table = prediction_table(parts["image_id"], parts["label"], p)
        table.insert(0, "part", parts["part"].to_numpy())
        table.insert(1, "margin", margin)
        tables.append(table)
    return pd.concat(tables, ignore_index=True)
