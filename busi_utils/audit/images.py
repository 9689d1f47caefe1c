"""Read images and masks, and bring them to one square size."""

from __future__ import annotations

import hashlib
import json
import struct
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

import cv2
import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from busi_utils.errors import StudyError

FORMATS = ("PNG", "JPEG", "BMP", "TIFF")
"""What is decoded, whatever the suffix says: Pillow hands other formats to other programs."""
RULES: dict[str, Any] = json.loads(
    (Path(__file__).parents[1] / "data" / "frame_rules.json").read_text(encoding="utf-8")
)
"""What makes a file no B-mode frame, and the sentences that say so; the page has the same."""
_DAMAGE = (OSError, SyntaxError, ValueError, LookupError, TypeError, EOFError, struct.error)
"""What Pillow raises where the bytes of a file do not mean what its header says."""
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)  # ours is stricter


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
        See `decode`.
    """
    return np.array(decode(path).convert("L"))


def decode(path: str | Path, least_side: int = 1) -> Image.Image:
    """Decode an 8-bit image, whose size and depth are judged by the header before.

    Returns
    -------
    PIL.Image.Image
        In mode L or RGB, as a camera's "turn me" wants it, without alpha.

    Raises
    ------
    StudyError
        If the file is missing, empty, truncated, no image, has several frames, more than 8 bits per
        channel, more pixels than `RULES` allow or a side of fewer than ``least_side``.
    """
    path = Path(path)
    try:
        if path.stat().st_size == 0:
            refuse(path, "empty")
        with Image.open(path, formats=FORMATS) as image:
            _judge_header(path, image, least_side)
            image = ImageOps.exif_transpose(image)
            return image.convert("L" if image.mode in ("1", "L") else "RGB")
    except FileNotFoundError as error:
        raise StudyError(f"{path} does not exist: restore it or correct the folder.") from error
    except PermissionError as error:
        raise StudyError(f"{path} may not be read: correct its permissions.") from error
    except UnidentifiedImageError:
        refuse(path, "no_image")
    except Image.DecompressionBombError:  # before the header can be asked
        most = millions(2 * Image.MAX_IMAGE_PIXELS)
        refuse(path, "huge", millions=f"over {most}", limit=millions(RULES["max_pixels"]))
    except _DAMAGE as error:
        refuse(path, "damaged", reason=str(error).strip() or type(error).__name__)


def refuse(path: Path, rule: str, **values: object) -> NoReturn:
    """Stop with the sentence of a rule in `RULES`."""
    raise StudyError(RULES["sentences"][rule].format(file=path, **values))


def millions(pixels: int) -> str:
    return f"{pixels / 1e6:.0f}"


def _judge_header(path: Path, image: Image.Image, least: int) -> None:
    pixels, most = image.width * image.height, RULES["max_pixels"]
    if pixels > most:
        refuse(path, "huge", millions=millions(pixels), limit=millions(most))
    if min(image.size) < least:
        refuse(path, "small", width=image.width, height=image.height, limit=least)
    if (frames := getattr(image, "n_frames", 1)) > 1:
        refuse(path, "frames", frames=frames)
    if image.mode[:1] in "IF" or any("16" in str(tile.args) for tile in image.tile):
        refuse(path, "deep", mode=image.mode)


def looks_like_mask(grey: np.ndarray) -> bool:
    """Whether an image holds one or two grey levels, or next to nothing else as a JPEG mask."""
    levels, counts = np.unique(grey, return_counts=True)
    if len(levels) < 3:
        return True
    middle = counts[(levels > 16) & (levels < grey.max() - 16)].sum()
    bright = counts[levels >= grey.max() - 16].sum()
    return bool(grey.max() > 64 and middle < 0.01 * grey.size and bright > 0.005 * grey.size)


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
