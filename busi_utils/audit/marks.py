"""Find burnt-in marks (text, callipers, measurement lines, pictograms) from the pixels alone.

Graphics are written into the image after scan conversion, so they step from tissue to white within
one pixel and are a few pixels wide. Echoes cannot do that: the point-spread function of the
transducer spreads every structure over several pixels. Nothing is learnt from labels.
"""

from __future__ import annotations

import cv2
import numpy as np

_STEP = 60  # grey levels between direct neighbours
_THIN = 60  # grey levels above everything wider than the stroke
_STROKE = 5  # pixels; glyphs and callipers are drawn up to four pixels wide
_WINDOW = 41  # pixels; holds a calliper cross or two characters
_FEWEST = 10  # sideways sharp pixels in a window; the smallest calliper cross has 12
_GAP = 7  # pixels bridged between the dots of a line
_ANCHOR = 3  # sideways sharp pixels that make a connected stroke a mark
_BORDER = 2  # pixels at the image border, where cropped screenshots leave lines
_HEADER = 0.04  # top share of rows, where the field of view begins and the probe's frame is drawn
_FILL = 3  # pixels around a mark from which it is filled in
_LOGO = (0.09, 0.25)  # top share of rows and left share of columns that hold the maker's name


def annotation_score(grey: np.ndarray) -> float:
    """Count the sideways sharp pixels in the densest window of 41 × 41 pixels.

    Only steps to the left or right count: specular reflectors, which lie along the skin, may be
    as thin as a stroke but never end within one pixel sideways. The maker's name in the upper
    left corner, which nearly every BUSI image carries, is ignored.

    Parameters
    ----------
    grey : np.ndarray
        Shape (H, W), uint8, at the resolution of acquisition: scaling blurs the marks.

    Returns
    -------
    float
        0 or more; see `is_annotated` for the threshold.
    """
    window, border = (_WINDOW, _WINDOW), cv2.BORDER_CONSTANT
    sharp = _sharp(grey, sideways=True).astype(np.float32)
    return float(cv2.boxFilter(sharp, -1, window, normalize=False, borderType=border).max())


def is_annotated(grey: np.ndarray) -> bool:
    """Tell whether an image carries burnt-in marks: a score of 10 or more."""
    return annotation_score(grey) >= _FEWEST


def annotation_mask(grey: np.ndarray) -> np.ndarray:
    """Return the pixels of the burnt-in marks with a rim of one pixel, ready for inpainting.

    Parameters
    ----------
    grey : np.ndarray
        Shape (H, W), uint8, at the resolution of acquisition.

    Returns
    -------
    np.ndarray
        Shape (H, W), bool; all False for an image that is not annotated.
    """
    if not is_annotated(grey):
        return np.zeros(grey.shape, bool)
    sharp = _sharp(grey, sideways=False)
    reach = cv2.dilate(sharp.astype(np.uint8), np.ones((_GAP, _GAP), np.uint8))
    count, parts = cv2.connectedComponents(reach)
    anchors = np.bincount(parts[_sharp(grey, sideways=True)], minlength=count)
    anchors[0] = 0  # the background
    stroke = sharp | (_above_background(grey, _STROKE + 2) >= _THIN // 2)
    marks = stroke & (anchors >= _ANCHOR)[parts]
    return cv2.dilate(marks.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0


def without_marks(grey: np.ndarray) -> np.ndarray:
    """Return an image whose burnt-in marks are filled in from their surroundings.

    Parameters
    ----------
    grey : np.ndarray
        Shape (H, W), uint8, at the resolution of acquisition.

    Returns
    -------
    np.ndarray
        Like ``grey``; the image itself if it is not annotated.

    References
    ----------
    Telea, An image inpainting technique based on the fast marching method, J Graph Tools
    2004;9:23-34.
    """
    marks = annotation_mask(grey)
    if not marks.any():
        return grey
    return cv2.inpaint(grey, marks.astype(np.uint8), _FILL, cv2.INPAINT_TELEA)


def _sharp(grey: np.ndarray, sideways: bool) -> np.ndarray:
    """Return where a thin bright stroke steps down to a direct neighbour, outside the frame."""
    levels = np.pad(grey.astype(np.int16), 1, mode="edge")
    lowest = np.minimum(levels[1:-1, :-2], levels[1:-1, 2:])
    if not sideways:
        lowest = np.minimum(lowest, np.minimum(levels[:-2, 1:-1], levels[2:, 1:-1]))
    step = grey - lowest
    sharp = (step >= _STEP) & (_above_background(grey, _STROKE) >= _THIN)
    height, width = grey.shape
    sharp[: max(_BORDER, round(_HEADER * height))] = False
    sharp[height - _BORDER :] = False
    sharp[:, :_BORDER] = False
    sharp[:, width - _BORDER :] = False
    sharp[: round(_LOGO[0] * height), : round(_LOGO[1] * width)] = False
    return sharp


def _above_background(grey: np.ndarray, stroke: int) -> np.ndarray:
    """White top-hat: how far a pixel stands above whatever is at least ``stroke`` pixels wide."""
    return cv2.morphologyEx(grey, cv2.MORPH_TOPHAT, np.ones((stroke, stroke), np.uint8))
