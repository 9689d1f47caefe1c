"""Burnt-in marks are told from echoes by their sharpness."""

import cv2
import numpy as np
import pytest

from busi_phantom.render import render_phantoms
from busi_utils.audit.marks import annotation_mask, annotation_score, is_annotated


@pytest.fixture(scope="module")
def plain() -> list[np.ndarray]:
    labels = ["benign", "malignant", "normal"] * 3
    return [phantom.image for phantom in render_phantoms(labels, seed=5)]


def draw_text(grey: np.ndarray, value: int) -> None:
    cv2.putText(grey, "LT AXILLA", (60, 260), cv2.FONT_HERSHEY_SIMPLEX, 0.7, value, 2)


def draw_callipers(grey: np.ndarray, value: int) -> None:
    for point in ((150, 150), (250, 190)):
        cv2.drawMarker(grey, point, value, cv2.MARKER_CROSS, 13, 2)
    for step in np.linspace(0, 1, 20):
        grey[round(150 + 40 * step), round(150 + 100 * step)] = value


def draw_box(grey: np.ndarray, value: int) -> None:
    cv2.rectangle(grey, (90, 80), (300, 240), value, 1)


MARKS = [draw_text, draw_callipers, draw_box]


def test_images_without_marks_are_not_annotated(plain):
    assert [is_annotated(grey) for grey in plain] == [False] * len(plain)
    assert not any(annotation_mask(grey).any() for grey in plain)


@pytest.mark.parametrize("draw", MARKS)
def test_marks_are_found_and_covered(plain, draw):
    covered = shown = outside = masked = 0
    for grey in plain:
        marked, drawn = grey.copy(), np.zeros_like(grey)
        draw(marked, 240)
        draw(drawn, 1)
        visible = (drawn > 0) & (marked.astype(int) - grey > 120)
        close = cv2.dilate(drawn, np.ones((9, 9), np.uint8)) > 0
        mask = annotation_mask(marked)
        assert mask.dtype == bool
        assert mask.any()
        assert is_annotated(marked)
        covered, shown = covered + mask[visible].sum(), shown + visible.sum()
        outside, masked = outside + mask[~close].sum(), masked + mask.sum()
    assert covered > 0.9 * shown
    assert outside < 0.05 * masked


def test_a_bright_thin_reflector_is_no_mark(plain):
    grey = plain[2].copy()
    line = np.zeros(grey.shape, np.float32)
    cv2.line(line, (60, 120), (400, 123), 200, 1)
    line = cv2.GaussianBlur(line, (0, 0), sigmaX=4, sigmaY=0.01)  # sharp in depth, wide sideways
    assert annotation_score(np.maximum(grey, line.astype(np.uint8))) < 10


def test_blur_turns_a_mark_into_an_echo(plain):
    marked = plain[0].copy()
    draw_text(marked, 240)
    assert annotation_score(cv2.GaussianBlur(marked, (0, 0), 3)) < annotation_score(marked) / 10


def test_the_makers_name_is_ignored(plain):
    grey = plain[1].copy()
    cv2.putText(grey, "LOGIQ", (4, 24), cv2.FONT_HERSHEY_SIMPLEX, 0.5, 255, 1)
    assert not is_annotated(grey)


@pytest.mark.parametrize("shape", [(1, 1), (3, 200), (30, 30)])
def test_tiny_images_pass(shape):
    grey = np.full(shape, 90, np.uint8)
    assert annotation_score(grey) == 0
    assert annotation_mask(grey).shape == shape
