"""Damage grows with its severity; what is taken away is gone, and nothing else."""

import cv2
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_busi import texture

from busi_utils.analysis.damage import CORRUPTIONS, corrupt
from busi_utils.audit.marks import annotation_mask, is_annotated, without_marks
from busi_utils.training.hidden_lesions import SHORTCUTS, border_only, changed, with_borrowed_masks

SIDE = 64
IMAGES = [cv2.copyMakeBorder(texture(seed, 48, SIDE), 8, 8, 0, 0, 0) for seed in range(6)]

SEVERITIES = (1, 2, 3, 4, 5)


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_damage_grows_with_severity(name):
    distance = [
        np.mean([
            np.abs(corrupt(image, name, severity, str(k)).astype(float) - image).mean()
            for k, image in enumerate(IMAGES)
        ])
        for severity in SEVERITIES
    ]  # fmt: skip
    assert all(b > a for a, b in zip([0.0, *distance], distance, strict=False)), distance


@given(name=st.sampled_from(list(CORRUPTIONS)), severity=st.sampled_from(SEVERITIES))
@settings(max_examples=40)
def test_damage_is_repeatable_and_leaves_the_image_alone(name, severity):
    before = IMAGES[0].copy()
    damaged = corrupt(IMAGES[0], name, severity, "a")
    assert damaged.shape == before.shape
    assert damaged.dtype == np.uint8
    np.testing.assert_array_equal(damaged, corrupt(IMAGES[0], name, severity, "a"))
    np.testing.assert_array_equal(IMAGES[0], before)


@pytest.mark.parametrize("name", ["gain", "contrast", "speckle"])
def test_grey_level_damage_leaves_the_padding_black(name):
    assert not corrupt(IMAGES[0], name, 5, "a")[IMAGES[0] == 0].any()


def _mask(x: int, y: int, width: int, height: int) -> np.ndarray:
    mask = np.zeros((SIDE, SIDE), np.uint8)
    mask[y : y + height, x : x + width] = 1
    return mask


def test_lesion_and_background_share_no_pixel():
    image, mask = IMAGES[1], _mask(20, 25, 16, 8)
    lesion, rest = (SHORTCUTS[name](image, mask) for name in ("lesion_only", "background_only"))
    np.testing.assert_array_equal(lesion[mask > 0], image[mask > 0])
    assert not rest[mask > 0].any()
    np.testing.assert_array_equal(lesion + rest, image)
    hidden = np.argwhere((rest == 0) & (image > 0))
    height, width = np.ptp(hidden, axis=0) + 1
    assert abs(height - width) <= 1, "the hole must not tell whether a lesion is taller than wide"
    np.testing.assert_array_equal(rest[:, :16], image[:, :16])


def test_each_of_several_lesions_is_hidden():
    mask = _mask(10, 20, 6, 6) | _mask(45, 30, 8, 8)
    rest = SHORTCUTS["background_only"](IMAGES[2], mask)
    assert not rest[mask > 0].any()
    between = np.s_[20:26, 25:35]
    np.testing.assert_array_equal(rest[between], IMAGES[2][between])


def test_the_border_keeps_a_frame_only():
    framed = border_only(IMAGES[3], IMAGES[3])
    edge = round(0.12 * SIDE)
    assert not framed[edge:-edge, edge:-edge].any()
    np.testing.assert_array_equal(framed[:, :edge], IMAGES[3][:, :edge])


def test_images_without_lesion_borrow_one():
    masks = np.stack([_mask(1, 2, 3, 4), np.zeros((SIDE, SIDE), np.uint8), _mask(9, 9, 5, 5)])
    filled = with_borrowed_masks(masks, seed=0)
    np.testing.assert_array_equal(filled[[0, 2]], masks[[0, 2]])
    assert any(np.array_equal(filled[1], masks[k]) for k in (0, 2))


def test_marks_are_filled_in_and_the_rest_stays():
    grey = cv2.GaussianBlur(np.full((200, 200), 70, np.uint8), (0, 0), 3)
    cv2.putText(grey, "12.5 mm", (60, 110), cv2.FONT_HERSHEY_SIMPLEX, 0.4, 255, 1)
    marks = annotation_mask(grey)
    assert marks.any()
    clean = without_marks(grey)
    assert not is_annotated(clean)
    np.testing.assert_array_equal(clean[~marks], grey[~marks])
    assert np.abs(clean[marks].astype(int) - 70).max() < 20
    assert without_marks(clean) is clean


def test_changed_images_come_from_files(tmp_path):
    names = ["benign (1)", "normal (1)"]
    for k, name in enumerate(names):
        cv2.imwrite(str(tmp_path / f"{name}.png"), IMAGES[k])
        mask = _mask(20, 25, 16, 8) if k == 0 else np.zeros((SIDE, SIDE), np.uint8)
        cv2.imwrite(str(tmp_path / f"{name}_mask.png"), 255 * mask)
    from busi_utils.audit.images import pixel_sha256

    files = pd.DataFrame({"image_id": names, "path": [str(tmp_path / f"{n}.png") for n in names]})
    files["sha256"] = [pixel_sha256(IMAGES[k]) for k in range(2)]
    outlines = changed(files, "outline_only", SIDE, "letterbox", seed=0)
    for outline in outlines:  # the normal image borrows the one mask there is
        np.testing.assert_array_equal(outline, 255 * _mask(20, 25, 16, 8))
