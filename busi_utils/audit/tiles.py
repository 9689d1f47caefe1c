"""Compare two aligned images tile by tile."""

from __future__ import annotations

import cv2
import numpy as np

_TILE = 32
_SLACK = 4  # pixels by which a tile may move: tissue deforms between the frames of a sweep
_FEWEST_TILES = 4
_FLAT = 2.5  # grey levels; the contrast of a tile below this is noise of the encoding


def aligned(a: np.ndarray, matrix: np.ndarray, b: np.ndarray) -> tuple[float, np.ndarray]:
    """Bring an image onto another and compare them.

    Parameters
    ----------
    a, b : np.ndarray
        Shapes (h, w) and (H, W), grey levels.
    matrix : np.ndarray
        Shape (2, 3), takes points of ``a`` to ``b``.

    Returns
    -------
    score : float
        See `tile_correlation`.
    inside : np.ndarray
        Shape (H, W), bool, what ``a`` covers.
    """
    size = b.shape[::-1]
    moved = cv2.warpAffine(a.astype(np.float32), matrix, size)
    inside = cv2.warpAffine(np.ones(a.shape, np.float32), matrix, size) > 0.99
    return tile_correlation(moved, b, inside), inside


def tile_correlation(a: np.ndarray, b: np.ndarray, inside: np.ndarray | None = None) -> float:
    """Compare two aligned images tile by tile.

    The median over tiles of the zero-mean normalised correlation ignores gain, depth compensation
    and whatever covers less than half of the tiles, such as text and callipers; the
    high-pass filter ignores the layering that all breasts share. A tile may move by up to four
    pixels to where it fits best.

    Parameters
    ----------
    a, b : np.ndarray
        Shape (H, W), grey levels.
    inside : np.ndarray, optional
        Shape (H, W), bool, where ``a`` has pixels; none: everywhere.

    Returns
    -------
    float
        In [-1, 1]; -1 if fewer than four tiles hold any structure.
    """
    inside = np.ones(b.shape, bool) if inside is None else inside
    detail_a, detail_b = _high_pass(a.astype(np.float32)), _high_pass(b.astype(np.float32))
    scores = []
    for top in range(_SLACK, b.shape[0] - _TILE - _SLACK + 1, _TILE):
        for left in range(_SLACK, b.shape[1] - _TILE - _SLACK + 1, _TILE):
            tile = np.s_[top : top + _TILE, left : left + _TILE]
            flat = min(detail_a[tile].std(), detail_b[tile].std()) < _FLAT
            if flat or not inside[tile].all():
                continue
            window = np.s_[
                top - _SLACK : top + _TILE + _SLACK, left - _SLACK : left + _TILE + _SLACK
            ]
            found = cv2.matchTemplate(detail_b[window], detail_a[tile], cv2.TM_CCOEFF_NORMED)
            scores.append(found.max())
    return float(np.median(scores)) if len(scores) >= _FEWEST_TILES else -1.0


def _high_pass(image: np.ndarray) -> np.ndarray:
    return image - cv2.GaussianBlur(image, (0, 0), 6)
