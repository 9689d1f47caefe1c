"""The pixels and masks of many images at one square size, decoded once and kept on disk."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from busi_utils import workspace
from busi_utils.audit.images import letterbox, pixel_sha256, read_grey, read_mask, squeeze
from busi_utils.audit.marks import without_marks
from busi_utils.audit.sources import masks_of
from busi_utils.errors import StudyError
from busi_utils.locks import lock_file
from busi_utils.workspace import atomic_path

Fit = Literal["letterbox", "squeeze"]
Marks = Literal["kept", "inpainted"]
_CACHE_VERSION = 1  # raise when the pixels that these functions return change


def load_pixels(
    files: pd.DataFrame, size: int, fit: Fit = "letterbox", marks: Marks = "kept"
) -> np.memmap:
    """Return the grey pixels of images, decoded once and memory-mapped from then on.

    Parameters
    ----------
    files : pd.DataFrame
        Columns ``image_id``, ``path`` (absolute) and ``sha256`` (of the grey pixels).
    size : int
        Side of the square in pixels.
    fit : {"letterbox", "squeeze"}
        Whether to keep the aspect.
    marks : {"kept", "inpainted"}
        What becomes of burnt-in marks, before the image is scaled.

    Returns
    -------
    np.memmap
        Shape (n, size, size), dtype uint8, 0-255, rows in the order of ``files``; read-only.

    Raises
    ------
    StudyError
        If a file cannot be read or no longer holds the pixels that the manifest knows.
    """
    place = _fitter(fit)

    def one(row: tuple[str, str]) -> np.ndarray:
        path, expected = row
        grey = read_grey(path)
        if pixel_sha256(grey) != expected:
            raise StudyError(
                f"{path} no longer holds the pixels that the manifest lists: "
                "restore the file or build the manifest anew."
            )
        return place(grey if marks == "kept" else without_marks(grey), size)

    rows = list(zip(files["path"], files["sha256"], strict=True))
    kind = "pixels" if marks == "kept" else "unmarked"
    return _cached(kind, fit, size, list(files["sha256"]), rows, one)


def load_masks(files: pd.DataFrame, size: int, fit: Fit = "letterbox") -> np.memmap:
    """Return the lesion masks (union per image) on the same grid as `load_pixels`.

    A cell is lesion where the area-averaged mask covers at least half of it.

    Returns
    -------
    np.memmap
        Shape (n, size, size), dtype uint8, 0 or 1; read-only. All 0 for an image without mask.
    """
    place = _fitter(fit)
    rows = list(zip(files["path"], masks_of(files["path"]), strict=True))

    def one(row: tuple[str, list[Path]]) -> np.ndarray:
        path, masks = row
        if not masks:
            return np.zeros((size, size), np.uint8)
        mask = read_mask(masks, read_grey(path).shape)
        return (place(mask.astype(np.uint8) * 255, size) >= 128).astype(np.uint8)

    def identity(sha256: str, masks: list[Path]) -> str:
        return sha256 + "".join(hashlib.sha256(mask.read_bytes()).hexdigest() for mask in masks)

    keys = [identity(sha, row[1]) for sha, row in zip(files["sha256"], rows, strict=True)]
    return _cached("masks", fit, size, keys, rows, one)


def _fitter(fit: Fit) -> Callable[[np.ndarray, int], np.ndarray]:
    fitters = {"letterbox": letterbox, "squeeze": squeeze}
    if fit not in fitters:
        raise StudyError(f"Unknown fit {fit!r}: choose letterbox or squeeze.")
    return fitters[fit]


def _cached(
    kind: str, fit: str, size: int, keys: list[str], rows: list, one: Callable[[tuple], np.ndarray]
) -> np.memmap:
    """Map the array of ``one(row)`` for all rows, building its file if it is absent or damaged."""
    recipe = f"{_CACHE_VERSION}:{kind}:{fit}:{size}:" + ",".join(keys)
    path = workspace.CACHE / f"{kind}_{size}_{hashlib.sha256(recipe.encode()).hexdigest()[:20]}.npy"
    shape = (len(rows), size, size)
    with lock_file(Path(f"{path}.lock")):  # a second run waits, then reads the first one's file
        if (array := _mapped(path, shape)) is not None:
            return array
        header = {"descr": "|u1", "fortran_order": False, "shape": shape}
        # Ordinary writes: a full disk is then an error, on a mapped file it kills the process.
        with atomic_path(path) as temporary, temporary.open("wb") as file:
            np.lib.format.write_array_header_1_0(file, header)
            with ThreadPoolExecutor() as pool:
                for square in pool.map(one, rows):
                    file.write(square.tobytes())
    return _mapped(path, shape)


def _mapped(path: Path, shape: tuple[int, ...]) -> np.memmap | None:
    """Map a cache file, or return None if it is absent, truncated or of another shape."""
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    return array if array.shape == shape and array.dtype == np.uint8 else None
