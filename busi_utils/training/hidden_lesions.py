"""Images from which the lesion, or everything else, is taken away: what is a verdict based on?"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import pandas as pd

from busi_utils.audit.pixels import Fit, load_masks, load_pixels

INPAINTED = "marks_inpainted"
_MARGIN = 0.1  # of the lesion's longer side, around the square that hides it
_BORDER = 0.12  # of the side, kept along each edge


def _squares(mask: np.ndarray) -> np.ndarray:
    """Return the square about each lesion, bool: it tells neither outline nor proportions."""
    square = np.zeros(mask.shape, bool)
    count, _, boxes, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8))
    for x, y, width, height, _ in boxes[1:count]:
        half = max(width, height) * (0.5 + _MARGIN)
        across, down = x + width / 2, y + height / 2
        top, left = max(0, round(down - half)), max(0, round(across - half))
        square[top : round(down + half), left : round(across + half)] = True
    return square


def lesion_only(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Keep the square about each lesion, black elsewhere."""
    return np.where(_squares(mask), image, 0).astype(np.uint8)


def background_only(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Blacken the square about each lesion."""
    return np.where(_squares(mask), 0, image).astype(np.uint8)


def outline_only(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Return the mask itself, white on black: what its author drew, and nothing of the image."""
    return np.where(mask > 0, 255, 0).astype(np.uint8)


def border_only(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Keep a frame along the edges, where depth marks, logos and padding are."""
    edge = round(image.shape[0] * _BORDER)
    framed = image.copy()
    framed[edge:-edge, edge:-edge] = 0
    return framed


SHORTCUTS: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "lesion_only": lesion_only,
    "background_only": background_only,
    "border_only": border_only,
    "outline_only": outline_only,
}


def changed(files: pd.DataFrame, name: str, size: int, fit: Fit, seed: int) -> np.ndarray:
    """Return images of which something was taken away.

    Parameters
    ----------
    files : pd.DataFrame
        See `pixels.load_pixels`.
    name : str
        `INPAINTED` or a name in `SHORTCUTS`.
    size : int
        Side of the square in pixels.
    fit : {"letterbox", "squeeze"}
    seed : int
        See `with_borrowed_masks`.

    Returns
    -------
    np.ndarray
        Shape (n, size, size), uint8.
    """
    if name == INPAINTED:
        return np.asarray(load_pixels(files, size, fit, "inpainted"))
    images = np.asarray(load_pixels(files, size, fit))
    masks = with_borrowed_masks(np.asarray(load_masks(files, size, fit)), seed)
    return np.stack([SHORTCUTS[name](*pair) for pair in zip(images, masks, strict=True)])


def with_borrowed_masks(masks: np.ndarray, seed: int) -> np.ndarray:
    """Give every image without a lesion the mask of one with, drawn at random.

    Otherwise an image left whole, or left black, would tell its class by itself.

    Parameters
    ----------
    masks : np.ndarray
        Shape (n, size, size), 0 or 1; at least one is not empty.
    seed : int
        Of the draw.

    Returns
    -------
    np.ndarray
        Like ``masks``, none empty.
    """
    filled = masks.reshape(len(masks), -1).any(axis=1)
    donors = np.random.default_rng(seed).choice(np.flatnonzero(filled), size=len(masks))
    return np.where(filled[:, None, None], masks, masks[donors])
