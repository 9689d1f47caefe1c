"""Pictures of images with lesions outlined and maps laid over them."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from busi_utils.audit.images import load_masks, load_pixels
from busi_utils.plots.theme import PRINT_WIDTH
from busi_utils.study.study import Study

_OUTLINE = "#F0E442"


def error_gallery(
    images: Sequence[np.ndarray], masks: Sequence[np.ndarray], titles: Sequence[str]
) -> Figure:
    """Show images four a row with their lesions outlined.

    Parameters
    ----------
    images, masks : sequence of np.ndarray
        Pairs of the same shape (size, size), uint8 and bool.
    titles : sequence of str
        One or two lines each.
    """
    rows = -(-len(images) // 4)
    fig, axes = plt.subplots(rows, 4, figsize=(PRINT_WIDTH, 1.95 * rows), squeeze=False)
    for ax in axes.flat:
        ax.set_axis_off()
    for ax, image, mask, title in zip(axes.flat, images, masks, titles, strict=False):
        _outlined(ax, image, mask)
        ax.set_title(title, fontsize=8)
    return fig


def map_panels(
    images: Sequence[np.ndarray],
    masks: Sequence[np.ndarray],
    maps: Sequence[Sequence[np.ndarray]],
    titles: Sequence[str],
    names: Sequence[str],
) -> Figure:
    """Show each image in a column: itself with its lesion outlined, below it its maps.

    Parameters
    ----------
    images, masks
        As in `error_gallery`.
    maps : sequence of sequence of np.ndarray
        For each method one small map an image, not negative.
    titles : sequence of str
        Above the columns.
    names : sequence of str
        Of the methods, beside the rows.
    """
    shape = (1 + len(maps), len(images))
    fig, axes = plt.subplots(*shape, figsize=(PRINT_WIDTH, 0.3 + 1.12 * shape[0]), squeeze=False)
    for ax in axes.flat:
        ax.set(xticks=[], yticks=[])
        ax.spines[:].set_visible(False)
    for column, (image, mask, title) in enumerate(zip(images, masks, titles, strict=True)):
        _outlined(axes[0, column], image, mask)
        axes[0, column].set_title(title, fontsize=8, loc="center")
        for row, heats in enumerate(maps, 1):
            _outlined(axes[row, column], image, mask)
            fine = cv2.resize(heats[column].astype(np.float32), image.shape[::-1])
            axes[row, column].imshow(fine, cmap="inferno", alpha=0.55, vmin=0)
    for row, name in enumerate(("image", *names)):
        axes[row, 0].set_ylabel(name, fontsize=8)
    return fig


def _outlined(ax: Axes, image: np.ndarray, mask: np.ndarray) -> None:
    """Show the content of a letterboxed image, its lesion outlined."""
    ax.imshow(image, vmin=0, vmax=255)
    if mask.any():
        ax.contour(mask, levels=[0.5], colors=_OUTLINE, linewidths=1.0)


def images_of(study: Study, image_ids: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Return letterboxed images (n, size, size), uint8, and their lesion masks, bool."""
    files = study.bank_files("raw").set_index("image_id").loc[list(image_ids)].reset_index()
    return np.asarray(load_pixels(files, study.size)), np.asarray(load_masks(files, study.size)) > 0
