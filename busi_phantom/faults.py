"""The faults of BUSI, planted on purpose: twins, burnt-in marks and broken files."""

from __future__ import annotations

import cv2
import numpy as np

TWINS = ("exact", "rescaled", "cropped", "brightness")
MARK_SHARE = {"benign": 0.40, "malignant": 0.25, "normal": 0.06}  # as in BUSI: a shortcut
BROKEN = {  # fault -> class that receives one such file
    "truncated": "benign",
    "zero_byte": "malignant",
    "rgba": "benign",
    "sixteen_bit": "malignant",
    "non_image": "benign",
    "mis_sized": "benign",
    "mask_without_image": "malignant",
}
_LABELS = ("L C", "LT UOQ", "RT UIQ", "LEFT BREAST", "RT 9 O'CLOCK", "LT 3 O'CLOCK", "R-SUB")
_FONT = cv2.FONT_HERSHEY_SIMPLEX


def make_twin(
    rng: np.random.Generator, image: np.ndarray, masks: list[np.ndarray], kind: str
) -> tuple[np.ndarray, list[np.ndarray], str]:
    """Make the twin that a second export of the same frame would be.

    Parameters
    ----------
    rng : numpy.random.Generator
    image : uint8 (H, W)
    masks : list of bool (H, W)
    kind : {"exact", "rescaled", "cropped", "brightness"}

    Returns
    -------
    image : uint8 (h, w)
    masks : list of bool (h, w)
    detail : str
        The transform, for instance ``scale=0.83`` or ``x=12 y=0 width=400 height=380``.
    """
    height, width = image.shape
    if kind == "exact":
        return image.copy(), [mask.copy() for mask in masks], ""
    if kind == "brightness":
        gain, offset = rng.uniform(0.85, 1.15), int(rng.choice((-1, 1)) * rng.integers(8, 25))
        shifted = np.clip(np.rint(image * gain + offset), 0, 255).astype(np.uint8)
        return shifted, [m.copy() for m in masks], f"gain={gain:.3f} offset={offset:+d}"
    if kind == "rescaled":
        scale = rng.choice((rng.uniform(0.65, 0.92), rng.uniform(1.08, 1.35)))
        size = round(width * scale), round(height * scale)
        how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
        resized = [cv2.resize(m.astype(np.uint8), size, interpolation=0) > 0 for m in masks]
        return cv2.resize(image, size, interpolation=how), resized, f"scale={scale:.3f}"
    x, right, y, bottom = _crop_box(rng, image.shape, masks)
    detail = f"x={x} y={y} width={right - x} height={bottom - y}"
    return image[y:bottom, x:right].copy(), [m[y:bottom, x:right].copy() for m in masks], detail


def _crop_box(
    rng: np.random.Generator, shape: tuple[int, int], masks: list[np.ndarray]
) -> tuple[int, int, int, int]:
    """Cut 3-14 % off every side but the top, and no lesion pixel."""
    height, width = shape
    left, right, bottom = rng.uniform(0.03, 0.14, 3)
    x0, x1 = round(left * width), width - round(right * width)
    y1 = height - round(bottom * height)
    for mask in masks:
        rows, columns = np.nonzero(mask)
        x0, x1, y1 = min(x0, columns.min()), max(x1, columns.max() + 1), max(y1, rows.max() + 1)
    return int(x0), int(x1), 0, int(y1)


def burn_marks(
    rng: np.random.Generator, image: np.ndarray, masks: list[np.ndarray]
) -> tuple[np.ndarray, dict[str, str]]:
    """Burn text, calipers or both into a copy of an image, as a sonographer leaves them.

    Returns
    -------
    image : uint8 (H, W)
    marks : dict
        ``text`` and/or ``calipers`` with what was drawn; calipers need a lesion.
    """
    image, marks = image.copy(), {}
    both = rng.random()
    if masks and both < 0.7:
        marks["calipers"] = _calipers(rng, image, masks[0])
    if not marks or both < 0.3:
        marks["text"] = _text(rng, image)
    return image, marks


def _calipers(rng: np.random.Generator, image: np.ndarray, mask: np.ndarray) -> str:
    """Draw '+' at the ends of the widest and the tallest chord, with dotted lines between."""
    rows, columns = np.nonzero(mask)
    level = int(rng.integers(200, 256))
    middle_x, middle_y = round(columns.mean()), round(rows.mean())
    ends = [
        [(int(columns.min()), middle_y), (int(columns.max()), middle_y)],
        [(middle_x, int(rows.min())), (middle_x, int(rows.max()))],
    ]
    dotted = bool(rng.random() < 0.6)
    for start, stop in ends[: int(rng.integers(1, 3))]:
        for point in (start, stop):
            cv2.drawMarker(image, point, level, cv2.MARKER_CROSS, max(9, image.shape[1] // 45), 1)
        if dotted:
            steps = max(2, int(np.hypot(stop[0] - start[0], stop[1] - start[1]) // 6))
            dots = np.rint(np.linspace(start, stop, steps)).astype(int)
            image[dots[:, 1], dots[:, 0]] = level
    return "dotted" if dotted else "plain"


def _text(rng: np.random.Generator, image: np.ndarray) -> str:
    """Write a body-side label near an upper or a lower corner, in white on the image."""
    text = str(rng.choice(_LABELS))
    height, width = image.shape
    scale = width / 560 * rng.uniform(0.4, 0.6)
    (wide, tall), _ = cv2.getTextSize(text, _FONT, scale, 1)
    x = int(rng.uniform(0.03, 0.15) * width) if rng.random() < 0.7 else int(0.95 * width) - wide
    y = int(rng.uniform(0.08, 0.3) * height) if rng.random() < 0.6 else int(0.93 * height)
    cv2.putText(image, text, (max(x, 0), max(y, tall)), _FONT, scale, 245, 1, cv2.LINE_AA)
    return text


def png(array: np.ndarray) -> bytes:
    """Encode an image as PNG, or a bool mask as 1-bit PNG (the mode of BUSI's own masks).

    Entropy coding alone: speckle holds no repeats that a search would find.
    """
    if array.dtype == bool:
        options = [cv2.IMWRITE_PNG_BILEVEL, 1]
        array = array.astype(np.uint8) * 255
    else:
        options = [cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_HUFFMAN_ONLY]
    return cv2.imencode(".png", array, options)[1].tobytes()


def broken_files(
    fault: str, stem: str, image: np.ndarray, masks: list[np.ndarray]
) -> dict[str, bytes]:
    """Return the files (name -> content) of one broken case named ``stem``.

    ``rgba`` and ``sixteen_bit`` can be decoded, to the same grey image; the others cannot be used.
    """
    good = png(image)
    mask = png(masks[0])
    content = {
        "truncated": good[: len(good) // 2],
        "zero_byte": b"",
        "rgba": png(cv2.cvtColor(image, cv2.COLOR_GRAY2BGRA)),
        "sixteen_bit": png(image.astype(np.uint16) * 257),
        "non_image": b"This is a text file that carries the name of an image.\n",
        "mis_sized": good,
    }
    if fault == "mis_sized":
        mask = png(masks[0][:-7, :-11])
    files = {f"{stem}.png": content[fault]} if fault in content else {}
    return files | {f"{stem}_mask.png": mask}
