"""The frozen part of a network, computed once per image and view and kept on disk.

What lies below a recipe's cut never changes, so its output is a property of (image, view). A bank
holds these outputs for every image of a data set; cells fill in what they need and share it.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import tensorflow as tf

from busi_utils import workspace
from busi_utils.audit.pixels import load_masks, load_pixels
from busi_utils.locks import lock_file
from busi_utils.models import to_input
from busi_utils.recipes import Recipe
from busi_utils.training.augment import make_view
from busi_utils.workspace import atomic_path

MASK_STRIDE = 16  # of the mask that accompanies a view: 14 x 14 at 224 x 224 input
_BATCH = 32
_VERSION = 1  # raise when the values of a bank change
_VIEW_SEED = 0


class Bank:
    """Outputs of the frozen part for (image, view), filled on demand.

    Parameters
    ----------
    files : pd.DataFrame
        Columns ``image_id, path, sha256``: every image that may be asked for.
    recipe : Recipe
        Its cut, fit, augmentation and views define the content.
    input_range : str
        One of `models.SIGNED`, `models.UNIT`, `models.RAW`.
    size : int
        Side of the network's input in pixels.
    trunk : keras.Model or None
        The frozen part, input (batch, size, size, 3); None keeps the pixels themselves.
    trunk_key : str
        Identity of the trunk (model, initialisation, cut).
    """

    def __init__(
        self,
        files: pd.DataFrame,
        recipe: Recipe,
        input_range: str,
        size: int,
        trunk: keras.Model | None,
        trunk_key: str,
    ) -> None:
        self.recipe, self.input_range, self.size, self.trunk = recipe, input_range, size, trunk
        self.sha256 = list(files["sha256"])
        self.row_of = {name: row for row, name in enumerate(files["image_id"])}
        self.pixels = load_pixels(files, size, recipe.fit, recipe.marks)
        self.masks = load_masks(files, size, recipe.fit) if recipe.mask_weight else None
        self.n_views = 2 + (recipe.views if recipe.augment != "none" else 0)
        shape = (size, size) if trunk is None else tuple(trunk.output.shape[1:])
        self.dtype = np.dtype(np.uint8 if trunk is None else np.float16)
        if trunk is not None and recipe.cut == "features":
            self.dtype = np.dtype(np.float32)
        folder = workspace.CACHE / "banks"
        self._stem = folder / self._identity(trunk_key)
        forms = {"done": (np.dtype(bool), ()), "values": (self.dtype, shape)}
        if recipe.mask_weight:
            forms["masks"] = (np.dtype(np.float16), (size // MASK_STRIDE,) * 2)
        with self._lock():
            kept = self._opened(forms, (len(files), self.n_views))
        self.done, self.values, self.view_masks = kept["done"], kept["values"], kept.get("masks")
        self._forward = None if trunk is None else tf.function(lambda x: trunk(x, training=False))

    def _identity(self, trunk_key: str) -> str:
        """Return the name of the files that hold exactly this content."""
        content = [
            _VERSION,
            trunk_key,
            self.input_range if self.trunk is not None else "",
            self.size,
            self.recipe.fit,
            self.recipe.augment,
            self.n_views,
            bool(self.recipe.mask_weight),
            self.sha256,
        ]
        if self.recipe.marks != "kept":
            content.append(self.recipe.marks)
        if self.masks is not None:
            content.append(hashlib.sha256(np.ascontiguousarray(self.masks)).hexdigest())
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:24]

    def _lock(self) -> AbstractContextManager[None]:
        return lock_file(self._stem.with_suffix(".lock"))

    def _opened(
        self, forms: dict[str, tuple[np.dtype, tuple[int, ...]]], start: tuple[int, int]
    ) -> dict[str, np.memmap]:
        """Map the files, making those that are absent or cut short; ``done`` falls with any."""
        paths = {name: Path(f"{self._stem}.{name}") for name in forms}
        sizes = {n: int(np.prod((*start, *form))) * d.itemsize for n, (d, form) in forms.items()}
        lost = [n for n, p in paths.items() if not p.exists() or p.stat().st_size != sizes[n]]
        if lost:
            paths["done"].unlink(missing_ok=True)  # first: zeros must not be taken for outputs
        for name in {"done", *lost} if lost else ():
            with atomic_path(paths[name]) as temporary, open(temporary, "wb") as handle:
                # All zero; a full disk shows here.
                os.posix_fallocate(handle.fileno(), 0, sizes[name])
        return {
            name: np.memmap(paths[name], dtype, "r+", shape=(*start, *form))
            for name, (dtype, form) in forms.items()
        }

    def rows(self, image_ids: Sequence[str]) -> np.ndarray:
        """Return the row of each image."""
        return np.array([self.row_of[name] for name in image_ids])

    def masks_sha256(self, image_ids: Sequence[str]) -> str:
        """Return the SHA-256 of the lesion masks of images; empty where none is learnt."""
        if self.masks is None:
            return ""
        masks = np.ascontiguousarray(self.masks[self.rows(image_ids)])
        return hashlib.sha256(masks).hexdigest()

    def require(
        self,
        rows: np.ndarray,
        views: Sequence[int],
        report: Callable[[str], None] = lambda line: None,
    ) -> int:
        """Compute what is missing of the given images and views; return how many there were.

        Two processes may ask at once: one computes, the other waits and finds it done. ``report``
        receives lines of progress.
        """
        with self._lock():
            wanted = [(r, v) for r in rows for v in views if not self.done[r, v]]
            for start in range(0, len(wanted), _BATCH):
                self._fill(wanted[start : start + _BATCH])
                report(f"frozen part, view {min(start + _BATCH, len(wanted))}/{len(wanted)}")
        return len(wanted)

    def require_for_training(
        self, rows: np.ndarray, report: Callable[[str], None] = lambda line: None
    ) -> None:
        """Compute the views that training draws from, and the images themselves if cheap to use."""
        random_views = list(range(2, self.n_views))
        itself = [] if random_views and not self.recipe.head_only else [0]
        self.require(rows, itself + random_views, report)

    def _fill(self, wanted: list[tuple[int, int]]) -> None:
        drawn = [self._view(row, view) for row, view in wanted]
        images = np.stack([image for image, _ in drawn])
        if self._forward is None:
            out = images
        else:
            # Always a full batch: the kernels then round alike however the work was divided.
            full = np.concatenate([images, np.repeat(images[-1:], _BATCH - len(images), 0)])
            out = self._forward(to_input(full, self.input_range)).numpy()[: len(images)]
        for (row, view), value, (_, mask) in zip(wanted, out, drawn, strict=True):
            self.values[row, view] = value
            if self.view_masks is not None:
                side = self.size // MASK_STRIDE
                blocks = mask.reshape(side, MASK_STRIDE, side, MASK_STRIDE)
                self.view_masks[row, view] = blocks.mean(axis=(1, 3), dtype=np.float32)
        for kept in (self.values, self.view_masks):
            if kept is not None:
                kept.flush()  # first: a power cut must not leave zeros taken for outputs
        rows, views = np.array(wanted).T
        self.done[rows, views] = True
        self.done.flush()

    def _view(self, row: int, view: int) -> tuple[np.ndarray, np.ndarray]:
        image = self.pixels[row]
        mask = np.zeros_like(image) if self.masks is None else self.masks[row]
        return make_view(image, mask, self.sha256[row], self.recipe.augment, view, _VIEW_SEED)

    def batch(self, rows: np.ndarray, views: np.ndarray) -> np.ndarray:
        """Return what the trained part reads, float32, for the given (row, view) pairs."""
        values = self.values[rows, views]
        if self.trunk is None:
            return to_input(values, self.input_range)
        return values.astype(np.float32)

    def whole_batches(self, rows: np.ndarray, size: int) -> Iterator[tf.Tensor]:
        """Yield the images as they are, ``size`` at a time in the order given, no rest."""
        self.require(rows, [0])
        for start in range(0, len(rows) - size + 1, size):
            yield tf.constant(self.batch(rows[start : start + size], np.zeros(size, int)))

    def mask_batch(self, rows: np.ndarray, views: np.ndarray) -> np.ndarray:
        """Return the lesion share of each cell, float32 (n, size / 16, size / 16), 0-1."""
        return self.view_masks[rows, views].astype(np.float32)
