import io
import multiprocessing
import resource
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from PIL import Image
from small_busi import encode, texture

from busi_utils import workspace
from busi_utils.audit.images import letterbox, pixel_sha256, read_grey, read_mask, squeeze
from busi_utils.audit.pixels import load_masks, load_pixels
from busi_utils.errors import StudyError


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setattr(workspace, "CACHE", tmp_path / "cache")
    return tmp_path / "cache"


@pytest.fixture
def files(tmp_path):
    rows = []
    for number, shape in enumerate([(96, 120), (130, 70), (40, 50)], start=1):
        path = tmp_path / f"benign ({number}).png"
        Image.fromarray(texture(number, *shape)).save(path)
        rows.append((path.stem, str(path), pixel_sha256(texture(number, *shape))))
    mask = np.zeros((96, 120), np.uint8)
    mask[10:30, 20:50] = 255
    Image.fromarray(mask).convert("1").save(tmp_path / "benign (1)_mask.png")
    Image.fromarray(mask[::-1].copy()).save(tmp_path / "Benign (1)_MASK_1.BMP")
    return pd.DataFrame(rows, columns=["image_id", "path", "sha256"])


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "LA", "P"])
def test_pixels_do_not_depend_on_the_encoding(tmp_path, mode):
    grey = texture(0)
    encode(grey, mode).save(tmp_path / "image.png")
    read = read_grey(tmp_path / "image.png")
    assert read.dtype == np.uint8
    np.testing.assert_array_equal(read, grey)
    assert pixel_sha256(read) == pixel_sha256(grey)


def test_identity_knows_the_shape():
    flat = np.zeros((4, 6), np.uint8)
    assert pixel_sha256(flat) != pixel_sha256(flat.T)
    assert pixel_sha256(np.asfortranarray(texture(0))) == pixel_sha256(texture(0))


def test_colours_become_luminance(tmp_path):
    colour = np.full((3, 3, 3), (200, 100, 50), np.uint8)
    Image.fromarray(colour).save(tmp_path / "colour.png")
    assert (read_grey(tmp_path / "colour.png") == round(0.299 * 200 + 0.587 * 100 + 5.7)).all()


def _png(grey: np.ndarray) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(grey).save(stream, "PNG")
    return stream.getvalue()


DEEP_GREY = cv2.imencode(".png", np.full((9, 9), 40000, np.uint16))[1].tobytes()
DEEP_COLOUR = cv2.imencode(".png", np.full((9, 9, 3), 40000, np.uint16))[1].tobytes()


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "empty"),
        (b"no image at all", "not a PNG, JPEG"),
        (_png(texture(0))[:2000], "truncated or damaged"),
        (_png(texture(0))[:20], "image.png"),
        (DEEP_GREY, "8 bits"),
        (DEEP_COLOUR, "8 bits"),
        (None, "does not exist"),
    ],
)
def test_a_bad_file_is_named(tmp_path, content, complaint):
    path = tmp_path / "image.png"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(StudyError, match=complaint) as error:
        read_grey(path)
    assert str(path) in str(error.value)


def test_mask_is_the_union_whatever_its_values(tmp_path):
    left = np.zeros((8, 8), np.uint8)
    left[:, :2] = 1
    right = np.zeros((8, 8), np.uint8)
    right[:, 6:] = 255
    Image.fromarray(left).save(tmp_path / "left.png")
    Image.fromarray(right).convert("1").save(tmp_path / "right.png")
    mask = read_mask([tmp_path / "left.png", tmp_path / "right.png"], (8, 8))
    np.testing.assert_array_equal(mask, (left + right) > 0)
    assert not read_mask([], (8, 8)).any()


def test_mask_of_another_size_is_refused(tmp_path):
    Image.new("1", (7, 8)).save(tmp_path / "mask.png")
    with pytest.raises(StudyError, match=r"mask.png is 7x8 pixels but its image is 8x8"):
        read_mask([tmp_path / "mask.png"], (8, 8))


@pytest.mark.parametrize("shape", [(300, 200), (200, 300), (31, 17), (1, 400), (64, 64)])
def test_letterbox_keeps_the_aspect_and_centres(shape):
    square = letterbox(np.full(shape, 255, np.uint8), 64)
    assert square.shape == (64, 64)
    rows, columns = np.flatnonzero(square.any(1)), np.flatnonzero(square.any(0))
    height, width = len(rows), len(columns)
    assert max(height, width) == 64
    assert abs(height - 64 * shape[0] / max(shape)) <= 1
    assert abs(width - 64 * shape[1] / max(shape)) <= 1
    assert abs(rows[0] - (63 - rows[-1])) <= 1
    assert abs(columns[0] - (63 - columns[-1])) <= 1
    assert (square[np.ix_(rows, columns)] == 255).all()


def test_shrinking_averages_instead_of_aliasing():
    stripes = np.zeros((128, 128), np.uint8)
    stripes[:, ::2] = 200
    assert np.ptp(squeeze(stripes, 32)) <= 1
    assert squeeze(stripes[:64], 32).shape == (32, 32)


@pytest.mark.parametrize(("fit", "place"), [("letterbox", letterbox), ("squeeze", squeeze)])
def test_cached_pixels_equal_direct_decoding(files, fit, place):
    for _ in range(2):
        pixels = load_pixels(files, 64, fit)
        assert isinstance(pixels, np.memmap)
        assert not pixels.flags.writeable
        expected = np.stack([place(read_grey(path), 64) for path in files["path"]])
        np.testing.assert_array_equal(pixels, expected)


def test_masks_lie_on_the_grid_of_the_pixels(files):
    masks = load_masks(files, 60)
    assert masks.dtype == np.uint8
    assert set(np.unique(masks)) == {0, 1}
    assert not masks[1:].any()
    expected = np.zeros((60, 60), bool)
    expected[6 + 5 : 6 + 15, 10:25] = True
    expected[6 + 33 : 6 + 43, 10:25] = True
    np.testing.assert_array_equal(masks[0], expected)


def test_a_changed_mask_is_read_again(files, tmp_path):
    before = load_masks(files, 60).sum()
    (tmp_path / "Benign (1)_MASK_1.BMP").unlink()
    assert load_masks(files, 60).sum() * 2 == before


def test_cache_is_used_without_the_files(files):
    expected = load_pixels(files, 32).copy()
    for path in files["path"]:
        Path(path).unlink()
    np.testing.assert_array_equal(load_pixels(files, 32), expected)


@pytest.mark.parametrize("keep", [0, 50, 3000])
def test_a_truncated_cache_file_is_rebuilt(files, cache, keep):
    expected = load_pixels(files, 32).copy()
    (file,) = cache.glob("*.npy")
    content = file.read_bytes()
    assert len(content) > keep
    file.write_bytes(content[:keep])
    np.testing.assert_array_equal(load_pixels(files, 32), expected)
    assert file.read_bytes() == content


def test_cache_knows_order_size_and_fit(files):
    pixels = load_pixels(files, 32)
    np.testing.assert_array_equal(load_pixels(files[::-1], 32), pixels[::-1])
    assert load_pixels(files, 48).shape == (3, 48, 48)
    assert (load_pixels(files, 32, "squeeze") != pixels).any()


def test_a_full_disk_is_told_and_leaves_nothing(files, cache):
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, limits[1]))
    try:
        with pytest.raises(StudyError, match="could not be written"):
            load_pixels(files, 32)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert not list(cache.glob("*.npy"))
    assert load_pixels(files, 32).shape == (3, 32, 32)


def test_an_image_changed_since_the_manifest_stops_the_run(files, cache):
    Image.fromarray(texture(9)).save(files["path"][1])
    with pytest.raises(StudyError, match=r"benign \(2\).png no longer holds"):
        load_pixels(files, 32)
    assert not list(cache.glob("*.npy"))


def test_unknown_fit_is_refused(files):
    with pytest.raises(StudyError, match="letterbox or squeeze"):
        load_pixels(files, 32, "crop")


def _load(cache, files, barrier, answers):
    workspace.CACHE = cache
    barrier.wait(timeout=60)
    answers.put(int(load_pixels(files, 64).astype(int).sum()))


def test_two_processes_at_once_build_one_cache(files, cache):
    context = multiprocessing.get_context("spawn")
    barrier, answers = context.Barrier(2), context.Queue()
    runs = [context.Process(target=_load, args=(cache, files, barrier, answers)) for _ in range(2)]
    for run in runs:
        run.start()
    sums = [answers.get(timeout=60) for _ in runs]
    for run in runs:
        run.join()
    assert [run.exitcode for run in runs] == [0, 0]
    assert sums == [load_pixels(files, 64).sum()] * 2
    assert len([path for path in cache.iterdir() if path.suffix == ".npy"]) == 1
