"""Masks on made shapes: Dice, boxes, which region, the box cut out, and what takes no part."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import f1_score

from busi_utils.analysis import masks
from busi_utils.analysis.masks import Rule

RNG = np.random.default_rng(5)


def test_dice_is_the_f1_score_of_the_pixels():
    one, other = RNG.random((2, 30, 40)) > 0.6
    assert masks.dice(one, other) == pytest.approx(f1_score(other.ravel(), one.ravel()))
    assert masks.dice(one, one) == 1
    assert masks.dice(one, ~one) == 0
    assert np.isnan(masks.dice(one & ~one, one & ~one))


def test_a_box_bounds_its_mask():
    mask = np.zeros((50, 60), bool)
    mask[10:22, 30:35] = True
    assert masks.box_of(mask) == (30, 10, 5, 12)


@pytest.mark.parametrize(
    ("threshold", "component", "box"),
    [
        (0.5, "largest", (2, 3, 8, 4)),
        (0.5, "strongest", (20, 20, 2, 2)),
        (0.99, "largest", (2, 3, 8, 4)),  # nothing lies there: half of the highest, .45, does
    ],
)
def test_the_rule_names_the_region(threshold, component, box):
    shares = np.full((40, 40), 0.1)
    shares[3:7, 2:10], shares[20:22, 20:22] = 0.6, 0.9
    assert masks.box_of(masks.lesion_of(shares, Rule(threshold, component))) == box


def test_a_drawn_rectangle_is_measured_in_the_image_not_in_its_padding():
    """Logits of whole cells, in an image twice as wide as tall: 224 x 112 in the square."""
    logits = np.full((14, 14), -9.0)
    logits[5:8, 4:10] = 9.0
    logits[0:2] = 9.0  # in the padding: no lesion can lie there
    inside = np.zeros((224, 224), bool)
    inside[56:168] = True
    truth = np.zeros((224, 224), bool)
    truth[80:128, 64:160] = True
    found = masks.measures(logits, inside, truth, Rule(0.5, "largest"))
    assert found["dice"] > 0.97
    assert found["share"] == pytest.approx(48 * 96 / inside.sum(), rel=0.1)
    assert found["elongation"] == pytest.approx(0.5, rel=0.05)
    assert np.isnan(masks.measures(logits, inside, truth & False, Rule(0.5, "largest"))["dice"])


def test_a_second_look_is_the_box_in_the_images_own_pixels():
    grey = np.ones((448, 896), np.uint8)
    grey[96:288, 256:640] = 200  # the rectangle above, four times as large
    logits = np.full((14, 14), -9.0)
    logits[5:8, 4:10] = 9.0
    look = masks.cut_out(grey, logits, 0.0, Rule(0.5, "largest"), 224)
    assert np.allclose(look.shape, (192, 384), atol=16)
    assert (look == 200).mean() > 0.9
    wider = masks.cut_out(grey, logits, 0.5, Rule(0.5, "largest"), 224)
    assert np.allclose(wider.shape, (384, 768), atol=32)


def _tables() -> pd.DataFrame:
    """Two folds, each with an inner validation image that the other tests."""
    rows = [
        ("validation", 0, "a", 0.9, 0.2),
        ("test", 0, "b", 0.1, 0.3),
        ("validation", 1, "b", 0.1, 0.8),
        ("test", 1, "a", 0.2, 0.9),
    ]
    tables = [
        pd.DataFrame(rows, columns=["part", "fold", "image_id", "x", "y"]).assign(
            threshold=threshold, component="largest", dice=lambda t, c=column: t[c]
        )
        for threshold, column in ((0.3, "x"), (0.5, "y"))
    ]
    return pd.concat(tables, ignore_index=True)


def test_no_test_image_takes_part_in_a_choice():
    learnt = masks.without_fold(_tables(), 0)
    assert set(learnt["image_id"]) == {"a"}
    assert masks.best_rule(learnt) == Rule(0.3, "largest")
    assert masks.best_rule(masks.without_fold(_tables(), 1)) == Rule(0.5, "largest")


def test_the_margin_is_that_of_least_loss_and_never_none():
    seen = pd.DataFrame({"part": ["validation"] * 3, "label": "benign", "margin": [0.0, 0.25, 0.5]})
    seen = seen.assign(p_normal=0.0, p_benign=[0.9, 0.5, 0.7], p_malignant=[0.1, 0.5, 0.3])
    assert masks.best_margin(seen) == 0.5
