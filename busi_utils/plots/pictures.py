"""Pictures of images with lesions outlined and maps laid over them."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from busi_utils.analysis.attention_measures import LABELS, hits_and_misses, maps_for
from busi_utils.audit.pixels import load_masks, load_pixels
from busi_utils.plots.theme import PRINT_WIDTH
from busi_utils.study.study import Study

_OUTLINE = "#F0E442"
_METHODS = ("gradcam", "hirescam", "occlusion")


def error_gallery(study: Study, worst: pd.DataFrame) -> Figure:
    """Show misjudged images four a row with their lesions outlined.

    Parameters
    ----------
    study : Study
        With its images.
    worst : pd.DataFrame
        See `mistakes.confident_errors`.
    """
    fig, axes = four_a_row(study, worst["image_id"])
    for ax, row in zip(axes, worst.itertuples(), strict=True):
        title = f"{row.image_id}\ncalled {row.predicted}, {100 * row.confidence:.0f} %"
        ax.set_title(title, fontsize=8)
    return fig


def four_a_row(study: Study, image_ids: Sequence[str]) -> tuple[Figure, list[Axes]]:
    """Show images four a row with their lesions outlined; return the panel of each."""
    images, masks = images_of(study, image_ids)
    rows = -(-len(images) // 4)
    fig, axes = plt.subplots(rows, 4, figsize=(PRINT_WIDTH, 1.95 * rows), squeeze=False)
    for ax in axes.flat:
        ax.set_axis_off()
    panels = list(axes.flat[: len(images)])
    for ax, image, mask in zip(panels, images, masks, strict=True):
        _outlined(ax, image, mask)
    return fig, panels


def map_panels(study: Study, table: pd.DataFrame, count: int) -> Figure:
    """Show images in columns, each with its lesion outlined and below it its maps.

    Parameters
    ----------
    study : Study
        With its images.
    table : pd.DataFrame
        See `attention_measures.read_attention`.
    count : int
        Columns whose Grad-CAM hits the lesion, and as many that miss it, drawn at random.
    """
    shown = hits_and_misses(table, count)
    images, masks = images_of(study, shown["image_id"])
    shape = (1 + len(_METHODS), len(images))
    fig, axes = plt.subplots(*shape, figsize=(PRINT_WIDTH, 0.3 + 1.12 * shape[0]), squeeze=False)
    for ax in axes.flat:
        ax.set(xticks=[], yticks=[])
        ax.spines[:].set_visible(False)
    for ax, image, mask, one in zip(axes[0], images, masks, shown.itertuples(), strict=True):
        _outlined(ax, image, mask)
        title = f"{one.image_id}\n{'hit' if one.hit else 'miss'}"
        ax.set_title(title, fontsize=8, loc="center")
    for line, method in zip(axes[1:], _METHODS, strict=True):
        heats = maps_for(table, method, shown["image_id"])
        for ax, image, mask, heat in zip(line, images, masks, heats, strict=True):
            _outlined(ax, image, mask)
            fine = cv2.resize(heat.astype(np.float32), image.shape[::-1])
            ax.imshow(fine, cmap="inferno", alpha=0.55, vmin=0)
    for ax, name in zip(axes[:, 0], ("image", *(LABELS[m] for m in _METHODS)), strict=True):
        ax.set_ylabel(name, fontsize=8)
    return fig


def _outlined(ax: Axes, image: np.ndarray, mask: np.ndarray) -> None:
    """Show the content of a letterboxed image, its lesion outlined."""
    ax.imshow(image, vmin=0, vmax=255)
    if mask.any():
        ax.contour(mask, levels=[0.5], colors=_OUTLINE, linewidths=1.0)


def images_of(study: Study, image_ids: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Return letterboxed images (n, size, size), uint8, and their lesion masks, bool."""
    files = study.bank_files("raw", image_ids)
    return np.asarray(load_pixels(files, study.size)), np.asarray(load_masks(files, study.size)) > 0
