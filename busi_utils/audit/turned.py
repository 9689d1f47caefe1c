"""Find copies that were turned or mirrored, as the augmented sets in circulation hold them.

A scanner never turns a picture upside down, so the first search (`duplicates`) keeps every feature
upright, which makes it more distinctive. Here features have the direction of their own gradient
(Lowe 2004) and each image is also searched for in its mirror image, which together cover every
rotation with and without reflection.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np

from busi_utils.audit.sift import (
    SCALES,
    TOLERANCE,
    Features,
    matches,
    mirrored,
)
from busi_utils.audit.tiles import aligned

_NEIGHBOURS = 4  # candidates per image and reflection: such copies are few
_FEWEST_INLIERS = 15
_LOWEST_SCORE = 0.5  # higher than for upright twins: next frames of a sweep are never turned
_UPRIGHT = 4.0  # degrees; what is turned by less is left to the upright search


def find_turned(
    frames: Sequence[np.ndarray], plain: Sequence[Features]
) -> list[tuple[int, int, str, float]]:
    """Find pairs of which one is a turned or mirrored copy of the other.

    Parameters
    ----------
    frames : sequence of np.ndarray
        Working frames of images of which no two have equal pixels, see `sift.working_frame`.
    plain : sequence of Features
        Their features that are not kept upright, see `sift.describe`.

    Returns
    -------
    list of tuple
        ``(i, j, kind, score)``: positions ``i < j``; ``kind`` ``turned`` or ``mirrored`` (and
        perhaps turned too); ``score`` the median tile correlation, in [0.5, 1].
    """
    if len(frames) < 2:
        return []
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        flipped = list(pool.map(mirrored, plain, [frame.shape[1] for frame in frames]))
        asked = _candidates(plain, plain, "turned") + _candidates(flipped, plain, "mirrored")

        def check(question: tuple[int, int, str]) -> float | None:
            a, b, kind = question
            flip = kind == "mirrored"
            features = (flipped if flip else plain)[a]
            frame = frames[a][:, ::-1] if flip else frames[a]
            return _score(frame, frames[b], features, plain[b], flip)

        scores = list(pool.map(check, asked))
    best: dict[tuple[int, int], tuple[float, str]] = {}
    for (a, b, kind), score in zip(asked, scores, strict=True):
        if score is not None:
            pair = (min(a, b), max(a, b))
            best[pair] = max(best.get(pair, (0.0, kind)), (score, kind))
    return [(i, j, kind, score) for (i, j), (score, kind) in sorted(best.items())]


def _candidates(
    askers: Sequence[Features], asked: Sequence[Features], kind: str
) -> list[tuple[int, int, str]]:
    """Return which image of ``asked`` may show what one of ``askers`` shows, each pair once."""
    from sklearn.neighbors import NearestNeighbors  # two seconds, for whoever searches

    codes = np.array([features.code for features in asked])
    centre = codes.mean(axis=0)
    count = min(_NEIGHBOURS + 1, len(codes))  # an image is its own neighbour
    search = NearestNeighbors(n_neighbors=count).fit(_unit(codes - centre))
    own = _unit(np.array([features.code for features in askers]) - centre)
    near = search.kneighbors(own, return_distance=False)
    # What a mirrored is to b, b mirrored is to a: one direction is enough.
    pairs = {(min(a, b), max(a, b)) for a, row in enumerate(near.tolist()) for b in row if a != b}
    return [(a, b, kind) for a, b in sorted(pairs)]


def _unit(codes: np.ndarray) -> np.ndarray:
    return codes / np.maximum(np.linalg.norm(codes, axis=1, keepdims=True), 1e-9)


def _score(
    frame_a: np.ndarray, frame_b: np.ndarray, a: Features, b: Features, flip: bool
) -> float | None:
    """Return the tile correlation once aligned if the two are turned copies, else None."""
    first, second = matches(a, b)
    if len(first) < _FEWEST_INLIERS:
        return None
    matrix, inliers = cv2.estimateAffinePartial2D(
        a.points[first],
        b.points[second],
        method=cv2.RANSAC,  # OpenCV draws from a generator of fixed seed
        ransacReprojThreshold=TOLERANCE,
    )
    if matrix is None or inliers.sum() < _FEWEST_INLIERS:
        return None
    scale = float(np.hypot(matrix[0, 0], matrix[1, 0]))
    angle = np.degrees(np.arctan2(matrix[1, 0], matrix[0, 0]))
    if not SCALES[0] < scale < SCALES[1] or (not flip and abs(angle) < _UPRIGHT):
        return None
    score, _ = aligned(frame_a, matrix, frame_b)
    return score if score >= _LOWEST_SCORE else None
