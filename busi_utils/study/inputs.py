"""What a cell depends on besides its names: the weights it starts from, the masks it learns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from busi_utils.audit.manifest import changed_masks
from busi_utils.errors import StudyError
from busi_utils.models import MODELS
from busi_utils.recipes import settings_of
from busi_utils.study.cells import Cell, grid, read_record
from busi_utils.study.predictions import available_seeds, predictions_folder
from busi_utils.training.weights import InitialWeights, file_sha256, find_weights

if TYPE_CHECKING:
    from busi_utils.study.study import Study


def named_weights(study: Study, cell: Cell) -> str:
    """Return the SHA-256 of the weights that are named for a cell, where one can be trained.

    It is empty if none were named (the Keras cache and its download are no naming), or if the
    cell starts from none.
    """
    if not study.sources or study.dataset == "phantom" or cell.model not in MODELS:
        return ""
    if settings_of(cell.recipe).get("init") == "random":
        return ""
    path = find_weights(MODELS[cell.model], study.weights, cached=False)
    return file_sha256(path) if path else ""


def require_start(study: Study, trained: Sequence[Cell], initial: InitialWeights) -> None:
    """Stop before a cell is trained from other weights than those that it belongs to.

    Parameters
    ----------
    trained : sequence of Cell
        Whose start must be the same.
    initial : InitialWeights
        What was found now.

    Raises
    ------
    StudyError
        Names both files by their hashes.
    """
    for cell in trained:
        other = study.recorded_weights(cell)
        if other and other != initial.sha256:
            raise StudyError(
                f"{cell} started from the weights {other[:8]}, but {initial.path} holds "
                f"{initial.sha256[:8]}: name the folder of the former with WEIGHTS=<folder>, "
                "or give these a workspace of their own."
            )


def require_same_masks(study: Study, cell: Cell, sha256: str) -> None:
    """Stop before a cell learns from other masks than what is stored of its row.

    A mask may move without covering more or less, which `require_masks` does not see. Records from
    before masks were noted tell nothing, nor do those whose configuration is another.
    """
    rest = rest_of_rows(study, [cell])
    stale = set(study.missing(rest))
    for other in rest:
        if other in stale:
            continue
        if read_record(other, study.workspace).get("masks_sha256", sha256) != sha256:
            raise StudyError(
                f"{other} learnt from other lesion masks than those there now: restore the masks, "
                "or give these a workspace of their own."
            )


def rest_of_rows(study: Study, cells: Sequence[Cell]) -> list[Cell]:
    """Return what is stored of the rows of cells, but for these."""
    rest = []
    for row in sorted({(cell.cohort, cell.model, cell.recipe) for cell in cells}):
        seeds = available_seeds(predictions_folder(study.workspace, study.dataset, *row))
        rest += grid(study.dataset, *([name] for name in row), seeds)
    return [cell for cell in rest if cell not in set(cells)]


def require_masks(study: Study) -> None:
    """Stop if a lesion mask on disk no longer covers what the manifest lists."""
    if not study.sources or "lesion_fraction" not in study.manifest:
        return
    if odd := changed_masks(study.manifest, study.sources):
        raise StudyError(
            f"The mask of {odd[0]!r} no longer covers the share of the image that "
            f"{study.workspace.manifest(study.dataset)} lists ({len(odd)} such images): restore "
            "the masks, or run notebook 01 on them and train again."
        )
