"""The page of the released network, in real Chromium: the command's answers and sentences."""

from __future__ import annotations

import io
import re
import struct
import zlib
from importlib.util import find_spec
from shutil import which

import cv2
import numpy as np
import pytest
from PIL import Image

from busi_phantom.render import render_phantoms
from busi_report import page, page_check
from busi_utils import CLASSES
from busi_utils.errors import StudyError

LACKING = [name for name in ("npm", "node") if not which(name)]
LACKING += [] if page_check.chromium() else ["chromium"]
LACKING += [] if find_spec("onnxruntime") else ["onnxruntime"]
LACKING += [] if (page.RELEASE / page.NETWORK).is_file() else ["the released network"]
LACKING += [] if page.installed(development=True) else ["the packages of 'make check-page'"]
in_chromium = pytest.mark.skipif(bool(LACKING), reason=f"the page needs {', '.join(LACKING)}")
FORMS = ("L", "RGB", "RGBA", "P", "LA")


def phantoms(folder):
    """20 phantoms of two scanners in every form of PNG, and as BMP."""
    for scanner in "AB":
        found = render_phantoms([CLASSES[k % 3] for k in range(10)], seed=7, scanner=scanner)
        for k, phantom in enumerate(found):
            image = Image.fromarray(phantom.image)
            form = FORMS[k % len(FORMS)]
            if "A" in form:  # alpha is dropped, not blended
                alpha = np.resize(np.arange(256, dtype=np.uint8), phantom.image.shape)
                image = image.convert("RGB" if form == "RGBA" else "L")
                image.putalpha(Image.fromarray(alpha))
            suffix = ".bmp" if scanner == "B" and k > 7 else ".png"
            image.convert("RGB" if suffix == ".bmp" else form).save(
                folder / f"{scanner}{k}{suffix}"
            )


def picture(array, suffix=".png", **options):
    """Return an encoded image."""
    file = io.BytesIO()
    Image.fromarray(array).save(file, {".jpg": "jpeg"}.get(suffix, suffix[1:]), **options)
    return file.getvalue()


def huge():
    """A PNG whose header promises 50 megapixels: whoever decodes it finds none."""
    header = struct.pack(">IIBBBBB", 10_000, 5_000, 8, 0, 0, 0, 0)
    parts = [(b"IHDR", header), (b"IDAT", zlib.compress(b"")), (b"IEND", b"")]
    chunks = [
        struct.pack(">I", len(d)) + n + d + struct.pack(">I", zlib.crc32(n + d)) for n, d in parts
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def odd_files():
    """Files that are no B-mode frame, by name."""
    rng = np.random.default_rng(0)
    grey = render_phantoms(["benign"], seed=1)[0].image
    colour = np.repeat(grey[..., None], 3, axis=2)
    doppler = colour.copy()
    cv2.circle(doppler, (200, 150), 5, (220, 20, 20), -1)  # a small vessel
    mask = cv2.circle(np.zeros((200, 300), np.uint8), (150, 100), 40, 255, -1)
    frames = [Image.fromarray(np.roll(grey, k, axis=0)) for k in (0, 5)]
    cine = io.BytesIO()
    frames[0].save(cine, "png", save_all=True, append_images=frames[1:])
    return {
        "text.png": b"not an image at all",
        "empty.png": b"",
        "truncated.png": picture(grey)[:-5000],
        "truncated.jpg": picture(grey, ".jpg")[:-5000],
        "flipped.png": picture(grey)[:3000] + b"\0" * 40 + picture(grey)[3040:],
        "only_header.jpg": picture(grey, ".jpg")[:30],
        "huge.png": huge(),
        "deep.png": picture(grey.astype(np.uint16) * 257),
        "deep_colour.png": cv2.imencode(".png", colour.astype(np.uint16) * 257)[1].tobytes(),
        "photograph.jpg": picture(
            cv2.resize(rng.integers(0, 255, (6, 8, 3), np.uint8), (400, 300)), ".jpg"
        ),
        "doppler.png": picture(doppler),
        "mask.png": picture(mask),
        "uniform.png": picture(np.full((200, 200), 90, np.uint8)),
        "small.png": picture(grey[:20]),
        "cine.png": cine.getvalue(),
        "scan.dcm": b"\0" * 128 + b"DICM",
    }


@pytest.fixture(scope="module")
def seen(tmp_path_factory):
    """What the page said of good and odd files, and what the command's functions say."""
    from busi_utils.deploy.prediction import Release, read_frame

    folder = tmp_path_factory.mktemp("files")
    phantoms(folder)
    grey = render_phantoms(["malignant"], seed=2)[0].image
    (folder / "named_png.jpg").write_bytes(picture(grey))
    turned = Image.Exif()
    turned[0x0112] = 6  # a camera's "turn me"
    (folder / "turned.jpg").write_bytes(picture(grey, ".jpg", quality=95, exif=turned))
    (folder / "turned.png").write_bytes(picture(grey, exif=turned))
    for name, content in odd_files().items():
        (folder / name).write_bytes(content)
    release, expected = Release(threads=1), {}
    for path in folder.iterdir():
        try:
            expected[path.name] = release.ask(read_frame(path)).probabilities
        except StudyError as error:
            expected[path.name] = str(error).replace(f"{path}", path.name)
    built = page.build_page(folder.parent / "page.html")
    return page_check.opened(built, folder), expected


@in_chromium
def test_the_page_answers_as_the_command(seen):
    said, expected = seen
    odd = odd_files()
    good = [name for name in expected if name not in odd]
    assert len(good) == 23
    for name in good:
        probabilities = said["answers"][name].get("probabilities")
        assert probabilities is not None, said["answers"][name]
        tolerance = 0.01 if name == "turned.jpg" else 1e-4  # JPEG decoders may round otherwise
        np.testing.assert_allclose(probabilities, expected[name], atol=tolerance, err_msg=name)
        assert np.argmax(probabilities) == np.argmax(expected[name])


@in_chromium
def test_the_page_refuses_in_the_commands_words(seen):
    said, expected = seen
    for name in odd_files():
        without_detail = re.compile(r" \(.*\)(?=[ :])")
        sentence = said["answers"][name].get("refused")
        assert sentence, f"{name} was answered"
        assert without_detail.sub("", sentence) == without_detail.sub("", expected[name])


@in_chromium
def test_nothing_goes_wrong_and_all_is_in_reach(seen):
    said, _ = seen
    assert not said["wrong"]  # console, requests, axe, width; light, dark, phone; disk, server
    assert said["reached"] == ["file", *["BUTTON"] * 3, "threshold", "show-outline"]
    assert len(set(said["verdicts"])) == 2  # the chosen confidence decides who is referred


def test_a_file_that_was_not_released_is_not_built_in(tmp_path, monkeypatch):
    release = tmp_path / "release"
    release.mkdir()
    (release / page.NETWORK).write_bytes(b"another network")
    facts = '{"classes": [], "refer_below": 0.5, "size": 224, "files": {"%s": {"sha256": "0"}}}'
    (release / "release.json").write_text(facts % page.NETWORK)
    dist = tmp_path / "onnxruntime-web" / "dist"
    dist.mkdir(parents=True)
    (dist.parent / "package.json").write_text('{"version": "1"}')
    for name in page.RUNTIME:
        (dist / name).write_text("")
    monkeypatch.setattr(page, "RELEASE", release)
    with pytest.raises(StudyError, match="not the file that was released"):
        page.build_page(tmp_path / "page.html", tmp_path)
