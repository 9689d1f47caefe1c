"""Local image features for twin search: SIFT, one compact code an image, alignment.

Every length is in pixels of the working frame: the image with its longer side scaled to `SIDE`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np

SIDE = 256
"""Longer side of the working frame; speckle finer than this differs between copies."""
CODE_LENGTH = 1024
_KERNEL_WIDTH = 0.25  # of the Gaussian between unit-length descriptors: only near-equal ones count
_MOST_FEATURES = 300
_MOST_MATCHES = 60  # the most distinctive ones; the number of hypotheses grows with the square
_LEAST = 8  # a narrower frame has no scale space
_RATIO = 0.85  # Lowe's ratio; loose, because geometry decides
TOLERANCE = 4.0  # tissue under a moving probe deforms by a few pixels
_BASELINE = 10.0  # two matches closer than this do not determine a scale
SCALES = (0.4, 2.5)


@dataclass(frozen=True)
class Features:
    """Local features of one image.

    Attributes
    ----------
    points : np.ndarray
        Shape (m, 2), float32, x and y.
    descriptors : np.ndarray
        Shape (m, 128), uint8, plain SIFT histograms.
    code : np.ndarray
        Shape (CODE_LENGTH,), float32, see `describe`.
    """

    points: np.ndarray
    descriptors: np.ndarray
    code: np.ndarray


@dataclass(frozen=True)
class Alignment:
    """Scale and shift that take points of image a to image b: ``scale * p + shift``."""

    scale: float
    shift: np.ndarray
    inliers: int

    def inverse(self) -> Alignment:
        return Alignment(1 / self.scale, -self.shift / self.scale, self.inliers)


def working_frame(grey: np.ndarray) -> np.ndarray:
    """Scale the longer side of a uint8 (H, W) image to `SIDE`."""
    scale = SIDE / max(grey.shape)
    size = tuple(max(1, round(side * scale)) for side in grey.shape[::-1])
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    return cv2.resize(grey, size, interpolation=method)


def describe(grey: np.ndarray) -> tuple[Features, Features]:
    """Extract SIFT features and their mean embedding, once upright and once not.

    A scanner's copies of a B-mode image are scaled, cropped or brightened but never rotated: for
    them key points are kept upright, which makes them more distinctive (Lowe 2004). The others
    have the orientation of their own gradient, for what was turned since. The code
    is the mean of random Fourier features of the descriptors (Rahimi & Recht 2007): the inner
    product of two codes approximates the average Gaussian kernel over all descriptor pairs
    (efficient match kernel, Bo & Sminchisescu 2009) and so counts common structures wherever
    they lie, without a codebook that would have to be learned.

    Parameters
    ----------
    grey : np.ndarray
        Shape (H, W), uint8.

    Returns
    -------
    upright, turning : Features
        With no rows and a zero code where the image has no structure.
    """
    frame = working_frame(grey)
    if min(frame.shape) < _LEAST:
        return _features([], None), _features([], None)
    sift = cv2.SIFT_create(nfeatures=_MOST_FEATURES, contrastThreshold=0.02)
    keys, descriptors = sift.detectAndCompute(frame, None)
    turning = _features(keys, descriptors)
    found = {}
    for key in keys:
        key.angle = 0.0
        found[(*key.pt, key.size)] = key  # SIFT repeats a point for every orientation
    upright = _features(*sift.compute(frame, [found[place] for place in sorted(found)]))
    return upright, turning


def _features(keys: Sequence[cv2.KeyPoint], descriptors: np.ndarray | None) -> Features:
    if descriptors is None or not len(keys):
        empty = np.zeros((0, 128), np.uint8)
        return Features(np.zeros((0, 2), np.float32), empty, np.zeros(CODE_LENGTH, np.float32))
    points = np.array([key.pt for key in keys], np.float32)
    return Features(points, descriptors.astype(np.uint8), _code(descriptors))


def mirrored(features: Features, width: int) -> Features:
    """Return the features that the mirror image of a working frame has, without looking for them.

    Mirroring reverses the rows of a descriptor's 4 x 4 histograms and the sense of their eight
    angles (Ma et al. 2010), since OpenCV lays both out along the key point's own direction.
    """
    if not len(features.points):
        return features
    points = features.points.copy()
    points[:, 0] = width - 0.5 - points[:, 0]  # SIFT places them 0.25 pixels too far to the right
    histograms = features.descriptors.reshape(-1, 4, 4, 8)
    turned = np.ascontiguousarray(histograms[:, ::-1][..., -np.arange(8)]).reshape(-1, 128)
    return Features(points, turned, _code(turned))


def _code(descriptors: np.ndarray) -> np.ndarray:
    weights, phases = _random_projection()
    return np.cos(_hellinger(descriptors) @ weights + phases).mean(axis=0)


@cache
def _random_projection() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)  # a constant of the method, not a choice of the user
    weights = rng.normal(scale=1 / _KERNEL_WIDTH, size=(128, CODE_LENGTH))
    phases = rng.uniform(0, 2 * np.pi, CODE_LENGTH)
    return weights.astype(np.float32), phases.astype(np.float32)


def _hellinger(descriptors: np.ndarray) -> np.ndarray:
    """Square root of the L1-normalised histogram (RootSIFT, Arandjelović & Zisserman 2012)."""
    total = np.maximum(descriptors.sum(axis=1, keepdims=True, dtype=np.float32), 1)
    return np.sqrt(descriptors / total, dtype=np.float32)


def align(a: Features, b: Features) -> Alignment | None:
    """Find the scale and shift on which the most feature matches agree.

    Every pair among the most distinctive mutual matches is a hypothesis and all are tried, so
    the result involves no random draw.

    Returns
    -------
    Alignment or None
        None if fewer than three matches agree on a plausible scale and shift.
    """
    first, second = matches(a, b)
    if len(first) < 3:
        return None
    p, q = a.points[first], b.points[second]
    i, j = np.triu_indices(len(p), 1)
    span_p = np.linalg.norm(p[i] - p[j], axis=1)
    span_q = np.linalg.norm(q[i] - q[j], axis=1)
    scale = span_q / np.maximum(span_p, 1e-6)
    usable = (np.minimum(span_p, span_q) > _BASELINE) & (scale > SCALES[0]) & (scale < SCALES[1])
    if not usable.any():
        return None
    i, j, scale = i[usable], j[usable], scale[usable]
    shift = (q[i] + q[j] - scale[:, None] * (p[i] + p[j])) / 2
    residual = np.abs(scale[:, None, None] * p + shift[:, None] - q).max(axis=2)
    agrees = residual < TOLERANCE * np.maximum(scale, 1)[:, None]
    best = agrees[agrees.sum(axis=1).argmax()]
    return _refined(p[best], q[best]) if best.sum() >= 3 else None


def matches(a: Features, b: Features) -> tuple[np.ndarray, np.ndarray]:
    """Return indices of mutual nearest descriptors, the most distinctive first."""
    if min(len(a.points), len(b.points)) < 3:
        return np.zeros(0, int), np.zeros(0, int)
    likeness = _hellinger(a.descriptors) @ _hellinger(b.descriptors).T
    nearest, back = likeness.argmax(axis=1), likeness.argmax(axis=0)
    rows = np.arange(len(nearest))
    first = likeness[rows, nearest]
    likeness[rows, nearest] = -1  # what is left shows the second nearest
    two = np.column_stack([likeness.max(axis=1), first])
    distance = np.sqrt(np.maximum(2 - 2 * two, 1e-6))  # of unit vectors, from their cosine
    ratio = distance[:, 1] / distance[:, 0]
    keep = np.flatnonzero((back[nearest] == rows) & (ratio < _RATIO))
    keep = keep[np.argsort(ratio[keep], kind="stable")][:_MOST_MATCHES]
    return keep, nearest[keep]


def _refined(p: np.ndarray, q: np.ndarray) -> Alignment:
    """Least-squares scale and shift over the inliers."""
    mean_p, mean_q = p.mean(axis=0), q.mean(axis=0)
    scale = float(((p - mean_p) * (q - mean_q)).sum() / ((p - mean_p) ** 2).sum())
    return Alignment(scale, mean_q - scale * mean_p, len(p))
