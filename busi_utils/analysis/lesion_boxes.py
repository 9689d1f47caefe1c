"""The box and the outline of every lesion, at home and in another hospital."""

from __future__ import annotations

import numpy as np
import pandas as pd

from busi_utils.analysis.external import ExternalData
from busi_utils.analysis.subgroups import largest_lesion, shapes_of
from busi_utils.audit.external_sets import placed_mask, read_external
from busi_utils.audit.images import read_grey
from busi_utils.errors import StudyError
from busi_utils.forms import LESIONS_AWAY
from busi_utils.kept import keep_table, kept_of_images
from busi_utils.study.study import Study
from busi_utils.workspace import Workspace

BOX = ["share", "elongation"]


def lesions_at_home(study: Study) -> pd.DataFrame:
    """Return what is measured of each lesion of cohort ``clean``.

    Returns
    -------
    pd.DataFrame
        Columns ``image_id, label, group, share`` (box over image, (0, 1]), ``elongation`` (height
        over width of the box), ``solidity`` (see `subgroups.lesion_shapes`).
    """
    folds = study.folds("clean")[["image_id", "label", "group"]]
    sizes = study.manifest[["image_id", "width", "height"]]
    table = folds.merge(shapes_of(study), on="image_id").merge(sizes, on="image_id")
    box = table["width_px"] * table["height_px"]
    table["share"] = box / (table["width"] * table["height"])
    table["elongation"] = table["height_px"] / table["width_px"]
    return table[["image_id", "label", "group", *BOX, "solidity"]]


def lesions_away(data: ExternalData, workspace: Workspace) -> pd.DataFrame:
    """Return the same of another hospital's lesions, kept in ``results/lesions_<set>.csv``.

    One row an image with a lesion; its measures are missing where the mask has other proportions
    than the image, since nobody knows where such an outline belongs.

    Raises
    ------
    StudyError
        If they were not kept, or of other images, and no folder was named to measure; if the
        folder holds no masks, or that of a lesion is black.
    """
    path = workspace.results / f"lesions_{data.name}.csv"
    lesions = data.manifest.loc[data.manifest["label"] != "normal", "image_id"]
    if (kept := kept_of_images(path, LESIONS_AWAY, lesions)) is not None:
        return kept
    if not data.folder:
        raise StudyError(
            f"{path} is missing or of other images, and no images of {data.name} were named to "
            "measure: set its variable to its folder."
        )
    found = read_external(data.name, data.folder).set_index("image_id").loc[lesions]
    if (found["mask"] == "").any():
        raise StudyError(
            f"{data.folder} holds no lesion masks, which the ruler measures: restore them from "
            "the data set."
        )
    rows = [_measured(*row) for row in found[["path", "mask"]].itertuples()]
    table = pd.DataFrame(rows, columns=list(LESIONS_AWAY.columns))
    keep_table(path, table, float_format="%.6f")
    return table


def _measured(name: str, image: str, file: str) -> tuple[str, float, float, float]:
    """Return ``image_id, share, elongation, solidity`` of one lesion."""
    shape = read_grey(image).shape
    mask = placed_mask(file, shape)
    if mask is None:
        return name, np.nan, np.nan, np.nan
    if not mask.any():
        raise StudyError(f"The mask {file} of a lesion is black: restore it from the data set.")
    width, height, _, solidity = largest_lesion(mask)
    return name, width * height / mask.size, height / width, solidity
