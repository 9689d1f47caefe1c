"""The synthetic images obey the physics they claim, and never depend on what is around them."""

import numpy as np
import pytest

from busi_phantom.fields import Grid, Tissue
from busi_phantom.render import (
    SCANNERS,
    beamform,
    complex_noise,
    compress,
    render_phantom,
    render_phantoms,
    simulate_envelope,
)
from busi_utils.errors import StudyError

COUNT = 24


@pytest.fixture(scope="module")
def benign():
    return render_phantoms(["benign"] * COUNT, seed=5)


@pytest.fixture(scope="module")
def malignant():
    return render_phantoms(["malignant"] * COUNT, seed=5)


def homogeneous(grid, attenuation=0.0):
    flat = np.zeros(grid.shape, np.float32)
    return Tissue(flat, flat.copy(), flat + np.float32(attenuation))


def level_behind(phantom):
    """Grey level just behind the first lesion, minus that beside it at the same depth."""
    rows, columns = np.nonzero(phantom.masks[0])
    start, tall = rows.max() + 6, np.ptp(rows) // 2 + 10
    left, right = columns.min(), columns.max()
    quarter = (right - left) // 4
    band = phantom.image[start : start + tall].astype(float)
    beside = [
        band[:, max(0, left - 2 * quarter) : left - 4],
        band[:, right + 4 : right + 2 * quarter],
    ]
    return band[:, left + quarter : right - quarter].mean() - np.hstack(beside).mean()


def width_over_height(phantom):
    rows, columns = np.nonzero(phantom.masks[0])
    return (np.ptp(columns) + 1) / (np.ptp(rows) + 1)


def test_same_seed_same_pixels_and_another_seed_others():
    first, again = (render_phantoms(["benign", "normal"], seed=3) for _ in range(2))
    other = render_phantoms(["benign", "normal"], seed=4)
    for a, b, c in zip(first, again, other, strict=True):
        assert a.image.tobytes() == b.image.tobytes()
        assert all((m == n).all() for m, n in zip(a.masks, b.masks, strict=True))
        assert a.image.shape != c.image.shape or (a.image != c.image).any()


def test_an_image_depends_on_its_own_place_and_label_only():
    labels = ["benign", "malignant", "normal", "benign"]
    whole = render_phantoms(labels, seed=3)
    part = render_phantoms(["normal", *labels[1:3]], seed=3)
    assert (whole[1].image == part[1].image).all()
    assert (whole[2].image == part[2].image).all()
    assert (whole[3].image == render_phantom("benign", 3, seed=3).image).all()
    assert whole[0].image.shape != part[0].image.shape or (whole[0].image != part[0].image).any()


def test_classes_do_not_share_their_random_numbers():
    groups = [render_phantoms([label] * 4, seed=3) for label in ("benign", "normal")]
    ratios = np.array([[p.image.shape[1] / p.image.shape[0] for p in group] for group in groups])
    assert (np.abs(ratios[0] - ratios[1]) > 0.01).any()  # drawn first, whatever the class


def test_images_and_masks_have_the_promised_form(benign):
    images = benign + render_phantoms(["normal"] * 3, seed=5)
    assert len({p.image.shape for p in images}) > COUNT // 2  # sizes vary
    for phantom in images:
        height, width = phantom.image.shape
        assert phantom.image.dtype == np.uint8
        assert 300 <= width <= 700
        assert height != width
        assert (phantom.label == "normal") == (not phantom.masks)
        for mask in phantom.masks:
            assert mask.dtype == bool
            assert mask.shape == phantom.image.shape
            assert 0.002 < mask.mean() < 0.35
    assert [len(p.masks) for p in benign[:3]] == [1, 2, 1]


def test_speckle_is_fully_developed():
    rng = np.random.default_rng(0)
    spread = np.linspace(0.8, 2.5, 400, dtype=np.float32)
    field = beamform(complex_noise(rng, (400, 256)), 1.1, spread)
    envelope = np.abs(field)
    # A Rayleigh variable has mean/std sqrt(pi / (4 - pi)) = 1.913 (Goodman 2007)
    assert envelope.mean() / envelope.std() == pytest.approx(1.913, abs=0.05)
    assert (envelope[:100] ** 2).mean() == pytest.approx(1, abs=0.06)
    assert (envelope[-100:] ** 2).mean() == pytest.approx(1, abs=0.06)  # unit power at any depth
    assert np.mean(field.real * field.imag) == pytest.approx(0, abs=0.02)


@pytest.mark.parametrize("name", SCANNERS)
def test_speckle_widens_with_depth(name):
    grid = Grid(45.0, 40.0, 224, 300)
    envelope = simulate_envelope(np.random.default_rng(1), grid, homogeneous(grid), SCANNERS[name])

    def neighbour_correlation(rows):
        centred = rows - rows.mean(axis=1, keepdims=True)
        return (centred[:, 2:] * centred[:, :-2]).mean() / centred.var()

    shallow, deep = neighbour_correlation(envelope[:75]), neighbour_correlation(envelope[-75:])
    assert deep > shallow + 0.1


def test_scanner_b_has_the_coarser_speckle():
    grid = Grid(45.0, 40.0, 224, 300)

    def axial_correlation(name):
        envelope = simulate_envelope(
            np.random.default_rng(1), grid, homogeneous(grid), SCANNERS[name]
        )[60:240]
        centred = envelope - envelope.mean()
        return (centred[2:] * centred[:-2]).mean() / centred.var()

    assert axial_correlation("B") > axial_correlation("A") + 0.1


def test_attenuation_follows_the_path():
    grid = Grid(45.0, 40.0, 224, 300)
    machine = SCANNERS["A"]
    clear, lossy = (
        simulate_envelope(np.random.default_rng(2), grid, homogeneous(grid, loss), machine)
        for loss in (0.0, 0.5)
    )
    ratio = 20 * np.log10((clear**2).mean(axis=1) / (lossy**2).mean(axis=1)) / 2
    depth = grid.depth_axis
    near = slice(40, 200)  # above the noise floor
    assert np.polyfit(depth[near], ratio[near], 1)[0] == pytest.approx(0.5, abs=0.03)


def test_log_compression_spans_the_dynamic_range():
    machine = SCANNERS["A"]
    levels = np.array([0.0, -machine.dynamic_range / 2, -machine.dynamic_range, -200.0])
    grey = compress(10 ** (levels / 20), 0.0, machine)
    assert grey == pytest.approx([1, 0.5, 0, 0], abs=1e-6)


def test_lesions_are_darker_than_what_surrounds_them(benign, malignant):
    for group in (benign, malignant):
        darker = [p.image[p.masks[0]].mean() < p.image[~p.masks[0]].mean() for p in group]
        assert np.mean(darker) > 0.85


def test_enhancement_behind_benign_and_shadow_behind_malignant(benign, malignant):
    behind = {
        name: [level_behind(p) for p in group]
        for name, group in (("benign", benign), ("malignant", malignant))
    }
    assert np.median(behind["benign"]) > 3
    assert np.median(behind["malignant"]) < -12
    assert max(behind["malignant"]) > min(behind["benign"])  # one sign alone does not decide


def test_benign_lie_wide_and_malignant_stand_tall_with_overlap(benign, malignant):
    wide = np.array([width_over_height(p) for p in benign])
    tall = np.array([width_over_height(p) for p in malignant])
    assert np.median(wide) > 1.2
    assert np.median(tall) < 0.95
    assert wide.min() < tall.max()


def test_unusable_requests_are_refused():
    with pytest.raises(StudyError, match="no scanner 'C'"):
        render_phantoms(["benign"], 0, scanner="C")
    with pytest.raises(StudyError, match="no class 'cyst'"):
        render_phantoms(["cyst"], 0)
    with pytest.raises(StudyError, match="negative"):
        render_phantoms(["benign"], -1)
