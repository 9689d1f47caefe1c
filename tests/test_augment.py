"""A view depends on the image, the policy and its number, and on nothing else."""

import numpy as np
import pytest

from busi_utils.training.augment import POLICIES, make_view


@pytest.fixture
def picture() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    image = np.zeros((64, 64), np.uint8)
    image[10:54, 6:58] = rng.integers(40, 200, (44, 52))
    mask = np.zeros_like(image)
    mask[24:36, 20:40] = 1
    return image, mask


@pytest.mark.parametrize("policy", POLICIES)
def test_views_repeat_and_differ(picture, policy):
    one, mask_one = make_view(*picture, "abc", policy, 2, seed=0)
    again, mask_again = make_view(*picture, "abc", policy, 2, seed=0)
    np.testing.assert_array_equal(one, again)
    np.testing.assert_array_equal(mask_one, mask_again)
    assert one.dtype == mask_one.dtype == np.uint8
    assert one.shape == picture[0].shape
    assert set(np.unique(mask_one)) <= {0, 1}
    for other in (("abc", policy, 3, 0), ("abd", policy, 2, 0), ("abc", policy, 2, 1)):
        assert (make_view(*picture, *other)[0] != one).any()


def test_the_first_two_views_are_the_image_and_its_mirror_image(picture):
    image, mask = picture
    np.testing.assert_array_equal(make_view(image, mask, "a", "none", 0, 0)[0], image)
    flipped, flipped_mask = make_view(image, mask, "a", "physics", 1, 0)
    np.testing.assert_array_equal(flipped, image[:, ::-1])
    np.testing.assert_array_equal(flipped_mask, mask[:, ::-1])


@pytest.mark.parametrize("policy", POLICIES)
def test_the_mask_moves_with_the_lesion(policy):
    image = np.full((96, 96), 60, np.uint8)
    image[30:50, 40:70] = 220
    mask = (image == 220).astype(np.uint8)
    for view in range(2, 12):
        seen, seen_mask = make_view(image, mask, "lesion", policy, view, 0)
        inside, outside = seen[seen_mask == 1], seen[(seen_mask == 0) & (seen > 0)]
        assert np.median(inside) > np.median(outside) + 60


def test_only_the_vertical_policy_turns_the_skin_down():
    """The skin is on top: a flip about the horizontal axis is no change that a scanner makes."""
    image = np.full((64, 64), 40, np.uint8)
    image[:20] = 200
    empty = np.zeros_like(image)

    def upright(policy):
        views = [
            make_view(image, empty, "skin", policy, v, 0)[0].astype(float) for v in range(2, 26)
        ]
        return np.mean([view[8:24].mean() > view[40:56].mean() for view in views])

    assert upright("original") == upright("physics") == 1.0
    assert 0.2 < upright("original_vertical") < 0.8


def test_physics_leaves_margins_black(picture):
    image = picture[0].copy()
    image[:, :20] = 0
    empty = np.zeros_like(image)
    black = [
        (make_view(image, empty, "margin", "physics", v, 0)[0] == 0).mean() for v in range(2, 12)
    ]
    assert min(black) > 0.2
