"""The released network, its graph and the command that asks it."""

import json
import os
import shutil

import cv2
import numpy as np
import pandas as pd
import pytest
from PIL import Image
from test_page import odd_files

from busi_phantom.render import render_phantoms
from busi_utils import CLASSES
from busi_utils.audit.images import letterbox
from busi_utils.deploy.command import main
from busi_utils.deploy.prediction import NETWORK, RELEASE, RULES, Answer, Release, read_frame
from busi_utils.errors import StudyError


@pytest.fixture(scope="module")
def frames(tmp_path_factory):
    folder = tmp_path_factory.mktemp("frames")
    for k, phantom in enumerate(render_phantoms(CLASSES, seed=3)):
        Image.fromarray(phantom.image).save(folder / f"{k}.png")
    return folder


def told(capsys, *arguments):
    """Exit code, JSON or text, and errors of one call."""
    code = main([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    return code, json.loads(out) if "--json" in arguments else out, err


def test_the_released_file_is_the_listed_one_and_another_is_refused(tmp_path):
    facts = json.loads((RELEASE / "release.json").read_text())
    assert facts["files"][NETWORK]["bytes"] == (RELEASE / NETWORK).stat().st_size < 4.8e6
    assert facts["onnx_fp16"]["labels_changed"] == 0
    assert sum(file["bytes"] for file in facts["files"].values()) < 10e6
    Release()
    (tmp_path / "release.json").write_text(json.dumps(facts))
    (tmp_path / NETWORK).write_bytes((RELEASE / NETWORK).read_bytes()[:-1] + b"\0")
    with pytest.raises(StudyError, match="not the file that was released"):
        Release(folder=tmp_path)


def test_the_command_answers_a_folder_a_pattern_and_files_alike(frames, capsys):
    code, all_of, _ = told(capsys, frames, "--json")
    assert code == 0
    assert len(all_of["images"]) == len(CLASSES)
    for one in all_of["images"]:
        assert sum(one["probabilities"].values()) == pytest.approx(1, abs=1e-5)
        assert one["label"] == max(one["probabilities"], key=one["probabilities"].get)
        assert one["referred"] == (one["confidence"] < all_of["network"]["refer_below"])
    assert told(capsys, frames / "*.png", "--json")[1] == all_of
    code, text, err = told(capsys, frames / "0.png")
    assert "0.png" in text
    assert "not a medical device" in err


def test_the_answer_is_that_of_the_image_and_its_mirror_image(frames):
    release, grey = Release(threads=1), read_frame(frames / "2.png")
    square = letterbox(grey, release.facts["size"])
    p = release.ask(grey).probabilities
    q = release.ask(square).probabilities
    np.testing.assert_allclose(q, p, atol=0.02)  # the graph's letterbox, within a grey level
    np.testing.assert_allclose(release.ask(square[:, ::-1].copy()).probabilities, q, atol=1e-5)


def test_odd_files_get_a_sentence_and_the_others_their_answer(frames, tmp_path, capsys):
    for name, data in odd_files().items():
        (tmp_path / name).write_bytes(data)
    good = frames / "1.png"
    files = sorted(path for path in tmp_path.iterdir())
    code, found, _ = told(capsys, good, *files, "--json")
    assert code == 1
    assert "label" in found["images"][0]
    ends = tuple(sentence.rsplit(": ", 1)[1] for sentence in RULES["sentences"].values())
    for one in found["images"][1:]:
        assert one["refused"].endswith(ends), one
    assert told(capsys, tmp_path / "none.png")[0] == 1
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.png")
        assert "no ordinary file" in told(capsys, tmp_path / "pipe.png")[2]  # and is not waited for
    assert told(capsys, tmp_path / "*.gif")[0] == 2


def test_an_argument_that_names_nothing_is_refused_and_the_others_answered(
    frames, tmp_path, capsys, monkeypatch
):
    monkeypatch.chdir(frames)  # not what an argument without a letter means
    nothing = ["", tmp_path, tmp_path / "*.gif", "~no such user/x.png", tmp_path / ("a" * 300)]
    code, found, _ = told(capsys, *nothing, frames / "1.png", "--json")
    assert code == 1
    refused = {one["file"]: one["refused"] for one in found["images"] if "refused" in one}
    assert list(refused) == [str(name) for name in nothing]
    assert [one["file"] for one in found["images"] if "label" in one] == [str(frames / "1.png")]
    code, text, err = told(capsys, *nothing)
    assert (code, text) == (2, "")
    assert all(sentence in err for sentence in refused.values())


@pytest.mark.skipif(os.name == "nt", reason="no such names there")
def test_a_line_break_in_a_name_breaks_no_line(frames, tmp_path, capsys):
    (tmp_path / "a\nb.png").write_bytes((frames / "1.png").read_bytes())
    (tmp_path / "c\x1b[2J.png").write_bytes(b"no image")
    code, text, err = told(capsys, tmp_path)
    assert code == 1
    assert len(text.splitlines()) == 2
    assert text.splitlines()[1].startswith("a\\nb.png ")
    assert "\x1b" not in err
    assert "c\\x1b[2J.png" in err


def test_the_explanation_is_a_picture_twice_as_wide(frames, tmp_path, capsys):
    target = tmp_path / "out.png"
    assert told(capsys, frames / "2.png", "--explain", target)[0] == 0
    height, width = read_frame(frames / "2.png").shape
    assert cv2.imread(str(target)).shape == (height, 2 * width, 3)
    assert told(capsys, frames, "--explain", target)[0] == 2
    assert told(capsys, frames / "2.png", "--explain", tmp_path / "out.jpg")[0] == 2


def test_the_explanation_never_overwrites_the_image(frames, tmp_path, capsys):
    image, alias = tmp_path / "own.png", tmp_path / "alias.png"
    shutil.copy(frames / "2.png", image)
    alias.symlink_to(image)
    for target in (image, tmp_path / "." / "own.png", alias):
        code, _, err = told(capsys, image, "--explain", target)
        assert code == 2
        assert "name another file" in err
    assert image.read_bytes() == (frames / "2.png").read_bytes()


def test_the_lesions_share_is_one_of_the_frame_not_of_the_square_around_it():
    seen = np.zeros((224, 224), np.float32)
    seen[56:168, 100:110] = 1  # a frame of half the height fills these rows
    seen[:56] = 1  # beyond it the mask counts for nothing
    told = Release(threads=1).verdict(Answer(np.array([0.2, 0.7, 0.1]), seen), (100, 200))
    assert told["lesion_share"] == pytest.approx(10 / 224, abs=1e-6)


def test_referral_counts_the_answers_of_all_seeds():
    pytest.importorskip("tensorflow")
    from busi_utils.deploy.release import referral

    y = np.array([0, 2, 2, 2])
    sure, unsure = [0.9, 0.05, 0.05], [0.4, 0.3, 0.3]
    first, second = [sure, sure[::-1], sure, unsure], [sure, sure[::-1], unsure, unsure]
    found = referral(y, np.array([first, second]), {"temperature": 1.0, "refer_below": 0.7})
    assert found == {"referred": 3 / 8, "wrong": 1 / 5, "malignant": 3, "missed": 1, "n": 8}
    cooler = {"temperature": 0.1, "refer_below": 0.7}  # what was unsure is answered, wrongly
    assert referral(y, np.array([first, second]), cooler)["missed"] == 4


def test_confidence_is_no_test_of_the_image_as_the_card_says(tmp_path):
    noise = cv2.GaussianBlur(np.random.default_rng(0).normal(0, 1, (471, 562)), (0, 0), 3)
    grey = np.clip(60 + 40 * noise / noise.std(), 0, 255).astype(np.uint8)
    Image.fromarray(grey).save(tmp_path / "noise.png")
    release = Release(threads=1)
    told = release.verdict(release.ask(grey), grey.shape)
    assert told["label"] == "normal"
    assert told["confidence"] > 0.9


@pytest.mark.slow
def test_the_card_tells_what_was_measured(tmp_path, monkeypatch):
    pytest.importorskip("tensorflow")
    from busi_utils.deploy import release
    from busi_utils.study.study import Study
    from busi_utils.workspace import workspace_for

    written = {}
    monkeypatch.setattr(release, "write_text", lambda path, text: written.update({path.name: text}))
    release.write_card(Study("busi", workspace_for("busi"), {}, ""))
    card = written["README.md"]
    answers = pd.read_csv(workspace_for("busi").results / "deployment" / "answers.csv")
    mine = answers[answers["model"].eq("mobilenetv2") & answers["recipe"].eq("tuned")]
    label = mine.set_index(["format", "image_id"])[[f"p_{name}" for name in CLASSES]].idxmax(axis=1)
    by = label.unstack("format")
    changed = (by["litert_int8_weights"] != by["reference"]).sum()
    assert f"`mobilenetv2_int8_weights.tflite` changes {changed} labels" in card
    assert f"sides of {RULES['min_side']} pixels and more" in card
    assert 'without "I\'d refer this"' in card
