"""Augmentation: a policy draws one random view of an image; the draw depends on names alone.

A view is fixed by (policy, seed, image, view number), never by the order or the number of images,
so that views can be made once, kept, and shared by every cell of the study.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import cv2
import numpy as np

View = tuple[np.ndarray, np.ndarray]


def view_rng(policy: str, seed: int, sha256: str, view: int) -> np.random.Generator:
    """Return the random generator of one view of one image."""
    digest = hashlib.sha256(f"{policy}:{seed}:{sha256}:{view}".encode()).digest()
    return np.random.default_rng(np.frombuffer(digest[:16], np.uint32))


def _warp(
    image: np.ndarray, mask: np.ndarray, degrees: float, zoom: float, shift: np.ndarray
) -> View:
    size = image.shape[0]
    centre = (size - 1) / 2
    matrix = cv2.getRotationMatrix2D((centre, centre), degrees, zoom)
    matrix[:, 2] += shift * size
    return (
        cv2.warpAffine(image, matrix, (size, size), flags=cv2.INTER_LINEAR),
        cv2.warpAffine(mask, matrix, (size, size), flags=cv2.INTER_NEAREST),
    )


def _flip(image: np.ndarray, mask: np.ndarray, axis: int) -> View:
    return np.flip(image, axis), np.flip(mask, axis)


def _as_pixels(values: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def original(image: np.ndarray, mask: np.ndarray, rng: np.random.Generator) -> View:
    """Rotation, flip, zoom, brightness: the original's list; its amounts are not stated there.

    Ours: rotation within 15 degrees, horizontal flip, zoom within 10 %, brightness within 20 %.
    """
    if rng.random() < 0.5:
        image, mask = _flip(image, mask, 1)
    image, mask = _warp(image, mask, rng.uniform(-15, 15), rng.uniform(0.9, 1.1), np.zeros(2))
    return _as_pixels(image * rng.uniform(0.8, 1.2)), mask


def original_vertical(image: np.ndarray, mask: np.ndarray, rng: np.random.Generator) -> View:
    """`original` with vertical flips too, which put the skin below and shadows above lesions."""
    if rng.random() < 0.5:
        image, mask = _flip(image, mask, 0)
    return original(image, mask, rng)


def physics(image: np.ndarray, mask: np.ndarray, rng: np.random.Generator) -> View:
    """Changes that a scanner, its operator or the tissue could have made.

    Probe position (horizontal flip, small rotation, shift, zoom), gain and dynamic range (an offset
    and a slope of the log-compressed values), time-gain compensation (a slope over depth),
    speckle (smoothed noise, additive after log compression), and focus (slight blur).
    """
    if rng.random() < 0.5:
        image, mask = _flip(image, mask, 1)
    image, mask = _warp(
        image, mask, rng.uniform(-10, 10), rng.uniform(0.85, 1.2), rng.uniform(-0.08, 0.08, 2)
    )
    inside = image > 0  # padding and sector margins stay black
    size = image.shape[0]
    x = image.astype(np.float32)
    mean = x[inside].mean() if inside.any() else 0.0
    x = (x - mean) * rng.uniform(0.75, 1.3) + mean + rng.uniform(-25, 25)
    x += np.linspace(-1, 1, size, dtype=np.float32)[:, None] * rng.uniform(-20, 20)
    noise = rng.standard_normal((size, size), dtype=np.float32)
    noise = cv2.GaussianBlur(noise, (0, 0), sigmaX=rng.uniform(0.8, 1.6), sigmaY=0.7)
    x += noise / noise.std() * rng.uniform(0, 10)
    if rng.random() < 0.3:
        x = cv2.GaussianBlur(x, (0, 0), rng.uniform(0.4, 1.0))
    return _as_pixels(np.where(inside, x, 0)), mask


Policy = Callable[[np.ndarray, np.ndarray, np.random.Generator], View]
POLICIES: dict[str, Policy] = {
    "original": original,
    "original_vertical": original_vertical,
    "physics": physics,
}


def make_view(
    image: np.ndarray, mask: np.ndarray, sha256: str, policy: str, view: int, seed: int
) -> View:
    """Return one view of an image and its mask.

    Parameters
    ----------
    image, mask : np.ndarray
        Shape (size, size), dtype uint8; the mask holds 0 and 1.
    sha256 : str
        Identity of the image.
    policy : str
        ``none`` or a name in `POLICIES`.
    view : int
        0 is the image itself, 1 its mirror image, from 2 on a random view.
    seed : int
        Seed of the policy's draws.

    Returns
    -------
    (np.ndarray, np.ndarray)
        Image and mask of the same shapes and dtypes.
    """
    if view == 0:
        return image, mask
    if view == 1:
        return _flip(image, mask, 1)
    return POLICIES[policy](image, mask, view_rng(policy, seed, sha256, view))
