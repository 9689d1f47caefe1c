"""The search for twins finds what was done to a copy and nothing else."""

import cv2
import numpy as np
import pandas as pd
import pytest

from busi_phantom.render import render_phantoms
from busi_utils.audit import duplicates
from busi_utils.audit.duplicates import duplicate_groups, find_duplicates
from busi_utils.audit.sift import CODE_LENGTH, align, describe
from busi_utils.audit.tiles import tile_correlation

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def originals() -> list[np.ndarray]:
    labels = ["benign"] * 5 + ["malignant"] * 5 + ["normal"] * 5
    return [phantom.image for phantom in render_phantoms(labels, seed=11)]


def scaled(grey: np.ndarray, factor: float) -> np.ndarray:
    method = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
    return cv2.resize(grey, None, fx=factor, fy=factor, interpolation=method)


def cropped(grey: np.ndarray) -> np.ndarray:
    height, width = grey.shape
    return scaled(grey[: int(0.8 * height), width // 5 :], 1.3).copy()


def brightened(grey: np.ndarray) -> np.ndarray:
    return np.clip(0.85 * grey.astype(float) + 25, 0, 255).astype(np.uint8)


def marked(grey: np.ndarray) -> np.ndarray:
    copy = grey.copy()
    cv2.line(copy, (120, 120), (260, 200), 235, 1)
    cv2.drawMarker(copy, (120, 120), 235, cv2.MARKER_CROSS, 15, 2)
    cv2.putText(copy, "RT AXILLA", (60, 60), cv2.FONT_HERSHEY_SIMPLEX, 0.8, 235, 2)
    return copy


def compressed(grey: np.ndarray) -> np.ndarray:
    return cv2.imdecode(cv2.imencode(".jpg", grey, [cv2.IMWRITE_JPEG_QUALITY, 75])[1], 0)


def deformed(grey: np.ndarray) -> np.ndarray:
    """The next frame of a sweep: tissue shifted by up to three pixels, smoothly."""
    y, x = np.mgrid[: grey.shape[0], : grey.shape[1]].astype(np.float32)
    moved = (x + 3 * np.sin(y / 90), y + 2 * np.cos(x / 110))
    return cv2.remap(grey, *moved, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)


TWINS = {
    "exact": (np.copy, "exact"),
    "smaller": (lambda grey: scaled(grey, 0.7), "near"),
    "larger": (lambda grey: scaled(grey, 1.25), "near"),
    "cropped": (cropped, "cropped"),
    "brightened": (brightened, "near"),
    "marked": (marked, "near"),
    "compressed": (compressed, "near"),
    "deformed": (deformed, "near"),
}


def test_every_kind_of_twin_is_found_and_nothing_else(originals):
    twins = [make(originals[k]) for k, (make, _) in enumerate(TWINS.values())]
    pairs = find_duplicates(originals + twins)
    expected = [(k, len(originals) + k, kind) for k, (_, kind) in enumerate(TWINS.values())]
    assert list(pairs[["i", "j", "kind"]].itertuples(index=False, name=None)) == expected
    assert pairs["score"].between(0.35, 1).all()
    assert pairs.loc[pairs["kind"] == "exact", "score"].eq(1).all()


def test_the_answer_does_not_depend_on_the_order(originals):
    images = [*originals[:8], cropped(originals[0]), scaled(originals[1], 0.8), originals[2].copy()]
    order = np.random.default_rng(3).permutation(len(images))
    place = np.argsort(order)
    first = find_duplicates(images)
    second = find_duplicates([images[k] for k in order])
    moved = {
        (min(place[i], place[j]), max(place[i], place[j]), kind, score)
        for i, j, kind, score in first.itertuples(index=False)
    }
    assert moved == set(second.itertuples(index=False, name=None))
    assert len(first) == 3


def test_a_copy_of_a_copy_is_linked_to_every_copy(originals):
    images = [*originals[:5], originals[0].copy(), brightened(originals[0])]
    pairs = find_duplicates(images)
    assert set(zip(pairs["i"], pairs["j"], strict=True)) == {(0, 5), (0, 6), (5, 6)}
    assert duplicate_groups(7, pairs).tolist() == [0, 1, 2, 3, 4, 0, 0]


def test_equal_text_does_not_make_twins(originals):
    assert find_duplicates([marked(grey) for grey in originals[:10]]).empty


def test_few_pairs_are_compared_in_detail(originals, monkeypatch):
    images = originals + [grey[:, ::-1].copy() for grey in originals]
    checked = []
    monkeypatch.setattr(duplicates, "_verify", lambda *args: checked.append(1))
    monkeypatch.setattr(duplicates, "_NEIGHBOURS", 4)
    find_duplicates(images)
    assert len(images) / 2 <= len(checked) <= 4 * len(images)


def test_images_without_structure_are_no_twins():
    blank = [np.zeros((60, 80), np.uint8), np.full((90, 70), 128, np.uint8), np.ones((1, 1), "u1")]
    assert find_duplicates(blank).empty
    for features in describe(blank[0]):
        assert features.code.shape == (CODE_LENGTH,)
        assert not features.code.any()


@pytest.mark.parametrize("count", [0, 1])
def test_too_few_images_have_no_pairs(count):
    pairs = find_duplicates([np.zeros((50, 50), np.uint8)] * count)
    assert list(pairs.columns) == ["i", "j", "kind", "score"]
    assert pairs.empty


@pytest.mark.parametrize("wrong", [np.zeros((9, 9)), np.zeros((9, 9, 3), np.uint8)])
def test_only_grey_bytes_are_accepted(wrong):
    with pytest.raises(ValueError, match=r"image 0 is .* not uint8"):
        find_duplicates([wrong])


def test_alignment_recovers_scale_and_shift(originals):
    grey = cv2.resize(originals[0], (256, 200))
    part = cv2.resize(grey[20:170, 40:232], None, fx=4 / 3, fy=4 / 3)
    found = align(describe(grey)[0], describe(part)[0])
    assert found.scale == pytest.approx(4 / 3, rel=0.02)
    assert found.shift == pytest.approx([-40 * 4 / 3, -20 * 4 / 3], abs=1.5)
    back = found.inverse()
    assert back.scale * found.scale == pytest.approx(1)
    assert back.scale * found.shift + back.shift == pytest.approx([0, 0], abs=1e-4)


def test_tile_correlation_ignores_gain_and_marks(originals):
    grey, other = (cv2.resize(original, (300, 220)) for original in originals[:2])
    assert tile_correlation(grey, grey) == pytest.approx(1)
    assert tile_correlation(grey, marked(brightened(grey))) > 0.9
    assert tile_correlation(grey, other) < 0.35
    assert tile_correlation(np.zeros_like(grey), grey) == -1


def test_groups_are_transitive_and_numbered_by_first_appearance():
    pairs = pd.DataFrame({"i": [1, 3, 0], "j": [3, 4, 5]})
    assert duplicate_groups(6, pairs).tolist() == [0, 1, 2, 1, 1, 0]
    assert duplicate_groups(3, pairs.iloc[:0]).tolist() == [0, 1, 2]
