"""Read images and masks, bring them to one square size, and keep them decoded on disk."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
import pandas as pd
from filelock import FileLock
from PIL import Image, UnidentifiedImageError

from busi_utils import workspace
from busi_utils.audit.marks import without_marks
from busi_utils.audit.sources import masks_beside
from busi_utils.errors import StudyError
from busi_utils.workspace import atomic_path

Fit = Literal["letterbox", "squeeze"]
Marks = Literal["kept", "inpainted"]
_CACHE_VERSION = 1  # raise when the pixels that these functions return change


def read_grey(path: str | Path) -> np.ndarray:
    """Decode an 8-bit image to grey.

    Equal colour channels give their common value exactly; unequal ones the luminance
    0.299 R + 0.587 G + 0.114 B (ITU-R BT.601, rounded). An alpha channel is dropped.

    Returns
    -------
    np.ndarray
        Shape (height, width), dtype uint8.

    Raises
    ------
    StudyError
        If the file is missing, empty, truncated, no image, or has more than 8 bits per channel.
    """
    path = Path(path)
    try:
        if path.stat().st_size == 0:
            raise StudyError(f"{path} is empty (0 bytes): copy it again from the data set.")
        with Image.open(path) as image:
            if image.mode[:1] in "IF" or any("16" in str(tile.args) for tile in image.tile):
                raise StudyError(
                    f"{path} has more than 8 bits per channel ({image.mode}): "
                    "export it as an 8-bit greyscale PNG."
                )
            if image.mode not in ("1", "L"):
                image = image.convert("RGB")  # palettes and alpha end here
            return np.array(image.convert("L"))
    except FileNotFoundError as error:
        raise StudyError(f"{path} does not exist: restore it or correct the folder.") from error
    except UnidentifiedImageError as error:
        raise StudyError(
            f"{path} is not an image: remove it, or copy it again from the data set."
        ) from error
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise StudyError(
            f"{path} could not be decoded ({error}): it is truncated or damaged, copy it again."
        ) from error


def pixel_sha256(grey: np.ndarray) -> str:
    """Return the identity of an image: the SHA-256 of its shape and grey pixels.

    Copies of BUSI in circulation differ in encoding (RGB, RGBA, grey) but not in these pixels.
    """
    height, width = grey.shape
    digest = hashlib.sha256(f"{height}x{width}:".encode())
    digest.update(np.ascontiguousarray(grey, dtype=np.uint8))
    return digest.hexdigest()


def read_mask(files: Sequence[str | Path], shape: tuple[int, int]) -> np.ndarray:
    """Return the union of an image's masks (none: all False).

    A mask is what exceeds half of the file's own maximum, so that 0/255, 0/1 and JPEG masks agree.

    Parameters
    ----------
    files : sequence of path
        The mask files.
    shape : (int, int)
        Height and width of the image.

    Returns
    -------
    np.ndarray
        Shape ``shape``, dtype bool.

    Raises
    ------
    StudyError
        If a mask cannot be read or its size is not that of the image.
    """
    union = np.zeros(shape, bool)
    for path in files:
        grey = read_grey(path)
        if grey.shape != tuple(shape):
            raise StudyError(
                f"The mask {path} is {grey.shape[1]}x{grey.shape[0]} pixels but its image is "
                f"{shape[1]}x{shape[0]}: replace the one that is not the original."
            )
        union |= grey > grey.max() / 2
    return union


def _resize(grey: np.ndarray, width: int, height: int) -> np.ndarray:
    if grey.shape == (height, width):
        return grey
    shrinks = grey.shape[0] * grey.shape[1] > height * width
    method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR  # area averaging avoids aliasing
    return cv2.resize(grey, (width, height), interpolation=method)


def letterbox(grey: np.ndarray, size: int) -> np.ndarray:
    """Scale the longer side to ``size``, centre, and pad with 0; width/height is kept.

    Aspect is a BI-RADS descriptor of lesions (taller than wide), which squeezing would destroy.

    Parameters
    ----------
    grey : np.ndarray
        Shape (height, width), dtype uint8.
    size : int
        Side of the returned square (dtype uint8) in pixels.
    """
    scale = size / max(grey.shape)
    height, width = (max(1, round(side * scale)) for side in grey.shape)
    top, left = (size - height) // 2, (size - width) // 2
    square = np.zeros((size, size), np.uint8)
    square[top : top + height, left : left + width] = _resize(grey, width, height)
    return square


def squeeze(grey: np.ndarray, size: int) -> np.ndarray:
    """Scale both sides to ``size``, aspect lost, as most published pipelines do."""
    return _resize(grey, size, size)


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
    beside = {folder: masks_beside(folder) for folder in {Path(p).parent for p in files["path"]}}
    rows = [(p, beside[Path(p).parent].get(Path(p).stem.lower(), [])) for p in files["path"]]

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
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StudyError(
            f"The cache folder {path.parent} cannot be made ({error.strerror}): "
            "set BUSI_CACHE to a folder that can be written."
        ) from error
    with FileLock(f"{path}.lock"):  # a second run waits here and then reads the first one's file
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
