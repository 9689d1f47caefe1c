"""The released network, its graph and the command that asks it."""

import json
import os

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
from busi_utils.deploy.prediction import NETWORK, RELEASE, RULES, Release, read_frame, session
from busi_utils.errors import StudyError

RNG = np.random.default_rng(11)


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


def test_the_explanation_is_a_picture_twice_as_wide(frames, tmp_path, capsys):
    target = tmp_path / "out.png"
    assert told(capsys, frames / "2.png", "--explain", target)[0] == 0
    height, width = read_frame(frames / "2.png").shape
    assert cv2.imread(str(target)).shape == (height, 2 * width, 3)
    assert told(capsys, frames, "--explain", target)[0] == 2
    assert told(capsys, frames / "2.png", "--explain", tmp_path / "out.jpg")[0] == 2


@pytest.mark.slow
def test_the_graphs_letterbox_is_opencvs_within_a_grey_level():
    from busi_utils.deploy.letterbox import letterbox_graph

    graph = session(letterbox_graph(64).SerializeToString())
    for shape in [(64, 64), (40, 90), (300, 211), (33, 500), (1000, 700), (10, 12)]:
        image = RNG.integers(0, 256, shape, np.uint8)
        found = graph.run(None, {"image": image})[0][0, ..., 0]
        assert np.abs(found - letterbox(image, 64)).max() <= 1, shape


def small_network():
    """A network with a mask head, two convolutions, 32 x 32 pixels."""
    import keras

    keras.utils.set_random_seed(2)
    x = image = keras.Input((32, 32, 3))
    x = keras.layers.Conv2D(64, 5, strides=2, padding="same", activation="relu")(x)
    share = keras.layers.Conv2D(1, 3, padding="same", activation="sigmoid", name="mask_share")(x)
    x = keras.layers.Flatten()(keras.layers.Multiply()([x, share]))
    return keras.Model(image, keras.layers.Dense(3, activation="softmax")(x))


@pytest.mark.slow
def test_what_is_exported_is_the_tempered_mean_over_both_directions():
    from busi_utils.deploy.graph import deployed, to_onnx, weights_as_fp16
    from busi_utils.stats.calibration import apply_temperature

    full = small_network()
    grey = RNG.uniform(0, 255, (4, 32, 32, 1)).astype(np.float32)
    ready = np.repeat(grey / 127.5 - 1, 3, axis=3)
    mean = (full(ready).numpy() + full(ready[:, :, ::-1]).numpy()) / 2
    expected = apply_temperature(mean.astype(float), 1.7)
    exported = to_onnx(deployed(full, (1 / 127.5, -1.0), 1.7))
    for model, off in ((exported, 1e-5), (weights_as_fp16(exported), 2e-3)):
        found = session(model.SerializeToString()).run(None, {"grey": grey})
        p = next(part for part in found if part.shape == (4, 3))
        np.testing.assert_allclose(p, expected, atol=off)


@pytest.mark.slow
def test_8_bits_spare_the_first_convolutions_and_short_names_change_nothing():
    from busi_utils.deploy.graph import as_int8, deployed, shortened, to_onnx

    core = to_onnx(deployed(small_network(), (1 / 127.5, -1.0), 1.0))
    grey = RNG.uniform(0, 255, (4, 32, 32, 1)).astype(np.float32)
    p = session(core.SerializeToString()).run(["p"], {"grey": grey})[0]
    sizes = []
    for kept in (0, 1):
        int8 = as_int8(core, grey, kept)
        q = session(int8.SerializeToString()).run(["p"], {"grey": grey})[0]
        assert 0 < np.abs(p - q).max() < 0.1
        file = shortened(int8)
        np.testing.assert_array_equal(session(file).run(["p"], {"grey": grey})[0], q)
        sizes.append(len(file))
    assert sizes[0] < sizes[1]  # a convolution in single precision is larger


@pytest.mark.slow
def test_litert_answers_as_keras_does():
    pytest.importorskip("ai_edge_litert")
    from busi_utils.deploy.graph import deployed, to_litert
    from busi_utils.deploy.runtimes import runtime_of

    model = deployed(small_network(), (1 / 127.5, -1.0), 1.3)
    grey = RNG.uniform(0, 255, (3, 32, 32, 1)).astype(np.float32)
    files = to_litert(model, grey)
    p = np.asarray(model(grey)["p"])
    for file, off in zip(files, (1e-4, 5e-3, 0.05, 0.1), strict=True):
        ask = runtime_of("litert", file)
        assert ask.shape == (32, 32, 1)
        np.testing.assert_allclose(ask(grey), p, atol=off)


def test_int8_is_chosen_by_labels_changed_among_files_that_are_small_enough():
    pytest.importorskip("tensorflow")
    from busi_utils.deploy.formats import LARGEST_INT8, chosen_kept

    rows = [(0, 9, 100), (8, 2, 200), (16, 2, 300), (24, 0, LARGEST_INT8 + 1)]
    tried = [{"kept": k, "labels_changed": n, "bytes": size} for k, n, size in rows]
    assert chosen_kept(pd.DataFrame(tried)) == 8


def test_deployment_goes_on_where_it_stopped_and_prefers_trained_networks(tmp_path, monkeypatch):
    pytest.importorskip("tensorflow")
    from types import SimpleNamespace

    from busi_utils.deploy import measure, tables
    from busi_utils.kept import keep_table
    from busi_utils.workspace import Workspace

    study = SimpleNamespace(
        dataset="busi", workspace=Workspace(tmp_path), require_images=lambda cell: None
    )
    main, small, other = ("mobilenetv2", "tuned"), ("tiny", "tuned"), ("large", "tuned")
    known, done = {small}, []  # kept of seed 1 alone
    weighed = {"parameters": 9, "weights": "untrained", "format": "h5", "bytes": 99}
    told = {"seed": 1, "format": "reference", "image_id": "a", "label": "benign"}
    told |= {"p_normal": 0.2, "p_benign": 0.5, "p_malignant": 0.3, "fold": 0}

    def row(kind, names, line):
        done.append((kind, *names))
        return pd.DataFrame([dict(zip(("model", "recipe"), names, strict=True)) | line])

    monkeypatch.setattr(
        measure,
        "is_kept",
        lambda study, cell: cell.seed == 1 and (cell.model, cell.recipe) in known,
    )
    monkeypatch.setattr(measure.tables, "TIMED", tmp_path)
    monkeypatch.setattr(
        measure.formats,
        "answers",
        lambda study, cells, kept: row(
            f"asked, seed {cells[0].seed}", (cells[0].model, cells[0].recipe), told
        ),
    )
    monkeypatch.setattr(
        measure.formats,
        "sizes_of",
        lambda study, cell, kept: row("weighed", (cell.model, cell.recipe), weighed),
    )
    tried = {"kept": 8, "fold": 0, "images": 9, "bytes": 9, "largest_difference": 0.1}
    keep_table(
        tables.folder(study.workspace) / "int8.csv", pd.DataFrame([tried | {"labels_changed": 0}])
    )
    measure.measure(study, [main, small])
    assert done[:2] == [("asked, seed 0", *main), ("asked, seed 1", *small)]
    assert done[2:] == [("weighed", *main), ("weighed", *small)]
    done.clear()
    measure.measure(study, [main, small, other])
    assert done == [("weighed", *small), ("weighed", *other)]
    known.clear()
    done.clear()
    measure.measure(study, [main, small, other], to_time=True)
    assert done == [("weighed", *names) for names in (main, small, other)]
    assert len(tables.read("sizes", study.workspace)) == 3
