"""Find the images of a data set and the masks that belong to them, by name alone."""

from __future__ import annotations

import re
from pathlib import Path

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff")
_MASK = re.compile(r"(?P<image>.+?)[ _-]mask([ _-]*\(?\d+\)?)?", re.IGNORECASE)


def natural_key(name: str) -> tuple:
    """Sort key that puts ``benign (2)`` before ``benign (10)``."""
    parts = re.split(r"(\d+)", name.lower())
    return tuple((0, int(part), "") if part.isdigit() else (1, 0, part) for part in parts), name


def is_image_file(path: Path) -> bool:
    """Whether the name is that of an image file (hidden files are litter of the system)."""
    return path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".")


def image_stem_of_mask(path: Path) -> str | None:
    """Return the stem of the image that a mask belongs to, or None if the file is no mask."""
    match = _MASK.fullmatch(path.stem)
    return match["image"] if match else None


def masks_beside(folder: Path) -> dict[str, list[Path]]:
    """Map each image stem (lower case) to its masks in ``folder``, in natural order.

    ``benign (1)_mask.png``, ``benign (1)_mask_1.png`` and ``Benign (1)_MASK.JPG`` all belong to
    ``benign (1)``: the suffix of the file plays no part.
    """
    found: dict[str, list[Path]] = {}
    for path in sorted(folder.iterdir(), key=lambda path: natural_key(path.name)):
        if is_image_file(path) and (stem := image_stem_of_mask(path)) is not None:
            found.setdefault(stem.lower(), []).append(path)
    return found
